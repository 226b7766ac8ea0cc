//! Splices standard input into standard output, as much as there can be.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::{stdin::get_stdin, stdout::get_stdout};

fn resolve(_: &str) -> Result<Secret, Error> {
    let (from, to) = (get_stdin(), get_stdout());
    let moved = [to.splice(&from, u64::MAX), to.blocking_splice(&from, u64::MAX)];
    report(moved.iter().flatten().sum::<u64>())
}

guests::guest!(resolve);
