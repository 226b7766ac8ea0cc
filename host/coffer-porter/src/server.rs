//! Connections, from the socket to the calls in them: one each, or several in one by yamux, and TLS on each
//! if the host asked for it.

use crate::life::Life;
use crate::service::Service;
use crate::socket::Socket;
use crate::tls::Tls;
use futures_util::StreamExt as _;
use futures_util::stream;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

/// Connections at one time. A host has one.
const CONNECTIONS_MAX: usize = 32;

/// How long no connection is taken after one could not be.
const ACCEPT_PAUSE_MS: u64 = 10;

/// Calls in one connection at one time, with the two that last.
const CALLS_MAX: u32 = 256;

/// Bytes of the headers of one call.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// How connections are taken.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) life: Life,
    pub(crate) multiplexed: bool,
    pub(crate) service: Service,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Server {
    /// Takes connections until the end begins.
    pub(crate) async fn run(self, socket: &Socket) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut ended = pin!(self.life.ended());
        loop {
            let accepted = tokio::select! {
                () = &mut ended => return,
                accepted = socket.accept() => accepted,
            };
            let Ok(stream) = accepted else {
                // There are no descriptors, most likely; asking again at once would keep a processor busy.
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!("a connection was refused; there are {CONNECTIONS_MAX} already");
                continue;
            };
            let (server, connected) = (self.clone(), self.life.connected());
            tokio::spawn(async move {
                if server.multiplexed {
                    server.several(stream).await;
                } else {
                    server.one(stream).await;
                }
                drop((place, connected));
            });
        }
    }

    /// Serves the connections in a connection.
    async fn several(&self, stream: UnixStream) {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(CONNECTIONS_MAX);
        let mut session = yamux::Connection::new(stream.compat(), config, yamux::Mode::Server);
        let mut inner = pin!(
            stream::poll_fn(|context| session.poll_next_inbound(context))
                .take_until(self.life.ended())
        );
        while let Some(Ok(stream)) = inner.next().await {
            let server = self.clone();
            tokio::spawn(async move { server.one(stream.compat()).await });
        }
    }

    /// Serves one connection.
    async fn one(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Some(tls) = &self.tls else { return self.calls(stream).await };
        match TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await {
            Ok(stream) => self.calls(stream).await,
            Err(_) => tracing::warn!("a connection without the host's certificate was refused"),
        }
    }

    async fn calls(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let answer = service_fn(|request| {
            let service = self.service.clone();
            async { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(CALLS_MAX)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            () = self.life.ended() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if served.is_err() {
            tracing::debug!("a connection broke off");
        }
    }
}
