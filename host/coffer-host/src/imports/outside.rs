//! What a guest can do that reaches beyond its instance and the granted directories, and who does it.
//! A plugin that runs in this process has it done here; one that runs in a worker asks the parent, which
//! decides and does the same. There is one copy of each decision.

use super::{Log, Record, Shared, Sight, commands as command};
use crate::bindings::coffer::host::{cache, commands};
use crate::error::{Cause, Incident};
use crate::gate::{Incoming, Outgoing, SendError};
use crate::sandbox::Ran;
use crate::secret::Bytes;
#[cfg(target_os = "linux")]
use crate::worker::Link;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The way out of one instance.
#[derive(Clone)]
pub(crate) struct Outside {
    by: By,
    /// Requests and commands that were begun.
    begun: Arc<AtomicU32>,
}

/// Who does what one instance asks for.
#[derive(Clone)]
enum By {
    Here(Here),
    /// The parent of this worker.
    #[cfg(target_os = "linux")]
    Parent(Link),
}

/// Something that a guest asks for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Effect {
    CacheGet { key: String },
    CachePut { key: String, value: Bytes, ttl_ms: u64 },
    CacheRemove { key: String },
    Command { argv: Vec<String> },
    Send(HttpRequest),
}

/// What became of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Reply {
    CacheGet(Option<Bytes>),
    CachePut(Result<(), cache::Error>),
    CacheRemove,
    Command(Result<Bytes, commands::Error>),
    Send(Result<HttpResponse, Refused>),
}

/// A request as a plugin put it.
#[derive(Serialize, Deserialize)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Bytes)>,
    pub(crate) body: Bytes,
    pub(crate) timeout_ms: Option<u64>,
}

/// A response as a plugin gets it.
#[derive(Serialize, Deserialize)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Bytes)>,
    pub(crate) body: Bytes,
}

/// Why there is no response, in a guest's terms.
#[derive(Serialize, Deserialize)]
pub(crate) enum Refused {
    /// The operator is told why; the guest is not.
    Denied,
    InvalidRequest(String),
    MalformedResponse,
    Timeout,
    Tls {
        /// Whether it is the server's certificate that is refused.
        certificate: bool,
    },
    TooLarge(u64),
    TooManyRequests,
    Unreachable,
    Unresolved,
}

/// A reply that is to something else than what was asked.
fn mistaken() -> wasmtime::Error {
    wasmtime::Error::msg("the host replied to something else")
}

impl Outside {
    pub(crate) fn here(here: Here) -> Self {
        Self { by: By::Here(here), begun: Arc::default() }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn parent(link: Link) -> Self {
        Self { by: By::Parent(link), begun: Arc::default() }
    }

    /// Requests and commands that were begun so far.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) async fn send(
        &self,
        request: HttpRequest,
    ) -> wasmtime::Result<Result<HttpResponse, Refused>> {
        match self.perform(Effect::Send(request)).await? {
            Reply::Send(sent) => Ok(sent),
            _ => Err(mistaken()),
        }
    }

    pub(crate) async fn command(
        &self,
        argv: Vec<String>,
    ) -> wasmtime::Result<Result<Bytes, commands::Error>> {
        match self.perform(Effect::Command { argv }).await? {
            Reply::Command(output) => Ok(output),
            _ => Err(mistaken()),
        }
    }

    pub(crate) async fn cache_get(&self, key: String) -> wasmtime::Result<Option<Bytes>> {
        match self.perform(Effect::CacheGet { key }).await? {
            Reply::CacheGet(value) => Ok(value),
            _ => Err(mistaken()),
        }
    }

    pub(crate) async fn cache_put(
        &self,
        key: String,
        value: Bytes,
        ttl_ms: u64,
    ) -> wasmtime::Result<Result<(), cache::Error>> {
        match self.perform(Effect::CachePut { key, value, ttl_ms }).await? {
            Reply::CachePut(put) => Ok(put),
            _ => Err(mistaken()),
        }
    }

    pub(crate) async fn cache_remove(&self, key: String) -> wasmtime::Result<()> {
        match self.perform(Effect::CacheRemove { key }).await? {
            Reply::CacheRemove => Ok(()),
            _ => Err(mistaken()),
        }
    }

