//! Lists the behaviours by suite: guests in Rust, components written by hand, and functions that make
//! components. One whose name begins with no known suite fails the build, and one that its suite does not
//! run fails the suite's.
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "this is how a build script and cargo talk"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const SUITES: [&str; 16] = [
    "command", "cpu", "dns", "env", "fs", "http", "import", "lab", "load", "log", "manifest",
    "memory", "result", "state", "time", "trap",
];

fn main() {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let guests = manifest.parent().expect("the crate is below the guests");
    let written = guests.join("written");
    let mut names = files(&guests.join("src/bin"));
    names.extend(files(&written));
    names.extend(functions(&manifest.join("src/generated.rs")));

    let mut suites: BTreeMap<&str, BTreeSet<String>> =
        SUITES.into_iter().map(|suite| (suite, BTreeSet::new())).collect();
    for name in names {
        let suite = name.split('_').next().unwrap_or_default();
        match suites.get_mut(suite) {
            Some(behaviours) => {
                assert!(behaviours.insert(name.clone()), "there are two behaviours {name}");
            }
            None => panic!("the behaviour {name} belongs to no suite; the suites are {SUITES:?}"),
        };
    }

    let out = PathBuf::from(variable("OUT_DIR"));
    // target/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).expect("cargo's target folder has this shape");
    let mut source = String::new();
    let components = target.join("wasm32-unknown-unknown/plugin");
    let _ = writeln!(source, "const COMPONENTS: &str = {:?};", path(&components));
    let _ = writeln!(source, "const WRITTEN: &str = {:?};", path(&written));
    let all: Vec<&String> = suites.values().flatten().collect();
    let _ = writeln!(source, "/// All behaviours.\npub const BEHAVIOURS: &[&str] = &{all:?};");
    for (suite, behaviours) in suites {
        let _ =
            writeln!(source, "/// Calls `$mac!(name)` for each behaviour of the suite `{suite}`.");
        let _ =
            writeln!(source, "#[macro_export]\nmacro_rules! foreach_{suite} {{ ($mac:ident) => {{");
        for name in behaviours {
            let _ = writeln!(source, "    $mac!({name});");
        }
        let _ = writeln!(source, "}} }}");
    }
    fs::write(out.join("behaviours.rs"), source).expect("cargo made OUT_DIR for this");
}

/// The names of the files in a folder, without what they end in.
fn files(folder: &Path) -> Vec<String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).expect("the behaviours are there");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("the behaviours can be listed").path();
        path.file_stem().and_then(|name| name.to_str()).expect("they have plain names").to_owned()
    };
    entries.map(name).collect()
}

/// The names of the public functions in a file.
fn functions(file: &Path) -> Vec<String> {
    println!("cargo::rerun-if-changed={}", file.display());
    let text = fs::read_to_string(file).expect("the file is there");
    let name = |line: &str| Some(line.strip_prefix("pub fn ")?.split_once('(')?.0.to_owned());
    text.lines().filter_map(name).collect()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name}: cargo sets this for a build script"))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the target folder's path is text")
}
