//! Run CNAB bundles, and keep the sensitive values that they take in and produce in secret stores, so
//! that the ledger holds references only.

pub mod bundle;
pub mod config;
pub mod doctor;
pub mod document;
pub mod driver;
mod home;
mod ledger;
mod lock;
pub mod name;
mod package;
pub mod porter;
pub mod privacy;
mod random;
mod runner;
pub mod sets;
mod spool;
mod stores;
mod template;

pub use home::{Home, HomeError};
pub use ledger::{
    Address, Installation, Kept, KeptSet, Lease, Ledger, LedgerError, Run, State, Status, Table,
};
pub use lock::{LOCK_FILE, Lock, LockError, Locked};
pub use package::{Package, PackageError};
pub use runner::{Recovered, Recovery, Report, Request, RunFailure, Runner, Step, Streams};
pub use spool::{Spool, SpoolError};
pub use stores::{
    Bundled, Component, HOST, IN_REGISTRY, Locking, Registry, StoreError, Stores, Upgrade,
};
