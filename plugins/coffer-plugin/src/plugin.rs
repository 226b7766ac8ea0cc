//! The traits that a plugin implements, what passes through them, and [`export!`](crate::export),
//! which turns implementations into the exports of a component.

use crate::Error;
use crate::bindings::{lister, resolver, writer};
use crate::name::can_be_asked_for;
use std::fmt;
use std::marker::PhantomData;

/// Turns references into secrets. Every plugin implements this.
pub trait Resolver {
    /// Resolves one reference.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; it fails this reference and no other.
    fn resolve(reference: &Reference) -> Result<Secret, Error>;

    /// Resolves several references: one answer for each, in their order.
    ///
    /// The host already spreads a list over several instances, so the loop given here resolves in
    /// parallel. Override it where the backend answers several at once, and say `batch = true` in
    /// `plugin.toml` so that one instance is given the whole list.
    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        references.iter().map(Self::resolve).collect()
    }
}

/// Keeps secrets.
pub trait Writer {
    /// Stores `value` under `key`, atomically and durably: once this returns, the value survives a
    /// crash, and at every moment a reader sees the old value or the new one. Keys that differ in any
    /// byte are different secrets.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if the key exists and `existing` is [`Existing::Keep`];
    /// [`Error::InvalidReference`] if the backend cannot have such a key; [`Error::TooLarge`] if it
    /// does not take a value of this size; otherwise what the backend says.
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error>;

    /// Deletes the secret under `key`, durably. Deleting what is not there succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] if the backend cannot have such a key; otherwise what the backend
    /// says.
    fn delete(key: &str) -> Result<(), Error>;
}

/// Lists keys.
pub trait Lister {
    /// The keys that begin with `prefix`, at most 1000 of them, from `cursor`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] if `cursor` cannot be the [`Page::next`] of an earlier page;
    /// otherwise what the backend says.
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error>;
}

/// Names one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the secret comes from: `secret` for an entry of the plugin's backend, or one of
    /// Porter's other sources `env`, `path`, `command` and `value`. The set is open.
    pub source: String,
    /// The key within the source, 1 to 1024 bytes.
    pub key: String,
}

impl Reference {
    /// The key, for a plugin that knows no source but `secret`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the source is another.
    pub fn secret(&self) -> Result<&str, Error> {
        match self.source.as_str() {
            "secret" => Ok(&self.key),
            other => Err(Error::Unsupported(format!(
                "this plugin resolves references of source `secret`, not `{other}`"
            ))),
        }
    }
}

/// A secret's value and what the backend says about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Vec<u8>,
    version: Option<String>,
    expires_at: Option<u64>,
}

impl Secret {
    /// A secret of which nothing but the value is known.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self { value: value.into(), version: None, expires_at: None }
    }

    /// The backend's own version of the value, at most 256 bytes. It is shown to people and must not
    /// be derived from the value.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Milliseconds since the Unix epoch after which the value must not be used.
    #[must_use]
    pub fn expires_at(mut self, expires_at_ms: u64) -> Self {
        self.expires_at = Some(expires_at_ms);
        self
    }

    /// The value.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.value
    }
}

/// Shows the length only.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.value.len())
    }
}

/// What [`Writer::put`] does when the key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave the old value and answer [`Error::Conflict`].
    Keep,
    /// Put the new value in the place of the old one.
    Replace,
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys as they were put, at most 1000.
    pub keys: Vec<String>,
    /// Where the next page begins, at most 4096 bytes; nothing at the end.
    pub next: Option<String>,
}

impl Page {
    /// The first page from `cursor` on that has a key, or the last one: what a backend has can be somebody else's for
    /// many pages. `read` gives the keys of one page, and where the next one begins. A key that no reference can
    /// have ([`can_be_asked_for`]) is left out.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn first(
        cursor: Option<&str>,
        mut read: impl FnMut(Option<&str>) -> Result<(Vec<String>, Option<String>), Error>,
    ) -> Result<Self, Error> {
        let mut cursor = cursor.map(str::to_owned);
        loop {
            let (mut keys, next) = read(cursor.as_deref())?;
            keys.retain(|key| can_be_asked_for(key));
            if next.is_none() || !keys.is_empty() {
                return Ok(Self { keys, next });
            }
            cursor = next;
        }
    }
}

/// Exports a plugin: `export!(Type)` for one that implements [`Resolver`], `export!(Type, writer)` or
/// `export!(Type, writer, lister)` for one that implements those traits as well.
///
/// Off wasm it only checks that the traits are implemented, so that the crate builds and tests
/// natively.
#[macro_export]
macro_rules! export {
    ($plugin:ident $(, $interface:ident)* $(,)?) => {
        $crate::__export_interface!(resolver $plugin);
        $($crate::__export_interface!($interface $plugin);)*
        #[cfg(target_arch = "wasm32")]
        include!(concat!(env!("OUT_DIR"), "/coffer_manifest.rs"));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    (resolver $plugin:ident) => {
        const _: () = {
            const fn implements<P: $crate::Resolver>() {}
            implements::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Glue = $crate::Glue<$plugin>;
            $crate::bindings::resolver::__export_resolver!(Glue with_types_in $crate::bindings::resolver);
        };
    };
    (writer $plugin:ident) => {
        const _: () = {
            const fn implements<P: $crate::Writer>() {}
            implements::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Glue = $crate::Glue<$plugin>;
            $crate::bindings::writer::__export_writer!(Glue with_types_in $crate::bindings::writer);
        };
    };
    (lister $plugin:ident) => {
        const _: () = {
            const fn implements<P: $crate::Lister>() {}
            implements::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Glue = $crate::Glue<$plugin>;
            $crate::bindings::lister::__export_lister!(Glue with_types_in $crate::bindings::lister);
        };
    };
}

/// Stands between the generated traits and the ones above.
#[doc(hidden)]
#[derive(Debug)]
pub struct Glue<P>(PhantomData<P>);

mod raw {
    pub(super) use crate::bindings::coffer::secrets::types::{Reference, Secret};
    pub(super) use crate::bindings::lister::exports::coffer::secrets::lister::Page;
    pub(super) use crate::bindings::writer::exports::coffer::secrets::writer::Existing;
}

impl<P: Resolver> resolver::exports::coffer::secrets::resolver::Guest for Glue<P> {
    fn resolve(references: Vec<raw::Reference>) -> Vec<Result<raw::Secret, Error>> {
        let references: Vec<Reference> = references
            .into_iter()
            .map(|raw::Reference { source, key }| Reference { source, key })
            .collect();
        P::resolve_all(&references)
            .into_iter()
            .map(|result| {
                result.map(|Secret { value, version, expires_at }| raw::Secret {
                    value,
                    version,
                    expires_at,
                })
            })
            .collect()
    }
}

impl<P: Writer> writer::exports::coffer::secrets::writer::Guest for Glue<P> {
    fn put(key: String, value: Vec<u8>, existing: raw::Existing) -> Result<(), Error> {
        let existing = match existing {
            raw::Existing::Keep => Existing::Keep,
            raw::Existing::Replace => Existing::Replace,
        };
        P::put(&key, &value, existing)
    }

    fn delete(key: String) -> Result<(), Error> {
        P::delete(&key)
    }
}

impl<P: Lister> lister::exports::coffer::secrets::lister::Guest for Glue<P> {
    fn list_keys(prefix: String, cursor: Option<String>) -> Result<raw::Page, Error> {
        let Page { keys, next } = P::list_keys(&prefix, cursor.as_deref())?;
        Ok(raw::Page { keys, next })
    }
}
