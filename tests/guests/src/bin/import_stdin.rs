//! Reads and skips as much of standard input as there can be.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::stdin::get_stdin;

fn resolve(_: &str) -> Result<Secret, Error> {
    let stdin = get_stdin();
    stdin.subscribe().block();
    let read = [stdin.read(u64::MAX), stdin.blocking_read(u64::MAX)];
    let skipped = [stdin.skip(u64::MAX), stdin.blocking_skip(u64::MAX)];
    let bytes = read.into_iter().flatten().map(|bytes| bytes.len() as u64).sum::<u64>();
    report(bytes + skipped.into_iter().flatten().sum::<u64>())
}

guests::guest!(resolve);
