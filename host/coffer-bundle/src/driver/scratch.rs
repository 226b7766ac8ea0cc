//! A place for the files that a native driver must have: one directory per run, for its user alone,
//! emptied and removed with the run. A lock on the directory tells a run that goes on from one that was
//! killed.

use super::operation::is_run_id;
use super::{OutputRefused, limits};
use cap_std::fs::Dir;
use coffer_host::Secret;
use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How deep directories of a run are emptied file by file. Deeper ones are removed as they are.
const DEPTH_MAX: usize = 32;

/// Where runs have their directories.
#[derive(Debug)]
pub struct Scratch {
    directory: Dir,
    path: PathBuf,
}

impl Scratch {
    /// A directory of the user's own below `parent`, which is at `path`: `$XDG_RUNTIME_DIR` or `/dev/shm`
    /// where there is one, since what is there never reaches a disk ([`Scratch::is_in_memory`]).
    ///
    /// # Errors
    ///
    /// The directory cannot be made or opened, or somebody else made it: it would be theirs to read.
    pub fn open(parent: &Dir, path: &Path) -> io::Result<Self> {
        let user = rustix::process::geteuid().as_raw();
        let name = format!("coffer-{user}");
        match mkdirat(parent, name.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let directory = open_directory(parent, &name)?;
        let stat = fstat(&directory)?;
        if stat.st_uid != user || stat.st_mode & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("`{name}` is not a directory of this user alone"),
            ));
        }
        Ok(Self { directory, path: path.join(name) })
    }

    /// Whether what is here is in memory only, swap aside.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            const TMPFS: i64 = 0x0102_1994;
            const RAMFS: i64 = 0x8584_58f6;
            rustix::fs::fstatfs(&self.directory)
                .is_ok_and(|stat| [TMPFS, RAMFS].contains(&stat.f_type))
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Removes what killed runs left, except for those that `keep` wants, and tells which. Runs that go
    /// on are left alone.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn sweep(&self, keep: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
        let mut swept = Vec::new();
        for entry in self.directory.entries()? {
            let Ok(run) = entry?.file_name().into_string() else { continue };
            if !is_run_id(&run) || keep(&run) {
                continue;
            }
            // Whoever holds the lock goes on; whoever takes it removes when it is dropped.
            if RunDirectory::lock(self, &run).is_ok() {
                swept.push(run);
            }
        }
        Ok(swept)
    }

    /// A new directory for a run.
    pub(super) fn run(&self, run: &str) -> io::Result<RunDirectory> {
        debug_assert!(is_run_id(run), "operations are checked first");
        mkdirat(&self.directory, run, Mode::RWXU)?;
        RunDirectory::lock(self, run)
    }
}

/// The directory of one run. It is emptied and removed when it is dropped.
#[derive(Debug)]
pub(super) struct RunDirectory {
    parent: Dir,
    /// Holds the lock.
    directory: Dir,
    name: String,
    path: PathBuf,
}

impl RunDirectory {
    fn lock(scratch: &Scratch, run: &str) -> io::Result<Self> {
        let parent = scratch.directory.try_clone()?;
        let directory = open_directory(&scratch.directory, run)?;
        flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { parent, directory, name: run.to_owned(), path: scratch.path.join(run) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory `path` and those above it.
    pub(super) fn make_directories(&self, path: &str) -> io::Result<()> {
        let mut directory = self.directory.try_clone()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            mkdirat(&directory, name, Mode::RWXU)?;
            directory = open_directory(&directory, name)?;
        }
        Ok(())
    }

    /// What is in the file at `path`, if there is one. No link is followed on the way: whoever writes here
    /// may be the bundle, and a link leads to what coffer can read and the bundle cannot.
    pub(super) fn read(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Secret>, OutputRefused> {
        match self.open_plain(path) {
            Ok((file, length)) => read(file, length, bytes_max).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::MLINK) => {
                Err(OutputRefused::NotFile)
            }
            Err(error) => Err(OutputRefused::Unreadable(io::Error::from(error).kind())),
        }
    }

    fn open_plain(&self, path: &str) -> Result<(File, u64), Errno> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directory = openat(&self.directory, ".", DIRECTORY, Mode::empty())?;
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            directory = openat(&directory, parent, DIRECTORY, Mode::empty())?;
        }
        // Not waiting, because the open of a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&directory, name, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        // A second name is somebody else's file.
        if !FileType::from_raw_mode(stat.st_mode).is_file() || stat.st_nlink != 1 {
            return Err(Errno::MLINK);
        }
        Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(u64::MAX)))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        overwrite(&self.directory, DEPTH_MAX);
        // What cannot be removed now is swept later.
        let _ = self.parent.remove_dir_all(&self.name);
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open_directory(parent: &Dir, name: &str) -> io::Result<Dir> {
    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(directory)))
}

fn read(file: File, claimed_length: u64, bytes_max: usize) -> Result<Secret, OutputRefused> {
    let length = usize::try_from(claimed_length).unwrap_or(usize::MAX);
    if length > bytes_max {
        return Err(OutputRefused::TooLarge);
    }
    // With its room from the start, so that no copy is left where it was too small.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    let read = file.take(length as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| OutputRefused::Unreadable(error.kind()))?;
    if bytes.len() > length {
        // Somebody is still writing, who left the run's group.
        return Err(OutputRefused::Unreadable(io::ErrorKind::ResourceBusy));
    }
    Ok(Secret::new(std::mem::take(&mut bytes)))
}

/// Overwrites the files below `directory` with zeros, as far as they can be. In memory and on simple
/// disks that is where they were.
fn overwrite(directory: &Dir, depth: usize) {
    let Ok(entries) = directory.entries() else { return };
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let Ok(stat) = statat(directory, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if depth > 0 => {
                if let Ok(below) = openat(directory, name.as_os_str(), DIRECTORY, Mode::empty()) {
                    overwrite(&Dir::from_std_file(File::from(below)), depth - 1);
                }
            }
            // A file with a second name is somebody else's as well.
            FileType::RegularFile if stat.st_nlink == 1 => {
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let Ok(file) = openat(directory, name.as_os_str(), flags, Mode::empty()) else {
                    continue;
                };
                let length = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
                let zeros = vec![0; length.min(limits::OUTPUT_BYTES_MAX)];
                let _ = File::from(file).write_all(&zeros);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
