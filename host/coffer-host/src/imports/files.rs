//! `wasi:filesystem`: the granted directories. The engine's own implementation does the work and keeps every
//! path inside; this one stands before it, counts what a call uses, and notes what stands in the plugin's
//! way and is the operator's to change. The plugin is told a code and cannot say more.
//!
//! What is noted is only ever about a granted directory, or about one that the manifest asks for. A path
//! that leads out of a directory is refused and not noted: nobody could grant it, so it explains nothing.

mod opening;
mod sight;
mod written;

use super::State;
use crate::error::Incident;
use crate::limits;
use crate::text;
use coffer_grants::{Denied, Grants};
use rustix::fs::StatVfsMountFlags;
use sight::{Act, Exceeded, Seen, Why};
use std::io;
use std::sync::{Arc, Weak};
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{FsError, FsResult, ReaddirIterator};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};
use written::Written;

pub(crate) use sight::Sight;

/// The granted directories of a store, as its operator is told of them.
pub(crate) struct Directories {
    /// In the order in which instances have them.
    granted: Vec<Granted>,
    /// Those that the manifest asks for and that are not granted.
    missing: Vec<Denied>,
}

/// A granted directory, as the operator is told of it.
struct Granted {
    path: String,
    /// Writing, if the manifest asks for it and the grant does not have it.
    missing_writing: Option<Denied>,
}

impl Directories {
    /// `asked` is what the manifest asks for.
    pub(crate) fn of(grants: &Grants, asked: &Grants) -> Self {
        let granted = grants.directories().map(|permit| Granted {
            path: text::escape(permit.grant().host()),
            missing_writing: grants.missing_writing(permit.grant().guest(), asked),
        });
        Self { granted: granted.collect(), missing: grants.missing_directories(asked) }
    }
}

/// What one call has open below which granted directory, by its place among those.
#[derive(Default)]
pub(super) struct Usage {
    seen: Arc<Seen>,
    roots: Vec<Arc<std::fs::File>>,
    open: Vec<(Weak<std::fs::File>, usize)>,
    created: usize,
    entries: usize,
}

