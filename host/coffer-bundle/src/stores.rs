//! The stores of a configuration, each opened when it is first needed.

mod locking;

pub use locking::{Locking, Upgrade};

use crate::config::{Config, ConfigError, Storage, StoreEntry};
use crate::lock::{Lock, LockError};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::grants::{Reference, Source};
use coffer_host::{
    Blame, CallError, Explain, Granted, Host, Isolation, LoadError, OpenError, Plugin, Secret,
    Store, StoreConfig, limits,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;

/// The store that resolves references to the machine itself: variables, files, commands.
pub const HOST: &str = "host";

/// What the names of plugins in registries begin with.
pub const IN_REGISTRY: &str = "oci://";

/// A plugin that comes with the program, which answers for it: it is granted what it asks for.
#[derive(Clone, Copy)]
pub struct Bundled {
    /// Its name, as in Porter's keys where Porter has such a plugin.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// The component.
    pub component: &'static [u8],
}

/// What has the plugins whose names begin with `oci://`. This crate knows no registry; the program brings one.
pub trait Registry: Send + Sync {
    /// The component of a plugin, by what a configuration calls it: one whose content cannot change, and that is
    /// signed where that is required.
    ///
    /// # Errors
    ///
    /// If there is none that may be used.
    fn component<'a>(&'a self, plugin: &'a str) -> Component<'a>;
}

/// What becomes the bytes of a plugin.
pub type Component<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<u8>, Box<dyn Explain + Send + Sync>>> + Send + 'a>>;

/// Opens stores, once each.
pub struct Stores {
    host: Host,
    config: Config,
    lock: Option<Lock>,
    bundled: &'static [Bundled],
    base: PathBuf,
    registry: Option<Box<dyn Registry>>,
    opened: Mutex<BTreeMap<String, Store>>,
}

impl Stores {
    /// The stores of `config`. Plugins that are files are found from `base`, coffer's own directory. With a `lock`,
    /// nothing but what is in it runs, and what comes with the program.
    #[must_use]
    pub fn new(
        host: Host,
        config: Config,
        lock: Option<Lock>,
        bundled: &'static [Bundled],
        base: &Path,
    ) -> Self {
        let (base, registry) = (base.to_owned(), None);
        Self { host, config, lock, bundled, base, registry, opened: Mutex::default() }
    }

    /// The same with plugins from a registry.
    #[must_use]
    pub fn with_registry(self, registry: impl Registry + 'static) -> Self {
        Self { registry: Some(Box::new(registry)), ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What runs the plugins.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The plugins that come with the program.
    #[must_use]
    pub fn bundled(&self) -> &'static [Bundled] {
        self.bundled
    }

    /// The name of the store that is used when none is named.
    #[must_use]
    pub fn default_name(&self) -> String {
        self.config.default_store().name.clone()
    }

    /// The names of all stores: those of the configuration, and the default one.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.config.stores.iter().map(|entry| entry.name.clone()).collect();
        for name in [self.default_name(), HOST.to_owned()] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Opens the store that is used when none is named.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn default(&self) -> Result<Store, StoreError> {
        self.open(&self.default_name()).await
    }

    /// Opens the store that a reference is for when none is named: the default one for a secret, the one
    /// that reaches this machine for anything else.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn for_reference(&self, reference: &Reference) -> Result<Store, StoreError> {
        match reference.source() {
            Source::Secret => self.default().await,
            Source::Command | Source::Env | Source::Path | Source::Value => self.open(HOST).await,
        }
    }

    /// Opens a store. Nothing of its plugin runs; but if its settings take secrets from the default
    /// store, that one's does.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says what is wrong with its entry, or that there is none.
    pub async fn open(&self, name: &str) -> Result<Store, StoreError> {
        if let Some(store) = self.opened().get(name) {
            return Ok(store.clone());
        }
        let entry = self.entry(name)?;
        let settings = self.settings(&entry).await?;
        let (plugin, ours) = self.plugin(&entry.plugin, entry.isolation).await?;
        let grants = match (entry.grants.clone(), ours) {
            (Some(grants), true) => Granted::Only(grants),
            (None, true) => Granted::AsAsked,
            (grants, false) => {
                let grants = grants.unwrap_or_default();
                self.check_grants(name, &entry.plugin, &grants)?;
                Granted::Only(grants)
            }
        };
        let config = StoreConfig { settings, grants, limits: entry.limits };
        let store = self
            .host
            .store(name, &plugin, config)
            .map_err(|error| StoreError::Open { store: name.to_owned(), error })?;
        self.opened().insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// Loads a plugin by what a configuration calls it, to run where that says, and says whether it comes
    /// with the program.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there is none, or it cannot be loaded.
    pub async fn plugin(
        &self,
        plugin: &str,
        isolation: Option<Isolation>,
    ) -> Result<(Plugin, bool), StoreError> {
        let load = |bytes: &[u8], isolation| {
            let loaded = match isolation {
                Isolation::None => self.host.load(bytes),
                Isolation::Process => self.host.load_isolated(bytes),
            };
            loaded.map_err(|error| StoreError::Load { plugin: plugin.to_owned(), error })
        };
        match self.file(plugin).await? {
            Some(bytes) => {
                // These bytes and no others are what runs, and nothing looks at them before.
                self.check_file(plugin, &bytes)?;
                let isolation = isolation.unwrap_or_else(|| self.usual_isolation(plugin, false));
                Ok((load(&bytes, isolation)?, false))
            }
            None => {
                let bundled = self.find(plugin).ok_or_else(|| self.unknown(plugin))?;
                let isolation = isolation.unwrap_or_else(|| self.usual_isolation(plugin, true));
                Ok((load(bundled.component, isolation)?, true))
            }
        }
    }

    /// Where a plugin runs if nobody says where. One that does not come with the program runs in a process
    /// of its own; or in this one, with a warning, where that cannot be had.
    #[must_use]
    pub fn usual_isolation(&self, plugin: &str, bundled: bool) -> Isolation {
        if bundled {
            return Isolation::None;
        }
        let Some(why) = self.host.without_isolation() else { return Isolation::Process };
        tracing::warn!(
            "the plugin {plugin} runs in coffer's own process: {why}; `isolation: none` of its store says \
             that this is meant"
        );
        Isolation::None
    }

    /// The bytes of a plugin, by what a configuration calls it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there is none, or its file cannot be read.
    pub async fn component(&self, plugin: &str) -> Result<Cow<'static, [u8]>, StoreError> {
        match self.file(plugin).await? {
            Some(bytes) => Ok(Cow::Owned(bytes)),
            None => {
                let bundled = self.find(plugin).ok_or_else(|| self.unknown(plugin))?;
                Ok(Cow::Borrowed(bundled.component))
            }
        }
    }

    /// The bytes of a plugin that is in a registry, or a file: one that has a `/` or ends in `.wasm`.
    async fn file(&self, plugin: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if plugin.starts_with(IN_REGISTRY) {
            let plugin = plugin.to_owned();
            return match &self.registry {
                Some(registry) => match registry.component(&plugin).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) => Err(StoreError::Registry { plugin, error }),
                },
                None => Err(StoreError::NoRegistry { plugin }),
            };
        }
        if !plugin.contains('/') && !plugin.ends_with(".wasm") {
            return Ok(None);
        }
        let path = self.base.join(plugin);
        read(&path).map(Some).map_err(|source| StoreError::Read { path, source })
    }

    fn find(&self, name: &str) -> Option<&'static Bundled> {
        self.bundled.iter().find(|bundled| bundled.name == name || bundled.aliases.contains(&name))
    }

    fn unknown(&self, plugin: &str) -> StoreError {
        StoreError::NoPlugin {
            plugin: plugin.to_owned(),
            known: self.bundled.iter().map(|bundled| bundled.name.to_owned()).collect(),
        }
    }

    fn entry(&self, name: &str) -> Result<Cow<'_, StoreEntry>, StoreError> {
        if let Some(entry) = self.config.store(name) {
            return Ok(Cow::Borrowed(entry));
        }
        let default = self.config.default_store();
        if default.name == name {
            return Ok(default);
        }
        if self.find(name).is_some() {
            return Ok(Cow::Owned(StoreEntry::of_plugin(name)));
        }
        Err(StoreError::NoStore { store: name.to_owned(), known: self.names() })
    }

    /// The entry's settings, with the secrets in them resolved by the default store. That one's own
    /// settings have none; the configuration was refused otherwise.
    async fn settings(
        &self,
        entry: &StoreEntry,
    ) -> Result<serde_json::Map<String, serde_json::Value>, StoreError> {
        let secrets = self.secrets(&entry.name, entry.secrets()).await?;
        entry.fill(&secrets).map_err(|error| in_config(&entry.name, error))
    }

    /// Where the ledger is kept, with the secrets in its settings resolved by the default store.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn storage(&self) -> Result<Storage, StoreError> {
        let entry = self.config.default_storage();
        let secrets = self.secrets(&entry.name, entry.secrets()).await?;
        entry.fill(&secrets).map_err(|error| in_config(&entry.name, error))
    }

    /// What the default store has by `keys`, which settings of `entry` need.
    async fn secrets(
        &self,
        entry: &str,
        keys: BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Secret>, StoreError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let references: Vec<Reference> = keys
            .iter()
            .map(|key| Reference::secret(*key).expect("the configuration checked the key"))
            .collect();
        let store = Box::pin(self.default()).await?;
        let answers = store.resolve(&references).await;
        let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
        for (key, answer) in keys.into_iter().zip(answers) {
            let secret = answer.map_err(|error| StoreError::Secret {
                store: entry.to_owned(),
                error: Box::new(error),
            })?;
            secrets.insert(key.to_owned(), secret);
        }
        Ok(secrets)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Store>> {
        self.opened.lock().expect("nothing panics while it holds this lock")
    }
}

