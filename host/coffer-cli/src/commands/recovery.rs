//! runs recover.

use super::Workplace;
use crate::arguments::Global;
use crate::output;
use crate::session::Session;
use coffer_host::Explain as _;
use serde_json::{Value, json};

/// Puts right what interrupted runs have left.
///
/// # Errors
///
/// The first thing that could not be put right, after everything was tried.
pub(super) async fn run(global: &Global) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    let place = Workplace::open(&session).await?;
    let recovery = place.with(async |runner| runner.recover().await).await?;
    let mut lines = String::new();
    let mut values: Vec<Value> = Vec::new();
    let mut first = None;
    for (item, result) in recovery.items {
        match result {
            Ok(()) => {
                lines += &format!("{item}\n");
                values.push(json!({ "item": item.to_string(), "done": true }));
            }
            Err(failure) => {
                let next = failure.next();
                lines += &format!("not done: {item}: {failure}\n");
                values.push(json!({
                    "item": item.to_string(), "done": false, "error": failure.to_string(), "next": next,
                }));
                first.get_or_insert(failure);
            }
        }
    }
    if lines.is_empty() {
        lines = "there is nothing to put right\n".into();
    }
    output::result(global.output, &Value::Array(values), || lines)?;
    first.map_or(Ok(()), |failure| Err(failure.into()))
}
