//! What a call costs in a worker, against the same in this process. Prints, and judges nothing.
#![expect(
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "it measures for a person, and fails if there is nothing to measure"
)]

use coffer_host::grants::{Reference, Source};
use coffer_host::worker::Program;
use coffer_host::{Host, Store, StoreConfig};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const CALLS: u32 = 300;

pub(crate) fn run() {
    let host =
        Host::builder().workers(Program::at(std::env::args().nth(1).unwrap())).build().unwrap();
    let component = guest_artifacts::guest("state_memory");
    let here = host.store("here", &host.load(&component).unwrap(), StoreConfig::default()).unwrap();
    let apart = host.load_isolated(&component).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut starts = Vec::new();
        for _ in 0..ROUNDS {
            let store = host.store("apart", &apart, StoreConfig::default()).unwrap();
            starts.push(calls(&store, 1).await);
        }
        let apart = host.store("apart", &apart, StoreConfig::default()).unwrap();
        calls(&apart, CALLS).await;
        calls(&here, CALLS).await;
        let (mut within, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(calls(&here, CALLS).await / CALLS);
            within.push(calls(&apart, CALLS).await / CALLS);
        }
        let (here, apart) = (median(without), median(within));
        let ratio = apart.as_secs_f64() / here.as_secs_f64();
        println!("in this process {here:?}, in a worker {apart:?}: {ratio:.1} times");
        println!("first call of a store, worker started: {:?}", median(starts));
    });
}

async fn calls(store: &Store, count: u32) -> Duration {
    let reference = Reference::new(Source::Value, "").unwrap();
    let begun = Instant::now();
    for _ in 0..count {
        store.resolve_one(&reference).await.unwrap();
    }
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
