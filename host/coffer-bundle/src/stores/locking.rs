//! Stores and `coffer.lock`: what does not run because of it, what a new one would have, and how a plugin gets
//! another version under it.

use super::{IN_REGISTRY, StoreError, Stores};
use crate::lock::{Lock, Locked};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::grants::{Difference, Grants};
use coffer_host::{Inspection, digest_of, durable};
use serde_json::Map;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A lock of what is configured, not written yet.
#[derive(Debug)]
#[must_use]
pub struct Locking {
    /// What it has that the present one has not; without one, nothing is wider, since anything could run.
    pub difference: Difference,
    /// The lock.
    pub lock: Lock,
}

/// Another version of a locked plugin, not in its place yet.
#[derive(Debug)]
#[must_use]
pub struct Upgrade {
    /// The plugin, as the configuration calls it.
    pub plugin: String,
    /// The digest that it had.
    pub from: String,
    /// The digest that it will have.
    pub to: String,
    /// What is different.
    pub difference: Difference,
    lock: Lock,
    file: PathBuf,
    bytes: Vec<u8>,
}

impl Stores {
    /// Whether the lock has this file of a plugin; without a lock, any.
    pub(super) fn check_file(&self, plugin: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let found = digest_of(bytes);
        match lock.plugin(plugin) {
            Some(locked) if locked.digest == found => Ok(()),
            Some(locked) => Err(StoreError::Changed {
                plugin: plugin.to_owned(),
                locked: locked.digest.clone(),
                found,
            }),
            None => Err(StoreError::NotLocked { what: format!("the plugin {plugin}") }),
        }
    }

