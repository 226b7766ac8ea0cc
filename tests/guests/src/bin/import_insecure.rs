//! Asks for as many bytes of cheap randomness at once as the key says.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::random::insecure::get_insecure_random_bytes;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    report(get_insecure_random_bytes(number(key) as u64).len())
}

guests::guest!(resolve);
