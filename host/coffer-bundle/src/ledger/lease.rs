//! Leases: one process at a time acts on an installation or a set. A holder that was killed is noticed
//! at once on its own machine, and after a minute from another one, by the clock of the ledger.

use super::sql::{Transaction, cells};
use super::{Ledger, LedgerError, Part};
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
    pub(super) async fn take(
        transaction: &mut Transaction<'_>,
        subject: &str,
        run: &str,
    ) -> Result<Self, LedgerError> {
        match Holder::of(transaction, subject).await? {
            Some(holder) if holder.is_alive() => Err(holder.busy()),
            Some(Holder { run, .. }) => Err(LedgerError::Unfinished { run }),
            None => Self::put(transaction, subject, run).await,
        }
    }

    /// Takes the lease over from a holder that is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] if it is not.
    pub(super) async fn take_over(
        transaction: &mut Transaction<'_>,
        subject: &str,
        run: &str,
    ) -> Result<Self, LedgerError> {
        match Holder::of(transaction, subject).await? {
            Some(holder) if holder.is_alive() => Err(holder.busy()),
            Some(_) | None => Self::put(transaction, subject, run).await,
        }
    }

    async fn put(
        transaction: &mut Transaction<'_>,
        subject: &str,
        run: &str,
    ) -> Result<Self, LedgerError> {
        let grown = "UPDATE fences SET last = last + 1 RETURNING last";
        let fence = transaction.row(grown, cells![]).await?.ok_or(LedgerError::LostLease)?;
        let fence: i64 = fence.get(0)?;
        let pid = rustix::process::getpid();
        let number = i64::from(pid.as_raw_nonzero().get());
        let now = transaction.now_ms().await?;
        transaction
            .execute(
                "INSERT INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (subject) DO UPDATE SET run = excluded.run, fence = excluded.fence,
                 host = excluded.host, pid = excluded.pid, started = excluded.started,
                 renewed_ms = excluded.renewed_ms",
                cells![subject, run, fence, Place::here().0, number, started(pid), now],
            )
            .await?;
        Ok(Self { subject: subject.to_owned(), run: run.to_owned(), fence })
    }

    /// Makes sure that the lease was not lost.
    pub(super) async fn check(&self, transaction: &mut Transaction<'_>) -> Result<(), LedgerError> {
        let sql = "SELECT fence FROM leases WHERE subject = ?1 AND fence = ?2";
        let held = transaction.row(sql, cells![&self.subject, self.fence]).await?;
        held.map(drop).ok_or(LedgerError::LostLease)
    }

    pub(super) async fn give_back(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), LedgerError> {
        let sql = "DELETE FROM leases WHERE subject = ?1 AND fence = ?2";
        transaction.execute(sql, cells![&self.subject, self.fence]).await?;
        Ok(())
    }

    /// What it is about.
    pub(super) fn part(&self) -> Part<'_> {
        Part::Subject(&self.subject)
    }
}

impl Ledger {
    /// Says that the holder is still there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LostLease`] if another process has taken it over.
    pub(crate) async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.transaction(lease.part(), async |transaction| {
            lease.check(transaction).await?;
            let now = transaction.now_ms().await?;
            let sql = "UPDATE leases SET renewed_ms = ?2 WHERE subject = ?1";
            transaction.execute(sql, cells![&lease.subject, now]).await?;
            Ok(())
        })
        .await
    }
}

/// Who has a lease.
pub(super) struct Holder {
    pub(super) run: String,
    place: Place,
    pid: i64,
    started: i64,
    /// How long ago it said that it is there, in milliseconds.
    silent_ms: i64,
    /// Whether the ledger is a file, which processes of one machine share.
    local: bool,
}

impl Holder {
    pub(super) async fn of(
        transaction: &mut Transaction<'_>,
        subject: &str,
    ) -> Result<Option<Self>, LedgerError> {
        let sql = "SELECT run, host, pid, started, renewed_ms FROM leases WHERE subject = ?1";
        let Some(row) = transaction.row(sql, cells![subject]).await? else { return Ok(None) };
        let now = transaction.now_ms().await?;
        Ok(Some(Self {
            run: row.get(0)?,
            place: Place(row.get(1)?),
            pid: row.get(2)?,
            started: row.get(3)?,
            silent_ms: now.saturating_sub(row.get(4)?),
            local: transaction.is_local(),
        }))
    }

    pub(super) fn is_alive(&self) -> bool {
        let here = Place::here();
        if self.place != here && !(self.local && self.place.was_known_as(&here)) {
            // A file is not shared by machines: the process was here before the machine was started again.
            let before = self.local && self.place.was_before(&here);
            return !before && self.silent_ms < EXPIRY_MS;
        }
        // A process of another user cannot be signalled, and is there.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| {
            test_kill_process(pid) != Err(rustix::io::Errno::SRCH) && started(pid) == self.started
        })
    }

    fn busy(self) -> LedgerError {
        LedgerError::Busy { run: self.run, pid: self.pid, host: self.place.name().to_owned() }
    }
}

/// Where numbers of processes mean the same: `NAME BOOT PROCESSES`, the machine's name, when it was
/// started (a UUID), and its namespace of processes. Two containers can have one name, or one machine.
#[derive(Debug, PartialEq, Eq)]
struct Place(String);

impl Place {
    #[expect(clippy::disallowed_methods, reason = "/proc is no file that anybody grants")]
    fn here() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().replace(' ', "-");
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let processes = std::fs::read_link("/proc/self/ns/pid");
        match (boot, processes) {
            (Ok(boot), Ok(processes)) => {
                Self(format!("{name} {} {}", boot.trim(), processes.display()))
            }
            // No Linux lacks them. Where they are missing no process is near enough to be looked for.
            _ => Self(format!("{name} unknown {}", std::process::id())),
        }
    }

    fn name(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Whether this is how an earlier coffer called `here`: by its name alone.
    fn was_known_as(&self, here: &Self) -> bool {
        self.0 == here.name()
    }

    /// Whether this is `here` before the machine was started again.
    fn was_before(&self, here: &Self) -> bool {
        let words = |place: &Self| {
            let mut words = place.0.split(' ').map(str::to_owned);
            (words.next(), words.next(), words.next())
        };
        let ((name, boot, processes), (its_name, its_boot, its_processes)) =
            (words(self), words(here));
        name == its_name && processes == its_processes && boot.is_some() && boot != its_boot
    }
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
