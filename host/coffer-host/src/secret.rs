//! A secret: bytes that are overwritten when they are dropped, and that nothing prints.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::{self, Read};
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

    /// Reads a value to its end, without leaving a copy of any part of it behind.
    ///
    /// # Errors
    ///
    /// That of the reader, or [`io::ErrorKind::FileTooLarge`] if there are more than `bytes_max` bytes.
    pub fn read(reader: impl Read, bytes_max: usize) -> io::Result<Self> {
        let value = read(reader, bytes_max)?;
        Ok(Self { value, version: None, expires_at_ms: None })
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

/// Bytes that a value is read into first: what most have.
const READ_BYTES: usize = 4096;

/// Reads to the end, into a buffer that is overwritten when it is dropped. A buffer that grows by itself
/// leaves what it had where it was, so it is moved by hand, and what is left is overwritten.
pub(crate) fn read(mut reader: impl Read, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; READ_BYTES]);
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; bytes.len() * 2]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled > bytes_max {
            let message = format!("it has more than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(7 bytes) Secret(7 bytes)");
        let refused: Result<(), Secret> = Err(secret);
        // What `expect` and `unwrap` would print.
        assert_eq!(format!("{refused:?}"), "Err(Secret(7 bytes))");
    }

    #[test]
    fn a_value_is_read_whole_or_not() {
        for length in [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5 * READ_BYTES] {
            let value: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            assert_eq!(Secret::read(&value[..], length).unwrap().expose(), value);
            if let Some(less) = length.checked_sub(1) {
                let error = Secret::read(&value[..], less).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            }
        }
    }
}
