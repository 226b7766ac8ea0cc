//! Gives every byte that there is, and says that it expires at the end of time.

use coffer_plugin::{Error, Secret};

fn resolve(_: &str) -> Result<Secret, Error> {
    Ok(Secret::new((0..=u8::MAX).collect::<Vec<_>>()).expires_at(u64::MAX))
}

guests::guest!(resolve);
