//! Stores that send requests.

use crate::bench::{Bench, granted, runtime, told};
use crate::rounds::{Rounds, shown, time};
use crate::row::Row;
use crate::server;
use coffer_host::grants::Reference;
use coffer_host::{Granted, Host, Store, StoreConfig};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::json;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long the slow backend takes.
const DELAY: Duration = Duration::from_millis(20);

const REFERENCES: usize = 100;

/// Requests of one block, and rounds.
const REQUESTS: u32 = 20;
const ROUNDS: usize = 200;

/// What Vault answers for a secret, which the other plugins do not look into.
const BODY: &str = r#"{"data":{"data":{"value":"a value"},"metadata":{"version":1}}}"#;

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let host = Host::builder().build().expect("the engine can be made");
    let mut rows = fan_out(bench, &host);
    rows.push(one_request(bench, &host));
    rows
}

/// A store that may send GET to a server.
fn getting(bench: &Bench, host: &Host, guest: &str, server: SocketAddr) -> Store {
    let grant = json!({ "url": format!("http://{server}/**"), "methods": ["GET"], "private-addresses": true });
    bench.store(host, guest, granted(json!({ "http": [grant] }), &json!({})))
}

fn fan_out(bench: &Bench, host: &Host) -> Vec<Row> {
    let server = server::start(DELAY, BODY);
    let url = |number| format!("http://{server}/{number}");
    let looping = getting(bench, host, "http_get", server);
    let sending = getting(bench, host, "http_all", server);
    let settings = json!({ "address": format!("http://{server}"), "token": "a token", "private_addresses": true });
    let vault = StoreConfig {
        settings: settings.as_object().cloned().unwrap_or_default(),
        grants: Granted::AsAsked,
        ..StoreConfig::default()
    };
    let vault = bench.store(host, "coffer_plugin_vault", vault);
    let one_by_one: Vec<Reference> = (0..REFERENCES).map(|number| told(&url(number))).collect();
    // As the host spreads a hundred references: eight times thirteen of them, or a few less.
    let keys: Vec<String> = (0..REFERENCES).map(url).collect();
    let together: Vec<Reference> = keys.chunks(13).map(|urls| told(&urls.join(" "))).collect();
    let secrets: Vec<Reference> = (0..REFERENCES)
        .map(|number| Reference::secret(format!("app/{number}#value")))
        .collect::<Result<_, _>>()
        .expect("these are keys");
    let runtime = runtime();
    let rounds = Rounds::of(
        5,
        [
            &mut || {
                time(|| {
                    runtime.block_on(async {
                        for reference in &one_by_one {
                            looping.resolve_one(reference).await.expect("the server answers");
                        }
                    });
                })
            },
            &mut || all(&runtime, &looping, &one_by_one),
            &mut || all(&runtime, &sending, &together),
            &mut || all(&runtime, &vault, &secrets),
        ],
    );
    let against = "one after the other";
    let row = |what: &str, way, least| {
        let ratio = rounds.ratio(0, way);
        let shown = format!("{ratio:.1} times ({})", shown(rounds.middle(way)));
        Row::at_least(what, against, ratio, least, " times as fast", &shown)
    };
    vec![
        row("100 references of a store that answers in 20 ms, plugin that loops", 1, 7.0),
        row("the same, plugin that uses `send-all`", 2, 20.0),
        row("the same, plugin that says `batch` and uses `send-all` (`vault`)", 3, 20.0),
    ]
}

fn all(runtime: &Runtime, store: &Store, references: &[Reference]) -> Duration {
    time(|| {
        for answer in runtime.block_on(store.resolve(references)) {
            answer.expect("the server answers");
        }
    })
}

fn one_request(bench: &Bench, host: &Host) -> Row {
    let server = server::start(Duration::ZERO, BODY);
    let store = getting(bench, host, "http_get", server);
    let url = format!("http://{server}/0");
    let reference = told(&url);
    let runtime = runtime();
    // As the gate's, without TLS.
    let client: Client<_, Empty<VecDeque<u8>>> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
    let rounds = Rounds::of(
        ROUNDS,
        [
            &mut || {
                time(|| {
                    runtime.block_on(async {
                        for _ in 0..REQUESTS {
                            let uri = url.parse().expect("it is one");
                            let response = client.get(uri).await.expect("the server answers");
                            response.into_body().collect().await.expect("all of it comes");
                        }
                    });
                })
            },
            &mut || {
                time(|| {
                    runtime.block_on(async {
                        for _ in 0..REQUESTS {
                            store.resolve_one(&reference).await.expect("the server answers");
                        }
                    });
                })
            },
        ],
    );
    let ratio = rounds.ratio(1, 0);
    Row::at_most(
        "one HTTP resolve through a plugin, pooled connection, loopback",
        "the host's own client on the same runtime",
        ratio,
        2.5,
        " times",
        &format!(
            "{ratio:.2} times ({} and {})",
            shown(rounds.middle(1) / REQUESTS),
            shown(rounds.middle(0) / REQUESTS)
        ),
    )
}
