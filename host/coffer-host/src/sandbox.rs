//! One call: a fresh instance, its limits, its deadline, and what became of it.
//!
//! No instance is used twice. Calls, tenants and crashes cannot see each other.

use crate::asked::{Answered, Asked, Given, Page};
use crate::bindings::writer::exports::coffer::secrets::writer::Existing;
use crate::bindings::{lister, resolver, writer};
use crate::error::{Cause, Incident, LoadError};
use crate::gate::Unanswered;
use crate::imports::{Log, Sight, State};
use crate::limits;
use crate::observed::Usage;
use crate::text;
use serde::{Deserialize, Serialize};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store, Trap};

/// A plugin that is ready to be instantiated.
pub(crate) struct Prepared {
    pub(crate) resolver: resolver::ResolverPre<State>,
    pub(crate) writer: Option<writer::WriterPre<State>>,
    pub(crate) lister: Option<lister::ListerPre<State>>,
}

impl Prepared {
    /// Checks that the component's imports and exports have the types that the interfaces say.
    pub(crate) fn new(
        linker: &Linker<State>,
        component: &Component,
        writes: bool,
        lists: bool,
    ) -> Result<Self, LoadError> {
        let contract =
            |error: wasmtime::Error| LoadError::Contract(text::escape(&format!("{error:#}")));
        let pre: InstancePre<State> = linker.instantiate_pre(component).map_err(contract)?;
        Ok(Self {
            writer: writes
                .then(|| writer::WriterPre::new(pre.clone()))
                .transpose()
                .map_err(contract)?,
            lister: lists
                .then(|| lister::ListerPre::new(pre.clone()))
                .transpose()
                .map_err(contract)?,
            resolver: resolver::ResolverPre::new(pre).map_err(contract)?,
        })
    }
}

/// Why an instance did not answer.
#[derive(Serialize, Deserialize)]
pub(crate) enum Failure {
    Host(String),
    /// The limit, in words and with its unit.
    Limit(String),
    Trap(String),
}

impl From<Failure> for Cause {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Host(why) => Self::Host(text::escape(&why)),
            Failure::Limit(limit) => Self::Limit { limit: text::escape(&limit) },
            Failure::Trap(why) => Self::Trap(text::escape(&why)),
        }
    }
}

/// What an instance did, and what it left behind.
pub(crate) struct Ran<T> {
    pub(crate) answer: Result<T, Cause>,
    pub(crate) incidents: Vec<Incident>,
    /// What its backend did not answer.
    pub(crate) unanswered: Unanswered,
    /// What was logged; to be shown only if there is an answer.
    pub(crate) log: Log,
    /// HTTP requests that were sent.
    pub(crate) requests: usize,
    /// What the instance used, if that is known.
    pub(crate) usage: Option<Usage>,
}

impl Ran<Answered> {
    /// Of a call that never began.
    pub(crate) fn failed(cause: Cause) -> Self {
        Self {
            answer: Err(cause),
            incidents: Vec::new(),
            unanswered: Unanswered::default(),
            log: Log::default(),
            requests: 0,
            usage: None,
        }
    }

    /// With the answer to what was asked, and not to something else.
    pub(crate) fn narrow<T>(self, take: impl FnOnce(Answered) -> Option<T>) -> Ran<T> {
        let Self { answer, incidents, unanswered, log, requests, usage } = self;
        let other = || Cause::Contract("it answered something else".into());
        let answer = answer.and_then(|answer| take(answer).ok_or_else(other));
        Ran { answer, incidents, unanswered, log, requests, usage }
    }
}

/// One instance that is being asked.
pub(crate) struct Instance<'p> {
    prepared: &'p Prepared,
    store: Store<State>,
    /// What it had reached for before it was asked anything.
    early: u32,
}

