//! References: `oci://registry/repository:tag@sha256:digest`.

use crate::digest::Digest;
use crate::error::RegistryError;
use coffer_host::grants::RequestUrl;
use std::fmt;
use std::net::IpAddr;

/// Names an artifact in a registry. At least one of tag and digest is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OciReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl OciReference {
    /// Reads one. `oci://` may be left out, the registry may not: there is none that is meant when none is named.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Reference`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let wrong = |why| RegistryError::Reference { reference: text.to_owned(), why };
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                let digest = Digest::parse(digest).ok_or_else(|| {
                    wrong("its digest is not `sha256:` and 64 digits in lower case")
                })?;
                (rest, Some(digest))
            }
            None => (rest, None),
        };
        let (registry, path) = rest
            .split_once('/')
            .ok_or_else(|| wrong("it names no repository, `oci://registry/repository:tag`"))?;
        let registry = authority(true, registry)
            .filter(|registry| !registry.contains('_'))
            .ok_or_else(|| wrong("what stands before the first `/` is no `host` or `host:port`"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_repository(repository) {
            return Err(wrong(
                "its repository has more than words of lower case letters and digits with `.`, `_`, `-` between \
                 them and `/` between words",
            ));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("its tag has more than letters, digits, `_`, `.` and `-`"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(wrong("it has neither a tag nor a digest"));
        }
        let registry = plain(&registry).to_owned();
        Ok(Self { registry, repository: repository.into(), tag: tag.map(str::to_owned), digest })
    }

    /// The registry, `host` or `host:port`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in it.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Its tag, which can be moved to something else.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Its digest, which cannot.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same with this digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same without its digest, if it has a tag.
    #[must_use]
    pub fn unpinned(&self) -> Option<Self> {
        self.tag.is_some().then(|| Self { digest: None, ..self.clone() })
    }

    /// Another artifact of the same repository, by its tag.
    pub(crate) fn beside(&self, tag: String) -> Self {
        Self { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// `registry/repository`, as signatures name it.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// The one name of a registry that has several, so that what the configuration says of it holds by whichever name it
/// is asked for.
fn plain(registry: &str) -> &str {
    if ["index.docker.io", "registry-1.docker.io"].contains(&registry) {
        DOCKER_HUB
    } else {
        registry
    }
}

/// Docker's own registry.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// The one spelling of `host` or `host:port`, read as the host and port of a URL that a plugin asks for, so that no
/// other spelling of a server is another server: numbers that stand for addresses, zeros before a port, another
/// form of an IPv6 address. The port that is usual is left out.
pub(crate) fn authority(tls: bool, text: &str) -> Option<String> {
    let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
    let url = RequestUrl::parse(&format!("{scheme}://{text}/")).ok()?;
    if url.path_and_query() != "/" {
        return None;
    }
    let (host, port) = (url.host(), url.port());
    Some(if port == usual { host.to_owned() } else { format!("{host}:{port}") })
}

/// Whether this is the machine itself. It is spelled as [`authority`] does.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

pub(crate) fn is_repository(text: &str) -> bool {
    text.len() <= 255 && text.split('/').all(is_component)
}

/// A word of a repository: letters and digits, and between them `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separator = String::new();
    let mut before = false;
    for byte in text.bytes() {
        if alphanumeric(byte) {
            let allowed = matches!(separator.as_str(), "" | "." | "_" | "__")
                || separator.bytes().all(|byte| byte == b'-');
            if !allowed || (!before && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            before = true;
        } else if matches!(byte, b'.' | b'_' | b'-') {
            separator.push(byte.into());
        } else {
            return false;
        }
    }
    before && separator.is_empty()
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// What references begin with.
const SCHEME: &str = "oci://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_shown() {
        let digest = Digest::of(b"");
        let check =
            |text: &str, registry: &str, repository: &str, tag: Option<&str>, pinned: bool| {
                let reference = OciReference::parse(text).unwrap();
                let parts = (reference.registry(), reference.repository(), reference.tag());
                assert_eq!(parts, (registry, repository, tag), "{text}");
                assert_eq!(reference.digest(), pinned.then_some(&digest), "{text}");
                assert_eq!(OciReference::parse(&reference.to_string()).unwrap(), reference);
            };
        check("oci://ghcr.io/acme/vault:1.0", "ghcr.io", "acme/vault", Some("1.0"), false);
        check("ghcr.io/acme/vault:1.0", "ghcr.io", "acme/vault", Some("1.0"), false);
        check(
            "oci://GHCR.io/a/b__c.d--e:L_a.t-1",
            "ghcr.io",
            "a/b__c.d--e",
            Some("L_a.t-1"),
            false,
        );
        check(&format!("oci://127.0.0.1:5000/a@{digest}"), "127.0.0.1:5000", "a", None, true);
        check(&format!("oci://[::1]:5000/a:t@{digest}"), "[::1]:5000", "a", Some("t"), true);
        check("oci://localhost/a:t", "localhost", "a", Some("t"), false);
        check("oci://ghcr.io:443/a:t", "ghcr.io", "a", Some("t"), false);
        check("oci://[0:0:0:0:0:0:0:1]:5000/a:t", "[::1]:5000", "a", Some("t"), false);
        check("oci://registry-1.docker.io/a/b:t", "docker.io", "a/b", Some("t"), false);
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = "a".repeat(256);
        for text in [
            "",
            "oci://",
            "oci://ghcr.io",
            "oci://ghcr.io/",
            "oci://ghcr.io/a",
            "ghcr.io:/a:t",
            "oci://ghcr.io:0/a:t",
            "oci://ghcr.io:99999/a:t",
            "oci://ghcr.io:+1/a:t",
            "oci://user@ghcr.io/a:t",
            "oci://ghcr.io/../a:t",
            "oci://ghcr.io/a/../b:t",
            "oci://ghcr.io/a//b:t",
            "oci://ghcr.io/A:t",
            "oci://ghcr.io/a:",
            "oci://ghcr.io/a:.t",
            "oci://ghcr.io/a:t/b",
            "oci://ghcr.io/a:t?x",
            "oci://-a/a:t",
            "oci://a_b/a:t",
            "oci://[::g]/a:t",
            // Other spellings of servers that have one.
            "oci://ghcr.io:0443/a:t",
            "oci://ghcr.io./a:t",
            "oci://127.1:5000/a:t",
            "oci://127.0.0.01:5000/a:t",
            "oci://0x7f.0.0.1:5000/a:t",
            "oci://2130706433:5000/a:t",
            "oci://[::ffff:127.0.0.1]:5000/a:t",
            "oci://gh?cr.io/a:t",
            "oci://gh%63r.io/a:t",
            "oci://[::1/a:t",
            "oci://ghcr.io/a___b:t",
            "oci://ghcr.io/a._b:t",
            "oci://ghcr.io/-a:t",
            "oci://ghcr.io/a-:t",
            "oci://ghcr.io/a@sha256:00",
            "oci://ghcr.io/a:t@",
            "https://ghcr.io/a:t",
            &format!("oci://ghcr.io/{long}:t"),
            "oci://ghcr.io/a b:t",
            "oci://gh\ncr.io/a:t",
        ] {
            assert!(OciReference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in
            ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "[::2]"]
        {
            assert!(!is_loopback(registry), "{registry}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_shown_as_what_is_read(text in "\\PC{0,80}") {
            if let Ok(reference) = OciReference::parse(&text) {
                assert_eq!(OciReference::parse(&reference.to_string()).unwrap(), reference);
            }
        }
    }
}
