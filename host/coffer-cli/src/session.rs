//! What commands work with, opened from the command line and the environment: the only place that reads
//! the latter.

use crate::BUNDLED;
use crate::arguments::{Global, Namespace};
use crate::given::{self, Usage};
use anyhow::Context as _;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_bundle::config::{
    Config, ConfigError, RegistryEntry, StorageEntry, StorageKind, Verbosity,
};
use coffer_bundle::document::{self, Format};
use coffer_bundle::driver::Scratch;
use coffer_bundle::{
    Component, Home, IN_REGISTRY, LOCK_FILE, Ledger, Lock, LockError, Registry, Spool, Stores,
};
use coffer_host::audit::JsonLines;
use coffer_host::worker::Program;
use coffer_host::{Host, Secret};
use coffer_registry::{Credentials, OciReference, Place, Registries, RegistryError};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// coffer's own directory and its configuration.
pub(crate) struct Session {
    pub(crate) home: Home,
    pub(crate) config: Config,
    /// Where the configuration is, if there is one.
    pub(crate) config_path: Option<PathBuf>,
    program: Option<Program>,
}

impl Session {
    /// Opens coffer's directory and reads the configuration.
    ///
    /// # Errors
    ///
    /// If either cannot be.
    pub(crate) fn open(global: &Global) -> anyhow::Result<Self> {
        Self::read(Home::open(&home_path(global)?)?, global)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// If it cannot be.
    pub(crate) fn read(home: Home, global: &Global) -> anyhow::Result<Self> {
        let found = match &global.config {
            Some(path) => {
                let bytes = given::read_file(path)?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Usage(format!("{} is no text in UTF-8", path.display())))?;
                Some((path.clone(), text))
            }
            None => home.configuration()?,
        };
        let (config_path, document) = match found {
            Some((path, text)) => {
                let document = document::read(&text, Format::of(&path))
                    .map_err(ConfigError::from)
                    .with_context(|| {
                        format!("the configuration {} cannot be read", path.display())
                    })?;
                (Some(path), document)
            }
            None => (None, serde_json::Value::Null),
        };
        let config = Config::parse(document, &variable, global.context.as_deref());
        let config = match &config_path {
            Some(path) => config
                .with_context(|| format!("the configuration {} cannot be used", path.display()))?,
            None => config?,
        };
        let verbosity = match &global.verbosity {
            None => config.verbosity,
            Some(word) => Verbosity::parse(word)
                .ok_or_else(|| Usage("--verbosity is debug, info, warning or error".into()))?,
        };
        tell(verbosity);
        Ok(Self { home, config, config_path, program: global.program.clone() })
    }

    /// The stores of the configuration.
    ///
    /// # Errors
    ///
    /// If the machine cannot give what running plugins needs.
    pub(crate) fn stores(&self) -> anyhow::Result<Stores> {
        let key = self.home.key("cache")?;
        let mut host = Host::builder()
            .audit(JsonLines::new(self.home.audit()?))
            .base(self.home.path())
            .user_home(user_home().unwrap_or_else(|| PathBuf::from("/")))
            .compiled_code(self.home.private("cache")?, &key)
            .once();
        if let Some(program) = &self.program {
            host = host.workers(program.clone());
        }
        let host = host.build()?;
        let lock = Lock::read(&self.lock_directory()?)?;
        let stores = Stores::new(host, self.config.clone(), lock, BUNDLED, self.home.path());
        let default = self.config.default_store();
        let mut entries = self.config.stores.iter().chain([&*default]);
        let pulls = entries.any(|entry| entry.plugin.starts_with(IN_REGISTRY));
        Ok(if pulls { stores.with_registry(Pulls(self.registries()?)) } else { stores })
    }

