//! Writes, removes and renames at the path that the key says, in the first directory it sees.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn resolve(key: &str) -> Result<Secret, Error> {
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = directory.open_at(PathFlags::SYMLINK_FOLLOW, key, flags, DescriptorFlags::WRITE);
    let written = file.and_then(|file| file.write(b"written", 0));
    let made = directory.create_directory_at(&format!("{key}.d"));
    let renamed = directory.rename_at(key, &directory, &format!("{key}.renamed"));
    let removed = directory.unlink_file_at(&format!("{key}.renamed"));
    let said = |ok: bool| if ok { "done" } else { "refused" };
    report(
        [said(written.is_ok()), said(made.is_ok()), said(renamed.is_ok()), said(removed.is_ok())]
            .join(","),
    )
}

guests::guest!(resolve);
