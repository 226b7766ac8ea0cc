//! Requests of coffer's own, which no plugin asked for: to registries. They go the way of those of plugins: a name
//! is resolved once, the addresses are held against a reach, TLS is by the same rules; no redirect is followed
//! and no proxy variable read. What they may ask for is decided by who sends them.

use super::connect::{Connect, ConnectError};
use super::{SystemDns, TlsFault};
use crate::limits;
use bytes::Bytes;
use coffer_grants::Reach;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Sends requests of coffer's own.
#[derive(Clone)]
pub struct Carrier(Client<Connect, Full<Bytes>>);

impl Carrier {
    /// Connections within `reach`, trusting the certificate authorities in the file `ca`, or the operating system's.
    ///
    /// # Errors
    ///
    /// A sentence about the certificate authorities.
    pub fn new(reach: Reach, ca: Option<&str>) -> Result<Self, String> {
        let connect = Connect::new(reach, ca, Arc::new(SystemDns), Weak::new())?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(limits::IDLE_CONNECTION_MAX)
            .pool_timer(TokioTimer::new())
            .http1_max_headers(limits::HEADERS_MAX)
            .http1_max_buf_size(limits::HEADER_BYTES_MAX)
            .http2_max_header_list_size(limits::HEADER_BYTES_MAX as u32)
            .build(connect);
        Ok(Self(client))
    }

    /// Sends a request, and waits until its answer begins.
    ///
    /// # Errors
    ///
    /// [`CarrierError`].
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Answer, CarrierError> {
        let response = tokio::time::timeout(within, self.0.request(request))
            .await
            .map_err(|_| CarrierError::Timeout)?
            .map_err(|error| CarrierError::of(&error))?;
        let (parts, body) = response.into_parts();
        // Where nothing says who answers, nobody is believed to be public.
        let from = parts.extensions.get::<HttpInfo>().map(|info| info.remote_addr().ip());
        let public = from.is_some_and(|address| Reach::Public.permit(address).is_some());
        Ok(Answer { status: parts.status, headers: parts.headers, public, body })
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

/// An answer that has begun.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Whether it comes from an address of the public internet.
    pub public: bool,
    body: hyper::body::Incoming,
}

impl Answer {
    /// The next piece of its body, for which it has `within`; nothing at its end.
    ///
    /// # Errors
    ///
    /// [`CarrierError`].
    pub async fn piece(&mut self, within: Duration) -> Result<Option<Bytes>, CarrierError> {
        loop {
            let frame = tokio::time::timeout(within, self.body.frame())
                .await
                .map_err(|_| CarrierError::Timeout)?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| CarrierError::of(&error))?;
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// The name stands for an address that this request may not go to.
    #[error("its name stands for an address that is not of the public internet")]
    Denied,
    /// What answers does not speak HTTP as it should.
    #[error("its answer is no HTTP")]
    Malformed,
    /// It took too long.
    #[error("it did not answer in time")]
    Timeout,
    /// It is not whom it should be, or speaks no TLS.
    #[error("{0}")]
    Tls(TlsFault),
    /// There is no connection, or none any more.
    #[error("it could not be reached, or the connection was lost")]
    Unreachable,
    /// The name has no address.
    #[error("its name has no address")]
    Unresolved,
}

impl CarrierError {
    /// What an error means, from the most telling of its causes.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<ConnectError>() {
                return match error {
                    ConnectError::Denied(_) => Self::Denied,
                    ConnectError::Timeout => Self::Timeout,
                    ConnectError::Unreachable => Self::Unreachable,
                    ConnectError::Unresolved => Self::Unresolved,
                };
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Self::Tls(TlsFault::of(error));
            }
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && let Some(inner) = error.get_ref()
            {
                cause = Some(inner);
                continue;
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>()
                && error.is_parse()
            {
                return Self::Malformed;
            }
            cause = error.source();
        }
        Self::Unreachable
    }
}
