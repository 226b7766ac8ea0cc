//! TLS: whom a connection trusts, and what is wrong with a server when it does not come about.

use crate::ambient;
use crate::limits;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::sync::Arc;

/// Trusts the certificate authorities in the file `ca`, or the operating system's.
///
/// # Errors
///
/// A sentence about the certificate authorities.
pub(super) fn config(ca: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth())
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let pem = ambient::file(path, limits::CA_BYTES_MAX).map_err(|error| {
                format!("the certificate authorities in {path} cannot be read: {error}")
            })?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| {
                        roots.add(certificate).map_err(|error| error.to_string())
                    })
                    .map_err(|error| {
                        format!("{path} has a certificate that cannot be used: {error}")
                    })?;
            }
            if roots.is_empty() {
                return Err(format!("{path} has no certificate in PEM form"));
            }
        }
        None => {
            roots = system_roots();
            if roots.is_empty() {
                return Err("this machine trusts no certificate authority; install its \
                            `ca-certificates`, or name a file by `ca` in the grant"
                    .into());
            }
        }
    }
    Ok(roots)
}

/// The certificate authorities that the operating system trusts. A certificate that is not understood is
/// left out; one that is missing is noticed when a server shows it.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// How many certificate authorities the operating system has for HTTP without `ca` in its grant.
#[must_use]
pub fn certificate_authorities() -> usize {
    system_roots().len()
}

/// What is wrong with a server that TLS was to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate's time is over.
    #[error("its certificate has expired")]
    Expired,
    /// The certificate is another server's.
    #[error("its certificate is for another name")]
    Name,
    /// The certificate's time has not come.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// It does not speak TLS, or none that is safe.
    #[error("it does not speak TLS 1.2 or 1.3")]
    Protocol,
    /// Nobody who is trusted has signed the certificate.
    #[error("its certificate is signed by nobody that the grant trusts")]
    Untrusted,
    /// The certificate is malformed, revoked, or for another purpose.
    #[error("its certificate is not one that a server can have")]
    Unusable,
}

impl TlsFault {
    pub(super) fn of(error: &rustls::Error) -> Self {
        use CertificateError as C;
        let rustls::Error::InvalidCertificate(error) = error else {
            return Self::Protocol;
        };
        match error {
            C::Expired | C::ExpiredContext { .. } => Self::Expired,
            C::NotValidForName | C::NotValidForNameContext { .. } => Self::Name,
            C::NotValidYet | C::NotValidYetContext { .. } => Self::NotYetValid,
            // Whoever signed it has the name of one who is trusted and another key.
            C::BadSignature | C::UnknownIssuer => Self::Untrusted,
            _ => Self::Unusable,
        }
    }

    /// Whether it is the certificate that is wrong.
    pub(crate) fn certificate(self) -> bool {
        self != Self::Protocol
    }

    /// What the operator does about it.
    pub(crate) fn next(self, store: &str) -> String {
        match self {
            Self::Expired | Self::NotYetValid => {
                "renew the server's certificate, and check the clocks of both machines".into()
            }
            Self::Name => {
                "use a name that is in the server's certificate, or have one made for this name"
                    .into()
            }
            Self::Protocol => "check what answers there, and that it takes TLS 1.2 or 1.3".into(),
            Self::Untrusted => format!(
                "check that this is the right server; if it has a certificate authority of its own, name \
                 its file by `ca` in the grant of the store `{store}`"
            ),
            Self::Unusable => "have a certificate made for the server".into(),
        }
    }
}
