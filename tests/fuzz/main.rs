//! libFuzzer's way into the targets. `COFFER_FUZZ_TARGET` says which of them: one program for all is linked
//! once.
#![no_main]

use fuzz_targets::{TARGETS, Target};
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("COFFER_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    found.unwrap_or_else(|| panic!("COFFER_FUZZ_TARGET is one of {}", names.join(", "))).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
