//! Lists the guests by suite. A guest whose name begins with no known suite fails the build, and a guest
//! that its suite does not run fails the suite's.
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "this is how a build script and cargo talk"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const SUITES: [&str; 14] = [
    "command", "cpu", "dns", "env", "fs", "http", "import", "log", "manifest", "memory", "result",
    "state", "time", "trap",
];

fn main() {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let guests = manifest.parent().expect("the crate is below the guests").join("src/bin");
    println!("cargo::rerun-if-changed={}", guests.display());

    let mut suites: BTreeMap<&str, BTreeSet<String>> =
        SUITES.into_iter().map(|suite| (suite, BTreeSet::new())).collect();
    for entry in fs::read_dir(&guests).expect("the guests are there") {
        let path = entry.expect("the guests can be listed").path();
        let name =
            path.file_stem().and_then(|name| name.to_str()).expect("guests have plain names");
        let suite = name.split('_').next().unwrap_or_default();
        match suites.get_mut(suite) {
            Some(guests) => guests.insert(name.to_owned()),
            None => panic!("the guest {name} belongs to no suite; the suites are {SUITES:?}"),
        };
    }

    let out = PathBuf::from(variable("OUT_DIR"));
    // target/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).expect("cargo's target folder has this shape");
    let mut source = String::new();
    let components = target.join("wasm32-unknown-unknown/plugin");
    let _ = writeln!(source, "const COMPONENTS: &str = {:?};", path(&components));
    for (suite, guests) in suites {
        let _ = writeln!(source, "/// Calls `$mac!(name)` for each guest of the suite `{suite}`.");
        let _ =
            writeln!(source, "#[macro_export]\nmacro_rules! foreach_{suite} {{ ($mac:ident) => {{");
        for guest in guests {
            let _ = writeln!(source, "    $mac!({guest});");
        }
        let _ = writeln!(source, "}} }}");
    }
    fs::write(out.join("guests.rs"), source).expect("cargo made OUT_DIR for this");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name}: cargo sets this for a build script"))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the target folder's path is text")
}
