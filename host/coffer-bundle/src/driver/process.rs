//! A native program in a process group of its own: fed, read and timed at once, and ended as a whole.

use super::{DriverError, limits};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Bytes that are read from a pipe at once: what Linux keeps in one.
const PIECE_BYTES: usize = 64 << 10;

/// A program that was found, and what it is given.
pub(super) struct Program {
    name: String,
    command: Command,
    input: Option<Zeroizing<Vec<u8>>>,
}

/// Where what a program writes goes.
pub(super) enum Sink {
    /// Nowhere.
    Drop,
    /// To a writer, while the program runs.
    Forward(Writer),
    /// Into memory, at most so many bytes.
    Keep(usize),
}

/// A writer that several programs use, one after the other.
#[derive(Clone)]
pub(super) struct Writer(Arc<Mutex<Box<dyn Write + Send>>>);

/// How a program ended by itself.
pub(super) struct Exit {
    /// 0 for success; 128 and the number of the signal if one ended it, as shells have it.
    pub(super) status: i32,
    /// What [`Sink::Keep`] kept.
    pub(super) kept: Zeroizing<Vec<u8>>,
}

impl Program {
    /// Looks for a program in the absolute directories of `path`. A relative one depends on where coffer
    /// was started, so whoever prepared that directory would choose the program.
    pub(super) fn find(path: Option<&OsStr>, name: &str) -> Result<Self, DriverError> {
        let found = std::env::split_paths(path.unwrap_or_default())
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(name))
            .find(is_program)
            .ok_or_else(|| DriverError::ProgramMissing { program: name.to_owned() })?;
        let mut command = Command::new(found);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        Ok(Self { name: name.to_owned(), command, input: None })
    }

    pub(super) fn arguments<T: AsRef<OsStr>>(mut self, all: impl IntoIterator<Item = T>) -> Self {
        self.command.args(all);
        self
    }

    pub(super) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    pub(super) fn input(mut self, input: Zeroizing<Vec<u8>>) -> Self {
        self.input = Some(input);
        self
    }

    /// Starts the program and waits for nothing, for what must still happen when nobody waits.
    pub(super) fn leave(self) {
        let mut command = self.command.into_std();
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }

    /// Runs the program to its end. When it ended, whatever is left of its group is killed; when this is
    /// dropped before, all of the group is.
    pub(super) async fn run(
        mut self,
        stdout: Sink,
        stderr: Sink,
        deadline: Duration,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, DriverError> {
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let name = self.name;
        let mut child = self
            .command
            .spawn()
            .map_err(|source| DriverError::Start { program: name.clone(), source })?;
        let group = Group::of(&child);
        let mut pumps = JoinSet::new();
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input) {
            pumps.spawn(async move {
                // A program need not read what it is given.
                let _ = stdin.write_all(&input).await;
                Ok(None)
            });
        }
        pumps.spawn(pump(child.stdout.take().expect("it is piped"), stdout, name.clone()));
        pumps.spawn(pump(child.stderr.take().expect("it is piped"), stderr, name.clone()));
        let mut kept = None;
        let ended = wait(&mut child, &mut pumps, &mut kept, &name, deadline, cancelled).await;
        if ended.is_err() {
            group.signal(Signal::TERM);
            if timeout(limits::GRACE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                let _ = child.wait().await;
            }
        }
        // Nothing of a run outlives it; and only so are the pipes closed for certain. Nobody else can have
        // got the group's number in the moment since its leader was waited for.
        drop(group);
        let rest = async {
            while let Some(pumped) = pumps.join_next().await {
                take(pumped, &mut kept)?;
            }
            Ok(())
        };
        let drained = timeout(limits::DRAIN_MAX, rest).await;
        let status = ended?;
        drained.unwrap_or(Ok(()))?;
        Ok(Exit { status: number(status), kept: kept.unwrap_or_default() })
    }
}

type Pumped = Result<Option<Zeroizing<Vec<u8>>>, DriverError>;

/// Waits until the program ends, or something says that it must.
async fn wait(
    child: &mut Child,
    pumps: &mut JoinSet<Pumped>,
    kept: &mut Option<Zeroizing<Vec<u8>>>,
    name: &str,
    deadline: Duration,
    mut cancelled: Pin<&mut impl Future<Output = ()>>,
) -> Result<ExitStatus, DriverError> {
    let mut late = std::pin::pin!(tokio::time::sleep(deadline));
    loop {
        tokio::select! {
            biased;
            status = child.wait() => {
                return status
                    .map_err(|source| DriverError::Start { program: name.to_owned(), source });
            }
            () = &mut cancelled => return Err(DriverError::Cancelled),
            () = &mut late => {
                return Err(DriverError::Deadline { what: name.to_owned(), after: deadline });
            }
            Some(pumped) = pumps.join_next() => take(pumped, kept)?,
        }
    }
}

