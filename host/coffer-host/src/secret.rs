//! A secret: bytes that are overwritten when they are dropped, and that nothing prints.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

/// Bytes that may be a value: overwritten when they are dropped, and without `Debug`. They cross to a
/// worker as they are, in one piece.
#[derive(Clone)]
pub(crate) struct Bytes(Zeroizing<Vec<u8>>);

impl Bytes {
    /// Takes the buffer over.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The buffer, which is the caller's to overwrite.
    pub(crate) fn take(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for Bytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for Zeroizing<Vec<u8>> {
    fn from(Bytes(bytes): Bytes) -> Self {
        bytes
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copied;
        impl Visitor<'_> for Copied {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes::new(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Copied)
    }
}

impl From<Bytes> for Secret {
    fn from(Bytes(value): Bytes) -> Self {
        Self { value, version: None, expires_at_ms: None }
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
