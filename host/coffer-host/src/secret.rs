//! A secret: bytes that are overwritten when they are dropped, and that nothing prints.

use std::fmt;
use zeroize::Zeroizing;

/// The value of a secret, and what its backend says about it. `Debug` shows the length only, there is
/// no `Display` and no serialisation, and the bytes are overwritten with zeros when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Zeroizing<Vec<u8>>,
    version: Option<String>,
    expires_at_ms: Option<u64>,
}

impl Secret {
    /// A secret of which nothing but the value is known. Takes the buffer over; it is not copied.
    #[must_use]
    pub fn new(value: Vec<u8>) -> Self {
        Self { value: Zeroizing::new(value), version: None, expires_at_ms: None }
    }

    pub(crate) fn described(mut self, version: Option<String>, expires_at_ms: Option<u64>) -> Self {
        self.version = version;
        self.expires_at_ms = expires_at_ms;
        self
    }

    /// The value. What is done with it from here on is the caller's responsibility.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.value
    }

    /// The value as text, if it is UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }

    /// The backend's own version of the value. It can be shown.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Milliseconds since the Unix epoch after which the value must not be used.
    #[must_use]
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.expires_at_ms
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(value: Vec<u8>) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.value.len())
    }
}
