//! Which crate may depend on which.
//!
//! `coffer-cli, coffer-porter -> coffer-bundle, coffer-registry, coffer-lab -> coffer-host -> coffer-grants`
//! and `plugins/* -> coffer-plugin`. A member that these rules do not know is a breach too: whoever adds one
//! says here where it stands.

use crate::tree;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The host's crates, from the bottom up. An arrow points to a lower row, never to its own.
const ROWS: [&[&str]; 4] = [
    &["coffer-grants"],
    &["coffer-host"],
    &["coffer-bundle", "coffer-lab", "coffer-registry"],
    &["coffer-cli", "coffer-porter"],
];

/// The guest SDK.
const SDK: &str = "coffer-plugin";

/// First-party plugins have this before their name.
const PLUGIN: &str = "coffer-plugin-";

/// The one host crate that may name plugins, because it brings them along.
const CLI: &str = "coffer-cli";

/// What `coffer-grants` is built from, all the way down: data structures, parsing and derives. Nothing of
/// it opens, connects, waits or asks the machine anything. Whoever adds a line has looked.
const GRANTS_DEPENDENCIES: [&str; 19] = [
    "allocator-api2",
    "equivalent",
    "foldhash",
    "hashbrown",
    "indexmap",
    "itoa",
    "memchr",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "strsim",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
    "zmij",
];

/// What `coffer-grants` takes from the standard library: nothing that reaches outside. `net` is for the
/// addresses, which [`tree`]'s rule on sockets keeps apart from connections.
const GRANTS_STD: [&str; 5] = ["collections", "error", "fmt", "net", "str"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Build,
    Development,
    Normal,
}

/// A member of the workspace: its name, the folder below the root that it is in, and what it depends on.
struct Member {
    name: String,
    folder: String,
    dependencies: Vec<(String, Kind)>,
}

fn members() -> Vec<Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .expect("cargo runs these tests, so it is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().expect("this is text").to_owned();
    let root = format!("{}/", text(&metadata["workspace_root"]));
    let packages = metadata["packages"].as_array().unwrap();
    let member = |package: &Value| Member {
        name: text(&package["name"]),
        folder: text(&package["manifest_path"]).replacen(&root, "", 1),
        dependencies: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| {
                let kind = match dependency["kind"].as_str() {
                    None => Kind::Normal,
                    Some("dev") => Kind::Development,
                    Some("build") => Kind::Build,
                    Some(other) => panic!("cargo has a kind of dependency called {other}"),
                };
                (text(&dependency["name"]), kind)
            })
            .collect(),
    };
    packages.iter().map(member).collect()
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

/// Whether the arrow may be there. Both ends are members of the workspace.
fn is_allowed(from: &Member, to: &Member, kind: Kind) -> bool {
    let is_test = |member: &Member| member.folder.starts_with("tests/");
    let is_plugin = |member: &Member| member.name.starts_with(PLUGIN);
    // Tests look at everything, and examples at what they show; nothing is built on either.
    if is_test(from) {
        return true;
    }
    if is_test(to) {
        return kind == Kind::Development;
    }
    match (row(&from.name), row(&to.name)) {
        (Some(from), Some(to)) => to < from,
        (Some(_), None) => from.name == CLI && is_plugin(to),
        (None, Some(_)) => from.folder.starts_with("examples/"),
        (None, None) => to.name == SDK,
    }
}

fn breaches(members: &[Member]) -> Vec<String> {
    let by_name: BTreeMap<&str, &Member> =
        members.iter().map(|member| (member.name.as_str(), member)).collect();
    let mut breaches = Vec::new();
    for from in members {
        let has_place = match from.folder.split('/').next() {
            Some("host") => row(&from.name).is_some(),
            Some("plugins") => from.name == SDK || from.name.starts_with(PLUGIN),
            Some("examples" | "tests") => row(&from.name).is_none(),
            _ => false,
        };
        if !has_place {
            breaches.push(format!("{} ({}) has no place in the layout", from.name, from.folder));
        }
        for (name, kind) in &from.dependencies {
            if let Some(to) = by_name.get(name.as_str())
                && !is_allowed(from, to, *kind)
            {
                breaches.push(format!("{} -> {name} ({kind:?})", from.name));
            }
        }
    }
    breaches
}

