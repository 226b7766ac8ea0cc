//! plugins lock and upgrade: what may run from now on. Nothing of a plugin runs.

use crate::arguments::{Global, Upgrade};
use crate::given;
use crate::output;
use crate::session::Session;
use anyhow::Context as _;
use coffer_bundle::{Locking, StoreError};
use coffer_host::grants::Difference;
use coffer_host::limits;
use serde_json::json;
use std::io::{self, IsTerminal as _};

/// Locks what is configured.
///
/// # Errors
///
/// If a plugin cannot be read, is not the one that is locked, or something is wider and nobody agreed to it.
pub(super) async fn run(global: &Global, accept: bool) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    let Locking { difference, lock } = session.stores()?.locking().await?;
    agreed(&difference, accept, "what is configured is wider than coffer.lock")?;
    lock.write(&session.lock_directory()?)?;
    let Difference { wider, narrower, other } = &difference;
    let value = json!({ "wider": wider, "narrower": narrower, "other": other });
    output::result(global.output, &value, || told(&difference) + "coffer.lock is written\n")
}

/// Puts another version into the place of a locked plugin.
///
/// # Errors
///
/// If there is no such plugin, the file is none, or something is wider and nobody agreed to it.
pub(super) fn upgrade(global: &Global, asked: &Upgrade) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    let bytes = given::read_file_within(&asked.file, limits::COMPONENT_BYTES_MAX)?;
    let upgrade = session.stores()?.upgrade(&asked.name, bytes)?;
    let what = format!("{} is wider than the plugin {}", asked.file.display(), upgrade.plugin);
    agreed(&upgrade.difference, asked.accept, &what)?;
    let difference = upgrade.difference.clone();
    let Difference { wider, narrower, other } = &difference;
    let value = json!({
        "plugin": upgrade.plugin, "from": upgrade.from, "to": upgrade.to,
        "wider": wider, "narrower": narrower, "other": other,
    });
    let done =
        format!("the plugin {} is {} now, and was {}\n", upgrade.plugin, upgrade.to, upgrade.from);
    upgrade.write(&session.lock_directory()?)?;
    output::result(global.output, &value, || {
        told(&difference) + &output::escaped(done.trim()) + "\n"
    })
}

/// Asks the operator, if there is something to agree to and somebody to ask.
fn agreed(difference: &Difference, accept: bool, what: &str) -> anyhow::Result<()> {
    if accept || difference.wider.is_empty() {
        return Ok(());
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        output::note(told(difference).trim_end());
        output::note("Agree to what is wider? Type yes:");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).context("cannot read what was typed")?;
        if answer.trim() == "yes" {
            return Ok(());
        }
    }
    Err(StoreError::NotAgreed { what: what.to_owned(), wider: difference.wider.clone() }.into())
}

/// The difference, a line for each.
fn told(difference: &Difference) -> String {
    let Difference { wider, narrower, other } = difference;
    let mut text = String::new();
    for (heading, lines) in [("Wider", wider), ("Narrower", narrower), ("Other", other)] {
        if !lines.is_empty() {
            text += &format!("{heading}:\n");
        }
        for line in lines {
            text += &format!("  {}\n", output::escaped(line));
        }
    }
    text
}
