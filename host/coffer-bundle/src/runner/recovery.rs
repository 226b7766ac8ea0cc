//! Putting right what killed processes, stores that were down and full disks have left.

use super::{RunFailure, Runner, Step, key_of, new_id};
use crate::ledger::{Address, Lease, LedgerError, Status};
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
        let unfinished = self.ledger.unfinished()?;
        for (subject, run, status) in &unfinished {
            if let Some(item) = self.recover_run(subject, run, *status).await {
                recovery.items.push(item);
            }
        }
        // A run that was recorded, and whose process was killed before it emptied the spool.
        for run in self.spool.runs()? {
            if !unfinished.iter().any(|(_, unfinished, _)| *unfinished == run) {
                let removed =
                    self.spool.remove(&run).map_err(|error| RunFailure::Spool(error.into()));
                recovery.items.push((Recovered::Spooled(run), removed));
            }
        }
        for (set, intended) in self.ledger.unfinished_sets()? {
            if let Some(item) = self.recover_set(set, intended).await {
                recovery.items.push(item);
            }
        }
        self.recover_deletions(&mut recovery).await?;
        let running = |run: &str| unfinished.iter().any(|(_, unfinished, _)| unfinished == run);
        let swept = self.scratch.sweep(running).map_err(|error| RunFailure::Spool(error.into()))?;
        recovery.items.extend(swept.into_iter().map(|run| (Recovered::Files(run), Ok(()))));
        Ok(recovery)
    }

    /// Puts right what was left of one installation, before anything else is done with it.
    pub(super) async fn recover_subject(&self, subject: &str) -> Result<(), RunFailure> {
        for (found, run, status) in self.ledger.unfinished()? {
            if found == subject
                && let Some((_, result)) = self.recover_run(&found, &run, status).await
            {
                result?;
            }
        }
        Ok(())
    }

    /// Puts one run right; `None` if its process is still there.
    async fn recover_run(
        &self,
        subject: &str,
        run: &str,
        status: Status,
    ) -> Option<(Recovered, Result<(), RunFailure>)> {
        let lease = match self.ledger.take_over(subject, run) {
            Ok(lease) => lease,
            Err(LedgerError::Busy { .. }) => return None,
            Err(error) => return Some((Recovered::Interrupted(run.into()), Err(error.into()))),
        };
        (self.watch)(&Step::Recover(run.to_owned()));
        let spooled = match self.spool.get(run) {
            Ok(spooled) => spooled,
            Err(error) => {
                let result = self.ledger.give_back(&lease).map_err(RunFailure::from);
                return Some((
                    Recovered::Spooled(run.into()),
                    result.and(Err(RunFailure::Spool(error))),
                ));
            }
        };
        Some(match (spooled, status) {
            (Some(spooled), _) => {
                let result = self.save_spooled(&lease, &spooled).await;
                (Recovered::Spooled(run.into()), result)
            }
            (None, Status::Preparing) => {
                let result = self.undo(&lease).await;
                (Recovered::Prepared(run.into()), result)
            }
            (None, _) => {
                let result = self.interrupt(&lease).await;
                (Recovered::Interrupted(run.into()), result)
            }
        })
    }

    /// Deletes what a run intended to put before its entry point ran, and forgets the run.
    async fn undo(&self, lease: &Lease) -> Result<(), RunFailure> {
        let left = self.delete_all(&self.ledger.intended(lease.run())?).await?;
        Ok(self.ledger.take_back(lease, &left)?)
    }

    /// Records that a run was interrupted. Outputs that it intended to put are not in the spool: either
    /// the disk was full, or nothing was put.
    async fn interrupt(&self, lease: &Lease) -> Result<(), RunFailure> {
        let left = self.delete_all(&self.ledger.intended(lease.run())?).await?;
        self.ledger.drop_intents(lease, &left)?;
        let message = "the process that ran it was gone";
        self.finish(lease, Status::Interrupted, None, Some(message), &BTreeMap::new())
    }

    async fn recover_set(
        &self,
        set: String,
        intended: Vec<Address>,
    ) -> Option<(Recovered, Result<(), RunFailure>)> {
        let lease = match self.ledger.take_over(&set, &new_id()) {
            Ok(lease) => lease,
            Err(LedgerError::Busy { .. }) => return None,
            Err(error) => return Some((Recovered::Set(set), Err(error.into()))),
        };
        let result = async {
            let left = self.delete_all(&intended).await?;
            self.ledger.drop_intents(&lease, &left)?;
            self.delete_doomed(&lease).await?;
            Ok(self.ledger.forget_set(&lease)?)
        };
        Some((Recovered::Set(set), result.await))
    }

    async fn recover_deletions(&self, recovery: &mut Recovery) -> Result<(), RunFailure> {
        for id in self.ledger.deleting()? {
            let lease = match self.ledger.take_over(&id, &new_id()) {
                Ok(lease) => lease,
                Err(LedgerError::Busy { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let result = async {
                self.delete_doomed(&lease).await?;
                Ok(self.ledger.forget_installation(&lease)?)
            };
            recovery.items.push((Recovered::Deletion(id), result.await));
        }
        // What a run that was taken back could not delete.
        for (owner, address) in self.ledger.doomed_of_installations()? {
            let lease = match self.ledger.take_over(&owner, &new_id()) {
                Ok(lease) => lease,
                Err(LedgerError::Busy { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let result = self.delete_doomed(&lease).await;
            if result.is_ok() {
                self.ledger.forget_unused_installation(&lease)?;
            }
            recovery.items.push((Recovered::Prepared(address.key), result));
        }
        Ok(())
    }

    /// Deletes secrets, and returns those that could not be.
    async fn delete_all(&self, addresses: &[Address]) -> Result<Vec<Address>, RunFailure> {
        let mut left = Vec::new();
        for address in addresses {
            (self.watch)(&Step::Delete(address.key.clone()));
            let store = self.stores.open(&address.store).await?;
            if store.delete(&key_of(address)).await.is_err() {
                left.push(address.clone());
            }
        }
        Ok(left)
    }
}
