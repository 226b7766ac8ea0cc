//! Reads the path that the key says from the first directory it sees, as it is and following links.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn resolve(key: &str) -> Result<Secret, Error> {
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    let file = directory.open_at(
        PathFlags::SYMLINK_FOLLOW,
        key,
        OpenFlags::empty(),
        DescriptorFlags::READ,
    );
    match file.and_then(|file| file.read(1024, 0)) {
        Ok((bytes, _)) => report(String::from_utf8_lossy(&bytes)),
        Err(code) => report(code.name()),
    }
}

guests::guest!(resolve);
