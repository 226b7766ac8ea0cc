//! Does something with files and then fails, or not, whatever came of it. The key says what, where and how:
//! `write below/new other`.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn resolve(key: &str) -> Result<Secret, Error> {
    let words: Vec<&str> = key.split(' ').collect();
    let &[act, path, end] = words.as_slice() else { return report("three words are needed") };
    if act != "nothing" {
        let directory = get_directories().into_iter().next();
        let directory = directory.as_ref().map(|(directory, _)| directory);
        let open = |open, flags| Some(directory?.open_at(PathFlags::empty(), path, open, flags));
        // The answer to the interface is of no interest; what the host makes of it is.
        let _ = match act {
            "look" => None,
            "read" => {
                open(OpenFlags::empty(), DescriptorFlags::READ).map(|opened| opened.map(drop))
            }
            "write" => {
                open(OpenFlags::CREATE, DescriptorFlags::WRITE).map(|opened| opened.map(drop))
            }
            "make" => directory.map(|directory| directory.create_directory_at(path)),
            _ => return report("this is nothing that I do"),
        };
    }
    match end {
        "fine" => report("fine"),
        "other" => Err(Error::Other("my own words".into())),
        "denied" => Err(Error::AccessDenied),
        "missing" => Err(Error::NotFound),
        _ => panic!("as I was told"),
    }
}

guests::guest!(resolve);
