//! Does what the key says, operation by operation, and reports what came of each: `write a text; read a`.
//! A path `1:a` is below the second directory that it sees.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

fn resolve(key: &str) -> Result<Secret, Error> {
    let directories: Vec<_> =
        get_directories().into_iter().map(|(directory, _)| directory).collect();
    let found: Vec<String> = key
        .split("; ")
        .map(|operation| match run(&directories, operation) {
            Ok(found) => found,
            Err(code) => format!("!{}", code.name()),
        })
        .collect();
    report(found.join("; "))
}

fn run(directories: &[Descriptor], operation: &str) -> Result<String, ErrorCode> {
    let words: Vec<&str> = operation.split(' ').collect();
    let place = |word: usize| {
        let path = words.get(word).copied().unwrap_or_default();
        match path.strip_prefix("1:") {
            Some(path) => (&directories[1], path),
            None => (&directories[0], path),
        }
    };
    let (directory, path) = place(1);
    let text = words.get(2).copied().unwrap_or_default();
    let open = |open, flags| directory.open_at(FOLLOW, path, open, flags);
    let none = OpenFlags::empty();
    let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
    let done = |()| String::from("done");
    match words[0] {
        "append" => {
            let stream = open(none, write)?.append_via_stream()?;
            Ok(stream
                .blocking_write_and_flush(text.as_bytes())
                .map_or("!stream", |()| "done")
                .into())
        }
        "link" => {
            let (to, new) = place(2);
            directory.link_at(PathFlags::empty(), path, to, new).map(done)
        }
        "list" => {
            let entries = open(OpenFlags::DIRECTORY, read)?.read_directory()?;
            let mut names = Vec::new();
            while let Some(entry) = entries.read_directory_entry()? {
                names.push(entry.name);
            }
            names.sort();
            Ok(names.join(","))
        }
        "make" => directory.create_directory_at(path).map(done),
        "read" => {
            let (bytes, _) = open(none, read)?.read(1024, 0)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "readlink" => directory.readlink_at(path),
        "remove" => directory.remove_directory_at(path).map(done),
        "rename" => {
            let (to, new) = place(2);
            directory.rename_at(path, to, new).map(done)
        }
        "size" => open(none, write)?.set_size(text.len() as u64).map(done),
        "stat" => directory.stat_at(FOLLOW, path).map(|stat| format!("{:?}", stat.type_)),
        "symlink" => directory.symlink_at(text, path).map(done),
        "times" => {
            let now = NewTimestamp::Now;
            directory.set_times_at(FOLLOW, path, now, NewTimestamp::NoChange).map(done)
        }
        "unlink" => directory.unlink_file_at(path).map(done),
        "write" => {
            let file = open(OpenFlags::CREATE | OpenFlags::TRUNCATE, write)?;
            file.write(text.as_bytes(), 0).map(|_| "done".into())
        }
        // Removes a directory while it is open, and goes on with it.
        "orphan" => {
            let opened = open(OpenFlags::DIRECTORY, read)?;
            directory.remove_directory_at(path)?;
            let made = opened.create_directory_at("x").map_or_else(|code| code.name(), |()| "made");
            let up = opened.open_at(FOLLOW, "..", OpenFlags::DIRECTORY, read);
            Ok(format!("{made},{}", up.map_or_else(|code| code.name(), |_| "up")))
        }
        _ => Ok("!unknown".into()),
    }
}

guests::guest!(resolve);
