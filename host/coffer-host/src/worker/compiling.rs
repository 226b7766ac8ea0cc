//! Compiling a component that nobody answers for, in a worker that does nothing else and ends.

use super::message::{self, LENGTH_BYTES, Ready, Setup, Work};
use super::process::{self, End, Launcher, Process};
use crate::component::Capabilities;
use crate::error::LoadError;
use crate::limits::{self, Compiling};
use crate::text;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The code of the component in `bytes`, for workers. It may be anything, if the component took the
/// compiler over: it must not be loaded by this process.
pub(crate) fn compile(
    launcher: &Launcher,
    bytes: &[u8],
    capabilities: Capabilities,
    compiling: Compiling,
    metered: bool,
) -> Result<Vec<u8>, LoadError> {
    let setup = Setup {
        parent: std::process::id(),
        writer: capabilities.writer,
        lister: capabilities.lister,
        bytes: bytes.len() as u64,
        memory_bytes: compiling.memory,
        work: Work::Compile { cpu_s: compiling.processor.as_secs().max(1) },
        metered,
    };
    let unstarted = |error: io::Error| LoadError::Worker(error.to_string());
    let (process, socket) = launcher.launch(&[]).map_err(unstarted)?;
    let mut worker = Waited { socket, until: Instant::now() + compiling.time };
    match worker.exchange(&setup, bytes) {
        Ok((Ready::Compiled(_), code)) => Ok(code),
        Ok((Ready::Uncompilable(why), _)) => Err(LoadError::Compile(text::escape(&why))),
        Ok((Ready::Unfit(why), _)) => Err(LoadError::Contract(text::escape(&why))),
        Ok((Ready::Unfenced(why), _)) => Err(LoadError::Worker(text::escape(&why))),
        Ok((Ready::Running, _)) => {
            Err(LoadError::Compile("its compiler said what none says".into()))
        }
        Err(error) => Err(failed(&error, &process, compiling)),
    }
}

/// Why the worker said nothing, or not all.
fn failed(error: &io::Error, process: &Process, compiling: Compiling) -> LoadError {
    let limit = |limit: String| LoadError::CompileLimit { limit };
    let time = |time: Duration| humantime::format_duration(time).to_string();
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            return limit(time(compiling.time));
        }
        io::ErrorKind::InvalidData => {
            return LoadError::Compile("its compiler sent what is no message".into());
        }
        _ => {}
    }
    match process::end(process.ended_here()) {
        End::Killed => LoadError::Worker("the compiler was killed".into()),
        End::Limit(_) => limit(format!("{} of processor time", time(compiling.processor))),
        // The compiler gives up if it gets no more.
        End::Aborted => limit(format!("{} of memory", bytesize::ByteSize(compiling.memory))),
        End::Died(how) => LoadError::Compile(format!("its compiler {how}")),
    }
}

/// A worker that is waited for until some moment and no longer.
struct Waited {
    socket: UnixStream,
    until: Instant,
}

impl Waited {
    fn exchange(&mut self, setup: &Setup, bytes: &[u8]) -> io::Result<(Ready, Vec<u8>)> {
        let setup = message::encode(setup).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.write(&setup)?;
        self.write(bytes)?;
        let mut prefix = [0; LENGTH_BYTES];
        self.read(&mut prefix)?;
        let length = message::length(prefix).ok_or(io::ErrorKind::InvalidData)?;
        let mut frame = vec![0; length];
        self.read(&mut frame)?;
        let ready = message::decode(&frame).ok_or(io::ErrorKind::InvalidData)?;
        let mut code = Vec::new();
        if let Ready::Compiled(bytes) = ready {
            if bytes > limits::COMPILED_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            code = vec![0; usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData)?];
            self.read(&mut code)?;
        }
        Ok((ready, code))
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.set_write_timeout(Some(self.left()?))?;
            match self.socket.write(bytes)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    fn read(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.set_read_timeout(Some(self.left()?))?;
            match self.socket.read(bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => bytes = &mut bytes[read..],
            }
        }
        Ok(())
    }
}
