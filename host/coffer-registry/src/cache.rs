//! What was pulled, on the disk: blobs and manifests under the names of their digests, which signatures belong to what,
//! and blobs that are not whole yet. Whatever is read is held against its digest, so nothing here is trusted.
//!
//! - `blobs/HEX` what has this digest
//! - `partial/HEX` the beginning of it
//! - `signatures/HEX` the digests of the manifests of its signatures, one a line
//! - `bundles/HEX/` a bundle, for those who open it by its path

use crate::digest::{Digest, Hashing};
use crate::error::RegistryError;
use crate::limits;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use coffer_host::durable;
use rustix::fs::{FlockOperation, flock};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

pub(crate) struct Cache {
    path: PathBuf,
    blobs: Dir,
    bundles: Dir,
    partial: Dir,
    signatures: Dir,
}

impl Cache {
    /// Opens it in a directory, which is at `path`.
    pub(crate) fn open(directory: &Dir, path: &Path) -> Result<Self, RegistryError> {
        let folder = |name: &str| {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            match directory.create_dir_with(name, &builder) {
                Ok(()) => durable::sync(directory)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            directory.open_dir(name)
        };
        let open = || {
            Ok(Self {
                path: path.to_owned(),
                blobs: folder("blobs")?,
                bundles: folder("bundles")?,
                partial: folder("partial")?,
                signatures: folder("signatures")?,
            })
        };
        open().map_err(|source| RegistryError::Cache { path: path.to_owned(), source })
    }

    /// What has this digest, if it is here. What was changed here is told of, and is as good as not here.
    pub(crate) fn read(
        &self,
        digest: &Digest,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let bytes = match read(&self.blobs, digest.hex(), bytes_max) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        if Digest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        tracing::warn!(
            "{} was changed on the disk; it is not used, and pulled again",
            self.path.join("blobs").join(digest.hex()).display()
        );
        Ok(None)
    }

    /// Keeps something.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Digest, RegistryError> {
        let digest = Digest::of(bytes);
        durable::replace(&self.blobs, digest.hex(), bytes).map_err(|error| self.failed(error))?;
        Ok(digest)
    }

    /// The digests of the manifests of the signatures that are here of something.
    pub(crate) fn signatures(&self, subject: &Digest) -> Result<Vec<Digest>, RegistryError> {
        match read(&self.signatures, subject.hex(), SIGNATURES_BYTES_MAX) {
            Ok(bytes) => {
                Ok(String::from_utf8_lossy(&bytes).lines().filter_map(Digest::parse).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Notes which manifests have the signatures of something, beside those that were noted.
    pub(crate) fn keep_signatures(
        &self,
        subject: &Digest,
        manifests: &[Digest],
    ) -> Result<(), RegistryError> {
        let mut manifests = manifests.to_vec();
        for earlier in self.signatures(subject)? {
            if !manifests.contains(&earlier) {
                manifests.push(earlier);
            }
        }
        manifests.truncate(limits::SIGNATURES_MAX);
        let lines: String = manifests.iter().map(|digest| format!("{digest}\n")).collect();
        let kept = durable::replace(&self.signatures, subject.hex(), lines.as_bytes());
        kept.map_err(|error| self.failed(error))
    }

    /// Writes the files of a bundle, and says where they are.
    pub(crate) fn keep_bundle(
        &self,
        digest: &Digest,
        files: &[(&str, &[u8])],
    ) -> Result<PathBuf, RegistryError> {
        let keep = || {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            match self.bundles.create_dir_with(digest.hex(), &builder) {
                Ok(()) => durable::sync(&self.bundles)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let directory = self.bundles.open_dir(digest.hex())?;
            files.iter().try_for_each(|(name, bytes)| durable::replace(&directory, name, bytes))
        };
        keep().map_err(|error| self.failed(error))?;
        Ok(self.path.join("bundles").join(digest.hex()))
    }

    /// What is here of a blob that is not whole yet. Of two processes that pull the same, one begins anew.
    pub(crate) fn partial(&self, digest: &Digest) -> Result<Partial<'_>, RegistryError> {
        let open = |name: String| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).mode(0o600);
            self.partial.open_with(&name, &options).map(|file| (name, file))
        };
        let begin = || {
            let (name, file) = open(digest.hex().to_owned())?;
            let (name, file) = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => (name, file),
                Err(_) => open(durable::unfinished(digest.hex())?)?,
            };
            let mut partial =
                Partial { cache: self, name, file, hashing: Hashing::new(), length: 0 };
            partial.take_over()?;
            Ok(partial)
        };
        begin().map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> RegistryError {
        RegistryError::Cache { path: self.path.clone(), source }
    }
}

/// A blob that is being pulled.
pub(crate) struct Partial<'a> {
    cache: &'a Cache,
    name: String,
    file: File,
    hashing: Hashing,
    pub(crate) length: u64,
}

impl Partial<'_> {
    /// Goes through what an earlier process left.
    fn take_over(&mut self) -> io::Result<()> {
        let mut buffer = [0; 65536];
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.hashing.add(&buffer[..read]);
            self.length += read as u64;
        }
    }

    /// Forgets what there is.
    pub(crate) fn restart(&mut self) -> Result<(), RegistryError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| self.cache.failed(error))?;
        (self.hashing, self.length) = (Hashing::new(), 0);
        Ok(())
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.file.write_all(bytes).map_err(|error| self.cache.failed(error))?;
        self.hashing.add(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Keeps it as what has this digest, or, if it has another, says which, and forgets it.
    pub(crate) fn finish(self, digest: &Digest) -> Result<Result<(), Digest>, RegistryError> {
        let actual = self.hashing.digest();
        let finish = || {
            if actual != *digest {
                self.cache.partial.remove_file(&self.name)?;
                return Ok(Err(actual));
            }
            self.file.sync_all()?;
            self.cache.partial.rename(&self.name, &self.cache.blobs, digest.hex())?;
            durable::sync(&self.cache.blobs)?;
            Ok(Ok(()))
        };
        finish().map_err(|error| self.cache.failed(error))
    }
}

