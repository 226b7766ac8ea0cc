//! How long: a server is waited for up to each bound. The clock stands still and is put forward, so that
//! none of it takes time.

use super::{grant, with};
use crate::dns::{Scripted, granted_on};
use crate::server::{Server, ok, reply};
use crate::stage::{Stage, ask};
use crate::wire::{Barrier, Wire, kept};
use coffer_host::limits::{self, Limits};
use coffer_host::{CallError, Dns, Store};
use serde_json::json;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(2);

/// A call that is on its way beside the test, which puts the clock forward meanwhile.
struct Asking {
    call: Pin<Box<dyn Future<Output = Result<String, CallError>>>>,
    answer: Option<Result<String, CallError>>,
}

impl Asking {
    fn of(store: &Arc<Store>, key: impl Into<String>) -> Self {
        let (store, key) = (Arc::clone(store), key.into());
        Self { call: Box::pin(async move { ask(&store, key).await }), answer: None }
    }

    /// Lets everything go on, once. Somebody is always busy meanwhile, so a clock that stands still does
    /// not go on by itself.
    async fn go_on(&mut self) {
        if self.answer.is_none() {
            let polled = poll_fn(|context| Poll::Ready(self.call.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                self.answer = Some(answer);
            }
        }
        tokio::task::yield_now().await;
    }

    /// Lets everything go on until `done`.
    async fn until(&mut self, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing happens");
            self.go_on().await;
        }
    }

    /// Lets everything go on that can, and says whether there is an answer.
    async fn is_answered(&mut self) -> bool {
        for _ in 0..1000 {
            self.go_on().await;
        }
        self.answer.is_some()
    }

    /// Puts the clock forward, once everything went on that could.
    async fn after(&mut self, time: Duration) {
        self.is_answered().await;
        tokio::time::advance(time).await;
    }

    async fn answer(mut self) -> String {
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.answer.take() {
                return answer.unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "there is no answer");
            self.go_on().await;
        }
    }
}

/// For calls that have time.
fn patient(guest: &str, grants: &[serde_json::Value]) -> Arc<Store> {
    let limits = Limits { call: limits::CALL_MAX, ..Limits::default() };
    Arc::new(with(guest, grants, limits))
}

/// The same, with a token from an issuer at this URL.
fn logging_in(server: &Server, issuer: &str) -> Arc<Store> {
    let mut grant = grant(server);
    grant["headers"] = json!({ "Authorization": { "setting": "token" } });
    let token = json!({
        "login": "client-credentials", "url": issuer, "client-id": "i", "client-secret": "canary-secret",
    });
    let limits = Limits { call: limits::CALL_MAX, ..Limits::default() };
    let stage = Stage::of("http_outcome").grants(json!({ "http": [grant] }));
    Arc::new(stage.settings(&json!({ "token": token })).limits(limits).open())
}

/// A server may take its time to begin, and no more.
#[tokio::test(start_paused = true)]
async fn the_first_byte_is_waited_for() {
    for (wait, expected) in [
        (limits::FIRST_BYTE_MAX - MOMENT, "200 5"),
        (limits::FIRST_BYTE_MAX + MOMENT, "Error::Timeout"),
    ] {
        let (barrier, came) = (Barrier::default(), Arc::new(AtomicUsize::new(0)));
        let server = Server::start({
            let (barrier, came) = (barrier.clone(), Arc::clone(&came));
            move |_| {
                came.fetch_add(1, Ordering::SeqCst);
                barrier.pass();
                ok("hello")
            }
        });
        let store = patient("http_outcome", &[grant(&server)]);
        let mut asking = Asking::of(&store, server.url("/v1/a"));
        asking.until(|| came.load(Ordering::SeqCst) == 1).await;
        asking.after(wait).await;
        if expected == "200 5" {
            assert!(!asking.is_answered().await, "it has a moment left");
            barrier.open();
        }
        assert_eq!(asking.answer().await, expected, "after {wait:?}");
        barrier.open();
    }
}

