//! installations list, show, outputs, runs.

use crate::arguments::{Global, Installations, Named};
use crate::output::{self, moment};
use crate::session::Session;
use coffer_bundle::{Installation, Kept, Run, Stores};
use coffer_host::grants::Reference;
use coffer_host::{MASK, Secret};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Looks at installations.
///
/// # Errors
///
/// If the ledger cannot be read, or a store does not give what is to be revealed.
pub(super) async fn run(global: &Global, command: Installations) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    match command {
        Installations::List { namespace, all_namespaces, limit, after } => {
            let namespace =
                if all_namespaces { None } else { Some(session.namespace(&namespace)?) };
            let after = after.rsplit_once('/').unwrap_or(("", &after));
            let count = limit.unwrap_or(usize::MAX);
            list(global, &session, namespace.as_deref(), after, count).await
        }
        Installations::Show(named) => show(global, &session, named).await,
        Installations::Outputs(named) => outputs(global, &session, named).await,
        Installations::Runs(named) => runs(global, &session, &named).await,
    }
}

async fn list(
    global: &Global,
    session: &Session,
    namespace: Option<&str>,
    after: (&str, &str),
    count: usize,
) -> anyhow::Result<()> {
    let ledger = session.ledger().await?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (installation, newest) in ledger.installations(namespace, after, count).await? {
        let Installation { namespace, name, state, created_ms, .. } = installation;
        let (action, status) =
            newest.as_ref().map_or(("", ""), |(action, status)| (action.as_str(), status.name()));
        values.push(json!({
            "namespace": namespace,
            "name": name,
            "state": state.name(),
            "created": moment(created_ms),
            "last-action": action,
            "last-status": status,
        }));
        rows.push(vec![
            namespace,
            name,
            state.to_string(),
            moment(created_ms),
            action.to_owned(),
            status.to_owned(),
        ]);
    }
    output::result(global.output, &Value::Array(values), || {
        let heading = ["NAMESPACE", "NAME", "STATE", "CREATED", "LAST ACTION", "LAST STATUS"];
        output::table(&heading, &rows)
    })
}

async fn show(global: &Global, session: &Session, named: Named) -> anyhow::Result<()> {
    let ledger = session.ledger().await?;
    let namespace = session.namespace(&named.namespace)?;
    let installation = ledger.installation(&namespace, &named.name).await?;
    let newest = ledger.newest_run(&installation.id).await?;
    let last = newest.as_ref();
    let (parameters, credentials) = match last {
        Some(run) => (
            ledger.inputs(&run.id, "parameter").await?,
            ledger.inputs(&run.id, "credential").await?,
        ),
        None => Default::default(),
    };
    let outputs: BTreeMap<String, Kept> = ledger
        .outputs(&installation.id)
        .await?
        .into_iter()
        .map(|(name, (_, kept))| (name, kept))
        .collect();
    let shown = Shown::new(session, named.reveal)?;
    let parameters = shown.all(&parameters).await?;
    let credentials = Shown::masked().all(&credentials).await?;
    let outputs = shown.all(&outputs).await?;
    let bundle = last.map_or(Value::Null, |run| {
        json!({
            "name": run.bundle["name"],
            "version": run.bundle["version"],
            "path": run.bundle_path,
            "digest": run.bundle_digest,
        })
    });
    let value = json!({
        "id": installation.id,
        "namespace": installation.namespace,
        "name": installation.name,
        "state": installation.state.name(),
        "created": moment(installation.created_ms),
        "bundle": bundle,
        "parameters": values(&parameters),
        "credentials": values(&credentials),
        "outputs": values(&outputs),
        "last-run": last.map(run_value),
    });
    output::result(global.output, &value, || {
        let mut text = format!(
            "Name:       {}/{}\nState:      {}\nCreated:    {}\nBundle:     {} {}\n",
            installation.namespace,
            installation.name,
            installation.state,
            moment(installation.created_ms),
            bundle["name"].as_str().unwrap_or_default(),
            bundle["version"].as_str().unwrap_or_default(),
        );
        if let Some(run) = last {
            text += &format!("Last run:   {} ({}, {})\n", run.id, run.action, run.status);
            if let Some(message) = &run.message {
                text += &format!("            {message}\n");
            }
        }
        for (title, entries) in
            [("Parameters", &parameters), ("Credentials", &credentials), ("Outputs", &outputs)]
        {
            if !entries.is_empty() {
                text += &format!("\n{title}:\n{}", lines(entries));
            }
        }
        text
    })
}

