//! What the documents say about which test holds what: every test that they name is there, and in the file
//! that they name with it.

use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

/// The documents, and the heading of the part that says it. Where there is none, the columns of tables do
/// whose heading is one of [`COLUMNS`].
const DOCUMENTS: [(&str, Option<&str>); 4] = [
    ("ARCHITECTURE.md", Some("## Promises, and the tests that hold them")),
    ("SECURITY.md", None),
    ("docs/limits.md", None),
    ("docs/threat-model.md", None),
];

/// How the columns are headed that name tests.
const COLUMNS: [&str; 2] = ["held by", "test"];

/// The names of the tests in each source file.
fn tests(files: &[(String, String)]) -> BTreeMap<&str, BTreeSet<&str>> {
    let sources = files.iter().filter(|(path, _)| path.ends_with(".rs"));
    sources.map(|(path, text)| (path.as_str(), tests_of(text))).collect()
}

fn tests_of(text: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut marked = false;
    let mut table = false;
    for line in text.lines() {
        // A macro that is given names makes tests of them.
        table = (table && line != "}") || (!line.starts_with(' ') && line.ends_with("! {"));
        if table {
            tests.extend(line.split_whitespace().filter(|word| is_name(word)));
        }
        let line = line.trim();
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let declared = ["pub(super) ", "pub(crate) ", "async "]
            .iter()
            .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line))
            .strip_prefix("fn ");
        if let Some(name) = declared.and_then(|rest| rest.split(['(', '<']).next())
            && std::mem::take(&mut marked)
        {
            tests.insert(name);
        }
    }
    tests
}

/// The parts of a document that name tests.
fn parts<'a>(text: &'a str, heading: Option<&str>) -> Vec<&'a str> {
    if let Some(heading) = heading {
        let mut lines = text.lines().skip_while(|line| *line != heading).skip(1);
        return lines.by_ref().take_while(|line| !line.starts_with("## ")).collect();
    }
    let mut parts = Vec::new();
    let mut column = None;
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            column = None;
        } else if let Some(column) = column {
            parts.extend(cells.get(column));
        } else {
            column =
                cells.iter().position(|cell| COLUMNS.iter().any(|name| cell.starts_with(name)));
        }
    }
    parts
}

/// What is between backticks.
fn quoted(part: &str) -> impl Iterator<Item = &str> {
    part.split('`').skip(1).step_by(2)
}

fn is_name(word: &str) -> bool {
    word.contains('_')
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// What a document names and is not there. A path is one of the tree's, or the end of one; its first letter
/// may be one that the document explains, as in "`S` stands for `host/coffer-host`".
fn breaches(text: &str, heading: Option<&str>, files: &[(String, String)]) -> Vec<String> {
    let tests = tests(files);
    let letters = letters(text);
    let mut breaches = Vec::new();
    for part in parts(text, heading) {
        let mut file: Option<String> = None;
        for word in quoted(part) {
            if is_name(word) {
                let is_there = match &file {
                    Some(file) => {
                        tests.iter().any(|(path, tests)| ends(path, file) && tests.contains(word))
                    }
                    None => tests.values().any(|tests| tests.contains(word)),
                };
                if !is_there {
                    let place = file.as_deref().map_or(String::new(), |file| format!(" in {file}"));
                    breaches.push(format!("there is no test {word}{place}"));
                }
            } else if word.contains('/') || word.ends_with(".rs") {
                let path = match word.split_once('/') {
                    Some((letter, rest)) if letters.contains_key(letter) => {
                        format!("{}/{rest}", letters[letter])
                    }
                    _ => word.to_owned(),
                };
                let folder = format!("/{}/", path.trim_end_matches('/'));
                let is_there = files
                    .iter()
                    .any(|(at, _)| ends(at, &path) || format!("/{at}").contains(&folder));
                if !is_there && !path.contains('*') {
                    breaches.push(format!("there is no {path}"));
                }
                // Only where the file comes first is it known which names are in it.
                if heading.is_some() && path.ends_with(".rs") {
                    file = Some(path);
                }
            }
        }
    }
    breaches
}

/// What single letters stand for: "`S` stands for `host/x`, `G` for `host/y`".
fn letters(text: &str) -> BTreeMap<&str, &str> {
    let words: Vec<&str> = text.split('`').collect();
    let stands = |window: &[&str]| window[1].trim_end().ends_with("for") && window[0].len() == 1;
    words.windows(3).filter(|window| stands(window)).map(|window| (window[0], window[2])).collect()
}

fn ends(path: &str, end: &str) -> bool {
    path == end || path.strip_suffix(end).is_some_and(|before| before.ends_with('/'))
}

#[test]
fn the_tests_that_documents_name_are_there() {
    let files = tree::files();
    let breaches: Vec<String> = DOCUMENTS
        .iter()
        .flat_map(|(path, heading)| {
            let text = tree::read(path);
            let named: usize =
                parts(&text, *heading).into_iter().map(|part| quoted(part).count()).sum();
            assert!(named > 3, "{path} names no test where it should");
            let breaches = breaches(&text, *heading, &files);
            breaches.into_iter().map(move |breach| format!("{path}: {breach}"))
        })
        .collect();
    assert_eq!(breaches, [""; 0]);
}

#[test]
fn a_test_that_is_not_there_is_seen() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [
        file("host/x/src/a.rs", "#[test]\nfn it_holds() {}\nfn no_test() {}\n"),
        file(
            "host/x/tests/b.rs",
            "#[tokio::test]\n#[expect(x)]\npub(super) async fn it_waits() {}\n",
        ),
        file("README.md", "#[test]\nfn not_here() {}\n"),
    ];
    let check = |text: &str, heading: Option<&str>, expected: &[&str]| {
        assert_eq!(breaches(text, heading, &files), expected, "{text}");
    };
    let table = |cell: &str| format!("| what | held by |\n|---|---|\n| `no_name` | {cell} |\n");
    check(&table("`it_holds`, `it_waits` in `b.rs`"), None, &[]);
    check(&table("`it_waits` in `x/tests/b.rs`, `host/x`"), None, &[]);
    check(&table("`no_test`"), None, &["there is no test no_test"]);
    check(&table("`not_here`"), None, &["there is no test not_here"]);
    check(&table("`c.rs`"), None, &["there is no c.rs"]);
    check(&table("-"), None, &[]);
    // A second table says for itself which column it is.
    check(
        &(table("-") + "\n| held by | what |\n|---|---|\n| `gone_now` | `x_y` |\n"),
        None,
        &["there is no test gone_now"],
    );
    let text = |rest: &str| {
        format!("`S` stands for `host/x/src`,\n`T` for `host/x/tests`.\n## P\n{rest}\n## Q\n`x_y`")
    };
    check(&text("| a | `S/a.rs`: `it_holds`; `T/b.rs`: `it_waits` |"), Some("## P"), &[]);
    check(
        &text("`S/a.rs`: `it_waits`"),
        Some("## P"),
        &["there is no test it_waits in host/x/src/a.rs"],
    );
    check(&text("`S/c.rs`"), Some("## P"), &["there is no host/x/src/c.rs"]);
}
