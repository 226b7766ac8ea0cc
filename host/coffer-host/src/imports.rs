//! What a plugin can call. Every import that the host knows is linked, for every plugin; what reaches
//! outside asks the store's grants at each use. What is not granted denies, and what a guest in another
//! language drags in (sockets, standard streams) is empty or denies whatever is granted.

mod cache;
pub(crate) mod clocks;
mod commands;
mod files;
mod http;
mod logging;
mod outside;
mod settings;
mod wasi;

use crate::bindings;
use crate::error::Incident;
use crate::gate::{Budget, Gate};
use crate::limiter::Limiter;
use crate::limits::{self, Limits};
use crate::secret::Bytes;
use cache::Cache;
use coffer_grants::Grants;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;

pub(crate) use files::{Directories, Sight};
pub(crate) use logging::{Log, Logged};
pub(crate) use outside::{Effect, Here, Outside, Reply};

/// What the calls of one store share, and what decides what they may do. It never leaves the host's own
/// process.
pub(crate) struct Shared {
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) cache: Cache,
    /// The granted directories, as the operator is told of them.
    pub(crate) directories: Directories,
}

/// What the instances of one store are given, in whichever process they run. There is no credential in it.
pub(crate) struct Confines {
    pub(crate) limits: Limits,
    /// The settings that the plugin may see.
    pub(crate) settings: Vec<(String, String)>,
    /// The granted directories, opened once.
    pub(crate) directories: WasiFilesystemCtx,
    /// Whether instructions are counted.
    pub(crate) metered: bool,
}

/// What one instance works on. Made for one call and dropped with it.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    table: ResourceTable,
    wasi: WasiCtx,
    http: wasi::HttpState,
    files: files::Usage,
    confines: Arc<Confines>,
    outside: Outside,
    log: Log,
}

/// What happened during one call that concerns the host.
#[derive(Debug)]
struct Record {
    /// The HTTP requests that are left.
    budget: Budget,
    /// For requests that are on their way.
    places: Semaphore,
    waiting: AtomicUsize,
    incidents: Mutex<Vec<Incident>>,
}

/// Incidents that are kept of one call. A plugin that is denied a thousand things is told of once.
const INCIDENTS_MAX: usize = 4;

impl Record {
    /// Of a call that begins now.
    fn begin(requests_max: usize, limits: &Limits) -> Self {
        Self {
            budget: Budget::new(requests_max, Instant::now() + limits.call),
            places: Semaphore::new(limits.concurrency),
            waiting: AtomicUsize::default(),
            incidents: Mutex::default(),
        }
    }

    fn add(&self, incident: Incident) {
        let mut incidents = self.incidents.lock().expect("nothing panics while it holds this lock");
        if !incidents.contains(&incident) {
            incidents.push(incident);
            // What explains more is not crowded out by what a plugin provoked before.
            incidents.sort_by_key(Incident::rank);
            incidents.truncate(INCIDENTS_MAX);
        }
    }

    fn take(&self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents.lock().expect("nothing panics while it holds this lock"))
    }

    /// Whether the guest waits for a backend or a command at this moment.
    fn waits(&self) -> bool {
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
        confines: Arc<Confines>,
        outside: Outside,
        variables: &[(String, Bytes)],
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES_MAX);
        Self {
            limiter: Limiter::new(confines.limits.memory),
            table,
            wasi: wasi::context(variables, &confines.directories),
            http: wasi::HttpState::new(confines.limits, outside.clone()),
            files: files::Usage::default(),
            confines,
            outside,
            log: Log::default(),
        }
    }

    pub(crate) fn take_sights(&mut self) -> Vec<Sight> {
        self.files.take_sights()
    }

    /// Requests and commands that were begun so far.
    pub(crate) fn reached_out(&self) -> u32 {
        self.outside.begun()
    }

    /// Whether instructions are counted.
    pub(crate) fn is_metered(&self) -> bool {
        self.confines.metered
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_explains_more_is_kept_and_once() {
        let record = Record::begin(1, &Limits::default());
        let full = |number: usize| Incident::DiskFull { directory: number.to_string() };
        (0..=INCIDENTS_MAX).map(full).for_each(|incident| record.add(incident));
        let limit = Incident::Limit { limit: "files".into() };
        record.add(limit.clone());
        record.add(limit.clone());
        let expected: Vec<_> =
            [limit].into_iter().chain((0..INCIDENTS_MAX - 1).map(full)).collect();
        assert_eq!(record.take(), expected);
    }
}
