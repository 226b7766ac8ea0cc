//! What can go wrong with the ledger.

use coffer_host::{Blame, Explain};
use rusqlite::ErrorCode;

/// Why the ledger could not be read or written. Whatever was begun was taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Somebody else acts on it.
    #[error("run {run} of process {pid} on {host} is acting on it")]
    Busy {
        /// The run.
        run: String,
        /// The process.
        pid: i64,
        /// The machine.
        host: String,
    },
    /// Its secrets are being deleted.
    #[error("it is being deleted")]
    Deleting,
    /// The disk failed.
    #[error("the disk that the ledger is on failed: {0}")]
    Disk(String),
    /// The disk is full.
    #[error("the disk that the ledger is on is full")]
    Full,
    /// Another process has had it locked for too long.
    #[error(
        "another process has kept the ledger locked for {}",
        humantime::format_duration(super::BUSY_TIMEOUT)
    )]
    Locked,
    /// Another process has taken the lease over.
    #[error("another process has taken this run over")]
    LostLease,
    /// It cannot have a write-ahead log where it is.
    #[error("the ledger cannot have a write-ahead log where it is; its journal mode is `{0}`")]
    Mode(String),
    /// A newer coffer made it.
    #[error("a newer coffer made the ledger: its version is {found}, and this one knows {known}")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that this coffer knows.
        known: u32,
    },
    /// There is no such installation, run or set.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The file is no database, or it is damaged.
    #[error("the ledger is damaged, or it is no ledger: {0}")]
    NotALedger(String),
    /// What was decided was decided by what is not so any more.
    #[error("another run of it began and ended while this one was prepared")]
    Overtaken,
    /// The database does not let coffer do what it has to.
    #[error("the database refuses coffer: {0}")]
    Refused(String),
    /// It cannot be written.
    #[error("the ledger cannot be written")]
    ReadOnly,
    /// Anything else.
    #[error("the ledger failed: {0}")]
    Sql(String),
    /// Where it is cannot be understood, or is no place for it. Never with what was written: it has a password.
    #[error("the `url` of the storage cannot be used: {0}")]
    Url(&'static str),
    /// The server is down, or does not answer in time.
    #[error("the database that the ledger is in cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was lost while the ledger was written.
    #[error(
        "the connection to the database was lost, and whether it has the last step is not known: {0}"
    )]
    Unknown(String),
    /// A run was begun whose process is gone.
    #[error("run {run} was begun, and its process is gone")]
    Unfinished {
        /// The run.
        run: String,
    },
}

impl From<rusqlite::Error> for LedgerError {
    /// The database's messages quote its own statements, never what is bound to them.
    fn from(error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            // There was no room for the index of the write-ahead log.
            _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::NotALedger(error.to_string())
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly
            }
            _ => Self::Sql(error.to_string()),
        }
    }
}

impl Explain for LedgerError {
    fn blame(&self) -> Blame {
        match self {
            Self::NotFound { .. } => Blame::Requester,
            Self::Sql(_) => Blame::Host,
            Self::Busy { .. }
            | Self::Deleting
            | Self::Disk(_)
            | Self::Full
            | Self::Locked
            | Self::LostLease
            | Self::Mode(_)
            | Self::Newer { .. }
            | Self::NotALedger(_)
            | Self::Overtaken
            | Self::ReadOnly
            | Self::Refused(_)
            | Self::Unfinished { .. }
            | Self::Url(_) => Blame::Operator,
            Self::Unknown(_) | Self::Unreachable(_) => Blame::Backend,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Busy { .. } => "wait until it has ended",
            Self::Deleting => "run `coffer runs recover`, which finishes it",
            Self::Disk(_) => "check the disk, and that nobody else changes what is on it",
            Self::Full => "make room on the disk and run the command again",
            Self::Locked => "see which process has `ledger.db` open, and run the command again",
            Self::LostLease => "see what became of it with `coffer installations runs`",
            Self::Mode(_) => "put coffer's directory on a local disk",
            Self::Newer { .. } => "use that coffer, or another directory with --home",
            Self::NotFound { what: "installation", .. } => {
                "see what there is with `coffer installations list`"
            }
            Self::NotFound { what: "credential set", .. } => {
                "see what there is with `coffer credentials list`"
            }
            Self::NotFound { what: "parameter set", .. } => {
                "see what there is with `coffer parameters list`"
            }
            Self::NotFound { .. } => "see what there is with `coffer installations show NAME`",
            Self::NotALedger(_) => "put a copy of it back, or use another directory with --home",
            Self::Overtaken => {
                "see what it did with `coffer installations runs`, and run the command again; nothing was done"
            }
            Self::ReadOnly => {
                "make coffer's directory and `ledger.db` in it writable, or choose another one with --home"
            }
            Self::Refused(_) => {
                "check the user, the password and the database in the `url` of the storage, and the user's \
                 privileges (docs/ledger.md)"
            }
            Self::Url(_) => "correct `url` of the storage in the configuration (docs/ledger.md)",
            Self::Unknown(_) => "run `coffer runs recover` when the database can be reached",
            Self::Unreachable(_) => {
                "check that the database is up and can be reached from here, and run the command again"
            }
            Self::Sql(_) => "run it with `--verbosity debug`, and report it if it stays",
            Self::Unfinished { .. } => "run `coffer runs recover`",
        }
        .into()
    }
}