#[test]
fn arrows_point_down() {
    let members = members();
    assert!(members.iter().any(|member| member.name == "coffer-grants"), "cargo lists members");
    assert_eq!(breaches(&members), [""; 0]);
}

#[test]
fn an_arrow_that_points_up_or_across_is_seen() {
    let member = |path: &str, dependencies: &[(&str, Kind)]| {
        let (folder, name) = path.rsplit_once('/').unwrap();
        Member {
            name: name.to_owned(),
            folder: format!("{folder}/"),
            dependencies: dependencies.iter().map(|(name, kind)| ((*name).into(), *kind)).collect(),
        }
    };
    let others = || {
        vec![
            member("plugins/coffer-plugin", &[]),
            member("plugins/coffer-plugin-vault", &[]),
            member("tests/guest-artifacts", &[]),
            member("host/coffer-registry", &[]),
            member("examples/pantry", &[]),
        ]
    };
    let check = |path: &str, dependency: (&str, Kind), expected: &[&str]| {
        let mut members = others();
        members.push(member("host/coffer-host", &[]));
        members.push(member("host/coffer-grants", &[]));
        members.retain(|member| !path.ends_with(&format!("/{}", member.name)));
        members.push(member(path, &[dependency]));
        assert_eq!(breaches(&members), expected, "{path} -> {dependency:?}");
    };
    use Kind::{Build, Development, Normal};
    // What is not ours is none of this test's business.
    check("host/coffer-host", ("serde", Normal), &[]);
    check("host/coffer-bundle", ("coffer-host", Normal), &[]);
    check("host/coffer-cli", ("coffer-grants", Normal), &[]);
    check(
        "host/coffer-host",
        ("coffer-registry", Normal),
        &["coffer-host -> coffer-registry (Normal)"],
    );
    check("host/coffer-grants", ("coffer-host", Build), &["coffer-grants -> coffer-host (Build)"]);
    check(
        "host/coffer-lab",
        ("coffer-registry", Normal),
        &["coffer-lab -> coffer-registry (Normal)"],
    );
    // Only the CLI names a plugin, and no plugin names the host.
    check("host/coffer-cli", ("coffer-plugin-vault", Build), &[]);
    check(
        "host/coffer-bundle",
        ("coffer-plugin-vault", Development),
        &["coffer-bundle -> coffer-plugin-vault (Development)"],
    );
    check(
        "host/coffer-host",
        ("coffer-plugin", Normal),
        &["coffer-host -> coffer-plugin (Normal)"],
    );
    check("plugins/coffer-plugin-host", ("coffer-plugin", Normal), &[]);
    check(
        "plugins/coffer-plugin-host",
        ("coffer-grants", Normal),
        &["coffer-plugin-host -> coffer-grants (Normal)"],
    );
    check(
        "plugins/coffer-plugin-host",
        ("coffer-plugin-vault", Normal),
        &["coffer-plugin-host -> coffer-plugin-vault (Normal)"],
    );
    // Nothing is built on tests and examples.
    check("host/coffer-host", ("guest-artifacts", Development), &[]);
    check(
        "host/coffer-host",
        ("guest-artifacts", Normal),
        &["coffer-host -> guest-artifacts (Normal)"],
    );
    check("host/coffer-host", ("pantry", Development), &["coffer-host -> pantry (Development)"]);
    check("tests/e2e", ("coffer-host", Normal), &[]);
    check("examples/embed", ("coffer-host", Normal), &[]);
    // Every crate has its place.
    check("host/extra", ("serde", Normal), &["extra (host/) has no place in the layout"]);
    check("tools/extra", ("serde", Normal), &["extra (tools/) has no place in the layout"]);
}

