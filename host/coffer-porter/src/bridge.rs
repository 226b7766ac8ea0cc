//! What a host asks, asked of a coffer store: the store is opened by the first call, so that the host does
//! not wait for it when it starts the plugin.

use crate::message::{CreateRequest, Empty, ResolveRequest, ResolveResponse};
use crate::section::{Section, SectionError};
use coffer_bundle::config::{Config, ConfigError, RegistryEntry};
use coffer_bundle::document::{self, Format};
use coffer_bundle::{
    Bundled, Component, Home, HomeError, IN_REGISTRY, Lock, LockError, Registry, StoreError, Stores,
};
use coffer_host::audit::JsonLines;
use coffer_host::grants::{Reference, ReferenceError};
use coffer_host::worker::Program;
use coffer_host::{CallError, Cause, Existing, Explain, Host, LoadError, Secret, Store};
use coffer_registry::{Credentials, OciReference, Place, Registries, RegistryError};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{OnceCell, oneshot};
use tonic::{Code, Status};

/// How long the first call waits for the section that the host gives.
const SECTION_MS_MAX: u64 = 5_000;

/// The source that Porter asks for; whatever else it has, it resolves itself.
const SOURCE: &str = "secret";

/// What the process was told of its surroundings.
pub struct Surroundings {
    /// The plugins that come with the program.
    pub bundled: &'static [Bundled],
    /// How workers are started, for plugins that do not come with the program.
    pub program: Program,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<String>,
}

/// One store, on behalf of one host.
pub(crate) struct Bridge {
    surroundings: Surroundings,
    name: String,
    section: Mutex<Option<oneshot::Receiver<Result<Section, SectionError>>>>,
    store: OnceCell<Result<Store, Unready>>,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("the configuration {path} cannot be used: {error}")]
    Config { path: PathBuf, error: ConfigError },
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(
        "neither `home` in the plugin's `config` section nor COFFER_HOME nor HOME says where coffer's directory is"
    )]
    NoHome,
    #[error(
        "the host gave its `config` section neither whole nor empty within {SECTION_MS_MAX} ms"
    )]
    NoSection,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Section(#[from] SectionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unready {
    fn next(&self) -> String {
        match self {
            Self::Config { error, .. } => error.next(),
            Self::Home(error) => error.next(),
            Self::Load(error) => error.next(),
            Self::Lock(error) => error.next(),
            Self::NoHome => "set one of them".into(),
            Self::NoSection => {
                "close the plugin's standard input once the section is written".into()
            }
            Self::Registry(error) => error.next(),
            Self::Section(SectionError::Config(error)) => error.next(),
            Self::Section(_) => "mend the section in the host's configuration".into(),
            Self::Store(error) => error.next(),
        }
    }
}

impl Bridge {
    pub(crate) fn new(
        surroundings: Surroundings,
        name: String,
        section: oneshot::Receiver<Result<Section, SectionError>>,
    ) -> Self {
        Self { surroundings, name, section: Mutex::new(Some(section)), store: OnceCell::new() }
    }

    /// `Resolve`: the value of a secret, as text.
    ///
    /// # Errors
    ///
    /// A status that says why there is none, and what to do.
    pub(crate) async fn resolve(&self, request: ResolveRequest) -> Result<ResolveResponse, Status> {
        let reference = reference(&request.key_name, request.key_value)?;
        let secret =
            self.store().await?.resolve_one(&reference).await.map_err(|error| refused(&error))?;
        match secret.expose_text() {
            Some(text) => Ok(ResolveResponse { value: text.to_owned() }),
            None => Err(Status::failed_precondition(format!(
                "the value of {reference} is not text in UTF-8, and Porter's protocol carries nothing else"
            ))),
        }
    }

    /// `Create`: keeps a secret. Porter creates one again and again under the same key; the last one holds.
    ///
    /// # Errors
    ///
    /// A status that says why it was not kept, and what to do.
    pub(crate) async fn create(&self, mut request: CreateRequest) -> Result<Empty, Status> {
        let key = std::mem::take(&mut request.key_value);
        let reference = reference(&request.key_name, key)?;
        let secret = Secret::from(std::mem::take(&mut request.value));
        let store = self.store().await?;
        store.put(&reference, &secret, Existing::Replace).await.map_err(|error| refused(&error))?;
        Ok(Empty {})
    }

    /// The store. What stands in its way stays for as long as the process: both are read once.
    async fn store(&self) -> Result<&Store, Status> {
        let opened = self.store.get_or_init(async || self.open().await).await;
        opened.as_ref().map_err(|error| {
            Status::failed_precondition(format!("{error}; next: {}", error.next()))
        })
    }

