//! What a worker does: it takes what it is given, closes itself in, and only then reads what a plugin's
//! author made. It is one thread that runs instances, and what the engine and the files need beside it.

use super::fence::{self, Bounds, Opening};
use super::link::{Link, Parent, Sent};
use super::message::{self, Frame, FromWorker, Ready, Setup, Shown, ToWorker, Work, encode};
use crate::asked::{Answered, Asked, Given, ToInstance};
use crate::engine::{self, Ticker};
use crate::imports::{self, Confines, Log, Outside, Sight, State};
use crate::limits::{self, Limits};
use crate::observed::Usage;
use crate::sandbox::{Failure, Instance, Prepared};
use crate::secret::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::{FsPerms, WasiCtx};

/// Stands for whoever took the worker over: is told the keys of references, in the place of the plugin,
/// and answers. Only a program whose own `main` brings one has it.
pub(super) type Escape = fn(&str) -> Vec<u8>;

/// Does what a worker does, to its end. Whoever started it sees that it ended and how; there is nothing
/// else to tell, and nobody to tell it to.
pub(super) fn run(escape: Option<Escape>) -> ! {
    let code = i32::from(work(escape).is_none());
    std::process::exit(code)
}

fn work(escape: Option<Escape>) -> Option<()> {
    close_others();
    set_parent_process_death_signal(Some(Signal::KILL)).ok()?;
    let socket =
        std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let directories = descriptors(&socket).ok()?;
    socket.set_nonblocking(true).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::WORKER_THREADS_MAX)
        .build()
        .ok()?;
    let socket = {
        let _within = runtime.enter();
        UnixStream::from_std(socket).ok()?
    };
    let mut worker = Beginning { runtime, socket, escape };
    let frame = worker.read_message().ok()?;
    let setup: Setup = message::decode(&frame)?;
    drop(frame);
    // It could have gone before the kernel was asked to say so.
    if getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs()) != Some(setup.parent) {
        return None;
    }
    worker.begin(setup, &directories)
}

/// Closes whatever else was open in the process that this one came from.
fn close_others() {
    #[expect(
        unsafe_code,
        reason = "nothing but the standard streams is in use yet, and those are left open"
    )]
    // That it failed would mean that the kernel is older than what the fence needs.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

/// The granted directories, which come one by one before everything else.
fn descriptors(socket: &std::os::unix::net::UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut more = [0];
        let buffers = &mut [IoSliceMut::new(&mut more)];
        let received = recvmsg(socket, buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 || more[0] == 0 {
            return Ok(descriptors);
        }
    }
}

/// A worker that is not closed in yet, or not at work.
struct Beginning {
    runtime: Runtime,
    socket: UnixStream,
    escape: Option<Escape>,
}

impl Beginning {
    fn begin(mut self, setup: Setup, directories: &[OwnedFd]) -> Option<()> {
        let Setup { parent: _, writer, lister, bytes, memory_bytes, work, metered } = setup;
        let (instances, cpu_s) = match &work {
            Work::Compile { cpu_s } => (1, Some(*cpu_s)),
            Work::Run { concurrency, .. } => (u32::try_from(*concurrency).ok()?, None),
        };
        let descriptors =
            limits::HANDLES_MAX as u64 * u64::from(instances) + limits::WORKER_THREADS_MAX as u64;
        let file_bytes = limits::WORKER_FILE_BYTES_MAX;
        let bounds = Bounds { memory_bytes, cpu_s, descriptors, file_bytes };
        // All that opens something by a path, or a descriptor of another kind.
        let engine = engine::plugins(instances, metered).ok()?;
        let (shown, confines) = confines(&work, directories, metered)?;
        let openings: Vec<Opening<'_>> = directories
            .iter()
            .zip(&shown)
            .map(|(directory, shown)| Opening {
                directory: directory.as_fd(),
                writable: shown.writable,
            })
            .collect();
        if let Err(why) = fence::close_in(&openings, bounds) {
            return self.say(&Ready::Unfenced(why));
        }
        // From here on what is read may be anything.
        if bytes > limits::COMPILED_BYTES_MAX {
            return None;
        }
        let mut input = vec![0; usize::try_from(bytes).ok()?];
        self.runtime.block_on(self.socket.read_exact(&mut input)).ok()?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).ok()?;
        match confines {
            None => self.compile(&engine, &linker, &input, writer, lister),
            Some(confines) => {
                let component = crate::compiled::component_of_worker(&engine, &input).ok()?;
                drop(input);
                let prepared = match Prepared::new(&linker, &component, writer, lister) {
                    Ok(prepared) => prepared,
                    Err(error) => return self.say(&Ready::Unfit(error.to_string())),
                };
                let ticker = Ticker::start(vec![engine.clone()]).ok()?;
                if let Err(why) = fence::seal() {
                    return self.say(&Ready::Unfenced(why));
                }
                self.say(&Ready::Running)?;
                let Self { runtime, socket, escape } = self;
                let inside = Inside { engine, prepared, ticker, confines, escape };
                runtime.block_on(inside.serve(socket))
            }
        }
    }

    fn compile(
        mut self,
        engine: &Engine,
        linker: &Linker<State>,
        bytes: &[u8],
        writer: bool,
        lister: bool,
    ) -> Option<()> {
        let component = match Component::from_binary(engine, bytes) {
            Ok(component) => component,
            Err(error) => return self.say(&Ready::Uncompilable(format!("{error:#}"))),
        };
        if let Err(error) = Prepared::new(linker, &component, writer, lister) {
            return self.say(&Ready::Unfit(error.to_string()));
        }
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => return self.say(&Ready::Uncompilable(format!("{error:#}"))),
        };
        self.say(&Ready::Compiled(code.len() as u64))?;
        self.runtime.block_on(self.socket.write_all(&code)).ok()
    }

    fn read_message(&mut self) -> io::Result<Frame> {
        self.runtime.block_on(super::workers::read(&mut self.socket))
    }

    fn say(&mut self, ready: &Ready) -> Option<()> {
        let frame = encode(ready).ok()?;
        self.runtime.block_on(self.socket.write_all(&frame)).ok()
    }
}

