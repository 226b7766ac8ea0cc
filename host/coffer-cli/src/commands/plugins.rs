//! plugins list, inspect, grants: nothing of a plugin runs. And test.

mod test;

use crate::arguments::{Global, Plugins};
use crate::given::{self, Usage};
use crate::output;
use crate::session::Session;
use coffer_bundle::Stores;
use coffer_host::grants::SettingKind;
use coffer_host::{Inspection, Isolation, Need};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Looks at plugins.
///
/// # Errors
///
/// If a plugin cannot be read.
pub(super) async fn run(global: &Global, command: Plugins) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    let stores = session.stores()?;
    match command {
        Plugins::List => list(global, &stores),
        Plugins::Inspect { plugin } => inspect(global, &stores, &plugin),
        Plugins::Grants { plugin, settings } => grants(global, &stores, &plugin, &settings).await,
        Plugins::Test(asked) => test::run(global, &stores, &asked).await,
    }
}

fn list(global: &Global, stores: &Stores) -> anyhow::Result<()> {
    let bundled: Vec<&str> = stores.bundled().iter().map(|bundled| bundled.name).collect();
    let mut names: Vec<String> = bundled.iter().map(|name| (*name).to_owned()).collect();
    for entry in &stores.config().stores {
        if !names.contains(&entry.plugin) {
            names.push(entry.plugin.clone());
        }
    }
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for name in names {
        let inspection = Inspection::of(&stores.component(&name)?)
            .map_err(|error| coffer_bundle::StoreError::Load { plugin: name.clone(), error })?;
        let used: Vec<&str> = stores
            .config()
            .stores
            .iter()
            .filter(|entry| entry.plugin == name)
            .map(|entry| entry.name.as_str())
            .collect();
        let bundled = bundled.contains(&name.as_str());
        values.push(json!({
            "plugin": name,
            "version": inspection.manifest.version(),
            "description": inspection.manifest.description(),
            "bundled": bundled,
            "can": can(&inspection),
            "stores": used,
        }));
        rows.push(vec![
            name,
            inspection.manifest.version().to_owned(),
            if bundled { "yes" } else { "no" }.to_owned(),
            can(&inspection).join(" "),
            inspection.manifest.description().to_owned(),
        ]);
    }
    output::result(global.output, &Value::Array(values), || {
        output::table(&["PLUGIN", "VERSION", "BUNDLED", "CAN", "DESCRIPTION"], &rows)
    })
}

/// The verbs of a plugin, known from what it exports.
fn can(inspection: &Inspection) -> Vec<&'static str> {
    let mut verbs = vec!["resolve"];
    if inspection.capabilities.writer {
        verbs.extend(["put", "delete"]);
    }
    if inspection.capabilities.lister {
        verbs.push("list");
    }
    verbs
}

fn need(need: Need) -> &'static str {
    match need {
        Need::Commands => "a grant of commands",
        Need::Directories => "a grant of directories",
        Need::Environment => "a grant of variables",
        Need::Http => "a grant of HTTP requests",
        Need::Inert => "nothing; it is empty or denies",
        Need::Nothing => "nothing; it reaches nothing",
    }
}

