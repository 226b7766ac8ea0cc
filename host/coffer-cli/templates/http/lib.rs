//! Keeps secrets in a service over HTTP. It does not see the service's token: `plugin.toml` calls that a
//! credential, so the host keeps it and adds the header.

use coffer_plugin::http::{self, Response};
use coffer_plugin::{Error, Existing, Reference, Resolver, Secret, Writer, export, name, settings};

struct Plugin;

impl Resolver for Plugin {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let response = http::get(&url(reference.secret()?)?).send()?;
        match response.status() {
            200 => Ok(Secret::new(response.into_body())),
            _ => Err(refused(&response)),
        }
    }
}

impl Writer for Plugin {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let request = http::put(&url(key)?).body(value);
        let request = match existing {
            // The service says 412 if there is one, which is `Error::Conflict`.
            Existing::Keep => request.header("if-none-match", "*"),
            Existing::Replace => request,
        };
        let response = request.send()?;
        match response.status() {
            200..=299 => Ok(()),
            _ => Err(refused(&response)),
        }
    }

    fn delete(key: &str) -> Result<(), Error> {
        let response = http::delete(&url(key)?).send()?;
        match response.status() {
            200..=299 | 404 => Ok(()),
            _ => Err(refused(&response)),
        }
    }
}

/// Where the secret is. Letters, digits, `-` and `_` of the key stand for themselves and anything else is
/// `=` and two hexadecimal digits: keys that differ have names that differ, and no key leads elsewhere.
fn url(key: &str) -> Result<String, Error> {
    let name = name::escape(key, '=', |_, _| false);
    Ok(format!("{}/v1/{name}", settings::required("address")?.trim_end_matches('/')))
}

/// What the service says, without its words: they may repeat a value.
fn refused(response: &Response) -> Error {
    match response.status() {
        429 | 503 => Error::Unavailable(response.retry_after_ms()),
        status => Error::from_status(status),
    }
}

export!(Plugin, writer);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// A service with nothing in it.
    fn service() {
        let secrets = RefCell::new(BTreeMap::<String, Vec<u8>>::new());
        fake::setting("address", "https://secrets.example/");
        fake::http(move |request| {
            let mut secrets = secrets.borrow_mut();
            let url = request.url().to_owned();
            let kept = secrets.get(&url).cloned();
            let keep = request.header_value("if-none-match").is_some();
            Ok(match (request.method(), kept) {
                ("GET", Some(value)) => Response::new(200, value),
                ("PUT", Some(_)) if keep => Response::new(412, ""),
                ("PUT", _) => {
                    secrets.insert(url, request.bytes().to_vec());
                    Response::new(204, "")
                }
                ("DELETE", Some(_)) => {
                    secrets.remove(&url);
                    Response::new(204, "")
                }
                _ => Response::new(404, ""),
            })
        });
    }

    fn resolve(key: &str) -> Result<Vec<u8>, Error> {
        let reference = Reference { source: "secret".into(), key: key.into() };
        Plugin::resolve(&reference).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn what_is_put_is_resolved_until_it_is_deleted() {
        service();
        for key in ["a", "A", "a/b", "a=2fb", "a?b", "%61", "\u{e4}"] {
            assert!(matches!(resolve(key), Err(Error::NotFound)), "{key}");
            Plugin::put(key, key.as_bytes(), Existing::Keep).unwrap();
            assert_eq!(resolve(key).unwrap(), key.as_bytes());
        }
        assert!(matches!(Plugin::put("a", b"2", Existing::Keep), Err(Error::Conflict)));
        Plugin::put("a", b"2", Existing::Replace).unwrap();
        assert_eq!(resolve("a").unwrap(), b"2");
        assert_eq!(resolve("A").unwrap(), b"A");
        Plugin::delete("a").unwrap();
        Plugin::delete("a").unwrap();
        assert!(matches!(resolve("a"), Err(Error::NotFound)));
    }

    #[test]
    fn what_the_service_says_is_told() {
        fake::setting("address", "https://secrets.example");
        fake::http(|_| Ok(Response::new(503, "").with_header("retry-after", "2")));
        assert!(matches!(resolve("a"), Err(Error::Unavailable(Some(2000)))));
        fake::http(|_| Ok(Response::new(403, "")));
        assert!(matches!(resolve("a"), Err(Error::AccessDenied)));
        assert!(matches!(Plugin::delete("a"), Err(Error::AccessDenied)));
    }
}
