//! TLS: whom a grant trusts, and what is said of a server that it does not. The certificates are made on
//! the spot.

use crate::dns::Scripted;
use crate::stage::{Stage, ask, contains, lacks, refused};
use crate::wire::{Wire, kept};
use base64::Engine as _;
use coffer_host::limits::{self, Limits};
use coffer_host::{Blame, Incident, Store, TlsFault};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

mod http2;

/// The name that good certificates are for.
const NAME: &str = "backend.example";

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        Self::called("an authority of the test's")
    }

    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// How a server is set up whose certificate this authority signed.
    fn server(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        config(certificate.der().clone(), &key)
    }

    fn pem(&self) -> String {
        pem(self.0.der())
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A directory with a file of certificate authorities.
struct Trusted {
    directory: TempDir,
}

impl Trusted {
    fn file(text: impl AsRef<[u8]>) -> Self {
        let trusted = Self { directory: TempDir::new().unwrap() };
        std::fs::write(trusted.path(), text).unwrap();
        trusted
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn grant(&self, port: u16) -> Value {
        granted(port, Some(&self.path()))
    }
}

fn granted(port: u16, ca: Option<&PathBuf>) -> Value {
    json!({
        "url": format!("https://{NAME}:{port}/**"),
        "methods": ["GET"],
        "private-addresses": true,
        "ca": ca,
    })
}

/// A store for which each name stands for the loopback interface.
fn store(guest: &str, grants: &[Value]) -> Store {
    let dns = Scripted::default();
    for _ in 0..100 {
        dns.then(&["127.0.0.1"]);
    }
    let host = crate::way::host().instances(16).dns(dns).build().unwrap();
    // Four megabytes of authorities are read in it, by a program that is not optimised.
    let limits = Limits { call: Duration::from_secs(60), ..Limits::default() };
    Stage::of(guest).on(host).grants(json!({ "http": grants })).limits(limits).open()
}

fn url(port: u16) -> String {
    format!("https://{NAME}:{port}/v1/a")
}

/// The server is refused for this, the plugin is told no more than that it was TLS, and the operator what
/// it was.
async fn check(config: Arc<ServerConfig>, trusted: &Trusted, fault: TlsFault, blame: Blame) {
    let wire = Wire::tls(config, |_| kept("hello"));
    let result = ask(&store("http_get", &[trusted.grant(wire.port())]), url(wire.port())).await;
    let incidents = result.as_ref().unwrap_err().incidents().to_vec();
    assert_eq!(incidents, [Incident::Tls { host: NAME.into(), fault }]);
    let text = refused(result, "other", blame);
    contains(&text, &format!("there is no TLS connection to {NAME}: {fault}"));
    let told = store("http_outcome", &[trusted.grant(wire.port())]);
    assert_eq!(ask(&told, url(wire.port())).await.unwrap(), "Error::Tls");
    assert_eq!(wire.seen(), "", "no byte of a request goes to it");
}

#[tokio::test]
async fn a_certificate_of_the_granted_authority_is_trusted() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    let wire = Wire::tls(authority.server(&params(NAME)), |_| kept("hello"));
    let store = store("http_get", &[trusted.grant(wire.port())]);
    assert_eq!(ask(&store, url(wire.port())).await.unwrap(), "200 hello");
    contains(&wire.seen(), &format!("host: {NAME}:{}\r\n", wire.port()));
    // One among others, with words between.
    let several = format!("# words\n{}\n{}", Authority::new().pem(), authority.pem());
    let trusted = Trusted::file(several);
    let store = self::store("http_get", &[trusted.grant(wire.port())]);
    assert_eq!(ask(&store, url(wire.port())).await.unwrap(), "200 hello");
    // An address is a name as well.
    let wire = Wire::tls(authority.server(&params("127.0.0.1")), |_| kept("hello"));
    let url = format!("https://127.0.0.1:{}/v1/a", wire.port());
    let mut grant = trusted.grant(wire.port());
    grant["url"] = json!(url);
    assert_eq!(ask(&self::store("http_get", &[grant]), url).await.unwrap(), "200 hello");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let authority = Authority::new();
    let config = || authority.server(&params(NAME));
    let other = Trusted::file(Authority::called("another").pem());
    check(config(), &other, TlsFault::Untrusted, Blame::Operator).await;
    // Nor one that took its name.
    let impostor = Trusted::file(Authority::new().pem());
    check(config(), &impostor, TlsFault::Untrusted, Blame::Operator).await;
    // Nor does the operating system know it.
    let wire = Wire::tls(config(), |_| kept("hello"));
    let store = store("http_get", &[granted(wire.port(), None)]);
    let text = refused(ask(&store, url(wire.port())).await, "other", Blame::Operator);
    contains(&text, "signed by nobody that the grant trusts");
    contains(&text, "name its file by `ca` in the grant of the store `stage`");
    assert_eq!(wire.seen(), "");
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_refused() {
    let trusted = Trusted::file(Authority::new().pem());
    let key = KeyPair::generate().unwrap();
    let own = params(NAME).self_signed(&key).unwrap();
    let itself = config(own.der().clone(), &key);
    check(Arc::clone(&itself), &trusted, TlsFault::Untrusted, Blame::Operator).await;
    // One that says that it is an authority is no server's either, unless it is the one that is trusted.
    let mut ca = params(NAME);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own_ca = ca.self_signed(&key).unwrap();
    let config = config(own_ca.der().clone(), &key);
    check(config, &trusted, TlsFault::Unusable, Blame::Backend).await;
    // What the operator names is trusted, and that alone.
    let trusted = Trusted::file(pem(own.der()));
    let wire = Wire::tls(itself, |_| kept("hello"));
    let store = store("http_get", &[trusted.grant(wire.port())]);
    assert_eq!(ask(&store, url(wire.port())).await.unwrap(), "200 hello");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    let mut expired = params(NAME);
    expired.not_before = date_time_ymd(2000, 1, 1);
    expired.not_after = date_time_ymd(2001, 1, 1);
    check(authority.server(&expired), &trusted, TlsFault::Expired, Blame::Backend).await;
    let mut early = params(NAME);
    early.not_before = date_time_ymd(2900, 1, 1);
    early.not_after = date_time_ymd(2901, 1, 1);
    check(authority.server(&early), &trusted, TlsFault::NotYetValid, Blame::Backend).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    for name in ["elsewhere.example", "*.backend.example", "*.example.org", "example", "127.0.0.1"]
    {
        let config = authority.server(&params(name));
        check(config, &trusted, TlsFault::Name, Blame::Backend).await;
    }
}

#[tokio::test]
async fn authorities_that_cannot_be_used_stop_the_request() {
    let authority = Authority::new();
    let wire = Wire::tls(authority.server(&params(NAME)), |_| kept("hello"));
    let say = async |trusted: &Trusted| {
        let store = store("http_get", &[trusted.grant(wire.port())]);
        let text = refused(ask(&store, url(wire.port())).await, "other", Blame::Operator);
        contains(&text, "the certificate authorities cannot be used: ");
        contains(&text, "mend the file, or change `ca` in the grant of the store `stage`");
        text
    };
    let missing = Trusted { directory: TempDir::new().unwrap() };
    contains(&say(&missing).await, "cannot be read");
    contains(&say(&Trusted::file("")).await, "has no certificate in PEM form");
    contains(&say(&Trusted::file("garbage\0\n")).await, "has no certificate in PEM form");
    let key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";
    let text = say(&Trusted::file(key)).await;
    contains(&text, "has no certificate in PEM form");
    lacks(&text, "Y2FuYXJ5");
    contains(&say(&Trusted::file(pem(b"canary"))).await, "has a certificate that cannot be used");
    let cut = authority.pem().replace("-----END CERTIFICATE-----", "");
    contains(&say(&Trusted::file(cut)).await, "has a certificate that cannot be used");
    let bad = authority.pem().replacen("MII", "!!!", 1);
    contains(&say(&Trusted::file(bad)).await, "has a certificate that cannot be used");
    // Good ones do not make up for a bad one.
    let mixed = format!("{}{}", authority.pem(), pem(b"canary"));
    contains(&say(&Trusted::file(mixed)).await, "has a certificate that cannot be used");
    // To the last byte, and one more.
    let filled =
        |bytes: usize| format!("{}{}", authority.pem(), "\n".repeat(bytes - authority.pem().len()));
    contains(
        &say(&Trusted::file(filled(limits::CA_BYTES_MAX + 1))).await,
        "more than 4194304 bytes",
    );
    assert_eq!(wire.seen(), "");
    let trusted = Trusted::file(filled(limits::CA_BYTES_MAX));
    let store = store("http_get", &[trusted.grant(wire.port())]);
    assert_eq!(ask(&store, url(wire.port())).await.unwrap(), "200 hello");
}

/// Answers a greeting with these bytes and remembers the greeting.
fn speaking(answer: &'static [u8]) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeting: Arc<Mutex<Vec<u8>>> = Arc::default();
    std::thread::spawn({
        let greeting = Arc::clone(&greeting);
        move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).unwrap();
                *greeting.lock().unwrap() = piece[..read].to_vec();
                stream.write_all(answer).unwrap();
                // Until the client goes away.
                while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
            }
        }
    });
    (port, greeting)
}

