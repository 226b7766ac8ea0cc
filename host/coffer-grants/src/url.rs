//! URLs: the pattern that a grant names, and the URL that a plugin asks for.
//!
//! Both are read by one strict parser that refuses whatever two parsers could read differently, and
//! brings the rest into one form. What is compared is what is sent.

use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a URL. What servers commonly take.
const URL_BYTES_MAX: usize = 8192;

/// Why a URL is not one that coffer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is a character that has no place in a URL.
    #[error(
        "it has a character that a URL cannot have: white space, a control, a backslash or one beyond ASCII"
    )]
    Character,
    /// There is an empty segment, or one that means another directory.
    #[error("its path has an empty segment, or one that is or hides `.`, `..`, `/` or `\\`")]
    Dots,
    /// There is a fragment.
    #[error("it has a fragment (`#`)")]
    Fragment,
    /// The host is not a name or an address in its one plain form.
    #[error(
        "its host is not a plain DNS name, a dotted IPv4 address or an IPv6 address in brackets"
    )]
    Host,
    /// It is too long.
    #[error("it is longer than 8192 bytes")]
    Length,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("it has a `%` that is not followed by two hexadecimal digits")]
    Percent,
    /// The port is not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A pattern has a query.
    #[error("it has a query (`?`); a grant covers any query")]
    Query,
    /// The scheme is not http or https.
    #[error("it does not begin with `http://` or `https://`")]
    Scheme,
    /// There is a user name or a password.
    #[error("it has a user name or a password (`@`)")]
    Userinfo,
    /// A `*` stands where a pattern cannot have one.
    #[error(
        "`*` stands for one whole segment or the first label of the host, and `**` for the end of the path; nothing else"
    )]
    Wildcard,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    tls: bool,
    host: String,
    port: u16,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.tls { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A URL that a plugin asks for, checked and in its one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestUrl {
    origin: Origin,
    path: String,
    query: Option<String>,
}

impl RequestUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`UrlError`] says why it is refused.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let parts = split(text)?;
        Ok(Self {
            origin: parts.origin(host)?,
            path: path(parts.path, segment)?,
            query: parts.query.map(normal).transpose()?,
        })
    }

    /// Whether the connection is over TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.origin.tls
    }

    /// The host: a DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.origin.port
    }

    /// The path, and the query behind a `?` if there is one.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The URL without its query, which may hold what should not be shown.
    #[must_use]
    pub fn without_query(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

impl fmt::Display for RequestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path_and_query())
    }
}

/// The URLs that a grant covers: `scheme://host[:port]/path`.
///
/// - The host is exact; `*.example.com` covers each name with exactly one label before the suffix.
/// - The port is exact; absent it is the scheme's own.
/// - A segment of the path is exact; `*` covers any one segment that is not empty, and `**` at the end
///   covers any number of segments, none included.
/// - Any query is covered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UrlPattern {
    origin: Origin,
    path: String,
}

impl UrlPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`UrlError`] says why it is refused.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let parts = split(text)?;
        if parts.query.is_some() {
            return Err(UrlError::Query);
        }
        let origin = parts.origin(|text| match text.strip_prefix("*.") {
            Some(suffix) => {
                let suffix = name(suffix)?;
                if suffix.contains('.') {
                    Ok(format!("*.{suffix}"))
                } else {
                    Err(UrlError::Wildcard)
                }
            }
            None if text.contains('*') => Err(UrlError::Wildcard),
            None => host(text),
        })?;
        let path = path(parts.path, |text| match text {
            "*" | "**" => Ok(text.to_owned()),
            _ if text.contains('*') => Err(UrlError::Wildcard),
            _ => segment(text),
        })?;
        let segments = path.split('/').count();
        if path.split('/').take(segments - 1).any(|segment| segment == "**") {
            return Err(UrlError::Wildcard);
        }
        Ok(Self { origin, path })
    }

    /// Whether the pattern covers `url`.
    #[must_use]
    pub fn covers(&self, url: &RequestUrl) -> bool {
        let Origin { tls, host, port } = &self.origin;
        let host_covered = match host.strip_prefix("*.") {
            Some(suffix) => url
                .origin
                .host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == suffix),
            None => *host == url.origin.host,
        };
        *tls == url.origin.tls
            && *port == url.origin.port
            && host_covered
            && self.covers_path(&url.path)
    }

    fn covers_path(&self, path: &str) -> bool {
        let mut asked = path.split('/');
        for wanted in self.path.split('/') {
            match (wanted, asked.next()) {
                // `/a/**` covers `/a` too, where nothing is left.
                ("**", _) => return true,
                ("*", Some(segment)) if !segment.is_empty() => {}
                (exact, Some(segment)) if exact != "*" && exact == segment => {}
                _ => return false,
            }
        }
        asked.next().is_none()
    }
}