/// Sends the beginning of an answer, and one byte more whenever it is told. Counts what it sent.
fn trickling(beginning: &'static [u8]) -> (u16, mpsc::Sender<u8>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, bytes) = mpsc::channel();
    let sent = Arc::new(AtomicUsize::new(0));
    std::thread::spawn({
        let sent = Arc::clone(&sent);
        move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(beginning).unwrap();
            sent.fetch_add(1, Ordering::SeqCst);
            for byte in bytes {
                // Whoever gave up is not there any more.
                let _ = stream.write_all(&[byte]);
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, sender, sent)
}

/// A server that has begun goes on, or is given up: each pause may be as long as the bound, all of them
/// together longer, and none may be longer.
#[tokio::test(start_paused = true)]
async fn the_next_byte_is_waited_for() {
    let (port, sender, sent) = trickling(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nh");
    let url = format!("http://127.0.0.1:{port}/v1/a");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    let store = patient("http_outcome", &[grant]);
    let mut asking = Asking::of(&store, url);
    asking.until(|| sent.load(Ordering::SeqCst) == 1).await;
    for (index, byte) in b"ello".iter().enumerate() {
        asking.after(limits::BETWEEN_BYTES_MAX - MOMENT).await;
        assert!(!asking.is_answered().await, "it has a moment left");
        sender.send(*byte).unwrap();
        asking.until(|| sent.load(Ordering::SeqCst) == index + 2).await;
    }
    assert_eq!(asking.answer().await, "200 5");

    let (port, sender, sent) = trickling(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nh");
    let url = format!("http://127.0.0.1:{port}/v1/a");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    let store = patient("http_outcome", &[grant]);
    let mut asking = Asking::of(&store, url);
    asking.until(|| sent.load(Ordering::SeqCst) == 1).await;
    asking.after(limits::BETWEEN_BYTES_MAX + MOMENT).await;
    assert_eq!(asking.answer().await, "Error::Timeout");
    drop(sender);
}

/// A request is not sent again before a backend asked for that.
#[tokio::test(start_paused = true)]
async fn what_a_backend_asks_to_wait_is_waited() {
    let busy = AtomicBool::new(true);
    let server = Server::start(move |_| match busy.swap(false, Ordering::SeqCst) {
        true => reply("503 Service Unavailable", "retry-after: 2\r\n", ""),
        false => ok("hello"),
    });
    let store = patient("http_outcome", &[grant(&server)]);
    let mut asking = Asking::of(&store, server.url("/v1/a"));
    asking.until(|| server.received().len() == 1).await;
    asking.after(Duration::from_secs(2) - MOMENT).await;
    assert!(!asking.is_answered().await, "it has a moment left");
    assert_eq!(server.received().len(), 1);
    let begun = Instant::now();
    while server.received().len() == 1 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not sent again");
        asking.after(MOMENT).await;
    }
    assert_eq!(asking.answer().await, "200 5");
}

/// A token whose renewal failed is good for a while yet, in which its issuer is not asked again and again.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_failed_is_tried_again_after_a_pause() {
    let first = AtomicBool::new(true);
    let server = Server::start(move |request| match request.path() {
        "/token" if first.swap(false, Ordering::SeqCst) => {
            ok(r#"{"access_token":"canary-token","expires_in":100}"#)
        }
        "/token" => reply("503 Service Unavailable", "", ""),
        _ => ok("hello"),
    });
    let store = logging_in(&server, &server.url("/token"));
    for (after, logins) in [
        (Duration::ZERO, 1),
        (Duration::from_secs(75) - MOMENT, 1),
        (MOMENT, 2),
        (limits::LOGIN_PAUSE - MOMENT, 2),
        (MOMENT, 3),
    ] {
        tokio::time::advance(after).await;
        assert_eq!(Asking::of(&store, server.url("/v1/a")).answer().await, "200 5");
        let asked = server.received().iter().filter(|request| request.path() == "/token").count();
        assert_eq!(asked, logins, "after {after:?}");
    }
}

/// A login may take its time, to the last byte of its answer, and no more.
#[tokio::test(start_paused = true)]
async fn a_login_is_waited_for() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 31\r\n\r\n{\"access_token\":\"canary-token\"";
    for (wait, expected, reached) in
        [(limits::LOGIN_MAX - MOMENT, "200 5", 1), (limits::LOGIN_MAX + MOMENT, "Error::", 0)]
    {
        let (port, sender, sent) = trickling(answer);
        let server = Server::start(|_| ok("hello"));
        let store = logging_in(&server, &format!("http://127.0.0.1:{port}/token"));
        let mut asking = Asking::of(&store, server.url("/v1/a"));
        asking.until(|| sent.load(Ordering::SeqCst) == 1).await;
        asking.after(wait).await;
        if reached == 1 {
            assert!(!asking.is_answered().await, "it has a moment left");
            sender.send(b'}').unwrap();
        }
        let answer = asking.answer().await;
        assert!(answer.starts_with(expected), "after {wait:?}: {answer}");
        assert_eq!(server.received().len(), reached, "after {wait:?}");
        drop(sender);
    }
}

/// The time that a plugin names is for the whole answer, so a server that trickles does not stretch it.
#[tokio::test(start_paused = true)]
pub(super) async fn http_timeout() {
    for (ms, expected) in [(4000, "200"), (1500, "Error::Timeout")] {
        let (port, sender, sent) = trickling(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nh");
        let url = format!("http://127.0.0.1:{port}/v1/a");
        let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
        let store = patient("http_timeout", &[grant]);
        let mut asking = Asking::of(&store, format!("{ms} {url}"));
        asking.until(|| sent.load(Ordering::SeqCst) == 1).await;
        for index in 0..2 {
            asking.after(Duration::from_secs(1)).await;
            asking.is_answered().await;
            sender.send(b'.').unwrap();
            asking.until(|| sent.load(Ordering::SeqCst) == index + 2).await;
        }
        assert_eq!(asking.answer().await, expected, "within {ms} ms");
    }
}

/// A name server that says nothing.
#[derive(Clone, Default)]
struct Silent(Arc<AtomicUsize>);

impl Dns for Silent {
    fn lookup<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

/// Puts the clock forward to just before the bound of a connection that is being made, and then past it.
async fn given_up_at_connect_max(mut asking: Asking) {
    asking.after(limits::CONNECT_MAX - MOMENT).await;
    assert!(!asking.is_answered().await, "it has a moment left");
    asking.after(2 * MOMENT).await;
    assert_eq!(asking.answer().await, "Error::Timeout");
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_says_nothing_is_given_up() {
    let dns = Silent::default();
    let store = Arc::new(granted_on("http_outcome", dns.clone(), 80, true));
    let mut asking = Asking::of(&store, "http://backend.example/");
    asking.until(|| dns.0.load(Ordering::SeqCst) == 1).await;
    given_up_at_connect_max(asking).await;
}

/// A listener whose queue is full, so that the kernel leaves out what comes in. The connections in its
/// queue have to be kept.
async fn blackhole() -> (tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waits = Duration::from_millis(100);
    let queue = std::iter::from_fn(|| TcpStream::connect_timeout(&address, waits).ok());
    let queue: Vec<_> = queue.take(64).collect();
    assert!(queue.len() < 64, "the queue of a listener has no end on this system");
    (listener, queue)
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_is_given_up() {
    let (listener, _queue) = blackhole().await;
    let port = listener.local_addr().unwrap().port();
    let dns = Scripted::default();
    dns.then(&["127.0.0.1"]);
    let store = Arc::new(granted_on("http_outcome", dns.clone(), port, true));
    let mut asking = Asking::of(&store, format!("http://backend.example:{port}/"));
    asking.until(|| dns.asked() == 1).await;
    given_up_at_connect_max(asking).await;
}

/// The handshake of TLS is part of it.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_goes_nowhere_is_given_up() {
    let (port, _sender, sent) = trickling(b"");
    let url = format!("https://127.0.0.1:{port}/v1/a");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    let mut asking = Asking::of(&patient("http_outcome", &[grant]), url);
    asking.until(|| sent.load(Ordering::SeqCst) == 1).await;
    given_up_at_connect_max(asking).await;
}

/// A connection is used again for as long as it may lie idle, and then another one is made.
#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_a_while() {
    let wire = Wire::start(|_| kept("hello"));
    let url = wire.url("/v1/a");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    let store = patient("http_outcome", &[grant]);
    for (idle, connections) in [
        (Duration::ZERO, 1),
        (limits::IDLE_CONNECTION_MAX - MOMENT, 1),
        (limits::IDLE_CONNECTION_MAX + MOMENT, 2),
    ] {
        // The connection goes back when the answer is there, so somebody has to let it.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(idle).await;
        assert_eq!(Asking::of(&store, url.as_str()).answer().await, "200 5");
        assert_eq!(wire.connections().len(), connections, "after {idle:?}");
    }
}

/// A grant names any number of hosts, and each has its own connections. So many are kept in all, and with one
/// more those that lie idle are closed.
#[tokio::test]
async fn so_many_connections_are_kept_in_all() {
    struct Here;
    impl Dns for Here {
        fn lookup<'a>(
            &'a self,
            _: &'a str,
        ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
            Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
        }
    }
    let wire = Wire::start(|_| kept("hello"));
    let url = |host: &str| format!("http://{host}.backend.example:{}/", wire.port());
    let grant = json!({ "url": url("*") + "**", "methods": ["GET"], "private-addresses": true });
    let host = crate::way::host().dns(Here).build().unwrap();
    let store = Stage::of("http_outcome").on(host).grants(json!({ "http": [grant] })).open();
    let get = async |host: usize| ask(&store, url(&format!("h{host}"))).await.unwrap();
    // The first one again, which is there still.
    for host in (0..limits::CONNECTIONS_KEPT_MAX).chain([0, limits::CONNECTIONS_KEPT_MAX]) {
        assert_eq!(get(host).await, "200 5");
        // The connection goes back when the answer is there, so somebody has to let it.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let all = limits::CONNECTIONS_KEPT_MAX + 1;
    assert_eq!((wire.connections().len(), wire.closed()), (all, 0));
    assert_eq!(get(0).await, "200 5");
    let begun = Instant::now();
    while wire.closed() < all {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} are closed", wire.closed());
        tokio::task::yield_now().await;
    }
    // That of the last request is there.
    assert_eq!((wire.connections().len(), wire.closed()), (all + 1, all));
}
