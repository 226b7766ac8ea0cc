//! Where a PostgreSQL server is, and how it is spoken to: what its URL may say, and TLS that is verified unless
//! the operator says that there is none. The URL has a password, so nothing here repeats any of it.

use super::LedgerError;
use coffer_host::Secret;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_rustls::TlsConnector;

/// A server, and how it is spoken to.
pub(super) struct Server {
    config: Config,
    tls: Option<Tls>,
    pub(super) timeout: Duration,
}

impl Server {
    /// Reads a URL as libpq does, save that `sslmode` is `require` (or `verify-full`, which is the same
    /// here) where it is not given and the server is not on this machine.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Url`].
    pub(super) fn new(url: &Secret, timeout: Duration) -> Result<Self, LedgerError> {
        let url = std::str::from_utf8(url.expose()).map_err(|_| LedgerError::Url(NO_URL))?;
        let Options { url, mode, authorities } = Options::of(url)?;
        let mut config: Config = url.parse().map_err(|_| LedgerError::Url(NO_URL))?;
        if config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty() {
            return Err(LedgerError::Url("it names no host, or one by `hostaddr`"));
        }
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => {
                return Err(LedgerError::Url(
                    "its `sslmode` is none of `disable`, `require` and `verify-full`; with others a password \
                     may be sent to anybody",
                ));
            }
            None => !config.get_hosts().iter().all(is_here),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(timeout).tcp_user_timeout(timeout).keepalives_idle(KEEPALIVE);
        if config.get_application_name().is_none() {
            config.application_name("coffer");
        }
        let tls = encrypted.then(|| Tls::new(authorities.as_deref())).transpose()?;
        Ok(Self { config, tls, timeout })
    }

    /// Connects to it. The task carries what the client sends and is sent; it ends by itself only when every
    /// answer has come.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        // The client is told of every error of its connection.
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(async { drop(connection.await) })))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Ok((client, tokio::spawn(async { drop(connection.await) })))
            }
        }
    }
}

/// Says nothing of it: it has a password.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A URL, and what is ours to understand of its options.
struct Options {
    url: String,
    mode: Option<String>,
    authorities: Option<String>,
}

impl Options {
    fn of(url: &str) -> Result<Self, LedgerError> {
        let Some(rest) = ["postgres://", "postgresql://"].iter().find_map(|s| url.strip_prefix(s))
        else {
            return Err(LedgerError::Url(NO_URL));
        };
        // The rest of a password that should have been encoded would be taken for a host, and told.
        let login = rest.rsplit_once('@').map_or("", |(login, _)| login);
        if login.contains(['@', '/', '?']) || url.contains('#') {
            return Err(LedgerError::Url(
                "a character of the password has to be percent-encoded (`@` is `%40`, `/` is `%2F`)",
            ));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut options = Self { url: base.to_owned(), mode: None, authorities: None };
        let mut others = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let place = match name {
                "sslmode" => &mut options.mode,
                "sslrootcert" => &mut options.authorities,
                _ => {
                    others.push(option);
                    continue;
                }
            };
            if place.replace(value.replace("%2F", "/").replace("%2f", "/")).is_some() {
                return Err(LedgerError::Url("an option is in it twice"));
            }
        }
        if !others.is_empty() {
            options.url = format!("{base}?{}", others.join("&"));
        }
        Ok(options)
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => is_loopback(name),
    }
}

/// Whether a server of this name is on this machine, where nobody listens in between.
pub(super) fn is_loopback(name: &str) -> bool {
    let address = name.parse().map(|address: std::net::IpAddr| address.is_loopback());
    address.unwrap_or(name == "localhost")
}

/// Whom a connection trusts.
#[derive(Clone)]
pub(super) struct Tls(pub(super) TlsConnector);

impl Tls {
    /// Trusts the certificate authorities in a file, or the operating system's.
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator's file, and no store has a say in it"
    )]
    pub(super) fn new(authorities: Option<&str>) -> Result<Self, LedgerError> {
        let unusable = LedgerError::Url(
            "it needs TLS, and what it names for that, or the system has, is no file with certificates",
        );
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(path) => {
                let Ok(pem) = std::fs::read(path) else { return Err(unusable) };
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let added = certificate.map(|certificate| roots.add(certificate));
                    if !matches!(added, Ok(Ok(()))) {
                        return Err(unusable);
                    }
                }
            }
            None => {
                let certificates = rustls_native_certs::load_native_certs().certs;
                roots.add_parsable_certificates(certificates);
            }
        }
        if roots.is_empty() {
            return Err(unusable);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake(self.0.clone(), ServerName::try_from(host)?.to_owned()))
    }
}

/// A connection that is about to be encrypted, with a server of this name only.
pub(super) struct Handshake(TlsConnector, ServerName<'static>);

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self(connector, name) = self;
        Box::pin(async move { connector.connect(name, socket).await.map(Stream) })
    }
}

/// A connection that is encrypted.
pub(super) struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Stream {
    // The certificate was verified; that the password is bound to it as well adds nothing to that.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// After how long a silent connection is asked for, so that a firewall does not forget it.
const KEEPALIVE: Duration = Duration::from_secs(30);

const NO_URL: &str = "it is no URL of PostgreSQL, postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or it has an \
                      option that coffer does not know";
