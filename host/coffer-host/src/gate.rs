//! The way out for HTTP. Every request of a plugin, whichever interface it came through, passes
//! [`Gate::send`]: read strictly, held against the grants, its name resolved once, the addresses
//! checked, the connection pinned to them, the injected headers added and the whole signed last, and the
//! answer bounded and searched for them.

pub mod carrier;
mod connect;
mod credential;
mod login;
mod reflection;
mod retry;
mod signature;
mod tls;

use crate::error::Incident;
use crate::limits::{self, Limits};
use bytes::Bytes;
use coffer_grants::{
    AwsSigV4, Grants, HeaderSource, HttpPermit, InjectedHeader, Reach, RequestUrl, Settings,
};
use connect::{Connect, ConnectError};
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

use credential::Credential;
pub(crate) use retry::{Budget, Unanswered};
use signature::Signer;
pub use tls::{TlsFault, certificate_authorities};

/// Looks names up. The operating system's resolver unless the embedder brings another one.
pub trait Dns: Send + Sync {
    /// The addresses of `name`.
    ///
    /// # Errors
    ///
    /// If there are none, or they cannot be found out.
    fn lookup<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemDns;

impl Dns for SystemDns {
    fn lookup<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// A request as a plugin put it.
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// For the whole response.
    pub(crate) timeout: Option<Duration>,
}

/// A response as a plugin gets it.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The operator is told; see [`Incident`].
    Incident(Incident),
    InvalidRequest(String),
    MalformedResponse,
    Timeout,
    Tls(TlsFault, Incident),
    TooLarge(usize),
    Unreachable,
    Unresolved,
}

/// How one request is sent.
struct Sending<'a> {
    permit: &'a HttpPermit<'a>,
    signer: Option<&'a Signer<'a>>,
    within: Duration,
    budget: &'a Budget,
}

type Connection = Client<Connect, Full<Bytes>>;

/// The way out for one store.
pub(crate) struct Gate {
    grants: Arc<Grants>,
    settings: Arc<Settings>,
    /// By their settings.
    logins: BTreeMap<String, login::Held>,
    limits: Limits,
    dns: Arc<dyn Dns>,
    /// A pool for each way to connect. Requests share connections only if they share the grant's reach
    /// and its certificate authorities.
    pools: Mutex<Vec<(Way, Connection)>>,
    /// Each connection has one more of it.
    open: Arc<()>,
}

/// How a grant's connections are made.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    reach: Reach,
    ca: Option<String>,
}

impl Gate {
    pub(crate) fn new(
        grants: Arc<Grants>,
        settings: Arc<Settings>,
        limits: Limits,
        dns: Arc<dyn Dns>,
    ) -> Self {
        let held = |(name, login): (&str, _)| (name.to_owned(), login::Held::new(name, login));
        let logins = settings.logins().map(held).collect();
        Self {
            grants,
            settings,
            logins,
            limits,
            dns,
            pools: Mutex::new(Vec::new()),
            open: Arc::new(()),
        }
    }

