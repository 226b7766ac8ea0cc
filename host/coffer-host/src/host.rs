//! The host: the engines, the clock, the audit and the compiled code that all stores share.

use crate::audit::{Audit, NoAudit};
use crate::compiled::CompiledCode;
use crate::component::Inspection;
use crate::engine::{self, Purpose, Ticker};
use crate::error::{LoadError, OpenError};
use crate::gate::{Dns, SystemDns};
use crate::imports::{self, State};
use crate::limits::{self, Compiling, Limits};
use crate::observed::Observer;
use crate::sandbox::Prepared;
use crate::store::Store;
#[cfg(target_os = "linux")]
use crate::worker::Launcher;
use crate::worker::{self, Program};
use cap_std::fs::Dir;
use coffer_grants::Grants;
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// Instances at the same time, over all stores, unless the embedder says otherwise.
const INSTANCES_DEFAULT: u32 = 64;

/// Runs secrets plugins. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) plugins: Engine,
    pub(crate) entry_points: Engine,
    pub(crate) ticker: Ticker,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) instances: Semaphore,
    pub(crate) instances_max: usize,
    pub(crate) calls: AtomicU64,
    /// Starts workers, if there are any.
    #[cfg(target_os = "linux")]
    pub(crate) launcher: Option<Arc<Launcher>>,
    #[cfg(target_os = "linux")]
    compiling: Compiling,
    linker: Linker<State>,
    compiled: Option<CompiledCode>,
    dns: Arc<dyn Dns>,
    base: PathBuf,
    user_home: PathBuf,
}

impl Host {
    /// A host with nothing but what the builder is told.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            audit: Arc::new(NoAudit),
            base: PathBuf::from("/"),
            compiled: None,
            dns: Arc::new(SystemDns),
            compiling: Compiling::default(),
            instances: INSTANCES_DEFAULT,
            observer: None,
            once: false,
            program: None,
            user_home: PathBuf::from("/"),
        }
    }

    /// Loads a plugin: reads what it says of itself, checks its imports and exports, and compiles it
    /// unless its code is kept. Nothing of it runs.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says why it is no plugin that can be run.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let inspection = Inspection::of(bytes)?;
        let component =
            self.0.compile(&self.0.plugins, Purpose::Plugin, bytes, &inspection.digest)?;
        let capabilities = inspection.capabilities;
        let prepared =
            Prepared::new(&self.0.linker, &component, capabilities.writer, capabilities.lister)?;
        Ok(Plugin(Arc::new(Loaded { inspection, code: Code::Here(Arc::new(prepared)) })))
    }

    /// Loads a plugin whose stores run in processes of their own, closed in so that a hole in the engine
    /// leads nowhere. It is compiled in such a process as well, and its code is never in this one.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says why it is no plugin that can be run; [`LoadError::Fence`] that this machine
    /// lacks what such processes are closed in by, and [`LoadError::Worker`] that one could not be had.
    pub fn load_isolated(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        if let Some(why) = self.without_isolation() {
            return Err(why);
        }
        #[cfg(target_os = "linux")]
        {
            let launcher = self.0.launcher.as_ref().expect("this was just looked at");
            let inspection = Inspection::of(bytes)?;
            let code = self.0.compile_in_worker(launcher, bytes, &inspection)?;
            Ok(Plugin(Arc::new(Loaded { inspection, code: Code::Apart(code) })))
        }
        #[cfg(not(target_os = "linux"))]
        unreachable!("something is missing there")
    }

    /// Why [`Host::load_isolated`] would fail whatever the plugin is, if it would.
    #[must_use]
    pub fn without_isolation(&self) -> Option<LoadError> {
        let missing = worker::available().missing;
        if !missing.is_empty() {
            return Some(LoadError::Fence { missing: missing.join(", ") });
        }
        #[cfg(target_os = "linux")]
        if self.0.launcher.is_none() {
            let why = "this program did not say how its workers are started";
            return Some(LoadError::Worker(why.into()));
        }
        None
    }

    /// Opens a store: a plugin with its settings, what it is granted, and its limits. The granted
    /// directories are opened now, once. Nothing of the plugin runs.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what does not fit.
    pub fn store(
        &self,
        name: &str,
        plugin: &Plugin,
        config: StoreConfig,
    ) -> Result<Store, OpenError> {
        Store::open(self.clone(), name, plugin.clone(), config)
    }
}

