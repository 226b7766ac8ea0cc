//! The ledger on FerretDB, which speaks MongoDB's protocol and has no transactions of several documents. It
//! asks for no password, so logging in is held by what the RFC has (`ledger/mongodb/scram.rs`).

use crate::config::StorageKind;
use crate::cut::{Cut, Way};
use crate::ledger::tests::{Place, begin, begin_after, finish, known, secret, suite};
use crate::ledger::{Ledger, LedgerError};
use backends::ferretdb::Server;
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
    crate::connect(StorageKind::Mongodb, url, seconds).await
}

/// Wherever the connection is lost, a step is done once.
#[tokio::test]
async fn a_step_whose_connection_is_lost_is_done_once() {
    let server = Server::start();
    let way = Way::to(server.port());
    let ledger = connect(&server.url_at(way.port), 10).await.unwrap();
    let words = ["hello\0", "find\0", "\0runs\0\x04documents", "insert\0", "deletes\0"];
    let cuts: Vec<Cut> = words.iter().flat_map(|w| [Cut::Before(w), Cut::After(w)]).collect();
    for (index, cut) in cuts.into_iter().enumerate() {
        let known = known(&ledger, "app").await.unwrap();
        way.cut(cut);
        let run = format!("r{index:02}");
        let lease = begin_after(&ledger, &known, "app", &run, &[secret(&run)]).await;
        let lease = lease.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(ledger.intended(&run).await.unwrap(), [secret(&run)], "{cut:?}");
        let runs = ledger.runs(lease.subject()).await.unwrap();
        assert_eq!(runs.len(), index + 1, "{cut:?}");
        // The lease is the one that is in the ledger: whoever has it can go on.
        ledger.renew(&lease).await.unwrap();
        assert!(way.is_cut(), "{cut:?}");
        way.cut(cut);
        finish(&ledger, &lease, &[]).await.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert!(ledger.unfinished().await.unwrap().is_empty(), "{cut:?}");
        assert_eq!(ledger.addresses().await.unwrap().len(), index + 1, "{cut:?}");
    }
    // A deletion as well.
    for cut in [Cut::Before("insert\0"), Cut::After("insert\0")] {
        let id = ledger.take_over("r00", "d").await.unwrap();
        way.cut(cut);
        ledger.doom_installation(&id).await.unwrap();
        for address in ledger.doomed(None).await.unwrap() {
            ledger.forget(&address).await.unwrap();
        }
        way.cut(cut);
        ledger.forget_installation(&id).await.unwrap();
        assert!(ledger.installations(None, ("", ""), 100).await.unwrap().is_empty(), "{cut:?}");
        let lease = begin(&ledger, "r00", &[secret("again")]).await.unwrap();
        finish(&ledger, &lease, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start();
    let way = Way::to(server.port());
    let ledger = connect(&server.url_at(way.port), 1).await.unwrap();
    for word in ["hello\0", "find\0", "insert\0"] {
        way.cut(Cut::Silence(word));
        let begun = Instant::now();
        let error = begin_after(&ledger, &[], "app", "r1", &[]).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{word}: {:?}", begun.elapsed());
        assert_eq!(error.blame(), Blame::Backend, "{word}: {error}");
        assert!(error.to_string().contains("did not answer within 1s"), "{word}: {error}");
        assert_eq!(matches!(error, LedgerError::Unknown(_)), word == "insert\0", "{error}");
        assert!(ledger.runs("r1").await.unwrap().is_empty(), "{word}");
    }
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
    }
    server.restart();
    assert_eq!(ledger.intended("r1").await.unwrap(), [secret("k")]);
    finish(&ledger, &lease, &[]).await.unwrap();
    assert!(ledger.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_used_is_told_without_the_password() {
    let cases = [
        ("mongodb+srv://u:pw-of-nobody@h/d", "does not ask name servers"),
        ("mongodb://u:pw-of-nobody@more@127.0.0.1/d", "percent-encoded"),
        ("mongodb://u:pw-of-nobody#more@127.0.0.1/d", "percent-encoded"),
        ("mongodb://u:pw-of-nobody/more@127.0.0.1/d", "it is no URL of MongoDB"),
        ("mongodb://u:pw-of-nobody?more@127.0.0.1/d", "it is no URL of MongoDB"),
        ("mongodb://pw-of-nobody@127.0.0.1/d", "it is no URL of MongoDB"),
        ("mongodb://u:%zz-pw-of-nobody@127.0.0.1/d", "it is no URL of MongoDB"),
        ("mongodb://u:pw-of-nobody@127.0.0.1/d?w=1", "it is no URL of MongoDB"),
        ("mongodb://u:pw-of-nobody@127.0.0.1/d?authMechanism=PLAIN", "it is no URL of MongoDB"),
        ("mongodb://u:pw-of-nobody@h/d?tlsCAFile=/none", "no file with certificates"),
        ("http://u:pw-of-nobody@127.0.0.1/d", "it is no URL of MongoDB"),
    ];
    for (url, expected) in cases {
        let error = connect(url, 1).await.unwrap_err();
        assert_eq!(error.blame(), Blame::Operator, "{error}");
        let told = format!("{error} {error:?} {}", error.next());
        assert!(told.contains(expected), "{url}: {told}");
        assert!(!told.contains("pw-of-nobody"), "{told}");
    }
    // A server that is not of this machine has to encrypt unless the operator says that it does not.
    let server = Server::start();
    let elsewhere = server.url().replace("127.0.0.1", "0.0.0.0");
    let error = connect(&elsewhere, 2).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_) | LedgerError::Refused(_)), "{error}");
    drop(connect(&format!("{elsewhere}?tls=false"), 10).await.unwrap());
}
