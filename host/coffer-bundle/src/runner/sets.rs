//! Applying and deleting parameter and credential sets. A value that stands in the file goes into the
//! default store; the ledger gets a reference.

use super::{Address, RunFailure, Runner, Step, kept, key_of, new_id};
use crate::ledger::Kept;
use crate::sets::{Entry, Set, SetKind};
use crate::stores::HOST;
use coffer_host::Secret;
use coffer_host::grants::Source;

impl Runner<'_> {
    /// Applies a set: makes it, or puts it in the place of the one of its name.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Unkept`] if it has a value and the default store keeps nothing, or
    /// [`RunFailure::Save`]; the set is as it was then.
    pub async fn apply(&self, set: &Set, namespace: &str) -> Result<(), RunFailure> {
        let operation = new_id();
        let namespace = set.namespace.as_ref().map_or(namespace, |name| name.as_str());
        let store = self.stores.default().await?;
        let mut entries = Vec::new();
        let mut values: Vec<(Address, Secret)> = Vec::new();
        for Entry { name, reference, store: chosen } in &set.entries {
            if reference.source() == Source::Value {
                let key = format!("{operation}-set-{name}");
                let address = Address { store: store.name().to_owned(), key };
                values.push((address.clone(), Secret::from(reference.key())));
                entries.push((name.clone(), kept(&address)));
            } else {
                let store = chosen.clone().unwrap_or_default();
                entries.push((name.clone(), Kept::Outside { store, reference: reference.clone() }));
            }
        }
        if !values.is_empty() && !store.capabilities().writer {
            let plugin = store.plugin().inspection().manifest.name();
            let subject = if plugin == HOST {
                "the default secrets plugin, secrets.porter.host,".to_owned()
            } else {
                format!("the secrets store `{}` with the plugin {plugin}", store.name())
            };
            return Err(RunFailure::Unkept { what: "value of the set", subject });
        }
        let intents: Vec<Address> = values.iter().map(|(address, _)| address.clone()).collect();
        let kind = word(set.kind);
        (self.watch)(&Step::Intend);
        let lease =
            self.ledger.begin_set(kind, namespace, set.name.as_str(), &operation, &intents).await?;
        let puts: Vec<(Address, &Secret)> =
            values.iter().map(|(address, secret)| (address.clone(), secret)).collect();
        let failures = self.put_all(&store, &puts).await;
        let applied = if failures.is_empty() {
            (self.watch)(&Step::Finish);
            self.ledger.apply_set(&lease, &set.labels, &entries).await.map_err(RunFailure::from)
        } else {
            Err(RunFailure::Save { what: "value of the set", failures })
        };
        if let Err(failure) = applied {
            // A change that failed when it was synced may be there for the next process that opens the ledger.
            // Unless it is written over, as here, only that process knows what can be deleted.
            if self.ledger.renew(&lease).await.is_err() {
                return Err(failure);
            }
            let mut left = Vec::new();
            for address in intents {
                (self.watch)(&Step::Delete(address.key.clone()));
                if store.delete(&key_of(&address)).await.is_err() {
                    left.push(address);
                }
            }
            self.ledger.take_set_back(&lease, &left).await?;
            return Err(failure);
        }
        self.delete_doomed(&lease).await?;
        Ok(self.ledger.forget_set(&lease).await?)
    }

    /// Deletes a set, and what it has in stores.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Undeleted`] if a store did not delete something; [`Runner::recover`] tries again.
    pub async fn forget(
        &self,
        kind: SetKind,
        namespace: &str,
        name: &str,
    ) -> Result<(), RunFailure> {
        let lease = self.ledger.doom_set(word(kind), namespace, name, &new_id()).await?;
        self.delete_doomed(&lease).await?;
        Ok(self.ledger.forget_set(&lease).await?)
    }
}

/// The word for a kind of set in the ledger.
pub(super) fn word(kind: SetKind) -> &'static str {
    kind.entries_key()
}
