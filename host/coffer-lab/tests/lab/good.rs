//! The plugins that come with coffer pass; what is recorded is played again; reports are the same and show nothing.

use crate::stage::{Backend, CREDENTIAL, Judging, trouble};
use coffer_lab::{Format, PROFILE_SCHEMA, Profile, REPORT_SCHEMA, Report, Verdict};
use serde_json::{Value, json};

const FORMATS: [Format; 5] =
    [Format::Html, Format::Json, Format::Junit, Format::Sarif, Format::Text];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_filesystem_passes() {
    let component = guest_artifacts::plugin("filesystem");
    let report = Judging::of(&component, "calls: 400").judge().await.report;
    assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()));
    let asked = report.rulings().iter().filter(|ruling| ruling.verdict == Verdict::Pass).count();
    assert!(asked > 35, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_host_passes() {
    let component = guest_artifacts::plugin("host");
    let profile = "{ calls: 400, skip: { file/imports: an operator grants the commands and files that references name } }";
    let report = Judging::of(&component, profile).judge().await.report;
    assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()));
}

/// On what was recorded of a real server, with the values of that recording and with others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_vault_passes_on_its_cassette() {
    let component = guest_artifacts::plugin("vault");
    let profile = concat!(include_str!("../../../../plugins/vault/lab.yaml"), "calls: 200\n");
    let cassette = include_bytes!("../../../../plugins/vault/lab.cassette.json");
    for seed in [None, Some(8)] {
        let judging =
            Judging { seed, cassette: Some(cassette), ..Judging::of(&component, profile) };
        let report = judging.with(None).await.report;
        assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()), "{seed:?}");
        let passed = report.rulings().iter().filter(|ruling| ruling.verdict == Verdict::Pass);
        assert!(passed.count() > 45);
    }
}

