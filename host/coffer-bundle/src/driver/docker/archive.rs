//! The archives that docker copies: files into a container, outputs out of one. An archive from a
//! container is the bundle's, so only plain files of expected paths are taken from it, and nothing of it
//! is ever a path of this machine.

use super::super::error::shown;
use super::super::operation::OUTPUTS;
use super::super::process::Growing;
use super::super::{DriverError, Ended, OutputRefused, limits};
use coffer_host::Secret;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use tar::{Archive, Builder, EntryType, Header};
use zeroize::Zeroizing;

/// Whom the files belong to in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A user of the image whose number only the image knows. The files are for all in the container,
    /// which is the bundle and nobody else.
    Named,
    /// A user by numbers. The files are for that user alone.
    Numbered { user: u64, group: u64 },
}

impl Owner {
    /// The owner that an image's `USER` tells of.
    pub(super) fn of(user: &str) -> Self {
        let (user, group) = user.split_once(':').unwrap_or((user, "0"));
        let number = |text: &str| match text {
            "" | "root" => Some(0),
            number => number.parse::<u32>().ok().map(u64::from),
        };
        match (number(user), number(group)) {
            (Some(user), group) => Self::Numbered { user, group: group.unwrap_or(0) },
            (None, _) => Self::Named,
        }
    }

    fn header(self, kind: EntryType, length: usize) -> Header {
        let mut header = Header::new_gnu();
        let (user, group, mode) = match (self, kind) {
            (Self::Named, EntryType::Directory) => (0, 0, 0o777),
            (Self::Named, _) => (0, 0, 0o444),
            (Self::Numbered { user, group }, EntryType::Directory) => (user, group, 0o700),
            (Self::Numbered { user, group }, _) => (user, group, 0o600),
        };
        header.set_entry_type(kind);
        header.set_uid(user);
        header.set_gid(group);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_size(length as u64);
        header
    }
}

/// An archive of the files, and of the directory for outputs. Paths were checked to have one reading.
pub(super) fn pack(files: &BTreeMap<String, Secret>, owner: Owner) -> Zeroizing<Vec<u8>> {
    let write = || -> io::Result<Growing> {
        let mut archive = Builder::new(Growing::default());
        let mut header = owner.header(EntryType::Directory, 0);
        archive.append_data(&mut header, format!("{}/", &OUTPUTS[1..]), io::empty())?;
        for (path, content) in files {
            let content = content.expose();
            let mut header = owner.header(EntryType::Regular, content.len());
            archive.append_data(&mut header, path.trim_start_matches('/'), content)?;
        }
        archive.into_inner()
    };
    write().expect("checked paths can be written to memory").0
}

/// Takes the expected outputs out of an archive of the directory `outputs`.
pub(super) fn unpack(archive: &[u8], expected: &BTreeMap<String, String>, ended: &mut Ended) {
    let mut missing = expected.clone();
    let mut room = limits::OUTPUTS_BYTES_MAX;
    let mut whole = || -> io::Result<()> {
        for entry in Archive::new(archive).entries()? {
            let mut entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some(below) = path.trim_start_matches("./").strip_prefix("outputs/") else {
                continue;
            };
            let Some(name) = missing.remove(&format!("{OUTPUTS}/{below}")) else { continue };
            let length = usize::try_from(entry.size()).unwrap_or(usize::MAX);
            let refused = match entry.header().entry_type() {
                EntryType::Regular if length <= room.min(limits::OUTPUT_BYTES_MAX) => None,
                EntryType::Regular => Some(OutputRefused::TooLarge),
                _ => Some(OutputRefused::NotFile),
            };
            if let Some(refused) = refused {
                ended.refused.push(DriverError::Output { name: shown(&name), refused });
                continue;
            }
            room -= length;
            let mut content = Zeroizing::new(Vec::with_capacity(length));
            let read = match entry.read_to_end(&mut content) {
                // The library takes an archive that breaks off for one that ends.
                Ok(read) if read < length => Err(io::ErrorKind::UnexpectedEof.into()),
                read => read,
            };
            if let Err(error) = read {
                missing.insert(path, name);
                return Err(error);
            }
            ended.outputs.insert(name, Secret::new(std::mem::take(&mut *content)));
        }
        Ok(())
    };
    if let Err(error) = whole() {
        let refused = OutputRefused::Unreadable(error.kind());
        let lost = missing.into_values();
        ended.refused.extend(lost.map(|name| DriverError::Output { name: shown(&name), refused }));
    }
}
