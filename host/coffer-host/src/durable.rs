//! Files of coffer's own that are there after a power cut as they were written: each is its owner's alone, and whole or
//! not there.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use std::io::{self, Write as _};

/// Writes a file that is not there yet, and waits until it is on the disk. The directory's entry is not: see [`sync`].
///
/// # Errors
///
/// That of the operating system.
pub fn write(directory: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE);
    let mut file = directory.open_with(name, &options)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file, in the place of one of that name: whoever reads meanwhile sees the old one, and so does everybody if
/// it cannot be written.
///
/// # Errors
///
/// That of the operating system.
pub fn replace(directory: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(name)?;
    let written = write(directory, &unfinished, bytes)
        .and_then(|()| directory.rename(&unfinished, directory, name));
    if written.is_err() {
        let _ = directory.remove_file(&unfinished);
    }
    written.and_then(|()| sync(directory))
}

/// The name of a file that is not whole yet, which nobody else has.
///
/// # Errors
///
/// The operating system has no random bytes.
pub fn unfinished(name: &str) -> io::Result<String> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|_| io::Error::other("no random bytes"))?;
    Ok(format!(".{name}.{:016x}", u64::from_be_bytes(number)))
}

/// Waits until the entries of a directory are on the disk.
///
/// # Errors
///
/// That of the operating system.
pub fn sync(directory: &Dir) -> io::Result<()> {
    // A handle from `open_dir` may be one that can only be walked; `.` opened for reading is not.
    directory.open(".")?.sync_all()
}

/// Who may read and write them.
const PRIVATE: u32 = 0o600;
