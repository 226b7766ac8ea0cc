//! The workers of one store: started when the first call comes, used for one call after the other and
//! several at a time, and replaced when they are gone. What a worker asks for is decided and done here.
//!
//! Nothing that a worker says is believed. A message that no worker sends ends it, and every wait for it
//! has an end.

use super::link::cost_kib;
use super::message::{self, Frame, FromWorker, LENGTH_BYTES, Ready, Setup, Shown, ToWorker, Work};
use super::process::{self, End, Launcher, Process};
use crate::asked::{Answered, ToInstance};
use crate::component::Capabilities;
use crate::error::Cause;
use crate::imports::{Effect, Here, Log, Logged, Shared, Sight};
use crate::limits::{self, Limits};
use crate::observed::Usage;
use crate::sandbox::{Failure, Ran};
use crate::text;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustix::fd::OwnedFd;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

/// The workers of one store, one at a time.
pub(crate) struct Workers {
    launcher: Arc<Launcher>,
    store: Arc<str>,
    setup: Setup,
    directories: Vec<OwnedFd>,
    code: Arc<[u8]>,
    current: tokio::sync::Mutex<Current>,
}

#[derive(Default)]
struct Current {
    worker: Option<Arc<Worker>>,
    /// When workers died, of late.
    deaths: VecDeque<Instant>,
}

/// What the workers of a store are made of.
pub(crate) struct Made {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) store: Arc<str>,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    /// The settings that the plugin may see.
    pub(crate) settings: Vec<(String, String)>,
    /// The granted directories, as the guest sees them.
    pub(crate) directories: Vec<(OwnedFd, Shown)>,
    pub(crate) code: Arc<[u8]>,
    /// Whether instructions are counted.
    pub(crate) metered: bool,
}

impl Workers {
    /// None is started yet.
    pub(crate) fn new(made: Made) -> Self {
        let Made { launcher, store, capabilities, limits, settings, directories, code, metered } =
            made;
        let (directories, shown) = directories.into_iter().unzip();
        let (memory, concurrency) = (limits.memory as u64, limits.concurrency as u64);
        let setup = Setup {
            parent: std::process::id(),
            writer: capabilities.writer,
            lister: capabilities.lister,
            bytes: code.len() as u64,
            memory_bytes: limits::WORKER_BYTES
                + concurrency * (memory + limits::WORKER_INSTANCE_BYTES),
            work: Work::Run {
                memory,
                body: limits.body as u64,
                concurrency,
                settings,
                directories: shown,
            },
            metered,
        };
        Self { launcher, store, setup, directories, code, current: Default::default() }
    }

    /// Asks one fresh instance in a worker, within the time of a call. Starting the worker is not counted.
    ///
    /// One that goes away before the call began was not asked anything, as far as the plugin and the
    /// world can tell; so another one is.
    pub(crate) async fn ask(&self, shared: &Arc<Shared>, instance: ToInstance) -> Ran<Answered> {
        let mut unbegun = Cause::Host("no worker was to be had".into());
        for _ in 0..=limits::WORKER_DEATHS_MAX {
            let worker = match self.worker().await {
                Ok(worker) => worker,
                Err(cause) => return Ran::failed(cause),
            };
            let here = Here::begin(shared, instance.requests_max);
            match here.within(worker.ask(&here, &instance)).await {
                Ok(Attempt::Over { answer, sights, log, usage }) => {
                    let ran = here.ran(answer.map_err(Cause::from), sights, log.into());
                    return Ran { usage, ..ran };
                }
                Ok(Attempt::Unbegun(cause)) => unbegun = cause,
                Err(cause) => return here.ran(Err(cause), Vec::new(), Log::unknown()),
            }
        }
        Ran::failed(unbegun)
    }