/// What instances are given, and how their directories are shown; nothing in a worker that compiles.
fn confines(
    work: &Work,
    directories: &[OwnedFd],
    metered: bool,
) -> Option<(Vec<Shown>, Option<Arc<Confines>>)> {
    let Work::Run { memory, body, concurrency, settings, directories: shown } = work else {
        return Some((Vec::new(), None));
    };
    let size = |size: &u64| usize::try_from(*size).ok();
    let limits = Limits {
        memory: size(memory)?,
        body: size(body)?,
        concurrency: size(concurrency)?,
        // Times, values and requests are counted by the parent.
        ..Limits::default()
    };
    let mut builder = WasiCtx::builder();
    for (directory, shown) in directories.iter().zip(shown) {
        let access = if shown.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        // The directory that was opened, and not whatever has its name by now.
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        builder.preopened_dir(path, &shown.guest, access).ok()?;
    }
    let directories = builder.build().filesystem().clone();
    let confines = Confines { limits, settings: settings.clone(), directories, metered };
    Some((shown.clone(), Some(Arc::new(confines))))
}

/// A worker at work.
struct Inside {
    engine: Engine,
    prepared: Prepared,
    ticker: Ticker,
    confines: Arc<Confines>,
    escape: Option<Escape>,
}

impl Inside {
    async fn serve(self, socket: UnixStream) -> Option<()> {
        let (mut reading, mut writing) = socket.into_split();
        let (outgoing, mut frames) = mpsc::channel::<Sent>(16);
        let parent = Arc::new(Parent::new(outgoing));
        tokio::spawn(async move {
            while let Some((frame, written)) = frames.recv().await {
                if writing.write_all(&frame).await.is_err() {
                    break;
                }
                if let Some(written) = written {
                    let _ = written.send(());
                }
            }
        });
        let (received, mut messages) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok(frame) = super::workers::read(&mut reading).await {
                let Some(message) = message::decode::<ToWorker>(&frame) else { break };
                if received.send(message).await.is_err() {
                    break;
                }
            }
        });
        let mut calls = FuturesUnordered::new();
        let mut cancel: HashMap<u64, AbortHandle> = HashMap::new();
        loop {
            tokio::select! {
                // Without a parent there is nothing to do.
                message = messages.recv() => match message? {
                    ToWorker::Call { call, instance } => {
                        let (handle, registration) = AbortHandle::new_pair();
                        cancel.insert(call, handle);
                        let link = Link::new(call, Arc::clone(&parent));
                        let acting = self.call(link, instance);
                        calls.push(async move { (call, Abortable::new(acting, registration).await) });
                    }
                    ToWorker::Cancel { call } => {
                        if let Some(handle) = cancel.get(&call) {
                            handle.abort();
                        }
                    }
                    ToWorker::Reply { call, number, reply } => parent.replied(call, number, reply),
                },
                Some((call, ended)) = calls.next() => {
                    cancel.remove(&call);
                    // Nobody waits for one that was cancelled.
                    if let Ok((answer, sights, log, usage)) = ended {
                        if let Some(usage) = usage {
                            let used = encode(&FromWorker::Used { call, usage }).ok()?;
                            parent.outgoing.send((used, None)).await.ok()?;
                        }
                        let ending = ending(call, answer, sights, log)?;
                        parent.outgoing.send((ending, None)).await.ok()?;
                    }
                }
            }
        }
    }

    async fn call(
        &self,
        link: Link,
        instance: ToInstance,
    ) -> (Result<Answered, Failure>, Vec<Sight>, Log, Option<Usage>) {
        if link.begin().await.is_none() {
            let gone = Failure::Host("coffer is gone".into());
            return (Err(gone), Vec::new(), Log::default(), None);
        }
        // Requests are counted by the parent.
        let ToInstance { asked, variables, crossing_bytes, requests_max: _ } = instance;
        if let (Some(escape), Asked::Resolve { references }) = (self.escape, &asked) {
            let given = |key: &str| {
                Ok(Given { value: Bytes::new(escape(key)), version: None, expires_at: None })
            };
            let answers = references.iter().map(|reference| given(&reference.key)).collect();
            return (Ok(Answered::Resolve(answers)), Vec::new(), Log::default(), None);
        }
        let _running = self.ticker.run();
        let state = State::new(Arc::clone(&self.confines), Outside::parent(link), &variables);
        drop(variables);
        let mut instance = Instance::new(&self.engine, &self.prepared, state, crossing_bytes);
        let answer = instance.ask(asked).await;
        let usage = self.confines.metered.then(|| instance.usage());
        (answer, instance.take_sights(), instance.take_log(), usage)
    }
}

/// The last message of a call.
fn ending(
    call: u64,
    answer: Result<Answered, Failure>,
    sights: Vec<Sight>,
    log: Log,
) -> Option<Frame> {
    let ended = FromWorker::Ended { call, answer, sights, log: log.into() };
    encode(&ended)
        .or_else(|_| {
            let answer = Err(Failure::Limit("bytes handed to the host at once".into()));
            let (sights, log) = (Vec::new(), Log::default().into());
            encode(&FromWorker::Ended { call, answer, sights, log })
        })
        .ok()
}