impl Usage {
    pub(super) fn take_sights(&mut self) -> Vec<Sight> {
        std::mem::take(&mut self.seen.sights())
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    preopens::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// The code for what the operating system said. The engine's own has none for these three.
fn code(error: &io::Error) -> ErrorCode {
    match error.kind() {
        io::ErrorKind::CrossesDevices => ErrorCode::CrossDevice,
        io::ErrorKind::QuotaExceeded => ErrorCode::Quota,
        io::ErrorKind::ReadOnlyFilesystem => ErrorCode::ReadOnly,
        _ => error.into(),
    }
}

impl Directories {
    /// What an instance saw that is the operator's, in words. A worker's sights are what it alleges: they
    /// can blame nothing but what was granted and asked for.
    pub(super) fn incidents(&self, sights: Vec<Sight>) -> impl Iterator<Item = Incident> {
        sights.into_iter().take(sight::SIGHTS_MAX).flat_map(|sight| match sight {
            Sight::Directories => self.missing.iter().cloned().map(Incident::Directory).collect(),
            Sight::Exceeded(limit) => vec![Incident::Limit { limit: limit.text() }],
            Sight::Refused { directory, act, why } => {
                Vec::from_iter(self.incident(directory, act, why))
            }
        })
    }

    /// What stood in the way of `act` in a granted directory, if that is the operator's.
    fn incident(&self, directory: u32, act: Act, why: Why) -> Option<Incident> {
        let Granted { path, missing_writing } = self.granted.get(directory as usize)?;
        let directory = path.clone();
        match why {
            Why::Access => {
                let act = if act == Act::Read { "read" } else { "write" };
                Some(Incident::Forbidden { act, directory })
            }
            Why::Full => Some(Incident::DiskFull { directory }),
            Why::ReadOnly => Some(Incident::DiskReadOnly { directory }),
            // What is said to a path that leads out as well. There it is nobody's but the plugin's; who may
            // only read is told so before the path is looked at.
            Why::NotPermitted if act == Act::Write => {
                missing_writing.clone().map(Incident::Directory)
            }
            Why::NotPermitted => None,
        }
    }
}

impl State {
    fn handle(&self, of: &Resource<Descriptor>) -> wasmtime::Result<&Arc<std::fs::File>> {
        Ok(handle(self.table.get(of)?))
    }

    /// The granted directory that something is or is below.
    fn directory(&self, of: &Resource<Descriptor>) -> Option<usize> {
        let handle = self.handle(of).ok()?;
        let Usage { roots, open, .. } = &self.files;
        roots.iter().position(|root| Arc::ptr_eq(root, handle)).or_else(|| {
            let mut open = open.iter();
            let same = open.find(|(open, _)| open.as_ptr() == Arc::as_ptr(handle))?;
            Some(same.1)
        })
    }

    /// Notes `code` if it may be the operator's.
    fn note(&self, of: &Resource<Descriptor>, act: Act, code: ErrorCode) {
        if let Some(directory) = self.directory(of) {
            self.files.seen.refused(directory, act, code);
        }
    }

    /// Notes what became of reading.
    fn saw<T>(&self, of: &Resource<Descriptor>, result: FsResult<T>) -> FsResult<T> {
        if let Some(code) = told(&result) {
            self.note(of, Act::Read, code);
        }
        result
    }

    /// Notes what became of writing. The engine has no word for a file system that takes no writes, so that
    /// is looked up.
    async fn wrote<T>(&mut self, of: &Resource<Descriptor>, result: FsResult<T>) -> FsResult<T> {
        let Some(code) = told(&result) else { return result };
        let read_only = code == ErrorCode::Io && self.is_read_only(of).await;
        let code = if read_only { ErrorCode::ReadOnly } else { code };
        self.note(of, Act::Write, code);
        if read_only { Err(code.into()) } else { result }
    }

    /// Notes what became of moving or linking something.
    async fn moved(
        &mut self,
        from: &Resource<Descriptor>,
        to: &Resource<Descriptor>,
        result: FsResult<()>,
    ) -> FsResult<()> {
        if self.directory(from) == self.directory(to) {
            return self.wrote(to, result).await;
        }
        match told(&result) {
            // Which of the two refused it is not known.
            None | Some(ErrorCode::Access) => result,
            Some(ErrorCode::InsufficientSpace) => self.wrote(to, result).await,
            Some(_) => {
                let result = self.wrote(from, result).await;
                self.wrote(to, result).await
            }
        }
    }

    async fn is_read_only(&mut self, of: &Resource<Descriptor>) -> bool {
        let Ok(handle) = self.handle(of).cloned() else { return false };
        let asked = tokio::task::spawn_blocking(move || rustix::fs::fstatvfs(&handle));
        matches!(asked.await, Ok(Ok(found)) if found.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    /// Counts something that is about to be made.
    fn creates(&mut self) -> FsResult<()> {
        if self.files.created == limits::FILES_CREATED_MAX {
            self.files.seen.add(Sight::Exceeded(Exceeded::Created));
            return Err(ErrorCode::Quota.into());
        }
        self.files.created += 1;
        Ok(())
    }

    /// Counts something that is about to be opened.
    fn opens(&mut self) -> FsResult<()> {
        // What is still used by a stream is open, whether there is a handle or not.
        self.files.open.retain(|(open, _)| open.strong_count() > 0);
        if self.files.open.len() == limits::OPEN_FILES_MAX {
            self.files.seen.add(Sight::Exceeded(Exceeded::Open));
            return Err(ErrorCode::Quota.into());
        }
        Ok(())
    }

    /// Counts bytes that are about to be written at an offset, or that a file is about to be cut to.
    fn writes(&self, of: &Resource<Descriptor>, offset: Option<u64>, bytes: u64) -> FsResult<()> {
        let handle = self.handle(of).map_err(FsError::trap)?;
        written::count(&self.files.seen, handle, offset, bytes).map_err(FsError::from)
    }

    fn output(
        &mut self,
        of: &Resource<Descriptor>,
        offset: Option<u64>,
        stream: FsResult<Resource<DynOutputStream>>,
    ) -> FsResult<Resource<DynOutputStream>> {
        if let Some(code) = told(&stream) {
            self.note(of, Act::Write, code);
        }
        let stream = self.table.delete(stream?)?;
        let stream: DynOutputStream = Box::new(Written {
            stream,
            file: Arc::clone(self.handle(of).map_err(FsError::trap)?),
            offset,
            directory: self.directory(of),
            seen: Arc::clone(&self.files.seen),
        });
        Ok(self.table.push(stream)?)
    }
}

/// What the plugin is told, if it is an error and not the end of the call.
fn told<T>(result: &FsResult<T>) -> Option<ErrorCode> {
    result.as_ref().err()?.downcast_ref().copied()
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.files.seen.add(Sight::Directories);
        let seen = preopens::Host::get_directories(&mut self.filesystem())?;
        let roots = seen.iter().map(|(root, _)| self.handle(root).cloned());
        self.files.roots = roots.collect::<Result<_, _>>()?;
        Ok(seen)
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref().map(code))
    }
}

impl HostDescriptor for State {
    async fn advise(
        &mut self,
        of: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.filesystem().advise(of, offset, length, advice).await
    }

    async fn sync_data(&mut self, of: Resource<Descriptor>) -> FsResult<()> {
        let result = self.filesystem().sync_data(borrow(&of)).await;
        self.wrote(&of, result).await
    }

    async fn get_flags(&mut self, of: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.filesystem().get_flags(of).await
    }

    async fn get_type(&mut self, of: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.filesystem().get_type(of).await
    }

    async fn set_size(&mut self, of: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        self.writes(&of, Some(size), 0)?;
        let result = self.filesystem().set_size(borrow(&of), size).await;
        self.wrote(&of, result).await
    }

    async fn set_times(
        &mut self,
        of: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let result = self.filesystem().set_times(borrow(&of), accessed, modified).await;
        self.wrote(&of, result).await
    }

    async fn read(
        &mut self,
        of: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let result =
            HostDescriptor::read(&mut self.filesystem(), borrow(&of), length, offset).await;
        self.saw(&of, result)
    }

    async fn write(
        &mut self,
        of: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        self.writes(&of, Some(offset), bytes.len() as u64)?;
        let result = self.filesystem().write(borrow(&of), bytes, offset).await;
        self.wrote(&of, result).await
    }

    async fn read_directory(
        &mut self,
        of: Resource<Descriptor>,
    ) -> FsResult<Resource<ReaddirIterator>> {
        // Counted before, because the engine reads all of it at once.
        let left = limits::DIRECTORY_ENTRIES_MAX - self.files.entries;
        if let Descriptor::Dir(directory) = self.table.get(&of)? {
            let directory = directory.clone();
            let counted = tokio::task::spawn_blocking(move || entries(&directory.dir, left)).await;
            // What cannot be read fails below, in the engine's words.
            let counted = counted.map_err(FsError::trap)?.unwrap_or_default();
            if counted > left {
                self.files.seen.add(Sight::Exceeded(Exceeded::Entries));
                return Err(ErrorCode::Quota.into());
            }
            self.files.entries += counted;
        }
        let result = self.filesystem().read_directory(borrow(&of)).await;
        self.saw(&of, result)
    }

    async fn sync(&mut self, of: Resource<Descriptor>) -> FsResult<()> {
        let result = self.filesystem().sync(borrow(&of)).await;
        self.wrote(&of, result).await
    }

    async fn create_directory_at(
        &mut self,
        of: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.creates()?;
        let result = self.filesystem().create_directory_at(borrow(&of), path).await;
        self.wrote(&of, result).await
    }

    async fn stat(&mut self, of: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.filesystem().stat(of).await
    }

    async fn stat_at(
        &mut self,
        of: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let result = self.filesystem().stat_at(borrow(&of), flags, path).await;
        self.saw(&of, result)
    }

    async fn set_times_at(
        &mut self,
        of: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        // The engine opens what a link leads to, and would wait for the other end of a FIFO.
        if flags.contains(PathFlags::SYMLINK_FOLLOW) {
            let opened =
                self.open_at(borrow(&of), flags, path, OpenFlags::empty(), DescriptorFlags::READ);
            let opened = opened.await?;
            let result = self.set_times(borrow(&opened), accessed, modified).await;
            self.table.delete(opened)?;
            return result;
        }
        let engine = &mut self.filesystem();
        let result = engine.set_times_at(borrow(&of), flags, path, accessed, modified).await;
        self.wrote(&of, result).await
    }

    async fn link_at(
        &mut self,
        of: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        to: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.creates()?;
        let engine = &mut self.filesystem();
        let result = engine.link_at(borrow(&of), flags, path, borrow(&to), new_path).await;
        self.moved(&of, &to, result).await
    }

    async fn open_at(
        &mut self,
        of: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        descriptor: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let Descriptor::Dir(directory) = self.table.get(&of)?.clone() else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let opening = opening::Opening::new(flags, path, open, descriptor)?;
        self.opens()?;
        if open.contains(OpenFlags::CREATE) {
            self.creates()?;
        }
        let writes = opening.writes();
        let opened = tokio::task::spawn_blocking(move || opening.open(&directory)).await;
        let opened = opened.map_err(FsError::trap)?.map_err(FsError::from);
        let opened = if writes { self.wrote(&of, opened).await } else { self.saw(&of, opened) }?;
        if let Some(root) = self.directory(&of) {
            self.files.open.push((Arc::downgrade(handle(&opened)), root));
        }
        Ok(self.table.push(opened)?)
    }

    fn drop(&mut self, of: Resource<Descriptor>) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.filesystem(), of)
    }

