//! A report for a terminal: a line for each case, and below it what to do if it did not pass.

use super::{Report, Verdict};
use std::fmt::Write as _;

pub(super) fn write(report: &Report) -> String {
    let mut text = String::new();
    if let Some(plugin) = &report.plugin {
        let _ = writeln!(text, "{} {} ({})", plugin.name, plugin.version, report.file);
        let _ = writeln!(text, "{}, {} bytes", plugin.digest, plugin.bytes);
        let _ = writeln!(text, "seed {}, isolation {}", report.seed, report.isolation);
    } else {
        let _ = writeln!(text, "{}", report.file);
    }
    for (group, rulings) in report.groups() {
        let _ = writeln!(text, "\n{group}");
        for ruling in rulings {
            let mark = match ruling.verdict {
                Verdict::Fail => "FAIL",
                Verdict::NotApplicable => "-",
                Verdict::Pass => "ok",
                Verdict::Skipped => "skip",
                Verdict::Warning => "WARN",
            };
            let _ = write!(text, "  {mark:<5}{:<14}{}", ruling.name(), ruling.title);
            let _ = match ruling.reason.as_str() {
                "" => writeln!(text),
                reason if ruling.needs_work() => {
                    writeln!(text, "\n       {reason}\n       next: {}", ruling.next)
                }
                reason => writeln!(text, " ({reason})"),
            };
        }
    }
    if !report.measured.is_empty() {
        let _ = writeln!(
            text,
            "\n{:<9}{:>6}{:>12}{:>12}{:>10}{:>14}",
            "verb", "calls", "median µs", "memory B", "requests", "instructions"
        );
        for (verb, measured) in &report.measured {
            let _ = writeln!(
                text,
                "{verb:<9}{:>6}{:>12}{:>12}{:>10}{:>14}",
                measured.calls,
                measured.time_us,
                measured.memory_bytes,
                measured.requests,
                measured.instructions
            );
        }
    }
    let counts: Vec<String> = Verdict::ALL
        .iter()
        .map(|verdict| format!("{} {}", report.count(*verdict), verdict.name()))
        .collect();
    let _ = writeln!(text, "\n{}: {}", report.verdict(), counts.join(", "));
    text
}
