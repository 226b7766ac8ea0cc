//! Reports every variable that it sees, its arguments and its directory.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::environment;

fn resolve(_: &str) -> Result<Secret, Error> {
    let mut names: Vec<String> = environment::get_environment()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    names.sort();
    report(format!("{names:?} {:?} {:?}", environment::get_arguments(), environment::initial_cwd()))
}

guests::guest!(resolve);
