//! What the ledger tells.

use coffer_host::grants::Reference;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A thing that was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Its ULID.
    pub id: String,
    /// Its namespace; empty unless it was given.
    pub namespace: String,
    /// Its name, unique in its namespace.
    pub name: String,
    /// What became of it.
    pub state: State,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// What became of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is there.
    Active,
    /// Its secrets are being deleted, and it with them.
    Deleting,
    /// It was uninstalled; what it had in stores is still there.
    Uninstalled,
}

/// One run of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its ULID.
    pub id: String,
    /// What it did.
    pub action: String,
    /// The bundle, without what is sensitive in it.
    pub bundle: Value,
    /// Where the bundle was.
    pub bundle_path: String,
    /// The SHA-256 of the bundle and its entry point.
    pub bundle_digest: String,
    /// What ran it.
    pub driver: String,
    /// What became of it.
    pub status: Status,
    /// What its entry point ended with.
    pub exit_code: Option<i32>,
    /// Why it did not succeed, without any value.
    pub message: Option<String>,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// When it ended.
    pub finished_ms: Option<i64>,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Somebody stopped it.
    Cancelled,
    /// Its entry point failed.
    Failed,
    /// The process that ran it is gone.
    Interrupted,
    /// Its parameters are being written.
    Preparing,
    /// Its entry point runs.
    Running,
    /// It did what it should.
    Succeeded,
    /// Its entry point ended, and its outputs wait in the spool.
    Unsaved,
}

/// Where a value is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Somebody else keeps it.
    Outside {
        /// The store that resolves it.
        store: String,
        /// What it is asked for. Never of source `value`.
        reference: Reference,
    },
    /// The ledger keeps it; it is not sensitive.
    Plain(Value),
    /// coffer put it into a store.
    Secret(Address),
}

/// Where a secret of ours is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Address {
    /// The store.
    pub store: String,
    /// The key.
    pub key: String,
}

/// A set that was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSet {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub applied_ms: i64,
    /// The names in it, in their order, and where their values are. The store is empty where it is the
    /// default one.
    pub entries: Vec<(String, Kept)>,
}

/// Gives an enum its names in the ledger.
macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// The word for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($name => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }
    };
}

names!(State { Active = "active", Deleting = "deleting", Uninstalled = "uninstalled" });
names!(Status {
    Cancelled = "cancelled",
    Failed = "failed",
    Interrupted = "interrupted",
    Preparing = "preparing",
    Running = "running",
    Succeeded = "succeeded",
    Unsaved = "unsaved",
});
