//! URLs: the pattern that a grant names, and the URL that a plugin asks for.
//!
//! Both are read by one strict parser that refuses whatever two parsers could read differently, and
//! brings the rest into one form. What is compared is what is sent.

mod sets;

use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a URL. What servers commonly take.
const URL_BYTES_MAX: usize = 8192;

/// How often a segment can be decoded until nothing changes any more, the last time included. A key that
/// has a percent-encoded character in it, and is encoded itself, takes three.
const DECODINGS_MAX: usize = 4;

/// Why a URL is not one that coffer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is a character that has no place in a URL.
    #[error(
        "it has a character that a URL cannot have as it is: white space, a control, one beyond ASCII, or one of \"<>\\^`{{|}}"
    )]
    Character,
    /// There is an empty segment, or one that means another directory, or one that is encoded so often
    /// that nobody can tell.
    #[error("its path has an empty segment, or one that is or hides `.`, `..`, `/` or `\\`")]
    Dots,
    /// The path is not UTF-8 once it is decoded.
    #[error("its path is not UTF-8")]
    Encoding,
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
    // What RFC 3986 leaves out, clients and servers repair each in their own way.
    let plain = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
    if !text.bytes().all(plain) {
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
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => name(text),
    }
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
    let last = text.rsplit('.').next().unwrap_or(text);
    let numeric = last.starts_with(|character: char| character.is_ascii_digit());
    if text.len() > 253 || numeric || !text.split('.').all(label_is_plain) {
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
    // Decoded again and again, for the servers that do so, until nothing is left to decode.
    let mut before = normal.clone();
    for _ in 0..DECODINGS_MAX {
        let decoded = String::from_utf8(decode(&before)).map_err(|_| UrlError::Encoding)?;
        // Some servers take a `;` and what is behind it off a segment before they look at it.
        let name = decoded.split(';').next().unwrap_or_default();
        let hidden = |byte: u8| matches!(byte, b'/' | b'\\') || byte.is_ascii_control();
        if matches!(name, "." | "..")
            || name.is_empty() != decoded.is_empty()
            || decoded.bytes().any(hidden)
        {
            return Err(UrlError::Dots);
        }
        if decoded == before {
            // A `*` of a plugin's must not become a wildcard where the URL is offered as a grant.
            return Ok(normal.replace('*', "%2A"));
        }
        before = decoded;
    }
    Err(UrlError::Dots)
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
        let octet = octet(rest.next(), rest.next()).ok_or(UrlError::Percent)?;
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            normal.push(octet.into());
        } else {
            normal.push_str(&format!("%{octet:02X}"));
        }
    }
    Ok(normal)
}

/// The octet of two hexadecimal digits.
fn octet(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Decodes percent-encoding once, leaving what is malformed as it is.
fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digit = |at: usize| bytes.get(index + at).copied();
        match octet(digit(1), digit(2)) {
            Some(octet) if bytes[index] == b'%' => {
                decoded.push(octet);
                index += 3;
            }
            Some(_) | None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests;