impl Inner {
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        purpose: Purpose,
        bytes: &[u8],
        digest: &str,
    ) -> Result<Component, LoadError> {
        let kept =
            self.compiled.as_ref().and_then(|compiled| compiled.load(engine, purpose, digest));
        if let Some(component) = kept {
            return Ok(component);
        }
        // What was compiled once and kept has been through this.
        crate::shape::check(bytes)?;
        let component = Component::from_binary(engine, bytes)
            .map_err(|error| LoadError::Compile(crate::text::escape(&format!("{error:#}"))))?;
        if let Some(compiled) = &self.compiled {
            match component.serialize() {
                Ok(code) => compiled.save(engine, purpose, digest, &code),
                Err(error) => tracing::warn!(digest, "compiled code cannot be kept: {error:#}"),
            }
        }
        Ok(component)
    }

    /// Code for a worker, compiled in one unless it is kept.
    #[cfg(target_os = "linux")]
    fn compile_in_worker(
        &self,
        launcher: &Launcher,
        bytes: &[u8],
        inspection: &Inspection,
    ) -> Result<Arc<[u8]>, LoadError> {
        let (digest, engine) = (&inspection.digest, &self.plugins);
        let kept =
            self.compiled.as_ref().and_then(|compiled| compiled.load_for_worker(engine, digest));
        if let Some(code) = kept {
            return Ok(code.into());
        }
        let code = worker::compile(
            launcher,
            bytes,
            inspection.capabilities,
            self.compiling,
            self.observer.is_some(),
        )?;
        if let Some(compiled) = &self.compiled {
            compiled.save(engine, Purpose::Worker, digest, &code);
        }
        Ok(code.into())
    }

    pub(crate) fn dns(&self) -> Arc<dyn Dns> {
        Arc::clone(&self.dns)
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn user_home(&self) -> &Path {
        &self.user_home
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// Puts a [`Host`] together.
#[must_use]
pub struct HostBuilder {
    audit: Arc<dyn Audit>,
    base: PathBuf,
    compiled: Option<CompiledCode>,
    compiling: Compiling,
    dns: Arc<dyn Dns>,
    instances: u32,
    observer: Option<Arc<dyn Observer>>,
    once: bool,
    program: Option<Program>,
    user_home: PathBuf,
}

impl HostBuilder {
    /// Keeps this audit. None is kept otherwise.
    pub fn audit(mut self, audit: impl Audit + 'static) -> Self {
        self.audit = Arc::new(audit);
        self
    }

    /// Relative paths in grants are below this directory. `/` otherwise.
    pub fn base(mut self, directory: impl Into<PathBuf>) -> Self {
        self.base = directory.into();
        self
    }

    /// Keeps compiled code in `directory`, which should be readable and writable by its owner only.
    /// `key` signs it: 32 random bytes that are kept somewhere else, and that whoever can write to the
    /// directory cannot read. Nothing is kept otherwise.
    pub fn compiled_code(mut self, directory: Dir, key: &[u8; 32]) -> Self {
        self.compiled = Some(CompiledCode::new(directory, key));
        self
    }

    /// What compiling may take that is done in a worker. See [`Compiling`] for what it may otherwise.
    pub fn compiling(mut self, compiling: Compiling) -> Self {
        self.compiling = compiling;
        self
    }

    /// Looks names up with `dns`. What it answers is held against the grants as any answer is.
    pub fn dns(mut self, dns: impl Dns + 'static) -> Self {
        self.dns = Arc::new(dns);
        self
    }

    /// How many instances can run at the same time, over all stores; further calls wait. 64 otherwise.
    /// Each reserves address space, and 20 to 30 KB of memory while it runs.
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances.max(1);
        self
    }

    /// Shows `observer` what each instance used and said, and counts instructions for it, which slows plugins
    /// down. Code that is kept for a host without one is compiled anew.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// For a program that makes a few calls and ends, as a command does: room for instances is made when they
    /// run and not kept. Building the host takes a millisecond less, and each call some tens of microseconds
    /// more.
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// `~` in grants is this directory. `/` otherwise.
    pub fn user_home(mut self, directory: impl Into<PathBuf>) -> Self {
        self.user_home = directory.into();
        self
    }

    /// Has workers, for plugins that are loaded with [`Host::load_isolated`]. There are none otherwise.
    pub fn workers(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }

    /// Starts the host: its engines, and a thread that interrupts running plugins.
    ///
    /// # Errors
    ///
    /// [`LoadError::Engine`] if the machine cannot give what they need.
    pub fn build(self) -> Result<Host, LoadError> {
        let Self {
            audit,
            base,
            compiled,
            compiling,
            dns,
            instances,
            observer,
            once,
            program,
            user_home,
        } = self;
        let failed = |error: wasmtime::Error| LoadError::Engine(format!("{error:#}"));
        let metered = observer.is_some();
        let entry_points = engine::on_demand(false).map_err(failed)?;
        let plugins =
            if once { engine::on_demand(metered) } else { engine::plugins(instances, metered) };
        let plugins = plugins.map_err(failed)?;
        let mut linker = Linker::new(&plugins);
        imports::link(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(vec![plugins.clone(), entry_points.clone()])
            .map_err(|error| LoadError::Engine(error.to_string()))?;
        #[cfg(target_os = "linux")]
        let launcher = program.map(|program| Arc::new(Launcher::new(program)));
        #[cfg(not(target_os = "linux"))]
        let _ = (program, compiling);
        Ok(Host(Arc::new(Inner {
            #[cfg(target_os = "linux")]
            launcher,
            #[cfg(target_os = "linux")]
            compiling,
            plugins,
            entry_points,
            ticker,
            audit,
            observer,
            instances: Semaphore::new(instances as usize),
            instances_max: instances as usize,
            calls: AtomicU64::new(0),
            linker,
            compiled,
            dns,
            base,
            user_home,
        })))
    }
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder").finish_non_exhaustive()
    }
}

/// A plugin that was loaded. It does nothing by itself; a [`Store`] gives it settings and grants.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Loaded>);

pub(crate) struct Loaded {
    pub(crate) inspection: Inspection,
    pub(crate) code: Code,
}

/// A plugin's code, which is in this process or never will be.
pub(crate) enum Code {
    /// For workers. A worker compiled it, so it is only bytes here.
    #[cfg(target_os = "linux")]
    Apart(Arc<[u8]>),
    Here(Arc<Prepared>),
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In the host's own process, in the engine's sandbox.
    None,
    /// In a process of its own that has nothing else, in the engine's sandbox.
    Process,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Process => "process",
        })
    }
}

impl Plugin {
    /// What the plugin's file says of itself.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.0.inspection
    }

    /// Where its stores run.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        match self.0.code {
            #[cfg(target_os = "linux")]
            Code::Apart(_) => Isolation::Process,
            Code::Here(_) => Isolation::None,
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.0.inspection.manifest.name()).finish()
    }
}

/// What a store is made of, besides its plugin.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// Settings, as the plugin's manifest declares them.
    pub settings: Map<String, Value>,
    /// What the plugin may do. Nothing by default.
    pub grants: Granted,
    /// What the plugin may use.
    pub limits: Limits,
}

/// What a store's plugin may do.
#[derive(Clone, Debug, PartialEq)]
pub enum Granted {
    /// What its manifest asks for, filled in from the settings. For plugins that the embedder ships
    /// and answers for.
    AsAsked,
    /// These grants and nothing else.
    Only(Grants),
}

impl Default for Granted {
    fn default() -> Self {
        Self::Only(Grants::default())
    }
}

const _: () = assert!(INSTANCES_DEFAULT as usize >= limits::CONCURRENCY_MAX);