    /// Where `coffer.lock` is, or would be: beside the configuration file.
    ///
    /// # Errors
    ///
    /// That of the operating system.
    pub(crate) fn lock_directory(&self) -> anyhow::Result<Dir> {
        let path = match &self.config_path {
            Some(path) => std::path::absolute(path)?,
            None => self.home.path().join(LOCK_FILE),
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        // The operator's to mend, as the lock itself.
        Ok(Dir::open_ambient_dir(parent, ambient_authority()).map_err(LockError::File)?)
    }

    /// The same, also where no store of the configuration is in a registry.
    ///
    /// # Errors
    ///
    /// As [`Self::stores`] and [`Self::registries`].
    pub(crate) fn stores_and_registries(&self) -> anyhow::Result<Stores> {
        Ok(self.stores()?.with_registry(Pulls(self.registries()?)))
    }

    /// The registries of the configuration.
    ///
    /// # Errors
    ///
    /// If what was kept of them cannot be opened, or an entry is wrong.
    pub(crate) fn registries(&self) -> anyhow::Result<Registries> {
        let docker = variable("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let docker = docker.or_else(|| user_home().map(|home| home.join(".docker")));
        let place = |entry: &RegistryEntry| {
            let RegistryEntry { registry, ca, plain_http, require_signature } = entry;
            let keys = require_signature.as_deref();
            Place::new(self.home.path(), registry, ca.as_deref(), *plain_http, keys)
        };
        let places = self.config.registries.iter().map(place).collect::<Result<_, _>>()?;
        let directory = self.home.private("registry")?;
        let path = self.home.path().join("registry");
        Ok(Registries::new(&directory, &path, Credentials::of(docker), places)?)
    }

    /// The ledger.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or a secret of its settings cannot be resolved.
    pub(crate) async fn ledger(&self) -> anyhow::Result<Ledger> {
        let entry = self.config.default_storage();
        let storage = if entry.secrets().is_empty() {
            entry.fill(&BTreeMap::new())?
        } else {
            self.stores()?.storage().await?
        };
        match storage.kind {
            StorageKind::Sqlite => Ok(Ledger::open(&self.home.ledger()?)?),
            StorageKind::Mongodb | StorageKind::Postgresql => Ok(Ledger::connect(&storage).await?),
        }
    }

    /// Where outputs wait for their store.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(crate) fn spool(&self) -> anyhow::Result<Spool> {
        Ok(Spool::open(&self.home)?)
    }

    /// Where native drivers have files: in memory, where the machine has a place for that.
    ///
    /// # Errors
    ///
    /// If there is no such place.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn scratch(&self) -> anyhow::Result<Scratch> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain([PathBuf::from("/dev/shm"), env::temp_dir()]);
        let mut refused =
            Usage("there is no directory for the files of native drivers".into()).into();
        for place in places.filter(|place| place.is_absolute()) {
            match Dir::open_ambient_dir(&place, ambient_authority())
                .and_then(|directory| Scratch::open(&directory, &place))
            {
                Ok(scratch) => return Ok(scratch),
                Err(error) => {
                    refused = anyhow::Error::new(error).context(format!(
                        "cannot make a directory for the files of native drivers in {}",
                        place.display()
                    ));
                }
            }
        }
        Err(refused)
    }

    /// The namespace that was asked for, or the configuration's.
    ///
    /// # Errors
    ///
    /// If it cannot be one.
    pub(crate) fn namespace(&self, asked: &Namespace) -> anyhow::Result<String> {
        match asked.namespace.as_deref() {
            Some(name) => namespace_name(name, "--namespace"),
            None => namespace_name(&self.config.namespace, "`namespace` of the configuration"),
        }
    }
}

/// The plugins of registries, for stores.
struct Pulls(Registries);

impl Registry for Pulls {
    fn component<'a>(&'a self, plugin: &'a str) -> Component<'a> {
        Box::pin(async move {
            let component = async { self.0.component(&OciReference::parse(plugin)?).await };
            component.await.map_err(|error: RegistryError| Box::new(error) as _)
        })
    }
}

