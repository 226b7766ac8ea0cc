//! Connections: a name is resolved once, its addresses are held against the grant's reach, and the
//! connection goes to one that passed. Nobody looks the name up again.

use super::{Dns, tls};
use crate::limits;
use coffer_grants::{AddressPermit, Reach};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the name stands for {0}, which is out of reach")]
    Denied(IpAddr),
    #[error("the connection took too long")]
    Timeout,
    #[error("nothing answers")]
    Unreachable,
    #[error("the name has no address")]
    Unresolved,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections, with TLS where the URL says so, within [`limits::CONNECT_MAX`].
#[derive(Clone)]
pub(crate) struct Connect(HttpsConnector<Dial>);

impl Connect {
    /// Connections within `reach`, trusting the certificate authorities in the file `ca`, or the
    /// operating system's. Each has one of `open` for as long as it stands.
    ///
    /// # Errors
    ///
    /// A sentence about the certificate authorities.
    pub(crate) fn new(
        reach: Reach,
        ca: Option<&str>,
        dns: Arc<dyn Dns>,
        open: Weak<()>,
    ) -> Result<Self, String> {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(ca)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Dial { reach, dns, open });
        Ok(Self(https))
    }
}

impl Service<Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<Counted>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(limits::CONNECT_MAX, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectError::Timeout.into()),
            }
        })
    }
}

/// Makes the connection that TLS runs on.
#[derive(Clone)]
pub(crate) struct Dial {
    reach: Reach,
    dns: Arc<dyn Dns>,
    open: Weak<()>,
}

impl Dial {
    async fn dial(self, uri: Uri) -> Result<TokioIo<Counted>, ConnectError> {
        let host = uri.host().ok_or(ConnectError::Unresolved)?;
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let mut refused = ConnectError::Unresolved;
        for address in self.addresses(host).await?.into_iter().take(limits::ADDRESSES_MAX) {
            refused = match self.reach.permit(address) {
                None => ConnectError::Denied(address),
                Some(permit) => match connect(&permit, port).await {
                    Ok(stream) => {
                        let open = self.open.upgrade();
                        return Ok(TokioIo::new(Counted { stream, _open: open }));
                    }
                    Err(_) => ConnectError::Unreachable,
                },
            };
        }
        Err(refused)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = plain.parse() {
            return Ok(vec![address]);
        }
        let addresses = self.dns.lookup(host).await.map_err(|_| ConnectError::Unresolved)?;
        // A name that stands for a private address as well as a public one is not trusted halfway.
        match addresses.iter().find(|address| self.reach.permit(**address).is_none()) {
            Some(denied) => Err(ConnectError::Denied(*denied)),
            None => Ok(addresses),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
async fn connect(permit: &AddressPermit, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::new(permit.address(), port)).await?;
    // Requests are written whole; waiting for more to send with them only delays.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Counted>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connection that is counted while it stands.
pub(crate) struct Counted {
    stream: TcpStream,
    _open: Option<Arc<()>>,
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
