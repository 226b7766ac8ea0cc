use super::*;
use serde_json::Value;

/// A report with a ruling of each verdict, whose texts try to get out of where they stand.
fn report() -> Report {
    let nasty = "<script>alert(1)</script> & \"quoted\" 'too' ]]> \u{1b}[2J \u{202e}";
    let rulings = Verdict::ALL
        .into_iter()
        .zip(["put/text", "put/keep", "list/all", "list/pages", "resolve/order"])
        .map(|(verdict, case)| Ruling {
            case,
            title: "A title with <tags> & more",
            verdict,
            reason: shown(nasty),
            next: "Do <this>".into(),
            meant: false,
        })
        .collect();
    Report {
        file: shown("dir/a plugin<x>.wasm"),
        plugin: Some(Described {
            name: shown(nasty),
            version: shown("1.0.0<b>"),
            description: shown(nasty),
            digest: "sha256:00".into(),
            bytes: 7,
            can: vec!["resolve"],
        }),
        seed: 7,
        isolation: Isolation::Process,
        rulings,
        measured: vec![("resolve", Measured { calls: 1, ..Measured::default() })],
    }
}

#[test]
fn what_could_deceive_is_escaped() {
    assert_eq!(
        escaped("<a href=\"x\" title='y'>&amp;"),
        "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;"
    );
    assert_eq!(shown("a\u{1b}[2J\n\u{202e}b"), "a\\u{1b}[2J\\u{a}\\u{202e}b");
    assert_eq!(shown(&"x".repeat(700)), format!("{}…", "x".repeat(600)));
    for format in [Format::Html, Format::Json, Format::Junit, Format::Sarif, Format::Text] {
        let written = report().write(format);
        let plain = |character: char| character == '\n' || !character.is_control();
        assert!(written.chars().all(plain), "{format:?}");
        assert!(!written.contains('\u{202e}'), "{format:?}");
    }
}

/// What stands between `<` and `>` is the lab's own, and all of it is closed.
#[test]
fn no_text_becomes_a_tag() {
    for format in [Format::Html, Format::Junit] {
        let written = report().write(format);
        assert!(
            !written.contains("<script") && !written.contains("<tags>") && !written.contains("<x>")
        );
        assert!(!written.contains("<this>") && !written.contains("<b>\""), "{format:?}");
        let mut open: Vec<&str> = Vec::new();
        for part in written.split('<').skip(1) {
            let (tag, _) = part.split_once('>').expect("a tag has an end");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            let alone = tag.ends_with('/') || ["!doctype", "meta", "?xml"].contains(&name);
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{format:?}");
            } else if !alone {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{format:?}: {open:?}");
    }
}

#[test]
fn the_page_takes_nothing_from_elsewhere() {
    let page = report().write(Format::Html);
    for part in ["http:", "https:", "src=", "url(", "@import", "<script", "<link", "<img"] {
        assert!(!page.contains(part), "{part}");
    }
    for part in ["prefers-color-scheme: dark", "width=device-width", "default-src 'none'"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let schema: Value = serde_json::from_str(REPORT_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_str(&report().write(Format::Json)).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // It says something: what is more or less than that is refused.
    for change in ["verdict", "cases", "seed", "format"] {
        let mut other = value.clone();
        other.as_object_mut().unwrap().remove(change);
        assert!(!validator.is_valid(&other), "without {change}");
    }
    let mut other = value.clone();
    other["more"] = Value::Null;
    assert!(!validator.is_valid(&other));
    other = value;
    other["cases"][0]["verdict"] = "fine".into();
    assert!(!validator.is_valid(&other));
}

#[test]
fn sarif_has_a_rule_for_each_case_and_a_result_for_what_needs_work() {
    let value: Value = serde_json::from_str(&report().write(Format::Sarif)).unwrap();
    assert_eq!(value["version"], "2.1.0");
    let run = &value["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 5);
    let results = run["results"].as_array().unwrap();
    let levels: Vec<&Value> = results.iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let location = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(location, "dir/a%20plugin%3Cx%3E.wasm");
    }
}

#[test]
fn junit_counts_what_it_has() {
    let xml = report().write(Format::Junit);
    assert!(xml.contains("tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"2\""), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), 5);
    assert_eq!(xml.matches("<failure ").count(), 1);
    assert_eq!(xml.matches("<skipped ").count(), 2);
    assert_eq!(xml.matches("<testsuite ").count(), 3);
}

#[test]
fn a_plugin_passes_if_nothing_failed_and_everything_was_looked_at() {
    let with = |verdicts: &[(Verdict, bool)]| {
        let mut report = report();
        report.rulings = verdicts
            .iter()
            .map(|(verdict, meant)| Ruling {
                verdict: *verdict,
                meant: *meant,
                ..report.rulings[0].clone()
            })
            .collect();
        (report.verdict(), report.unfit())
    };
    use Verdict::{Fail, NotApplicable, Pass, Skipped, Warning};
    assert_eq!(with(&[(Pass, false), (Warning, false), (NotApplicable, false)]), ("pass", None));
    assert_eq!(with(&[(Pass, false), (Skipped, true)]), ("pass", None));
    let unfit = Unfit { failed: 0, skipped: 1 };
    assert_eq!(with(&[(Pass, false), (Skipped, false)]), ("incomplete", Some(unfit)));
    let unfit = Unfit { failed: 1, skipped: 1 };
    assert_eq!(with(&[(Fail, false), (Skipped, false)]), ("fail", Some(unfit)));
}
