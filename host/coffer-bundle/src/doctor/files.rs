//! Modes and owners of coffer's own directory and of everything below it.

use super::Examination;
use crate::home::Home;
use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// Entries that are looked at. A home with more is one that somebody uses for something else.
const ENTRIES_MAX: usize = 100_000;

/// Names that are told of each kind.
const SHOWN_MAX: usize = 10;

/// Directories below each other that are looked at.
const DEPTH_MAX: usize = 16;

/// What is not as it should be, by kind.
#[derive(Default)]
struct Loose {
    links: Vec<String>,
    others: Vec<String>,
    readable: Vec<String>,
    writable: Vec<String>,
    entries: usize,
}

impl Examination {
    pub(super) fn files(&mut self, home: &Home) {
        let mut loose = Loose::default();
        let looked = home
            .directory()
            .dir_metadata()
            .map(|metadata| loose.look(".", &metadata))
            .and_then(|()| loose.below(home.directory(), "", 0));
        if let Err(error) = looked {
            self.cannot_read("files", &error);
        }
        let Loose { links, others, readable, writable, entries } = loose;
        self.fact("files", format!("{entries} looked at"));
        let path = home.path().display();
        if !writable.is_empty() {
            self.wrong(
                "modes",
                format!("other users can write to {}", shown(&writable)),
                "they can put files, keys or a ledger of their own there",
                format!("run `chmod -R go= '{path}'`, and see that nothing in it was changed"),
            );
        }
        if !readable.is_empty() {
            self.wrong(
                "modes",
                format!("other users can read {}", shown(&readable)),
                "values, keys, and the names of secrets are there",
                format!("run `chmod -R go= '{path}'`"),
            );
        }
        if !others.is_empty() {
            self.wrong(
                "owners",
                format!("another user owns {}", shown(&others)),
                "whoever owns a file can read and change it",
                format!("run `chown -R \"$(id -un)\" '{path}'` as root, and see who made them"),
            );
        }
        if !links.is_empty() {
            self.wrong(
                "links",
                format!("these are links: {}", shown(&links)),
                "coffer makes none, and what they lead to is not looked after",
                "put what they lead to in their place",
            );
        }
    }
}

impl Loose {
    fn below(&mut self, directory: &Dir, path: &str, depth: usize) -> io::Result<()> {
        for entry in directory.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let path = format!("{path}{}", name.to_string_lossy());
            let metadata = match directory.symlink_metadata(&name) {
                Ok(metadata) => metadata,
                // It went away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            self.look(&path, &metadata);
            if self.entries > ENTRIES_MAX || depth > DEPTH_MAX {
                return Err(io::Error::other("there is too much in it"));
            }
            if metadata.is_dir() {
                match directory.open_dir(&name) {
                    Ok(below) => self.below(&below, &format!("{path}/"), depth + 1)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, path: &str, metadata: &Metadata) {
        self.entries += 1;
        if metadata.is_symlink() {
            return self.links.push(path.to_owned());
        }
        let told = format!("{path} ({:04o})", metadata.mode() & 0o7777);
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            self.others.push(path.to_owned());
        }
        if metadata.mode() & 0o022 != 0 {
            self.writable.push(told);
        } else if metadata.mode() & 0o055 != 0 && !may_be_read(path) {
            self.readable.push(told);
        }
    }
}

/// A plugin is no secret, and neither is a configuration by itself: see what is told of credentials in it.
fn may_be_read(path: &str) -> bool {
    path.ends_with(".wasm") || path.starts_with("config.")
}

fn shown(paths: &[String]) -> String {
    let shown: Vec<String> =
        paths.iter().take(SHOWN_MAX).map(|path| path.escape_debug().to_string()).collect();
    match paths.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// The names in a directory of coffer's own; none if there is none.
pub(super) fn names(home: &Home, directory: &str) -> io::Result<Vec<String>> {
    let entries = match home.directory().read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let name = |entry: io::Result<cap_std::fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().escape_debug().to_string())
    };
    let mut names: Vec<String> = entries.map(name).collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Whether other users can read the configuration file; `None` if that cannot be seen.
#[expect(
    clippy::disallowed_methods,
    reason = "the file may be anywhere; the command line named it"
)]
pub(super) fn readable_by_others(path: &PathBuf) -> Option<bool> {
    std::fs::metadata(path).ok().map(|metadata| metadata.mode() & 0o044 != 0)
}