    async fn readlink_at(&mut self, of: Resource<Descriptor>, path: String) -> FsResult<String> {
        let result = self.filesystem().readlink_at(borrow(&of), path).await;
        self.saw(&of, result)
    }

    async fn remove_directory_at(
        &mut self,
        of: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let result = self.filesystem().remove_directory_at(borrow(&of), path).await;
        self.wrote(&of, result).await
    }

    async fn rename_at(
        &mut self,
        of: Resource<Descriptor>,
        path: String,
        to: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let result = self.filesystem().rename_at(borrow(&of), path, borrow(&to), new_path).await;
        self.moved(&of, &to, result).await
    }

    async fn symlink_at(
        &mut self,
        of: Resource<Descriptor>,
        to: String,
        path: String,
    ) -> FsResult<()> {
        self.creates()?;
        let result = self.filesystem().symlink_at(borrow(&of), to, path).await;
        self.wrote(&of, result).await
    }

    async fn unlink_file_at(&mut self, of: Resource<Descriptor>, path: String) -> FsResult<()> {
        let result = self.filesystem().unlink_file_at(borrow(&of), path).await;
        self.wrote(&of, result).await
    }

    fn read_via_stream(
        &mut self,
        of: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.filesystem().read_via_stream(of, offset)
    }

    fn write_via_stream(
        &mut self,
        of: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.filesystem().write_via_stream(borrow(&of), offset);
        self.output(&of, Some(offset), stream)
    }

    fn append_via_stream(
        &mut self,
        of: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.filesystem().append_via_stream(borrow(&of));
        self.output(&of, None, stream)
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.filesystem().is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, of: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.filesystem().metadata_hash(of).await
    }

    async fn metadata_hash_at(
        &mut self,
        of: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let result = self.filesystem().metadata_hash_at(borrow(&of), flags, path).await;
        self.saw(&of, result)
    }
}

impl HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        of: Resource<ReaddirIterator>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.filesystem().read_directory_entry(of).await
    }

    fn drop(&mut self, of: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.filesystem(), of)
    }
}

/// How many entries a directory has, as far as one more than `most`.
fn entries(directory: &std::fs::File, most: usize) -> io::Result<usize> {
    let directory = cap_std::fs::Dir::from_std_file(directory.try_clone()?);
    Ok(directory.entries()?.take(most + 1).count())
}

fn handle(of: &Descriptor) -> &Arc<std::fs::File> {
    match of {
        Descriptor::Dir(directory) => &directory.dir,
        Descriptor::File(file) => &file.file,
    }
}

/// The same handle once more, for the engine to look at.
fn borrow(of: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(of.rep())
}
