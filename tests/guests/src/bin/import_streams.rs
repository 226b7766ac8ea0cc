//! Reads from standard input and writes to the standard streams.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::{stderr, stdin, stdout};

fn resolve(key: &str) -> Result<Secret, Error> {
    let _ = stdout::get_stdout().blocking_write_and_flush(key.as_bytes());
    let _ = stderr::get_stderr().blocking_write_and_flush(key.as_bytes());
    let read = stdin::get_stdin().blocking_read(1024).unwrap_or_default();
    report(read.len())
}

guests::guest!(resolve);
