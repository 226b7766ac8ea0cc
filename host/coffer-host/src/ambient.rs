//! The one place where the library reads its process's environment and opens paths by name. Everything
//! here takes a permit, or is called with what an operator wrote in a grant.

use coffer_grants::{Access, DirectoryPermit, EnvironmentPermit};
use std::io;
use std::path::Path;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::WasiCtxBuilder;
use zeroize::Zeroizing;

/// The granted variables that are set, with their values.
pub(crate) fn variables(permit: &EnvironmentPermit) -> Vec<(String, Zeroizing<String>)> {
    permit.names().filter_map(|name| Some((name.to_owned(), variable(name)?))).collect()
}

/// The value of a variable, if it is set and is text.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn variable(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().map(Zeroizing::new)
}

/// Reads the file that an operator named in a grant.
///
/// # Errors
///
/// That of the operating system, or [`io::ErrorKind::FileTooLarge`].
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn file(path: &str, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    crate::secret::read(std::fs::File::open(path)?, bytes_max)
}

/// Opens a granted directory and shows it to the guest.
///
/// # Errors
///
/// That of the operating system.
pub(crate) fn show_directory(
    builder: &mut WasiCtxBuilder,
    permit: &DirectoryPermit<'_>,
) -> io::Result<()> {
    let grant = permit.grant();
    if grant.create() {
        make_private(Path::new(grant.host()))?;
    }
    let permissions = match grant.access() {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    };
    builder
        .preopened_dir(grant.host(), grant.guest(), permissions)
        .map_err(|error| error.downcast::<io::Error>().unwrap_or_else(io::Error::other))?;
    Ok(())
}

/// Opens a granted directory, for a worker that shows it to the guest.
///
/// # Errors
///
/// That of the operating system.
#[cfg(target_os = "linux")]
pub(crate) fn open_directory(permit: &DirectoryPermit<'_>) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let grant = permit.grant();
    if grant.create() {
        make_private(Path::new(grant.host()))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(grant.host(), flags, Mode::empty())?)
}

/// Makes sure that there is a directory, and that only its owner can look into it.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn make_private(path: &Path) -> io::Result<()> {
    use std::fs;
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    if !path.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // What is put into it and synced is lost all the same if its own name is.
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            fs::File::open(parent)?.sync_all()?;
        }
    }
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes sure that there is a directory. Whoever may see the one above may see it.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn make_private(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}
