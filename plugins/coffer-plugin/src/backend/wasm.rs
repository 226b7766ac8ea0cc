//! Asks the host.

use crate::bindings::coffer::host as imports;
use crate::bindings::wasi::clocks::wall_clock;
use crate::bindings::wasi::filesystem::{preopens, types};
use crate::bindings::wasi::{cli, config, logging, random};
use crate::{cache, commands, fs, http};

pub(crate) fn setting(name: &str) -> Option<String> {
    // The host's store of settings does not fail; the interface only allows others to.
    config::store::get(name).ok().flatten()
}

pub(crate) fn variable(name: &str) -> Option<String> {
    cli::environment::get_environment()
        .into_iter()
        .find(|(candidate, _)| candidate == name)
        .map(|(_, value)| value)
}

pub(crate) fn log(level: logging::logging::Level, message: &str) {
    logging::logging::log(level, "", message);
}

pub(crate) fn cache_get(key: &str) -> Option<Vec<u8>> {
    imports::cache::get(key)
}

pub(crate) fn cache_put(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), cache::Error> {
    imports::cache::put(key, value, ttl_ms)
}

pub(crate) fn cache_remove(key: &str) {
    imports::cache::remove(key);
}

pub(crate) fn command(argv: &[String]) -> Result<Vec<u8>, commands::Error> {
    imports::commands::run(argv)
}

pub(crate) fn http_send(request: http::Request) -> Result<http::Response, http::Error> {
    imports::http::send(&lower(request)).map(lift)
}

pub(crate) fn http_send_all(
    requests: Vec<http::Request>,
) -> Vec<Result<http::Response, http::Error>> {
    let requests: Vec<_> = requests.into_iter().map(lower).collect();
    imports::http::send_all(&requests).into_iter().map(|result| result.map(lift)).collect()
}

fn lower(request: http::Request) -> imports::http::Request {
    let http::Request { method, url, headers, body, timeout_ms } = request;
    imports::http::Request { method, url, headers, body, timeout_ms }
}

fn lift(response: imports::http::Response) -> http::Response {
    let imports::http::Response { status, headers, body } = response;
    http::Response { status, headers, body }
}

pub(crate) fn directories() -> Vec<String> {
    preopens::get_directories().into_iter().map(|(_, path)| path).collect()
}

/// Where files are written before they are moved into place. A crash leaves them here and nowhere
/// else, so that sweeping them does not mean reading the whole directory.
const PENDING: &str = ".pending";

/// A pending file of another name that is older than this is what a crash left behind.
const PENDING_SECONDS_MAX: u64 = 60;

#[derive(Debug)]
pub(crate) struct Directory(types::Descriptor);

impl Directory {
    pub(crate) fn open(guest_path: &str) -> Option<Self> {
        preopens::get_directories()
            .into_iter()
            .find(|(_, path)| path == guest_path)
            .map(|(descriptor, _)| Self(descriptor))
    }

    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, fs::Error> {
        self.read_at(types::PathFlags::empty(), name, bytes_max)
    }

    pub(crate) fn read_following(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, fs::Error> {
        self.read_at(types::PathFlags::SYMLINK_FOLLOW, path, bytes_max)
    }

    fn read_at(
        &self,
        flags: types::PathFlags,
        path: &str,
        bytes_max: u64,
    ) -> Result<Vec<u8>, fs::Error> {
        // Asked before it is opened: opening a FIFO would wait for a writer.
        let stat = self.0.stat_at(flags, path).map_err(error)?;
        if stat.type_ != types::DescriptorType::RegularFile {
            return Err(fs::Error::NotAFile);
        }
        if stat.size > bytes_max {
            return Err(fs::Error::TooLarge(bytes_max));
        }
        let file = self
            .0
            .open_at(flags, path, types::OpenFlags::empty(), types::DescriptorFlags::READ)
            .map_err(error)?;
        let mut bytes = Vec::new();
        loop {
            // One byte more than allowed, so that a file that grew meanwhile is noticed.
            let offset = bytes.len() as u64;
            let (chunk, end) = file.read(bytes_max + 1 - offset, offset).map_err(error)?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > bytes_max {
                return Err(fs::Error::TooLarge(bytes_max));
            }
            // What it had when it was asked is all; only a file of a kernel's says that it has nothing.
            if end || chunk.is_empty() || bytes.len() as u64 == stat.size {
                return Ok(bytes);
            }
        }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8], replace: bool) -> Result<(), fs::Error> {
        match self.0.create_directory_at(PENDING) {
            Ok(()) | Err(types::ErrorCode::Exist) => {}
            Err(code) => return Err(error(code)),
        }
        self.sweep(None)?;
        let pending = format!("{PENDING}/{name}~{:016x}", random::random::get_random_u64());
        let written = self.write_pending(&pending, bytes).and_then(|()| {
            if replace {
                self.0.rename_at(&pending, &self.0, name).map_err(error)
            } else {
                // A hard link, unlike a rename, fails if the name is taken.
                self.0.link_at(types::PathFlags::empty(), &pending, &self.0, name).map_err(error)
            }
        });
        if written.is_err() || !replace {
            // What cannot be unlinked now is swept later.
            let _ = self.0.unlink_file_at(&pending);
        }
        written?;
        // Without this the new name may be lost in a crash although its bytes are on the disk.
        self.0.sync().map_err(error)
    }

