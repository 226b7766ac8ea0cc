//! Parameter sets and credential sets, in Porter's form: which reference each parameter or credential
//! of a bundle is resolved from. A set can hold a value itself (source `value`), so no error quotes
//! what stands in a source.

mod error;

pub use error::SetError;

use crate::bundle::name_rule;
use crate::document::{self, nearest, shown};
use crate::name::Name;
use coffer_host::grants::{KEY_BYTES_MAX, Reference, ReferenceError, Source};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Entries of a set.
pub const ENTRIES_MAX: usize = 1000;

/// What a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Credentials: never kept.
    Credentials,
    /// Parameters.
    Parameters,
}

impl SetKind {
    /// What the file of such a set says in `schemaType`.
    #[must_use]
    pub fn schema_type(self) -> &'static str {
        match self {
            Self::Credentials => "CredentialSet",
            Self::Parameters => "ParameterSet",
        }
    }

    /// The key that its entries stand under.
    #[must_use]
    pub fn entries_key(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Parameters => "parameters",
        }
    }

    /// The versions of the form that can be read. The last is written.
    fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Credentials => &["1.0.0", "1.0.1"],
            Self::Parameters => &["1.0.1", "1.1.0"],
        }
    }
}

impl fmt::Display for SetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entries_key())
    }
}

/// A parameter set or a credential set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// What it is for.
    pub kind: SetKind,
    /// Its namespace; the global one if absent.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
    /// What people put on it.
    pub labels: BTreeMap<String, String>,
    /// Its entries, in the order of the file. No two have one name.
    pub entries: Vec<Entry>,
}

/// Where one parameter or credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The parameter or the credential.
    pub name: String,
    /// What it is resolved from.
    pub reference: Reference,
    /// The store that resolves it; the default one if absent. Only with [`Source::Secret`].
    pub store: Option<String>,
}

impl Set {
    /// Checks a set.
    ///
    /// # Errors
    ///
    /// [`SetError`] says which entry is wrong, and how.
    pub fn parse(kind: SetKind, document: Value) -> Result<Self, SetError> {
        let Written {
            schema_type,
            schema_version,
            namespace,
            name,
            labels,
            status: _,
            credentials,
            parameters,
        } = document::parse(document)?;
        if schema_type.is_some_and(|written| written != kind.schema_type()) {
            return Err(SetError::Kind { expected: kind.schema_type() });
        }
        if schema_version.is_some_and(|written| !kind.versions().contains(&written.as_str())) {
            return Err(SetError::Version { known: kind.versions().join(" and ") });
        }
        let (entries, others) = match kind {
            SetKind::Credentials => (credentials, parameters),
            SetKind::Parameters => (parameters, credentials),
        };
        if others.is_some() {
            return Err(SetError::Kind { expected: kind.schema_type() });
        }
        let written = entries.unwrap_or_default();
        if written.len() > ENTRIES_MAX {
            return Err(SetError::TooMany { count: written.len() });
        }
        let mut names = BTreeSet::new();
        let mut entries = Vec::with_capacity(written.len());
        for (index, WrittenEntry { name, source }) in written.into_iter().enumerate() {
            let at = format!("{kind}[{index}]");
            if let Some(rule) = name_rule(&name) {
                return Err(SetError::Name { at, rule });
            }
            if !names.insert(name.clone()) {
                return Err(SetError::Twice { at, name: shown(&name) });
            }
            let at = format!("{at}.source");
            let Some(Value::Object(source)) = source else {
                return Err(SetError::NoSource { at, name: shown(&name) });
            };
            let (reference, store) = read_source(at, &name, source)?;
            entries.push(Entry { name, reference, store });
        }
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.map(Name::try_from).transpose();
        let namespace = namespace
            .map_err(|error| SetError::Named { at: "namespace", rule: error.to_string() })?;
        let name = Name::try_from(name)
            .map_err(|error| SetError::Named { at: "name", rule: error.to_string() })?;
        Ok(Self { kind, namespace, name, labels: labels.unwrap_or_default(), entries })
    }

