//! Bundles: `bundle.json` of CNAB 1.0 to 1.2, checked. Nothing here reads a file or runs anything.

mod definition;
mod destination;
mod error;
mod parse;
mod sensitive;
mod written;

pub use definition::{Definition, ValueError};
pub use error::BundleError;
pub(crate) use parse::name_rule;

use crate::document::{self, nearest, shown};
use destination::Destinations;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use written::Written;

/// Entries of one section of a bundle. Compiling this many definitions takes a second at most.
pub const ENTRIES_MAX: usize = 1000;

/// Bytes of the name of a bundle, a parameter, a credential, an output or an action.
pub const ENTRY_NAME_BYTES_MAX: usize = 128;

/// A bundle that keeps to CNAB and asks for nothing that coffer has not.
#[derive(Clone)]
pub struct Bundle {
    document: Value,
    name: String,
    version: String,
    description: Option<String>,
    images: Vec<ImageEntry>,
    parameters: BTreeMap<String, Parameter>,
    credentials: BTreeMap<String, Credential>,
    outputs: BTreeMap<String, Output>,
    actions: BTreeMap<String, Action>,
    warnings: Vec<String>,
}

/// An image that can run the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEntry {
    /// `oci`, `docker`, `wasm` or what else a driver may know.
    pub kind: String,
    /// What the driver makes of it, as `example/installer:v1`.
    pub reference: String,
    /// What the image must hash to, as `sha256:...`.
    pub digest: Option<String>,
}

/// A value that the bundle takes.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// What it can be.
    pub definition: Definition,
    /// Whether its value must be kept out of everything but a store: its definition is sensitive, or
    /// the output that it comes from is.
    pub sensitive: bool,
    /// Whether the bundle cannot run without.
    pub required: bool,
    /// The actions that take it; all if absent.
    pub applies_to: Option<Vec<String>>,
    /// The variable that it is put in.
    pub environment: Option<String>,
    /// The file in the image that it is put in.
    pub path: Option<String>,
    /// The output of an earlier run that it is taken from.
    pub source_output: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
}

/// A value that the bundle takes and that is never kept.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whether the bundle cannot run without.
    pub required: bool,
    /// The actions that take it; all if absent.
    pub applies_to: Option<Vec<String>>,
    /// The variable that it is put in.
    pub environment: Option<String>,
    /// The file in the image that it is put in.
    pub path: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
}

/// A value that the bundle makes.
#[derive(Clone, Debug)]
pub struct Output {
    /// What it can be.
    pub definition: Definition,
    /// The actions that make it; all if absent.
    pub applies_to: Option<Vec<String>>,
    /// The file in the image that it is read from, below `/cnab/app/outputs/`.
    pub path: String,
    /// What it is, for people.
    pub description: Option<String>,
}

/// An action besides install, upgrade and uninstall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "an action")]
pub struct Action {
    /// Whether it changes what is installed.
    pub modifies: bool,
    /// Whether it needs no installation and leaves no trace.
    pub stateless: bool,
    /// What it does, for people.
    pub description: Option<String>,
}

impl Parameter {
    /// Whether `action` takes it.
    #[must_use]
    pub fn applies(&self, action: &str) -> bool {
        applies(self.applies_to.as_deref(), action)
    }
}

impl Credential {
    /// Whether `action` takes it.
    #[must_use]
    pub fn applies(&self, action: &str) -> bool {
        applies(self.applies_to.as_deref(), action)
    }
}

impl Output {
    /// Whether `action` makes it.
    #[must_use]
    pub fn applies(&self, action: &str) -> bool {
        applies(self.applies_to.as_deref(), action)
    }
}