/// The schema of the profile knows what the lab reads, and the profile in the tree.
#[test]
fn profiles_are_as_their_schema_says() {
    let schema: Value = serde_json::from_str(PROFILE_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let all = json!({
        "settings": { "address": "{{backend}}" },
        "grants": {},
        "limits": { "call": "2s" },
        "backend": "http://127.0.0.1:1",
        "cassette": "c.json",
        "credentials": { "token": { "env": "TOKEN" } },
        "given": ["k"],
        "prefix": "p/",
        "listed": 5,
        "calls": 5,
        "budget": { "any": { "time": "1s", "memory": "1MiB", "requests": 1, "instructions": 1 } },
        "size": "1MiB",
        "skip": { "put/text": "why" },
    });
    assert!(Profile::parse(&all.to_string()).is_ok() && validator.is_valid(&all));
    let known = schema["properties"].as_object().unwrap();
    assert!(known.keys().eq(all.as_object().unwrap().keys()));
    for wrong in
        [json!({ "colour": "red" }), json!({ "listed": 2 }), json!({ "budget": { "x": {} } })]
    {
        assert!(
            Profile::parse(&wrong.to_string()).is_err() && !validator.is_valid(&wrong),
            "{wrong}"
        );
    }
}

/// A profile for `lab_bad` on a server, which does this wrong.
fn on_server(wrong: &str, backend: Option<&str>) -> String {
    let mut profile = json!({
        "settings": { "origin": "{{backend}}", "lab": wrong },
        "cassette": "cassette.json",
        "calls": 60,
        "skip": { "file/imports": "it imports what it needs at another place" },
    });
    if let Some(backend) = backend {
        profile["backend"] = backend.into();
    }
    profile.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_played_without_the_backend_and_with_other_values() {
    let component = guest_artifacts::guest("lab_bad");
    let backend = Backend::start();
    let profile = on_server("nothing", Some(&backend.url));
    let judging = Judging { record: true, seed: Some(1), ..Judging::of(&component, &profile) };
    let recorded = judging.judge().await;
    assert_eq!((recorded.report.verdict(), trouble(&recorded.report)), ("pass", Vec::new()));
    let cassette = recorded.cassette.unwrap();
    drop(backend);

    let profile = on_server("nothing", None);
    for seed in [None, Some(1), Some(2)] {
        let judging =
            Judging { seed, cassette: Some(&cassette), ..Judging::of(&component, &profile) };
        let report = judging.with(None).await.report;
        assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()), "{seed:?}");
    }
    // A plugin that asks something else than what was recorded is not judged by it.
    let profile = on_server("url", None);
    let cases = ["put/text"];
    let judging =
        Judging { cases: &cases, cassette: Some(&cassette), ..Judging::of(&component, &profile) };
    let report = judging.with(None).await.report;
    assert!(matches!(report.verdict(), "incomplete" | "pass"), "{:?}", trouble(&report));

    // No credential is on it, and none of the values: the parts that are random are found nowhere.
    let text = String::from_utf8(cassette).unwrap();
    for secret in [CREDENTIAL, "do-not-keep-me"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("cof{{value.text}}lab-"));
    let mut rest = text.as_str();
    while let Some(at) = rest.find("cof") {
        rest = &rest[at + 3..];
        let hidden = rest.starts_with("{{value.text}}lab") || rest.starts_with("fer-lab");
        assert!(hidden, "{rest:.40}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_with_one_seed_have_the_same_report() {
    let component = guest_artifacts::plugin("filesystem");
    let mut reports = Vec::new();
    for seed in [5, 5, 6] {
        let judging =
            Judging { seed: Some(seed), ..Judging::of(&component, "calls: 40\nlisted: 12") };
        let report = judging.judge().await.report;
        let mut value: Value = serde_json::from_str(&report.write(Format::Json)).unwrap();
        value["measured"] = Value::Null;
        reports.push(value);
    }
    assert_eq!(reports[0], reports[1]);
    assert_ne!(reports[0], reports[2]);
}

fn check_schema(report: &Report) {
    let schema: Value = serde_json::from_str(REPORT_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_str(&report.write(Format::Json)).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// What a plugin logs, says, sends or is denied is in no report, and neither is the credential.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_shows_a_value() {
    let component = guest_artifacts::guest("lab_bad");
    for wrong in ["log", "error", "url", "denied", "lies", "crash"] {
        let backend = Backend::start();
        let profile = on_server(wrong, Some(&backend.url));
        let judging = Judging { seed: Some(9), ..Judging::of(&component, &profile) };
        let report = judging.judge().await.report;
        assert_eq!(report.verdict(), "fail", "{wrong}");
        check_schema(&report);
        for format in FORMATS {
            let written = report.write(format);
            assert!(!written.contains(CREDENTIAL), "{wrong} {format:?}");
            // Every value begins with this word, and what follows is random.
            for (at, _) in written.match_indices("cof") {
                assert!(written[at..].starts_with("coffer"), "{wrong} {format:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_fails_and_is_asked_no_further() {
    let report = Judging::of(b"#!/bin/sh", "").judge().await.report;
    assert_eq!(report.verdict(), "fail");
    assert_eq!(report.unfit().unwrap().failed, 1);
    check_schema(&report);
}

/// A case that could not be looked at is no pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_backend_a_plugin_for_one_is_not_judged_to_the_end() {
    let component = guest_artifacts::plugin("vault");
    let report = Judging::of(&component, "").with(None).await.report;
    assert_eq!(report.verdict(), "incomplete", "{:?}", trouble(&report));
    let skipped = report.unfit().unwrap().skipped;
    assert!(skipped > 20, "{skipped}");
}

/// Faults need no answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugins_for_servers_cope_with_every_fault() {
    let cases: Vec<&str> = coffer_lab::cases().iter().map(|case| case.id).collect();
    let cases: Vec<&str> = cases.into_iter().filter(|case| case.starts_with("fault/")).collect();
    for name in
        ["aws-secrets-manager", "azure-key-vault", "gcp-secret-manager", "kubernetes", "vault"]
    {
        let component = guest_artifacts::plugin(name);
        let judging = Judging { cases: &cases, ..Judging::of(&component, "") };
        let report = judging.with(None).await.report;
        assert_eq!((report.verdict(), trouble(&report)), ("pass", Vec::new()), "{name}");
        let passed = report.rulings().iter().filter(|ruling| ruling.verdict == Verdict::Pass);
        assert_eq!(passed.count(), 16, "{name}");
    }
}