    /// The set as a file would say it, but with `***` for values.
    #[must_use]
    pub fn to_document(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|Entry { name, reference, store }| {
                let key = match reference.source() {
                    Source::Value => "***",
                    Source::Command | Source::Env | Source::Path | Source::Secret => {
                        reference.key()
                    }
                };
                let mut source = Map::new();
                source.insert(reference.source().name().into(), key.into());
                source.extend(store.iter().map(|store| ("store".into(), store.as_str().into())));
                json!({ "name": name, "source": source })
            })
            .collect();
        json!({
            "schemaType": self.kind.schema_type(),
            "schemaVersion": self.kind.versions().last(),
            "namespace": self.namespace.as_ref().map_or("", Name::as_str),
            "name": self.name.as_str(),
            "labels": self.labels,
            self.kind.entries_key(): entries,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a set")]
struct Written {
    schema_type: Option<String>,
    schema_version: Option<String>,
    namespace: Option<String>,
    name: String,
    labels: Option<BTreeMap<String, String>>,
    /// What Porter adds when it prints a set.
    #[expect(dead_code, reason = "it is allowed, and says nothing")]
    status: Option<IgnoredAny>,
    credentials: Option<Vec<WrittenEntry>>,
    parameters: Option<Vec<WrittenEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a name and a source")]
struct WrittenEntry {
    name: String,
    source: Option<Value>,
}

/// Reads `{SOURCE: KEY}`, perhaps with `store: NAME` beside `secret`.
fn read_source(
    at: String,
    name: &str,
    mut written: Map<String, Value>,
) -> Result<(Reference, Option<String>), SetError> {
    let store = written.shift_remove(STORE);
    let mut sources = written.into_iter();
    let (source, key) = match (sources.next(), sources.next()) {
        (Some(first), None) => first,
        (None, _) => return Err(SetError::NoSource { at, name: shown(name) }),
        (Some(_), Some(_)) => return Err(SetError::ManySources { at, name: shown(name) }),
    };
    let Ok(source) = source.parse::<Source>() else {
        // A name that is near no source may be a value, so it is not shown.
        let nearest = nearest(&source, Source::ALL.map(Source::name));
        return Err(SetError::Source { at, nearest });
    };
    let key_at = format!("{at}.{source}");
    let key = match (source, key) {
        (_, Value::String(key)) => key,
        // As in Porter, a value can be of any type.
        (Source::Value, value) if !value.is_null() => value.to_string(),
        _ => return Err(SetError::Key { at: key_at, rule: "it must be a text".into() }),
    };
    let reference = Reference::new(source, key)
        .map_err(|error| SetError::Key { at: key_at, rule: key_rule(&error) })?;
    let store_at = format!("{at}.{STORE}");
    let store = match store {
        None => None,
        Some(_) if source != Source::Secret => {
            let rule = "only the source `secret` has a store";
            return Err(SetError::Key { at: store_at, rule: rule.into() });
        }
        Some(Value::String(store)) if name_rule(&store).is_none() => Some(store),
        Some(_) => {
            let rule = "it must be the name of a store in the configuration";
            return Err(SetError::Key { at: store_at, rule: rule.into() });
        }
    };
    Ok((reference, store))
}

/// The rule that a key breaks, without the key: people paste secrets at wrong places.
fn key_rule(error: &ReferenceError) -> String {
    match error {
        ReferenceError::Empty(_) => "it is empty".into(),
        ReferenceError::Malformed { rule, .. } => (*rule).into(),
        ReferenceError::TooLong { bytes, .. } => {
            format!("it has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed")
        }
        _ => "it cannot be a key".into(),
    }
}

/// The key beside `secret` that chooses a store; Porter does not have it.
const STORE: &str = "store";

#[cfg(test)]
mod tests;
