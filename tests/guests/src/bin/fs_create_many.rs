//! Makes as many files, directories or links as the key says.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (kind, count) = key.split_once(' ').unwrap_or_default();
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    for made in 0..number(count) {
        let name = format!("{kind}-{made}");
        let result = match kind {
            "directory" => directory.create_directory_at(&name),
            "link" => directory.link_at(PathFlags::empty(), "file", &directory, &name),
            "symlink" => directory.symlink_at("file", &name),
            _ => {
                let (create, write) = (OpenFlags::CREATE, DescriptorFlags::WRITE);
                directory.open_at(PathFlags::empty(), &name, create, write).map(drop)
            }
        };
        if let Err(code) = result {
            return Err(Error::Other(format!("{} after {made}", code.name())));
        }
    }
    report(count)
}

guests::guest!(resolve);
