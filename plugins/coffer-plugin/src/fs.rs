//! Files below the directories that the operator granted, as far as secrets need them: whole files,
//! read and written at once.

use crate::backend;

/// Why something did not work with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operating system or the grant does not allow it.
    Denied,
    /// The file exists already.
    Exists,
    /// No space is left, or a quota is used up.
    Full,
    /// There is something, and it is not a regular file: a directory, a symbolic link, a device.
    NotAFile,
    /// There is no such file.
    NotFound,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file is larger than this many bytes.
    TooLarge(u64),
    /// No granted directory covers the path.
    Ungranted,
    /// Anything else, in the words of POSIX.
    Other(&'static str),
}

/// The guest paths of the granted directories.
#[must_use]
pub fn granted() -> Vec<String> {
    backend::directories()
}

/// Reads the file at `path`, which is absolute and below a granted directory. Symbolic links are
/// followed as long as they stay in that directory.
///
/// # Errors
///
/// [`Error::Ungranted`] if no granted directory covers the path; [`Error::TooLarge`] if the file has
/// more than `bytes_max` bytes; [`Error::NotAFile`], [`Error::NotFound`] or [`Error::Denied`].
pub fn read(path: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let granted = granted();
    let directory = granted
        .iter()
        .filter(|directory| below(path, directory).is_some())
        .max_by_key(|directory| directory.len())
        .ok_or(Error::Ungranted)?;
    let relative = below(path, directory).ok_or(Error::Ungranted)?;
    backend::Directory::open(directory).ok_or(Error::Ungranted)?.read_following(relative, bytes_max)
}

/// The part of `path` below `directory`, compared by whole components.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory)?;
    let relative = if directory.ends_with('/') { rest } else { rest.strip_prefix('/')? };
    (!relative.is_empty()).then_some(relative)
}

/// A granted directory, whose files are secrets: each is written whole and appears at once. Names are
/// single components. Symbolic links are never followed.
#[derive(Debug)]
pub struct Directory(backend::Directory);

impl Directory {
    /// The directory granted under `guest_path`.
    ///
    /// # Errors
    ///
    /// [`Error::Ungranted`] if there is none.
    pub fn open(guest_path: &str) -> Result<Self, Error> {
        backend::Directory::open(guest_path).map(Self).ok_or(Error::Ungranted)
    }

    /// Reads the file `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NotAFile`], [`Error::TooLarge`] if it has more than `bytes_max`
    /// bytes, or [`Error::Denied`].
    pub fn read(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
        self.0.read(name, bytes_max)
    }

    /// Writes the file `name`, in the place of an old one. When this returns the bytes are on the
    /// disk; until then, and after a crash, a reader sees the old file.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::ReadOnly`], [`Error::Denied`]. The old file is then still there.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.write(name, bytes, true)
    }

    /// Writes the file `name`, unless there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is one, and as [`Directory::replace`].
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.write(name, bytes, false)
    }

    /// Removes the file `name`, and what an interrupted [`Directory::replace`] or
    /// [`Directory::create`] of it may have left.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there was none, [`Error::ReadOnly`], [`Error::Denied`].
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.0.remove(name)
    }

    /// The names of the regular files, in no particular order. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn names(&self) -> Result<Vec<String>, Error> {
        self.0.names()
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    fn check(path: &str, directory: &str, expected: Option<&str>) {
        assert_eq!(below(path, directory), expected, "{path} below {directory}");
    }

    #[test]
    fn a_path_is_below_a_directory_by_whole_components() {
        check("/run/secrets/a", "/run/secrets", Some("a"));
        check("/run/secrets/a/b", "/run/secrets", Some("a/b"));
        check("/run/secrets/a", "/", Some("run/secrets/a"));
        check("/run/secretsx/a", "/run/secrets", None);
        check("/run/secrets", "/run/secrets", None);
        check("/run/secrets/", "/run/secrets", None);
        check("run/secrets/a", "/run/secrets", None);
    }
}
