//! Writing: the steps of a run, each whole or not at all. Between two steps the process may be killed; what
//! is in the ledger then says what is left to do.
//!
//! 1. [`Ledger::begin`]: the run is preparing, and its parameters' secrets are intended. They are put now.
//! 2. [`Ledger::start`]: they are held and referred to; the entry point runs now.
//! 3. [`Ledger::intend`]: the outputs' secrets are intended. They are put now.
//! 4. [`Ledger::finish`]: they are held and referred to, and the lease is given back.

use super::deletion::{doom, forget_unused};
use super::record::{Address, Kept, Run, Status};
use super::rows::{address, find};
use super::sql::{Row, Transaction, bad, cells};
use super::{Installation, Lease, Ledger, LedgerError, Part, State};
use serde_json::Value;
use std::collections::BTreeMap;

/// What begins.
pub(crate) struct Beginning<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) run: &'a str,
    pub(crate) action: &'a str,
    pub(crate) driver: &'a str,
    /// Without what is sensitive in it.
    pub(crate) bundle: &'a Value,
    pub(crate) bundle_path: &'a str,
    pub(crate) bundle_digest: &'a str,
    /// The secrets that will be put.
    pub(crate) intents: &'a [Address],
    /// The runs that the installation had when this one was prepared, the last one first.
    pub(crate) known: &'a [Run],
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) status: Status,
    pub(crate) exit_code: Option<i32>,
    pub(crate) message: Option<&'a str>,
    pub(crate) outputs: &'a BTreeMap<String, Kept>,
}

impl Ledger {
    /// Begins a run. An installation that is not there yet is made.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] or [`LedgerError::Unfinished`] if another run of it has begun,
    /// [`LedgerError::Overtaken`] if one has ended that is not known, [`LedgerError::Deleting`] if it is being deleted.
    pub(crate) async fn begin(&self, beginning: &Beginning<'_>) -> Result<Lease, LedgerError> {
        let Beginning {
            namespace,
            name,
            run,
            action,
            driver,
            bundle,
            bundle_path,
            bundle_digest,
            intents,
            known,
        } = beginning;
        let part = Part::Installation { namespace, name };
        self.transaction(part, async |transaction| {
            let now = transaction.now_ms().await?;
            let id = match find(transaction, namespace, name).await? {
                Some(Installation { state: State::Deleting, .. }) => {
                    return Err(LedgerError::Deleting);
                }
                Some(Installation { id, .. }) => id,
                None => {
                    transaction.execute(
                        "INSERT INTO installations VALUES (?1, ?2, ?3, 'active', ?4)",
                        cells![run, namespace, name, now],).await?;
                    (*run).to_owned()
                }
            };
            let lease = Lease::take(transaction, &id, run).await?;
            // What this one was prepared by may not be so any more.
            let sql = "SELECT count(*), count(finished_ms), max(id) FROM runs WHERE installation = ?1";
            let runs = transaction.row(sql, cells![&id]).await?.ok_or_else(|| bad(0))?;
            let runs: (i64, i64, Option<String>) = (runs.get(0)?, runs.get(1)?, runs.get(2)?);
            let ended = known.iter().filter(|run| run.finished_ms.is_some()).count();
            let last = known.first().map(|run| run.id.clone());
            if runs != (known.len() as i64, ended as i64, last) {
                return Err(LedgerError::Overtaken);
            }
            transaction.execute(
                "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'preparing', NULL, NULL, ?8, NULL)",
                cells![
                    run,
                    &id,
                    action,
                    bundle.to_string(),
                    bundle_path,
                    bundle_digest,
                    driver,
                    now,
                ],).await?;
            intend(transaction, &lease, "installation", intents).await?;
            Ok(lease)
        })
        .await
    }

