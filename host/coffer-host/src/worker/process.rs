//! Processes of workers: started with nothing, ended for certain.
//!
//! The kernel ends a worker when the *thread* that started it ends, so one thread that lives as long as
//! the host starts them all; and takes notice of their ends, so that nobody has to wait for that. It begins with
//! the first of them: most hosts have none.

use super::{MARK, Program};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// How long a process that closed its socket is given to end by itself, so that it can be told how.
const ENDING: Duration = Duration::from_secs(1);

/// Starts workers of one program.
pub(crate) struct Launcher {
    program: Program,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
}

enum Order {
    Start(mpsc::Sender<io::Result<(Child, UnixStream)>>),
    End(Child),
}

impl Launcher {
    pub(crate) fn new(program: Program) -> Self {
        Self { program, orders: Mutex::default() }
    }

    /// To the thread that starts them.
    fn orders(&self) -> io::Result<mpsc::Sender<Order>> {
        let mut begun = self.orders.lock().expect("nothing panics while it holds this lock");
        if let Some(orders) = &*begun {
            return Ok(orders.clone());
        }
        let (orders, received) = mpsc::channel();
        let program = self.program.clone();
        thread::Builder::new().name("coffer-workers".into()).spawn(move || {
            for order in received {
                match order {
                    Order::Start(started) => {
                        // Whoever asked may have given up; the process ends with its socket then.
                        let _ = started.send(start(&program));
                    }
                    Order::End(mut child) => {
                        // It may have ended by itself.
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            }
        })?;
        Ok(begun.insert(orders).clone())
    }

    /// A new process, and the socket to it. `directories` are on their way already. Takes a millisecond
    /// or two, which are waited for.
    pub(super) fn launch(&self, directories: &[OwnedFd]) -> io::Result<(Process, UnixStream)> {
        let gone = || io::Error::other("the thread that starts workers is gone");
        let (started, start) = mpsc::channel();
        let orders = self.orders()?;
        orders.send(Order::Start(started)).map_err(|_| gone())?;
        let (child, socket) = start.recv().map_err(|_| gone())??;
        let process = Process { child: Mutex::new(Some(child)), orders };
        for directory in directories {
            send(&socket, &[1], &[directory.as_fd()])?;
        }
        send(&socket, &[0], &[])?;
        Ok((process, socket))
    }
}

/// The same program, without arguments that say anything, variables, standard streams, or a terminal.
fn start(Program(program): &Program) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(program)
        .arg(MARK)
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is typed to end coffer is not for it to hear; it ends with coffer.
        .process_group(0)
        .spawn()?;
    Ok((child, ours))
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A process that ends when this is dropped.
pub(super) struct Process {
    child: Mutex<Option<Child>>,
    orders: mpsc::Sender<Order>,
}

impl Process {
    /// Ends it now, whatever it is doing.
    pub(super) fn end(&self) {
        if let Some(child) = self.child().take()
            && let Err(mpsc::SendError(Order::End(mut child))) = self.orders.send(Order::End(child))
        {
            // The thread is gone, and what it started went with it.
            let _ = child.wait();
        }
    }

    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        self.child().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// How it ended, if it did so by itself.
    pub(super) async fn ended(&self) -> Option<ExitStatus> {
        let until = tokio::time::Instant::now() + ENDING;
        while self.runs() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.status()
    }

    /// The same, waiting for it here.
    pub(super) fn ended_here(&self) -> Option<ExitStatus> {
        for _ in 0..ENDING.as_millis() {
            if let Some(status) = self.status() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn status(&self) -> Option<ExitStatus> {
        self.child().as_mut()?.try_wait().ok().flatten()
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the end of a process says of the plugin in it.
pub(super) enum End {
    /// It gave up, as it does when it has no memory left.
    Aborted,
    /// Somebody else ended it.
    Killed,
    /// The plugin went beyond a bound that the kernel keeps.
    Limit(&'static str),
    /// The plugin is at fault, as far as can be told.
    Died(String),
}

pub(super) fn end(status: Option<ExitStatus>) -> End {
    let Some(status) = status else {
        return End::Died("closed its socket and went on".into());
    };
    match status.signal() {
        Some(libc::SIGKILL) => End::Killed,
        Some(libc::SIGSYS) => {
            End::Died("was ended by the fence: it made a system call that no plugin needs".into())
        }
        Some(libc::SIGXCPU) => End::Limit("processor time"),
        Some(libc::SIGXFSZ) => End::Limit("bytes of one file"),
        Some(libc::SIGABRT) => End::Aborted,
        Some(signal) => End::Died(format!("was ended by signal {signal}")),
        None => End::Died(format!("ended with code {}", status.code().unwrap_or(-1))),
    }
}