/// The password of a key that signs, if it is not to be asked for.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn signing_password() -> Option<Secret> {
    env::var("COSIGN_PASSWORD").ok().map(Secret::from)
}

/// The namespace without a name, or one whose name is checked.
fn namespace_name(name: &str, place: &'static str) -> anyhow::Result<String> {
    match name {
        "" => Ok(String::new()),
        name => Ok(name.parse::<coffer_bundle::name::Name>().context(place)?.to_string()),
    }
}

/// Where native drivers are searched.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn path() -> Option<OsString> {
    env::var_os("PATH")
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn user_home() -> Option<PathBuf> {
    variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Where temporary files are.
#[expect(clippy::disallowed_methods, reason = "this is where the surroundings are read")]
pub(crate) fn temporary() -> PathBuf {
    env::temp_dir()
}

/// Where this program is.
///
/// # Errors
///
/// That of the operating system.
#[expect(clippy::disallowed_methods, reason = "this is where the surroundings are read")]
pub(crate) fn program() -> std::io::Result<PathBuf> {
    env::current_exe()
}

/// Where Porter's directory is, or would be.
///
/// # Errors
///
/// If nothing says so.
pub(crate) fn porter_home(asked: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    let asked = asked.cloned().filter(|path| !path.as_os_str().is_empty());
    let path = asked.or_else(|| user_home().map(|home| home.join(".porter")));
    Ok(path.ok_or_else(|| {
        Usage(
            "neither --porter-home nor PORTER_HOME nor HOME says where Porter's directory is"
                .into(),
        )
    })?)
}

/// Where Porter's own database is, by its configuration.
///
/// # Errors
///
/// If there is no configuration, or it cannot be used.
pub(crate) fn porter_storage(asked: Option<&PathBuf>) -> anyhow::Result<StorageEntry> {
    let path = porter_home(asked)?;
    let found = Home::existing(&path)?.map(|home| home.configuration()).transpose()?.flatten();
    let Some((path, text)) = found else {
        let text = format!(
            "{} has no configuration of Porter's; name its directory with --porter-home",
            path.display()
        );
        return Err(Usage(text).into());
    };
    // Coffer's own variables are not about Porter, and Porter's are.
    let of_porter = |name: &str| match name.strip_prefix("COFFER_") {
        Some(key) => variable(&format!("PORTER_{key}")),
        None => variable(name),
    };
    let read = || {
        let document = document::read(&text, Format::of(&path))?;
        Ok::<_, ConfigError>(
            Config::parse(document, &of_porter, None)?.default_storage().into_owned(),
        )
    };
    read().with_context(|| format!("Porter's configuration {} cannot be used", path.display()))
}

/// Where coffer's directory is, or would be.
///
/// # Errors
///
/// If nothing says so.
pub(crate) fn home_path(global: &Global) -> anyhow::Result<PathBuf> {
    let asked = global.home.clone().filter(|path| !path.as_os_str().is_empty());
    let path = asked.or_else(|| user_home().map(|home| home.join(".coffer")));
    Ok(path.ok_or_else(|| {
        Usage("neither --home nor COFFER_HOME nor HOME says where coffer's directory is".into())
    })?)
}

/// Tells on standard error what libraries log.
fn tell(verbosity: Verbosity) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let level = match verbosity {
        Verbosity::Debug => LevelFilter::DEBUG,
        Verbosity::Error => LevelFilter::ERROR,
        Verbosity::Info => LevelFilter::INFO,
        Verbosity::Warning => LevelFilter::WARN,
    };
    // What is below logs requests and headers; only what coffer itself says is known to have no value.
    let ours = Targets::new()
        .with_target("coffer_bundle", level)
        .with_target("coffer_host", level)
        .with_target("coffer_registry", level)
        .with_target("coffer", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time();
    // Only one session is opened per process; a second one keeps what the first has set.
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}
