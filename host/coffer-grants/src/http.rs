//! HTTP: which requests a grant covers, and what the host adds to them.

use crate::address::Reach;
use crate::reference::escape;
use crate::signature::{self, AwsSigV4};
use crate::url::{RequestUrl, UrlPattern};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A rule for HTTP requests. The first rule of a store that covers a request decides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawHttpGrant")]
pub struct HttpGrant {
    url: UrlPattern,
    methods: BTreeSet<Method>,
    headers: BTreeMap<HeaderName, HeaderSource>,
    aws_sigv4: Option<AwsSigV4>,
    private_addresses: bool,
    ca: Option<String>,
}

impl HttpGrant {
    pub(crate) fn covers(&self, method: &str, url: &RequestUrl) -> bool {
        self.methods.iter().any(|granted| granted.0 == method) && self.url.covers(url)
    }

    /// The pattern.
    #[must_use]
    pub fn url(&self) -> &UrlPattern {
        &self.url
    }

    /// The methods, in alphabetical order.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|method| method.0.as_str())
    }

    /// The headers that the host adds.
    pub fn headers(&self) -> impl Iterator<Item = InjectedHeader<'_>> {
        self.headers.iter().map(|(name, source)| InjectedHeader { name: &name.0, source })
    }

    /// How the host signs the requests, if it does.
    #[must_use]
    pub fn aws_sigv4(&self) -> Option<&AwsSigV4> {
        self.aws_sigv4.as_ref()
    }

    /// Whether the host adds something to the requests that must not be read on their way.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        !self.headers.is_empty() || self.aws_sigv4.is_some()
    }

    /// How far connections reach.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.private_addresses { Reach::Private } else { Reach::Public }
    }

    /// A PEM file of certificate authorities to trust instead of the public ones.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    pub(crate) fn ca_mut(&mut self) -> Option<&mut String> {
        self.ca.as_mut()
    }

    /// The files that the host reads what it adds from.
    pub(crate) fn credential_files_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let signature = self.aws_sigv4.iter_mut().flat_map(AwsSigV4::sources_mut);
        self.headers.values_mut().chain(signature).filter_map(|source| source.file.as_mut())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a rule: `url` and `methods`")]
struct RawHttpGrant {
    url: UrlPattern,
    methods: BTreeSet<Method>,
    #[serde(default)]
    headers: BTreeMap<HeaderName, HeaderSource>,
    #[serde(default)]
    aws_sigv4: Option<AwsSigV4>,
    #[serde(default)]
    private_addresses: bool,
    #[serde(default)]
    ca: Option<String>,
}

impl TryFrom<RawHttpGrant> for HttpGrant {
    type Error = String;

    fn try_from(raw: RawHttpGrant) -> Result<Self, String> {
        let RawHttpGrant { url, methods, headers, aws_sigv4, private_addresses, ca } = raw;
        let twice = headers.keys().find(|name| signature::is_signers(&plain(&name.0)));
        if let (Some(name), Some(_)) = (twice, &aws_sigv4) {
            return Err(format!(
                "`aws-sigv4` makes the header {}, so it cannot be injected",
                name.0
            ));
        }
        Ok(Self { url, methods, headers, aws_sigv4, private_addresses, ca })
    }
}

/// Proof that a grant covers one request: this method to this URL.
#[derive(Debug)]
#[must_use]
pub struct HttpPermit<'g> {
    pub(crate) method: String,
    pub(crate) url: RequestUrl,
    pub(crate) grant: &'g HttpGrant,
}

impl<'g> HttpPermit<'g> {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL, in the form in which it was checked and must be sent.
    #[must_use]
    pub fn url(&self) -> &RequestUrl {
        &self.url
    }

    /// The rule that covers the request.
    #[must_use]
    pub fn grant(&self) -> &'g HttpGrant {
        self.grant
    }

    /// Whether the plugin may set the header `name`: not one that frames the message, belongs to the
    /// connection or asks for another request than the one that was judged, and not one that the host
    /// adds.
    #[must_use]
    pub fn header_allowed(&self, name: &str) -> bool {
        let name = plain(name);
        let signed = self.grant.aws_sigv4.is_some() && signature::is_signers(&name);
        let injected = self.grant.headers.keys().any(|granted| plain(&granted.0) == name);
        !is_hosts(&name) && !signed && !injected
    }
}

