//! What can go wrong: loading a plugin, opening a store, calling it. Every error says what was asked and
//! what stopped it, and by [`Explain`] whose fault it is and what to do.

mod incident;

pub use incident::{Incident, LoginFault};

use crate::limits;
use crate::text;
use coffer_grants::{
    Blame, Denied, Explain, GrantError, ManifestError, Reference, SettingsError, Verb,
};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a file is no plugin that can be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine cannot compile it.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// Compiling it went beyond a bound.
    #[error("the component cannot be compiled within {limit}")]
    CompileLimit {
        /// The bound, in words and with its unit.
        limit: String,
    },
    /// Its interfaces have the right names and other types.
    #[error("the component does not keep to the interfaces that it names: {0}")]
    Contract(String),
    /// It is a core module.
    #[error("this is a core module, not a component")]
    CoreModule,
    /// The engine could not be started.
    #[error("the engine could not be started: {0}")]
    Engine(String),
    /// The machine lacks what processes of plugins are closed in by.
    #[error("the plugin cannot run in a process of its own: this system lacks {missing}")]
    Fence {
        /// What it lacks.
        missing: String,
    },
    /// It is WebAssembly of no valid form.
    #[error("the file is malformed: {0} at byte {1}")]
    Malformed(String, usize),
    /// Its manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It has no manifest.
    #[error("the component has no manifest (the custom section `coffer:manifest`)")]
    ManifestMissing,
    /// It has more than one manifest.
    #[error("the component has more than one manifest; which one holds cannot be told")]
    ManifestTwice,
    /// It is a component of another world.
    #[error("the component does not export `coffer:secrets/resolver@0.1`; it exports {exports}")]
    NoResolver {
        /// What it exports, escaped.
        exports: String,
    },
    /// It is not WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// Compiling it would take too long or too much memory.
    #[error("the component has more than {max} {what}, too many to compile it safely")]
    TooComplex {
        /// How many are allowed.
        max: u64,
        /// Of what.
        what: &'static str,
    },
    /// It is too large.
    #[error("the component has {bytes} bytes; at most {} are allowed", limits::COMPONENT_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It has too many imports or exports.
    #[error("the component has more than {} imports or exports", limits::INTERFACES_MAX)]
    TooManyInterfaces,
    /// It wants something that no grant could give.
    #[error("the component imports `{name}`, which coffer does not offer in this version")]
    UnknownImport {
        /// The import, escaped.
        name: String,
    },
    /// A process for it could not be had.
    #[error("the plugin cannot run in a process of its own: {0}")]
    Worker(String),
}

impl Explain for LoadError {
    fn blame(&self) -> Blame {
        match self {
            Self::Engine(_) | Self::Worker(_) => Blame::Host,
            Self::Fence { .. } | Self::NotWasm => Blame::Operator,
            Self::Compile(_)
            | Self::CompileLimit { .. }
            | Self::Contract(_)
            | Self::CoreModule
            | Self::Malformed(..)
            | Self::Manifest(_)
            | Self::ManifestMissing
            | Self::ManifestTwice
            | Self::NoResolver { .. }
            | Self::TooComplex { .. }
            | Self::TooLarge { .. }
            | Self::TooManyInterfaces
            | Self::UnknownImport { .. } => Blame::Plugin,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::CoreModule => "build the plugin with `wasm-component-ld` as the linker, or run \
                                 `wasm-tools component new` on it"
                .into(),
            Self::Engine(_) | Self::Worker(_) => {
                "check that the machine has memory and processes left, and report this".into()
            }
            Self::Fence { .. } => "use a system that has it, or have the plugin run without: \
                                   `isolation: none` of the store"
                .into(),
            Self::Manifest(_) | Self::ManifestMissing | Self::ManifestTwice => {
                "have the plugin's author build it with `coffer_plugin::build::plugin()` in its build script"
                    .into()
            }
            Self::NotWasm => "check the path; a plugin is a `.wasm` file".into(),
            Self::NoResolver { .. } => "check that this is a secrets plugin, and one for coffer 0.1".into(),
            Self::UnknownImport { .. } => {
                "use a version of the plugin for this version of coffer; nothing can be granted here".into()
            }
            Self::Compile(_)
            | Self::CompileLimit { .. }
            | Self::Contract(_)
            | Self::Malformed(..)
            | Self::TooComplex { .. }
            | Self::TooLarge { .. }
            | Self::TooManyInterfaces => "report this to the plugin's author".into(),
        }
    }
}

