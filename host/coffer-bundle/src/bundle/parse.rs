//! The sections of a bundle, each checked on its own.

use super::destination::{Destinations, OutputPaths};
use super::written::{
    Written, WrittenCredential, WrittenImage, WrittenOutput, WrittenParameter, WrittenSources,
};
use super::{
    BundleError, Credential, Definition, ENTRIES_MAX, ENTRY_NAME_BYTES_MAX, ImageEntry, Output,
    Parameter, ValueError,
};
use crate::document::{nearest, shown};
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks what stands at the top: the version of CNAB, the name, the version.
pub(super) fn head(written: &Written) -> Result<(), BundleError> {
    let schema_version = &written.schema_version;
    let number = schema_version.strip_prefix('v').unwrap_or(schema_version);
    if !SCHEMA_VERSIONS.contains(&number) {
        return Err(BundleError::SchemaVersion { version: shown(schema_version) });
    }
    if let Some(rule) = name_rule(&written.name) {
        return Err(BundleError::Field { at: "name".into(), rule });
    }
    if !is_version(&written.version) {
        let rule = "it must be a version such as 1.2.3 or 1.2.3-beta.1";
        return Err(BundleError::Field { at: "version".into(), rule });
    }
    Ok(())
}

/// Checks that everything that the bundle requires is there.
pub(super) fn extensions(required: &[String]) -> Result<(), BundleError> {
    for name in required {
        if DEPENDENCIES.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(BundleError::Dependencies { extension: shown(name) });
        }
        if !EXTENSIONS.contains(&name.as_str()) {
            return Err(BundleError::Extension { name: shown(name) });
        }
    }
    Ok(())
}

pub(super) fn images(written: Vec<WrittenImage>) -> Result<Vec<ImageEntry>, BundleError> {
    if written.is_empty() {
        let rule = "a bundle has at least one image";
        return Err(BundleError::Field { at: "invocationImages".into(), rule });
    }
    too_many("invocationImages", written.len())?;
    let mut images = Vec::with_capacity(written.len());
    for (index, image) in written.into_iter().enumerate() {
        let WrittenImage { image: reference, image_type, content_digest: digest } = image;
        let kind = image_type.unwrap_or_else(|| "oci".into());
        let field = |key, rule| {
            Err(BundleError::Field { at: format!("invocationImages[{index}].{key}"), rule })
        };
        // Both reach a command line, where a dash would begin an option.
        if !is_word(&kind) {
            return field("imageType", "it must be one word");
        }
        if !is_word(&reference) {
            return field("image", "it must be one word that does not begin with a dash");
        }
        if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return field(
                "contentDigest",
                "it must be a digest such as `sha256:` and 64 hex digits",
            );
        }
        images.push(ImageEntry { kind, reference, digest });
    }
    Ok(images)
}

pub(super) fn definitions(
    written: BTreeMap<String, Value>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, Definition>, BundleError> {
    too_many("definitions", written.len())?;
    let mut definitions = BTreeMap::new();
    for (name, schema) in written {
        misspelt_sensitive(&name, &schema, warnings);
        let definition = Definition::compile(&name, schema)?;
        let refused = definition.default().and_then(|default| definition.check(default).err());
        if let Some(ValueError::Refused { keyword, .. }) = refused {
            let name = shown(&name);
            warnings
                .push(format!("at `definitions.{name}.default`: it does not keep to `{keyword}`"));
        }
        definitions.insert(name, definition);
    }
    Ok(definitions)
}

pub(super) fn parameters(
    written: BTreeMap<String, WrittenParameter>,
    definitions: &BTreeMap<String, Definition>,
    destinations: &mut Destinations,
) -> Result<BTreeMap<String, Parameter>, BundleError> {
    names("parameters", written.keys())?;
    let mut parameters = BTreeMap::new();
    for (name, parameter) in written {
        let at = format!("parameters.{}", shown(&name));
        let definition = definition(&at, &parameter.definition, definitions)?;
        let (environment, path) = (parameter.destination.env, parameter.destination.path);
        let at = format!("{at}.destination");
        destinations.claim(&at, environment.as_deref(), path.as_deref())?;
        let parameter = Parameter {
            sensitive: definition.sensitive(),
            definition,
            required: parameter.required,
            applies_to: applies_to(parameter.apply_to),
            environment,
            path,
            source_output: None,
            description: parameter.description,
        };
        parameters.insert(name, parameter);
    }
    Ok(parameters)
}

pub(super) fn credentials(
    written: BTreeMap<String, WrittenCredential>,
    destinations: &mut Destinations,
) -> Result<BTreeMap<String, Credential>, BundleError> {
    names("credentials", written.keys())?;
    let mut credentials = BTreeMap::new();
    for (name, credential) in written {
        let WrittenCredential { description, required, apply_to, env: environment, path } =
            credential;
        let at = format!("credentials.{}", shown(&name));
        destinations.claim(&at, environment.as_deref(), path.as_deref())?;
        let applies_to = applies_to(apply_to);
        let credential = Credential { required, applies_to, environment, path, description };
        credentials.insert(name, credential);
    }
    Ok(credentials)
}

pub(super) fn outputs(
    written: BTreeMap<String, WrittenOutput>,
    definitions: &BTreeMap<String, Definition>,
) -> Result<BTreeMap<String, Output>, BundleError> {
    names("outputs", written.keys())?;
    let mut paths = OutputPaths::default();
    let mut outputs = BTreeMap::new();
    for (name, output) in written {
        let at = format!("outputs.{}", shown(&name));
        let definition = definition(&at, &output.definition, definitions)?;
        paths.claim(&format!("{at}.path"), &output.path)?;
        let output = Output {
            definition,
            applies_to: applies_to(output.apply_to),
            path: output.path,
            description: output.description,
        };
        outputs.insert(name, output);
    }
    Ok(outputs)
}

/// Sets the first source of a parameter that coffer knows.
pub(super) fn source(
    parameter_name: &str,
    written: &WrittenSources,
    parameters: &mut BTreeMap<String, Parameter>,
    outputs: &BTreeMap<String, Output>,
    warnings: &mut Vec<String>,
) -> Result<(), BundleError> {
    let at = format!("custom.{PARAMETER_SOURCES}.{}", shown(parameter_name));
    let Some(parameter) = parameters.get_mut(parameter_name) else {
        return Err(missing(&at, parameter_name, "parameters", parameters.keys()));
    };
    for kind in &written.priority {
        let Some(source) = written.sources.get(kind) else {
            let at = format!("{at}.priority");
            return Err(missing(&at, kind, "its sources", written.sources.keys()));
        };
        if kind != "output" {
            let kind = shown(kind);
            warnings.push(format!("at `{at}`: coffer has no source `{kind}`, and passes over it"));
            continue;
        }
        let at = format!("{at}.sources.output.name");
        let Some(output) = &source.name else {
            return Err(BundleError::Field { at, rule: "the output must be named" });
        };
        let Some(found) = outputs.get(output) else {
            return Err(missing(&at, output, "outputs", outputs.keys()));
        };
        // What was sensitive when it came out is so when it goes in again.
        parameter.sensitive |= found.definition.sensitive();
        parameter.source_output = Some(output.clone());
        break;
    }
    Ok(())
}

/// Checks the names of a section's entries, and how many there are.
pub(super) fn names<'a>(
    section: &'static str,
    names: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), BundleError> {
    too_many(section, names.len())?;
    for name in names {
        if let Some(rule) = name_rule(name) {
            return Err(BundleError::Field { at: format!("{section}.{}", shown(name)), rule });
        }
    }
    Ok(())
}

