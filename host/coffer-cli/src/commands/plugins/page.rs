//! What there is to know of a plugin, as one page of HTML: nothing from elsewhere, no script, dark where the reader's
//! machine is. Everything that the plugin says is escaped, so that it is text and nothing else.

use super::inspect;
use crate::output;
use coffer_host::{Inspection, Risk};

/// The page may load nothing and run nothing; a browser holds it to that, whatever this file forgets.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --line: #d5d9de; --grave: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e8ea; --line: #3a4047; --grave: #ff8a80; } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 60rem; padding: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
code, pre { font: 14px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.grave { color: var(--grave); font-weight: 600; }
</style>
"#;

/// The page.
pub(super) fn html(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let title = format!("{} {}", text(manifest.name()), text(manifest.version()));
    let mut page = format!(
        "{HEAD}<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        text(manifest.description())
    );
    page += "<h2>What there is to know</h2>\n";
    page += &risks(&inspection.risks());
    page += "<h2>The file</h2>\n";
    let facts = [
        ("digest", inspection.digest.clone()),
        ("size", format!("{} bytes", inspection.size)),
        ("WIT version", inspection.contract.clone()),
        ("can", inspect::can(inspection).join(", ")),
        ("made by", inspection.toolchain.join("; ")),
    ];
    let facts: Vec<_> = facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]).collect();
    page += &table(&[], &facts);
    page += "<h2>Imports</h2>\n";
    let import = |import: &coffer_host::Import| {
        vec![import.name.clone(), inspect::need(import.need).to_owned()]
    };
    let imports: Vec<_> = inspection.imports.iter().map(import).collect();
    page += &table(&["import", "of use with"], &imports);
    page += "<h2>Exports</h2>\n";
    let exports: Vec<_> = inspection.exports.iter().map(|name| vec![name.clone()]).collect();
    page += &table(&["export"], &exports);
    let settings = inspect::setting_rows(inspection);
    if !settings.is_empty() {
        page += "<h2>Settings</h2>\n";
        page += &table(
            &inspect::SETTING_COLUMNS.map(str::to_lowercase).each_ref().map(String::as_str),
            &settings,
        );
    }
    let asks = inspect::asks(inspection);
    page + &format!("<h2>Asks for</h2>\n<pre>{}</pre>\n</body>\n</html>\n", lines(&asks))
}

fn risks(risks: &[Risk]) -> String {
    if risks.is_empty() {
        return "<p>It asks for nothing that reaches outside of it.</p>\n".into();
    }
    let item = |risk: &Risk| {
        let class = if risk.grave { " class=\"grave\"" } else { "" };
        let mark = if risk.grave { "! " } else { "" };
        format!("<li{class}>{mark}{}</li>\n", text(&risk.text))
    };
    format!("<ul>\n{}</ul>\n", risks.iter().map(item).collect::<String>())
}

fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", text(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut table = String::from("<table>\n");
    if !heading.is_empty() {
        table += &cells("th", &mut heading.iter().copied());
    }
    for row in rows {
        table += &cells("td", &mut row.iter().map(String::as_str));
    }
    table + "</table>\n"
}

/// A text that is nothing but text, and has no character that changes how others look.
fn text(text: &str) -> String {
    coffer_lab::escaped(&output::escaped(text))
}

/// The same for a text of several lines, each of them on one of its own.
fn lines(several: &str) -> String {
    several.lines().map(|line| text(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_text() {
        let check = |given: &str, expected: &str| assert_eq!(text(given), expected);
        check("a b", "a b");
        check("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
        check("\"&amp;", "&quot;&amp;amp;");
        check("\u{202e}\u{1b}[2J\u{85}", "\\u{202e}\\u{1b}[2J\\u{85}");
        assert_eq!(lines("<a>\n\u{200b}b"), "&lt;a&gt;\n\\u{200b}b\n");
        assert!(!risks(&[Risk { rule: "r", grave: true, text: "<b>".into() }]).contains("<b>"));
        let table = table(&["<i>"], &[vec!["<b>".into()]]);
        assert!(!table.contains("<i>") && !table.contains("<b>"), "{table}");
    }
}