    /// The worker in use, or a new one if that is gone.
    async fn worker(&self) -> Result<Arc<Worker>, Cause> {
        let mut current = self.current.lock().await;
        if let Some(worker) = &current.worker {
            if worker.serves() {
                return Ok(Arc::clone(worker));
            }
            if !worker.is_retired() {
                let cause = worker.death().await;
                self.count(&mut current.deaths, &cause)?;
            }
        }
        current.worker = None;
        let started = tokio::time::timeout(limits::WORKER_START_MAX, self.start());
        let worker = match started.await {
            Ok(Ok(worker)) => worker,
            Ok(Err(why)) => return Err(Cause::Host(format!("its worker did not start: {why}"))),
            Err(_) => return Err(Cause::Host("its worker did not start in time".into())),
        };
        current.worker = Some(Arc::clone(&worker));
        Ok(worker)
    }

    /// Workers that die again and again are not started for ever.
    fn count(&self, deaths: &mut VecDeque<Instant>, cause: &Cause) -> Result<(), Cause> {
        let now = Instant::now();
        tracing::warn!(store = &*self.store, "the store's worker is gone: {cause}");
        deaths.retain(|death| now.duration_since(*death) < limits::WORKER_DEATHS_WITHIN);
        if deaths.len() >= limits::WORKER_DEATHS_MAX {
            tracing::warn!(store = &*self.store, "it died too often to be started again now");
            return Err(cause.clone());
        }
        deaths.push_back(now);
        Ok(())
    }

    async fn start(&self) -> Result<Arc<Worker>, String> {
        let said = |error: io::Error| error.to_string();
        let (process, socket) = self.launcher.launch(&self.directories).map_err(said)?;
        socket.set_nonblocking(true).map_err(said)?;
        let mut socket = UnixStream::from_std(socket).map_err(said)?;
        let setup = message::encode(&self.setup).map_err(|_| "its settings are too large")?;
        let written = async {
            socket.write_all(&setup).await?;
            socket.write_all(&self.code).await
        };
        // A worker that cannot go on says why before it ends.
        let written = written.await;
        let ready = read(&mut socket).await;
        match ready.as_ref().ok().and_then(|frame| message::decode(frame)) {
            Some(Ready::Running) => written.map_err(said)?,
            Some(Ready::Unfenced(why) | Ready::Unfit(why)) => return Err(text::escape(&why)),
            Some(Ready::Compiled(_) | Ready::Uncompilable(_)) | None => {
                return Err(match process::end(process.ended().await) {
                    End::Aborted => format!("it {ABORTED}"),
                    End::Died(how) => format!("it {how}"),
                    End::Killed => "it was killed".into(),
                    End::Limit(limit) => format!("it went beyond the limit of {limit}"),
                });
            }
        }
        Ok(Worker::serve(process, socket))
    }
}

/// What became of asking a worker.
enum Attempt {
    Over {
        answer: Result<Answered, Failure>,
        sights: Vec<Sight>,
        log: Logged,
        usage: Option<Usage>,
    },
    /// It was gone before the call began, for this reason.
    Unbegun(Cause),
}

/// One process and the calls in it.
struct Worker {
    process: Arc<Process>,
    calls: Arc<Calls>,
    outgoing: mpsc::Sender<Frame>,
    tasks: [AbortHandle; 2],
}

/// The calls of a worker, by number.
#[derive(Default)]
struct Calls {
    open: Mutex<Open>,
    /// Whether no further call is made: one was given up, and what it left is not known.
    retired: AtomicBool,
    /// Why the worker is gone.
    death: OnceLock<Cause>,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// What a call is told. Gone when the worker is.
    inboxes: HashMap<u64, mpsc::Sender<(FromWorker, u32)>>,
    closed: bool,
}

impl Worker {
    fn serve(process: Process, socket: UnixStream) -> Arc<Self> {
        let (process, calls) = (Arc::new(process), Arc::new(Calls::default()));
        let (reading, writing) = socket.into_split();
        // One waits at most: a worker that does not read would have coffer keep answers for it.
        let (outgoing, frames) = mpsc::channel(1);
        let listening = listen(reading, Arc::clone(&calls), Arc::clone(&process));
        let tasks = [
            tokio::spawn(listening).abort_handle(),
            tokio::spawn(write(writing, frames)).abort_handle(),
        ];
        Arc::new(Self { process, calls, outgoing, tasks })
    }