    async fn perform(&self, effect: Effect) -> wasmtime::Result<Reply> {
        if matches!(effect, Effect::Command { .. } | Effect::Send(_)) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        match &self.by {
            By::Here(here) => Ok(here.perform(effect).await),
            #[cfg(target_os = "linux")]
            By::Parent(link) => link.ask(effect).await,
        }
    }
}

/// Does what one call asks for, as the store's grants and limits say.
#[derive(Clone)]
pub(crate) struct Here {
    shared: Arc<Shared>,
    record: Arc<Record>,
}

impl Here {
    /// For a call whose time begins now.
    pub(crate) fn begin(shared: &Arc<Shared>, requests_max: usize) -> Self {
        let record = Arc::new(Record::begin(requests_max, &shared.limits));
        Self { shared: Arc::clone(shared), record }
    }

    /// Waits for what an instance is asked, until the time of the call is up.
    pub(crate) async fn within<T>(
        &self,
        acting: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Cause> {
        let mut acting = std::pin::pin!(acting);
        match tokio::time::timeout_at(self.record.budget.deadline(), acting.as_mut()).await {
            Ok(answer) => answer,
            // Asked while it is still there: what it waits for is forgotten when it is dropped.
            Err(_) => {
                let (after, waiting) = (self.shared.limits.call, self.record.waits());
                Err(Cause::Deadline { after, waiting })
            }
        }
    }

    /// What became of the call.
    pub(crate) fn ran<T>(&self, answer: Result<T, Cause>, sights: Vec<Sight>, log: Log) -> Ran<T> {
        self.shared.directories.incidents(sights).for_each(|incident| self.record.add(incident));
        let (incidents, unanswered) = (self.record.take(), self.record.budget.unanswered());
        let requests = self.record.budget.taken();
        Ran { answer, incidents, unanswered, log, requests, usage: None }
    }

    pub(crate) async fn perform(&self, effect: Effect) -> Reply {
        let cache = &self.shared.cache;
        match effect {
            Effect::CacheGet { key } => Reply::CacheGet(cache.get(&key, Instant::now())),
            Effect::CachePut { key, value, ttl_ms } => {
                let ttl = Duration::from_millis(ttl_ms);
                Reply::CachePut(cache.put(key, value, ttl, Instant::now()))
            }
            Effect::CacheRemove { key } => {
                cache.remove(&key);
                Reply::CacheRemove
            }
            Effect::Command { argv } => Reply::Command(self.command(argv).await),
            Effect::Send(request) => Reply::Send(self.send(request).await),
        }
    }

    async fn command(&self, argv: Vec<String>) -> Result<Bytes, commands::Error> {
        let permit = match self.shared.grants.command(argv) {
            Ok(permit) => permit,
            Err(denied) => {
                self.record.add(Incident::Denied(denied));
                return Err(commands::Error::Denied);
            }
        };
        let environment = self.shared.grants.environment([]);
        let _waiting = self.record.wait();
        command::run(permit, &environment).await
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Refused> {
        if !self.record.budget.take() {
            return Err(Refused::TooManyRequests);
        }
        let HttpRequest { method, url, headers, body, timeout_ms } = request;
        let outgoing = Outgoing {
            method,
            url,
            headers: headers.into_iter().map(|(name, value)| (name, value.take())).collect(),
            body: body.into(),
            timeout: timeout_ms.map(Duration::from_millis),
        };
        let _waiting = self.record.wait();
        let _place = self.record.places.acquire().await.expect("nobody closes it");
        let Incoming { status, headers, body } =
            self.shared.gate.send(outgoing, &self.record.budget).await.map_err(
                |error| match error {
                    SendError::Incident(incident) => {
                        self.record.add(incident);
                        Refused::Denied
                    }
                    SendError::InvalidRequest(why) => Refused::InvalidRequest(why),
                    SendError::MalformedResponse => Refused::MalformedResponse,
                    SendError::Timeout => Refused::Timeout,
                    SendError::Tls(fault, incident) => {
                        self.record.add(incident);
                        Refused::Tls { certificate: fault.certificate() }
                    }
                    SendError::TooLarge(bytes_max) => Refused::TooLarge(bytes_max as u64),
                    SendError::Unreachable => Refused::Unreachable,
                    SendError::Unresolved => Refused::Unresolved,
                },
            )?;
        let headers = headers.into_iter().map(|(name, value)| (name, Bytes::new(value))).collect();
        Ok(HttpResponse { status, headers, body: Bytes::new(body) })
    }
}
