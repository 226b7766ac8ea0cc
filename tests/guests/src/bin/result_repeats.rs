//! Resolves the key `value`, and quotes that value in the error of every other key.

use coffer_plugin::{Error, Secret};

const VALUE: &str = "correct horse battery staple";

fn resolve(key: &str) -> Result<Secret, Error> {
    match key {
        "value" => Ok(Secret::new(VALUE)),
        "invalid" => Err(Error::InvalidReference(format!("it is not {VALUE}"))),
        "unsupported" => Err(Error::Unsupported(format!("not {VALUE}"))),
        _ => Err(Error::Other(format!("the value beside it is {VALUE}"))),
    }
}

guests::guest!(resolve);