fn inspect(global: &Global, stores: &Stores, plugin: &str) -> anyhow::Result<()> {
    let bytes = component(stores, plugin)?;
    let inspection = Inspection::of(&bytes)
        .map_err(|error| coffer_bundle::StoreError::Load { plugin: plugin.to_owned(), error })?;
    let manifest = &inspection.manifest;
    let settings: Map<String, Value> = manifest
        .settings()
        .map(|(name, setting, required)| {
            let value = json!({
                "type": kind(setting.kind),
                "description": setting.description,
                "default": setting.default,
                "required": required,
                "credential": setting.credential,
                "aliases": setting.aliases,
            });
            (name.to_owned(), value)
        })
        .collect();
    // A plugin that is a file from here is no bundled one, whatever its name.
    let bundled = stores
        .bundled()
        .iter()
        .any(|known| known.name == plugin || known.aliases.contains(&plugin));
    let isolation = stores.usual_isolation(plugin, bundled);
    let lacking = match isolation {
        Isolation::None => Vec::new(),
        Isolation::Process => coffer_host::worker::available().lacking,
    };
    let imports: Vec<Value> = inspection
        .imports
        .iter()
        .map(|import| json!({ "name": import.name, "needs": need(import.need) }))
        .collect();
    let value = json!({
        "name": manifest.name(),
        "version": manifest.version(),
        "description": manifest.description(),
        "digest": inspection.digest,
        "bytes": inspection.size,
        "can": can(&inspection),
        "isolation": isolation.to_string(),
        "fence-lacks": lacking,
        "exports": inspection.exports,
        "imports": imports,
        "settings": settings,
        "asks": manifest.asks(),
    });
    output::result(global.output, &value, || {
        let mut text = format!(
            "Name:         {}\nVersion:      {}\nDescription:  {}\nDigest:       {}\nSize:         {} bytes\n\
             Can:          {}\nIsolation:    {isolation}, unless its store says otherwise\n",
            manifest.name(),
            manifest.version(),
            manifest.description(),
            inspection.digest,
            inspection.size,
            can(&inspection).join(", "),
        );
        for lack in &lacking {
            text += &format!("              {lack}\n");
        }
        let rows: Vec<_> = inspection
            .imports
            .iter()
            .map(|import| vec![import.name.clone(), need(import.need).to_owned()])
            .collect();
        text += "\n";
        text += &output::table(&["IMPORTS", "OF USE WITH"], &rows);
        if !settings.is_empty() {
            let rows: Vec<_> = manifest
                .settings()
                .map(|(name, setting, required)| {
                    let default = setting.default.as_ref().map(ToString::to_string);
                    let credential = if setting.credential { "yes, stays in the host" } else { "" };
                    let names = [&[name.to_owned()], setting.aliases.as_slice()].concat();
                    vec![
                        names.join(", "),
                        kind(setting.kind).to_owned(),
                        if required { "required" } else { "" }.to_owned(),
                        default.unwrap_or_default(),
                        credential.to_owned(),
                        setting.description.clone(),
                    ]
                })
                .collect();
            text += "\n";
            text += &output::table(
                &["SETTING", "TYPE", "REQUIRED", "DEFAULT", "CREDENTIAL", "DESCRIPTION"],
                &rows,
            );
        }
        let asks = serde_saphyr::to_string(manifest.asks()).unwrap_or_default();
        text += &format!("\nAsks for:\n{}", indented(&asks));
        text
    })
}

async fn grants(
    global: &Global,
    stores: &Stores,
    plugin: &str,
    set: &[String],
) -> anyhow::Result<()> {
    let entry = stores.config().store(plugin);
    let mut settings = match entry {
        Some(entry) if entry.secrets().is_empty() => entry.fill(&Default::default())?,
        // What a grant is made of can be a secret only if the operator made it one.
        Some(_) | None => Map::new(),
    };
    let plugin = entry.map_or(plugin, |entry| entry.plugin.as_str());
    let bytes = component(stores, plugin)?;
    let inspection = Inspection::of(&bytes)
        .map_err(|error| coffer_bundle::StoreError::Load { plugin: plugin.to_owned(), error })?;
    let kinds: BTreeSet<(&str, bool)> = inspection
        .manifest
        .settings()
        .map(|(name, setting, _)| (name, setting.kind == SettingKind::String))
        .collect();
    for text in set {
        let (name, value) =
            given::pair(text).ok_or_else(|| Usage("--set takes NAME=VALUE".into()))?;
        let value = if kinds.contains(&(name, false)) {
            serde_json::from_str(value)
                .map_err(|_| Usage(format!("the setting `{name}` is no text; write it as JSON")))?
        } else {
            value.into()
        };
        settings.insert(name.to_owned(), value);
    }
    let checked = inspection.manifest.check_settings(&settings).map_err(|error| {
        coffer_bundle::StoreError::Open { store: plugin.to_owned(), error: error.into() }
    })?;
    let asked = inspection.manifest.asked_json(&checked);
    let value = json!({ "grants": asked });
    output::result(global.output, &value, || {
        if asked.is_empty() {
            "# it asks for nothing\ngrants: {}\n".to_owned()
        } else {
            serde_saphyr::to_string(&value).unwrap_or_default().trim_end().to_owned() + "\n"
        }
    })
}

/// The bytes of a plugin: one that the configuration could name, or a file from here.
fn component(stores: &Stores, plugin: &str) -> anyhow::Result<Vec<u8>> {
    let is_file = plugin.contains('/') || plugin.ends_with(".wasm");
    match is_file {
        true => given::read_file(std::path::Path::new(plugin)),
        false => Ok(stores.component(plugin)?.into_owned()),
    }
}

fn kind(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Array => "array",
        SettingKind::Boolean => "boolean",
        SettingKind::Integer => "integer",
        SettingKind::String => "string",
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
