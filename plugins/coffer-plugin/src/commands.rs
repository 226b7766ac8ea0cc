//! Programs on the operator's machine, as far as a grant allows their argv.

use crate::backend;
pub use crate::bindings::coffer::host::commands::Error;

/// Runs `argv` (the program and its arguments, no shell) and returns what it wrote to standard output.
///
/// # Errors
///
/// [`Error::Denied`] if no grant allows this argv; [`Error::NotFound`] if there is no such program;
/// [`Error::Failed`] with its exit status; [`Error::Timeout`] and [`Error::TooLarge`] if it was killed
/// for the time it took or the bytes it wrote.
pub fn run<S: AsRef<str>>(argv: &[S]) -> Result<Vec<u8>, Error> {
    let argv: Vec<String> = argv.iter().map(|argument| argument.as_ref().to_owned()).collect();
    backend::command(&argv)
}
