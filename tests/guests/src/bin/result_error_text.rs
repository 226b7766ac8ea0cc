//! Fails with a text of as many bytes as the key says, which would take a terminal over.

use coffer_plugin::{Error, Secret};
use guests::number;

const TEXT: &str = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}31m\r\n";

fn resolve(key: &str) -> Result<Secret, Error> {
    let text: String = TEXT.chars().cycle().take(number(key)).collect();
    Err(Error::Other(text))
}

guests::guest!(resolve);
