//! Makes a file as many mebibytes long as the key says, in the way that it says.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::wasi::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use guests::wasi::wasi::io::streams::StreamError;
use guests::{number, report};

const MIB: u64 = 1024 * 1024;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (way, mebibytes) = key.split_once(' ').unwrap_or_default();
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = directory
        .open_at(PathFlags::empty(), "new", OpenFlags::CREATE | OpenFlags::TRUNCATE, flags)
        .map_err(|code| Error::Other(code.name().into()))?;
    write(&file, way, number(mebibytes) as u64 * MIB).map_err(|what| Error::Other(what.into()))?;
    report(mebibytes)
}

fn write(file: &Descriptor, way: &str, bytes: u64) -> Result<(), &'static str> {
    let said = |code: guests::wasi::wasi::filesystem::types::ErrorCode| code.name();
    let failed = |error| match error {
        StreamError::LastOperationFailed(error) => {
            guests::wasi::wasi::filesystem::types::filesystem_error_code(&error)
                .map_or("no code", said)
        }
        StreamError::Closed => "closed",
    };
    let piece = vec![b'x'; 4096];
    match way {
        // Again and again to the same place.
        "again" => (0..bytes / MIB)
            .try_for_each(|_| file.write(&vec![b'x'; 1024 * 1024], 0).map(drop))
            .map_err(said),
        "append" => {
            let stream = file.append_via_stream().map_err(said)?;
            (0..bytes / 4096)
                .try_for_each(|_| stream.blocking_write_and_flush(&piece))
                .map_err(failed)
        }
        // One byte at the end; the file system makes up the rest.
        "gap" => file.write(b"x", bytes - 1).map(drop).map_err(said),
        "gap-stream" => {
            let stream = file.write_via_stream(bytes - 1).map_err(said)?;
            stream.blocking_write_and_flush(b"x").map_err(failed)
        }
        // From where the stream is, of a file that was cut off meanwhile.
        "cut-stream" => {
            let stream = file.write_via_stream(0).map_err(said)?;
            let write = || stream.blocking_write_and_flush(&piece).map_err(failed);
            (2..bytes / 4096).step_by(2).try_for_each(|_| write())?;
            file.set_size(0).map_err(said)?;
            write()?;
            write()
        }
        "size" => file.set_size(bytes).map_err(said),
        // From a part of the file to the end of it.
        "splice" => {
            file.write(&vec![b'x'; 65536], 0).map_err(said)?;
            let end = file.append_via_stream().map_err(said)?;
            for _ in 1..bytes / 65536 {
                let start = file.read_via_stream(0).map_err(said)?;
                let mut left = 65536;
                while left > 0 {
                    left -= end.blocking_splice(&start, left).map_err(failed)?;
                }
                end.blocking_flush().map_err(failed)?;
            }
            Ok(())
        }
        "zeroes" => {
            let stream = file.write_via_stream(0).map_err(said)?;
            (0..bytes / 4096)
                .try_for_each(|_| stream.blocking_write_zeroes_and_flush(4096))
                .map_err(failed)
        }
        _ => Err("this is no way"),
    }
}

guests::guest!(resolve);
