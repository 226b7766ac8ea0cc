//! plugins inspect: what a plugin's file says of itself, for people and machines. Nothing of the plugin runs, and it
//! is not compiled. Whatever the file says is a stranger's text.

use super::{component, page};
use crate::arguments::{Format, Global};
use crate::output;
use coffer_bundle::Stores;
use coffer_host::grants::SettingKind;
use coffer_host::{Inspection, Isolation, Need, RULES, Risk};
use coffer_lab::sarif;
use serde_json::{Map, Value, json};

/// Shows a plugin.
///
/// # Errors
///
/// If it cannot be read, or is no plugin.
pub(super) async fn run(global: &Global, stores: &Stores, plugin: &str) -> anyhow::Result<()> {
    let bytes = component(stores, plugin).await?;
    let inspection = Inspection::of(&bytes)
        .map_err(|error| coffer_bundle::StoreError::Load { plugin: plugin.to_owned(), error })?;
    match global.output {
        Format::Html => output::bytes(page::html(&inspection).as_bytes()),
        Format::Sarif => {
            let report = for_machines(plugin, &inspection.risks());
            output::result(Format::Json, &report, String::new)
        }
        Format::Json | Format::Text | Format::Yaml => told(global, stores, plugin, &inspection),
    }
}

fn told(
    global: &Global,
    stores: &Stores,
    plugin: &str,
    inspection: &Inspection,
) -> anyhow::Result<()> {
    let manifest = &inspection.manifest;
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
    let risks = inspection.risks();
    let value = json!({
        "name": manifest.name(),
        "version": manifest.version(),
        "description": manifest.description(),
        "digest": inspection.digest,
        "bytes": inspection.size,
        "manifest-digest": inspection.manifest_digest,
        "wit-version": inspection.contract,
        "can": can(inspection),
        "isolation": isolation.to_string(),
        "fence-lacks": lacking,
        "toolchain": inspection.toolchain,
        "exports": inspection.exports,
        "imports": imports(inspection),
        "settings": settings(inspection),
        "asks": manifest.asks(),
        "risks": risks.iter().map(risk).collect::<Vec<_>>(),
    });
    output::result(global.output, &value, || {
        let mut text = format!(
            "Name:         {}\nVersion:      {}\nDescription:  {}\nDigest:       {}\nSize:         {} bytes\n\
             WIT version:  {}\nCan:          {}\nIsolation:    {isolation}, unless its store says otherwise\n",
            manifest.name(),
            manifest.version(),
            manifest.description(),
            inspection.digest,
            inspection.size,
            output::escaped(&inspection.contract),
            can(inspection).join(", "),
        );
        for lack in &lacking {
            text += &format!("              {lack}\n");
        }
        for (index, tool) in inspection.toolchain.iter().enumerate() {
            let heading = if index == 0 { "Made by:" } else { "" };
            text += &format!("{heading:14}{tool}\n");
        }
        text += &format!("\n{}", interfaces(inspection));
        if manifest.settings().next().is_some() {
            text += "\n";
            text += &output::table(&SETTING_COLUMNS, &setting_rows(inspection));
        }
        text += &format!("\nAsks for:\n{}", asks(inspection));
        text += "\nWhat there is to know:\n";
        if risks.is_empty() {
            text += "  it asks for nothing that reaches outside of it\n";
        }
        for Risk { grave, text: sentence, .. } in &risks {
            text += &format!("  {} {sentence}\n", if *grave { "!" } else { "-" });
        }
        text
    })
}

/// The verbs of a plugin, known from what it exports.
pub(super) fn can(inspection: &Inspection) -> Vec<&'static str> {
    let mut verbs = vec!["resolve"];
    if inspection.capabilities.writer {
        verbs.extend(["put", "delete"]);
    }
    if inspection.capabilities.lister {
        verbs.push("list");
    }
    verbs
}

pub(super) fn need(need: Need) -> &'static str {
    match need {
        Need::Commands => "a grant of commands",
        Need::Directories => "a grant of directories",
        Need::Environment => "a grant of variables",
        Need::Http => "a grant of HTTP requests",
        Need::Inert => "nothing; it is empty or denies",
        Need::Nothing => "nothing; it reaches nothing",
    }
}

/// The imports, for machines.
pub(super) fn imports(inspection: &Inspection) -> Vec<Value> {
    let import =
        |import: &coffer_host::Import| json!({ "name": import.name, "needs": need(import.need) });
    inspection.imports.iter().map(import).collect()
}

/// The imports and exports, for people.
pub(super) fn interfaces(inspection: &Inspection) -> String {
    let row =
        |import: &coffer_host::Import| vec![import.name.clone(), need(import.need).to_owned()];
    let imports: Vec<_> = inspection.imports.iter().map(row).collect();
    let exports: Vec<_> = inspection.exports.iter().map(|name| vec![name.clone()]).collect();
    let imports = output::table(&["IMPORTS", "OF USE WITH"], &imports);
    imports + "\n" + &output::table(&["EXPORTS"], &exports)
}

pub(super) const SETTING_COLUMNS: [&str; 6] =
    ["SETTING", "TYPE", "REQUIRED", "DEFAULT", "CREDENTIAL", "DESCRIPTION"];

pub(super) fn setting_rows(inspection: &Inspection) -> Vec<Vec<String>> {
    let settings = inspection.manifest.settings();
    let rows = settings.map(|(name, setting, required)| {
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
    });
    rows.collect()
}

fn settings(inspection: &Inspection) -> Map<String, Value> {
    let settings = inspection.manifest.settings();
    let values = settings.map(|(name, setting, required)| {
        let value = json!({
            "type": kind(setting.kind),
            "description": setting.description,
            "default": setting.default,
            "required": required,
            "credential": setting.credential,
            "aliases": setting.aliases,
        });
        (name.to_owned(), value)
    });
    values.collect()
}

fn kind(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Array => "array",
        SettingKind::Boolean => "boolean",
        SettingKind::Integer => "integer",
        SettingKind::String => "string",
    }
}

/// What it asks for, as YAML of which every line is safe to show.
pub(super) fn asks(inspection: &Inspection) -> String {
    let asks = serde_saphyr::to_string(inspection.manifest.asks()).unwrap_or_default();
    asks.lines().map(|line| format!("  {}\n", output::escaped(line))).collect()
}

fn risk(risk: &Risk) -> Value {
    json!({ "rule": risk.rule, "grave": risk.grave, "text": risk.text })
}

/// SARIF 2.1.0: a result for each thing to know, at the plugin's file.
fn for_machines(plugin: &str, risks: &[Risk]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(id, about)| json!({ "id": id, "shortDescription": { "text": about } }))
        .collect();
    let results: Vec<Value> = risks
        .iter()
        .map(|risk| {
            json!({
                "ruleId": risk.rule,
                "level": if risk.grave { "warning" } else { "note" },
                "message": { "text": risk.text },
                "locations": sarif::location(plugin),
            })
        })
        .collect();
    sarif::document("coffer plugins inspect", &rules, &results)
}
