//! A way to a server that does to what is said on it what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has connected.
    Client,
    /// What the way leads to.
    Server,
}

/// What becomes of something that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not arrive, and the connection ends.
    End,
    /// It arrives.
    Pass,
    /// It does not arrive, and nothing is said.
    Swallow,
}

/// A port of loopback that leads to another one. `judges` makes a judge for each connection, of what is said on it.
///
/// # Panics
///
/// If no port can be had.
pub fn to<J>(server: u16, judges: impl Fn() -> J + Send + 'static) -> u16
where
    J: FnMut(Side, &[u8]) -> Verdict + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
            let judge = Arc::new(Mutex::new(judges()));
            for (side, from, onto) in
                [(Side::Client, &client, &server), (Side::Server, &server, &client)]
            {
                let (from, onto) = (from.try_clone().unwrap(), onto.try_clone().unwrap());
                let judge = Arc::clone(&judge);
                thread::spawn(move || {
                    carry(from, onto, |said| judge.lock().unwrap()(side, said));
                });
            }
        }
    });
    port
}

fn carry(mut from: TcpStream, mut onto: TcpStream, mut judge: impl FnMut(&[u8]) -> Verdict) {
    let mut buffer = [0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let said = &buffer[..read];
        match judge(said) {
            Verdict::End => break,
            Verdict::Pass if onto.write_all(said).is_err() => break,
            Verdict::Pass | Verdict::Swallow => {}
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = onto.shutdown(Shutdown::Both);
}
