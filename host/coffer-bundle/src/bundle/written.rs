//! `bundle.json` as its author wrote it, and the fields that CNAB knows.

use crate::document::{nearest, shown};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a bundle")]
pub(super) struct Written {
    pub(super) schema_version: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) invocation_images: Vec<WrittenImage>,
    pub(super) definitions: Option<BTreeMap<String, Value>>,
    pub(super) parameters: Option<BTreeMap<String, WrittenParameter>>,
    pub(super) credentials: Option<BTreeMap<String, WrittenCredential>>,
    pub(super) outputs: Option<BTreeMap<String, WrittenOutput>>,
    pub(super) actions: Option<BTreeMap<String, super::Action>>,
    pub(super) required_extensions: Option<Vec<String>>,
    pub(super) custom: Option<WrittenCustom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an image")]
pub(super) struct WrittenImage {
    pub(super) image: String,
    pub(super) image_type: Option<String>,
    pub(super) content_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a parameter")]
pub(super) struct WrittenParameter {
    pub(super) definition: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) apply_to: Option<Vec<String>>,
    pub(super) destination: WrittenDestination,
}

#[derive(Deserialize)]
#[serde(expecting = "a destination")]
pub(super) struct WrittenDestination {
    pub(super) env: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a credential")]
pub(super) struct WrittenCredential {
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) apply_to: Option<Vec<String>>,
    pub(super) env: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an output")]
pub(super) struct WrittenOutput {
    pub(super) definition: String,
    pub(super) description: Option<String>,
    pub(super) apply_to: Option<Vec<String>>,
    pub(super) path: String,
}

#[derive(Deserialize)]
#[serde(expecting = "extensions by name")]
pub(super) struct WrittenCustom {
    #[serde(rename = "io.cnab.parameter-sources")]
    pub(super) parameter_sources: Option<BTreeMap<String, WrittenSources>>,
}

#[derive(Deserialize)]
#[serde(expecting = "the sources of a parameter")]
pub(super) struct WrittenSources {
    pub(super) priority: Vec<String>,
    pub(super) sources: BTreeMap<String, WrittenSource>,
}

/// Sources of other kinds have other fields, and `output` must have its name.
#[derive(Deserialize)]
#[serde(expecting = "a source")]
pub(super) struct WrittenSource {
    pub(super) name: Option<String>,
}

const BUNDLE: &[&str] = &[
    "$schema",
    "actions",
    "credentials",
    "custom",
    "definitions",
    "description",
    "images",
    "invocationImages",
    "keywords",
    "license",
    "maintainers",
    "name",
    "outputs",
    "parameters",
    "requiredExtensions",
    "schemaVersion",
    "version",
];
const IMAGE: &[&str] = &["contentDigest", "image", "imageType", "labels", "mediaType", "size"];
/// The fields of the entries of each section, with those inside a destination.
const ENTRIES: [(&str, &[&str]); 4] = [
    ("actions", &["description", "modifies", "stateless"]),
    ("credentials", &["applyTo", "description", "env", "path", "required"]),
    ("outputs", &["applyTo", "definition", "description", "path"]),
    ("parameters", &["applyTo", "definition", "description", "destination", "required"]),
];
const DESTINATION: &[&str] = &["env", "path"];

/// Says which fields are probably misspelt. A field that CNAB does not know is no error, because a later
/// version may know it.
pub(super) fn misspelt(document: &Value, warnings: &mut Vec<String>) {
    let mut check = |at: &str, value: Option<&Value>, known: &[&str]| {
        for key in value.and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys()) {
            if known.contains(&key.as_str()) {
                continue;
            }
            if let Some(nearest) = nearest(key, known.iter().copied()) {
                let key = shown(key);
                warnings.push(format!("{at}`{key}` means nothing; did you mean `{nearest}`?"));
            }
        }
    };
    check("", Some(document), BUNDLE);
    for (index, image) in entries(document, "invocationImages") {
        check(&format!("at `invocationImages[{index}]`: "), Some(image), IMAGE);
    }
    for (section, known) in ENTRIES {
        for (name, entry) in entries(document, section) {
            check(&format!("at `{section}.{name}`: "), Some(entry), known);
            if section == "parameters" {
                let at = format!("at `{section}.{name}.destination`: ");
                check(&at, entry.get("destination"), DESTINATION);
            }
        }
    }
}

fn entries<'a>(document: &'a Value, section: &str) -> Vec<(String, &'a Value)> {
    match document.get(section) {
        Some(Value::Array(entries)) => {
            entries.iter().enumerate().map(|(index, entry)| (index.to_string(), entry)).collect()
        }
        Some(Value::Object(entries)) => {
            entries.iter().map(|(name, entry)| (shown(name), entry)).collect()
        }
        _ => Vec::new(),
    }
}