impl TryFrom<String> for UrlPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Not quoted: people write passwords into URLs.
        Self::parse(&text).map_err(|error| format!("this URL cannot be granted: {error}"))
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// A URL cut into parts, none of them checked but for its characters.
struct Parts<'a> {
    tls: bool,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl Parts<'_> {
    fn origin(&self, host: impl Fn(&str) -> Result<String, UrlError>) -> Result<Origin, UrlError> {
        let port = match self.port {
            None if self.tls => 443,
            None => 80,
            Some(digits) => port(digits)?,
        };
        Ok(Origin { tls: self.tls, host: host(self.host)?, port })
    }
}

fn split(text: &str) -> Result<Parts<'_>, UrlError> {
    if text.len() > URL_BYTES_MAX {
        return Err(UrlError::Length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(UrlError::Character);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(UrlError::Scheme),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(UrlError::Userinfo);
    }
    let (host, port) = match authority.rfind(']') {
        Some(end) => {
            let (host, port) = authority.split_at(end + 1);
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(UrlError::Host),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    Ok(Parts { tls, host, port, path, query })
}

fn port(digits: &str) -> Result<u16, UrlError> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let port = digits.parse().map_err(|_| UrlError::Port)?;
    if plain { Ok(port) } else { Err(UrlError::Port) }
}

fn host(text: &str) -> Result<String, UrlError> {
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside
            .strip_suffix(']')
            .and_then(|inside| inside.parse().ok())
            .ok_or(UrlError::Host)?;
        // An IPv4 address in an IPv6 coat is another spelling of the same thing.
        if address.to_canonical() != IpAddr::V6(address) {
            return Err(UrlError::Host);
        }
        return Ok(format!("[{address}]"));
    }
    // What a resolver might take for a number (`2130706433`, `0x7f.1`, `127.1`) is an address in
    // exactly four decimal parts, or it is refused.
    let last = text.rsplit('.').next().unwrap_or(text);
    if last.starts_with(|character: char| character.is_ascii_digit()) {
        let address: Ipv4Addr = text.parse().map_err(|_| UrlError::Host)?;
        return Ok(address.to_string());
    }
    name(text)
}

fn name(text: &str) -> Result<String, UrlError> {
    let label_is_plain = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(label_is_plain) {
        return Err(UrlError::Host);
    }
    Ok(text.to_ascii_lowercase())
}

/// Checks each segment and puts the path together again. A path is never empty, and only its last
/// segment can be.
fn path(
    text: &str,
    segment: impl Fn(&str) -> Result<String, UrlError>,
) -> Result<String, UrlError> {
    let Some(inside) = text.strip_prefix('/') else {
        return Ok("/".into());
    };
    let segments: Vec<&str> = inside.split('/').collect();
    let mut normal = String::with_capacity(text.len());
    for (index, text) in segments.iter().enumerate() {
        if text.is_empty() && index + 1 < segments.len() {
            return Err(UrlError::Dots);
        }
        normal.push('/');
        normal.push_str(&segment(text)?);
    }
    Ok(normal)
}

fn segment(text: &str) -> Result<String, UrlError> {
    let normal = normal(text)?;
    // Decoded twice, for the servers that do so.
    let once = decode(&normal);
    let twice = decode(&String::from_utf8_lossy(&once));
    for decoded in [once, twice] {
        let hidden = |byte: &u8| matches!(byte, b'/' | b'\\') || byte.is_ascii_control();
        if decoded == b"." || decoded == b".." || decoded.iter().any(hidden) {
            return Err(UrlError::Dots);
        }
    }
    // A `*` of a plugin's must not become a wildcard where the URL is offered as a grant.
    Ok(normal.replace('*', "%2A"))
}

/// One spelling for each octet: unreserved characters stand for themselves, and hexadecimal digits are
/// in upper case (RFC 3986, 6.2.2).
fn normal(text: &str) -> Result<String, UrlError> {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            normal.push(byte.into());
            continue;
        }
        let digit = |byte: Option<u8>| {
            let digit = byte.and_then(|byte| char::from(byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(UrlError::Percent)
        };
        let octet = digit(rest.next())? << 4 | digit(rest.next())?;
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            normal.push(octet.into());
        } else {
            normal.push_str(&format!("%{octet:02X}"));
        }
    }
    Ok(normal)
}