    /// The parameters' secrets are held, and the entry point is about to run.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LostLease`], or another; the entry point must not run then.
    pub(crate) async fn start(
        &self,
        lease: &Lease,
        inputs: &[(&'static str, String, Kept)],
        overrides: &BTreeMap<String, Kept>,
        sets: &[(&'static str, Vec<String>)],
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            hold(transaction, lease).await?;
            for (kind, name, kept) in inputs {
                let (plain, secret, outside) = columns(transaction, kept).await?;
                let (store, source, key) = outside.unzip();
                transaction
                    .execute(
                        "INSERT INTO inputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                        cells![&lease.run, kind, name, plain, secret, store, source, key],
                    )
                    .await?;
            }
            for (name, kept) in overrides {
                let (plain, secret, _) = columns(transaction, kept).await?;
                transaction.execute(
                    "INSERT INTO overrides VALUES (?1, ?2, ?3, ?4) ON CONFLICT (installation, name)
                     DO UPDATE SET plain = excluded.plain, secret = excluded.secret",
                    cells![&lease.subject, name, plain, secret],).await?;
            }
            for (kind, names) in sets {
                transaction
                    .execute(
                        "DELETE FROM installation_sets WHERE installation = ?1 AND kind = ?2",
                        cells![&lease.subject, kind],
                    )
                    .await?;
                for (position, name) in (0_i64..).zip(names) {
                    transaction
                        .execute(
                            "INSERT INTO installation_sets VALUES (?1, ?2, ?3, ?4)",
                            cells![&lease.subject, kind, position, name],
                        )
                        .await?;
                }
            }
            transaction
                .execute("UPDATE runs SET status = 'running' WHERE id = ?1", cells![&lease.run])
                .await?;
            Ok(())
        })
        .await
    }

    /// The outputs' secrets are about to be put.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LostLease`], or another; nothing must be put then.
    pub(crate) async fn intend(
        &self,
        lease: &Lease,
        intents: &[Address],
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            intend(transaction, lease, "installation", intents).await
        })
        .await
    }

    /// The outputs' secrets are held, and the run has ended.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LostLease`], or another; the outputs are still in the spool then.
    pub(crate) async fn finish(
        &self,
        lease: &Lease,
        ending: &Ending<'_>,
    ) -> Result<(), LedgerError> {
        let Ending { status, exit_code, message, outputs } = ending;
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            hold(transaction, lease).await?;
            for (name, kept) in *outputs {
                let (plain, secret, _) = columns(transaction, kept).await?;
                transaction.execute(
                    "INSERT INTO outputs VALUES (?1, ?2, ?3, ?4)",
                    cells![&lease.run, name, plain, secret],).await?;
            }
            let now = transaction.now_ms().await?;
            let sql = "UPDATE runs SET status = ?2, exit_code = ?3, message = ?4, finished_ms = ?5
                 WHERE id = ?1 RETURNING action";
            let code = exit_code.map(i64::from);
            let parameters = cells![&lease.run, status.name(), code, *message, now];
            let ended = transaction.row(sql, parameters).await?.ok_or(LedgerError::LostLease)?;
            let action: String = ended.get(0)?;
            if *status == Status::Succeeded {
                let state = if action == "uninstall" { "uninstalled" } else { "active" };
                // A run that is put right late does not undo what a later one did.
                transaction.execute(
                    "UPDATE installations SET state = ?2 WHERE id = ?1 AND NOT EXISTS (
                         SELECT 1 FROM runs WHERE installation = ?1 AND id > ?3 AND status = 'succeeded')",
                    cells![&lease.subject, state, &lease.run],).await?;
            }
            lease.give_back(transaction).await
        })
        .await
    }

    /// The outputs could not be put; they wait in the spool, and the lease is given back.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers finds the lease of a process that is gone.
    pub(crate) async fn leave_unsaved(
        &self,
        lease: &Lease,
        message: &str,
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            transaction
                .execute(
                    "UPDATE runs SET status = 'unsaved', message = ?2 WHERE id = ?1",
                    cells![&lease.run, message],
                )
                .await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// The secrets that a run intended to put and that are not referred to.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn intended(&self, run: &str) -> Result<Vec<Address>, LedgerError> {
        let sql = "SELECT store, key FROM secrets WHERE run = ?1 AND state = 'intended'";
        self.read(Part::Run(run), sql, cells![run], address).await
    }

    /// Takes a run back of which nothing ran. Its secrets were deleted, save those in `left`, which are
    /// doomed: whoever recovers tries again.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whoever recovers takes it back then.
    pub(crate) async fn take_back(
        &self,
        lease: &Lease,
        left: &[Address],
    ) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            doom(transaction, left).await?;
            forget_intended(transaction, lease).await?;
            transaction.execute("DELETE FROM runs WHERE id = ?1", cells![&lease.run]).await?;
            forget_unused(transaction, &lease.subject).await?;
            lease.give_back(transaction).await
        })
        .await
    }

    /// The runs that have not ended, with their installations. Those whose process is there are among them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn unfinished(&self) -> Result<Vec<(String, String)>, LedgerError> {
        let sql = "SELECT installation, id FROM runs WHERE finished_ms IS NULL ORDER BY id";
        self.read(Part::All, sql, cells![], |row| Ok((row.get(0)?, row.get(1)?))).await
    }

    /// Takes the lease of a run over whose process is gone, with the status that the run has now; `None`
    /// if there is nothing to put right. A run that was interrupted can be: its process may have
    /// been there all the time, and have left its outputs in the spool.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if its process is there.
    pub(crate) async fn take_over_run(
        &self,
        subject: &str,
        run: &str,
    ) -> Result<Option<(Lease, Status)>, LedgerError> {
        self.transaction(Part::Subject(subject), async |transaction| {
            let lease = Lease::take_over(transaction, subject, run).await?;
            // Asked only now: whoever had the lease may have ended the run meanwhile.
            let sql = "SELECT status, finished_ms FROM runs WHERE id = ?1";
            if let Some(row) = transaction.row(sql, cells![run]).await? {
                let (status, finished) = (status(&row, 0)?, row.get::<Option<i64>>(1)?);
                if finished.is_none() || status == Status::Interrupted {
                    return Ok(Some((lease, status)));
                }
            }
            lease.give_back(transaction).await.map(|()| None)
        })
        .await
    }

    /// Takes the lease of an installation or a set over whose holder is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if it is not.
    pub(crate) async fn take_over(
        &self,
        subject: &str,
        operation: &str,
    ) -> Result<Lease, LedgerError> {
        self.transaction(Part::Subject(subject), async |transaction| {
            Lease::take_over(transaction, subject, operation).await
        })
        .await
    }

    /// The installation and the status of a run, if there is such a run.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn run(&self, run: &str) -> Result<Option<(String, Status)>, LedgerError> {
        let sql = "SELECT installation, status FROM runs WHERE id = ?1";
        let read = |row: &Row| Ok((row.get(0)?, status(row, 1)?));
        Ok(self.read(Part::Run(run), sql, cells![run], read).await?.into_iter().next())
    }
}

