//! Lists the directories that it sees.

use coffer_plugin::{Error, Secret, fs};
use guests::report;

fn resolve(_: &str) -> Result<Secret, Error> {
    report(fs::granted().join(","))
}

guests::guest!(resolve);
