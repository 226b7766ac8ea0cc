//! A system without Landlock: a thread here is made to be one, by a filter that tells it that there is no
//! such system call.

use crate::stage::contains;
use crate::without::without_landlock;
use coffer_bundle::Stores;
use coffer_bundle::config::Config;
use coffer_host::worker::{Program, available};
use coffer_host::{Blame, Explain as _, Host, Isolation, LoadError};
use serde_json::json;
use tempfile::TempDir;

fn host() -> Host {
    Host::builder().workers(Program::at(crate::stage::PROGRAM)).build().unwrap()
}

#[test]
fn what_is_missing_is_said() {
    // Here there is all of it, or these tests mean nothing.
    assert_eq!(available().missing, [""; 0]);
    without_landlock(|| {
        let missing = available().missing;
        assert!(missing.len() == 1 && missing[0].starts_with("Landlock"), "{missing:?}");
        let error = host().load_isolated(&guest_artifacts::guest("state_memory")).unwrap_err();
        assert!(matches!(error, LoadError::Fence { .. }), "{error}");
        assert_eq!(error.blame(), Blame::Operator);
        contains(&error.to_string(), "this system lacks Landlock");
        contains(&error.next(), "isolation: none");
    });
}

/// What the configuration asks for it gets or is told; what is only usual is done without, with a warning.
#[test]
fn a_store_that_does_not_insist_runs_without() {
    without_landlock(|| {
        let directory = TempDir::new().unwrap();
        let component = guest_artifacts::guest("state_memory");
        std::fs::write(directory.path().join("p.wasm"), component).unwrap();
        let config = json!({ "secrets": [
            { "name": "usual", "plugin": "./p.wasm" },
            { "name": "insists", "plugin": "./p.wasm", "isolation": "process" },
        ] });
        let config = Config::parse(config, &|_| None, None).unwrap();
        let stores = Stores::new(host(), config, None, &[], directory.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let lines = crate::lines::Lines::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        let usual = runtime.block_on(stores.open("usual")).unwrap();
        assert_eq!(usual.isolation(), Isolation::None);
        let warned = lines.of("coffer_");
        assert!(
            warned.iter().any(|line| line.starts_with("WARN")
                && line.contains("runs in coffer's own process")
                && line.contains("this system lacks Landlock")),
            "{warned:?}"
        );
        drop(guard);
        let error = runtime.block_on(stores.open("insists")).unwrap_err();
        assert_eq!(error.blame(), Blame::Operator);
        contains(&error.to_string(), "this system lacks Landlock");
    });
}
