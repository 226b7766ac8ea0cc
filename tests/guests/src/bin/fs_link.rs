//! Makes a symbolic link to where the key says, and reads through it.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn resolve(key: &str) -> Result<Secret, Error> {
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    let made = directory.symlink_at(key, "planted").map_or_else(|code| code.name(), |()| "made");
    let read = directory
        .open_at(PathFlags::SYMLINK_FOLLOW, "planted", OpenFlags::empty(), DescriptorFlags::READ)
        .and_then(|file| file.read(1024, 0))
        .map_or_else(
            |code| code.name().to_owned(),
            |(bytes, _)| String::from_utf8_lossy(&bytes).into_owned(),
        );
    report(format!("{made},{read}"))
}

guests::guest!(resolve);