    fn write_pending(&self, pending: &str, bytes: &[u8]) -> Result<(), fs::Error> {
        let file = self
            .0
            .open_at(
                types::PathFlags::empty(),
                pending,
                types::OpenFlags::CREATE | types::OpenFlags::EXCLUSIVE,
                types::DescriptorFlags::WRITE,
            )
            .map_err(error)?;
        let mut offset = 0;
        while offset < bytes.len() {
            let written = file.write(&bytes[offset..], offset as u64).map_err(error)?;
            if written == 0 {
                return Err(fs::Error::Other("a write wrote nothing"));
            }
            offset += usize::try_from(written).unwrap_or(usize::MAX);
        }
        file.sync().map_err(error)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), fs::Error> {
        self.sweep(Some(name))?;
        self.0.unlink_file_at(name).map_err(error)?;
        self.0.sync().map_err(error)
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, fs::Error> {
        let entries = self.0.read_directory().map_err(error)?;
        let mut names = Vec::new();
        while let Some(entry) = next(&entries)? {
            if entry.type_ == types::DescriptorType::RegularFile {
                names.push(entry.name);
            }
        }
        Ok(names)
    }

    /// Removes pending files of `name`, and those of any name that are too old to be in use; for good, so that
    /// the value of a key that was deleted does not come back with a power cut.
    fn sweep(&self, name: Option<&str>) -> Result<(), fs::Error> {
        let pending = match self.0.open_at(
            types::PathFlags::empty(),
            PENDING,
            types::OpenFlags::DIRECTORY,
            types::DescriptorFlags::READ,
        ) {
            Ok(pending) => pending,
            Err(types::ErrorCode::NoEntry) => return Ok(()),
            Err(code) => return Err(error(code)),
        };
        let now = wall_clock::now().seconds;
        let mut swept = false;
        let entries = pending.read_directory().map_err(error)?;
        while let Some(entry) = next(&entries)? {
            let path = format!("{PENDING}/{}", entry.name);
            let ours = name
                .is_some_and(|name| entry.name.rsplit_once('~').is_some_and(|(of, _)| of == name));
            let old = || {
                self.0
                    .stat_at(types::PathFlags::empty(), &path)
                    .ok()
                    .and_then(|stat| stat.data_modification_timestamp)
                    .is_some_and(|at| at.seconds + PENDING_SECONDS_MAX < now)
            };
            if ours || old() {
                match self.0.unlink_file_at(&path) {
                    Ok(()) => swept = true,
                    // Another instance swept it first.
                    Err(types::ErrorCode::NoEntry) => {}
                    // What is not ours is swept another time.
                    Err(code) if ours => return Err(error(code)),
                    Err(_) => {}
                }
            }
        }
        if swept { pending.sync().map_err(error) } else { Ok(()) }
    }
}

/// The next entry. One that went away while the directory was read, as a pending file of another instance
/// does, is told as an error of its own and is no entry.
fn next(entries: &types::DirectoryEntryStream) -> Result<Option<types::DirectoryEntry>, fs::Error> {
    loop {
        match entries.read_directory_entry() {
            Err(types::ErrorCode::NoEntry) => {}
            read => return read.map_err(error),
        }
    }
}

fn error(code: types::ErrorCode) -> fs::Error {
    use types::ErrorCode as C;
    match code {
        C::Access | C::NotPermitted => fs::Error::Denied,
        C::Exist => fs::Error::Exists,
        C::InsufficientSpace | C::Quota => fs::Error::Full,
        C::IsDirectory | C::Loop | C::NotDirectory => fs::Error::NotAFile,
        C::NoEntry => fs::Error::NotFound,
        C::ReadOnly => fs::Error::ReadOnly,
        other => fs::Error::Other(other.name()),
    }
}
