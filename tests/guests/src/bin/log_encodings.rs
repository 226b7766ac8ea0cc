//! Logs the value that it resolves as a URL, as JSON and in upper-case hexadecimal.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    let url: String = key
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let hexadecimal: String = key.bytes().map(|byte| format!("{byte:02X}")).collect();
    let json = key.replace('"', "\\\"");
    log::info(&format!("url {url} json \"{json}\" hexadecimal {hexadecimal}"));
    Ok(Secret::new(key))
}

guests::guest!(resolve);
