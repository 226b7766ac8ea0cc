//! Putting right what killed processes, stores that were down and full disks have left.

use super::{RunFailure, Runner, Step, key_of, new_id};
use crate::ledger::{Address, Lease, LedgerError, Status};
use crate::spool::SpoolError;
use std::collections::BTreeMap;

/// What was put right, or could not be.
#[derive(Debug, Default)]
pub struct Recovery {
    /// In the order in which it was looked at.
    pub items: Vec<(Recovered, Result<(), RunFailure>)>,
}

/// Something that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// An installation whose deletion had begun: its id.
    Deletion(String),
    /// The files of a native driver: the run.
    Files(String),
    /// A run whose process was gone: nothing of it ran, and it was taken back.
    Prepared(String),
    /// A run whose process was gone while its entry point ran: its outputs are lost.
    Interrupted(String),
    /// A set whose change had begun: its id.
    Set(String),
    /// A run whose outputs were in the spool.
    Spooled(String),
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deletion(id) => write!(f, "deleted what was left of installation {id}"),
            Self::Files(run) => write!(f, "removed the files that run {run} left"),
            Self::Interrupted(run) => {
                write!(f, "run {run} was interrupted while its bundle ran; its outputs are lost")
            }
            Self::Prepared(run) => write!(f, "took run {run} back, of which nothing ran"),
            Self::Set(id) => write!(f, "put set {id} in order"),
            Self::Spooled(run) => write!(f, "saved the outputs of run {run}"),
        }
    }
}