/// A status that this coffer does not know is one of a run that did not end as it should.
fn status(row: &Row, column: usize) -> Result<Status, LedgerError> {
    Ok(row.get::<String>(column)?.parse().unwrap_or(Status::Interrupted))
}

pub(super) async fn intend(
    transaction: &mut Transaction<'_>,
    lease: &Lease,
    owner: &'static str,
    intents: &[Address],
) -> Result<(), LedgerError> {
    for Address { store, key } in intents {
        transaction.execute(
            // Whoever recovers intends again what is intended already, or what another one that
            // recovered could not delete.
            &format!(
                "INSERT INTO secrets (store, key, state, {owner}, run) VALUES (?1, ?2, 'intended', ?3, ?4)
                 ON CONFLICT (store, key) DO UPDATE SET state = 'intended'
                 WHERE secrets.state = 'doomed' AND secrets.run = excluded.run
                 AND secrets.{owner} = excluded.{owner}"
            ),
            cells![store, key, &lease.subject, &lease.run],).await?;
    }
    Ok(())
}

pub(super) async fn hold(
    transaction: &mut Transaction<'_>,
    lease: &Lease,
) -> Result<(), LedgerError> {
    transaction
        .execute(
            "UPDATE secrets SET state = 'held' WHERE run = ?1 AND state = 'intended'",
            cells![&lease.run],
        )
        .await?;
    Ok(())
}

pub(super) async fn forget_intended(
    transaction: &mut Transaction<'_>,
    lease: &Lease,
) -> Result<(), LedgerError> {
    transaction
        .execute("DELETE FROM secrets WHERE run = ?1 AND state = 'intended'", cells![&lease.run])
        .await?;
    Ok(())
}

/// `plain`, `secret`, and `(store, source, key)` without the store's twin.
type Columns = (Option<String>, Option<i64>, OutsideColumns);

pub(super) struct OutsideColumns(Option<(String, &'static str, String)>);

impl OutsideColumns {
    pub(super) fn unzip(self) -> (Option<String>, Option<&'static str>, Option<String>) {
        match self.0 {
            Some((store, source, key)) => (Some(store), Some(source), Some(key)),
            None => (None, None, None),
        }
    }
}

pub(super) async fn columns(
    transaction: &mut Transaction<'_>,
    kept: &Kept,
) -> Result<Columns, LedgerError> {
    match kept {
        Kept::Outside { store, reference } => {
            let outside = (store.clone(), reference.source().name(), reference.key().to_owned());
            Ok((None, None, OutsideColumns(Some(outside))))
        }
        Kept::Plain(value) => Ok((Some(value.to_string()), None, OutsideColumns(None))),
        Kept::Secret(Address { store, key }) => {
            let sql = "SELECT id FROM secrets WHERE store = ?1 AND key = ?2";
            let id = transaction.row(sql, cells![store, key]).await?;
            let id = id.ok_or_else(|| LedgerError::NotFound {
                what: "secret of ours",
                name: key.clone(),
            })?;
            Ok((None, Some(id.get(0)?), OutsideColumns(None)))
        }
    }
}