/// A header that the host adds to a request after the check.
#[derive(Clone, Copy, Debug)]
pub struct InjectedHeader<'g> {
    /// The name, in lower case.
    pub name: &'g str,
    /// Where its value comes from.
    pub source: &'g HeaderSource,
}

/// Where the value of an injected header, or a part of a signature, comes from: one of `env`, `file` and `setting`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawHeaderSource")]
pub struct HeaderSource {
    env: Option<String>,
    file: Option<String>,
    setting: Option<String>,
    prefix: String,
}

impl HeaderSource {
    /// The environment variable of the host that has the value.
    #[must_use]
    pub fn env(&self) -> Option<&str> {
        self.env.as_deref()
    }

    /// The file that has the value. White space around it is not part of it.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The setting, marked `credential` in the manifest, that has the value.
    #[must_use]
    pub fn setting(&self) -> Option<&str> {
        self.setting.as_deref()
    }

    /// What goes before the value, such as `Bearer `.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "one of `env`, `file` and `setting`, and its value")]
struct RawHeaderSource {
    env: Option<String>,
    file: Option<String>,
    setting: Option<String>,
    #[serde(default)]
    prefix: String,
}

impl TryFrom<RawHeaderSource> for HeaderSource {
    type Error = &'static str;

    fn try_from(raw: RawHeaderSource) -> Result<Self, Self::Error> {
        let RawHeaderSource { env, file, setting, prefix } = raw;
        match (&env, &file, &setting) {
            (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(_)) => {}
            _ => return Err("an injected header takes exactly one of `env`, `file` and `setting`"),
        }
        if prefix.bytes().any(|byte| byte != b' ' && !byte.is_ascii_graphic()) {
            return Err(
                "the prefix of an injected header has a character that a header cannot have",
            );
        }
        Ok(Self { env, file, setting, prefix })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Method(String);

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // A tunnel has no URL to check, and TRACE echoes injected headers.
        if matches!(text.as_str(), "CONNECT" | "TRACE") {
            return Err("the methods CONNECT and TRACE cannot be granted".into());
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return Err("a method is a word in upper case, such as GET".into());
        }
        Ok(Self(text))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct HeaderName(String);

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("`{}` is not the name of a header", escape(&text)));
        }
        if is_hosts(&plain(&name)) {
            return Err(format!(
                "the header {text} belongs to the connection or to the request and cannot be injected"
            ));
        }
        Ok(Self(name))
    }
}