impl Runner<'_> {
    /// Puts everything right that can be. What belongs to a process that is still there is left alone.
    ///
    /// # Errors
    ///
    /// [`RunFailure`] if the ledger or the spool cannot be read. What goes wrong with one item is in the
    /// [`Recovery`].
    pub async fn recover(&self) -> Result<Recovery, RunFailure> {
        let mut recovery = Recovery::default();
        for (subject, run) in self.ledger.unfinished().await? {
            recovery.items.extend(self.recover_run(&subject, &run).await);
        }
        recovery.items.extend(self.recover_spool(None).await?);
        for set in self.ledger.unfinished_sets().await? {
            recovery.items.extend(self.recover_set(set).await);
        }
        self.recover_deletions(&mut recovery).await?;
        self.recover_leases(None).await?;
        let unfinished = self.ledger.unfinished().await?;
        let running = |run: &str| unfinished.iter().any(|(_, unfinished)| unfinished == run);
        let swept = self.scratch.sweep(running).map_err(|error| RunFailure::Spool(error.into()))?;
        recovery.items.extend(swept.into_iter().map(|run| (Recovered::Files(run), Ok(()))));
        Ok(recovery)
    }

    /// Puts right what was left of one installation, before anything else is done with it.
    pub(super) async fn recover_subject(&self, subject: &str) -> Result<(), RunFailure> {
        for (found, run) in self.ledger.unfinished().await? {
            if found == subject
                && let Some((_, result)) = self.recover_run(&found, &run).await
            {
                result?;
            }
        }
        for (_, result) in self.recover_spool(Some(subject)).await? {
            result?;
        }
        self.recover_leases(Some(subject)).await
    }

    /// Puts one run right; `None` if its process is still there, or nothing is left of it.
    async fn recover_run(
        &self,
        subject: &str,
        run: &str,
    ) -> Option<(Recovered, Result<(), RunFailure>)> {
        let (lease, status) = match self.ledger.take_over_run(subject, run).await {
            Ok(Some(taken)) => taken,
            Ok(None) | Err(LedgerError::Busy { .. }) => return None,
            Err(error) => return Some((Recovered::Interrupted(run.into()), Err(error.into()))),
        };
        (self.watch)(&Step::Recover(run.to_owned()));
        let (item, result) = match (self.spool.get(run), status) {
            (Err(error), _) => (Recovered::Spooled(run.into()), Err(error.into())),
            (Ok(Some(spooled)), _) => {
                (Recovered::Spooled(run.into()), self.save_spooled(&lease, &spooled).await)
            }
            (Ok(None), Status::Preparing) => {
                (Recovered::Prepared(run.into()), self.undo(&lease).await)
            }
            (Ok(None), Status::Interrupted) => {
                // Half a file, which its process was killed over.
                self.release(&lease).await;
                let result =
                    self.spool.remove(run).map_err(|error| RunFailure::Spool(error.into()));
                return result.err().map(|error| (Recovered::Spooled(run.into()), Err(error)));
            }
            (Ok(None), _) => (Recovered::Interrupted(run.into()), self.interrupt(&lease).await),
        };
        if result.is_err() {
            self.release(&lease).await;
        }
        Some((item, result))
    }

    /// Looks at what is in the spool of runs that have ended: all of them, or those of one installation.
    async fn recover_spool(
        &self,
        only: Option<&str>,
    ) -> Result<Vec<(Recovered, Result<(), RunFailure>)>, RunFailure> {
        let mut items = Vec::new();
        for run in self.spool.runs()? {
            let found = self.ledger.run(&run).await?;
            let subject = found.as_ref().map(|(subject, _)| subject.as_str());
            if only.is_some() && subject != only {
                continue;
            }
            match found {
                // Its process is there, or it was looked at already.
                Some((_, Status::Preparing | Status::Running | Status::Unsaved)) => {}
                // Its process was there all the time, and somebody else had taken it for gone.
                Some((subject, Status::Interrupted)) => {
                    items.extend(self.recover_run(&subject, &run).await);
                }
                // Its process was killed before it emptied the spool.
                Some((_, Status::Cancelled | Status::Failed | Status::Succeeded)) => {
                    let removed = self.spool.remove(&run);
                    let removed = removed.map_err(|error| RunFailure::Spool(error.into()));
                    items.push((Recovered::Spooled(run), removed));
                }
                None => {
                    let error = SpoolError::Unknown { run: run.clone() };
                    items.push((Recovered::Spooled(run), Err(error.into())));
                }
            }
        }
        Ok(items)
    }

    /// Gives back leases that nothing else would: whoever had them deleted something, and was killed
    /// when that was done.
    async fn recover_leases(&self, only: Option<&str>) -> Result<(), RunFailure> {
        for subject in self.ledger.abandoned().await? {
            if only.is_some_and(|only| only != subject) {
                continue;
            }
            match self.ledger.take_over(&subject, &new_id()).await {
                Ok(lease) => self.ledger.forget_unused_installation(&lease).await?,
                Err(LedgerError::Busy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives a lease back after something went wrong, so that a process that goes on can try again.
    pub(super) async fn release(&self, lease: &Lease) {
        if let Err(error) = self.ledger.give_back(lease).await {
            tracing::warn!("cannot give the lease back: {error}");
        }
    }

    /// Deletes what a run intended to put before its entry point ran, and forgets the run.
    async fn undo(&self, lease: &Lease) -> Result<(), RunFailure> {
        let left = self.delete_all(&self.ledger.intended(lease.run()).await?).await;
        Ok(self.ledger.take_back(lease, &left).await?)
    }

    /// Records that a run was interrupted. Outputs that it intended to put are not in the spool: either
    /// the disk was full, or nothing was put.
    async fn interrupt(&self, lease: &Lease) -> Result<(), RunFailure> {
        let left = self.delete_all(&self.ledger.intended(lease.run()).await?).await;
        self.ledger.drop_intents(lease, &left).await?;
        let message = "the process that ran it was gone";
        self.finish(lease, Status::Interrupted, None, Some(message), &BTreeMap::new()).await
    }

    async fn recover_set(&self, set: String) -> Option<(Recovered, Result<(), RunFailure>)> {
        let lease = match self.ledger.take_over(&set, &new_id()).await {
            Ok(lease) => lease,
            Err(LedgerError::Busy { .. }) => return None,
            Err(error) => return Some((Recovered::Set(set), Err(error.into()))),
        };
        let result = async {
            let left = self.delete_all(&self.ledger.intended_of_set(&lease).await?).await;
            self.ledger.drop_intents(&lease, &left).await?;
            self.delete_doomed(&lease).await?;
            Ok(self.ledger.forget_set(&lease).await?)
        };
        let result = result.await;
        if result.is_err() {
            self.release(&lease).await;
        }
        Some((Recovered::Set(set), result))
    }

    async fn recover_deletions(&self, recovery: &mut Recovery) -> Result<(), RunFailure> {
        for id in self.ledger.deleting().await? {
            let lease = match self.ledger.take_over(&id, &new_id()).await {
                Ok(lease) => lease,
                Err(LedgerError::Busy { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let result = async {
                self.delete_doomed(&lease).await?;
                Ok(self.ledger.forget_installation(&lease).await?)
            };
            recovery.items.push((Recovered::Deletion(id), result.await));
        }
        // What a run that was taken back could not delete.
        for (owner, address) in self.ledger.doomed_of_installations().await? {
            let lease = match self.ledger.take_over(&owner, &new_id()).await {
                Ok(lease) => lease,
                Err(LedgerError::Busy { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let result = self.delete_doomed(&lease).await;
            if result.is_ok() {
                self.ledger.forget_unused_installation(&lease).await?;
            }
            recovery.items.push((Recovered::Prepared(address.key), result));
        }
        Ok(())
    }

    /// Deletes secrets, and returns those that could not be: their store does not open, or refuses.
    async fn delete_all(&self, addresses: &[Address]) -> Vec<Address> {
        let mut left = Vec::new();
        for address in addresses {
            (self.watch)(&Step::Delete(address.key.clone()));
            let deleted = match self.stores.open(&address.store).await {
                Ok(store) => store.delete(&key_of(address)).await.is_ok(),
                Err(error) => {
                    tracing::warn!("{error}");
                    false
                }
            };
            if !deleted {
                left.push(address.clone());
            }
        }
        left
    }
}
