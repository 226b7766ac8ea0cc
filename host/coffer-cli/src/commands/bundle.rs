//! install, upgrade, invoke, uninstall.

use super::Workplace;
use crate::arguments::{Act, Format, Global, With};
use crate::given;
use crate::output;
use crate::progress::Progress;
use crate::session::Session;
use anyhow::Context as _;
use coffer_bundle::driver::Driver;
use coffer_bundle::name::Name;
use coffer_bundle::{Package, Request, RunFailure, Streams};
use coffer_registry::OciReference;
use serde_json::json;
use std::io;

/// Runs an action of a bundle.
///
/// # Errors
///
/// Whatever stopped it.
pub(super) async fn act(
    global: &Global,
    action: &str,
    act: Act,
    delete: bool,
) -> anyhow::Result<()> {
    let Act { name, with } = act;
    let With { bundle, reference, parameters, parameter_set, credential_set, driver, namespace } =
        with;
    let session = Session::open(global)?;
    let bundle = match reference {
        None => bundle,
        Some(reference) => {
            let progress = Progress::start();
            let registries = session.registries()?.watched(progress.watch());
            let pulled = registries.bundle(&OciReference::parse(&reference)?).await?;
            progress.end();
            output::note(&format!("the bundle is {}", pulled.reference));
            Some(pulled.path)
        }
    };
    let package = bundle.map(|path| Package::read(&path)).transpose()?;
    if let Some(package) = &package {
        for warning in package.bundle().warnings() {
            output::note(&format!("warning: {}: {warning}", package.path().display()));
        }
    }
    let driver = driver.or_else(|| session.config.runtime_driver.clone());
    let request = Request {
        action: action.to_owned(),
        namespace: session.namespace(&namespace)?,
        name: name.map(|name| name.parse()).transpose().context("the name of the installation")?,
        package,
        parameters: given::parameters(&parameters)?,
        parameter_sets: names(&parameter_set, "--parameter-set")?,
        credential_sets: names(&credential_set, "--credential-set")?,
        driver: driver.map(|driver| driver.parse::<Driver>()).transpose()?,
    };
    let place = Workplace::open(&session).await?;
    // What the bundle prints belongs to people; machines get the result alone.
    let stdout: Box<dyn io::Write + Send> = match global.output {
        Format::Html | Format::Sarif | Format::Text => place.progress.around(io::stdout()),
        Format::Json | Format::Yaml => place.progress.around(io::stderr()),
    };
    let streams = Streams { stdout, stderr: place.progress.around(io::stderr()) };
    let namespace = request.namespace.clone();
    let (report, installation) = place
        .with(async |runner| {
            let (report, name) = match runner.run(request, streams, interrupted()).await {
                Ok(report) => {
                    let name: Name = report.installation.parse()?;
                    (Some(report), name)
                }
                // What was uninstalled before still has its secrets.
                Err(RunFailure::NotInstalled { name, .. })
                    if delete && place.ledger.installation(&namespace, &name).await.is_ok() =>
                {
                    (None, name.parse()?)
                }
                Err(failure) => return Err(failure.into()),
            };
            if delete {
                runner.delete(&namespace, &name).await?;
            }
            anyhow::Ok((report, name))
        })
        .await?;
    let value = json!({
        "action": action,
        "namespace": namespace,
        "installation": installation.as_str(),
        "run": report.as_ref().map(|report| &report.run),
        "outputs": report.as_ref().map_or(&[][..], |report| &report.outputs),
        "deleted": delete,
    });
    output::result(global.output, &value, String::new)
}

fn names(given: &[String], flag: &str) -> anyhow::Result<Option<Vec<Name>>> {
    if given.is_empty() {
        return Ok(None);
    }
    let names = given.iter().map(|name| name.parse().with_context(|| flag.to_owned()));
    names.collect::<anyhow::Result<_>>().map(Some)
}

/// Ends when somebody wants this process to end. What was begun is put in order then.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => {
            if interrupt.is_err() {
                std::future::pending::<()>().await;
            }
        }
        () = terminate => {}
    }
}
