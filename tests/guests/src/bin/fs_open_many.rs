//! Opens a file as many times as the key says and keeps it open: by its handle, or by a stream from it.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (way, count) = key.split_once(' ').unwrap_or_default();
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    let (mut handles, mut streams) = (Vec::new(), Vec::new());
    for opened in 0..number(count) {
        let file = directory.open_at(
            PathFlags::empty(),
            "file",
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        match (file, way) {
            (Ok(file), "handle") => handles.push(file),
            (Ok(file), "stream") => streams.extend(file.read_via_stream(0)),
            (Ok(file), _) => drop(file),
            (Err(code), _) => return Err(Error::Other(format!("{} after {opened}", code.name()))),
        }
    }
    report(count)
}

guests::guest!(resolve);
