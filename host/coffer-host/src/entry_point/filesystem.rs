//! `wasi:filesystem` over a tree in memory. There are no links, no times and no permissions, and nothing
//! of it is on a disk.
#![expect(
    unreachable_pub,
    reason = "the generated bindings name these types and are public themselves"
)]

use super::State;
use super::files::{File, Files, FilesError, Node, normal};
use crate::bindings::files::wasi::filesystem::{preopens, types};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard};
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, StreamError, StreamResult,
};

pub(super) type Shared = Arc<Mutex<Files>>;

/// Bytes that are read or written at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// An open file or directory.
pub struct Descriptor(Open);

enum Open {
    /// By its path, which is normal.
    Directory(String),
    File {
        file: File,
        flags: DescriptorFlags,
    },
}

/// What is left of a directory's listing, in reverse.
pub struct Entries(Vec<DirectoryEntry>);

type Answer<T> = wasmtime::Result<Result<T, ErrorCode>>;

fn code(error: FilesError) -> ErrorCode {
    match error {
        FilesError::Exists => ErrorCode::Exist,
        FilesError::Full => ErrorCode::InsufficientSpace,
        FilesError::IsDirectory => ErrorCode::IsDirectory,
        FilesError::NotDirectory => ErrorCode::NotDirectory,
        FilesError::NotEmpty => ErrorCode::NotEmpty,
        FilesError::NotFound => ErrorCode::NoEntry,
        FilesError::Outside => ErrorCode::NotPermitted,
    }
}

