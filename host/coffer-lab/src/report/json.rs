//! A report for programs. Two runs with one seed give the same but for what is below `measured`.

use super::{Report, Verdict};
use serde_json::{Map, Value, json};

/// The version of the form.
const FORMAT: u32 = 1;

pub(super) fn write(report: &Report) -> String {
    let counts: Map<String, Value> = Verdict::ALL
        .iter()
        .map(|verdict| (verdict.name().to_owned(), json!(report.count(*verdict))))
        .collect();
    let cases: Vec<Value> = report
        .rulings
        .iter()
        .map(|ruling| {
            json!({
                "case": ruling.case,
                "title": ruling.title,
                "verdict": ruling.verdict.name(),
                "reason": ruling.reason,
                "next": if ruling.needs_work() { Some(&ruling.next) } else { None },
                "left-out": ruling.meant,
            })
        })
        .collect();
    let measured: Map<String, Value> = report
        .measured
        .iter()
        .map(|(verb, measured)| {
            let value = json!({
                "calls": measured.calls,
                "median-time-us": measured.time_us,
                "memory-bytes": measured.memory_bytes,
                "requests": measured.requests,
                "instructions": measured.instructions,
            });
            ((*verb).to_owned(), value)
        })
        .collect();
    let plugin = report.plugin.as_ref().map(|plugin| {
        json!({
            "name": plugin.name,
            "version": plugin.version,
            "description": plugin.description,
            "digest": plugin.digest,
            "bytes": plugin.bytes,
            "can": plugin.can,
        })
    });
    let value = json!({
        "format": FORMAT,
        "lab": env!("CARGO_PKG_VERSION"),
        "file": report.file,
        "plugin": plugin,
        "seed": report.seed,
        "isolation": report.isolation.to_string(),
        "verdict": report.verdict(),
        "counts": counts,
        "cases": cases,
        "measured": measured,
    });
    let mut text = serde_json::to_string_pretty(&value).expect("all of it is text and numbers");
    text.push('\n');
    text
}
