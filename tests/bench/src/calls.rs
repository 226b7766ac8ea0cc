//! One call of a store, beside the engine's by hand.

use crate::bench::{Bench, runtime, told};
use crate::floor::{self, Floor};
use crate::rounds::{Rounds, shown, time};
use crate::row::Row;
use coffer_host::audit::JsonLines;
use coffer_host::{Host, HostBuilder, Store, StoreConfig};
use std::fs::{self, OpenOptions};
use std::io;
use std::sync::Barrier;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Calls of one block, and rounds. A block is shorter than what a busy machine lets a process run at once.
const CALLS: u32 = 50;
const ROUNDS: usize = 400;

/// The plugin whose source `value` asks nobody.
pub(crate) const PLUGIN: &str = "coffer_plugin_host";

pub(crate) const KEY: &str = "a value of usual length";

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let bytes = fs::read(bench.component(PLUGIN)).expect("`just bench` builds it");
    let runtime = runtime();
    let floor = Floor::new(&bytes).expect("the plugin is one");
    let log = bench.place("audit.jsonl");
    let file = OpenOptions::new().append(true).create(true).open(&log);
    let file = file.expect("the directory is ours");
    let store = |builder: HostBuilder| {
        let host = builder.build().expect("the engine can be made");
        bench.store(&host, PLUGIN, StoreConfig::default())
    };
    // An audit that is kept in memory is written all the same.
    let to_memory = store(Host::builder().audit(JsonLines::new(io::Cursor::new(Vec::new()))));
    let plain = store(Host::builder());
    let audited = store(Host::builder().audit(JsonLines::new(file)));
    let rounds = Rounds::of(
        ROUNDS,
        [
            &mut || by_hand(&runtime, &floor),
            &mut || calls(&runtime, &to_memory, CALLS),
            &mut || calls(&runtime, &plain, CALLS),
            &mut || calls(&runtime, &audited, CALLS),
        ],
    );
    let threads = Rounds::of(
        ROUNDS,
        [&mut || calls(&runtime, &plain, CALLS), &mut || on_two_threads(&plain)],
    );
    let (resolve, audit) = (rounds.ratio(1, 0), rounds.ratio(3, 2));
    // Two threads have done twice as much.
    let twice = 2.0 * threads.ratio(0, 1);
    let each = |way| shown(rounds.middle(way) / CALLS);
    vec![
        Row::at_most(
            "one `resolve` in a fresh instance through `Store::resolve`, audit to memory",
            "the engine in a loop by hand",
            resolve,
            1.4,
            " times",
            &format!("{resolve:.2} times ({} and {})", each(1), each(0)),
        ),
        Row::at_least(
            "fresh calls on 2 threads",
            "on 1 thread",
            twice,
            1.7,
            " times as many",
            &format!("{twice:.2} times as many"),
        ),
        Row::at_most(
            "audit on, JSON lines to a file",
            "audit off",
            audit,
            1.1,
            " times",
            &format!("{audit:.2} times ({} and {})", each(3), each(2)),
        ),
    ]
}

fn by_hand(runtime: &Runtime, floor: &Floor) -> Duration {
    let references = [floor::Reference { source: "value".into(), key: KEY.into() }];
    time(|| {
        runtime.block_on(async {
            for _ in 0..CALLS {
                let answers = floor.resolve(&references).await.expect("the plugin answers");
                assert_eq!(answers, 1);
            }
        });
    })
}

/// So many calls, one after the other.
pub(crate) fn calls(runtime: &Runtime, store: &Store, count: u32) -> Duration {
    let reference = told(KEY);
    time(|| {
        runtime.block_on(async {
            for _ in 0..count {
                store.resolve_one(&reference).await.expect("the plugin answers");
            }
        });
    })
}

/// As many on each of two threads, from when both are ready.
fn on_two_threads(store: &Store) -> Duration {
    let ready = Barrier::new(2);
    let one = || {
        let runtime = runtime();
        ready.wait();
        calls(&runtime, store, CALLS)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(one);
        let here = one();
        here.max(other.join().expect("it does not panic"))
    })
}
