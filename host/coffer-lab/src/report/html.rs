//! A report as one page: no script, no font, no image, nothing from elsewhere.

use super::{Report, Ruling, Verdict, escaped};
use std::fmt::Write as _;

const STYLE: &str = include_str!("html.css");

pub(super) fn write(report: &Report) -> String {
    let (name, version) = report.plugin.as_ref().map_or((report.file.as_str(), ""), |plugin| {
        (plugin.name.as_str(), plugin.version.as_str())
    });
    let verdict = report.verdict();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name} {version}: {verdict}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{name} <small>{version}</small></h1>\n<p class=\"verdict {verdict}\">{verdict}</p>\n",
        name = escaped(name),
        version = escaped(version),
    );
    if let Some(plugin) = &report.plugin {
        let _ = writeln!(page, "<p>{}</p>", escaped(&plugin.description));
    }
    page.push_str("<ul class=\"counts\">\n");
    for verdict in Verdict::ALL {
        let _ = writeln!(
            page,
            "<li class=\"{word}\"><b>{}</b> {word}</li>",
            report.count(verdict),
            word = verdict.name()
        );
    }
    page.push_str("</ul>\n</header>\n");
    let work: Vec<&Ruling> = report.rulings.iter().filter(|ruling| ruling.needs_work()).collect();
    if !work.is_empty() {
        page.push_str("<section>\n<h2>To do</h2>\n");
        // The worst first.
        for verdict in Verdict::ALL {
            for ruling in work.iter().filter(|ruling| ruling.verdict == verdict) {
                let _ = writeln!(
                    page,
                    "<article class=\"{}\"><h3><code>{}</code> {}</h3><p>{}</p><p class=\"next\">{}</p></article>",
                    verdict.name(),
                    ruling.case,
                    escaped(ruling.title),
                    escaped(&ruling.reason),
                    escaped(&ruling.next)
                );
            }
        }
        page.push_str("</section>\n");
    }
    for (group, rulings) in report.groups() {
        let _ = writeln!(page, "<section>\n<h2>{group}</h2>\n<ul class=\"cases\">");
        for ruling in rulings {
            let word = ruling.verdict.name();
            let remark = match ruling.reason.as_str() {
                "" => String::new(),
                reason => format!("<span class=\"remark\">{}</span>", escaped(reason)),
            };
            let _ = writeln!(
                page,
                "<li><span class=\"mark {word}\">{word}</span><code>{}</code><span>{}</span>{remark}</li>",
                ruling.name(),
                escaped(ruling.title)
            );
        }
        page.push_str("</ul>\n</section>\n");
    }
    measured(report, &mut page);
    let _ = writeln!(page, "<footer>\n<dl>\n<dt>File</dt><dd>{}</dd>", escaped(&report.file));
    if let Some(plugin) = &report.plugin {
        let _ = writeln!(
            page,
            "<dt>Digest</dt><dd>{}</dd>\n<dt>Size</dt><dd>{} bytes</dd>\n<dt>Can</dt><dd>{}</dd>",
            plugin.digest,
            plugin.bytes,
            plugin.can.join(", ")
        );
    }
    let _ = writeln!(
        page,
        "<dt>Seed</dt><dd>{}</dd>\n<dt>Isolation</dt><dd>{}</dd>\n<dt>Lab</dt><dd>{}</dd>\n</dl>\n</footer>\n</main>\n</body>\n</html>",
        report.seed,
        report.isolation,
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn measured(report: &Report, page: &mut String) {
    if report.measured.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>measured</h2>\n<div class=\"wide\"><table>\n<tr><th>verb</th><th>calls</th>\
         <th>median µs</th><th>memory, bytes</th><th>requests</th><th>instructions</th></tr>\n",
    );
    for (verb, measured) in &report.measured {
        let _ = writeln!(
            page,
            "<tr><td>{verb}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            measured.calls,
            measured.time_us,
            measured.memory_bytes,
            measured.requests,
            measured.instructions
        );
    }
    page.push_str("</table></div>\n</section>\n");
}
