//! A server that was started, and is stopped when it is dropped.

use crate::free_port;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Process(Child);

impl Process {
    /// Starts it, and waits until it prints a line with `ready`. What it prints goes to the file `log`.
    ///
    /// # Errors
    ///
    /// What it printed, if it ends before.
    pub(crate) fn start(mut command: Command, ready: &str, log: &Path) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.with_extension("err")).unwrap())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut file = File::create(log).unwrap();
        let mut said = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            writeln!(file, "{line}").unwrap();
            if line.contains(ready) {
                // A pipe that nobody reads would stop it some day.
                std::thread::spawn(move || {
                    lines.map_while(Result::ok).all(|line| writeln!(file, "{line}").is_ok())
                });
                return Ok(Self(child));
            }
            said += &line;
            said.push('\n');
        }
        let status = child.wait().unwrap();
        let errors = std::fs::read_to_string(log.with_extension("err")).unwrap_or_default();
        Err(format!("it ended with {status}:\n{said}{errors}"))
    }

    /// Starts it on ports that are free, or once more on those that it had. Somebody else can take a port that was
    /// free a moment ago, so this is tried a few times.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub(crate) fn start_on<const N: usize>(
        had: Option<[u16; N]>,
        name: &str,
        mut start: impl FnMut([u16; N]) -> Result<Self, String>,
    ) -> (Self, [u16; N]) {
        let begun = Instant::now();
        let mut left = if had.is_some() { 0 } else { 4 };
        loop {
            let ports = had.unwrap_or_else(|| std::array::from_fn(|_| free_port()));
            match start(ports) {
                Ok(process) => return (process, ports),
                // The last of a server that was killed, which notice that in their own time.
                Err(why) if why.contains("still in use") && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(_) if left > 0 => left -= 1,
                Err(why) => panic!("{name} does not start: {why}"),
            }
        }
    }

    /// Waits until it listens on a port, of what says that it is ready a moment before.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub(crate) fn listens(&self, port: u16) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nobody listens on {port}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
