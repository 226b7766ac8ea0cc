//! The commands, one file for each noun.

mod bundle;
mod config;
mod doctor;
mod installations;
mod plugins;
mod porter;
mod recovery;
mod secrets;
mod sets;

pub(crate) use plugins::BuildError;

use crate::arguments::{Arguments, Command, Global, Ledger as LedgerCommand, Porter};
use crate::given::Place;
use crate::output;
use crate::progress::Progress;
use crate::session::{self, Session};
use anyhow::Context as _;
use clap::CommandFactory as _;
use coffer_bundle::driver::Scratch;
use coffer_bundle::sets::SetKind;
use coffer_bundle::{Ledger, Runner, Spool, Step, Stores, Table};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Does what the command line says.
///
/// # Errors
///
/// Whatever stopped it.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Install(install) => bundle::act(&global, "install", install.act, false).await,
        Command::Upgrade(act) => bundle::act(&global, "upgrade", act, false).await,
        Command::Invoke(invoke) => bundle::act(&global, &invoke.action, invoke.act, false).await,
        Command::Uninstall(uninstall) => {
            bundle::act(&global, "uninstall", uninstall.act, uninstall.delete).await
        }
        Command::Installations(command) => installations::run(&global, command).await,
        Command::Runs(crate::arguments::Runs::Recover) => recovery::run(&global).await,
        Command::Secrets(command) => secrets::run(&global, command).await,
        Command::Parameters(command) => sets::run(&global, SetKind::Parameters, command).await,
        Command::Credentials(command) => sets::run(&global, SetKind::Credentials, command).await,
        Command::Plugins(command) => plugins::run(&global, command).await,
        Command::Porter(Porter::Install(asked)) => porter::install(&global, &asked),
        Command::Config(command) => config::run(&global, &command).await,
        Command::Ledger(LedgerCommand::Dump) => dump(&global).await,
        Command::Doctor => doctor::run(&global).await,
        Command::Completions { shell } => completions(shell),
        Command::Man { directory } => man(&directory),
        Command::Version => version(&global),
    }
}

/// Everything that a run needs, opened.
struct Workplace {
    ledger: Ledger,
    stores: Stores,
    spool: Spool,
    scratch: Scratch,
    progress: Progress,
}

impl Workplace {
    async fn open(session: &Session) -> anyhow::Result<Self> {
        Ok(Self {
            ledger: session.ledger().await?,
            stores: session.stores()?,
            spool: session.spool()?,
            scratch: session.scratch()?,
            progress: Progress::start(),
        })
    }

    /// Does something with a runner that shows its steps.
    async fn with<T>(&self, act: impl AsyncFnOnce(&Runner<'_>) -> T) -> T {
        let watch = |step: &Step| self.progress.tell(step);
        let runner = Runner {
            ledger: &self.ledger,
            stores: &self.stores,
            spool: &self.spool,
            scratch: &self.scratch,
            path: session::path(),
            watch: &watch,
        };
        let done = act(&runner).await;
        self.progress.end();
        done
    }
}

async fn dump(global: &Global) -> anyhow::Result<()> {
    let tables = Session::open(global)?.ledger().await?.dump().await?;
    let value: Map<String, Value> =
        tables.iter().map(|Table { name, rows }| (name.clone(), json!(rows))).collect();
    output::result(global.output, &Value::Object(value), || {
        let mut text = String::new();
        for Table { name, rows } in &tables {
            text += &format!("{name}: {}\n", rows.len());
            for row in rows {
                let cells: Vec<String> =
                    row.iter().map(|(column, value)| format!("{column}={value}")).collect();
                text += &format!("  {}\n", cells.join(" "));
            }
        }
        text
    })
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "coffer", &mut bytes);
    output::bytes(&bytes)
}

fn man(directory: &Path) -> anyhow::Result<()> {
    let what = || Place(format!("cannot write manual pages to {}", directory.display()));
    let command = Arguments::command();
    clap_mangen::generate_to(command, directory).with_context(what)
}

fn version(global: &Global) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    output::result(global.output, &json!({ "name": "coffer", "version": version }), || {
        format!("coffer {version}\n")
    })
}
