//! Logs the value that it resolves, as it is, in hexadecimal, and beside what would take a terminal over.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    let hexadecimal: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    log::warn(&format!("\u{1b}[2J resolved {key} which is {hexadecimal}"));
    Ok(Secret::new(key))
}

guests::guest!(resolve);