fn in_config(entry: &str, error: ConfigError) -> StoreError {
    StoreError::Config { store: entry.to_owned(), error: Box::new(error) }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stores").field(&self.names()).finish()
    }
}

impl fmt::Debug for Bundled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bundled").field(&self.name).finish()
    }
}

/// Reads the file that an operator named as a plugin.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let file = Dir::open_ambient_dir(parent, ambient_authority())?.open(name)?;
    let mut bytes = Vec::new();
    // One more than is allowed, so that the host says that it is too much.
    file.take(limits::COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file of a plugin is not the one that is locked.
    #[error(
        "the plugin {plugin} has the digest {found}, and coffer.lock has {locked}, so it does not run"
    )]
    Changed {
        /// The plugin.
        plugin: String,
        /// The digest that is locked.
        locked: String,
        /// The digest that it has.
        found: String,
    },
    /// Its settings cannot be filled in.
    #[error("the store `{store}` cannot be opened: {error}")]
    Config {
        /// The store.
        store: String,
        /// Why.
        error: Box<ConfigError>,
    },
    /// Its plugin cannot be loaded.
    #[error("the plugin {plugin} cannot be used: {error}")]
    Load {
        /// The plugin.
        plugin: String,
        /// Why.
        error: LoadError,
    },
    /// The lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Something is wider than what was agreed to.
    #[error("{what}: {}", wider.join("; "))]
    NotAgreed {
        /// What.
        what: String,
        /// What is more, each in words.
        wider: Vec<String>,
    },
    /// There is a lock, and this is not in it.
    #[error("{what} is not in coffer.lock, and nothing runs that is not")]
    NotLocked {
        /// The plugin or the store.
        what: String,
    },
    /// There is no such plugin.
    #[error("there is no plugin `{plugin}`; bundled are {}", known.join(", "))]
    NoPlugin {
        /// Its name.
        plugin: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The program pulls no plugins.
    #[error("the plugin {plugin} is in a registry, and this program asks none")]
    NoRegistry {
        /// The reference.
        plugin: String,
    },
    /// A plugin in a registry has its digest in its name.
    #[error(
        "the plugin {plugin} is named with its digest, so another version of it is another plugin"
    )]
    Pinned {
        /// The reference.
        plugin: String,
    },
    /// There is no such store.
    #[error("there is no store `{store}`; there are {}", known.join(", "))]
    NoStore {
        /// Its name.
        store: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// What is configured does not fit the plugin.
    #[error("the store `{store}` cannot be opened: {error}")]
    Open {
        /// The store.
        store: String,
        /// Why.
        error: OpenError,
    },
    /// The file of a plugin cannot be read.
    #[error("cannot read the plugin {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Its plugin cannot be had from its registry.
    #[error("the plugin {plugin} cannot be used: {error}")]
    Registry {
        /// The reference.
        plugin: String,
        /// Why.
        error: Box<dyn Explain + Send + Sync>,
    },
    /// A secret in its settings cannot be resolved.
    #[error(
        "the store `{store}` cannot be opened: a secret in its settings was not resolved: {error}"
    )]
    Secret {
        /// The store.
        store: String,
        /// Why.
        error: Box<CallError>,
    },
    /// The file of a plugin cannot be put into its place.
    #[error("cannot write the plugin {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Explain for StoreError {
    fn blame(&self) -> Blame {
        match self {
            Self::Config { error, .. } => error.blame(),
            Self::Load { error, .. } => error.blame(),
            Self::Lock(error) => error.blame(),
            Self::NoStore { .. } => Blame::Requester,
            Self::Open { error, .. } => error.blame(),
            Self::Secret { error, .. } => error.blame(),
            Self::Registry { error, .. } => error.blame(),
            Self::Changed { .. }
            | Self::NoPlugin { .. }
            | Self::NoRegistry { .. }
            | Self::NotAgreed { .. }
            | Self::NotLocked { .. }
            | Self::Pinned { .. }
            | Self::Read { .. }
            | Self::Write { .. } => Blame::Operator,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Changed { .. } => "put back the file that is locked; or, if it is to be another version, have `coffer \
                                     plugins upgrade STORE FILE` show what is different, and agree to it"
                .into(),
            Self::Config { error, .. } => error.next(),
            Self::Load { error, .. } => error.next(),
            Self::Lock(error) => error.next(),
            Self::NotAgreed { .. } => "take it out of the configuration, or the file; or agree to it, with `coffer plugins \
                                       lock --accept` or `coffer plugins upgrade --accept`"
                .into(),
            Self::NotLocked { .. } => "look at the plugin with `coffer plugins inspect`, and add what is configured with \
                                       `coffer plugins lock --accept`"
                .into(),
            Self::NoPlugin { .. } => {
                "name a bundled plugin, or the file of one by its path, in the configuration file".into()
            }
            Self::NoStore { .. } => {
                "choose one of these, or add it to `secrets` in the configuration file".into()
            }
            Self::Open { error, .. } => error.next(),
            Self::Read { .. } => {
                "mend the path of the plugin in the configuration file; it starts from coffer's directory"
                    .into()
            }
            Self::NoRegistry { .. } => {
                "download the plugin, and name its file in the configuration file".into()
            }
            Self::Pinned { .. } => {
                "name the other version in the configuration file, and lock it with `coffer plugins lock`, which shows what \
                 it asks for"
                    .into()
            }
            Self::Registry { error, .. } => error.next(),
            Self::Secret { error, .. } => error.next(),
            Self::Write { .. } => "see to it that coffer can write there; until then the plugin does not run".into(),
        }
    }
}
