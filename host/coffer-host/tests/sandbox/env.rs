//! Environment variables: those that are granted by name, and those that a reference names where the
//! operator said so, for that call only.

use crate::stage::{Stage, ask, contains, refused};
use coffer_host::grants::{Reference, Source};
use coffer_host::{Blame, Store};
use serde_json::json;

guest_artifacts::foreach_env!(ran);

// Cargo sets these for the process of a test.
const NAME: &str = "CARGO_PKG_NAME";
const OTHER: &str = "CARGO_PKG_VERSION";

async fn seen(store: &Store, variable: &str) -> String {
    let reference = Reference::new(Source::Env, variable).unwrap();
    store.resolve_one(&reference).await.unwrap().expose_text().unwrap().to_owned()
}

#[tokio::test]
async fn env_all() {
    let nothing = Stage::of("env_all").open();
    assert_eq!(ask(&nothing, "").await.unwrap(), "[] [] None");

    let granted = Stage::of("env_all").grants(json!({ "environment": [NAME, "NOT_SET_ANYWHERE"] }));
    let granted = granted.open();
    let seen_alone = format!(r#"["{NAME}={}"] [] None"#, env!("CARGO_PKG_NAME"));
    assert_eq!(ask(&granted, "").await.unwrap(), seen_alone);
    // Asking for another is denied before the plugin runs.
    let reference = Reference::new(Source::Env, OTHER).unwrap();
    let text = refused(granted.resolve_one(&reference).await, "denied", Blame::Operator);
    contains(&text, "no grant allows the environment variable CARGO_PKG_VERSION");
    contains(&text, "environment:\n        - CARGO_PKG_VERSION");

    let referenced = Stage::of("env_all").grants(json!({ "referenced": ["env"] })).open();
    assert_eq!(ask(&referenced, "").await.unwrap(), "[] [] None");
    assert_eq!(seen(&referenced, NAME).await, seen_alone);
    contains(&seen(&referenced, OTHER).await, r#"["CARGO_PKG_VERSION="#);
    assert_eq!(ask(&referenced, "").await.unwrap(), "[] [] None");
}
