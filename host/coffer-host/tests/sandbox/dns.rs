//! Names: looked up once for a connection, and every address that they stand for is held against the
//! grant.

use crate::server::{Server, ok};
use crate::stage::{Stage, ask, contains, refused};
use coffer_host::limits::{self, Limits};
use coffer_host::{Blame, Dns, Store};
use serde_json::json;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

mod metadata;

guest_artifacts::foreach_dns!(ran);

/// Answers each lookup with the next of its answers, and counts.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn then(&self, addresses: &[&str]) -> &Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().push_back(addresses);
        self
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Dns for Scripted {
    fn lookup<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("there is no such name")) })
    }
}

/// A store that may GET from `backend.example`, which `dns` knows.
pub(crate) fn granted_to(dns: &Scripted, port: u16, private: bool) -> Store {
    granted_on("dns_request", dns.clone(), port, private)
}

/// The same for another guest and whoever answers.
pub(crate) fn granted_on(guest: &str, dns: impl Dns + 'static, port: u16, private: bool) -> Store {
    let host = crate::way::host().instances(64).dns(dns).build().unwrap();
    let url = format!("http://backend.example:{port}/**");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": private });
    let limits = Limits { call: limits::CALL_MAX, ..Limits::default() };
    Stage::of(guest).on(host).grants(json!({ "http": [grant] })).limits(limits).open()
}

#[tokio::test]
async fn dns_request() {
    let server = Server::start(|_| ok("hello"));
    let dns = Scripted::default();
    let url = format!("http://backend.example:{}/", server.port());
    let public_only = granted_to(&dns, server.port(), false);
    // A name that stands for an address within, in every spelling, alone or behind one that is public:
    // nothing is connected to, not even to the public one.
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["::127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["64:ff9b:1::7f00:1"],
        &["2002:7f00:1::"],
        &["2001:0:a9fe:a9fe::1"],
        &["169.254.169.254"],
        &["::ffff:169.254.169.254"],
        &["fd00:ec2::254"],
        &["100.100.100.200"],
        &["168.63.129.16"],
        &["192.0.0.192"],
        &["10.0.0.1"],
        &["100.64.0.1"],
        &["fe80::1"],
        &["fc00::1"],
        &["0.0.0.0"],
        &["::"],
        &["255.255.255.255"],
        &["224.0.0.1"],
        &["ff02::1"],
        &["198.18.0.1"],
        &["192.0.2.1"],
        &["2001:db8::1"],
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["1.1.1.1", "1.0.0.1", "2606:4700::1", "fd00::1"],
    ] {
        dns.then(addresses);
        let before = dns.asked();
        let text = refused(ask(&public_only, url.as_str()).await, "other", Blame::Operator);
        contains(&text, "which backend.example stands for and which is not on the public internet");
        assert_eq!(dns.asked(), before + 1, "{addresses:?}");
    }
    assert!(server.received().is_empty());
    // No answer, and an empty one.
    refused(ask(&public_only, url.as_str()).await, "unavailable", Blame::Backend);
    dns.then(&[]);
    refused(ask(&public_only, url.as_str()).await, "unavailable", Blame::Backend);
}

/// The answer that was checked is the one that is connected to: there is no second lookup which could
/// answer differently.
#[tokio::test]
async fn an_answer_that_changes_is_checked_again_for_each_connection() {
    let one = Server::start(|_| ok("one"));
    let other = Server::at(&format!("127.0.0.2:{}", one.port()), |_| ok("other"));
    let dns = Scripted::default();
    let store = granted_to(&dns, one.port(), true);
    let url = format!("http://backend.example:{}/", one.port());
    dns.then(&["127.0.0.1"]).then(&["127.0.0.2"]).then(&["224.0.0.1"]).then(&["::ffff:127.0.0.1"]);
    assert_eq!(ask(&store, url.as_str()).await.unwrap(), "one");
    assert_eq!(dns.asked(), 1);
    assert_eq!(ask(&store, url.as_str()).await.unwrap(), "other");
    // Nothing can answer there, with or without the operator's word.
    refused(ask(&store, url.as_str()).await, "other", Blame::Operator);
    // What is connected to is the address behind the coat.
    assert_eq!(ask(&store, url.as_str()).await.unwrap(), "one");
    assert_eq!(dns.asked(), 4);
    assert_eq!((one.received().len(), other.received().len()), (2, 1));
}

/// What is denied is not even looked up: a name is a way to send something out.
#[tokio::test]
async fn a_name_that_is_not_granted_is_not_looked_up() {
    let dns = Scripted::default();
    let store = granted_to(&dns, 80, true);
    for url in ["http://hunter2.evil.example/", "http://hunter2.backend.example/"] {
        refused(ask(&store, url).await, "other", Blame::Operator);
    }
    assert_eq!(dns.asked(), 0);
}
