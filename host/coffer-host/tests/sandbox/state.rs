//! State: an instance lives for one call, and nothing of it is seen by the next, except for the cache,
//! which belongs to one store.

use crate::stage::{Stage, ask, told};
use coffer_host::limits::Limits;

guest_artifacts::foreach_state!(ran);

#[tokio::test]
async fn state_memory() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let store = Stage::of("state_memory").limits(limits).open();
    for _ in 0..3 {
        assert_eq!(ask(&store, "").await.unwrap(), "1");
    }
    // References of one chunk share an instance; chunks do not.
    let references: Vec<_> = (0..40).map(|_| told("")).collect();
    let mut counts: Vec<u32> = Vec::new();
    for answer in store.resolve(&references).await {
        counts.push(answer.unwrap().expose_text().unwrap().parse().unwrap());
    }
    let expected: Vec<u32> = (1..=16).chain(1..=16).chain(1..=8).collect();
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn state_cache() {
    let (one, other) = (Stage::of("state_cache").open(), Stage::of("state_cache").open());
    assert_eq!(ask(&one, "first").await.unwrap(), "");
    assert_eq!(ask(&one, "second").await.unwrap(), "first");
    assert_eq!(ask(&one.clone(), "third").await.unwrap(), "second");
    assert_eq!(ask(&other, "x").await.unwrap(), "");
}
