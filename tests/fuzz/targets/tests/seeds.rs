//! Every target on its seeds, and on what becomes of them when a few bytes change. What the fuzzer found once
//! is a seed, so that it is not found twice.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the seeds are files beside the tests, and a test that cannot go on fails"
)]

use fuzz_targets::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How often each seed is changed.
const CHANGES: u64 = 48;

fn corpus() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets this for a test");
    Path::new(&package).join("../corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// One more pseudo-random number; the same ones each time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

fn changed(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=next(state) % 4 {
        let at = next(state) % (bytes.len() + 1);
        let byte = u8::try_from(next(state) & 0xff).unwrap();
        match next(state) % 4 {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {
                let end = (at + usize::from(byte)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("it is a target");
    let folder = corpus().join(name);
    let seeds = names(&folder);
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for seed in seeds {
        let path = folder.join(&seed);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() <= 4096, "{} is no small file", path.display());
        let try_ = |bytes: &[u8]| {
            if let Err(panic) = std::panic::catch_unwind(|| target(bytes)) {
                let shown = bytes.escape_ascii();
                eprint_seed(&path, &shown.to_string());
                std::panic::resume_unwind(panic);
            }
        };
        try_(&bytes);
        for _ in 0..CHANGES {
            try_(&changed(&bytes, &mut state));
        }
    }
}

#[expect(clippy::disallowed_macros, reason = "whoever sees the test fail needs the bytes")]
fn eprint_seed(path: &Path, shown: &str) {
    eprintln!("{} and what was made of it:\n{shown}", path.display());
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let targets = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&corpus()), targets);
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let run = BTreeSet::from([$(stringify!($name)),*]);
            assert_eq!(run, TARGETS.iter().map(|(name, _)| *name).collect());
        }
    };
}

targets! { bundle call compiled component config files manifest mask reference sets spool template url }