/// The rule that a name breaks. Names become parts of keys, and stand before the `=` on a command line.
pub(crate) fn name_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the name is empty");
    }
    if name.len() > ENTRY_NAME_BYTES_MAX {
        return Some("the name has more than 128 bytes");
    }
    let broken = |character: char| character.is_control() || matches!(character, '=' | '/' | '\\');
    if name.chars().any(broken) {
        return Some("the name has a control character, `=`, `/` or `\\`");
    }
    matches!(name, "." | "..").then_some("the name is a directory's")
}

fn definition(
    at: &str,
    name: &str,
    definitions: &BTreeMap<String, Definition>,
) -> Result<Definition, BundleError> {
    definitions.get(name).cloned().ok_or_else(|| {
        missing(&format!("{at}.definition"), name, "definitions", definitions.keys())
    })
}

fn missing<'a>(
    at: &str,
    name: &str,
    section: &'static str,
    known: impl Iterator<Item = &'a String>,
) -> BundleError {
    let nearest = nearest(name, known.map(String::as_str));
    BundleError::Missing { at: at.to_owned(), name: shown(name), section, nearest }
}

fn too_many(section: &'static str, count: usize) -> Result<(), BundleError> {
    if count > ENTRIES_MAX { Err(BundleError::TooMany { section, count }) } else { Ok(()) }
}

/// The reference runtime takes an empty list for none.
fn applies_to(written: Option<Vec<String>>) -> Option<Vec<String>> {
    written.filter(|actions| !actions.is_empty())
}

/// A misspelt `writeOnly` is the one misspelling that puts a secret into the ledger.
fn misspelt_sensitive(name: &str, schema: &Value, warnings: &mut Vec<String>) {
    super::sensitive::any(schema, &mut |schema| {
        for key in schema.keys().filter(|key| *key != "writeOnly") {
            let folded = key.to_ascii_lowercase().replace(['-', '_'], "");
            if strsim::damerau_levenshtein(&folded, "writeonly") <= 2
                || matches!(folded.as_str(), "sensitive" | "secret")
            {
                let (name, key) = (shown(name), shown(key));
                warnings.push(format!(
                    "at `definitions.{name}`: `{key}` means nothing; did you mean `writeOnly`?"
                ));
            }
        }
        false
    });
}

/// Whether a text is a version, perhaps with fewer than three numbers, as CNAB allows.
fn is_version(version: &str) -> bool {
    let version = version.strip_prefix('v').unwrap_or(version);
    let (version, build) = version.split_once('+').unwrap_or((version, "0"));
    let (numbers, before) = version.split_once('-').unwrap_or((version, "0"));
    let is_label = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    version.len() <= ENTRY_NAME_BYTES_MAX
        && numbers.split('.').count() <= 3
        && numbers.split('.').all(is_number)
        && before.split('.').all(is_label)
        && build.split('.').all(is_label)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.chars().any(|character| character.is_whitespace() || character.is_control())
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hash)| {
        !algorithm.is_empty()
            && algorithm.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && hash.len() >= DIGEST_CHARACTERS_MIN
            && hash.chars().all(|c| c.is_ascii_hexdigit())
    })
}

const SCHEMA_VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "1.2.0"];

const PARAMETER_SOURCES: &str = "io.cnab.parameter-sources";

/// The extensions that coffer has.
const EXTENSIONS: [&str; 2] = [PARAMETER_SOURCES, "sh.porter.file-parameters"];

/// How the names of the extensions for dependencies begin, in CNAB and in Porter.
const DEPENDENCIES: [&str; 2] = ["io.cnab.dependencies", "org.getporter.dependencies"];

/// Hex digits of a digest: 128 bits, the least that CNAB's image types use.
const DIGEST_CHARACTERS_MIN: usize = 32;
