//! HTTP: whole requests out, whole responses back. The host checks each request against the grants,
//! pools connections, adds injected headers, and follows no redirect.

use crate::backend;
pub use crate::bindings::coffer::host::http::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// A `GET` of `url`.
#[must_use]
pub fn get(url: &str) -> Request {
    Request::new("GET", url)
}

/// A `POST` to `url`.
#[must_use]
pub fn post(url: &str) -> Request {
    Request::new("POST", url)
}

/// A `PUT` to `url`.
#[must_use]
pub fn put(url: &str) -> Request {
    Request::new("PUT", url)
}

/// A `DELETE` of `url`.
#[must_use]
pub fn delete(url: &str) -> Request {
    Request::new("DELETE", url)
}

/// Sends several requests at the same time and waits for all of them. One answer for each, in order.
#[must_use]
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response, Error>> {
    backend::http_send_all(requests)
}

/// A text as it can stand in a URL: ASCII letters, digits and `-_.~` as they are, and what is in `stays`; any other
/// byte as `%` and two hexadecimal digits.
#[must_use]
pub fn encoded(text: &str, stays: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let kept = b"-_.~".contains(&byte) || stays.as_bytes().contains(&byte);
        if byte.is_ascii_alphanumeric() || byte.is_ascii() && kept {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The beginning of what a backend says, of at most so many bytes.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A request that is being put together.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout_ms: Option<u32>,
}

impl Request {
    /// A request with `method`, a token in upper case, for an absolute `url` of scheme `http` or
    /// `https`.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to `value` as JSON, and `content-type` to `application/json`.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Waits at most this long for the whole response; the store's own limit if that is shorter.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The first header called `name`, in any case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&[u8]> {
        find(&self.headers, name)
    }

    /// Sends the request and waits for the response, whatever its status.
    ///
    /// # Errors
    ///
    /// Any [`Error`]. With `?` it becomes a [`crate::Error`].
    pub fn send(self) -> Result<Response, Error> {
        backend::http_send(self)
    }
}

/// Shows the method and the URL. The body may hold a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.url)
    }
}

/// A response.
#[derive(Clone)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response, for a fake.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header, for a fake.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header called `name`, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        find(&self.headers, name)
    }

    /// How long the backend asks to wait, in milliseconds: `retry-after`, if it is in seconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        let value = std::str::from_utf8(self.header("retry-after")?).ok()?;
        value.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1000))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, owned.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Other`] if it is not JSON of this shape. The text says where, and quotes
    /// nothing of the body.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, crate::Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            crate::Error::Other(format!(
                "the backend's answer is not the JSON that was expected, at line {} column {}",
                error.line(),
                error.column()
            ))
        })
    }
}

/// Shows the status and the length. The body may hold a secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    headers
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_and_cut() {
        assert_eq!(encoded("a-_.~/ %\u{e4}", ""), "a-_.~%2F%20%25%C3%A4");
        assert_eq!(encoded("a/b?", "/"), "a/b%3F");
        assert_eq!(
            (cut("abc", 2), cut("abc", 3), cut("a\u{e4}", 2), cut("", 9)),
            ("ab", "abc", "a", "")
        );
    }

    #[test]
    fn what_is_to_be_waited_is_read() {
        let after =
            |value: &str| Response::new(429, "").with_header("Retry-After", value).retry_after_ms();
        assert_eq!((after("5"), after(" 5 "), after("0")), (Some(5000), Some(5000), Some(0)));
        assert_eq!(after(&u64::MAX.to_string()), Some(u64::MAX));
        for other in ["", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999999999999"] {
            assert_eq!(after(other), None, "{other}");
        }
        assert_eq!(Response::new(429, "").retry_after_ms(), None);
    }
}