    async fn open(&self) -> Result<Store, Unready> {
        let section = self.section.lock().expect("nothing panics while it holds this lock").take();
        let given = section.expect("a store is opened once");
        let limit = Duration::from_millis(SECTION_MS_MAX);
        let mut section = match tokio::time::timeout(limit, given).await {
            Ok(Ok(section)) => section?,
            Ok(Err(_)) | Err(_) => return Err(Unready::NoSection),
        };
        let home = Home::open(&self.home(section.take_home()?)?)?;
        let config = match section.store(&self.name)? {
            Some(config) => config,
            None => self.own(&home)?,
        };
        let host = Host::builder()
            .workers(self.surroundings.program.clone())
            .audit(JsonLines::new(home.audit()?))
            .base(home.path())
            .user_home(self.user_home().unwrap_or_else(|| PathBuf::from("/")))
            .compiled_code(home.private("cache")?, &*home.key("cache")?)
            .build()?;
        let pulls = config.stores.iter().any(|entry| entry.plugin.starts_with(IN_REGISTRY));
        let lock = Lock::of(&home)?;
        let mut stores = Stores::new(host, config, lock, self.surroundings.bundled, home.path());
        if pulls {
            stores = stores.with_registry(Pulls(self.registries(&home)?));
        }
        Ok(stores.open(&self.name).await?)
    }

    /// The registries of coffer's own configuration. What it requires of them holds for a store of the host's as well.
    fn registries(&self, home: &Home) -> Result<Registries, Unready> {
        let docker = (self.surroundings.variable)("DOCKER_CONFIG").filter(|path| !path.is_empty());
        let usual = || self.user_home().map(|home| home.join(".docker"));
        let docker = docker.map(PathBuf::from).or_else(usual);
        let place = |entry: &RegistryEntry| {
            let RegistryEntry { registry, ca, plain_http, require_signature } = entry;
            let keys = require_signature.as_deref();
            Place::new(home.path(), registry, ca.as_deref(), *plain_http, keys)
        };
        let places = self.own(home)?.registries.iter().map(place).collect::<Result<_, _>>()?;
        let path = home.path().join("registry");
        Ok(Registries::new(&home.private("registry")?, &path, Credentials::of(docker), places)?)
    }

    /// Where coffer's directory is.
    fn home(&self, said: Option<PathBuf>) -> Result<PathBuf, Unready> {
        let variable = || {
            let home = (self.surroundings.variable)("COFFER_HOME");
            home.filter(|home| !home.is_empty()).map(PathBuf::from)
        };
        let usual = || self.user_home().map(|home| home.join(".coffer"));
        said.or_else(variable).or_else(usual).ok_or(Unready::NoHome)
    }

    fn user_home(&self) -> Option<PathBuf> {
        let home = (self.surroundings.variable)("HOME");
        home.filter(|home| !home.is_empty()).map(PathBuf::from)
    }

    /// coffer's own configuration.
    fn own(&self, home: &Home) -> Result<Config, Unready> {
        let (path, document) = match home.configuration()? {
            Some((path, text)) => {
                let document = document::read(&text, Format::of(&path))
                    .map_err(|error| Unready::Config { path: path.clone(), error: error.into() })?;
                (path, document)
            }
            None => (PathBuf::from("of the environment"), serde_json::Value::Null),
        };
        Config::parse(document, &self.surroundings.variable, None)
            .map_err(|error| Unready::Config { path, error })
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

/// The reference that a host asks for. Porter before 1.2 sent sources here that name variables, files and
/// commands of the machine. A host's word opens none of those.
fn reference(source: &str, key: String) -> Result<Reference, Status> {
    if source != SOURCE {
        return Err(Status::invalid_argument(
            "coffer resolves and keeps references of source `secret` only; Porter resolves the others \
             itself since version 1.2",
        ));
    }
    Reference::secret(key).map_err(|error: ReferenceError| {
        Status::invalid_argument(format!("{error}; next: {}", error.next()))
    })
}

/// What a host is told of a call that failed.
fn refused(error: &CallError) -> Status {
    let code = match error.cause() {
        Cause::AccessDenied | Cause::Denied(_) => Code::PermissionDenied,
        Cause::Capability(_) | Cause::Unsupported(_) => Code::Unimplemented,
        Cause::Conflict => Code::AlreadyExists,
        Cause::Deadline { .. } => Code::DeadlineExceeded,
        Cause::InvalidReference(_) | Cause::TooMany(_) => Code::InvalidArgument,
        Cause::Limit { .. } | Cause::TooLarge(_) => Code::ResourceExhausted,
        Cause::NotFound | Cause::NotFoundHere(_) => Code::NotFound,
        Cause::Unauthenticated => Code::Unauthenticated,
        Cause::Unavailable { .. } => Code::Unavailable,
        Cause::Audit(_) | Cause::Contract(_) | Cause::Host(_) | Cause::Trap(_) => Code::Internal,
        _ => Code::Unknown,
    };
    Status::new(code, format!("{error}; fault: {}; next: {}", error.blame(), error.next()))
}
