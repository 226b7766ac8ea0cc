//! Fails with the error that the key names.

use coffer_plugin::{Error, Secret};

fn resolve(key: &str) -> Result<Secret, Error> {
    Err(match key {
        "access-denied" => Error::AccessDenied,
        "conflict" => Error::Conflict,
        "invalid-reference" => Error::InvalidReference("why".into()),
        "not-found" => Error::NotFound,
        "too-large" => Error::TooLarge(u64::MAX),
        "unauthenticated" => Error::Unauthenticated,
        "unavailable" => Error::Unavailable(None),
        "unavailable-for-ever" => Error::Unavailable(Some(u64::MAX)),
        "unsupported" => Error::Unsupported("what".into()),
        _ => Error::Other("anything".into()),
    })
}

guests::guest!(resolve);
