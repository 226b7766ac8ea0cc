//! Messages for the operator. They are bounded, escaped, and shown only when asked for. Never log a
//! secret or a credential.

use crate::backend;
use crate::bindings::wasi::logging::logging::Level;

/// What helps someone who is debugging.
pub fn debug(message: &str) {
    backend::log(Level::Debug, message);
}

/// What interests someone who is watching.
pub fn info(message: &str) {
    backend::log(Level::Info, message);
}

/// What is hazardous.
pub fn warn(message: &str) {
    backend::log(Level::Warn, message);
}

/// What went wrong.
pub fn error(message: &str) {
    backend::log(Level::Error, message);
}
