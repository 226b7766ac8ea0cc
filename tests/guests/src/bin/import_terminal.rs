//! Looks for a terminal to write to.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::{terminal_stderr, terminal_stdin, terminal_stdout};

fn resolve(_: &str) -> Result<Secret, Error> {
    let found = [
        terminal_stdin::get_terminal_stdin().is_some(),
        terminal_stdout::get_terminal_stdout().is_some(),
        terminal_stderr::get_terminal_stderr().is_some(),
    ];
    report(format!("{found:?}"))
}

guests::guest!(resolve);
