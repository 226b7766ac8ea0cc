//! A backend on the loopback interface, which remembers what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a request looked like on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of the header `name`, in any case.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Answers each request with the bytes that `answer` makes; one request for each connection.
    pub(crate) fn start(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer)
    }

    /// Sends the beginning of a response, and nothing more until the client goes away.
    pub(crate) fn stalling(beginning: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                connection.write_all(beginning).unwrap();
                while connection.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
            }
        });
        Self { address, received: Arc::default() }
    }

    /// Gives each request and its connection to `answer`, which may write, wait and close as it likes.
    pub(crate) fn misbehaving(answer: impl Fn(&Received, TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        thread::spawn({
            let received = Arc::clone(&received);
            move || {
                for connection in listener.incoming() {
                    let mut connection = connection.unwrap();
                    if let Ok(Some(request)) = request(&mut connection) {
                        received.lock().unwrap().push(request.clone());
                        answer(&request, connection);
                    }
                }
            }
        });
        Self { address, received }
    }

    pub(crate) fn at(
        address: &str,
        answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        thread::spawn({
            let received = Arc::clone(&received);
            move || {
                for connection in listener.incoming() {
                    let (received, answer) = (Arc::clone(&received), Arc::clone(&answer));
                    thread::spawn(move || {
                        // A client that goes away is no matter of the server's.
                        let _ = serve(connection.unwrap(), &received, &*answer);
                    });
                }
            }
        });
        Self { address, received }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// A response with a body.
pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// A response of status 200.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    reply("200 OK", "", body)
}

fn serve(
    mut connection: TcpStream,
    received: &Mutex<Vec<Received>>,
    answer: &dyn Fn(&Received) -> Vec<u8>,
) -> std::io::Result<()> {
    let Some(request) = request(&mut connection)? else { return Ok(()) };
    received.lock().unwrap().push(request.clone());
    let response = answer(&request);
    if response.is_empty() {
        // Never answers: holds the connection until the client closes it.
        let _ = connection.read(&mut [0; 4096]);
        return Ok(());
    }
    connection.write_all(&response)
}

/// Reads one request; `None` if the client has no more.
fn request(connection: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let (head, mut body) = loop {
        let read = connection.read(&mut piece)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end + 4..].to_vec());
        }
    };
    let request = Received { head, body: Vec::new() };
    let length =
        request.header("content-length").first().map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        let read = connection.read(&mut piece)?;
        if read == 0 {
            break;
        }
        body.extend_from_slice(&piece[..read]);
    }
    Ok(Some(Received { body, ..request }))
}
