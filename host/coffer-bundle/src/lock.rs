//! `coffer.lock`, beside the configuration file: which plugins may run, each by the digest of its file, and what each
//! store of one may be granted. Where there is one, nothing runs that is not in it. It is about plugins that are files
//! or in registries; those that come with the program are part of it.
//!
//! Nothing here decides what is wider: that is `Grants::surplus` and `Edition::since`. It has no secret in it, and
//! grants nothing: what is granted stands in the configuration.

use crate::home::Home;
use crate::stores::IN_REGISTRY;
use cap_std::fs::Dir;
use coffer_host::grants::{Difference, Edition, Grants, Manifest};
use coffer_host::{Blame, Explain, Inspection, durable};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::marker::PhantomData;

/// The name of the file.
pub const LOCK_FILE: &str = "coffer.lock";

/// Bytes of the file. An entry has some kilobytes.
const LOCK_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The version of the file's form that is read and written.
const VERSION: u32 = 1;

/// What may run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    #[serde(deserialize_with = "unique")]
    pub(crate) plugins: BTreeMap<String, Locked>,
}

/// A plugin that may run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Locked {
    /// `sha256:` and the digest of its file in hexadecimal.
    pub digest: String,
    /// Who signed it, if that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The version of `coffer:secrets` that it is of.
    pub wit_version: String,
    /// `sha256:` and the digest of its manifest in hexadecimal.
    pub manifest_digest: String,
    pub(crate) manifest: Value,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// What its stores may be granted at most, by their names.
    #[serde(deserialize_with = "unique", serialize_with = "as_configured")]
    pub(crate) granted: BTreeMap<String, Grants>,
}

impl Lock {
    /// A lock of nothing.
    pub(crate) fn empty() -> Self {
        Self { version: VERSION, plugins: BTreeMap::new() }
    }

    /// Reads the lock in `directory`, if there is one.
    ///
    /// # Errors
    ///
    /// [`LockError`]: what cannot be read is no lock that allows anything.
    pub fn read(directory: &Dir) -> Result<Option<Self>, LockError> {
        let mut bytes = Vec::new();
        match directory.open(LOCK_FILE) {
            Ok(file) => {
                file.take(LOCK_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(LockError::File)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LockError::File(error)),
        };
        if bytes.len() as u64 > LOCK_BYTES_MAX {
            return Err(LockError::File(io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&bytes).map(Some)
    }

    /// The lock in coffer's own directory, if there is one.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn of(home: &Home) -> Result<Option<Self>, LockError> {
        Self::read(home.directory())
    }

    fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let malformed = |error: serde_json::Error| {
            LockError::Malformed(error.to_string().chars().flat_map(char::escape_debug).collect())
        };
        // Before its form is looked at, which is another in another version.
        let whole: Value = serde_json::from_slice(bytes).map_err(malformed)?;
        if whole["version"] != VERSION {
            return Err(LockError::Version);
        }
        // Not from the value: that has lost what stands there twice.
        let lock: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        for (plugin, locked) in &lock.plugins {
            let entry = |why: String| LockError::Entry { plugin: plugin.clone(), why };
            for digest in [&locked.digest, &locked.manifest_digest] {
                let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
                let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                if hexadecimal.len() != 64 || !hexadecimal.bytes().all(plain) {
                    return Err(entry(
                        "a digest is not `sha256:` and 64 hexadecimal digits".into(),
                    ));
                }
            }
            locked.read_manifest().map_err(|error| entry(error.to_string()))?;
        }
        Ok(lock)
    }

    /// Writes it into `directory`: the old one stays until the new one is whole and on the disk.
    ///
    /// # Errors
    ///
    /// [`LockError::File`].
    pub fn write(&self, directory: &Dir) -> Result<(), LockError> {
        let mut text = serde_json::to_string_pretty(self).expect("every key is a text");
        text.push('\n');
        durable::replace(directory, LOCK_FILE, text.as_bytes()).map_err(LockError::File)
    }

    /// The entry of a plugin, by what the configuration calls it.
    #[must_use]
    pub fn plugin(&self, plugin: &str) -> Option<&Locked> {
        self.plugins.get(plugin)
    }

    /// The entry in the same repository, under another digest or tag, that this store had before `plugin`.
    pub(crate) fn other_version(&self, plugin: &str, store: &str) -> Option<(&str, &Locked)> {
        let wanted = repository(plugin)?;
        let same = |known: &str| known != plugin && repository(known) == Some(wanted);
        let found = self
            .plugins
            .iter()
            .find(|(known, locked)| same(known) && locked.granted.contains_key(store));
        found.map(|(known, locked)| (known.as_str(), locked))
    }

    /// What is different since `earlier` in which plugins and grants there are. Files that changed are for
    /// [`Locked::edition`]. `moved` are plugins that took the place of others, and those.
    pub(crate) fn since(&self, earlier: &Self, moved: &BTreeMap<String, String>) -> Difference {
        let mut difference = Difference::default();
        for (plugin, now) in &self.plugins {
            let before = earlier.plugins.get(moved.get(plugin).unwrap_or(plugin));
            match moved.get(plugin) {
                Some(old) => {
                    difference.other.push(format!("the plugin {plugin} is in the place of {old}"));
                }
                None if before.is_none() => {
                    difference.wider.push(format!("the plugin {plugin} may run"));
                }
                None => {}
            }
            for (store, granted) in &now.granted {
                let held = before.and_then(|before| before.granted.get(store));
                if before.is_some() && held.is_none() {
                    difference.wider.push(format!("the store {store} may use the plugin {plugin}"));
                }
                let held = held.cloned().unwrap_or_default();
                let more = granted.surplus(&held).into_iter();
                difference
                    .wider
                    .extend(more.map(|what| format!("the store {store} is granted {what}")));
                let less = held.surplus(granted).into_iter();
                let told = |what| format!("the store {store} is no longer granted {what}");
                difference.narrower.extend(less.map(told));
            }
            for store in before.into_iter().flat_map(|before| before.granted.keys()) {
                if !now.granted.contains_key(store) {
                    let told = format!("the store {store} no longer uses the plugin {plugin}");
                    difference.narrower.push(told);
                }
            }
        }
        let is_gone = |plugin: &&String| {
            !self.plugins.contains_key(*plugin) && !moved.values().any(|old| old == *plugin)
        };
        let gone = earlier.plugins.keys().filter(is_gone);
        difference
            .narrower
            .extend(gone.map(|plugin| format!("the plugin {plugin} may no longer run")));
        difference
    }
}

impl Locked {
    /// A plugin as its file is, with the grants of its stores.
    pub(crate) fn new(inspection: &Inspection, granted: BTreeMap<String, Grants>) -> Self {
        Self {
            digest: inspection.digest.clone(),
            signer: None,
            wit_version: inspection.contract.clone(),
            manifest_digest: inspection.manifest_digest.clone(),
            manifest: serde_json::from_str(&inspection.manifest_json)
                .expect("the manifest was read as JSON"),
            imports: inspection.imports.iter().map(|import| import.name.clone()).collect(),
            exports: inspection.exports.clone(),
            granted,
        }
    }

