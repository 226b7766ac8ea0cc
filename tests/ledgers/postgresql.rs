//! The ledger on Debian's PostgreSQL.

use crate::config::StorageKind;
use crate::cut::{Cut, Way};
use crate::ledger::tests::{Place, begin, begin_after, finish, known, secret, suite};
use crate::ledger::{Ledger, LedgerError};
use backends::postgresql::Server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_host::{Blame, Explain as _};
use std::time::{Duration, Instant};

suite!(Server);

impl Place for Server {
    async fn new() -> Self {
        Self::start()
    }

    async fn open(&self) -> Result<Ledger, LedgerError> {
        connect(&self.url(), 10).await
    }
}

async fn connect(url: &str, seconds: u64) -> Result<Ledger, LedgerError> {
    crate::connect(StorageKind::Postgresql, url, seconds).await
}

/// Wherever the connection is lost, a step is done once.
#[tokio::test]
async fn a_step_whose_connection_is_lost_is_done_once() {
    let server = Server::start();
    let way = Way::to(server.port());
    let ledger = connect(&server.url_at(way.port), 10).await.unwrap();
    let words = [
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "FOR UPDATE",
        "clock_timestamp",
        "leases",
        "INTO commits",
    ];
    let mut cuts: Vec<Cut> = words.iter().flat_map(|w| [Cut::Before(w), Cut::After(w)]).collect();
    cuts.extend([Cut::Before("COMMIT\0"), Cut::After("COMMIT\0")]);
    for (index, cut) in cuts.into_iter().enumerate() {
        let known = known(&ledger, "app").await.unwrap();
        way.cut(cut);
        let run = format!("r{index:02}");
        let lease = begin_after(&ledger, &known, "app", &run, &[secret(&run)]).await;
        let lease = lease.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert!(way.is_cut(), "{cut:?}");
        assert_eq!(ledger.intended(&run).await.unwrap(), [secret(&run)], "{cut:?}");
        let runs = ledger.runs(lease.subject()).await.unwrap();
        assert_eq!(runs.len(), index + 1, "{cut:?}");
        // The lease is the one that is in the ledger: whoever has it can go on.
        ledger.renew(&lease).await.unwrap();
        way.cut(cut);
        finish(&ledger, &lease, &[]).await.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert!(ledger.unfinished().await.unwrap().is_empty(), "{cut:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start();
    let way = Way::to(server.port());
    let ledger = connect(&server.url_at(way.port), 1).await.unwrap();
    for word in ["BEGIN", "INSERT INTO runs", "COMMIT\0"] {
        way.cut(Cut::Silence(word));
        let begun = Instant::now();
        let error = begin_after(&ledger, &[], "app", "r1", &[]).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{word}: {:?}", begun.elapsed());
        assert_eq!(error.blame(), Blame::Backend, "{word}: {error}");
        assert!(error.to_string().contains("did not answer within 1s"), "{word}: {error}");
        let unsure = matches!(error, LedgerError::Unknown(_));
        assert_eq!(unsure, word.starts_with("COMMIT"), "{error}");
        assert!(ledger.runs("r1").await.unwrap().is_empty(), "{word}");
    }
    // Nothing of it is in anybody's way.
    finish(&ledger, &begin(&ledger, "r1", &[]).await.unwrap(), &[]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_stopped_is_found_again() {
    let mut server = Server::start();
    let ledger = connect(&server.url(), 1).await.unwrap();
    let lease = begin(&ledger, "r1", &[secret("k")]).await.unwrap();
    server.stop();
    for error in [
        finish(&ledger, &lease, &[]).await.unwrap_err(),
        ledger.runs("r1").await.unwrap_err(),
        connect(&server.url(), 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Unreachable(_)), "{error}");
        assert_eq!(error.blame(), Blame::Backend);
        assert!(!format!("{error} {error:?}").contains(server.password()));
    }
    server.restart();
    assert_eq!(ledger.intended("r1").await.unwrap(), [secret("k")]);
    finish(&ledger, &lease, &[]).await.unwrap();
    assert!(ledger.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_it_refuses_is_told_without_the_password() {
    let server = Server::start();
    let (url, password) = (server.url(), server.password().to_owned());
    drop(connect(&url, 10).await.unwrap());
    let with = |option: &str| format!("{url}?{option}");
    let cases = [
        (url.replace(&password, "pw-of-nobody"), "password authentication failed"),
        (url.replace("coffer:", "nobody:"), "password authentication failed"),
        (
            url.replace("/coffer", "/none").replace("//none", "//coffer"),
            "database \"none\" does not exist",
        ),
        (with("sslmode=require"), "it does not speak TLS"),
        (with("sslmode=prefer"), "its `sslmode` is none of"),
        (with("sslmode=disable&sslmode=disable"), "twice"),
        (with("hostaddr=127.0.0.1"), "names no host"),
        (with("pw-of-nobody=1"), "it is no URL of PostgreSQL"),
        (format!("{url}#pw-of-nobody"), "percent-encoded"),
        (url.replace(&password, &format!("pw-of-nobody@{password}")), "percent-encoded"),
        (url.replace(&password, &format!("pw-of-nobody/{password}")), "percent-encoded"),
        (url.replace(&password, &format!("pw-of-nobody?{password}")), "percent-encoded"),
        (url.replace("postgresql:", "pw-of-nobody:"), "it is no URL"),
    ];
    for (url, expected) in cases {
        let error = connect(&url, 10).await.unwrap_err();
        assert_eq!(error.blame(), Blame::Operator, "{error}");
        let told = format!("{error} {error:?} {}", error.next());
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains(&password) && !told.contains("pw-of-nobody"), "{told}");
    }
    let ledger = connect(&with("sslmode=disable"), 10).await.unwrap();
    assert!(!format!("{ledger:?}").contains(&password));
    // A newer coffer made it; and a user that may only use what is there.
    let dump = async |user: &str| connect(&url.replace("coffer:", user), 10).await;
    server.sql(&format!("CREATE ROLE used LOGIN PASSWORD '{password}'"));
    let error = dump("used:").await.unwrap_err();
    assert!(matches!(&error, LedgerError::Refused(why) if why.contains("denied")), "{error}");
    let _ = server.ask("coffer", &least());
    let used = dump("used:").await.unwrap();
    let lease = begin(&used, "r1", &[secret("k")]).await.unwrap();
    finish(&used, &lease, &[]).await.unwrap();
    let _ = server.ask("coffer", "INSERT INTO coffer.migrations VALUES (99)");
    let error = connect(&url, 10).await.unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, known: 1 }), "{error}");
}

/// What docs/ledger.md grants to a user that does not own the tables.
fn least() -> String {
    let page = include_str!("../../docs/ledger.md");
    let (_, after) = page.split_once("```sql\n-- The least").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    after.split_once("```").unwrap().0.replace("NAME", "used")
}

#[tokio::test]
async fn a_server_elsewhere_is_spoken_to_by_tls_or_not_at_all() {
    let mut server = Server::start();
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = pem("CERTIFICATE", authority.cert.der());
    server.encrypt(&certificate, &pem("PRIVATE KEY", &authority.signing_key.serialize_der()));
    server.restart();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, &certificate).unwrap();
    let local = server.url().replace("127.0.0.1", "localhost");
    let trusting = |mode: &str| format!("{local}?sslmode={mode}&sslrootcert={}", trusted.display());
    // Nobody else may be spoken to; then it is only those who encrypt that get in.
    let _ = server.ask("postgres", "ALTER SYSTEM SET log_connections = on");
    for mode in ["require", "verify-ca", "verify-full"] {
        let ledger = connect(&trusting(mode), 10).await.unwrap_or_else(|error| panic!("{error}"));
        let ssl = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                   WHERE application_name = 'coffer'";
        assert_eq!(server.ask("postgres", ssl), "t", "{mode}");
        drop(ledger);
    }
    // A certificate that nobody vouches for, and one of another name.
    for url in
        [format!("{local}?sslmode=require"), trusting("require").replace("localhost", "127.0.0.1")]
    {
        let error = connect(&url, 10).await.unwrap_err();
        assert!(error.to_string().contains("its certificate is not trusted"), "{error}");
        assert_eq!(error.blame(), Blame::Operator);
    }
    // Without a word, a server that is not of this machine has to encrypt. 0.0.0.0 leads here and says nothing
    // of it.
    let elsewhere = server.url().replace("127.0.0.1", "0.0.0.0");
    let error = connect(&elsewhere, 10).await.unwrap_err();
    assert!(error.to_string().contains("its certificate is not trusted"), "{error}");
    connect(&format!("{elsewhere}?sslmode=disable"), 10).await.unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
