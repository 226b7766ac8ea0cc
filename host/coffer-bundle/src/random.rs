//! Random bytes, of the operating system. The library for cryptography has a generator of its own, which collects
//! for 30 ms before its first byte; a command that needs sixteen of them does not live long enough for that.

use std::io;

/// Fills `bytes`.
///
/// # Errors
///
/// That of the operating system, which has some on every system that coffer runs on.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|_| io::Error::other("no random bytes"))
}
