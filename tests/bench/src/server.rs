//! A backend on loopback that answers every request with the same after a while.

use crate::bench::runtime;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where it is. It goes with the process.
pub(crate) fn start(delay: Duration, body: &'static str) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has room");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        runtime().block_on(async {
            listener.set_nonblocking(true).expect("a socket can wait");
            let listener = TcpListener::from_std(listener).expect("it is one");
            loop {
                let (stream, _) = listener.accept().await.expect("loopback gives connections");
                tokio::spawn(answer(stream, delay, body));
            }
        });
    });
    address
}

async fn answer(mut stream: TcpStream, delay: Duration, body: &str) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }
}
