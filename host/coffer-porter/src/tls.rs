//! go-plugin's automatic mutual TLS: the host gives a certificate in a variable, the plugin one in its line,
//! and each takes that one of the other and nothing else.

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P521_SHA512,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use std::sync::Arc;

/// What hosts look for in the certificate.
const NAME: &str = "localhost";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate of its own could not be made.
    #[error("a certificate could not be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The host's certificate is none.
    #[error("PLUGIN_CLIENT_CERT is no certificate in PEM")]
    Given,
    /// The TLS library refused what it was given.
    #[error("TLS could not be set up: {0}")]
    Setup(#[from] Error),
}

/// The plugin's side of a mutual TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    /// How connections are taken.
    pub(crate) config: Arc<ServerConfig>,
    /// The certificate, as DER, for the host.
    pub(crate) certificate: Vec<u8>,
}

impl Tls {
    /// Makes a key and a certificate, for a host with this one. Neither is kept anywhere.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub(crate) fn with(host: &str) -> Result<Self, TlsError> {
        let host = CertificateDer::from_pem_slice(host.as_bytes()).map_err(|_| TlsError::Given)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?;
        let mut parameters = CertificateParams::new([NAME.to_owned()])?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.self_signed(&key)?.der().clone();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Pinned { host: host.into_owned(), algorithms: algorithms(&provider) };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { config: Arc::new(config), certificate: certificate.to_vec() })
    }
}

fn algorithms(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// Takes the host's certificate, byte for byte, from whoever has its key. The usual verifier would refuse
/// it: go-plugin's is an authority and an end in one.
#[derive(Debug)]
struct Pinned {
    host: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if *end_entity == self.host {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