/// Decodes percent-encoding once, leaving what is malformed as it is.
fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = text.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                decoded.push(octet);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_brought_into_one_form() {
        let check = |text: &str, expected: Result<&str, UrlError>| {
            let url = RequestUrl::parse(text).map(|url| url.to_string());
            assert_eq!(url.as_deref().map_err(|error| *error), expected, "{text}");
        };
        check("https://a.example", Ok("https://a.example/"));
        check("HTTPS://A.Example:443/x", Ok("https://a.example/x"));
        check("http://a.example:80", Ok("http://a.example/"));
        check("http://a.example", Ok("http://a.example/"));
        check("https://a.example/**?*", Ok("https://a.example/%2A%2A?*"));
        check("http://a.example:443/", Ok("http://a.example:443/"));
        check("https://a.example/%61%7e%2d?q=%c3%a4", Ok("https://a.example/a~-?q=%C3%A4"));
        check("https://a.example/a%20b", Ok("https://a.example/a%20b"));
        check("https://a.example/a/", Ok("https://a.example/a/"));
        check("https://a.example?x", Ok("https://a.example/?x"));
        check("https://127.0.0.1:8200/", Ok("https://127.0.0.1:8200/"));
        check("https://[2001:DB8::1]/", Ok("https://[2001:db8::1]/"));
        check("https://[::1]:8200/", Ok("https://[::1]:8200/"));
        check("https://my_service/", Ok("https://my_service/"));

        check("ftp://a.example/", Err(UrlError::Scheme));
        check("//a.example/", Err(UrlError::Scheme));
        check("/path", Err(UrlError::Scheme));
        check("", Err(UrlError::Scheme));
        check("https://", Err(UrlError::Host));
        check("https:///x", Err(UrlError::Host));
        check("https://user@a.example/", Err(UrlError::Userinfo));
        check("https://a.example@b.example/", Err(UrlError::Userinfo));
        check("https://a.example#b", Err(UrlError::Fragment));
        check("https://a.example\\@b.example/", Err(UrlError::Character));
        check("https://a.example/ x", Err(UrlError::Character));
        check("https://a.example/\r\nHost: b", Err(UrlError::Character));
        check("https://\u{e4}.example/", Err(UrlError::Character));
        check("https://a.example./", Err(UrlError::Host));
        check("https://a..example/", Err(UrlError::Host));
        check("https://-a.example/", Err(UrlError::Host));
        check("https://a%2eexample/", Err(UrlError::Host));
        check("https://2130706433/", Err(UrlError::Host));
        check("https://0x7f.0.0.1/", Err(UrlError::Host));
        check("https://0x7f000001/", Err(UrlError::Host));
        check("https://127.1/", Err(UrlError::Host));
        check("https://0177.0.0.1/", Err(UrlError::Host));
        check("https://127.0.0.1./", Err(UrlError::Host));
        check("https://[::ffff:127.0.0.1]/", Err(UrlError::Host));
        check("https://[fe80::1%25eth0]/", Err(UrlError::Host));
        check("https://[::1]x/", Err(UrlError::Host));
        check("https://[::1/", Err(UrlError::Port));
        check("https://::1/", Err(UrlError::Port));
        check("https://a.example:0/", Err(UrlError::Port));
        check("https://a.example:65536/", Err(UrlError::Port));
        check("https://a.example:+1/", Err(UrlError::Port));
        check("https://a.example:0443/", Err(UrlError::Port));
        check("https://a.example:/", Err(UrlError::Port));
        check("https://a.example/../x", Err(UrlError::Dots));
        check("https://a.example/./x", Err(UrlError::Dots));
        check("https://a.example/a/..", Err(UrlError::Dots));
        check("https://a.example/%2e%2e/x", Err(UrlError::Dots));
        check("https://a.example/.%2E/x", Err(UrlError::Dots));
        check("https://a.example/%252e%252e/x", Err(UrlError::Dots));
        check("https://a.example/a%2fb", Err(UrlError::Dots));
        check("https://a.example/a%5Cb", Err(UrlError::Dots));
        check("https://a.example/a%252fb", Err(UrlError::Dots));
        check("https://a.example/a%00", Err(UrlError::Dots));
        check("https://a.example/a%0d%0a", Err(UrlError::Dots));
        check("https://a.example//x", Err(UrlError::Dots));
        check("https://a.example/a//", Err(UrlError::Dots));
        check("https://a.example/%", Err(UrlError::Percent));
        check("https://a.example/%2", Err(UrlError::Percent));
        check("https://a.example/%zz", Err(UrlError::Percent));
        check("https://a.example/?%", Err(UrlError::Percent));
        let label = "a".repeat(63);
        let longest_name = format!("https://{label}.{label}.{label}.{}/", "a".repeat(61));
        check(&longest_name, Ok(&longest_name));
        let longer_name = format!("https://{label}.{label}.{label}.{}/", "a".repeat(62));
        check(&longer_name, Err(UrlError::Host));
        let begin = "https://a.example/";
        let longest = format!("{begin}{}", "a".repeat(URL_BYTES_MAX - begin.len()));
        check(&longest, Ok(&longest));
        let long = format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX));
        check(&long, Err(UrlError::Length));
    }

    #[test]
    fn a_connection_goes_where_the_url_says() {
        let check = |text: &str, expected: (bool, &str, u16)| {
            let url = RequestUrl::parse(text).unwrap();
            assert_eq!((url.tls(), url.host(), url.port()), expected, "{text}");
        };
        check("https://A.example/", (true, "a.example", 443));
        check("http://a.example/", (false, "a.example", 80));
        check("http://a.example:8200/", (false, "a.example", 8200));
        check("https://[0::1]:65535/", (true, "[::1]", 65535));
    }

    #[test]
    fn patterns_are_read_or_refused() {
        let check = |text: &str, expected: Result<&str, UrlError>| {
            let pattern = UrlPattern::parse(text).map(|pattern| pattern.to_string());
            assert_eq!(pattern.as_deref().map_err(|error| *error), expected, "{text}");
        };
        check("https://a.example", Ok("https://a.example/"));
        check("https://*.a.example/**", Ok("https://*.a.example/**"));
        check("https://a.example/*/x/**", Ok("https://a.example/*/x/**"));
        check("https://*/", Err(UrlError::Wildcard));
        check("https://*.example/", Err(UrlError::Wildcard));
        check("https://a*.b.example/", Err(UrlError::Wildcard));
        check("https://a.*.example/", Err(UrlError::Wildcard));
        check("https://a.example:*/", Err(UrlError::Port));
        check("https://a.example/a*", Err(UrlError::Wildcard));
        check("https://a.example/**/x", Err(UrlError::Wildcard));
        check("https://a.example/?x", Err(UrlError::Query));
        check("*://a.example/", Err(UrlError::Scheme));
        check("*", Err(UrlError::Scheme));
        check("", Err(UrlError::Scheme));
    }

    #[test]
    fn a_pattern_covers_what_it_names_and_nothing_else() {
        let check = |pattern: &str, url: &str, expected: bool| {
            let covers =
                UrlPattern::parse(pattern).unwrap().covers(&RequestUrl::parse(url).unwrap());
            assert_eq!(covers, expected, "{pattern} covers {url}");
        };
        let vault = "https://vault.example:8200/v1/secret/**";
        check(vault, "https://vault.example:8200/v1/secret/a", true);
        check(vault, "https://vault.example:8200/v1/secret/a/b?list=true", true);
        check(vault, "https://vault.example:8200/v1/secret/", true);
        check(vault, "https://vault.example:8200/v1/secret", true);
        check(vault, "https://vault.example:8200/v1/secretx", false);
        check(vault, "https://vault.example:8200/v1", false);
        check(vault, "https://vault.example:8200/v1/Secret/a", false);
        check(vault, "https://vault.example:8200/v1/%73ecret/a", true);
        check(vault, "http://vault.example:8200/v1/secret/a", false);
        check(vault, "https://vault.example/v1/secret/a", false);
        check(vault, "https://VAULT.example:8200/v1/secret/a", true);
        check(vault, "https://xvault.example:8200/v1/secret/a", false);
        check("https://a.example/%2a", "https://a.example/*", true);
        check("https://a.example/%2A%2A", "https://a.example/x", false);
        check(vault, "https://vault.example.org:8200/v1/secret/a", false);
        check("https://a.example/x", "https://a.example/x", true);
        check("https://a.example/x", "https://a.example/x/", false);
        check("https://a.example/x", "https://a.example/x/y", false);
        check("https://a.example/x/*", "https://a.example/x/y", true);
        check("https://a.example/x/*", "https://a.example/x/", false);
        check("https://a.example/x/*", "https://a.example/x", false);
        check("https://a.example/x/*", "https://a.example/x/y/z", false);
        check("https://a.example/", "https://a.example/", true);
        check("https://a.example/", "https://a.example/x", false);
        check("https://a.example/**", "https://a.example/x/y", true);
        check("https://*.a.example/**", "https://b.a.example/", true);
        check("https://*.a.example/**", "https://a.example/", false);
        check("https://*.a.example/**", "https://c.b.a.example/", false);
        check("https://*.a.example/**", "https://b.a.example.org/", false);
        check("https://[::1]/**", "https://[0:0:0:0:0:0:0:1]/", true);
    }
}