    /// Whether the lock lets a store of this plugin have these grants; without a lock, any.
    pub(super) fn check_grants(
        &self,
        store: &str,
        plugin: &str,
        grants: &Grants,
    ) -> Result<(), StoreError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let held = lock.plugin(plugin).and_then(|locked| locked.granted.get(store));
        let held =
            held.ok_or_else(|| StoreError::NotLocked { what: format!("the store {store}") })?;
        let surplus = grants.surplus(held);
        match surplus.is_empty() {
            true => Ok(()),
            false => Err(StoreError::NotAgreed {
                what: format!("the store {store} is granted more than coffer.lock has"),
                wider: surplus,
            }),
        }
    }

    /// Reads every plugin that is configured and does not come with the program, and makes a lock of them. Nothing of
    /// them runs.
    ///
    /// # Errors
    ///
    /// [`StoreError::Changed`] if a file is not the one that is locked: [`Stores::upgrade`] is how it changes.
    pub async fn locking(&self) -> Result<Locking, StoreError> {
        let mut lock = Lock::empty();
        let (mut moved, mut changed) = (BTreeMap::new(), Difference::default());
        for name in self.names() {
            let entry = self.entry(&name)?;
            if self.find(&entry.plugin).is_some() {
                continue;
            }
            let grants = entry.grants.clone().unwrap_or_default();
            if let Some(locked) = lock.plugins.get_mut(&entry.plugin) {
                locked.granted.insert(name, grants);
                continue;
            }
            let bytes = self.component(&entry.plugin).await?;
            let before = self.lock.as_ref().and_then(|lock| lock.plugin(&entry.plugin));
            if before.is_some() {
                self.check_file(&entry.plugin, &bytes)?;
            }
            let inspection = inspect(&entry.plugin, &bytes)?;
            let other = self.lock.as_ref().filter(|_| before.is_none());
            let other = other.and_then(|lock| lock.other_version(&entry.plugin, &name));
            let mut locked = Locked::new(&inspection, BTreeMap::from([(name, grants)]));
            // The same file, so the same signer.
            locked.signer = before.and_then(|before| before.signer.clone());
            if let Some((old, other)) = other {
                moved.insert(entry.plugin.clone(), old.to_owned());
                add(&mut changed, self.changes(&entry.plugin, other, &inspection, &locked)?);
            }
            lock.plugins.insert(entry.plugin.clone(), locked);
        }
        let mut difference = lock.since(self.lock.as_ref().unwrap_or(&Lock::empty()), &moved);
        add(&mut difference, changed);
        if self.lock.is_none() {
            difference.other.append(&mut difference.wider);
        }
        Ok(Locking { difference, lock })
    }

    /// What is different in another version of a plugin, for each of its stores.
    fn changes(
        &self,
        plugin: &str,
        before: &Locked,
        inspection: &Inspection,
        now: &Locked,
    ) -> Result<Difference, StoreError> {
        let manifest = before.read_manifest().expect("it was read with the lock");
        let (edition, earlier) = (now.edition(&inspection.manifest), before.edition(&manifest));
        let mut difference = Difference::default();
        if manifest.name() != inspection.manifest.name() {
            let names = (manifest.name(), inspection.manifest.name());
            difference.wider.push(format!("it is the plugin {}, and not {}", names.1, names.0));
        }
        let mut stores: Vec<_> =
            self.config.stores.iter().filter(|entry| entry.plugin == plugin).map(Some).collect();
        if stores.is_empty() {
            stores.push(None);
        }
        for store in stores {
            // A secret in a setting is not resolved for this, and what is made of it could be shown.
            let settings = match store {
                None => Some(Map::new()),
                Some(entry) if entry.secrets().is_empty() => Some(
                    entry
                        .fill(&BTreeMap::new())
                        .map_err(|error| super::in_config(&entry.name, error))?,
                ),
                Some(_) => None,
            };
            let found = edition.since(&earlier, settings.as_ref());
            add(&mut difference, found);
        }
        let versions = (manifest.version(), inspection.manifest.version());
        if versions.0 != versions.1 {
            difference.other.push(format!("it is version {}, and was {}", versions.1, versions.0));
        }
        if before.wit_version != now.wit_version {
            let versions = (&now.wit_version, &before.wit_version);
            difference.other.push(format!(
                "it is of version {} of coffer:secrets, and was of {}",
                versions.0, versions.1
            ));
        }
        Ok(difference)
    }

    /// Compares a file with the locked plugin of a store, or of this name, that it is to take the place of. Nothing of
    /// either runs.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotLocked`] if no such plugin is locked; else if the file is no plugin.
    pub fn upgrade(&self, name: &str, bytes: Vec<u8>) -> Result<Upgrade, StoreError> {
        let plugin = self.config.store(name).map_or(name, |entry| entry.plugin.as_str());
        let locked = self.lock.as_ref().and_then(|lock| lock.plugin(plugin));
        let (Some(lock), Some(before)) = (&self.lock, locked) else {
            return Err(StoreError::NotLocked { what: format!("the plugin {plugin}") });
        };
        if plugin.starts_with(IN_REGISTRY) {
            return Err(StoreError::Pinned { plugin: plugin.to_owned() });
        }
        let inspection = inspect(plugin, &bytes)?;
        let mut now = Locked::new(&inspection, before.granted.clone());
        let difference = self.changes(plugin, before, &inspection, &now)?;
        if before.digest == now.digest {
            now.signer.clone_from(&before.signer);
        }
        let (from, to) = (before.digest.clone(), now.digest.clone());
        let mut lock = lock.clone();
        lock.plugins.insert(plugin.to_owned(), now);
        let file = self.base.join(plugin);
        Ok(Upgrade { plugin: plugin.to_owned(), from, to, difference, lock, file, bytes })
    }
}

impl Upgrade {
    /// Puts the file into its place, and then into the lock in `directory`. In between nothing of it runs: the lock has
    /// the other digest.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says which of them could not be written.
    pub fn write(self, directory: &Dir) -> Result<(), StoreError> {
        let Self { lock, file, bytes, .. } = self;
        let written = || {
            let parent = file.parent().unwrap_or(Path::new("/"));
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.ok_or(std::io::ErrorKind::InvalidInput)?;
            let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
            durable::replace(&parent, name, &bytes)
        };
        written().map_err(|source| StoreError::Write { path: file.clone(), source })?;
        Ok(lock.write(directory)?)
    }
}

fn inspect(plugin: &str, bytes: &[u8]) -> Result<Inspection, StoreError> {
    Inspection::of(bytes).map_err(|error| StoreError::Load { plugin: plugin.to_owned(), error })
}

/// Adds what is not there yet: stores of one plugin mostly say the same.
fn add(difference: &mut Difference, more: Difference) {
    merge(&mut difference.wider, more.wider);
    merge(&mut difference.narrower, more.narrower);
    merge(&mut difference.other, more.other);
}

fn merge(texts: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
}
