//! What `wit/` promises: it resolves with what is vendored, everything in it is documented and says since
//! when it is there, every function that can fail says how, and what was published stays as it was.

use crate::tree;
use std::collections::{BTreeMap, BTreeSet};
use wit_parser::{
    Docs, Interface, PackageId, PackageName, Resolve, Stability, Type, TypeDef, TypeDefKind,
};

/// The packages that are ours, and the folder of each below `wit/` and below each published copy.
const PACKAGES: [(&str, &str); 2] =
    [("coffer:secrets", "wit/"), ("coffer:host", "wit/deps/coffer-host/")];

const PUBLISHED: &str = "wit/published/";

fn resolve() -> Resolve {
    let mut resolve = Resolve::new();
    let root = tree::root().join("wit");
    resolve.push_dir(&root).unwrap_or_else(|error| panic!("wit/ does not resolve: {error:#}"));
    resolve
}

fn package(resolve: &Resolve, wanted: &str) -> PackageId {
    let name = |name: &PackageName| format!("{}:{}", name.namespace, name.name);
    let found = resolve.packages.iter().find(|(_, package)| name(&package.name) == wanted);
    found.unwrap_or_else(|| panic!("wit/ has the package {wanted}")).0
}

#[test]
fn the_packages_resolve_with_what_is_vendored() {
    let resolve = resolve();
    let secrets = &resolve.packages[package(&resolve, "coffer:secrets")];
    let host = &resolve.packages[package(&resolve, "coffer:host")];
    let interfaces: Vec<&str> = secrets.interfaces.keys().map(String::as_str).collect();
    assert_eq!(BTreeSet::from_iter(interfaces), ["lister", "resolver", "types", "writer"].into());
    let interfaces: Vec<&str> = host.interfaces.keys().map(String::as_str).collect();
    assert_eq!(BTreeSet::from_iter(interfaces), ["cache", "commands", "http"].into());
    assert!(secrets.worlds.contains_key("plugin"));
}

/// What is wrong with the items of a package, each by its name.
fn breaches(resolve: &Resolve, package: PackageId) -> Vec<String> {
    let package = &resolve.packages[package];
    let mut breaches = Breaches { resolve, found: Vec::new() };
    for (name, id) in &package.interfaces {
        breaches.interface(name, &resolve.interfaces[*id]);
    }
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        breaches.item(name, &world.docs, &world.stability);
    }
    breaches.found
}

struct Breaches<'a> {
    resolve: &'a Resolve,
    found: Vec<String>,
}

impl Breaches<'_> {
    fn interface(&mut self, name: &str, interface: &Interface) {
        self.item(name, &interface.docs, &interface.stability);
        for (type_name, id) in &interface.types {
            let definition = &self.resolve.types[*id];
            if !is_used_from_elsewhere(self.resolve, definition) {
                let path = format!("{name}.{type_name}");
                self.item(&path, &definition.docs, &definition.stability);
                self.parts(&path, &definition.kind);
            }
        }
        for (function_name, function) in &interface.functions {
            let path = format!("{name}.{function_name}");
            self.item(&path, &function.docs, &function.stability);
            if let Some(cases) = failures(self.resolve, function.result) {
                let text = function.docs.contents.as_deref().unwrap_or_default();
                let siblings = interface.functions.keys().filter(|other| *other != function_name);
                let siblings: Vec<&str> = siblings.map(String::as_str).collect();
                if let Err(why) = failures_are_documented(text, &cases, &siblings) {
                    self.found.push(format!("{path}: {why}"));
                }
            }
        }
    }

    fn item(&mut self, path: &str, docs: &Docs, stability: &Stability) {
        self.documented(path, docs);
        // That the version is not one to come is the parser's own rule.
        if stability.is_unknown() {
            self.found.push(format!("{path}: no @since"));
        }
    }

    fn parts(&mut self, path: &str, kind: &TypeDefKind) {
        let parts: Vec<(&String, &Docs)> = match kind {
            TypeDefKind::Enum(it) => it.cases.iter().map(|case| (&case.name, &case.docs)).collect(),
            TypeDefKind::Flags(it) => {
                it.flags.iter().map(|flag| (&flag.name, &flag.docs)).collect()
            }
            TypeDefKind::Record(it) => {
                it.fields.iter().map(|field| (&field.name, &field.docs)).collect()
            }
            TypeDefKind::Variant(it) => {
                it.cases.iter().map(|case| (&case.name, &case.docs)).collect()
            }
            // Nothing else has parts with names.
            _ => Vec::new(),
        };
        for (part, docs) in parts {
            self.documented(&format!("{path}.{part}"), docs);
        }
    }

    fn documented(&mut self, path: &str, docs: &Docs) {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            self.found.push(format!("{path}: no documentation"));
        }
    }
}