fn stat(node: &Node) -> DescriptorStat {
    let (type_, size) = match node {
        Node::Directory => (DescriptorType::Directory, 0),
        Node::File(file) => (DescriptorType::RegularFile, file.bytes().len() as u64),
    };
    DescriptorStat {
        type_,
        link_count: 1,
        size,
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

impl State {
    fn tree(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("nothing panics while it holds this lock")
    }

    fn descriptor(&self, of: &Resource<Descriptor>) -> wasmtime::Result<&Open> {
        Ok(&self.table.get(of)?.0)
    }

    /// The normal path of `path` below the directory `of`.
    fn path(&self, of: &Resource<Descriptor>, path: &str) -> Answer<String> {
        // WASI's paths are relative; an absolute one is refused like one that leads outside.
        Ok(match self.descriptor(of)? {
            Open::File { .. } => Err(ErrorCode::NotDirectory),
            Open::Directory(_) if path.starts_with('/') => Err(ErrorCode::NotPermitted),
            Open::Directory(directory) => normal(directory, path).map_err(code),
        })
    }

    /// Does something with the tree at `path` below the directory `of`.
    fn at<T>(
        &self,
        of: &Resource<Descriptor>,
        path: &str,
        act: impl FnOnce(&mut Files, &str) -> Result<T, FilesError>,
    ) -> Answer<T> {
        let path = match self.path(of, path)? {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        Ok(act(&mut self.tree(), &path).map_err(code))
    }

    fn file(&self, of: &Resource<Descriptor>, needed: DescriptorFlags) -> Answer<File> {
        Ok(match self.descriptor(of)? {
            Open::Directory(_) => Err(ErrorCode::IsDirectory),
            Open::File { flags, .. } if !flags.contains(needed) => Err(ErrorCode::BadDescriptor),
            Open::File { file, .. } => Ok(file.clone()),
        })
    }

    fn node(&self, of: &Resource<Descriptor>) -> wasmtime::Result<Node> {
        Ok(match self.descriptor(of)? {
            Open::Directory(_) => Node::Directory,
            Open::File { file, .. } => Node::File(file.clone()),
        })
    }

    fn output(&mut self, to: Writing) -> Answer<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(to);
        Ok(Ok(self.table.push(stream)?))
    }
}

/// Writes `bytes` at `offset`, with zeros before it if the file is shorter.
fn write(tree: &Shared, file: &File, offset: usize, bytes: &[u8]) -> Result<(), ErrorCode> {
    let end = offset.checked_add(bytes.len()).ok_or(ErrorCode::FileTooLarge)?;
    let more = end.saturating_sub(file.bytes().len());
    if !tree.lock().expect("nothing panics while it holds this lock").has_room(more) {
        return Err(ErrorCode::InsufficientSpace);
    }
    let mut content = file.bytes();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
    Ok(())
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let root = self.table.push(Descriptor(Open::Directory(String::new())))?;
        Ok(vec![(root, "/".into())])
    }
}

impl types::Host for State {
    fn filesystem_error_code(
        &mut self,
        _: Resource<wasmtime_wasi_io::streams::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        // The only error of a stream here is that there is no more room.
        Ok(Some(ErrorCode::InsufficientSpace))
    }
}

impl types::HostDescriptor for State {
    fn read_via_stream(
        &mut self,
        of: Resource<Descriptor>,
        offset: Filesize,
    ) -> Answer<Resource<DynInputStream>> {
        let file = match self.file(&of, DescriptorFlags::READ)? {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let stream: DynInputStream = Box::new(Reading { file, offset });
        Ok(Ok(self.table.push(stream)?))
    }

    fn write_via_stream(
        &mut self,
        of: Resource<Descriptor>,
        offset: Filesize,
    ) -> Answer<Resource<DynOutputStream>> {
        let tree = Arc::clone(&self.files);
        match self.file(&of, DescriptorFlags::WRITE)? {
            Ok(file) => {
                let offset = usize::try_from(offset).ok();
                self.output(Writing { tree, file, offset: offset.or(Some(usize::MAX)) })
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn append_via_stream(&mut self, of: Resource<Descriptor>) -> Answer<Resource<DynOutputStream>> {
        let tree = Arc::clone(&self.files);
        match self.file(&of, DescriptorFlags::WRITE)? {
            Ok(file) => self.output(Writing { tree, file, offset: None }),
            Err(error) => Ok(Err(error)),
        }
    }

    fn advise(
        &mut self,
        _: Resource<Descriptor>,
        _: Filesize,
        _: Filesize,
        _: Advice,
    ) -> Answer<()> {
        Ok(Ok(()))
    }

    fn sync_data(&mut self, _: Resource<Descriptor>) -> Answer<()> {
        Ok(Ok(()))
    }

    fn get_flags(&mut self, of: Resource<Descriptor>) -> Answer<DescriptorFlags> {
        Ok(Ok(match self.descriptor(&of)? {
            Open::Directory(_) => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            Open::File { flags, .. } => *flags,
        }))
    }

    fn get_type(&mut self, of: Resource<Descriptor>) -> Answer<DescriptorType> {
        Ok(Ok(stat(&self.node(&of)?).type_))
    }

    fn set_size(&mut self, of: Resource<Descriptor>, size: Filesize) -> Answer<()> {
        let file = match self.file(&of, DescriptorFlags::WRITE)? {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(size) = usize::try_from(size) else { return Ok(Err(ErrorCode::FileTooLarge)) };
        let length = file.bytes().len();
        if size > length {
            return Ok(write(&self.files, &file, size, &[]));
        }
        file.bytes().truncate(size);
        Ok(Ok(()))
    }

    fn set_times(
        &mut self,
        _: Resource<Descriptor>,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Answer<()> {
        Ok(Ok(()))
    }

    fn read(
        &mut self,
        of: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> Answer<(Vec<u8>, bool)> {
        let file = match self.file(&of, DescriptorFlags::READ)? {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let content = file.bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let end = start.saturating_add(length).min(content.len());
        Ok(Ok((content[start..end].to_vec(), end == content.len())))
    }

    fn write(
        &mut self,
        of: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> Answer<Filesize> {
        let file = match self.file(&of, DescriptorFlags::WRITE)? {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(offset) = usize::try_from(offset) else { return Ok(Err(ErrorCode::FileTooLarge)) };
        Ok(write(&self.files, &file, offset, &bytes).map(|()| bytes.len() as u64))
    }

    fn read_directory(&mut self, of: Resource<Descriptor>) -> Answer<Resource<Entries>> {
        let Open::Directory(path) = self.descriptor(&of)? else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let entries = self.tree().entries(path).into_iter().rev();
        let entries = entries.map(|(name, node)| DirectoryEntry { type_: stat(&node).type_, name });
        let entries = Entries(entries.collect());
        Ok(Ok(self.table.push(entries)?))
    }

    fn sync(&mut self, _: Resource<Descriptor>) -> Answer<()> {
        Ok(Ok(()))
    }

    fn create_directory_at(&mut self, of: Resource<Descriptor>, path: String) -> Answer<()> {
        self.at(&of, &path, Files::make_directory)
    }

    fn stat(&mut self, of: Resource<Descriptor>) -> Answer<DescriptorStat> {
        Ok(Ok(stat(&self.node(&of)?)))
    }

    fn stat_at(
        &mut self,
        of: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> Answer<DescriptorStat> {
        self.at(&of, &path, |files, path| files.node(path).map(|node| stat(&node)))
    }

    fn set_times_at(
        &mut self,
        of: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Answer<()> {
        self.at(&of, &path, |files, path| files.node(path).map(|_| ()))
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> Answer<()> {
        Ok(Err(ErrorCode::Unsupported))
    }

    fn open_at(
        &mut self,
        of: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Answer<Resource<Descriptor>> {
        let opened = self.at(&of, &path, |files, path| {
            let existing = files.node(path);
            if open.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) && existing.is_ok() {
                return Err(FilesError::Exists);
            }
            match existing {
                Ok(Node::Directory) if flags.contains(DescriptorFlags::WRITE) => {
                    Err(FilesError::IsDirectory)
                }
                Ok(Node::Directory) => Ok(Open::Directory(path.to_owned())),
                Ok(Node::File(_)) if open.contains(OpenFlags::DIRECTORY) => {
                    Err(FilesError::NotDirectory)
                }
                Ok(Node::File(file)) => Ok(Open::File { file, flags }),
                Err(_) if open.contains(OpenFlags::CREATE) => {
                    files.create(path).map(|file| Open::File { file, flags })
                }
                Err(error) => Err(error),
            }
        })?;
        let descriptor = match opened {
            Ok(descriptor) => descriptor,
            Err(error) => return Ok(Err(error)),
        };
        if open.contains(OpenFlags::TRUNCATE)
            && let Open::File { file, .. } = &descriptor
        {
            file.bytes().clear();
        }
        Ok(Ok(self.table.push(Descriptor(descriptor))?))
    }

    fn readlink_at(&mut self, _: Resource<Descriptor>, _: String) -> Answer<String> {
        Ok(Err(ErrorCode::Invalid))
    }

    fn remove_directory_at(&mut self, of: Resource<Descriptor>, path: String) -> Answer<()> {
        self.at(&of, &path, Files::remove_directory)
    }

    fn rename_at(
        &mut self,
        of: Resource<Descriptor>,
        path: String,
        to: Resource<Descriptor>,
        new_path: String,
    ) -> Answer<()> {
        let new_path = match self.path(&to, &new_path)? {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        self.at(&of, &path, |files, path| files.rename(path, &new_path))
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> Answer<()> {
        Ok(Err(ErrorCode::Unsupported))
    }

    fn unlink_file_at(&mut self, of: Resource<Descriptor>, path: String) -> Answer<()> {
        self.at(&of, &path, Files::remove_file)
    }

    fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        Ok(match (self.descriptor(&one)?, self.descriptor(&other)?) {
            (Open::Directory(one), Open::Directory(other)) => one == other,
            (Open::File { file: one, .. }, Open::File { file: other, .. }) => one.is_same(other),
            (Open::Directory(_), Open::File { .. }) | (Open::File { .. }, Open::Directory(_)) => {
                false
            }
        })
    }

    fn metadata_hash(&mut self, of: Resource<Descriptor>) -> Answer<MetadataHashValue> {
        // There is nothing that changes with a file but its content, which must not be hashed.
        let lower = u64::from(of.rep());
        Ok(Ok(MetadataHashValue { lower, upper: 0 }))
    }

    fn metadata_hash_at(
        &mut self,
        of: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        self.at(&of, &path, |files, path| {
            files.node(path)?;
            Ok(MetadataHashValue { lower: path.len() as u64, upper: 1 })
        })
    }

    fn drop(&mut self, of: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(of)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for State {
    fn read_directory_entry(&mut self, of: Resource<Entries>) -> Answer<Option<DirectoryEntry>> {
        Ok(Ok(self.table.get_mut(&of)?.0.pop()))
    }

    fn drop(&mut self, of: Resource<Entries>) -> wasmtime::Result<()> {
        self.table.delete(of)?;
        Ok(())
    }
}

/// A stream out of a file. It copies no more than what is read at once: a guest may hold very many.
struct Reading {
    file: File,
    /// Where the next byte comes from.
    offset: usize,
}

#[async_trait::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for Reading {
    fn read(&mut self, bytes_max: usize) -> StreamResult<Bytes> {
        let content = self.file.bytes();
        let rest = content.get(self.offset..).unwrap_or_default();
        if rest.is_empty() {
            return Err(StreamError::Closed);
        }
        let piece = &rest[..bytes_max.min(PIECE_BYTES_MAX).min(rest.len())];
        self.offset += piece.len();
        Ok(Bytes::copy_from_slice(piece))
    }
}

/// A stream into a file.
struct Writing {
    tree: Shared,
    file: File,
    /// Where the next byte goes; nothing to append.
    offset: Option<usize>,
}

#[async_trait::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {}
}

impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let at = self.offset.unwrap_or_else(|| self.file.bytes().len());
        write(&self.tree, &self.file, at, &bytes).map_err(|_| {
            StreamError::LastOperationFailed(wasmtime::Error::msg(
                "the files in memory have no more room",
            ))
        })?;
        if self.offset.is_some() {
            self.offset = Some(at + bytes.len());
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE_BYTES_MAX)
    }
}
