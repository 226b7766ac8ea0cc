//! For each case there is a plugin that does not pass it, and the same plugin without that one thing does.

use crate::stage::{Backend, Judging, trouble};
use coffer_lab::{Report, Verdict, cases};
use guest_artifacts::written::{plugin, renamed};
use serde_json::json;
use std::collections::BTreeSet;

/// Where `lab_bad` keeps its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Directory,
    Server,
    /// On the lab's own server, which has no answers.
    Nowhere,
}
use Where::{Directory, Nowhere, Server};

/// A case, what `lab_bad` does wrong, where, and which cases come before if this one looks back at them.
const WRONG: [(&str, &str, Where, &[&str]); 51] = [
    ("resolve/missing", "missing", Directory, &[]),
    ("resolve/source", "source", Directory, &[]),
    ("resolve/order", "order", Directory, &[]),
    ("resolve/apart", "apart", Directory, &[]),
    ("resolve/again", "again", Directory, &[]),
    ("resolve/together", "together", Directory, &[]),
    ("put/text", "text", Directory, &[]),
    ("put/empty", "empty", Directory, &[]),
    ("put/binary", "binary", Directory, &[]),
    ("put/unicode", "unicode", Server, &[]),
    ("put/large", "large", Server, &[]),
    ("put/keys", "keys", Server, &[]),
    ("put/overwrite", "overwrite", Directory, &[]),
    ("put/keep", "keep", Server, &[]),
    ("put/twice", "twice", Directory, &[]),
    ("put/together", "put together", Directory, &[]),
    ("delete/there", "delete", Directory, &[]),
    ("delete/missing", "delete missing", Server, &[]),
    ("delete/others", "others", Directory, &[]),
    ("list/all", "list", Directory, &[]),
    ("list/prefix", "prefix", Directory, &[]),
    ("list/deleted", "tombstones", Server, &[]),
    ("list/pages", "pages", Directory, &[]),
    ("list/again", "list again", Directory, &[]),
    ("fault/refused", "lies", Nowhere, &[]),
    ("fault/reset", "lies", Nowhere, &[]),
    ("fault/slow", "hurried", Nowhere, &[]),
    ("fault/truncated", "lies", Nowhere, &[]),
    ("fault/400", "lies", Server, &[]),
    ("fault/401", "lies", Nowhere, &[]),
    ("fault/403", "lies", Nowhere, &[]),
    ("fault/404", "lies", Nowhere, &[]),
    ("fault/409", "lies", Nowhere, &[]),
    ("fault/429", "lies", Nowhere, &[]),
    ("fault/500", "lies", Nowhere, &[]),
    ("fault/503", "lies", Nowhere, &[]),
    ("fault/redirect", "lies", Nowhere, &[]),
    ("fault/malformed", "crash", Nowhere, &[]),
    ("fault/not-http", "lies", Nowhere, &[]),
    ("fault/huge", "lies", Nowhere, &[]),
    ("fault/read-only", "lies", Directory, &[]),
    ("fault/gone", "lies", Directory, &[]),
    ("fault/damaged", "crash", Directory, &[]),
    ("behaviour/files", "files", Directory, &[]),
    ("behaviour/growth", "growth", Directory, &[]),
    ("behaviour/denied", "denied", Directory, &["resolve/missing"]),
    ("behaviour/unused", "unused", Server, &["put/text"]),
    ("behaviour/log", "log", Directory, &["put/text"]),
    ("behaviour/error", "error", Directory, &["put/keep"]),
    ("behaviour/url", "url", Server, &["put/text"]),
    ("behaviour/same", "same", Directory, &[]),
];

/// A budget that nothing keeps within.
const BUDGET: &str =
    r#"{ "any": { "time": "1ns", "memory": 1, "requests": 0, "instructions": 1 } }"#;

fn profile(wrong: &str, place: Where, backend: &Backend) -> String {
    let mut settings = json!({ "lab": wrong });
    let skip = json!({ "file/imports": "it imports what it needs at either place" });
    let mut profile = json!({ "listed": 12, "calls": 60, "skip": skip });
    match place {
        Directory => settings["directory"] = "secrets".into(),
        Server | Nowhere => settings["origin"] = "{{backend}}".into(),
    }
    if place == Server {
        profile["backend"] = backend.url.clone().into();
    }
    profile["settings"] = settings;
    profile.to_string()
}

fn verdict(report: &Report, case: &str) -> Verdict {
    let ruling = report.rulings().iter().find(|ruling| ruling.case == case);
    ruling.unwrap_or_else(|| panic!("{case} was not asked")).verdict
}