async fn outputs(global: &Global, session: &Session, named: Named) -> anyhow::Result<()> {
    let ledger = session.ledger().await?;
    let namespace = session.namespace(&named.namespace)?;
    let installation = ledger.installation(&namespace, &named.name).await?;
    let kept: BTreeMap<String, Kept> = ledger
        .outputs(&installation.id)
        .await?
        .into_iter()
        .map(|(name, (_, kept))| (name, kept))
        .collect();
    let outputs = Shown::new(session, named.reveal)?.all(&kept).await?;
    output::result(global.output, &values(&outputs), || lines(&outputs))
}

async fn runs(global: &Global, session: &Session, named: &Named) -> anyhow::Result<()> {
    let ledger = session.ledger().await?;
    let namespace = session.namespace(&named.namespace)?;
    let installation = ledger.installation(&namespace, &named.name).await?;
    let runs = ledger.runs(&installation.id).await?;
    let values = runs.iter().map(run_value).collect();
    output::result(global.output, &Value::Array(values), || {
        let rows: Vec<_> = runs
            .iter()
            .map(|run| {
                vec![
                    run.id.clone(),
                    run.action.clone(),
                    run.status.to_string(),
                    run.exit_code.map_or_else(String::new, |code| code.to_string()),
                    moment(run.started_ms),
                    run.finished_ms.map_or_else(String::new, moment),
                    run.message.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let heading = ["RUN", "ACTION", "STATUS", "EXIT", "STARTED", "FINISHED", "MESSAGE"];
        output::table(&heading, &rows)
    })
}

fn run_value(run: &Run) -> Value {
    json!({
        "id": run.id,
        "action": run.action,
        "status": run.status.name(),
        "exit-code": run.exit_code,
        "message": run.message,
        "driver": run.driver,
        "started": moment(run.started_ms),
        "finished": run.finished_ms.map(moment),
    })
}

/// A value as it is shown, and where it is kept.
struct Entry {
    value: Value,
    kept: Option<String>,
}

/// Shows values: masked, or resolved.
struct Shown {
    stores: Option<Stores>,
}

impl Shown {
    fn new(session: &Session, reveal: bool) -> anyhow::Result<Self> {
        Ok(Self { stores: if reveal { Some(session.stores()?) } else { None } })
    }

    fn masked() -> Self {
        Self { stores: None }
    }

    async fn all(&self, kept: &BTreeMap<String, Kept>) -> anyhow::Result<Vec<(String, Entry)>> {
        let mut entries = Vec::new();
        for (name, kept) in kept {
            entries.push((name.clone(), self.one(kept).await?));
        }
        Ok(entries)
    }

    async fn one(&self, kept: &Kept) -> anyhow::Result<Entry> {
        let (store, reference) = match kept {
            Kept::Plain(value) => return Ok(Entry { value: value.clone(), kept: None }),
            Kept::Secret(address) => {
                (address.store.clone(), Reference::secret(address.key.as_str())?)
            }
            Kept::Outside { store, reference } => (store.clone(), reference.clone()),
        };
        // Without a name it is whichever store is for such references at the time of use.
        let at = match store.as_str() {
            "" => reference.to_string(),
            store => format!("{store}: {reference}"),
        };
        let value = match &self.stores {
            None => MASK.into(),
            Some(stores) => {
                let store = if store.is_empty() {
                    stores.for_reference(&reference).await?
                } else {
                    stores.open(&store).await?
                };
                text(&store.resolve_one(&reference).await?)
            }
        };
        Ok(Entry { value, kept: Some(at) })
    }
}

/// A revealed value as text; its length if it is none.
pub(super) fn text(secret: &Secret) -> Value {
    match secret.expose_text() {
        Some(text) => text.into(),
        None => format!("{} bytes that are no text", secret.expose().len()).into(),
    }
}

fn values(entries: &[(String, Entry)]) -> Value {
    let value = |entry: &Entry| match &entry.kept {
        Some(kept) => json!({ "value": entry.value, "sensitive": true, "kept": kept }),
        None => json!({ "value": entry.value, "sensitive": false }),
    };
    let map: Map<String, Value> =
        entries.iter().map(|(name, entry)| (name.clone(), value(entry))).collect();
    Value::Object(map)
}

fn lines(entries: &[(String, Entry)]) -> String {
    let rows: Vec<_> = entries
        .iter()
        .map(|(name, entry)| {
            let value = match &entry.value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            vec![name.clone(), value, entry.kept.clone().unwrap_or_default()]
        })
        .collect();
    output::table(&["NAME", "VALUE", "KEPT IN"], &rows)
}