/// Headers that frame a message, belong to one connection, route it, or ask a server for another method
/// or path than the request has and the grant was held against.
const HOSTS_HEADERS: [&str; 20] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// A header's name as the least careful server reads it: without case, and with `_` for `-`, which is all
/// the same in the variables of CGI and its descendants.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// `name` is plain.
fn is_hosts(name: &str) -> bool {
    name.is_empty()
        || name.starts_with([':', '-'])
        || HOSTS_HEADERS.contains(&name)
        || name.starts_with("proxy-")
        || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(grant: &serde_json::Value, expected: Result<(), &str>) {
        let actual = serde_json::from_value::<HttpGrant>(grant.clone())
            .map(|_| ())
            .map_err(|error| error.to_string());
        match (&actual, expected) {
            (Ok(()), Ok(())) => {}
            (Err(actual), Err(expected)) if actual.contains(expected) => {}
            _ => panic!("{grant}: {actual:?}, not {expected:?}"),
        }
    }

    #[test]
    fn grants_are_read_strictly() {
        let url = "https://a.example/**";
        check(&json!({ "url": url, "methods": ["GET"] }), Ok(()));
        check(&json!({ "url": url, "methods": [] }), Ok(()));
        check(&json!({ "url": url }), Err("missing field `methods`"));
        check(&json!({ "methods": ["GET"] }), Err("missing field `url`"));
        check(&json!({ "url": "*", "methods": ["GET"] }), Err("cannot be granted"));
        check(&json!({ "url": url, "methods": ["get"] }), Err("upper case"));
        check(&json!({ "url": url, "methods": ["*"] }), Err("upper case"));
        check(&json!({ "url": url, "methods": ["CONNECT"] }), Err("cannot be granted"));
        check(&json!({ "url": url, "methods": ["TRACE"] }), Err("cannot be granted"));
        check(&json!({ "url": url, "methods": ["GET"], "method": "GET" }), Err("unknown field"));
        let with = |name: &str, source: serde_json::Value| json!({ "url": url, "methods": ["GET"], "headers": { name: source } });
        check(&with("X-Token", json!({ "env": "T" })), Ok(()));
        check(&with("Authorization", json!({ "file": "/t", "prefix": "Bearer " })), Ok(()));
        check(&with("X-Token", json!({})), Err("exactly one"));
        check(&with("X-Token", json!({ "env": "T", "file": "/t" })), Err("exactly one"));
        check(&with("X-Token", json!({ "value": "t" })), Err("unknown field"));
        check(&with("X-Token", json!("t")), Err("invalid type"));
        check(&with("X-Token", json!({ "env": "T", "prefix": "a\r\nb" })), Err("prefix"));
        check(&with("Host", json!({ "env": "T" })), Err("belongs to the connection"));
        check(&with("transfer-encoding", json!({ "env": "T" })), Err("belongs to the connection"));
        check(&with("X Token", json!({ "env": "T" })), Err("not the name of a header"));
        check(&with("", json!({ "env": "T" })), Err("not the name of a header"));
        check(&with("transfer_encoding", json!({ "env": "T" })), Err("belongs to the connection"));
        check(&with("x-rewrite-url", json!({ "env": "T" })), Err("cannot be injected"));
        let signed = |name: &str| {
            let mut grant = with(name, json!({ "env": "T" }));
            grant["aws-sigv4"] = json!({
                "region": "r", "service": "s",
                "access-key-id": { "env": "K" }, "secret-access-key": { "env": "S" },
            });
            grant
        };
        check(&signed("X-Token"), Ok(()));
        check(&signed("Authorization"), Err("`aws-sigv4` makes the header authorization"));
        check(&signed("X-Amz_Date"), Err("`aws-sigv4` makes the header x-amz_date"));
    }

    #[test]
    fn a_plugin_cannot_set_framing_or_injected_headers() {
        let grant: HttpGrant = serde_json::from_value(json!({
            "url": "https://a.example/", "methods": ["GET"],
            "headers": { "X-Vault-Token": { "env": "T" } },
        }))
        .unwrap();
        let permit = HttpPermit {
            method: "GET".into(),
            url: RequestUrl::parse("https://a.example/").unwrap(),
            grant: &grant,
        };
        for name in ["accept", "Content-Type", "x-vault-namespace", "authorization"] {
            assert!(permit.header_allowed(name), "{name}");
        }
        for name in [
            "",
            ":path",
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "connection",
            "Proxy-Foo",
            "x-vault-token",
            "X-VAULT-TOKEN",
            "X-Vault-Token",
            "X_Vault-Token",
            "content_length",
            "TRANSFER_ENCODING",
            "X-HTTP-Method-Override",
            "x-original-url",
            "X-Forwarded-Host",
        ] {
            assert!(!permit.header_allowed(name), "{name}");
        }
    }

    #[test]
    fn a_plugin_cannot_set_what_the_host_signs_with() {
        let signed: HttpGrant = serde_json::from_value(json!({
            "url": "https://a.example/", "methods": ["POST"],
            "aws-sigv4": {
                "region": "r", "service": "s",
                "access-key-id": { "env": "K" }, "secret-access-key": { "env": "S" },
            },
        }))
        .unwrap();
        let url = RequestUrl::parse("https://a.example/").unwrap();
        let permit = HttpPermit { method: "POST".into(), url, grant: &signed };
        for name in ["accept", "x-amz-target", "x-amz-meta-a", "content-type"] {
            assert!(permit.header_allowed(name), "{name}");
        }
        for name in [
            "Authorization",
            "X-Amz-Date",
            "x_amz_date",
            "X-AMZ-SECURITY-TOKEN",
            "x-amz-content-sha256",
            "Date",
            "X-Amz-Region-Set",
        ] {
            assert!(!permit.header_allowed(name), "{name}");
        }
    }
}
