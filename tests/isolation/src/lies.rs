//! Workers that were taken over and say what no worker says. They begin as a worker does, with less care.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

/// `Ready::Running`, with its length.
const RUNNING: &[u8] = &[1, 0, 0, 0, 1];

/// Tells the lie of this name as soon as there is something to lie about.
pub(crate) fn tell(lie: &str) {
    // Whatever fails: it is a liar, and its parent has to cope.
    let _ = try_to_tell(lie);
}

fn try_to_tell(lie: &str) -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // There are no directories: a zero. Then the setup, with its length; then the code.
    socket.read_exact(&mut [0])?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    socket.read_exact(&mut vec![0; u32::from_le_bytes(length) as usize])?;
    if lie == "compiles" {
        // `Ready::Compiled`, of more bytes than there may be.
        socket.write_all(&frame(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))?;
        return wait(&mut socket);
    }
    if lie == "gone" {
        return Ok(());
    }
    if lie == "unready" {
        return wait(&mut socket);
    }
    socket.write_all(RUNNING)?;
    // The code is many megabytes or few; a call is the last thing that comes before nothing does.
    socket.set_nonblocking(true)?;
    let mut heard = 0;
    loop {
        match socket.read(&mut [0; 65536]) {
            Ok(0) => return Ok(()),
            Ok(bytes) => heard += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && heard > 1000 => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    socket.set_nonblocking(false)?;
    lie_to(&mut socket, lie)
}

fn lie_to(socket: &mut UnixStream, lie: &str) -> io::Result<()> {
    match lie {
        "length" => socket.write_all(&[0xff; 4])?,
        "garbage" => socket.write_all(&frame(&[0xee; 100]))?,
        "other" => socket.write_all(&ended(77, &[0, 3, 0]))?,
        // `Answered::Put` to a question about a reference.
        "verb" => socket.write_all(&ended(0, &[0, 2, 0]))?,
        // No answer to one reference.
        "count" => socket.write_all(&ended(0, &[0, 3, 0]))?,
        // `Effect::CacheGet` over and over, and no interest in the reply.
        "effects" => {
            for _ in 0..1_000_000 {
                socket.write_all(&frame(&[0, 0, 0, 0, 1, b'k']))?;
            }
        }
        // A list that claims to be endless.
        "list" => {
            let mut message = vec![1, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0x0f];
            message.extend(vec![0; 4_000_000]);
            socket.write_all(&frame(&message))?;
        }
        // An answer with a value, and a log of more lines and bytes than may be kept, of which more were
        // dropped than can be counted.
        "log" => {
            let mut message = vec![1, 0, 0, 3, 1, 0, 1, b'v', 0, 0, 0];
            message.extend([0xa0, 0x8d, 0x06]);
            for _ in 0..100_000 {
                message.extend([2, 1, b'x']);
            }
            message.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
            socket.write_all(&frame(&message))?;
        }
        // `Effect::Send` to a server: the port, and how often at the same time. A deaf one reads no reply.
        lie if lie.starts_with("requests-") || lie.starts_with("deaf-") => {
            let mut numbers = lie.split('-').skip(1);
            let url = format!("http://127.0.0.1:{}/", numbers.next().unwrap_or_default());
            let count = numbers.next().and_then(|count| count.parse().ok()).unwrap_or(0);
            for number in 0..count {
                let mut message = vec![0, 0, number, 4, 3];
                message.extend(b"GET");
                message.push(url.len() as u8);
                message.extend(url.as_bytes());
                message.extend([0, 0, 0]);
                socket.write_all(&frame(&message))?;
            }
            if lie.starts_with("deaf-") {
                park();
            }
        }
        // An error, which directories that there are not are to blame for.
        "sights" => {
            let mut message = vec![1, 0, 0, 3, 1, 1, 8, 1, b'x', 0x90, 0x4e];
            for _ in 0..2_500 {
                message.extend([0, 2, 0, 1, 1, 2, 77, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 3]);
            }
            message.extend([0, 0]);
            socket.write_all(&frame(&message))?;
        }
        // "silent", and whatever else.
        _ => {}
    }
    wait(socket)
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u32).to_le_bytes().to_vec();
    frame.extend(message);
    frame
}

/// `FromWorker::Ended`, with no sights and a log that is empty.
fn ended(call: u8, answer: &[u8]) -> Vec<u8> {
    frame(&[&[1, call], answer, &[0, 0, 0]].concat())
}

/// Until it is ended, and not before.
fn wait(socket: &mut UnixStream) -> io::Result<()> {
    while socket.read(&mut [0; 4096])? > 0 {}
    // Not even when its parent hangs up.
    park()
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}
