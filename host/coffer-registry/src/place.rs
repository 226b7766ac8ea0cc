//! What the configuration says of a registry, or of a part of it.

use crate::error::RegistryError;
use crate::key::PublicKeys;
use crate::limits;
use crate::reference::{self, OciReference};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Secret;
use std::io;
use std::path::Path;

/// An entry of `registries`.
#[derive(Debug)]
pub struct Place {
    registry: String,
    /// The repository, or what is before its `/**`; empty is every one.
    path: String,
    below: bool,
    pub(crate) ca: Option<String>,
    pub(crate) plain_http: Option<bool>,
    pub(crate) required: Option<PublicKeys>,
}

impl Place {
    /// Reads the pattern: `host[:port]` is every repository there, `host/repository` is that one, and
    /// `host/words/**` every one whose name begins with those words. `ca` is a file of certificate authorities,
    /// `keys` one of keys of which one has to have signed what is there; both are found from `base`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Pattern`], [`RegistryError::Key`].
    pub fn new(
        base: &Path,
        pattern: &str,
        ca: Option<&str>,
        plain_http: Option<bool>,
        keys: Option<&str>,
    ) -> Result<Self, RegistryError> {
        let ca = ca.map(|ca| base.join(ca).display().to_string());
        let required = keys.map(|keys| read_keys(&base.join(keys))).transpose()?;
        let wrong = |why| RegistryError::Pattern { pattern: pattern.to_owned(), why };
        let (registry, path) = pattern.split_once('/').unwrap_or((pattern, "**"));
        let (path, below) = match path.strip_suffix("**") {
            Some("") => ("", true),
            Some(path) => (
                path.strip_suffix('/')
                    .filter(|path| !path.is_empty())
                    .ok_or_else(|| wrong("`**` stands for whole words"))?,
                true,
            ),
            None if path.is_empty() => return Err(wrong("it has nothing after its `/`")),
            None => (path, false),
        };
        // A reference is what has a registry, so that there is one grammar of them.
        let as_repository = if path.is_empty() { "a" } else { path };
        let read = OciReference::parse(&format!("{registry}/{as_repository}:a")).map_err(|_| {
            wrong("it has a host, perhaps a port, and words of lower case letters and digits")
        })?;
        if read.repository() != as_repository {
            return Err(wrong("it has a tag or a digest"));
        }
        let registry = read.registry().to_owned();
        Ok(Self { registry, path: path.to_owned(), below, ca, plain_http, required })
    }

    pub(crate) fn covers(&self, reference: &OciReference) -> bool {
        let rest = reference.repository().strip_prefix(self.path.as_str());
        self.registry == reference.registry()
            && match rest {
                Some("") => !self.below,
                Some(rest) => self.below && (self.path.is_empty() || rest.starts_with('/')),
                None => false,
            }
    }
}

/// Reads a file of public keys.
///
/// # Errors
///
/// [`RegistryError::Key`].
pub fn read_keys(path: &Path) -> Result<PublicKeys, RegistryError> {
    let read = || {
        let parent =
            path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let file = Dir::open_ambient_dir(parent, ambient_authority())?.open(name)?;
        Secret::read(file, limits::KEY_BYTES_MAX)
    };
    let text = read()
        .map_err(|error| RegistryError::Key { path: path.to_owned(), why: error.to_string() })?;
    PublicKeys::parse(path, text.expose())
}

/// Whether a registry is spoken to without TLS, if nobody says.
pub(crate) fn plain_http_is_usual(registry: &str, ca: Option<&str>) -> bool {
    reference::is_loopback(registry) && ca.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names_and_nothing_else() {
        let check = |pattern: &str, covered: &[&str], others: &[&str]| {
            let place = Place::new(Path::new(""), pattern, None, None, None).unwrap();
            for (names, expected) in [(covered, true), (others, false)] {
                for name in names {
                    let reference = OciReference::parse(&format!("oci://{name}:t")).unwrap();
                    assert_eq!(place.covers(&reference), expected, "{pattern} {name}");
                }
            }
        };
        let all = [
            "ghcr.io/acme/vault",
            "ghcr.io/acme/a/b",
            "GHCR.IO/acme/vault",
            "ghcr.io:443/acme/vault",
        ];
        let others =
            ["ghcr.io.evil.org/acme/vault", "ghcr.io:444/acme/vault", "docker.io/acme/vault"];
        check("ghcr.io", &all, &others);
        check("ghcr.io:443", &all, &others);
        check("ghcr.io/**", &all, &others);
        check("ghcr.io/acme/**", &all, &others);
        check(
            "ghcr.io/acme/**",
            &[],
            &["ghcr.io/acme", "ghcr.io/acme-evil/vault", "ghcr.io/evil/acme/vault"],
        );
        check("[::1]:5000", &["[0:0:0:0:0:0:0:1]:5000/a", "[::0001]:5000/a"], &["[::1]/a"]);
        check(
            "ghcr.io/acme/vault",
            &all[..1],
            &["ghcr.io/acme/vault/b", "ghcr.io/acme/vaults", "ghcr.io/acme"],
        );
        check(
            "docker.io/a/**",
            &["docker.io/a/b", "index.docker.io/a/b", "registry-1.docker.io/a/b"],
            &[],
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "",
            "**",
            "/",
            "ghcr.io/",
            "ghcr.io/a**",
            "ghcr.io/*",
            "ghcr.io/a/*/b",
            "ghcr.io/a:t",
            "ghcr.io/a@b",
            "*.io",
            "https://ghcr.io",
            "ghcr.io/**/a",
            "ghcr.io//**",
            "ghcr.io/a/../**",
        ] {
            assert!(Place::new(Path::new(""), pattern, None, None, None).is_err(), "{pattern}");
        }
    }
}
