//! What a plugin can call. Every import that the host knows is linked, for every plugin; what reaches
//! outside asks the store's grants at each use. What is not granted denies, and what a guest in another
//! language drags in (sockets, standard streams) is empty or denies whatever is granted.

mod cache;
pub(crate) mod clocks;
mod commands;
mod files;
mod http;
mod logging;
mod settings;
mod wasi;

use crate::bindings;
use crate::error::Incident;
use crate::gate::{Budget, Gate};
use crate::limiter::Limiter;
use crate::limits::{self, Limits};
use cache::Cache;
use coffer_grants::{Grants, Settings};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::WasiCtx;

pub(crate) use files::Directories;
pub(crate) use logging::Log;

/// What the calls of one store share.
pub(crate) struct Shared {
    pub(crate) grants: Arc<Grants>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) cache: Cache,
    pub(crate) directories: Directories,
}

/// What one instance works on. Made for one call and dropped with it.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    table: ResourceTable,
    wasi: WasiCtx,
    http: wasi::HttpState,
    files: files::Usage,
    shared: Arc<Shared>,
    record: Arc<Record>,
    log: Log,
}

/// What happened during one call that concerns the host.
#[derive(Debug)]
pub(crate) struct Record {
    /// The HTTP requests that are left.
    pub(crate) budget: Budget,
    waiting: AtomicUsize,
    written: AtomicU64,
    incidents: Mutex<Vec<Incident>>,
}

/// Incidents that are kept of one call. A plugin that is denied a thousand things is told of once.
const INCIDENTS_MAX: usize = 4;

impl Record {
    fn new(budget: Budget) -> Self {
        Self {
            budget,
            waiting: AtomicUsize::default(),
            written: AtomicU64::default(),
            incidents: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, incident: Incident) {
        let mut incidents = self.incidents.lock().expect("nothing panics while it holds this lock");
        if !incidents.contains(&incident) {
            incidents.push(incident);
            // What explains more is not crowded out by what a plugin provoked before.
            incidents.sort_by_key(Incident::rank);
            incidents.truncate(INCIDENTS_MAX);
        }
    }

    /// Notes that the plugin was refused more than a limit allows.
    fn exceeded(&self, limit: impl Into<String>) {
        self.add(Incident::Limit { limit: limit.into() });
    }

    /// Counts bytes that are to be written to files; whether they are within the limit.
    fn count_written(&self, bytes: u64) -> bool {
        let within = |written: u64| {
            written.checked_add(bytes).filter(|written| *written <= limits::FILE_BYTES_WRITTEN_MAX)
        };
        self.written.try_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    pub(crate) fn take(&self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents.lock().expect("nothing panics while it holds this lock"))
    }

    /// Whether the guest waits for a backend or a command at this moment.
    pub(crate) fn waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Says that the guest waits until the returned value is dropped, or the record is read because the
    /// time was up.
    fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

/// The guest waits for something that is not coffer's.
struct Waiting<'r>(&'r Record);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests_max: usize,
        environment: &[(String, zeroize::Zeroizing<String>)],
        deadline: tokio::time::Instant,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES_MAX);
        let record = Arc::new(Record::new(Budget::new(requests_max, deadline)));
        Self {
            limiter: Limiter::new(shared.limits.memory),
            table,
            wasi: wasi::context(environment, &shared.directories.opened),
            http: wasi::HttpState::new(Arc::clone(&shared), Arc::clone(&record)),
            files: files::Usage::default(),
            shared,
            record,
            log: Log::default(),
        }
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.record)
    }

    pub(crate) fn take_log(&mut self) -> Log {
        std::mem::take(&mut self.log)
    }
}

/// Links every import that the host knows.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    bindings::Imports::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl bindings::coffer::secrets::types::Host for State {}
