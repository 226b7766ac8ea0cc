//! A small memory that outlives an instance: what took effort to derive, such as a session token.
//! It belongs to one store, lives in the host's memory only, and is bounded.

use crate::backend;
pub use crate::bindings::coffer::host::cache::Error;
use std::time::Duration;

/// The value kept under `key`, unless it has expired or had to make room.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    backend::cache_get(key)
}

/// Keeps `value` under `key` for `ttl`, at most an hour, or less if room is needed.
///
/// # Errors
///
/// [`Error::TooLarge`] if the entry alone exceeds the bound.
pub fn put(key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
    backend::cache_put(key, value, u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// Forgets `key`.
pub fn remove(key: &str) {
    backend::cache_remove(key);
}
