//! The end of a run: its outputs go into the spool, then into their store, then into the ledger.

use super::{Address, RunFailure, Runner, Step, kept, key_of};
use crate::bundle::Output;
use crate::driver::{DriverError, Ended};
use crate::ledger::{Ending, Kept, Lease, Status};
use crate::package::Package;
use crate::runner::plan::{Choice, Choices};
use crate::spool::{SpoolError, Spooled};
use crate::stores::HOST;
use coffer_host::{Explain as _, Mask, Secret, Store};
use serde_json::Value;
use std::collections::BTreeMap;

/// What became of the outputs, before they are kept anywhere.
struct Sorted {
    plain: BTreeMap<String, Value>,
    sensitive: BTreeMap<String, Secret>,
    complaints: Vec<String>,
}

impl Runner<'_> {
    /// The store that keeps the run's sensitive values. Whether it can is known without asking it.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Unkept`] if there are such values and it cannot, before anything happened.
    pub(super) async fn keeper(
        &self,
        choices: &Choices,
        package: &Package,
        action: &str,
    ) -> Result<Store, RunFailure> {
        let store = self.stores.default().await?;
        let sensitive = |(_, output): &(&String, &Output)| {
            output.applies(action) && output.definition.sensitive()
        };
        let what = if choices.choices.iter().any(Choice::is_to_be_saved) {
            "param"
        } else if package.bundle().outputs().iter().any(|output| sensitive(&output)) {
            "output"
        } else {
            return Ok(store);
        };
        if store.capabilities().writer {
            return Ok(store);
        }
        let plugin = store.plugin().inspection().manifest.name();
        Err(RunFailure::Unkept {
            what,
            // Porter's own sentence, where it is Porter's own plugin.
            subject: if plugin == HOST {
                "the default secrets plugin, secrets.porter.host,".to_owned()
            } else {
                format!("the secrets store `{}` with the plugin {plugin}", store.name())
            },
        })
    }

    /// Keeps what a run has left, and records how it ended.
    ///
    /// # Errors
    ///
    /// [`RunFailure`] if the entry point failed, or what it left could not be kept.
    pub(super) async fn conclude(
        &self,
        lease: &Lease,
        store: &Store,
        package: &Package,
        action: &str,
        mask: &Mask,
        ended: Result<Ended, DriverError>,
    ) -> Result<Vec<String>, RunFailure> {
        let Ended { exit_code, outputs, refused } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let status = match error {
                    DriverError::Cancelled => Status::Cancelled,
                    _ => Status::Failed,
                };
                let message = mask.text(&error.to_string());
                self.finish(lease, status, None, Some(&message), &BTreeMap::new()).await?;
                return Err(RunFailure::Driver(error));
            }
        };
        let failed = exit_code != 0;
        let mut sorted = sort(package, action, mask, outputs, failed);
        sorted.complaints.extend(refused.iter().map(|error| mask.text(&error.to_string())));
        if !sorted.sensitive.is_empty() && !store.capabilities().writer {
            for name in std::mem::take(&mut sorted.sensitive).into_keys() {
                sorted.complaints.push(format!(
                    "output `{name}` has a secret in it, and the store `{}` cannot keep it",
                    store.name()
                ));
            }
        }
        let Sorted { plain, sensitive, complaints } = sorted;
        let failure = DriverError::Failed { status: exit_code };
        let message = match (failed, complaints.is_empty()) {
            (true, _) => Some(failure.to_string()),
            (false, false) => Some(complaints.join("; ")),
            (false, true) => None,
        };
        let status = if message.is_some() { Status::Failed } else { Status::Succeeded };
        let names = plain.keys().chain(sensitive.keys()).cloned().collect();
        let spooled = Spooled {
            exit_code: Some(exit_code),
            status: status.name().to_owned(),
            message,
            plain,
            store: store.name().to_owned(),
            sensitive,
        };
        self.save(lease, store, &spooled).await?;
        match status {
            Status::Succeeded => Ok(names),
            _ if failed => Err(RunFailure::Driver(failure)),
            _ => Err(RunFailure::Outputs { complaints }),
        }
    }

    /// Puts what a run has left into its store, by way of the spool, and records how the run ended.
    ///
    /// # Errors
    ///
    /// [`RunFailure::Unsaved`]; it is in the spool then.
    async fn save(
        &self,
        lease: &Lease,
        store: &Store,
        spooled: &Spooled,
    ) -> Result<(), RunFailure> {
        let run = lease.run();
        let sealed = (!spooled.sensitive.is_empty()).then(|| self.seal(run, spooled));
        let Err((why, next)) = self.put_and_settle(lease, store, spooled).await else {
            self.spool.remove(run).unwrap_or_else(|error| {
                tracing::warn!("cannot empty the spool: {error}");
            });
            return Ok(());
        };
        let sealed = sealed.unwrap_or_else(|| self.seal(run, spooled));
        let message = format!("the outputs were not saved: {why}");
        // If this fails too, whoever recovers sees that this process is gone.
        if let Err(error) = self.ledger.leave_unsaved(lease, &message).await {
            tracing::warn!("cannot record that the outputs were not saved: {error}");
        }
        Err(match sealed {
            Ok(()) => RunFailure::Unsaved { run: run.to_owned(), why, next },
            Err(error) => RunFailure::Lost { why: format!("{why}; {error}"), next },
        })
    }

    fn seal(&self, run: &str, spooled: &Spooled) -> Result<(), SpoolError> {
        (self.watch)(&Step::Spool);
        let sealed = self.spool.put(run, spooled);
        // Without the spool the outputs are still here, and the store may well take them.
        sealed.inspect_err(|error| tracing::warn!("the outputs are not in the spool: {error}"))
    }

    /// What stopped it and what to do, if it is not done.
    async fn put_and_settle(
        &self,
        lease: &Lease,
        store: &Store,
        spooled: &Spooled,
    ) -> Result<(), (String, String)> {
        let puts: Vec<(Address, &Secret)> = addresses(lease.run(), spooled).collect();
        if !puts.is_empty() {
            let intents: Vec<Address> = puts.iter().map(|(address, _)| address.clone()).collect();
            (self.watch)(&Step::Intend);
            let intended = self.ledger.intend(lease, &intents).await;
            intended.map_err(|error| (error.to_string(), error.next()))?;
        }
        let failures = self.put_all(store, &puts).await;
        if let Some(first) = failures.first() {
            let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
            return Err((all.join("; "), first.next()));
        }
        self.settle(lease, spooled).await.map_err(|failure| (failure.to_string(), failure.next()))
    }

    /// Puts what is in the spool into its store, and records how the run ended.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub(super) async fn save_spooled(
        &self,
        lease: &Lease,
        spooled: &Spooled,
    ) -> Result<(), RunFailure> {
        let store = self.stores.open(&spooled.store).await?;
        self.save(lease, &store, spooled).await
    }

    async fn settle(&self, lease: &Lease, spooled: &Spooled) -> Result<(), RunFailure> {
        let plain = spooled.plain.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mut outputs: BTreeMap<String, Kept> =
            plain.map(|(name, value)| (name, Kept::Plain(value))).collect();
        for (name, (address, _)) in spooled.sensitive.keys().zip(addresses(lease.run(), spooled)) {
            outputs.insert(name.clone(), kept(&address));
        }
        let status = spooled.status.parse().unwrap_or(Status::Failed);
        self.finish(lease, status, spooled.exit_code, spooled.message.as_deref(), &outputs).await
    }

    pub(super) async fn finish(
        &self,
        lease: &Lease,
        status: Status,
        exit_code: Option<i32>,
        message: Option<&str>,
        outputs: &BTreeMap<String, Kept>,
    ) -> Result<(), RunFailure> {
        (self.watch)(&Step::Finish);
        Ok(self.ledger.finish(lease, &Ending { status, exit_code, message, outputs }).await?)
    }
}