    pub(crate) fn read_manifest(&self) -> Result<Manifest, coffer_host::grants::ManifestError> {
        Manifest::parse(self.manifest.to_string().as_bytes())
    }

    /// What it is and asks for, of which `manifest` is the one that [`Self::read_manifest`] gives.
    pub(crate) fn edition<'a>(&'a self, manifest: &'a Manifest) -> Edition<'a> {
        Edition { manifest, imports: &self.imports, exports: &self.exports }
    }
}

/// A reference to a registry without its tag and its digest.
fn repository(plugin: &str) -> Option<&str> {
    let rest = plugin.strip_prefix(IN_REGISTRY)?;
    let rest = rest.split_once('@').map_or(rest, |(rest, _)| rest);
    let name = rest.rfind('/').map_or(0, |slash| slash + 1);
    Some(rest[name..].find(':').map_or(rest, |colon| &rest[..name + colon]))
}

fn as_configured<S: Serializer>(
    granted: &BTreeMap<String, Grants>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(granted.iter().map(|(store, grants)| (store, grants.to_json())))
}

/// A map in which no key stands twice: of two entries for one plugin, whoever reads it would believe either.
fn unique<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    struct Unique<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Unique<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("entries by their names")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, T>()? {
                if let Some(_twice) = map.insert(key.clone(), value) {
                    return Err(de::Error::custom(format!("`{key}` stands there twice")));
                }
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Unique(PhantomData))
}

/// Why a lock cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// An entry makes no sense.
    #[error("{LOCK_FILE} cannot be used: the entry `{plugin}`: {why}")]
    Entry {
        /// The plugin.
        plugin: String,
        /// Why.
        why: String,
    },
    /// It cannot be read or written.
    #[error("{LOCK_FILE} cannot be read or written: {0}")]
    File(io::Error),
    /// It is not JSON of this form.
    #[error("{LOCK_FILE} cannot be used: {0}")]
    Malformed(String),
    /// It is of another version of the form.
    #[error(
        "{LOCK_FILE} cannot be used: its `version` is not {VERSION}, which this version of coffer reads"
    )]
    Version,
}

impl Explain for LockError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }

    fn next(&self) -> String {
        match self {
            Self::Entry { .. } | Self::Malformed(_) => {
                "put back the one that was there; or look at every plugin of the configuration, remove the lock and \
                 make a new one with `coffer plugins lock`"
            }
            Self::File(_) => "see to it that coffer can read and write it, beside the configuration file",
            Self::Version => "use the version of coffer that wrote it, or a newer one",
        }
        .into()
    }
}

#[cfg(test)]
mod tests;