/// A server's answer to a greeting in TLS 1.`minor`: with this many zeros for its random bytes, no session
/// and one cipher suite.
const TLS_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\xc0\x13\x00";
/// "No version of yours": a fatal alert.
const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

#[tokio::test]
async fn old_tls_is_not_spoken() {
    let trusted = Trusted::file(Authority::new().pem());
    for (answer, what) in [
        (TLS_1_1, "TLS 1.1"),
        (ALERT, "an alert"),
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP without TLS"),
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "something else"),
    ] {
        let (port, greeting) = speaking(answer);
        let result = ask(&store("http_get", &[trusted.grant(port)]), url(port)).await;
        let text = refused(result, "other", Blame::Backend);
        contains(&text, "it does not speak TLS 1.2 or 1.3");
        // What is offered: the list of versions in the greeting has two.
        let greeting = greeting.lock().unwrap();
        let versions = [0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03];
        let offered = greeting.windows(versions.len()).any(|part| part == versions);
        assert!(offered, "{what}: {greeting:02x?}");
        assert!(!greeting.windows(5).any(|part| part == b"v1/a "), "{what}");
    }
}

/// Connections are for those who would have made the same: an open one is not used by a grant that trusts
/// somebody else, or reaches less far.
#[tokio::test]
async fn connections_are_not_shared_between_ways() {
    let authority = Authority::new();
    let (good, other) = (Trusted::file(authority.pem()), Trusted::file(Authority::new().pem()));
    let wire = Wire::tls(authority.server(&params(NAME)), |_| kept("hello"));
    let port = wire.port();
    let at = |path: &str, grant: Value| {
        let mut grant = grant;
        grant["url"] = json!(format!("https://{NAME}:{port}/{path}/**"));
        grant
    };
    let mut near = good.grant(port);
    near["private-addresses"] = json!(false);
    let store = store(
        "http_get",
        &[
            at("good", good.grant(port)),
            at("same", good.grant(port)),
            at("other", other.grant(port)),
            at("system", granted(port, None)),
            at("near", near),
        ],
    );
    let url = |path: &str| format!("https://{NAME}:{port}/{path}/a");
    for path in ["good", "same", "good"] {
        assert_eq!(ask(&store, url(path)).await.unwrap(), "200 hello");
    }
    let kept = wire.connections().len();
    assert_eq!(kept, 1, "it is the same connection as long as it may be");
    for path in ["other", "system"] {
        let text = refused(ask(&store, url(path)).await, "other", Blame::Operator);
        contains(&text, "signed by nobody that the grant trusts");
    }
    let text = refused(ask(&store, url("near")).await, "other", Blame::Operator);
    contains(&text, "which is not on the public internet");
    let seen = wire.seen();
    for path in ["other", "system", "near"] {
        lacks(&seen, &format!("GET /{path}"));
    }
    // And it is still there for those whose it is.
    let before = wire.connections().len();
    assert_eq!(ask(&store, url("same")).await.unwrap(), "200 hello");
    assert_eq!(wire.connections().len(), before);
}
