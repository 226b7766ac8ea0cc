//! One call: a fresh instance, its limits, its deadline, and what became of it.
//!
//! No instance is used twice. Calls, tenants and crashes cannot see each other.

use crate::bindings::{lister, resolver, writer};
use crate::engine::Ticker;
use crate::error::{Cause, Incident, LoadError};
use crate::gate::Unanswered;
use crate::imports::{Log, Shared, State};
use crate::limits;
use coffer_grants::EnvironmentPermit;
use std::sync::Arc;
use tokio::time::Instant;
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
        let contract = |error: wasmtime::Error| {
            LoadError::Contract(crate::text::escape(&format!("{error:#}")))
        };
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

/// What an instance did, and what it left behind.
pub(crate) struct Ran<T> {
    pub(crate) answer: Result<T, Cause>,
    pub(crate) incidents: Vec<Incident>,
    /// What its backend did not answer.
    pub(crate) unanswered: Unanswered,
    /// What was logged; to be shown only if there is an answer.
    pub(crate) log: Log,
}

/// Where calls run.
pub(crate) struct Sandbox<'h> {
    pub(crate) engine: &'h Engine,
    pub(crate) ticker: &'h Ticker,
}

impl Sandbox<'_> {
    /// Gives `act` a store for one instance, with every limit set, and waits for it until the deadline.
    /// It will give that many answers, each a value of its own.
    pub(crate) async fn run<T>(
        &self,
        shared: &Arc<Shared>,
        environment: &EnvironmentPermit,
        answers: usize,
        act: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Ran<T> {
        let _running = self.ticker.run();
        let deadline = Instant::now() + shared.limits.call;
        let variables = crate::ambient::variables(environment);
        // What an instance may send for all references of a batch is what several instances may that are
        // given as many.
        let requests =
            shared.limits.requests * answers.div_ceil(limits::CHUNK_REFERENCES_MAX).max(1);
        let state = State::new(Arc::clone(shared), requests, &variables, deadline);
        let mut store = Store::new(self.engine, state);
        drop(variables);
        store.limiter(|state| &mut state.limiter);
        let crossing_bytes = answers.saturating_mul(shared.limits.answer).max(shared.limits.body);
        store.set_hostcall_fuel(
            (limits::CROSSING_BYTES_MAX + crossing_bytes).min(limits::CROSSING_TOTAL_BYTES_MAX),
        );
        // At every tick the guest lets go, so that the deadline is looked at and others can run.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let record = store.data().record();
        let answer = {
            let mut acting = std::pin::pin!(act(&mut store));
            match tokio::time::timeout_at(deadline, acting.as_mut()).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(cause(&error)),
                // Asked while it is still there: what it waits for is forgotten when it is dropped.
                Err(_) => {
                    Err(Cause::Deadline { after: shared.limits.call, waiting: record.waits() })
                }
            }
        };
        Ran {
            answer,
            incidents: record.take(),
            unanswered: record.budget.unanswered(),
            log: store.data_mut().take_log(),
        }
    }
}

/// What the engine's error means. The guest's own text is no part of it.
fn cause(error: &wasmtime::Error) -> Cause {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::StackOverflow => {
                Cause::Limit { limit: format!("{} bytes of stack", limits::STACK_BYTES_MAX) }
            }
            Trap::UnreachableCodeReached => {
                Cause::Trap("it gave up (a panic, or no memory left)".into())
            }
            other => Cause::Trap(other.to_string()),
        };
    }
    if error.is::<wasmtime_wasi::I32Exit>() {
        return Cause::Trap("it tried to end the process".into());
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Cause::Host("too many instances at the same time".into());
    }
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return Cause::Limit { limit: "bytes handed to the host at once".into() };
    }
    if text.contains("exceeds memory limits") || text.contains("memory minimum size") {
        return Cause::Limit { limit: "memory".into() };
    }
    Cause::Trap(crate::text::escape(&text))
}
