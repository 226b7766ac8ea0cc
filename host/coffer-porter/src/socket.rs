//! The socket: in a directory of its own that only its owner can look into, and for processes of the same
//! user only.

use rustix::fs::Mode;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The socket, and the directory that it is in; both go when it is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    directory: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes a directory below `place`, which has to be new, and a socket in it.
    ///
    /// # Errors
    ///
    /// That of the operating system.
    pub(crate) fn bind(place: &Path) -> io::Result<Self> {
        // The name only has to be new; its mode is what protects the directory. The library for cryptography works
        // for 30 ms before its first random bytes, and Porter waits for the line.
        let name = RandomState::new().build_hasher().finish();
        let directory = std::path::absolute(place)?.join(format!("coffer-{name:016x}"));
        rustix::fs::mkdir(&directory, Mode::RWXU)?;
        match UnixListener::bind(directory.join("s")) {
            Ok(listener) => Ok(Self { directory, listener }),
            Err(error) => {
                let _ = rustix::fs::rmdir(&directory);
                Err(error)
            }
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("s")
    }

    /// The next connection by a process of this user.
    ///
    /// # Errors
    ///
    /// That of the operating system.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw() {
                return Ok(stream);
            }
            tracing::warn!("a process of another user was refused");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = rustix::fs::unlink(self.path());
        let _ = rustix::fs::rmdir(&self.directory);
    }
}
