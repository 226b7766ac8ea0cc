//! The entry point of a bundle: a WASI command that runs in the sandbox, with files that are in memory
//! and nowhere else. It reaches no directory, no network and no variable of the machine; what it is given
//! and what it leaves behind are values.

mod files;
mod filesystem;

use crate::engine::Purpose;
use crate::error::LoadError;
use crate::host::Host;
use crate::imports::clocks::{Calendar, SinceCall};
use crate::limiter::Limiter;
use crate::limits;
use crate::text;
use bytes::Bytes;
use filesystem::Shared;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, InstancePre, Linker, ResourceTable};
use wasmtime::{Store, Trap};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::{CommandPre, cli, clocks, random};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError, StreamResult};
use zeroize::Zeroizing;

pub use files::{Files, FilesError};
#[expect(
    unreachable_pub,
    reason = "the generated bindings name these types and are public themselves"
)]
pub use filesystem::{Descriptor, Entries};

/// A WASI command that was loaded.
#[derive(Clone)]
pub struct EntryPoint {
    host: Host,
    command: Arc<CommandPre<State>>,
}

/// What one run of an entry point is given.
pub struct Run {
    /// The arguments, the program's name first.
    pub arguments: Vec<String>,
    /// The environment, and nothing of the machine's.
    pub environment: Vec<(String, Zeroizing<String>)>,
    /// The files that it finds.
    pub files: Files,
    /// Where its standard output goes.
    pub stdout: Box<dyn Write + Send>,
    /// Where its standard error goes.
    pub stderr: Box<dyn Write + Send>,
    /// How long it may take.
    pub deadline: Duration,
    /// Bytes of linear memory that it may use, all its memories together.
    pub memory_bytes_max: usize,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// 0 if it succeeded.
    pub exit_code: i32,
    /// The files as it left them.
    pub files: Files,
}

/// Why a run did not end by itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It stopped in the middle.
    #[error("the entry point crashed: {0}")]
    Crashed(String),
    /// The time was up.
    #[error("the entry point was still running after {}", humantime::format_duration(*.0))]
    Deadline(Duration),
}

impl Host {
    /// Loads the entry point of a bundle. Nothing of it runs.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says why it is no WASI command that can be run.
    pub fn entry_point(&self, bytes: &[u8]) -> Result<EntryPoint, LoadError> {
        if bytes.len() > limits::COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: bytes.len() });
        }
        if !bytes.starts_with(b"\0asm") {
            return Err(LoadError::NotWasm);
        }
        if wasmparser::Parser::is_core_wasm(bytes) {
            return Err(LoadError::CoreModule);
        }
        let contract =
            |error: wasmtime::Error| LoadError::Contract(text::escape(&format!("{error:#}")));
        let digest = crate::component::digest_of(bytes);
        let engine = &self.0.entry_points;
        let component = self.0.compile(engine, Purpose::EntryPoint, bytes, &digest)?;
        let mut linker = Linker::new(engine);
        link(&mut linker).map_err(contract)?;
        let pre: InstancePre<State> = linker.instantiate_pre(&component).map_err(contract)?;
        let command = CommandPre::new(pre).map_err(contract)?;
        Ok(EntryPoint { host: self.clone(), command: Arc::new(command) })
    }
}

impl EntryPoint {
    /// Runs the entry point to its end.
    ///
    /// # Errors
    ///
    /// [`RunError`] if it did not end by itself. What it wrote to its files is lost then.
    pub async fn run(&self, run: Run) -> Result<Finished, RunError> {
        let Run { arguments, environment, files, stdout, stderr, deadline, memory_bytes_max } = run;
        let _running = self.host.0.ticker.run();
        let mut wasi = WasiCtx::builder();
        wasi.args(&arguments)
            .stdout(Output::new(stdout))
            .stderr(Output::new(stderr))
            .max_random_size(limits::RANDOM_BYTES_MAX)
            .monotonic_clock(SinceCall::start())
            .wall_clock(Calendar)
            .allow_ip_name_lookup(false)
            .allow_tcp(false)
            .allow_udp(false);
        for (name, value) in &environment {
            wasi.env(name, value.as_str());
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES_MAX);
        let limiter = Limiter::new(memory_bytes_max);
        let files = Arc::new(Mutex::new(files));
        let state = State { wasi: wasi.build(), table, limiter, files: Arc::clone(&files) };
        let mut store = Store::new(&self.host.0.entry_points, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits::CROSSING_TOTAL_BYTES_MAX);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let ended = tokio::time::timeout(deadline, async {
            let command = self.command.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        })
        .await;
        // Everything that holds a file goes with the store; what is left is ours alone.
        drop(store);
        let exit_code = match ended {
            Ok(Ok(Ok(()))) => 0,
            Ok(Ok(Err(()))) => 1,
            Ok(Err(error)) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => *code,
                None => return Err(RunError::Crashed(crash(&error))),
            },
            Err(_) => return Err(RunError::Deadline(deadline)),
        };
        let files =
            std::mem::take(&mut *files.lock().expect("nothing panics while it holds this lock"));
        Ok(Finished { exit_code, files })
    }
}

impl fmt::Debug for EntryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryPoint").finish_non_exhaustive()
    }
}

/// Shows nothing of the environment and the files.
impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

fn crash(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it gave up (a panic, or no memory left)".into(),
        Some(trap) => trap.to_string(),
        None => text::escape(&format!("{error:#}")),
    }
}

/// What one run works on.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limiter: Limiter,
    files: Shared,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links what a WASI command expects, with files in memory and without sockets.
fn link(l: &mut Linker<State>) -> wasmtime::Result<()> {
    use crate::bindings::files::wasi::filesystem;
    use wasmtime::component::HasSelf;
    use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
    use wasmtime_wasi::random::{WasiRandom, WasiRandomView as _};
    use wasmtime_wasi_io::bindings::wasi::io;

    io::error::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, State::random)?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, State::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    filesystem::types::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    filesystem::preopens::add_to_linker::<_, HasSelf<State>>(l, |state| state)
}

/// A standard stream that goes to a writer of the embedder's. Writing to it does not wait: the writer is
/// expected to take what it is given, as a terminal or a file does. So nothing is queued either; the
/// engine's own stream keeps every write, empty ones included, until another task comes to it.
#[derive(Clone)]
struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Output {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    fn with(&self, act: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> StreamResult<()> {
        let done = match self.0.lock() {
            Ok(mut writer) => act(&mut **writer),
            Err(_) => Err(io::Error::other("the writer panicked")),
        };
        done.map_err(|error| StreamError::LastOperationFailed(error.into()))
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // For WASI 0.3, which is not linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.with(|writer| writer.write_all(&bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.with(|writer| writer.flush())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::OUTPUT_WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers each write.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<usize>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn output_is_written_at_once_and_never_queued() {
        let written = Written::default();
        // There is no runtime here that a task could come to it on.
        let mut stream = Output::new(Box::new(written.clone())).p2_stream();
        for _ in 0..1000 {
            stream.write(Bytes::new()).unwrap();
        }
        assert_eq!(*written.0.lock().unwrap(), [0; 0]);
        stream.write(Bytes::from_static(b"line")).unwrap();
        assert_eq!(*written.0.lock().unwrap(), [4]);
        assert_eq!(stream.check_write().unwrap(), limits::OUTPUT_WRITE_BYTES_MAX);
    }
}