/// Whether the type is there through `use` only.
fn is_used_from_elsewhere(resolve: &Resolve, definition: &TypeDef) -> bool {
    match definition.kind {
        TypeDefKind::Type(Type::Id(original)) => resolve.types[original].owner != definition.owner,
        _ => false,
    }
}

/// The names of the cases of the error that a function can answer with, by itself or in a list.
fn failures(resolve: &Resolve, result: Option<Type>) -> Option<Vec<&str>> {
    let Some(Type::Id(id)) = result else { return None };
    match &resolve.types[id].kind {
        TypeDefKind::List(inner) => failures(resolve, Some(*inner)),
        TypeDefKind::Result(result) => {
            Some(result.err.map_or(Vec::new(), |err| cases(resolve, err)))
        }
        TypeDefKind::Type(original) => failures(resolve, Some(*original)),
        _ => None,
    }
}

fn cases(resolve: &Resolve, error: Type) -> Vec<&str> {
    let Type::Id(id) = error else { return Vec::new() };
    match &resolve.types[id].kind {
        TypeDefKind::Enum(it) => it.cases.iter().map(|case| case.name.as_str()).collect(),
        TypeDefKind::Type(original) => cases(resolve, *original),
        TypeDefKind::Variant(it) => it.cases.iter().map(|case| case.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// A function says how it fails in one of three ways: a list of cases that ends with the open one, or
/// that every case is meant, or that it fails like another function beside it.
fn failures_are_documented(text: &str, cases: &[&str], siblings: &[&str]) -> Result<(), String> {
    let starts = |line: &&str| line.starts_with("Fails ") || line.starts_with("Each fails ");
    let text: Vec<&str> = text.lines().map(str::trim).skip_while(|line| !starts(line)).collect();
    let Some(first) = text.first() else { return Err("does not say how it fails".into()) };
    if first.starts_with("Fails with each case of `error`") {
        return Ok(());
    }
    if let Some(like) = first.strip_prefix("Each fails like one given to ") {
        return match quoted(like).first() {
            Some(sibling) if siblings.contains(sibling) => Ok(()),
            sibling => Err(format!("fails like {sibling:?}, which is not there")),
        };
    }
    let mut named = BTreeSet::new();
    for item in text.iter().filter_map(|line| line.strip_prefix("- ")) {
        // What comes after these words is when, not what.
        let what = item.split(" if ").next().and_then(|item| item.split(" for ").next());
        named.extend(quoted(what.unwrap_or_default()));
    }
    if let Some(unknown) = named.iter().find(|name| !cases.contains(name)) {
        return Err(format!("fails with `{unknown}`, which is no case of its error"));
    }
    if cases.contains(&"other") && !named.contains("other") {
        return Err("does not list the open case, `other`".into());
    }
    Ok(())
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_item_is_documented_and_says_since_when_and_how_it_fails() {
    let resolve = resolve();
    for (name, _) in PACKAGES {
        assert_eq!(breaches(&resolve, package(&resolve, name)), [""; 0], "{name}");
    }
}

#[test]
fn an_item_that_breaks_a_rule_is_seen() {
    const GOOD: &str = "package coffer:good@0.2.0;
        /// I.
        @since(version = 0.1.0)
        interface i {
          /// E.
          @since(version = 0.1.0)
          variant error {
            /// G.
            gone,
            /// O.
            other(string),
          }
          /// R.
          @since(version = 0.2.0)
          record r {
            /// F.
            f: u8,
          }
          /// One.
          ///
          /// Fails with
          /// - `gone` if `x` is;
          /// - `other` for anything else.
          @since(version = 0.1.0)
          one: func() -> result<_, error>;
          /// All.
          ///
          /// Each fails like one given to `one`.
          @since(version = 0.1.0)
          all: func() -> list<result<r, error>>;
        }
        /// J.
        @since(version = 0.1.0)
        interface j {
          use i.{error};
          /// Two.
          ///
          /// Fails with each case of `error` as documented there.
          @since(version = 0.1.0)
          two: func() -> result<u8, error>;
          /// Cannot fail.
          @since(version = 0.1.0)
          three: func() -> option<u8>;
        }
        /// W.
        @since(version = 0.1.0)
        world w { import i; }";
    let check = |from: &str, to: &str, expected: &[&str]| {
        let text = GOOD.replacen(from, to, 1);
        assert_eq!(text == GOOD, from == to, "{from:?} is in the text");
        let mut resolve = Resolve::new();
        let package = resolve.push_str("good.wit", &text).unwrap();
        assert_eq!(breaches(&resolve, package), expected, "{from} -> {to}");
    };
    check("", "", &[]);
    check("/// I.", "", &["i: no documentation"]);
    check("/// E.", "", &["i.error: no documentation"]);
    check("/// G.", "", &["i.error.gone: no documentation"]);
    check("/// F.", "", &["i.r.f: no documentation"]);
    check("/// W.", "", &["w: no documentation"]);
    check("/// Cannot fail.", "///", &["j.three: no documentation"]);
    for (item, name) in [
        ("interface i", "i"),
        ("variant error", "i.error"),
        ("record r", "i.r"),
        ("three: func", "j.three"),
        ("world w", "w"),
    ] {
        let (before, _) = GOOD.split_once(item).unwrap();
        let (_, since) = before.rsplit_once("@since").unwrap();
        let from = format!("@since{since}{item}");
        check(&from, item, &[&format!("{name}: no @since")]);
    }
    check("/// Fails with\n", "///\n", &["i.one: does not say how it fails"]);
    check(
        "- `gone` if",
        "- `lost` if",
        &["i.one: fails with `lost`, which is no case of its error"],
    );
    check("- `other` for", "- all", &["i.one: does not list the open case, `other`"]);
    check("to `one`", "to `none`", &["i.all: fails like Some(\"none\"), which is not there"]);
    check("each case of `error`", "`error`", &["j.two: does not list the open case, `other`"]);
}

type Files = BTreeMap<String, String>;

/// The WIT files directly in `folder`, by name.
fn wit_files(all: &[(String, String)], folder: &str) -> Files {
    all.iter()
        .filter_map(|(path, text)| {
            let name = path.strip_prefix(folder)?;
            (name.ends_with(".wit") && !name.contains('/')).then(|| (name.to_owned(), text.clone()))
        })
        .collect()
}

/// The version that the files of a package say they have.
fn version<'a>(files: &'a Files, package: &str) -> Option<&'a str> {
    let statement = format!("package {package}@");
    files.values().find_map(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix(statement.as_str()))?;
        line.strip_suffix(';')
    })
}

