//! A way to a server that can be cut or stopped at a word.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to the next message to the server that has the word in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not arrive, and the connection ends.
    Before(&'static str),
    /// It arrives and is answered; the answer is lost, and the connection ends.
    After(&'static str),
    /// It does not arrive, and nothing is said.
    Silence(&'static str),
}

/// A port of loopback that leads to another one.
pub(crate) struct Way {
    pub(crate) port: u16,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Way {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Mutex::new(None));
        let cuts = Arc::clone(&next);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let cuts = Arc::clone(&cuts);
                std::thread::spawn(move || carry(client, server, &cuts));
            }
        });
        Self { port, next }
    }

    /// Cuts once.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether what was to be cut was.
    pub(crate) fn is_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

fn carry(mut client: TcpStream, mut server: TcpStream, cuts: &Mutex<Option<Cut>>) {
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let deaf = Arc::new(Mutex::new(false));
    let is_deaf = Arc::clone(&deaf);
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = answers.read(&mut buffer) {
            let deaf = is_deaf.lock().unwrap();
            if *deaf || back.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65536];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let has =
            |word: &str| buffer[..read].windows(word.len()).any(|part| part == word.as_bytes());
        let cut = cuts.lock().unwrap().take_if(|cut| match cut {
            Cut::After(word) | Cut::Before(word) | Cut::Silence(word) => has(word),
        });
        match cut {
            Some(Cut::Before(_)) => break,
            Some(Cut::Silence(_)) => {
                // Until the client has had enough.
                while let Ok(1..) = client.read(&mut buffer) {}
                break;
            }
            Some(Cut::After(_)) => *deaf.lock().unwrap() = true,
            None => {}
        }
        if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
