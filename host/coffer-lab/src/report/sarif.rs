//! A report as SARIF 2.1.0: a rule for each case, and a result for each that somebody has to look at.

use super::{Report, Ruling, Verdict};
use serde_json::{Value, json};

pub(super) fn write(report: &Report) -> String {
    let rules: Vec<Value> = report
        .rulings
        .iter()
        .map(|ruling| {
            json!({
                "id": ruling.case,
                "shortDescription": { "text": ruling.title },
                "help": { "text": ruling.next },
            })
        })
        .collect();
    let result = |(index, ruling): (usize, &Ruling)| {
        let level = match ruling.verdict {
            Verdict::Fail => "error",
            Verdict::Warning => "warning",
            Verdict::Skipped => "note",
            Verdict::NotApplicable | Verdict::Pass => return None,
        };
        let text = format!("{}: {}. Next: {}", ruling.title, ruling.reason, ruling.next);
        Some(json!({
            "ruleId": ruling.case,
            "ruleIndex": index,
            "level": level,
            "message": { "text": text },
            "locations": location(&report.file),
        }))
    };
    let results: Vec<Value> = report.rulings.iter().enumerate().filter_map(result).collect();
    let mut artifact = json!({ "location": { "uri": uri(&report.file) } });
    if let Some(plugin) = &report.plugin {
        artifact["length"] = json!(plugin.bytes);
        if let Some(digest) = plugin.digest.strip_prefix("sha256:") {
            artifact["hashes"] = json!({ "sha-256": digest });
        }
    }
    let mut value = document("coffer-lab", &rules, &results);
    value["runs"][0]["artifacts"] = json!([artifact]);
    let mut text = serde_json::to_string_pretty(&value).expect("all of it is text and numbers");
    text.push('\n');
    text
}

/// What a tool of coffer's says, by its rules.
#[must_use]
pub fn document(tool: &str, rules: &[Value], results: &[Value]) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": tool,
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

/// The place of what is said of a whole file.
#[must_use]
pub fn location(path: &str) -> Value {
    json!([{ "physicalLocation": { "artifactLocation": { "uri": uri(path) } } }])
}

/// A path as a relative reference of a URI: RFC 3986 has no other characters in a path.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(byte.into());
        } else {
            uri += &format!("%{byte:02X}");
        }
    }
    uri
}
