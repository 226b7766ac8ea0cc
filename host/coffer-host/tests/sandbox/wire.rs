//! A backend that keeps its connections open and remembers every byte of them, over TLS if it is given a
//! certificate.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) struct Wire {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
    closed: Arc<AtomicUsize>,
}

impl Wire {
    /// Answers each request with the bytes that `answer` makes of everything up to its empty line.
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::over(answer, |stream| Box::new(stream))
    }

    /// The same over TLS.
    pub(crate) fn tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::over(answer, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(StreamOwned::new(connection, stream))
        })
    }

    fn over(
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
        dress: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let closed = Arc::<AtomicUsize>::default();
        let answer = Arc::new(answer);
        thread::spawn({
            let (connections, closed) = (Arc::clone(&connections), Arc::clone(&closed));
            move || {
                for stream in listener.incoming() {
                    let stream = stream.unwrap();
                    let (answer, connections) = (Arc::clone(&answer), Arc::clone(&connections));
                    let closed = Arc::clone(&closed);
                    let index = {
                        let mut connections = connections.lock().unwrap();
                        connections.push(Vec::new());
                        connections.len() - 1
                    };
                    let mut stream = dress(stream);
                    thread::spawn(move || {
                        let remember =
                            |bytes: &[u8]| connections.lock().unwrap()[index].extend(bytes);
                        // A client that goes away is no matter of the server's.
                        let _ = serve(&mut *stream, &*answer, &remember);
                        closed.fetch_add(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { address, connections, closed }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came over each connection so far.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        self.connections.lock().unwrap().clone()
    }

    /// How many of them the client has closed.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// What came so far, as text.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.connections().concat()).into_owned()
    }
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

fn serve(
    stream: &mut dyn Stream,
    answer: &dyn Fn(&str) -> Vec<u8>,
    remember: &dyn Fn(&[u8]),
) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    let mut bytes = Vec::new();
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
            while bytes.len() < end + 4 + length {
                let read = stream.read(&mut piece)?;
                remember(&piece[..read]);
                bytes.extend(&piece[..read]);
            }
            bytes.drain(..end + 4 + length);
            stream.write_all(&answer(&head))?;
            stream.flush()?;
        }
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        remember(&piece[..read]);
        bytes.extend(&piece[..read]);
    }
}

/// A response after which the connection stays open.
pub(crate) fn kept(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Holds whoever passes until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    pub(crate) fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        let wait = Duration::from_secs(60);
        drop(self.0.1.wait_timeout_while(open, wait, |open| !*open).unwrap());
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