    fn serves(&self) -> bool {
        !self.is_retired() && self.calls.death.get().is_none() && self.process.runs()
    }

    fn is_retired(&self) -> bool {
        self.calls.retired.load(Ordering::SeqCst)
    }

    /// Why it is gone.
    async fn death(&self) -> Cause {
        if self.calls.death.get().is_none() {
            let cause = cause(process::end(self.process.ended().await));
            let _ = self.calls.death.set(cause);
        }
        self.process.end();
        self.calls.death.get().expect("it was set if it was not there").clone()
    }

    /// Ends it for something that no worker does.
    async fn condemn(&self, what: &str) -> Cause {
        let _ = self.calls.death.set(lied(what));
        self.death().await
    }

    async fn ask(self: &Arc<Self>, here: &Here, instance: &ToInstance) -> Result<Attempt, Cause> {
        // That it begins, what it used and that it is over, and what it may ask for meanwhile.
        let (inbox, mut messages) = mpsc::channel(limits::EFFECTS_MAX as usize + 3);
        let call = match self.calls.open(inbox) {
            Some(call) => call,
            None if self.is_retired() => return Ok(Attempt::Unbegun(retired())),
            None => return Ok(Attempt::Unbegun(self.death().await)),
        };
        let mut given_up = GivenUp { worker: self, call, over: false };
        // What there is no message for cannot be asked of another one, either; and one that is gone by
        // now says so below.
        let frame = encoded(&ToWorker::Call { call, instance })?;
        let _ = self.outgoing.send(frame).await;
        let mut effects = FuturesUnordered::new();
        let mut cost_kib = 0;
        let mut begun = false;
        let mut used = None;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    None => {
                        let cause = self.death().await;
                        // What one that lied has done is not known.
                        let lied = matches!(cause, Cause::Contract(_));
                        return if begun || lied { Err(cause) } else { Ok(Attempt::Unbegun(cause)) };
                    }
                    Some((FromWorker::Begun { .. }, _)) => begun = true,
                    Some((FromWorker::Used { usage, .. }, _)) => used = Some(usage),
                    Some((FromWorker::Ended { answer, sights, log, .. }, _)) => {
                        given_up.over = true;
                        return Ok(Attempt::Over { answer, sights, log, usage: used });
                    }
                    Some((FromWorker::Effect { number, effect, .. }, cost)) => {
                        begun = true;
                        cost_kib += cost;
                        if cost_kib > limits::EFFECTS_KIB_MAX {
                            return Err(self.condemn("asked for too much at once").await);
                        }
                        effects.push(perform(here, number, effect, cost));
                    }
                },
                Some((number, reply, cost)) = effects.next() => {
                    cost_kib -= cost;
                    let frame = encoded(&ToWorker::Reply { call, number, reply })?;
                    // One that is gone is noticed above.
                    let _ = self.outgoing.send(frame).await;
                }
            }
        }
    }
}

fn encoded(message: &ToWorker<&ToInstance>) -> Result<Frame, Cause> {
    // What is asked for and what a backend answers is within the limits of a store, which are less.
    message::encode(message)
        .map_err(|_| Cause::Host("more was to be handed to its worker than that takes".into()))
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.process.end();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// How a process gives up that has no memory left.
const ABORTED: &str = "gave up, as it does when it has no memory left";

async fn perform(
    here: &Here,
    number: u64,
    effect: Effect,
    cost: u32,
) -> (u64, crate::imports::Reply, u32) {
    (number, here.perform(effect).await, cost)
}

/// A call that ends before it is over leaves an instance behind of which nobody knows what it does. The
/// worker is told, makes no further call, and ends with the calls that it has.
struct GivenUp<'w> {
    worker: &'w Worker,
    call: u64,
    over: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let Self { worker, call, over } = *self;
        if !over && worker.calls.death.get().is_none() {
            worker.calls.retired.store(true, Ordering::SeqCst);
            if let Ok(frame) = encoded(&ToWorker::Cancel { call }) {
                // If there is no room, it is not told, and ends all the same.
                let _ = worker.outgoing.try_send(frame);
            }
        }
        let mut open = worker.calls.lock();
        open.inboxes.remove(&call);
        if worker.is_retired() && open.inboxes.is_empty() {
            worker.process.end();
        }
    }
}