    /// Sends a request, again if that is safe and `budget` allows it, and collects the whole response.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing,
        budget: &Budget,
    ) -> Result<Incoming, SendError> {
        let Outgoing { method, url, headers, body, timeout } = outgoing;
        let url = RequestUrl::parse(&url)
            .map_err(|error| SendError::InvalidRequest(format!("the URL is refused: {error}")))?;
        let permit =
            self.grants.http(&method, url).map_err(|denied| SendError::Incident(denied.into()))?;
        let key = permit.grant().aws_sigv4();
        let signer = key.map(|key| Signer::of(key, &self.settings, &body)).transpose();
        let request = self.request(&permit, &headers, body)?;
        let signer = signer.map_err(SendError::Incident)?;
        // The time of the call is the bound where the plugin names none.
        let within = timeout.unwrap_or(limits::CALL_MAX);
        let answer = async {
            let mut credentials = self.credentials(&permit, &[], budget).await?;
            let sending = Sending { permit: &permit, signer: signer.as_ref(), within, budget };
            let incoming = self.answer(&sending, request.clone(), &mut credentials).await?;
            let refused = |credential: &Credential| credential.is_refused(incoming.status);
            // What was refused was not done, so it is sent again with another token, once.
            if !credentials.iter().any(refused) || !budget.take() {
                return Ok((incoming, credentials));
            }
            let mut renewed = self.credentials(&permit, &credentials, budget).await?;
            let incoming = self.answer(&sending, request, &mut renewed).await?;
            Ok((incoming, renewed))
        };
        let (incoming, credentials) =
            tokio::time::timeout(within, answer).await.map_err(|_| SendError::Timeout)??;
        reflection::check(&credentials, permit.url(), &incoming).map_err(SendError::Incident)?;
        Ok(incoming)
    }

    /// The headers that the grant injects. Where they are from a login or a file, `refused` are not used again.
    async fn credentials(
        &self,
        permit: &HttpPermit<'_>,
        refused: &[Credential],
        budget: &Budget,
    ) -> Result<Vec<Credential>, SendError> {
        let mut credentials = Vec::new();
        for header in permit.grant().headers() {
            let held = header.source.setting().and_then(|setting| self.logins.get(setting));
            let refused = refused.iter().find(|refused| refused.name == header.name);
            let credential = match held {
                None => Credential::of(header, &self.settings, refused),
                Some(held) => {
                    let refused = refused.and_then(Credential::token);
                    let (token, previous) = held
                        .token(self, permit, refused, budget)
                        .await
                        .map_err(SendError::Incident)?;
                    Credential::of_login(header, held.login(), token, previous.as_deref())
                }
            };
            credentials.push(credential.map_err(SendError::Incident)?);
        }
        let token = permit.grant().aws_sigv4().and_then(AwsSigV4::session_token);
        // A key that is good for ever has none, and a manifest cannot say which key an operator has.
        let is_there = |token: &&HeaderSource| token.setting().is_none_or(|it| self.has(it));
        if let Some(source) = token.filter(is_there) {
            let header = InjectedHeader { name: "x-amz-security-token", source };
            let refused = refused.iter().find(|refused| refused.name == header.name);
            let credential = Credential::of(header, &self.settings, refused);
            credentials.push(credential.map_err(SendError::Incident)?);
        }
        Ok(credentials)
    }

    /// Whether the operator gave this setting, which is a credential, anything.
    fn has(&self, setting: &str) -> bool {
        self.settings.credential(setting).is_some() || self.logins.contains_key(setting)
    }

    /// Adds the credentials to a request, signs and sends it, and collects the answer. What a signature is made
    /// of is a credential as well.
    async fn answer(
        &self,
        sending: &Sending<'_>,
        mut request: Request<Full<Bytes>>,
        credentials: &mut Vec<Credential>,
    ) -> Result<Incoming, SendError> {
        let Sending { permit, signer, within, budget } = *sending;
        for credential in credentials.iter() {
            let (name, value) = credential.header();
            request.headers_mut().insert(name, value);
        }
        if permit.grant().has_credentials() {
            // An answer that is searched for them must be readable, whatever the plugin would take.
            let plain = HeaderValue::from_static("identity");
            request.headers_mut().insert(header::ACCEPT_ENCODING, plain);
            request.headers_mut().remove(header::RANGE);
        }
        let grant = permit.grant();
        let pool = self.pool(grant.reach(), grant.ca())?;
        let sign = |request: &mut Request<Full<Bytes>>| {
            credentials.extend(signer.map(|signer| signer.sign(request, SystemTime::now())));
        };
        let sent = retry::send(&pool, request, sign, within.min(limits::FIRST_BYTE_MAX), budget);
        let response = tokio::time::timeout(limits::FIRST_BYTE_MAX, sent)
            .await
            .map_err(|_| SendError::Timeout)?
            .map_err(|error| failed(permit.url(), grant.reach(), &error))?;
        self.collect(response).await
    }

    fn request(
        &self,
        permit: &HttpPermit<'_>,
        headers: &[(String, Vec<u8>)],
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let invalid = |why: String| SendError::InvalidRequest(why);
        if body.len() > self.limits.body {
            return Err(SendError::TooLarge(self.limits.body));
        }
        within_bounds(headers)?;
        let mut request = Request::builder()
            .method(permit.method())
            .uri(permit.url().to_string())
            // The permit owns the body from here: it is overwritten when the request is dropped.
            .body(Full::new(Bytes::from_owner(body)))
            .map_err(|_| invalid("the method or the URL is not one".into()))?;
        for (name, value) in headers {
            if !permit.header_allowed(name) {
                return Err(invalid(format!(
                    "the header {} belongs to the host",
                    crate::text::escape(name)
                )));
            }
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid("the name of a header is not one".into()))?;
            let value = HeaderValue::from_bytes(value).map_err(|_| {
                invalid(format!("the value of the header {name} has a control character"))
            })?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }

    fn pool(&self, reach: Reach, ca: Option<&str>) -> Result<Connection, SendError> {
        let way = Way { reach, ca: ca.map(str::to_owned) };
        let mut pools = self.pools.lock().expect("nothing panics while it holds this lock");
        if Arc::strong_count(&self.open) - 1 > limits::CONNECTIONS_KEPT_MAX {
            // A pool closes what lies idle in it when nobody has it any more. What is in use goes on, and a
            // client would bound only what it keeps for each host.
            pools.clear();
        }
        if let Some((_, pool)) = pools.iter().find(|(candidate, _)| *candidate == way) {
            return Ok(pool.clone());
        }
        let connect = Connect::new(
            way.reach,
            way.ca.as_deref(),
            Arc::clone(&self.dns),
            Arc::downgrade(&self.open),
        )
        .map_err(|why| SendError::Incident(Incident::Authorities(why)))?;
        let pool: Connection = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(limits::IDLE_CONNECTION_MAX)
            .pool_max_idle_per_host(limits::CONCURRENCY_MAX)
            .pool_timer(TokioTimer::new())
            .http1_max_headers(limits::HEADERS_MAX)
            .http1_max_buf_size(limits::HEADER_BYTES_MAX)
            .http2_max_header_list_size(limits::HEADER_BYTES_MAX as u32)
            .build(connect);
        pools.push((way, pool.clone()));
        Ok(pool)
    }

    async fn collect(
        &self,
        response: http::Response<hyper::body::Incoming>,
    ) -> Result<Incoming, SendError> {
        let (parts, mut body) = response.into_parts();
        let headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        // HTTP/2 counts in a way of its own, and HTTP/1 with what is between names and values.
        within_bounds(&headers)?;
        // Room for what was announced, within the limit: a buffer that grows leaves copies behind.
        let announced = body.size_hint().lower();
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > self.limits.body {
            return Err(SendError::TooLarge(self.limits.body));
        }
        let mut collected = Vec::with_capacity(announced);
        loop {
            let frame = tokio::time::timeout(limits::BETWEEN_BYTES_MAX, body.frame())
                .await
                .map_err(|_| SendError::Timeout)?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| SendError::Unreachable)?;
            // Trailers are no part of what plugins see.
            if let Some(data) = frame.data_ref() {
                if collected.len() + data.len() > self.limits.body {
                    return Err(SendError::TooLarge(self.limits.body));
                }
                collected.extend_from_slice(data);
            }
        }
        Ok(Incoming { status: parts.status.as_u16(), headers, body: collected })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

