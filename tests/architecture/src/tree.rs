//! What a file may be called and contain.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Lines of a source file, unless its first paragraph says why there are more.
const LINES_MAX: usize = 600;

/// Names for a drawer, and words that mean what another word of ours means already.
const NAMES_FORBIDDEN: [&str; 12] = [
    "allowlist",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "permission",
    "permissions",
    "policy",
    "util",
    "utils",
];

/// What others call a product of theirs is its name.
const PRODUCTS: [&str; 2] = ["aws-secrets-manager", "gcp-secret-manager"];

/// Where somebody's machine shows. Written in pieces, since this file is looked at too. `/home/me` is
/// nobody's, and is what tests and documentation use.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/ho", "me/"),
    concat!("..", "/shared"),
];

/// What a test that does not run is marked with.
const IGNORE: &str = concat!("#[ign", "ore");

/// The root of the repository: where cargo runs this test, and not where it was compiled, since one target
/// folder can serve several checkouts.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets this for a test");
    Path::new(&package).join("../..")
}

/// The text of a file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file of the tree that is ours, by its path below the root.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type().unwrap();
            // What a link points to is looked at where it is. What cargo and git make is not ours, and
            // neither is what others published and we vendored.
            let ours = name != "target" && name != ".git" && !path.starts_with("wit/deps/wasi-");
            if kind.is_dir() && ours {
                open.push(path);
            } else if kind.is_file() && ours {
                let bytes = fs::read(root().join(&path)).unwrap();
                files.extend(String::from_utf8(bytes).ok().map(|text| (path, text)));
            }
        }
    }
    assert!(files.len() > 50, "the tree is where this looks for it");
    files
}

/// Whether the file is written by people as source, and so has to be read by them.
fn is_source(path: &str) -> bool {
    let extensions = [".py", ".rs", ".sh", ".wit"];
    extensions.iter().any(|extension| path.ends_with(extension))
        || ["justfile", ".ci/run"].contains(&path)
}

/// The comment that the file begins with, up to its first empty line.
fn first_paragraph(text: &str) -> String {
    let is_comment = |line: &&str| line.starts_with("//") || line.starts_with('#');
    let is_text = |line: &&str| !line.trim_matches(['/', '!', '#', ' ']).is_empty();
    text.lines()
        .skip_while(|line| line.starts_with("#!/"))
        .take_while(is_comment)
        .skip_while(|line| !is_text(line))
        .take_while(is_text)
        .collect::<Vec<_>>()
        .join("\n")
}

fn breaches(path: &str, text: &str) -> Vec<&'static str> {
    let mut breaches = Vec::new();
    let ours =
        PRODUCTS.iter().fold(path.to_owned(), |path, product| path.replace(product, "product"));
    let mut words = ours.split(['/', '_', '-', '.']).map(str::to_lowercase);
    if words.any(|word| NAMES_FORBIDDEN.contains(&word.as_str())) {
        breaches.push("its name says nothing of what is in it");
    }
    let too_long = is_source(path) && text.lines().count() > LINES_MAX;
    if too_long && !first_paragraph(text).contains("600 lines") {
        breaches.push("it has more than 600 lines and its first paragraph does not say why");
    }
    if path.ends_with(".rs") && text.contains(IGNORE) {
        breaches.push("it has a test that does not run");
    }
    let nobodys = text.replace(concat!("/ho", "me/me"), "");
    if MACHINE_PATHS.iter().any(|machine| nobodys.contains(machine)) {
        breaches.push("it has a path of somebody's machine");
    }
    breaches
}

#[test]
fn files_keep_the_rules() {
    let breaches: Vec<String> = files()
        .iter()
        .flat_map(|(path, text)| {
            breaches(path, text).into_iter().map(move |breach| format!("{path}: {breach}"))
        })
        .collect();
    assert_eq!(breaches, [""; 0]);
}

#[test]
fn a_file_that_breaks_a_rule_is_seen() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        let found = breaches(path, text);
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
        assert!(fits, "{path}: {found:?}");
    };
    check("host/x/src/limits.rs", "//! Bounds.\n", &[]);
    check("host/x/src/utils.rs", "", &["its name"]);
    check("host/common/src/lib.rs", "", &["its name"]);
    check("host/x/src/store_manager.rs", "", &["its name"]);
    check("docs/Helpers.md", "", &["its name"]);
    check("plugins/aws-secrets-manager/src/lib.rs", "", &[]);
    check("plugins/aws-secrets-manager/src/manager.rs", "", &["its name"]);
    // A word is a whole word.
    check("host/x/src/utility.rs", "", &[]);

    let lines = "x\n".repeat(LINES_MAX);
    check("a.rs", &lines, &[]);
    check("a.rs", &format!("{lines}x\n"), &["more than 600"]);
    check("a.rs", &format!("//! A table, so more than 600 lines.\n{lines}"), &[]);
    check("a.rs", &format!("//! A.\n//!\n//! It has 600 lines.\n{lines}"), &["more than 600"]);
    check("a.sh", &format!("#!/bin/sh\n# One table of 600 lines.\n{lines}"), &[]);
    check("a.sh", &format!("#!/bin/sh\n{lines}x\n"), &["more than 600"]);
    // What a tool writes is as long as it is.
    check("Cargo.lock", &format!("{lines}x\n"), &[]);

    check("a.rs", &format!("#[test]\n{IGNORE}]\nfn x() {{}}\n"), &["does not run"]);
    check("a.rs", &format!("#[test]\n{IGNORE} = \"slow\"]\nfn x() {{}}\n"), &["does not run"]);

    for machine in MACHINE_PATHS {
        check("a.md", &format!("see {machine}x"), &["somebody's machine"]);
    }
    check("a.md", concat!("see /ho", "me/me/.kube"), &[]);
}