/// Where each sensitive output goes.
fn addresses<'s>(
    run: &str,
    spooled: &'s Spooled,
) -> impl Iterator<Item = (Address, &'s Secret)> + use<'s> {
    let run = run.to_owned();
    spooled.sensitive.iter().map(move |(name, secret)| {
        let address = Address { store: spooled.store.clone(), key: format!("{run}-output-{name}") };
        debug_assert_eq!(key_of(&address).key(), address.key);
        (address, secret)
    })
}

/// Tells the outputs that can be shown from those that cannot. An output that is not called sensitive and
/// has a secret of this run in it is.
fn sort(
    package: &Package,
    action: &str,
    mask: &Mask,
    mut left: BTreeMap<String, Secret>,
    failed: bool,
) -> Sorted {
    let mut sorted =
        Sorted { plain: BTreeMap::new(), sensitive: BTreeMap::new(), complaints: Vec::new() };
    let outputs = package.bundle().outputs();
    for (name, Output { definition, .. }) in
        outputs.iter().filter(|(_, output)| output.applies(action))
    {
        let Some(bytes) = left.remove(name) else {
            match definition.default() {
                _ if failed => {}
                Some(default) if definition.sensitive() => {
                    let bytes = std::mem::take(&mut *definition.bytes(default));
                    sorted.sensitive.insert(name.clone(), Secret::new(bytes));
                }
                Some(default) => drop(sorted.plain.insert(name.clone(), default.clone())),
                None => sorted
                    .complaints
                    .push(format!("required output {name} is missing and has no default")),
            }
            continue;
        };
        let value = definition
            .read(bytes.expose())
            .and_then(|value| definition.check(&value).map(|()| value));
        match value {
            Ok(value) if !definition.sensitive() && !mask.finds(bytes.expose()) => {
                sorted.plain.insert(name.clone(), value);
            }
            Ok(_) => drop(sorted.sensitive.insert(name.clone(), bytes)),
            Err(error) => {
                // It is kept all the same: it may be the only copy of something.
                sorted.complaints.push(format!("output `{name}`: {error}"));
                sorted.sensitive.insert(name.clone(), bytes);
            }
        }
    }
    sorted.hide(outputs);
    sorted
}

impl Sorted {
    /// Moves what has a secret in it that this run made up, as an address has a password.
    fn hide(&mut self, outputs: &BTreeMap<String, Output>) {
        let mask = Mask::new(self.sensitive.values());
        for (name, value) in std::mem::take(&mut self.plain) {
            let mut bytes = outputs[&name].definition.bytes(&value);
            if mask.finds(&bytes) {
                self.sensitive.insert(name, Secret::new(std::mem::take(&mut *bytes)));
            } else {
                self.plain.insert(name, value);
            }
        }
    }
}
