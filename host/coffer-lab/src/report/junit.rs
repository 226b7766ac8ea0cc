//! A report as JUnit's XML: a suite for each group. A warning is a test that passed, with what it says.

use super::{Report, Verdict, escaped};
use std::fmt::Write as _;

pub(super) fn write(report: &Report) -> String {
    let name = report.plugin.as_ref().map_or(&report.file, |plugin| &plugin.name);
    let skipped = report.count(Verdict::Skipped) + report.count(Verdict::NotApplicable);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{skipped}\">",
        escaped(name),
        report.rulings.len(),
        report.count(Verdict::Fail),
    );
    for (group, rulings) in report.groups() {
        let count = |wanted: &[Verdict]| {
            rulings.iter().filter(|ruling| wanted.contains(&ruling.verdict)).count()
        };
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{group}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            rulings.len(),
            count(&[Verdict::Fail]),
            count(&[Verdict::Skipped, Verdict::NotApplicable]),
        );
        for ruling in &rulings {
            let reason = escaped(&ruling.reason);
            let inside = match ruling.verdict {
                Verdict::Fail => {
                    format!(
                        "<failure message=\"{reason}\">{}. Next: {}</failure>",
                        escaped(ruling.title),
                        escaped(&ruling.next)
                    )
                }
                Verdict::NotApplicable => {
                    format!("<skipped message=\"not applicable: {reason}\"/>")
                }
                Verdict::Skipped => format!("<skipped message=\"{reason}\"/>"),
                Verdict::Warning => format!(
                    "<system-out>warning: {reason}. Next: {}</system-out>",
                    escaped(&ruling.next)
                ),
                Verdict::Pass => String::new(),
            };
            let _ = writeln!(
                xml,
                "    <testcase classname=\"{}.{group}\" name=\"{}\">{inside}</testcase>",
                escaped(name),
                ruling.name(),
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}
