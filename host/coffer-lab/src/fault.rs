//! What can go wrong with a backend, on the wire, and what a plugin may make of it.

use coffer_host::grants::Verb;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A way for a backend to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What is no JSON where some was due.
    Malformed,
    /// An answer without an end.
    Huge,
    /// What is no HTTP.
    NotHttp,
    /// Another place to look, which is not followed.
    Redirect,
    /// Nobody listens.
    Refused,
    /// The connection is reset when the request was read.
    Reset,
    /// No answer, ever.
    Slow,
    /// This status.
    Status(u16),
    /// Less than was announced.
    Truncated,
}

/// Seconds that the backend asks to wait where it does: more than the host waits for.
const RETRY_AFTER_S: u64 = 9;

impl Fault {
    /// Does it; whether the connection goes on.
    pub(crate) async fn happen(self, connection: &mut TcpStream, origin: &str) -> io::Result<bool> {
        let text = match self {
            Self::Status(status) => {
                let retry = match status {
                    429 | 503 => format!("retry-after: {RETRY_AFTER_S}\r\n"),
                    _ => String::new(),
                };
                format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{retry}content-length: 2\r\n\r\n{{}}"
                )
            }
            Self::Redirect => {
                format!("HTTP/1.1 302 X\r\nlocation: {origin}/elsewhere\r\ncontent-length: 0\r\n\r\n")
            }
            Self::Malformed => {
                let body = "<html>{\"data\": [\u{0}";
                let length = body.len();
                format!(
                    "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                )
            }
            Self::NotHttp => "220 this is another protocol\r\n\r\n".to_owned(),
            Self::Truncated => {
                "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"data\":"
                    .to_owned()
            }
            Self::Huge => return endless(connection).await,
            Self::Slow => {
                // Until the other side has enough.
                while connection.read(&mut [0; 1024]).await? > 0 {}
                return Ok(false);
            }
            Self::Refused | Self::Reset => {
                connection.set_zero_linger()?;
                return Ok(false);
            }
        };
        connection.write_all(text.as_bytes()).await?;
        Ok(!matches!(self, Self::NotHttp | Self::Truncated))
    }

    /// What a call of `verb` may come to, by [`crate::bench::kind`]: empty if whatever is no crash will do.
    pub(crate) fn expected(self, verb: Verb) -> &'static [&'static str] {
        match self {
            Self::Refused => &["unavailable"],
            Self::Reset => &["unavailable"],
            Self::Slow => &["unavailable", "deadline"],
            Self::Truncated => &["unavailable", "other"],
            Self::Malformed => &[],
            Self::NotHttp => &["other", "unavailable"],
            Self::Huge => &["other", "too-large", "unavailable"],
            Self::Redirect => &["access-denied", "other", "unavailable", "unsupported"],
            Self::Status(401) => &["unauthenticated"],
            // Some backends say it of a token that they do not know.
            Self::Status(403) => &["access-denied", "unauthenticated"],
            Self::Status(404) => match verb {
                Verb::Resolve => &["not-found", "other", "access-denied"],
                Verb::Delete | Verb::List => &["done", "access-denied", "not-found", "other"],
                Verb::Put => &["access-denied", "not-found", "other", "unavailable"],
            },
            Self::Status(409) => &["conflict", "other", "unavailable"],
            Self::Status(429 | 503) => &["unavailable"],
            Self::Status(_) => &["other", "unavailable"],
        }
    }
}

async fn endless(connection: &mut TcpStream) -> io::Result<bool> {
    let head =
        "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await?;
    let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
    loop {
        connection.write_all(chunk.as_bytes()).await?;
    }
}
