//! What somebody does who took a worker over: everything that a plugin must not, without asking. Each
//! answers `done`, or what the operating system said.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    unsafe_code,
    reason = "an escape keeps to no rule; whatever it does is done in a process of its own"
)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// Does what `asked` says: a word, and what it is about.
pub(crate) fn act(asked: &str) -> Vec<u8> {
    let (verb, about) = asked.split_once(' ').unwrap_or((asked, ""));
    let number = || about.parse().unwrap_or(0);
    let result = match verb {
        "pid" => return std::process::id().to_string().into_bytes(),
        // Whoever waits for it waits for ever.
        "spin" => loop {
            std::hint::spin_loop();
        },
        // The same, and whoever looks there sees that it does.
        "mark" => match mark(about) {
            Ok(()) => loop {
                std::hint::spin_loop();
            },
            error => error,
        },
        "environment" => return std::env::vars().count().to_string().into_bytes(),
        "read" => read(about),
        "openat2" => open_by_the_newer_call(about),
        // Threads have what the process has.
        "thread" => {
            let about = about.to_owned();
            std::thread::spawn(move || read(&about))
                .join()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        }
        "write" => {
            File::options().write(true).open(about).and_then(|mut file| file.write_all(b"x"))
        }
        "truncate" => truncate(about),
        "make" => File::create(about).map(drop),
        "grow" => grow(about),
        "remove" => remove(about),
        "fifo" => fifo(about),
        "list" => std::fs::read_dir(about).map(drop),
        "tcp" => TcpStream::connect(about).map(drop),
        "unix" => UnixStream::connect(about).map(drop),
        "raw" => {
            check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) }.into())
        }
        "exec" => exec(),
        "execfd" => exec_descriptor(),
        "fork" => fork(),
        // Without stopping it.
        "ptrace" => check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, number(), 0, 0) }),
        "readv" => {
            let mut byte = 0_u8;
            let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            let remote = libc::iovec { iov_base: main_address(), iov_len: 1 };
            check(unsafe { libc::process_vm_readv(number(), &local, 1, &remote, 1, 0) } as i64)
        }
        // A signal that does nothing.
        "kill" => check(unsafe { libc::kill(number(), libc::SIGCONT) }.into()),
        "mmap" => map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC).map(drop),
        "mprotect" => map(libc::PROT_READ | libc::PROT_WRITE).and_then(|page| {
            check(unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) }.into())
        }),
        "unshare" => check(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into()),
        "dumpable" => check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }.into()),
        "outlive" => check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) }.into()),
        "filter" => check(unsafe { libc::syscall(libc::SYS_seccomp, 2, 0, &0_u32) }),
        "uring" => {
            check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, [0_u64; 32].as_mut_ptr()) })
        }
        "keyctl" => check(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) }),
        "memory" => allocate(about.parse().unwrap_or(0)),
        "threads" => {
            for _ in 0..number() {
                wait_beside();
            }
            Ok(())
        }
        other => Err(io::Error::other(format!("no such escape: {other}"))),
    };
    match result {
        Ok(()) => b"done".to_vec(),
        Err(error) => error.to_string().into_bytes(),
    }
}

pub(crate) fn print(answer: &[u8]) {
    println!("{}", String::from_utf8_lossy(answer));
}

fn check(returned: i64) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn read(path: &str) -> io::Result<()> {
    let mut byte = [0];
    match File::open(path)?.read(&mut byte) {
        // The first page of a process is nobody's, so reading there fails although opening did not.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(()),
        read => read.map(drop),
    }
}

fn open_by_the_newer_call(path: &str) -> io::Result<()> {
    let path = std::ffi::CString::new(path)?;
    // Its flags, mode and way to resolve are zeros: for reading.
    let how = [0_u64; 3];
    let (path, size) = (path.as_ptr(), size_of_val(&how));
    check(unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path, how.as_ptr(), size) })
}

/// One byte more in a file.
fn mark(path: &str) -> io::Result<()> {
    File::options().append(true).create(true).open(path)?.write_all(b"x")
}

/// Opened for reading only, and yet empty afterwards.
fn truncate(path: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().read(true).custom_flags(libc::O_TRUNC).open(path).map(drop)
}

/// A path and the bytes that the file has afterwards, none of which are written.
fn grow(about: &str) -> io::Result<()> {
    let (path, bytes) = about.rsplit_once(' ').ok_or(io::ErrorKind::InvalidInput)?;
    let bytes = bytes.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    File::options().write(true).create(true).truncate(false).open(path)?.set_len(bytes)
}

/// As the engine does it, and not by the older call.
fn remove(path: &str) -> io::Result<()> {
    let path = std::ffi::CString::new(path)?;
    check(unsafe { libc::unlinkat(libc::AT_FDCWD, path.as_ptr(), 0) }.into())
}

fn fifo(path: &str) -> io::Result<()> {
    let path = std::ffi::CString::new(path)?;
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }.into())
}

fn exec() -> io::Result<()> {
    let program = c"/bin/true".as_ptr();
    unsafe { libc::execv(program, [program, std::ptr::null()].as_ptr()) };
    Err(io::Error::last_os_error())
}

/// A program from memory, which has no path.
fn exec_descriptor() -> io::Result<()> {
    let file = unsafe { libc::memfd_create(c"program".as_ptr(), 0) };
    check(file.into())?;
    let program = b"#!/bin/true\n";
    check(unsafe { libc::write(file, program.as_ptr().cast(), program.len()) } as i64)?;
    let arguments = [c"program".as_ptr(), std::ptr::null()];
    unsafe { libc::fexecve(file, arguments.as_ptr(), [std::ptr::null()].as_ptr()) };
    Err(io::Error::last_os_error())
}

fn fork() -> io::Result<()> {
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        child => check(child.into()),
    }
}

fn map(protection: i32) -> io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(page) }
}

/// Has one of the threads that wait for files wait for ever, if there is one more to be had.
fn wait_beside() {
    drop(tokio::task::spawn_blocking(|| {
        loop {
            std::thread::park();
        }
    }));
}

/// Stops the process until somebody lets it go on.
pub(crate) fn stop() {
    unsafe { libc::raise(libc::SIGSTOP) };
}

fn main_address() -> *mut libc::c_void {
    act as fn(&str) -> Vec<u8> as *mut libc::c_void
}

/// Memory that can be written to.
fn allocate(bytes: usize) -> io::Result<()> {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
    );
    let page = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