fn take(
    pumped: Result<Pumped, tokio::task::JoinError>,
    kept: &mut Option<Zeroizing<Vec<u8>>>,
) -> Result<(), DriverError> {
    // A pump panics only with the writer it was given; what else the program writes is not shown then.
    if let Some(bytes) = pumped.unwrap_or(Ok(None))? {
        *kept = Some(bytes);
    }
    Ok(())
}

/// Moves what a program writes to where it goes, until its end. A writer that fails is not a reason to
/// stop the program; the rest of it is dropped.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: Sink, name: String) -> Pumped {
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut kept = Growing::default();
    loop {
        let length = from.read(&mut piece).await.unwrap_or(0);
        let bytes = &piece[..length];
        match &to {
            _ if length == 0 => break,
            Sink::Drop => {}
            Sink::Forward(writer) => {
                if writer.write(bytes).is_err() {
                    to = Sink::Drop;
                }
            }
            Sink::Keep(bytes_max) => {
                if kept.0.len() + length > *bytes_max {
                    return Err(DriverError::TooLong { what: name, bytes_max: *bytes_max });
                }
                kept.append(bytes);
            }
        }
    }
    Ok(matches!(to, Sink::Keep(_)).then_some(kept.0))
}

impl Writer {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.0.lock().map_err(|_| io::Error::other("the writer panicked"))?;
        writer.write_all(bytes)?;
        writer.flush()
    }
}

/// The group that a child leads. It is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        // It fails if nobody is left, which is what is wanted.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Bytes that may be secret: no copy of them is left behind when there are more.
#[derive(Default)]
pub(super) struct Growing(pub(super) Zeroizing<Vec<u8>>);

impl Growing {
    fn append(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn is_program(path: &PathBuf) -> bool {
    use rustix::fs::{Access, FileType, access, stat};
    stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
        && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::shim::Bench;
    use super::*;
    use std::pin::pin;

    #[tokio::test]
    async fn a_program_has_so_much_time_and_no_more() {
        let bench = Bench::new();
        let (born, gone) = bench.life("life");
        bench.program("endless", "exec 3>\"$here/life\"; echo >&3; sleep 1000");
        let path = bench.machine().path;
        let deadline = Duration::from_millis(500);
        let exit = Program::find(path.as_deref(), "endless")
            .unwrap()
            .run(Sink::Drop, Sink::Drop, deadline, pin!(std::future::pending()))
            .await;
        let message = exit.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(message, "endless was still running after 500ms");
        born.await;
        gone.await;
    }

    /// One that does not listen is killed after its grace, and one that left the group with the pipe is not
    /// waited for.
    #[tokio::test]
    async fn a_program_that_does_not_listen_is_killed() {
        let bench = Bench::new();
        bench.program("deaf", "trap '' TERM; setsid sleep 60 & while :; do sleep 1; done");
        let path = bench.machine().path;
        let begun = std::time::Instant::now();
        let exit = Program::find(path.as_deref(), "deaf")
            .unwrap()
            .run(Sink::Drop, Sink::Drop, Duration::from_millis(500), pin!(std::future::pending()))
            .await;
        assert!(matches!(exit, Err(DriverError::Deadline { .. })));
        let (least, most) = (limits::GRACE, limits::GRACE + limits::DRAIN_MAX);
        // The rest is for a machine that has other things to do.
        let most = most + Duration::from_secs(20);
        assert!((least..most).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_writer_that_fails_does_not_end_the_program() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let bench = Bench::new();
        bench.program("chatty", "head -c 1000000 /dev/zero; echo to the end >\"$here/end\"");
        let sink = Sink::Forward(Writer::new(Box::new(Broken)));
        let never = pin!(std::future::pending());
        let path = bench.machine().path;
        let program = Program::find(path.as_deref(), "chatty").unwrap();
        let exit = program.run(sink, Sink::Drop, limits::STEP_MAX, never).await.unwrap();
        assert_eq!((exit.status, bench.text("end").as_str()), (0, "to the end\n"));
    }
}