impl<'p> Instance<'p> {
    /// Room for one instance of `prepared`, with every limit set but the deadline, which is that of
    /// whoever asks. `crossing_bytes` bounds what the guest may hand over at once.
    pub(crate) fn new(
        engine: &Engine,
        prepared: &'p Prepared,
        state: State,
        crossing_bytes: usize,
    ) -> Self {
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        if store.data().is_metered() {
            store.set_fuel(u64::MAX).expect("the engine of what is metered counts fuel");
        }
        store.set_hostcall_fuel(
            (limits::CROSSING_BYTES_MAX + crossing_bytes).min(limits::CROSSING_TOTAL_BYTES_MAX),
        );
        // At every tick the guest lets go, so that the deadline is looked at and others can run.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        Self { prepared, store, early: 0 }
    }

    /// Instantiates the plugin and asks it.
    pub(crate) async fn ask(&mut self, asked: Asked) -> Result<Answered, Failure> {
        self.act(asked).await.map_err(|error| failure(&error))
    }

    /// What it saw of files so far.
    pub(crate) fn take_sights(&mut self) -> Vec<Sight> {
        self.store.data_mut().take_sights()
    }

    /// What it logged so far.
    pub(crate) fn take_log(&mut self) -> Log {
        self.store.data_mut().take_log()
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Usage {
        let left = self.store.get_fuel().unwrap_or(u64::MAX);
        Usage {
            memory_bytes: self.store.data().limiter.memory_bytes() as u64,
            instructions: u64::MAX - left,
            early: self.early,
        }
    }

    async fn act(&mut self, asked: Asked) -> wasmtime::Result<Answered> {
        let Self { prepared, store, early } = self;
        // Whoever asks looked whether the plugin exports it.
        let unexported = || wasmtime::Error::msg("the plugin does not export this");
        Ok(match asked {
            Asked::Delete { key } => {
                let writer = prepared.writer.as_ref().ok_or_else(unexported)?;
                let plugin = writer.instantiate_async(&mut *store).await?;
                *early = store.data().reached_out();
                Answered::Delete(plugin.coffer_secrets_writer().call_delete(store, &key).await?)
            }
            Asked::List { prefix, cursor } => {
                let lister = prepared.lister.as_ref().ok_or_else(unexported)?;
                let plugin = lister.instantiate_async(&mut *store).await?;
                *early = store.data().reached_out();
                let lister = plugin.coffer_secrets_lister();
                let page = lister.call_list_keys(store, &prefix, cursor.as_deref()).await?;
                Answered::List(page.map(|page| Page { keys: page.keys, next: page.next }))
            }
            Asked::Put { key, value, replace } => {
                let writer = prepared.writer.as_ref().ok_or_else(unexported)?;
                let plugin = writer.instantiate_async(&mut *store).await?;
                *early = store.data().reached_out();
                let existing = if replace { Existing::Replace } else { Existing::Keep };
                let writer = plugin.coffer_secrets_writer();
                Answered::Put(writer.call_put(store, &key, &value, existing).await?)
            }
            Asked::Resolve { references } => {
                let plugin = prepared.resolver.instantiate_async(&mut *store).await?;
                *early = store.data().reached_out();
                let resolver = plugin.coffer_secrets_resolver();
                let answers = resolver.call_resolve(store, &references).await?;
                Answered::Resolve(
                    answers.into_iter().map(|answer| answer.map(Given::from)).collect(),
                )
            }
        })
    }
}

/// What the engine's error means. The guest's own text is no part of it.
fn failure(error: &wasmtime::Error) -> Failure {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::StackOverflow => {
                Failure::Limit(format!("{} bytes of stack", limits::STACK_BYTES_MAX))
            }
            Trap::UnreachableCodeReached => {
                Failure::Trap("it gave up (a panic, or no memory left)".into())
            }
            other => Failure::Trap(other.to_string()),
        };
    }
    if error.is::<wasmtime_wasi::I32Exit>() {
        return Failure::Trap("it tried to end the process".into());
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Failure::Host("too many instances at the same time".into());
    }
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return Failure::Limit("bytes handed to the host at once".into());
    }
    if text.contains("exceeds memory limits") || text.contains("memory minimum size") {
        return Failure::Limit("memory".into());
    }
    Failure::Trap(text)
}
