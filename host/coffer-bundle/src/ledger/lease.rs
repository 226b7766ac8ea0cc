//! Leases: one process at a time acts on an installation or a set. A holder that was killed is noticed
//! at once on its own machine, and after a minute from another one.

use super::{Ledger, LedgerError, now_ms};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use rustix::process::{Pid, test_kill_process};
use std::time::Duration;

/// How often a holder says that it is still there.
pub(crate) const RENEWAL: Duration = Duration::from_secs(10);

/// How long a holder on another machine is believed to be there. Six renewals: a machine that was
/// suspended for less does not lose its run.
const EXPIRY_MS: i64 = 60_000;

/// The right to act on an installation or a set, until it is given back.
#[derive(Clone, Debug)]
#[must_use]
pub struct Lease {
    pub(super) subject: String,
    pub(super) run: String,
    fence: i64,
}

impl Lease {
    /// The run that it was taken for.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The installation or set.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes the lease of `subject` for `run`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`], or [`LedgerError::Unfinished`] if its last holder is gone.
    pub(super) fn take(
        transaction: &Transaction<'_>,
        subject: &str,
        run: &str,
    ) -> Result<Self, LedgerError> {
        match Holder::of(transaction, subject)? {
            Some(holder) if holder.is_alive() => Err(holder.busy()),
            Some(Holder { run, .. }) => Err(LedgerError::Unfinished { run }),
            None => Self::put(transaction, subject, run),
        }
    }

    /// Takes the lease over from a holder that is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if it is not.
    pub(super) fn take_over(
        transaction: &Transaction<'_>,
        subject: &str,
        run: &str,
    ) -> Result<Self, LedgerError> {
        match Holder::of(transaction, subject)? {
            Some(holder) if holder.is_alive() => Err(holder.busy()),
            Some(_) | None => Self::put(transaction, subject, run),
        }
    }

    fn put(transaction: &Transaction<'_>, subject: &str, run: &str) -> Result<Self, LedgerError> {
        let fence: i64 = transaction.query_row(
            "UPDATE fences SET last = last + 1 RETURNING last",
            [],
            |row| row.get(0),
        )?;
        let pid = rustix::process::getpid();
        transaction.execute(
            "INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (subject, run, fence, host(), pid.as_raw_nonzero().get(), started(pid), now_ms()),
        )?;
        Ok(Self { subject: subject.to_owned(), run: run.to_owned(), fence })
    }

    /// Makes sure that the lease was not lost.
    pub(super) fn check(&self, transaction: &Transaction<'_>) -> Result<(), LedgerError> {
        let held: bool = transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM leases WHERE subject = ?1 AND fence = ?2)",
            (&self.subject, self.fence),
            |row| row.get(0),
        )?;
        if held { Ok(()) } else { Err(LedgerError::LostLease) }
    }

    pub(super) fn give_back(&self, transaction: &Transaction<'_>) -> Result<(), LedgerError> {
        transaction.execute(
            "DELETE FROM leases WHERE subject = ?1 AND fence = ?2",
            (&self.subject, self.fence),
        )?;
        Ok(())
    }
}

impl Ledger {
    /// Says that the holder is still there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LostLease`] if another process has taken it over.
    pub(crate) fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            lease.check(transaction)?;
            transaction.execute(
                "UPDATE leases SET renewed_ms = ?2 WHERE subject = ?1",
                (&lease.subject, now_ms()),
            )?;
            Ok(())
        })
    }
}

/// Who has a lease.
pub(super) struct Holder {
    pub(super) run: String,
    host: String,
    pid: i64,
    started: i64,
    renewed_ms: i64,
}

impl Holder {
    pub(super) fn of(connection: &Connection, subject: &str) -> Result<Option<Self>, LedgerError> {
        let holder = connection
            .query_row(
                "SELECT run, host, pid, started, renewed_ms FROM leases WHERE subject = ?1",
                [subject],
                |row| {
                    Ok(Self {
                        run: row.get(0)?,
                        host: row.get(1)?,
                        pid: row.get(2)?,
                        started: row.get(3)?,
                        renewed_ms: row.get(4)?,
                    })
                },
            )
            .optional()?;
        Ok(holder)
    }

    pub(super) fn is_alive(&self) -> bool {
        if self.host != host() {
            return now_ms().saturating_sub(self.renewed_ms) < EXPIRY_MS;
        }
        // A process of another user cannot be signalled, and is there.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| {
            test_kill_process(pid) != Err(rustix::io::Errno::SRCH) && started(pid) == self.started
        })
    }

    fn busy(self) -> LedgerError {
        LedgerError::Busy { run: self.run, pid: self.pid, host: self.host }
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// When a process was started, in ticks since the machine was, so that another process that got the same
/// number is not taken for it; 0 where the machine does not say (`/proc/PID/stat`, field 22).
#[expect(clippy::disallowed_methods, reason = "/proc is no file that anybody grants")]
fn started(pid: Pid) -> i64 {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // The second field is the program's name in parentheses and may have anything in it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    match fields.next() {
        // It was killed, and its parent has not asked about it yet.
        Some("Z" | "X") => -1,
        _ => fields.nth(18).and_then(|ticks| ticks.parse().ok()).unwrap_or(0),
    }
}
