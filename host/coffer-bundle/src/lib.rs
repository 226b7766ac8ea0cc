//! Run CNAB bundles, and keep the sensitive values that they take in and produce in secret stores, so
//! that the ledger holds references only.

pub mod bundle;
pub mod document;
pub mod name;
pub mod sets;
pub mod config;
pub mod document;
mod template;
pub mod driver;
