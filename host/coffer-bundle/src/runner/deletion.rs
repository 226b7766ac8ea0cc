//! `uninstall --delete`: what an installation has in stores goes, and then the installation.

use super::{RunFailure, Runner, Step, key_of, new_id};
use crate::ledger::{Lease, State};
use crate::name::Name;
use coffer_host::CallError;

impl Runner<'_> {
    /// Deletes every secret of an installation that was uninstalled, and forgets it.
    ///
    /// # Errors
    ///
    /// [`RunFailure::NotUninstalled`], or [`RunFailure::Undeleted`] if a store did not delete something;
    /// [`Runner::recover`] tries again.
    pub async fn delete(&self, namespace: &str, name: &Name) -> Result<(), RunFailure> {
        let installation = self.ledger.installation(namespace, name.as_str()).await?;
        self.recover_subject(&installation.id).await?;
        let installation = self.ledger.installation(namespace, name.as_str()).await?;
        if installation.state == State::Active {
            return Err(RunFailure::NotUninstalled { name: name.to_string() });
        }
        let lease = self.ledger.hold_for_deletion(&installation.id, &new_id()).await?;
        self.ledger.doom_installation(&lease).await?;
        self.delete_doomed(&lease).await?;
        Ok(self.ledger.forget_installation(&lease).await?)
    }

    /// Deletes what is doomed of what `lease` is about. If something stays, the lease is given back.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Undeleted`], or [`RunFailure::Store`] if a store does not open; what is in
    /// others is deleted all the same.
    pub(super) async fn delete_doomed(&self, lease: &Lease) -> Result<(), RunFailure> {
        let deleted = self.try_to_delete_doomed(lease).await;
        if deleted.is_err() {
            self.release(lease).await;
        }
        deleted
    }

    async fn try_to_delete_doomed(&self, lease: &Lease) -> Result<(), RunFailure> {
        let mut failures: Vec<CallError> = Vec::new();
        let mut closed = None;
        for address in self.ledger.doomed(Some(lease.subject())).await? {
            (self.watch)(&Step::Delete(address.key.clone()));
            let store = match self.stores.open(&address.store).await {
                Ok(store) => store,
                Err(error) => {
                    closed = Some(error);
                    continue;
                }
            };
            match store.delete(&key_of(&address)).await {
                Ok(()) => self.ledger.forget(&address).await?,
                Err(error) => failures.push(error),
            }
        }
        match closed {
            _ if !failures.is_empty() => Err(RunFailure::Undeleted { failures }),
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
