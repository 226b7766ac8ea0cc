//! doctor.

use crate::arguments::Global;
use crate::output::{self, Told};
use crate::session::{self, Session};
use coffer_bundle::Home;
use coffer_bundle::doctor::{Examination, Finding};
use serde_json::{Map, Value, json};

/// Looks at everything, and prints what was found. Nothing is made, not even coffer's directory.
///
/// # Errors
///
/// If something has to be mended, after it was printed; or if nothing says where coffer's directory is.
pub(super) async fn run(global: &Global) -> anyhow::Result<()> {
    let path = session::home_path(global)?;
    let home = Home::existing(&path)?;
    let session = Home::existing(&path)?.map(|home| Session::read(home, global));
    let (config, unread) = match &session {
        Some(Ok(session)) => (Some(session), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let mut examination = Examination::of(
        home.as_ref(),
        config.map(|session| &session.config),
        config.and_then(|session| session.config_path.as_ref()),
    )
    .await;
    if let Some(error) = unread {
        let Told { message, blame, next } = output::told(error);
        examination.add("configuration", message, blame, next);
    }
    let concluded = examination.conclude();
    let Examination { facts, findings } = &examination;
    let known: Map<String, Value> =
        facts.iter().map(|fact| (fact.name.to_owned(), json!(fact.value))).collect();
    let found: Vec<Value> = findings.iter().map(value).collect();
    let value = json!({ "facts": known, "findings": found });
    output::result(global.output, &value, || {
        let rows: Vec<Vec<String>> =
            facts.iter().map(|fact| vec![fact.name.to_owned(), fact.value.clone()]).collect();
        let mut text = output::table(&["LOOKED AT", "IT IS"], &rows);
        for finding in findings {
            text += &format!(
                "\n{}: {}\n  why: {}\n  fault: {}\n  next: {}\n",
                finding.weight.name(),
                finding.what,
                finding.why,
                finding.fault,
                finding.next.trim_end()
            );
        }
        if concluded.is_ok() {
            text += "\nnothing is wrong\n";
        }
        text
    })?;
    Ok(concluded?)
}

fn value(finding: &Finding) -> Value {
    json!({
        "weight": finding.weight.name(),
        "about": finding.about,
        "what": finding.what,
        "why": finding.why,
        "fault": finding.fault.to_string(),
        "next": finding.next,
    })
}
