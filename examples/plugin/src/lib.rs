//! A whole plugin: secrets from a service that answers `GET /v1/KEY` with the value. It does not see the
//! service's token: `plugin.toml` calls that a credential, so the host keeps it and adds the header.

use coffer_plugin::{Error, Reference, Resolver, Secret, export, http, settings};

struct Pantry;

impl Resolver for Pantry {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let key = reference.secret()?;
        // A `?` or a `%` would make two keys one, or one key another request.
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte)) {
            return Err(Error::InvalidReference("a key has letters, digits and -._/ only".into()));
        }
        let response = http::get(&format!("{}/v1/{key}", settings::required("address")?)).send()?;
        match response.status() {
            200 => Ok(Secret::new(response.into_body())),
            status => Err(Error::from_status(status)),
        }
    }
}

export!(Pantry);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    #[test]
    fn what_the_service_has_is_resolved_and_what_it_says_is_told() {
        fake::setting("address", "https://pantry.example");
        fake::http(|request| match request.url() {
            "https://pantry.example/v1/db/password" => Ok(http::Response::new(200, "hunter2")),
            _ => Ok(http::Response::new(404, "")),
        });
        let resolve = |source: &str, key: &str| {
            Pantry::resolve(&Reference { source: source.into(), key: key.into() })
        };
        assert_eq!(resolve("secret", "db/password").unwrap().expose(), b"hunter2");
        assert!(matches!(resolve("secret", "absent"), Err(Error::NotFound)));
        for key in ["db/password?", "db/password#", "db/passwor%64", "db password"] {
            assert!(matches!(resolve("secret", key), Err(Error::InvalidReference(_))), "{key}");
        }
        assert!(matches!(resolve("env", "HOME"), Err(Error::Unsupported(_))));
    }
}
