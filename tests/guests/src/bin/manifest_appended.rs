//! Appends a manifest of its own to the one that the build embeds.

use coffer_plugin::{Error, Secret};
use guests::report;

fn resolve(_: &str) -> Result<Secret, Error> {
    report("loaded")
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "that is what this guest is for")]
#[unsafe(link_section = "coffer:manifest")]
#[used]
static SECOND: [u8; 49] = *br#"{"name":"second","version":"1","description":"d"}"#;

guests::guest!(resolve);