/// Why a store cannot be opened with the settings, grants and limits that it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What the plugin's manifest asks for, with these settings, is no grant.
    #[error(transparent)]
    Asks(#[from] ManifestError),
    /// A granted directory cannot be opened.
    #[error("the granted directory {path} cannot be opened: {source}")]
    Directory {
        /// The directory.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The grants make no sense together.
    #[error(transparent)]
    Grants(#[from] GrantError),
    /// A limit is out of its range.
    #[error("{0}")]
    Limits(String),
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The plugin was loaded for workers, by a host that has some.
    #[error("the plugin was loaded by another host, and this one has no workers")]
    Workers,
}

impl Explain for OpenError {
    fn blame(&self) -> Blame {
        match self {
            Self::Workers => Blame::Host,
            Self::Asks(_)
            | Self::Directory { .. }
            | Self::Grants(_)
            | Self::Limits(_)
            | Self::Settings(_) => Blame::Operator,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Asks(_) | Self::Settings(_) => {
                "mend the store's `config` in the configuration file; `coffer plugins inspect` shows the \
                 settings that the plugin has"
                    .into()
            }
            Self::Directory { path, .. } => {
                format!("make {path} a directory that you can read, or change the grant")
            }
            Self::Grants(_) => "mend the store's `grants` in the configuration file".into(),
            Self::Limits(_) => "mend the store's `limits` in the configuration file".into(),
            Self::Workers => "open the store with the host that loaded its plugin".into(),
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug)]
pub struct CallError {
    pub(crate) store: String,
    pub(crate) verb: Verb,
    pub(crate) what: String,
    pub(crate) cause: Cause,
    pub(crate) incidents: Vec<Incident>,
}

impl CallError {
    /// Why it was not done.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What happened on the way that the operator should know.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }
}

/// Whose fault a failed call is, when something stood in the plugin's way.
///
/// A plugin can provoke an incident whenever it wants one, so an incident explains no more than what the
/// plugin then says of itself, and the rest stays the plugin's:
/// - A crash, a limit, a broken contract and computing past the deadline are the plugin's whatever it was
///   denied before. The incidents are told after the cause.
/// - An incident about files explains only an answer that has no meaning of its own. `not-found` is about
///   the key also when some file could not be read.
/// - What the operator did not grant explains something only if the manifest asks for it, where the operator
///   could read it; a path that leads out of a directory is no incident at all (see `imports::files`).
/// - A limit that the plugin went past outweighs what it was denied.
/// - The plugin's own words are shown beside an incident about files.
impl Explain for CallError {
    fn blame(&self) -> Blame {
        self.explaining().next().map_or_else(|| self.cause.blame(), Incident::blame)
    }

    fn next(&self) -> String {
        match self.explaining().next() {
            Some(incident) => incident.next(&self.store),
            None => self.cause.next(&self.store),
        }
    }
}

impl CallError {
    /// The incidents that explain the failure, the one that explains most first.
    fn explaining(&self) -> impl Iterator<Item = &Incident> {
        let explains = |incident: &&Incident| match self.cause.standing() {
            Standing::Answer => true,
            Standing::Fixed => false,
            Standing::Meant => !incident.is_about_files(),
        };
        let mut explaining: Vec<_> = self.incidents.iter().filter(explains).collect();
        explaining.sort_by_key(|incident| incident.rank());
        explaining.into_iter()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, verb, what, cause, incidents } = self;
        write!(f, "cannot {verb} {what} in the store `{store}`: ")?;
        let explaining: Vec<_> = self.explaining().collect();
        // A plugin that was denied something says no more than that it was; what it was is known better.
        let Some((first, more)) = explaining.split_first() else {
            write!(f, "{cause}")?;
            if self.cause.standing() == Standing::Fixed {
                incidents.iter().try_for_each(|incident| write!(f, "; before that, {incident}"))?;
            }
            return Ok(());
        };
        write!(f, "{first}")?;
        more.iter().try_for_each(|incident| write!(f, "; {incident}"))?;
        if explaining.iter().any(|incident| incident.is_about_files()) {
            write!(f, "; the plugin says: {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The credentials are good and not allowed to do this.
    #[error("the backend does not allow these credentials to do it")]
    AccessDenied,
    /// The audit could not be written, so nothing was done, or what was done is not told.
    #[error("the audit could not be written: {0}")]
    Audit(String),
    /// The plugin has no interface for this.
    #[error("the plugin cannot {0}: it does not export the interface for it")]
    Capability(Verb),
    /// The key exists already, or somebody else changed it.
    #[error("the key exists already, or somebody else has just changed it")]
    Conflict,
    /// The plugin broke the contract between it and the host.
    #[error("the plugin broke its contract: {0}")]
    Contract(String),
    /// The time was up.
    #[error(
        "the plugin {} after {}",
        if *waiting { "still waited for its backend" } else { "was still computing" },
        humantime::format_duration(*after)
    )]
    Deadline {
        /// The time that it had.
        after: Duration,
        /// Whether it was waiting for a backend or a command, and not computing.
        waiting: bool,
    },
    /// No grant allows to ask for this.
    #[error(transparent)]
    Denied(Denied),
    /// The host could not run the plugin.
    #[error("the plugin could not be run: {0}")]
    Host(String),
    /// The backend cannot have a secret of this name.
    #[error("the key is not one that this store can have: {0}")]
    InvalidReference(String),
    /// The plugin exceeded a limit.
    #[error("the plugin exceeded the limit of {limit}")]
    Limit {
        /// The limit, in words and with its unit.
        limit: String,
    },
    /// No such secret, or not visible to these credentials.
    #[error("there is no such secret, or these credentials do not see it")]
    NotFound,
    /// The variable, file or program that a reference names is not there.
    #[error("{0}")]
    NotFoundHere(String),
    /// What the plugin said, escaped and cut.
    #[error("{0}")]
    Other(String),
    /// The value is larger than the store or its backend takes.
    #[error("the value is larger than {0} bytes, the most that this store takes")]
    TooLarge(u64),
    /// More was asked for than one call takes.
    #[error("{0} references were asked for at once; one call takes {max}", max = limits::REFERENCES_MAX)]
    TooMany(usize),
    /// The plugin stopped in the middle.
    #[error("the plugin crashed: {0}")]
    Trap(String),
    /// The backend refused the credentials.
    #[error("the backend refused the credentials")]
    Unauthenticated,
    /// The backend did not answer or asked to wait.
    #[error("the backend cannot be reached or asked to wait{}{}", after(*.after_ms), tried(*.tries))]
    Unavailable {
        /// Milliseconds that it asked to wait, if it did.
        after_ms: Option<u64>,
        /// How often the host sent what was not answered, if it saw it; 1 is once.
        tries: usize,
    },
    /// The plugin does not do this.
    #[error("{0}")]
    Unsupported(String),
}

/// What of a cause an incident can explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The plugin's answer that something went wrong: whatever stood in its way.
    Answer,
    /// What the plugin did, whatever stood in its way.
    Fixed,
    /// Something with a meaning of its own: what stood in the way of a request, and not of a file.
    Meant,
}

fn after(retry_after_ms: Option<u64>) -> String {
    retry_after_ms.map_or_else(String::new, |ms| {
        format!(" {}", humantime::format_duration(Duration::from_millis(ms)))
    })
}

fn tried(tries: usize) -> String {
    if tries > 1 { format!("; it was tried {tries} times") } else { String::new() }
}

impl Cause {
    /// One word for the kind of cause, without anything that came from a guest. For audits.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access-denied",
            Self::Audit(_) => "audit",
            Self::Capability(_) => "capability",
            Self::Conflict => "conflict",
            Self::Contract(_) => "contract",
            Self::Deadline { .. } => "deadline",
            Self::Denied(_) => "denied",
            Self::Host(_) => "host",
            Self::InvalidReference(_) => "invalid-reference",
            Self::Limit { .. } => "limit",
            Self::NotFound | Self::NotFoundHere(_) => "not-found",
            Self::Other(_) => "other",
            Self::TooLarge(_) => "too-large",
            Self::TooMany(_) => "too-many",
            Self::Trap(_) => "trap",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable { .. } => "unavailable",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// What of it an incident can explain.
    fn standing(&self) -> Standing {
        match self {
            Self::AccessDenied
            | Self::Other(_)
            | Self::Unavailable { .. }
            | Self::Unsupported(_) => Standing::Answer,
            Self::Contract(_)
            | Self::Deadline { waiting: false, .. }
            | Self::Limit { .. }
            | Self::Trap(_) => Standing::Fixed,
            Self::Audit(_)
            | Self::Capability(_)
            | Self::Conflict
            | Self::Deadline { waiting: true, .. }
            | Self::Denied(_)
            | Self::Host(_)
            | Self::InvalidReference(_)
            | Self::NotFound
            | Self::NotFoundHere(_)
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::Unauthenticated => Standing::Meant,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::AccessDenied
            // The file is on the operator's disk, which may be full.
            | Self::Audit(_)
            | Self::Capability(_)
            | Self::Denied(_)
            | Self::Unauthenticated
            | Self::NotFoundHere(_) => Blame::Operator,
            Self::Host(_) => Blame::Host,
            Self::Conflict
            | Self::InvalidReference(_)
            | Self::NotFound
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::Unsupported(_) => Blame::Requester,
            Self::Contract(_)
            | Self::Deadline { waiting: false, .. }
            | Self::Limit { .. }
            | Self::Other(_)
            | Self::Trap(_) => Blame::Plugin,
            Self::Deadline { waiting: true, .. } | Self::Unavailable { .. } => Blame::Backend,
        }
    }

    fn next(&self, store: &str) -> String {
        match self {
            Self::AccessDenied => {
                format!("give the credentials of the store `{store}` the right to do this at the backend")
            }
            Self::Audit(_) => "make the audit file writable; nothing is done without it".into(),
            Self::Capability(_) => "choose a store whose plugin can do this".into(),
            Self::Conflict => "use another key, or ask for the old value to be replaced".into(),
            Self::Contract(_) | Self::Trap(_) => {
                "report this to the plugin's author; `--verbosity debug` shows what the plugin logged".into()
            }
            Self::Deadline { waiting: false, .. } => "report this to the plugin's author".into(),
            Self::Deadline { waiting: true, .. } => format!(
                "check that the backend is up; a slow one needs `limits: {{ call: 30s }}` in the store `{store}`"
            ),
            Self::Denied(denied) => incident::grant_to_add(denied, store),
            Self::Host(_) => "try again; if it stays, check the machine's memory and report this".into(),
            Self::InvalidReference(_) => "use a key that fits".into(),
            Self::Limit { .. } => format!(
                "if the plugin should be allowed this, raise the limit in the store `{store}`"
            ),
            Self::NotFound => "check the key, and that the credentials may see it".into(),
            Self::NotFoundHere(_) => "set it, or change the reference".into(),
            Self::Other(_) | Self::Unsupported(_) => {
                "see the plugin's documentation; `--verbosity debug` shows what it logged".into()
            }
            Self::TooLarge(_) => "use a smaller value, or another store".into(),
            Self::TooMany(_) => "ask in several calls".into(),
            Self::Unauthenticated => format!("renew the credentials of the store `{store}`"),
            Self::Unavailable { after_ms: Some(_), .. } => {
                "try again after that time; a backend that throttles needs fewer requests, or a higher quota"
                    .into()
            }
            Self::Unavailable { after_ms: None, .. } => {
                "check that the backend is up, and try again".into()
            }
        }
    }
}

/// What a call was about, for its messages. Who asks may have the key from a bundle or from a listing, so
/// it is escaped like everything that came from elsewhere.
pub(crate) fn what(verb: Verb, references: &[Reference]) -> String {
    match (verb, references) {
        (Verb::List, _) => "keys".into(),
        (_, [reference]) => text::escape(&reference.to_string()),
        (_, several) => format!("{} references", several.len()),
    }
}