/// Whether somebody has to do something.
fn is_noticed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Fail | Verdict::Warning)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_case_notices_what_it_is_for() {
    let component = guest_artifacts::guest("lab_bad");
    let mut noticed = BTreeSet::new();
    let mut missed = Vec::new();
    for (case, wrong, place, before) in WRONG {
        let chosen = [before, &[case]].concat();
        for (wrong, expected) in [(wrong, true), ("nothing", false)] {
            let backend = Backend::start();
            let profile = profile(wrong, place, &backend);
            let judging = Judging { cases: &chosen, ..Judging::of(&component, &profile) };
            let report = judging.judge().await.report;
            if is_noticed(verdict(&report, case)) != expected {
                missed.push(format!("{case} with {wrong:?}: {:?}", trouble(&report)));
            }
        }
        noticed.insert(case);
    }
    assert!(missed.is_empty(), "{missed:#?}");

    // What a file says of itself.
    let greeting = guest_artifacts::guest("result_bytes");
    let for_case = |case: &'static str, component: &[u8], profile: &str| {
        let (component, profile) = (component.to_vec(), profile.to_owned());
        async move {
            let cases = [case];
            let judging = Judging { cases: &cases, ..Judging::of(&component, &profile) };
            verdict(&judging.judge().await.report, case)
        }
    };
    let commands = guest_artifacts::guest("command_run");
    let hidden = renamed(&greeting, "greeting", "password");
    for (case, wrong, profile, right) in [
        ("file/plugin", b"#!/bin/sh".to_vec(), "", &greeting),
        ("file/imports", commands, "", &greeting),
        ("file/asks", greeting.clone(), "settings: { directory: x }", &component),
        ("file/credentials", hidden, "", &greeting),
        ("file/size", plugin("(memory (export \"memory\") 1)"), "size: 1", &greeting),
    ] {
        assert!(is_noticed(for_case(case, &wrong, profile).await), "{case}");
        let profile = if case == "file/size" { "" } else { profile };
        assert!(!is_noticed(for_case(case, right, profile).await), "{case}");
        noticed.insert(case);
    }

    // What only a cassette has, and what a budget says.
    let cassette = r#"{"format":1,"tracks":{"*":[
        {"method":"GET","target":"/v1/given","status":200,"text":"={{given}}"}]}}"#;
    for (wrong, expected) in [("given", Verdict::Fail), ("nothing", Verdict::Pass)] {
        let profile = json!({
            "settings": { "origin": "{{backend}}", "lab": wrong },
            "cassette": "given.json",
            "given": ["given"],
        });
        let (profile, cases) = (profile.to_string(), ["resolve/given"]);
        let cassette = Some(cassette.as_bytes());
        let judging = Judging { cases: &cases, cassette, ..Judging::of(&component, &profile) };
        assert_eq!(verdict(&judging.judge().await.report, "resolve/given"), expected);
        noticed.insert("resolve/given");
    }
    let backend = Backend::start();
    for case in ["cost/time", "cost/memory", "cost/requests", "cost/instructions"] {
        let generous =
            BUDGET.replace("1ns", "1min").replace(": 1", ": 99999999").replace(": 0", ": 9");
        for (budget, expected) in [(BUDGET, Verdict::Fail), (generous.as_str(), Verdict::Pass)] {
            let profile: serde_json::Value =
                serde_json::from_str(&profile("nothing", Server, &backend)).unwrap();
            let mut profile = profile;
            profile["budget"] = serde_json::from_str(budget).unwrap();
            let (profile, cases) = (profile.to_string(), ["put/text", case]);
            let judging = Judging { cases: &cases, ..Judging::of(&component, &profile) };
            let report = judging.judge().await.report;
            assert_eq!(verdict(&report, case), expected, "{case} {budget}: {:?}", trouble(&report));
        }
        noticed.insert(case);
    }

    // The test below has the last one.
    noticed.insert("behaviour/early");
    let all: BTreeSet<&str> = cases().iter().map(|case| case.id).collect();
    let unproved: Vec<&&str> = all.difference(&noticed).collect();
    assert!(unproved.is_empty(), "nothing fails {unproved:?}");
}

#[test]
pub(crate) fn lab_bad() {
    // Without anything wrong it passes all that it can be asked; each wrong thing is in the table above.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let component = guest_artifacts::guest("lab_bad");
    let backend = Backend::start();
    for place in [Directory, Server] {
        let profile = profile("nothing", place, &backend);
        let report = runtime.block_on(Judging::of(&component, &profile).judge()).report;
        assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()), "{place:?}");
    }
    // And the backend is as it was.
    assert!(backend.kept.lock().unwrap().is_empty());
}

#[test]
pub(crate) fn lab_early() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let component = guest_artifacts::guest("lab_early");
    // What runs it needs no backend that answers.
    let cases = ["resolve/source", "behaviour/early"];
    for (origin, expected) in [("origin: \"{{backend}}\"", Verdict::Fail), ("", Verdict::Pass)] {
        let profile = format!("{{ settings: {{ {origin} }} }}");
        let judging = Judging { cases: &cases, ..Judging::of(&component, &profile) };
        let report = runtime.block_on(judging.judge()).report;
        assert_eq!(verdict(&report, "behaviour/early"), expected, "{:?}", trouble(&report));
    }
}
