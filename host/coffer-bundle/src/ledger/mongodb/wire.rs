//! The wire protocol of MongoDB: where a server is, TLS, the login, and commands (`OP_MSG`), one at a time. The
//! driver of MongoDB would add a fifth to the size of coffer, for pools, monitors, sessions and a resolver;
//! the ledger needs five commands of one server, which is the one that takes writes.

use super::bson;
use super::scram::Exchange;
use crate::ledger::LedgerError;
use crate::ledger::server::{Tls, is_loopback};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use coffer_host::Secret;
use rustls::pki_types::ServerName;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The servers of one database, of which one takes writes.
pub(super) struct Server {
    hosts: Vec<(String, u16)>,
    login: Option<(String, Secret)>,
    login_database: String,
    pub(super) database: String,
    tls: Option<Tls>,
    pub(super) timeout: Duration,
}

impl Server {
    /// Reads `mongodb://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?OPTIONS`. Where it has no database, that is
    /// `unnamed`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Url`].
    pub(super) fn new(url: &Secret, timeout: Duration, unnamed: &str) -> Result<Self, LedgerError> {
        let url = std::str::from_utf8(url.expose()).map_err(|_| LedgerError::Url(NO_URL))?;
        if url.starts_with("mongodb+srv:") {
            return Err(LedgerError::Url(
                "coffer does not ask name servers for hosts; write `mongodb://` with each of them",
            ));
        }
        let rest = url.strip_prefix("mongodb://").ok_or(LedgerError::Url(NO_URL))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.split_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        // The rest of a password that should have been encoded would be taken for a host, and told.
        if hosts.contains('@') || url.contains('#') {
            return Err(LedgerError::Url(
                "a character of the password has to be percent-encoded (`@` is `%40`, `#` is `%23`)",
            ));
        }
        let hosts: Vec<(String, u16)> =
            hosts.split(',').map(host).collect::<Option<_>>().ok_or(LedgerError::Url(NO_URL))?;
        let login = login.map(|login| {
            let (user, password) = login.split_once(':')?;
            Some((decode(user)?, Secret::from(decode(password)?)))
        });
        let login = match login {
            Some(None) => return Err(LedgerError::Url(NO_URL)),
            Some(Some(login)) => Some(login),
            None => None,
        };
        let database = decode(database).ok_or(LedgerError::Url(NO_URL))?;
        let options = Options::of(query)?;
        let encrypted = options.tls.unwrap_or(!hosts.iter().all(|(name, _)| is_loopback(name)));
        let tls = encrypted.then(|| Tls::new(options.authorities.as_deref())).transpose()?;
        let login_database = match options.login_database {
            Some(name) => name,
            None if database.is_empty() => "admin".into(),
            None => database.clone(),
        };
        let database = if database.is_empty() { unnamed.into() } else { database };
        Ok(Self { hosts, login, login_database, database, tls, timeout })
    }

    /// Connects to the server that takes writes, and logs in.
    pub(super) async fn connect(&self) -> Result<Connection, LedgerError> {
        let mut last = LedgerError::Unreachable("none of its servers takes writes".into());
        for (name, port) in &self.hosts {
            match tokio::time::timeout(self.timeout, self.try_to_connect(name, *port)).await {
                Ok(Ok(Some(connection))) => return Ok(connection),
                Ok(Ok(None)) => {}
                Ok(Err(error @ LedgerError::Unreachable(_))) => last = error,
                Ok(Err(error)) => return Err(error),
                Err(_) => last = silence(self.timeout),
            }
        }
        Err(last)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the operator's database, and no plugin has a say in it"
    )]
    async fn try_to_connect(
        &self,
        name: &str,
        port: u16,
    ) -> Result<Option<Connection>, LedgerError> {
        let socket = TcpStream::connect((name, port)).await.map_err(|error| lost(&error))?;
        socket.set_nodelay(true).map_err(|error| lost(&error))?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(socket),
            Some(Tls(connector)) => {
                let server =
                    ServerName::try_from(name.to_owned()).map_err(|_| LedgerError::Url(NO_URL))?;
                let stream = connector.connect(server, socket).await;
                Box::new(stream.map_err(|error| match error.get_ref() {
                    Some(why) if why.is::<rustls::Error>() => {
                        LedgerError::Refused(format!("its certificate is not trusted: {why}"))
                    }
                    _ => lost(&error),
                })?)
            }
        };
        let mut connection = Connection { stream, request: 0, timeout: self.timeout };
        let hello = connection.command("admin", json!({ "hello": 1 })).await?;
        if hello.get("isWritablePrimary") != Some(&Value::Bool(true)) {
            return Ok(None);
        }
        if let Some((user, password)) = &self.login {
            connection.log_in(&self.login_database, user, password).await?;
        }
        Ok(Some(connection))
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

