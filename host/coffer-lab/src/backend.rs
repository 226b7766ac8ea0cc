//! The lab's own server, on loopback, which a plugin has for its backend: it passes requests on to a real one,
//! plays what was recorded of one, or misbehaves. HTTP/1.1 by hand, since it also has to break it.

use crate::cassette::{Answer, BACKEND, Cassette, Player, Request};
use crate::fault::Fault;
use crate::token::{Token, replace};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// Bytes of the head of a request, and of its body. The host has its own limits before these.
const HEAD_BYTES_MAX: usize = 128 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;

/// Bytes of an answer that a real backend gives.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where answers come from.
pub(crate) enum Source {
    /// Nowhere: every request is answered with 404.
    Nothing,
    /// From a real server at this URL, with its credentials in the place of the lab's.
    Real { url: String, credential: Option<String> },
    /// From a cassette.
    Recorded(Player),
}

/// The lab's server.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
    /// Bound and not listening, so that nobody else gets it and every connection is refused.
    closed: (TcpSocket, SocketAddr),
}

struct Shared {
    origin: String,
    /// What stands for it on a cassette; the credential is the second one.
    tokens: [Token; 2],
    state: Mutex<State>,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct State {
    track: String,
    source: Source,
    recording: Option<Cassette>,
    /// Whether the present track is recorded. One that is played again and again is recorded once.
    records: bool,
    armed: Option<(Fault, usize)>,
    seen: Vec<Request>,
    unknown: usize,
    trouble: Option<String>,
    /// Whether something is missing in what was recorded.
    failed_to_record: bool,
}

impl Backend {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// That of the operating system.
    pub(crate) async fn start(
        source: Source,
        recording: Option<Cassette>,
        tokens: [Token; 2],
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let closed = TcpSocket::new_v4()?;
        closed.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let closed_address = closed.local_addr()?;
        let state = State {
            track: String::new(),
            source,
            recording,
            records: false,
            armed: None,
            seen: Vec::new(),
            unknown: 0,
            trouble: None,
            failed_to_record: false,
        };
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            tokens,
            state: Mutex::new(state),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, task, closed: (closed, closed_address) })
    }

    /// Where it is.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where nobody listens.
    pub(crate) fn closed_origin(&self) -> String {
        format!("http://{}", self.closed.1)
    }

    /// Begins a track: what is seen and answered from now on is of this case.
    pub(crate) fn begin(&self, track: &str) {
        let mut state = self.shared.lock();
        track.clone_into(&mut state.track);
        state.armed = None;
        state.seen.clear();
        state.unknown = 0;
        if let Source::Recorded(player) = &mut state.source {
            player.begin(track);
        }
        state.records = state.recording.as_ref().is_some_and(|cassette| !cassette.has(track));
        if state.records
            && let Some(cassette) = &mut state.recording
        {
            cassette.begin(track);
        }
    }

    /// Misbehaves from the request of this number on, counted from now.
    pub(crate) fn arm(&self, fault: Fault, from: usize) {
        let mut state = self.shared.lock();
        state.seen.clear();
        state.armed = Some((fault, from));
    }

    /// Behaves again.
    pub(crate) fn disarm(&self) {
        self.shared.lock().armed = None;
    }

    /// The requests since the track began, or since they were last taken.
    pub(crate) fn take_seen(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.lock().seen)
    }

    /// Requests of this track that the cassette has no answer to.
    pub(crate) fn unknown(&self) -> usize {
        self.shared.lock().unknown
    }

    /// What kept the lab from asking the real backend, if something did.
    pub(crate) fn take_trouble(&self) -> Option<String> {
        self.shared.lock().trouble.take()
    }

    /// What was recorded, if all of it was.
    pub(crate) fn recording(&self) -> Option<Cassette> {
        let state = self.shared.lock();
        state.recording.clone().filter(|_| !state.failed_to_record)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((connection, _)) = listener.accept().await {
        let _ = connection.set_nodelay(true);
        let shared = Arc::clone(&shared);
        // A connection that breaks is the other side's affair, or was meant to.
        tokio::spawn(async move {
            let _ = serve(connection, &shared).await;
        });
    }
}

