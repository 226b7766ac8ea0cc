//! config show, check, schema.

use crate::arguments::{Config, Global};
use crate::output;
use crate::session::Session;
use coffer_bundle::Stores;
use serde_json::{Value, json};

/// Looks at the configuration.
///
/// # Errors
///
/// What is wrong with it.
pub(super) async fn run(global: &Global, command: &Config) -> anyhow::Result<()> {
    match command {
        Config::Schema => {
            let schema = coffer_bundle::config::schema();
            let text = serde_json::to_string_pretty(&schema)? + "\n";
            output::result(global.output, &schema, || text)
        }
        Config::Show => {
            let session = Session::open(global)?;
            let mut value = session.config.show();
            if let Value::Object(shown) = &mut value {
                let stores = granted(&session.stores()?).await?;
                shown.insert("stores".into(), stores);
                let path = session.config_path.as_ref().map(|path| path.display().to_string());
                shown.insert("file".into(), json!(path));
                shown.insert("home".into(), json!(session.home.path().display().to_string()));
            }
            let text = serde_saphyr::to_string(&value)?;
            output::result(global.output, &value, || text.trim_end().to_owned() + "\n")
        }
        Config::Check => {
            let session = Session::open(global)?;
            let stores = session.stores()?;
            let mut opened = Vec::new();
            for name in stores.names() {
                stores.open(&name).await?;
                opened.push(name);
            }
            session.ledger().await?;
            let ignored: Vec<&str> = session.config.ignored().collect();
            for key in &ignored {
                output::note(&format!("note: `{key}` is Porter's; coffer does not use it"));
            }
            let default = stores.default_name();
            let value = json!({ "stores": opened, "default": default, "ignored": ignored });
            output::result(global.output, &value, || {
                format!(
                    "the configuration is good; stores: {}; default: {default}\n",
                    opened.join(", ")
                )
            })
        }
    }
}

/// Every store with the grants in effect.
async fn granted(stores: &Stores) -> anyhow::Result<Value> {
    let mut values = Vec::new();
    for name in stores.names() {
        let store = stores.open(&name).await?;
        values.push(json!({
            "name": name,
            "plugin": store.plugin().inspection().manifest.name(),
            "writes": store.capabilities().writer,
            "default": name == stores.default_name(),
            "isolation": store.isolation().to_string(),
            "grants": store.grants().to_json(),
        }));
    }
    Ok(Value::Array(values))
}
