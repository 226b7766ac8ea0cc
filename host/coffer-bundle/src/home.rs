//! The directory where coffer keeps what is its own: `$COFFER_HOME`. It is opened once; what is below it is
//! reached through the handle, so that nothing that is put in its way later leads elsewhere.
//!
//! - `config.{yaml,toml,json}` the configuration
//! - `coffer.lock` which plugins may run
//! - `ledger.db` the ledger
//! - `audit.jsonl` who asked which store for what
//! - `cache/` compiled plugins
//! - `registry/` what was pulled from registries
//! - `keys/` what signs the cache and seals the spool
//! - `spool/` sealed outputs that are not in their store yet
//! - `secrets/` the files of the `filesystem` plugin, unless it is told otherwise

use crate::random;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use coffer_host::{Blame, Explain, durable};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Names of the configuration file, in the order in which they are looked for.
const CONFIGURATIONS: [&str; 4] = ["config.yaml", "config.yml", "config.toml", "config.json"];

/// coffer's own directory, opened.
#[derive(Debug)]
pub struct Home {
    directory: Dir,
    path: PathBuf,
}

impl Home {
    /// Opens the directory, and makes it, for its owner only, if it is not there.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let failed = |source| HomeError { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(PRIVATE_DIRECTORY);
        let root = Dir::open_ambient_dir("/", ambient_authority()).map_err(failed)?;
        let below = path.strip_prefix("/").unwrap_or(&path);
        let directory = match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                root.create_dir_with(below, &builder).map_err(failed)?;
                for parent in below.ancestors().skip(1).filter(|path| *path != Path::new("")) {
                    root.open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
                }
                Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { directory, path })
    }

    /// Opens the directory if it is there, and makes nothing.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it is there and cannot be opened.
    pub fn existing(path: &Path) -> Result<Option<Self>, HomeError> {
        let failed = |source| HomeError { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(directory) => Ok(Some(Self { directory, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn directory(&self) -> &Dir {
        &self.directory
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file and its text, if there is one.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if there is one and it cannot be read.
    pub fn configuration(&self) -> Result<Option<(PathBuf, String)>, HomeError> {
        for name in CONFIGURATIONS {
            match self.directory.read_to_string(name) {
                Ok(text) => return Ok(Some((self.path.join(name), text))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.failed(name, error)),
            }
        }
        Ok(None)
    }

    /// A directory below it that only its owner can look into.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it cannot be made or opened.
    pub fn private(&self, name: &str) -> Result<Dir, HomeError> {
        let failed = |error| self.failed(name, error);
        let mut builder = DirBuilder::new();
        builder.mode(PRIVATE_DIRECTORY);
        match self.directory.create_dir_with(name, &builder) {
            // What is put into it and synced is lost all the same if its own name is.
            Ok(()) => durable::sync(&self.directory).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        self.directory.open_dir(name).map_err(failed)
    }

    /// The file that every audit line is appended to.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it cannot be opened.
    pub fn audit(&self) -> Result<File, HomeError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(PRIVATE_FILE);
        self.directory
            .open_with("audit.jsonl", &options)
            .map_err(|error| self.failed("audit.jsonl", error))
    }

    /// Makes the file of the ledger, for its owner only, before the database opens it by its path; the
    /// files beside it take its mode.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it cannot be made.
    pub fn ledger(&self) -> Result<PathBuf, HomeError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(PRIVATE_FILE);
        match self.directory.open_with(LEDGER, &options) {
            Ok(_) => {}
            // A disk that takes no writes can still be read from; the database says what it needs.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(self.failed(LEDGER, error)),
        }
        Ok(self.path.join(LEDGER))
    }

    /// Where the ledger is, if it is there.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if that cannot be seen.
    pub(crate) fn existing_ledger(&self) -> Result<Option<PathBuf>, HomeError> {
        match self.directory.symlink_metadata(LEDGER) {
            Ok(_) => Ok(Some(self.path.join(LEDGER))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(LEDGER, error)),
        }
    }

    /// A key of 32 random bytes, made when it is first asked for and the same from then on.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if it cannot be made or read.
    pub fn key(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, HomeError> {
        let keys = self.private("keys")?;
        let failed = |error| self.failed("keys", error);
        let mut key = Zeroizing::new([0; 32]);
        match keys.open(name) {
            Ok(mut file) => {
                file.read_exact(&mut *key).map_err(failed)?;
                return Ok(key);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        random::fill(&mut *key).map_err(failed)?;
        let mut temporary = Zeroizing::new([0; 8]);
        random::fill(&mut *temporary).map_err(failed)?;
        let unfinished = format!("{name}.{:016x}", u64::from_be_bytes(*temporary));
        durable::write(&keys, &unfinished, &*key).map_err(failed)?;
        // A link does not replace: of two processes that make a key, one wins and both use its.
        let linked = keys.hard_link(&unfinished, &keys, name);
        keys.remove_file(&unfinished).map_err(failed)?;
        match linked {
            Ok(()) => durable::sync(&keys).map_err(failed).map(|()| key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                keys.open(name).and_then(|mut file| file.read_exact(&mut *key)).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn failed(&self, name: &str, source: io::Error) -> HomeError {
        HomeError { path: self.path.join(name), source }
    }
}

/// Why coffer's own directory cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}: {source}", path.display())]
pub struct HomeError {
    path: PathBuf,
    source: io::Error,
}

impl Explain for HomeError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }

    fn next(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room on the disk and run the command again"
            }
            _ => {
                "make it a directory that you can write to, or choose another one with --home or \
                 COFFER_HOME"
            }
        }
        .into()
    }
}

const LEDGER: &str = "ledger.db";
const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at files behind the handle's back")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_it_makes_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let home = Home::open(&path).unwrap();
        home.private("spool").unwrap();
        home.key("cache").unwrap();
        home.audit().unwrap();
        home.ledger().unwrap();
        for directory in ["", "spool", "keys"] {
            assert_eq!(mode(&path.join(directory)), 0o700, "{directory}");
        }
        for file in ["keys/cache", "audit.jsonl", "ledger.db"] {
            assert_eq!(mode(&path.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn a_key_stays_the_same_and_is_not_another_one() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::open(parent.path()).unwrap();
        let key = home.key("cache").unwrap();
        assert_eq!(home.key("cache").unwrap(), key);
        assert_ne!(home.key("spool").unwrap(), key);
        assert_eq!(std::fs::read_dir(parent.path().join("keys")).unwrap().count(), 2);
    }

    #[test]
    fn a_home_that_cannot_be_made_says_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("file"), "").unwrap();
        let error = Home::open(&parent.path().join("file/home")).unwrap_err();
        assert_eq!(error.blame(), Blame::Operator);
        assert!(error.to_string().contains("file/home"), "{error}");
        assert!(error.next().contains("--home"), "{}", error.next());
    }
}
