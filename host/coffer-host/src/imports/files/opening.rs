//! Opens something below a granted directory without waiting for whoever is at its other end.
//!
//! Opening a FIFO waits until somebody opens the other end, on a thread that cannot be told to stop: the call
//! would be over at its deadline and the thread would wait on. So this does what the engine's `open-at` does,
//! without waiting, and looks at what was opened before anybody reads or writes. What is looked at is open, so
//! it makes no difference that its name leads to something else meanwhile.

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::OpenOptions;
use std::io;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

/// What is to be opened, and how.
pub(super) struct Opening {
    path: String,
    options: OpenOptions,
    mode: OpenMode,
    directory: bool,
}

impl Opening {
    pub(super) fn new(
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Self, ErrorCode> {
        let synchronous = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(synchronous) {
            return Err(ErrorCode::Unsupported);
        }
        let directory = open.contains(OpenFlags::DIRECTORY);
        let changes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if directory && open.intersects(changes) {
            return Err(ErrorCode::Invalid);
        }
        let creates = open.contains(OpenFlags::CREATE);
        let truncates = open.contains(OpenFlags::TRUNCATE);
        let writes = creates || truncates || flags.contains(DescriptorFlags::WRITE);
        // Something is always opened to be read or written, and what is opened to be made and not to be
        // written can be read.
        let reads =
            flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE);
        let exclusive = creates && open.contains(OpenFlags::EXCLUSIVE);
        let follow = if path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            FollowSymlinks::Yes
        } else {
            FollowSymlinks::No
        };
        let mut options = OpenOptions::new();
        options.read(reads).write(writes).truncate(truncates);
        options.create(creates && !exclusive).create_new(exclusive);
        options.follow(follow).nonblock(true);
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, reads);
        mode.set(OpenMode::WRITE, writes);
        Ok(Self { path, options, mode, directory })
    }

    /// Whether something can be changed by it, or by what is opened.
    pub(super) fn writes(&self) -> bool {
        self.mode.contains(OpenMode::WRITE)
    }

    /// Opens it. To be called where it does not matter how long a disk takes.
    pub(super) fn open(self, below: &Dir) -> Result<Descriptor, ErrorCode> {
        let Self { path, options, mode, directory } = self;
        if mode.contains(OpenMode::WRITE) && below.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted);
        }
        let open = || -> io::Result<std::fs::File> {
            let below = cap_std::fs::Dir::from_std_file(below.dir.try_clone()?);
            Ok(below.open_with(&path, &options)?.into_std())
        };
        let opened = open().map_err(|error| code(&error))?;
        let kind = opened.metadata().map_err(|error| code(&error))?.file_type();
        if kind.is_dir() {
            return Ok(Descriptor::Dir(Dir::new(opened, below.perms, mode, false)));
        }
        if directory {
            return Err(ErrorCode::NotDirectory);
        }
        if kind.is_file() {
            return Ok(Descriptor::File(File::new(opened, below.perms, mode, false)));
        }
        // A FIFO or a device.
        Err(ErrorCode::NotPermitted)
    }
}

fn code(error: &io::Error) -> ErrorCode {
    // What is said to a FIFO that nobody reads, and to a socket.
    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
        return ErrorCode::NotPermitted;
    }
    super::code(error)
}
