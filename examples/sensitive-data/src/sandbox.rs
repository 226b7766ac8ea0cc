//! The surroundings of the installer when it runs: WASI 0.2.

use crate::bindings::wasi::cli::{environment, stderr, stdout};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use crate::bindings::wasi::io::streams::OutputStream;
use crate::installer::Surroundings;

/// Bytes that a stream takes at once; WASI promises to take as many and no more.
const WRITE_BYTES_MAX: usize = 4096;

/// Bytes that are read at once.
const READ_BYTES_MAX: u64 = 64 * 1024;

pub(crate) struct Sandbox;

impl Surroundings for Sandbox {
    fn variable(&self, name: &str) -> Option<String> {
        let variables = environment::get_environment();
        variables.into_iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let failed = |code: ErrorCode| format!("{path}: {code}");
        let file = open(path, OpenFlags::empty(), DescriptorFlags::READ).map_err(failed)?;
        let mut bytes = Vec::new();
        loop {
            let (more, end) = file.read(READ_BYTES_MAX, bytes.len() as u64).map_err(failed)?;
            bytes.extend(more);
            if end {
                break;
            }
        }
        String::from_utf8(bytes).map_err(|_| format!("{path}: it is not text"))
    }

    fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let failed = |code: ErrorCode| format!("{path}: {code}");
        let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let file = open(path, flags, DescriptorFlags::WRITE).map_err(failed)?;
        let mut written = 0;
        while written < text.len() {
            let count = file.write(&text.as_bytes()[written..], written as u64).map_err(failed)?;
            if count == 0 {
                return Err(failed(ErrorCode::Io));
            }
            written += usize::try_from(count).expect("no more is written than was given");
        }
        Ok(())
    }

    fn print(&self, line: &str) -> Result<(), String> {
        say(&stdout::get_stdout(), line)
    }
}

/// Says on standard error why nothing was done.
pub(crate) fn complain(why: &str) {
    // Where there is nobody to hear it, the exit code still tells.
    let _ = say(&stderr::get_stderr(), why);
}

fn say(stream: &OutputStream, line: &str) -> Result<(), String> {
    for piece in format!("{line}\n").as_bytes().chunks(WRITE_BYTES_MAX) {
        stream.blocking_write_and_flush(piece).map_err(|_| "nobody listens any more".to_owned())?;
    }
    Ok(())
}

/// Opens a file by its absolute path, below the directory of the sandbox that has it.
fn open(path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    for (directory, at) in preopens::get_directories() {
        let below = path.strip_prefix(at.trim_end_matches('/'));
        if let Some(relative) = below.and_then(|below| below.strip_prefix('/')) {
            return directory.open_at(PathFlags::empty(), relative, open, flags);
        }
    }
    Err(ErrorCode::NoEntry)
}