fn read(directory: &Dir, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    directory.open(name)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Bytes of a list of signatures: a hundred of them.
const SIGNATURES_BYTES_MAX: usize = 8192;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests change files behind the cache's back")]
mod tests {
    use super::*;
    use std::fs;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let opened = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        let cache = Cache::open(&opened, directory.path()).unwrap();
        (directory, cache)
    }

    #[test]
    fn what_is_read_has_the_digest_that_was_asked_for() {
        let (directory, cache) = cache();
        let digest = cache.write(b"what was pulled").unwrap();
        assert_eq!(cache.read(&digest, 100).unwrap().unwrap(), b"what was pulled");
        assert_eq!(cache.read(&Digest::of(b"else"), 100).unwrap(), None);
        let path = directory.path().join("blobs").join(digest.hex());
        for changed in [&b"What was pulled"[..], b"", b"what was pulled "] {
            fs::write(&path, changed).unwrap();
            assert_eq!(cache.read(&digest, 100).unwrap(), None);
        }
        fs::write(&path, [0; 101]).unwrap();
        assert!(matches!(cache.read(&digest, 100), Err(RegistryError::Cache { .. })));
        cache.write(b"what was pulled").unwrap();
        assert_eq!(cache.read(&digest, 100).unwrap().unwrap(), b"what was pulled");
        assert_eq!(fs::read_dir(directory.path().join("blobs")).unwrap().count(), 1);
    }

    #[test]
    fn a_blob_goes_on_where_it_ended() {
        let (directory, cache) = cache();
        let digest = Digest::of(b"one two");
        let mut partial = cache.partial(&digest).unwrap();
        partial.add(b"one ").unwrap();
        // Somebody else who pulls it meanwhile begins anew.
        assert_eq!(cache.partial(&digest).unwrap().length, 0);
        drop(partial);
        let mut partial = cache.partial(&digest).unwrap();
        assert_eq!(partial.length, 4);
        partial.add(b"two").unwrap();
        partial.finish(&digest).unwrap().unwrap();
        assert_eq!(cache.read(&digest, 100).unwrap().unwrap(), b"one two");
        // What turns out to be something else is not kept, nor gone on with.
        let mut partial = cache.partial(&digest).unwrap();
        partial.add(b"one").unwrap();
        partial.restart().unwrap();
        partial.add(b"else").unwrap();
        assert_eq!(partial.finish(&digest).unwrap(), Err(Digest::of(b"else")));
        assert_eq!(cache.partial(&digest).unwrap().length, 0);
        assert_eq!(cache.read(&Digest::of(b"else"), 100).unwrap(), None);
        assert!(directory.path().join("partial").is_dir());
    }
}