impl Calls {
    fn open(&self, inbox: mpsc::Sender<(FromWorker, u32)>) -> Option<u64> {
        let mut open = self.lock();
        // It may have been retired since it was looked at, and without a call it was ended then.
        if open.closed || self.retired.load(Ordering::SeqCst) {
            return None;
        }
        let call = open.next;
        open.next += 1;
        open.inboxes.insert(call, inbox);
        Some(call)
    }

    /// Gives a message to the call that it is about.
    fn deliver(&self, frame: &[u8]) -> Result<(), &'static str> {
        let message: FromWorker = message::decode(frame).ok_or("sent what is no message")?;
        let (FromWorker::Begun { call }
        | FromWorker::Effect { call, .. }
        | FromWorker::Ended { call, .. }
        | FromWorker::Used { call, .. }) = message;
        let open = self.lock();
        match open.inboxes.get(&call) {
            Some(inbox) => inbox
                .try_send((message, cost_kib(frame.len())))
                .map_err(|_| "asked for too much at once"),
            None if call >= open.next => Err("spoke of a call that there is not"),
            None if self.retired.load(Ordering::SeqCst) => Ok(()),
            None => Err("spoke of a call that is over"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nothing panics while it holds this lock")
    }
}

/// Ends every call of a worker that nobody listens to any more.
struct Closed(Arc<Calls>);

impl Drop for Closed {
    fn drop(&mut self) {
        // Unless it is known why: a runtime ends what it served.
        let _ =
            self.0.death.set(Cause::Host("the runtime that served its worker has ended".into()));
        let mut open = self.0.lock();
        open.closed = true;
        open.inboxes.clear();
    }
}

async fn listen(mut socket: OwnedReadHalf, calls: Arc<Calls>, process: Arc<Process>) {
    let calls = Closed(calls);
    let death = loop {
        match read(&mut socket).await {
            Ok(frame) => {
                if let Err(what) = calls.0.deliver(&frame) {
                    break lied(what);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                break lied("sent a message that is too long");
            }
            Err(_) => break cause(process::end(process.ended().await)),
        }
    };
    let _ = calls.0.death.set(death);
    process.end();
}

async fn write(mut socket: OwnedWriteHalf, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        if socket.write_all(&frame).await.is_err() {
            break;
        }
    }
}

/// Reads one message, without its length.
pub(super) async fn read(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut prefix = [0; LENGTH_BYTES];
    socket.read_exact(&mut prefix).await?;
    let length = message::length(prefix).ok_or(io::ErrorKind::InvalidData)?;
    let mut frame = Zeroizing::new(vec![0; length]);
    socket.read_exact(&mut frame).await?;
    Ok(frame)
}

/// A worker does what the plugin makes it do, once that has taken it over.
fn lied(what: &str) -> Cause {
    Cause::Contract(format!("its worker {what}"))
}

/// Why a worker takes no call that has another one with it.
fn retired() -> Cause {
    Cause::Host("its workers were given up one after the other".into())
}

fn cause(end: End) -> Cause {
    match end {
        End::Aborted => Cause::Trap(format!("its worker {ABORTED}")),
        End::Died(how) => Cause::Trap(format!("its worker {how}")),
        End::Killed => Cause::Host("its worker was killed".into()),
        End::Limit(limit) => Cause::Limit { limit: limit.into() },
    }
}
