//! What coffer costs, beside what does the same by hand and what a user would pick instead, in one run. `just
//! bench` builds what it needs and runs it.
//!
//! Times belong to the machine and to whatever else it does, so what counts is ratios: the two sides of one take
//! turns, in many short rounds, and the middle of the rounds' ratios is shown. It writes the table and the plot into
//! `docs/`, and ends with 1 if a row misses its target or could not be measured.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark starts processes, makes their surroundings and prints"
)]

mod bench;
mod calls;
mod document;
mod floor;
mod http;
mod install;
mod masking;
mod memory;
mod peers;
mod plot;
mod processes;
mod rounds;
mod row;
mod scale;
mod server;

use bench::Bench;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next =
        |what: &str| arguments.next().unwrap_or_else(|| panic!("{what} is named second"));
    match next("what to do").to_str() {
        Some("all") => {}
        // This program once more, for what a process of its own is needed.
        Some(memory::ONE_STORE) => return memory::one_store(&next("the plugin")),
        Some(install::BY_HAND) => return install::by_hand(&next("the directory")),
        _ => panic!("`just bench` runs this"),
    }
    let bench = Bench::new(next("the binary"), next("the folder of components"), next("the tree"));
    let before = document::load();
    let mut rows = Vec::new();
    // What is short and sensitive first.
    rows.extend(calls::rows(&bench));
    rows.extend(peers::rows(&bench));
    rows.extend(processes::rows(&bench));
    rows.extend(http::rows(&bench));
    rows.extend(memory::rows(&bench));
    rows.extend(masking::rows());
    rows.extend(install::rows(&bench));
    let (scaled, curves) = scale::rows(&bench);
    rows.extend(scaled);
    document::write(bench.tree(), &rows, &curves, &before);
    if rows.iter().all(row::Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