/// What is wrong with a published copy of a package beside the one that is worked on.
fn frozen(package: &str, working: &Files, published: &Files) -> Vec<String> {
    // A version that was published is done; another one can be anything.
    if version(working, package) != version(published, package) {
        return Vec::new();
    }
    let names: BTreeSet<&String> = working.keys().chain(published.keys()).collect();
    let differs = |name: &&String| working.get(*name) != published.get(*name);
    names.into_iter().filter(differs).map(|name| format!("{package}: {name} differs")).collect()
}

#[test]
fn what_was_published_stays_as_it_was() {
    let all = tree::files();
    let folders: BTreeSet<&str> = all
        .iter()
        .filter_map(|(path, _)| path.strip_prefix(PUBLISHED)?.split('/').next())
        .collect();
    assert!(folders.contains("0.1.0"), "{folders:?}");
    for folder in folders {
        for (package, below) in PACKAGES {
            let working = wit_files(&all, below);
            let copy = format!("{PUBLISHED}{folder}/{}", below.trim_start_matches("wit/"));
            let published = wit_files(&all, &copy);
            assert!(version(&published, package).is_some(), "{copy} has {package}");
            assert_eq!(frozen(package, &working, &published), [""; 0], "{copy}");
            if package == "coffer:secrets" {
                assert_eq!(version(&published, package), Some(folder), "{copy}");
            }
        }
    }
}

#[test]
fn a_published_version_that_changed_is_seen() {
    let files = |files: &[(&str, &str)]| -> Files {
        files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
    };
    let published = files(&[("a.wit", "package c:s@0.1.0;\nx"), ("b.wit", "y")]);
    let check = |working: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(frozen("c:s", &files(working), &published), expected, "{working:?}");
    };
    check(&[("a.wit", "package c:s@0.1.0;\nx"), ("b.wit", "y")], &[]);
    check(&[("a.wit", "package c:s@0.1.0;\nx "), ("b.wit", "y")], &["c:s: a.wit differs"]);
    check(&[("a.wit", "package c:s@0.1.0;\nx")], &["c:s: b.wit differs"]);
    let more = [("a.wit", "package c:s@0.1.0;\nx"), ("b.wit", "y"), ("c.wit", "z")];
    check(&more, &["c:s: c.wit differs"]);
    check(&[("a.wit", "package c:s@0.2.0;\nz")], &[]);
}