fn within_bounds(headers: &[(String, Vec<u8>)]) -> Result<(), SendError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > limits::HEADERS_MAX || bytes > limits::HEADER_BYTES_MAX {
        return Err(SendError::TooLarge(limits::HEADER_BYTES_MAX));
    }
    Ok(())
}

/// What a client's error means, from the most telling of its causes.
fn failed(url: &RequestUrl, reach: Reach, error: &hyper_util::client::legacy::Error) -> SendError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return match error {
                ConnectError::Denied(address) => match reach.check(url, *address) {
                    Err(denied) => SendError::Incident(denied.into()),
                    // The connector and the grants judge by the same rule.
                    Ok(_) => SendError::Unreachable,
                },
                ConnectError::Timeout => SendError::Timeout,
                ConnectError::Unreachable => SendError::Unreachable,
                ConnectError::Unresolved => SendError::Unresolved,
            };
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            let (host, fault) = (url.host().to_owned(), TlsFault::of(error));
            return SendError::Tls(fault, Incident::Tls { host, fault });
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = error.get_ref()
        {
            cause = Some(inner);
            continue;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse_too_large() {
                return SendError::TooLarge(limits::HEADER_BYTES_MAX);
            }
            if error.is_parse() {
                return SendError::MalformedResponse;
            }
        }
        cause = error.source();
    }
    SendError::Unreachable
}