impl Bundle {
    /// Checks a `bundle.json`.
    ///
    /// # Errors
    ///
    /// [`BundleError`] says which field is wrong.
    pub fn parse(document: Value) -> Result<Self, BundleError> {
        let written: Written = document::parse(document.clone())?;
        let mut warnings = Vec::new();
        written::misspelt(&document, &mut warnings);
        parse::head(&written)?;
        parse::extensions(written.required_extensions.as_deref().unwrap_or_default())?;
        let images = parse::images(written.invocation_images)?;
        let definitions = written.definitions.unwrap_or_default();
        let definitions = parse::definitions(definitions, &mut warnings)?;
        let outputs = parse::outputs(written.outputs.unwrap_or_default(), &definitions)?;
        let mut destinations = Destinations::default();
        let credentials = written.credentials.unwrap_or_default();
        let credentials = parse::credentials(credentials, &mut destinations)?;
        let parameters = written.parameters.unwrap_or_default();
        let mut parameters = parse::parameters(parameters, &definitions, &mut destinations)?;
        let sources = written.custom.and_then(|custom| custom.parameter_sources);
        for (name, sources) in sources.unwrap_or_default() {
            parse::source(&name, &sources, &mut parameters, &outputs, &mut warnings)?;
        }
        let actions = written.actions.unwrap_or_default();
        parse::names("actions", actions.keys())?;
        let bundle = Self {
            document,
            name: written.name,
            version: written.version,
            description: written.description,
            images,
            parameters,
            credentials,
            outputs,
            actions,
            warnings,
        };
        Ok(bundle.with_action_warnings())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it is, for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The images that can run it; at least one.
    #[must_use]
    pub fn images(&self) -> &[ImageEntry] {
        &self.images
    }

    /// What it takes.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// What it takes and nobody keeps.
    #[must_use]
    pub fn credentials(&self) -> &BTreeMap<String, Credential> {
        &self.credentials
    }

    /// What it makes.
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, Output> {
        &self.outputs
    }

    /// The actions that it declares. Install, upgrade and uninstall need no declaration.
    #[must_use]
    pub fn actions(&self) -> &BTreeMap<String, Action> {
        &self.actions
    }

    /// What is no error and probably a mistake. No value is shown.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether it has this action.
    ///
    /// # Errors
    ///
    /// [`BundleError::Action`].
    pub fn check_action(&self, name: &str) -> Result<(), BundleError> {
        if CORE_ACTIONS.contains(&name) || self.actions.contains_key(name) {
            return Ok(());
        }
        let known = CORE_ACTIONS.into_iter().chain(self.actions.keys().map(String::as_str));
        Err(BundleError::Action { name: shown(name), nearest: nearest(name, known) })
    }

    /// The `bundle.json` as its author wrote it. It may show secrets: a driver hands it to the bundle,
    /// and nothing else may have it.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The `bundle.json` for the ledger: the values that its sensitive definitions show (`default`,
    /// `examples`, `const`, `enum`, at any depth) are not in it, nor, if there were any, the copy of
    /// `porter.yaml` that Porter keeps in a bundle, which has them too. Nothing else is changed.
    #[must_use]
    pub fn redacted(&self) -> Value {
        sensitive::redacted(&self.document)
    }

    fn with_action_warnings(mut self) -> Self {
        let mut warnings = Vec::new();
        for name in self.actions.keys().filter(|name| CORE_ACTIONS.contains(&name.as_str())) {
            warnings.push(format!("at `actions.{name}`: every bundle has this action"));
        }
        let parameters = self.parameters.iter().map(|(n, p)| ("parameters", n, &p.applies_to));
        let credentials = self.credentials.iter().map(|(n, c)| ("credentials", n, &c.applies_to));
        let outputs = self.outputs.iter().map(|(n, o)| ("outputs", n, &o.applies_to));
        for (section, name, applies_to) in parameters.chain(credentials).chain(outputs) {
            for action in applies_to.iter().flatten() {
                if self.check_action(action).is_err() {
                    let (name, action) = (shown(name), shown(action));
                    warnings.push(format!(
                        "at `{section}.{name}.applyTo`: the bundle has no action `{action}`"
                    ));
                }
            }
        }
        self.warnings.append(&mut warnings);
        self
    }
}

/// Shows what people can see in a list of bundles; the document may hold secrets.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn applies(applies_to: Option<&[String]>, action: &str) -> bool {
    applies_to.is_none_or(|actions| actions.iter().any(|known| known == action))
}

/// The actions that every bundle has.
const CORE_ACTIONS: [&str; 3] = ["install", "uninstall", "upgrade"];

#[cfg(test)]
mod tests;