async fn serve(connection: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut connection = BufReader::new(connection);
    while let Some(request) = read(&mut connection).await? {
        let fault = {
            let mut state = shared.lock();
            let number = state.seen.len();
            state.seen.push(request.clone());
            state.armed.filter(|(_, from)| number >= *from).map(|(fault, _)| fault)
        };
        match fault {
            Some(fault) => {
                if !fault.happen(connection.get_mut(), &shared.origin).await? {
                    return Ok(());
                }
            }
            None => {
                let answer = answer(shared, request).await;
                connection.get_mut().write_all(&written(&answer)).await?;
            }
        }
    }
    Ok(())
}

async fn answer(shared: &Shared, request: Request) -> Answer {
    let real = {
        let mut state = shared.lock();
        match &mut state.source {
            Source::Nothing => return Answer { status: 404, ..Answer::default() },
            Source::Recorded(player) => {
                if let Some(answer) = player.answer(&request, &shared.tokens, &shared.origin) {
                    return answer;
                }
                state.unknown += 1;
                return Answer { status: 501, ..Answer::default() };
            }
            Source::Real { url, credential } => (url.clone(), credential.clone()),
        }
    };
    let answer = match pass_on(shared, &real.0, real.1.as_deref(), &request).await {
        Ok(answer) => answer,
        Err(trouble) => {
            let mut state = shared.lock();
            state.failed_to_record |= state.records;
            state.trouble.get_or_insert(trouble);
            return Answer { status: 502, ..Answer::default() };
        }
    };
    let mut state = shared.lock();
    if state.records {
        let track = state.track.clone();
        let cassette = state.recording.as_mut().expect("it is what is recorded to");
        let neutral = Answer {
            headers: answer
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.replace(&shared.origin, BACKEND)))
                .collect(),
            body: replace(&answer.body, shared.origin.as_bytes(), BACKEND.as_bytes()),
            ..answer.clone()
        };
        cassette.add(&track, &request, &neutral, &shared.tokens);
    }
    answer
}

/// Asks the real backend, with its credential in the place of the lab's.
async fn pass_on(
    shared: &Shared,
    url: &str,
    credential: Option<&str>,
    request: &Request,
) -> Result<Answer, String> {
    let Request { method, target, headers, body } = request;
    let own = shared.tokens[1].text();
    let mut passed = http::Request::builder()
        .method(method.as_str())
        .uri(format!("{}{target}", url.trim_end_matches('/')));
    for (name, value) in headers {
        let hop = ["host", "connection", "content-length", "transfer-encoding"];
        if !hop.contains(&name.as_str()) {
            let value = credential.map_or(value.clone(), |real| value.replace(own, real));
            passed = passed.header(name, value);
        }
    }
    let passed = passed
        .body(Full::new(Bytes::from(body.clone())))
        .map_err(|_| "a request cannot be passed on".to_owned())?;
    let unreachable = || format!("{url} cannot be reached");
    let response = shared.client.request(passed).await.map_err(|_| unreachable())?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|_| format!("{url} broke off, or answered too much"))?.to_bytes();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .filter_map(header)
        .map(|(name, value)| (name, value.replace(url.trim_end_matches('/'), &shared.origin)))
        .collect();
    let body = replace(&body, url.trim_end_matches('/').as_bytes(), shared.origin.as_bytes());
    let shows = |bytes: &[u8]| {
        credential
            .is_some_and(|real| real.len() > 3 && replace(bytes, real.as_bytes(), b"") != bytes)
    };
    if shows(&body) || headers.iter().any(|(_, value)| shows(value.as_bytes())) {
        return Err(format!("{url} repeats its credential in an answer, which is not passed on"));
    }
    Ok(Answer { status: parts.status.as_u16(), headers, body })
}

/// An answer, as it is sent.
fn written(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        let of_connection = ["connection", "content-length", "transfer-encoding", "keep-alive"];
        if !of_connection.contains(&name.as_str()) && !value.contains(['\r', '\n']) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("content-length: {}\r\n\r\n", answer.body.len());
    [head.as_bytes(), &answer.body].concat()
}

/// Reads a request; nothing at the end of the connection.
async fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, length)| length.parse::<usize>());
    let length = length.map_err(|_| io::ErrorKind::InvalidData)?;
    if length > BODY_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), headers, body }))
}
