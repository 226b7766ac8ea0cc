//! What is done with plugins. Nothing of one runs, but for `test`.

mod build;
mod inspect;
mod lock;
mod new;
mod page;
mod registry;
mod test;

pub(crate) use build::BuildError;

use crate::BUNDLED;
use crate::arguments::{Global, Plugins};
use crate::given::{self, Usage};
use crate::output;
use crate::session::Session;
use coffer_bundle::{IN_REGISTRY, Stores};
use coffer_host::grants::SettingKind;
use coffer_host::{Inspection, limits};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Looks at plugins.
///
/// # Errors
///
/// If a plugin cannot be read.
pub(super) async fn run(global: &Global, command: Plugins) -> anyhow::Result<()> {
    match command {
        // Authors need no directory of coffer's.
        Plugins::Build(asked) => build::run(global, &asked),
        Plugins::New(asked) => new::run(global, &asked, BUNDLED),
        Plugins::Lock { accept } => lock::run(global, accept).await,
        Plugins::Upgrade(asked) => lock::upgrade(global, &asked),
        Plugins::Registry(command) => registry::run(global, command).await,
        Plugins::List => list(global, &Session::open(global)?.stores()?).await,
        Plugins::Inspect { plugin } => {
            inspect::run(global, &stores(global, &plugin)?, &plugin).await
        }
        Plugins::Grants { plugin, settings } => {
            grants(global, &stores(global, &plugin)?, &plugin, &settings).await
        }
        Plugins::Test(asked) => test::run(global, &stores(global, &asked.plugin)?, &asked).await,
    }
}

/// What the configuration has, and the registries if the plugin is in one.
fn stores(global: &Global, plugin: &str) -> anyhow::Result<Stores> {
    let session = Session::open(global)?;
    match plugin.starts_with(IN_REGISTRY) {
        true => session.stores_and_registries(),
        false => session.stores(),
    }
}

async fn list(global: &Global, stores: &Stores) -> anyhow::Result<()> {
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
        let inspection = Inspection::of(&stores.component(&name).await?)
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
            "can": inspect::can(&inspection),
            "stores": used,
        }));
        rows.push(vec![
            name,
            inspection.manifest.version().to_owned(),
            if bundled { "yes" } else { "no" }.to_owned(),
            inspect::can(&inspection).join(" "),
            inspection.manifest.description().to_owned(),
        ]);
    }
    output::result(global.output, &Value::Array(values), || {
        output::table(&["PLUGIN", "VERSION", "BUNDLED", "CAN", "DESCRIPTION"], &rows)
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
    let bytes = component(stores, plugin).await?;
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
async fn component(stores: &Stores, plugin: &str) -> anyhow::Result<Vec<u8>> {
    let is_file =
        (plugin.contains('/') || plugin.ends_with(".wasm")) && !plugin.starts_with(IN_REGISTRY);
    match is_file {
        true => given::read_file_within(Path::new(plugin), limits::COMPONENT_BYTES_MAX),
        false => Ok(stores.component(plugin).await?.into_owned()),
    }
}