/// What `name` is built from, all the way down, as `Cargo.lock` has it: for every platform and with the
/// features that anybody in the workspace asks for, so rather too much than too little. What only its own
/// tests use is left out.
fn closure<'a>(
    lock: &'a Map<String, Value>,
    members: &'a [Member],
    name: &str,
) -> BTreeSet<&'a str> {
    let packages = lock["package"].as_array().unwrap();
    let member = members.iter().find(|member| member.name == name).expect("it is a member");
    let used = member.dependencies.iter().filter(|(_, kind)| *kind != Kind::Development);
    let mut open: Vec<&str> = used.map(|(name, _)| name.as_str()).collect();
    let mut closure = BTreeSet::from_iter(open.iter().copied());
    while let Some(next) = open.pop() {
        let package = packages.iter().filter(|package| package["name"] == next);
        for dependency in package.filter_map(|package| package.get("dependencies")?.as_array()) {
            // "name", or "name version" where there are several.
            let names = dependency.iter().filter_map(|text| text.as_str()?.split(' ').next());
            open.extend(names.filter(|name| closure.insert(*name)));
        }
    }
    closure
}

#[test]
fn grants_are_built_from_nothing_that_does_io() {
    let lock = tree::read("Cargo.lock");
    let lock: Map<String, Value> = toml::from_str(&lock).unwrap();
    let allowed = BTreeSet::from(GRANTS_DEPENDENCIES);
    let members = members();
    assert_eq!(closure(&lock, &members, "coffer-grants"), allowed);
    // The list can tell: what does I/O is seen from a crate that uses it.
    assert!(closure(&lock, &members, "coffer-host").contains("tokio"));
}

/// The modules of the standard library that `source` names, in paths and in `use`.
fn std_modules(source: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (at, _) in source.match_indices("std::") {
        let rest = &source[at + "std::".len()..];
        let group = rest.strip_prefix('{').and_then(|group| group.split_once("};"));
        let group = group.map_or(rest, |(group, _)| group);
        // Of a group every name at its own depth counts, and of a path the first.
        let mut depth = 0;
        let mut word = String::new();
        let mut words = Vec::new();
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => words.push(std::mem::take(&mut word)),
                _ if depth == 0 && !letter.is_whitespace() => word.push(letter),
                _ => {}
            }
            if !(rest.starts_with('{') || letter.is_alphanumeric() || letter == '_') {
                break;
            }
        }
        words.push(word);
        modules.extend(words.iter().filter_map(|word| {
            let name =
                word.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next();
            name.filter(|name| !name.is_empty()).map(str::to_owned)
        }));
    }
    modules
}

#[test]
fn std_is_found_in_every_form() {
    for (source, expected) in [
        ("use std::fs;", vec!["fs"]),
        ("use std::{env, fs};", vec!["env", "fs"]),
        ("use std::{io::{self, Read}, net::IpAddr};", vec!["io", "net"]),
        ("std::env::var(x)", vec!["env"]),
        ("use std::collections::{BTreeMap, BTreeSet};", vec!["collections"]),
        ("let x = y;", vec![]),
    ] {
        let found = std_modules(source);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{source}");
    }
}

#[test]
fn grants_take_nothing_from_std_that_does_io() {
    let allowed = BTreeSet::from(GRANTS_STD.map(str::to_owned));
    let mut seen = 0;
    for (path, text) in tree::files() {
        if path.starts_with("host/coffer-grants/src/") && path.ends_with(".rs") {
            seen += 1;
            let used = std_modules(&text);
            let more: Vec<_> = used.difference(&allowed).collect();
            assert!(more.is_empty(), "{path} uses {more:?} of the standard library");
            for socket in ["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "async fn"] {
                assert!(!text.contains(socket), "{path} has {socket}");
            }
        }
    }
    assert!(seen > 0, "the crate is where this test looks for it");
}

#[test]
fn host_sources_name_no_plugin() {
    let crates = [PLUGIN.to_owned(), PLUGIN.replace('-', "_")];
    for (path, text) in tree::files() {
        let is_host = path.starts_with("host/") && !path.starts_with("host/coffer-cli/");
        if is_host && path.contains("/src/") {
            let named = crates.iter().find(|name| text.contains(name.as_str()));
            assert_eq!(named, None, "{path}");
        }
    }
}