fn host(text: &str) -> Option<(String, u16)> {
    let (name, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons of its own, and brackets around it.
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (text, 27017),
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    (!name.is_empty()).then(|| (name.to_owned(), port))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
                u8::try_from(value).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[derive(Default)]
struct Options {
    login_database: Option<String>,
    tls: Option<bool>,
    authorities: Option<String>,
}

impl Options {
    /// What coffer does not do is refused, rather than done otherwise.
    fn of(query: &str) -> Result<Self, LedgerError> {
        let mut options = Self::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decode(value).ok_or(LedgerError::Url(NO_URL))?;
            match (name, value.as_str()) {
                ("authSource", _) => options.login_database = Some(value),
                ("tls" | "ssl", "true") => options.tls = Some(true),
                ("tls" | "ssl", "false") => options.tls = Some(false),
                ("tlsCAFile", _) => options.authorities = Some(value),
                ("appName" | "replicaSet" | "retryReads" | "retryWrites", _)
                | ("authMechanism", "SCRAM-SHA-256")
                | ("journal", "true")
                | ("w", "majority") => {}
                _ => return Err(LedgerError::Url(NO_URL)),
            }
        }
        Ok(options)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection with the server that takes writes.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    request: i32,
    timeout: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Asks for something, and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unreachable`] if it may or may not have been done, and the connection is of no use any
    /// more.
    pub(super) async fn command(
        &mut self,
        database: &str,
        command: Value,
    ) -> Result<Map<String, Value>, LedgerError> {
        let Value::Object(mut command) = command else { return Err(garbled()) };
        command.insert("$db".into(), database.into());
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(&command)).await {
            Ok(answer) => answer.and_then(judge),
            Err(_) => Err(silence(timeout)),
        }
    }

    async fn exchange(
        &mut self,
        command: &Map<String, Value>,
    ) -> Result<Map<String, Value>, LedgerError> {
        let document = bson::write(command);
        let length = HEAD + 5 + document.len();
        if length > MESSAGE_BYTES_MAX {
            return Err(LedgerError::Sql("a run has more than a document can hold".into()));
        }
        self.request = self.request.wrapping_add(1);
        let mut message = Vec::with_capacity(length);
        for number in [length as i32, self.request, 0, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        message.push(0);
        message.extend(document);
        self.stream.write_all(&message).await.map_err(|error| lost(&error))?;
        self.stream.flush().await.map_err(|error| lost(&error))?;
        let mut head = [0; HEAD + 5];
        self.stream.read_exact(&mut head).await.map_err(|error| lost(&error))?;
        let number =
            |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let claimed_len = usize::try_from(number(0)).map_err(|_| garbled())?;
        let expected = number(8) == self.request && number(12) == OP_MSG && head[20] == 0;
        // No checksum was asked for, and no more to come.
        if !expected || number(16) & 0b11 != 0 || claimed_len > MESSAGE_BYTES_MAX {
            return Err(garbled());
        }
        let mut document = vec![0; claimed_len.checked_sub(head.len()).ok_or_else(garbled)?];
        self.stream.read_exact(&mut document).await.map_err(|error| lost(&error))?;
        bson::read(&document).ok_or_else(garbled)
    }

    async fn log_in(
        &mut self,
        database: &str,
        user: &str,
        password: &Secret,
    ) -> Result<(), LedgerError> {
        let mut random = [0; 24];
        crate::random::fill(&mut random).expect("the operating system gives random bytes");
        let exchange = Exchange::new(user, BASE64.encode(random));
        let refused = || LedgerError::Refused("it does not log in as SCRAM-SHA-256 says".into());
        let text = |answer: &Map<String, Value>| {
            answer.get("payload").and_then(bson::binary).and_then(|b| String::from_utf8(b).ok())
        };
        let begin = json!({
            "saslStart": 1, "mechanism": "SCRAM-SHA-256", "options": { "skipEmptyExchange": true },
            "payload": bson::of_binary(exchange.first().as_bytes()),
        });
        let answer = self.command(database, begin).await?;
        let said = text(&answer).ok_or_else(refused)?;
        let (last, expected) = exchange.last(password, &said).ok_or_else(refused)?;
        let id = answer.get("conversationId").cloned().unwrap_or_default();
        let go_on = json!({
            "saslContinue": 1, "conversationId": id, "payload": bson::of_binary(last.as_bytes()),
        });
        let answer = self.command(database, go_on).await?;
        let said = text(&answer).ok_or_else(refused)?;
        // A server that does not know the password is not the one that it was given to.
        let done = answer.get("done") == Some(&Value::Bool(true));
        if done && expected.is(&said) { Ok(()) } else { Err(refused()) }
    }

    /// Every document that a filter finds.
    pub(super) async fn find(
        &mut self,
        database: &str,
        collection: &str,
        filter: Value,
    ) -> Result<Vec<Map<String, Value>>, LedgerError> {
        let find = json!({
            "find": collection, "filter": filter, "readConcern": { "level": "majority" },
        });
        let mut answer = self.command(database, find).await?;
        let mut found = Vec::new();
        let mut name = "firstBatch";
        loop {
            let cursor =
                answer.get_mut("cursor").and_then(Value::as_object_mut).ok_or_else(garbled)?;
            let Some(Value::Array(batch)) = cursor.remove(name) else { return Err(garbled()) };
            for document in batch {
                let Value::Object(document) = document else { return Err(garbled()) };
                found.push(document);
            }
            let id = cursor.get("id").and_then(Value::as_i64).ok_or_else(garbled)?;
            if id == 0 {
                return Ok(found);
            }
            answer =
                self.command(database, json!({ "getMore": id, "collection": collection })).await?;
            name = "nextBatch";
        }
    }
}

/// Whether the server did it.
fn judge(answer: Map<String, Value>) -> Result<Map<String, Value>, LedgerError> {
    let said = |document: &Map<String, Value>| {
        let message =
            document.get("errmsg").and_then(Value::as_str).unwrap_or("no reason").to_owned();
        (document.get("code").and_then(Value::as_i64).unwrap_or(0), message)
    };
    if answer.get("ok").and_then(Value::as_f64) != Some(1.0) {
        let (code, message) = said(&answer);
        return Err(match code {
            // Unauthorized, AuthenticationFailed, and that there is no such mechanism.
            13 | 18 | 334 => LedgerError::Refused(message),
            _ if LOST.contains(&code) => LedgerError::Unreachable(message),
            _ => LedgerError::Sql(format!("{message} ({code})")),
        });
    }
    // It was done here, and may be lost with this server.
    if let Some(error) = answer.get("writeConcernError").and_then(Value::as_object) {
        return Err(LedgerError::Unreachable(said(error).1));
    }
    if let Some(error) = answer.get("writeErrors").and_then(|errors| errors.get(0)?.as_object()) {
        let (code, message) = said(error);
        // Somebody else has it: the caller counts what was done.
        if code != DUPLICATE {
            return Err(LedgerError::Sql(format!("{message} ({code})")));
        }
    }
    Ok(answer)
}

fn lost(error: &std::io::Error) -> LedgerError {
    LedgerError::Unreachable(error.to_string())
}

fn garbled() -> LedgerError {
    LedgerError::Unreachable("its answer is none of MongoDB".into())
}

fn silence(timeout: Duration) -> LedgerError {
    let timeout = humantime::format_duration(timeout);
    LedgerError::Unreachable(format!("it did not answer within {timeout}"))
}

/// What a server says that is going away, is not the one that takes writes, or is busy.
const LOST: [i64; 11] = [6, 7, 50, 89, 91, 112, 189, 262, 10107, 11600, 13435];

/// A document with this `_id` is there.
const DUPLICATE: i64 = 11000;

const OP_MSG: i32 = 2013;

/// What a message has before its flags.
const HEAD: usize = 16;

/// What a server takes and sends, in bytes.
const MESSAGE_BYTES_MAX: usize = 48_000_000;

const NO_URL: &str = "it is no URL of MongoDB, mongodb://USER:PASSWORD@HOST:PORT/DATABASE, or it has an option that \
                      coffer does not know";
