//! Definitions: the JSON Schemas that say what a parameter or an output can be, how its value is read
//! from text, and how it is written for the bundle.

mod kind;

use super::error::BundleError;
use super::sensitive;
use crate::document::shown;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_host::{Blame, Explain};
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, ValidationError, Validator};
use kind::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A definition of a bundle. `Debug` shows nothing of it, as its default may be a secret.
#[derive(Clone)]
pub struct Definition(Arc<Inner>);

struct Inner {
    schema: Value,
    validator: Validator,
    kinds: Vec<Kind>,
    properties: BTreeSet<String>,
    file: bool,
    sensitive: bool,
}

impl Definition {
    /// Compiles the definition `name`. It can refer to parts of itself and to nothing else: nothing is
    /// fetched.
    pub(super) fn compile(name: &str, schema: Value) -> Result<Self, BundleError> {
        let wrong = |keyword: &str, place: &str| BundleError::Definition {
            name: shown(name),
            keyword: keyword.to_owned(),
            place: shown(place),
        };
        // The meta-schema of old drafts does not know this keyword, and a text would pass for false.
        let is_text = |schema: &Map<String, Value>| {
            schema.get("writeOnly").is_some_and(|value| !value.is_boolean())
        };
        if sensitive::any(&schema, &mut |schema| is_text(schema)) {
            return Err(wrong("writeOnly", ""));
        }
        // Which draft holds if the definition does not say: CNAB's own schemas are of draft 7.
        let options = jsonschema::options().offline();
        let options = match schema.get("$schema") {
            Some(_) => options,
            None => options.with_draft(Draft::Draft7),
        };
        let validator = options
            .build(&schema)
            .map_err(|error| wrong(error.kind().keyword(), error.instance_path().as_str()))?;
        let kinds = Kind::of(&schema);
        let encoded = schema.get("contentEncoding").and_then(Value::as_str) == Some("base64");
        Ok(Self(Arc::new(Inner {
            validator,
            properties: properties(&schema),
            file: encoded && kinds == [Kind::String],
            sensitive: sensitive::is(&schema),
            kinds,
            schema,
        })))
    }

    /// Whether a value of it must be kept out of everything but a store: it says `writeOnly: true`, or
    /// any schema inside it does.
    #[must_use]
    pub fn sensitive(&self) -> bool {
        self.0.sensitive
    }

    /// The value if none is given.
    #[must_use]
    pub fn default(&self) -> Option<&Value> {
        self.0.schema.get("default")
    }

    /// The types it allows, as in JSON Schema; `file` for what Porter calls so, a text with
    /// `contentEncoding: base64`. Empty if it does not say.
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        let file = self.0.file;
        self.0.kinds.iter().map(move |kind| if file { "file" } else { kind.name() })
    }

    /// What a text means: one from the command line, a secret's bytes, the content of an output.
    /// - A definition of text takes it as it is, spaces and line breaks included, if it is UTF-8. So
    ///   does a definition of several types with text among them, or of no type: nobody can tell there.
    /// - Anything else is JSON, with `true` and `false` in any case.
    /// - A file is any bytes, and is kept as base64.
    ///
    /// It is not held against the rest of the definition; [`check`](Self::check) does that.
    ///
    /// # Errors
    ///
    /// [`ValueError::Kind`] or [`ValueError::NotText`].
    pub fn read(&self, text: &[u8]) -> Result<Value, ValueError> {
        if self.0.file {
            return Ok(Value::String(BASE64.encode(text)));
        }
        let text = std::str::from_utf8(text).map_err(|_| ValueError::NotText)?;
        let kinds = &self.0.kinds;
        if kinds.is_empty() || kinds.contains(&Kind::String) {
            return Ok(Value::String(text.to_owned()));
        }
        for truth in [true, false] {
            if kinds.contains(&Kind::Boolean)
                && text.trim().eq_ignore_ascii_case(if truth { "true" } else { "false" })
            {
                return Ok(Value::Bool(truth));
            }
        }
        let value: Option<Value> = serde_json::from_str(text).ok();
        value.filter(|value| kinds.iter().any(|kind| kind.fits(value))).ok_or_else(|| {
            let expected: Vec<_> = kinds.iter().map(|kind| kind.expected()).collect();
            ValueError::Kind { expected: expected.join(" or ") }
        })
    }

    /// Whether a value keeps to the definition.
    ///
    /// # Errors
    ///
    /// [`ValueError::Refused`].
    pub fn check(&self, value: &Value) -> Result<(), ValueError> {
        // Newer drafts only note the encoding.
        if self.0.file && value.as_str().is_some_and(|text| BASE64.decode(text).is_err()) {
            let rule = Some("\"base64\"".to_owned());
            return Err(ValueError::Refused {
                keyword: "contentEncoding".into(),
                place: String::new(),
                rule,
            });
        }
        self.0.validator.validate(value).map_err(|error| self.refused(&error))
    }

    /// How a value is written into a file or a variable: text as it is, a file as its bytes, anything
    /// else as JSON without spaces. What [`read`](Self::read) makes of that is the value again. A text
    /// that should be base64 and is not, which [`check`](Self::check) refuses, is written as it is.
    #[must_use]
    pub fn bytes(&self, value: &Value) -> Zeroizing<Vec<u8>> {
        // Each buffer has its final size from the start: one that grows leaves copies behind.
        match value {
            Value::String(text) if self.0.file => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
                match BASE64.decode_vec(text, &mut bytes) {
                    Ok(()) => bytes,
                    Err(_) => Zeroizing::new(text.as_bytes().to_vec()),
                }
            }
            Value::String(text) => Zeroizing::new(text.as_bytes().to_vec()),
            value => {
                let mut length = Length(0);
                serde_json::to_writer(&mut length, value).expect("keys are text, counting works");
                let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
                serde_json::to_writer(&mut *bytes, value).expect("keys are text, memory takes it");
                bytes
            }
        }
    }

    fn refused(&self, error: &ValidationError<'_>) -> ValueError {
        let keyword = match error.kind() {
            // No keyword, but the schema that allows nothing.
            ValidationErrorKind::FalseSchema => "false",
            kind => kind.keyword(),
        };
        let rule = match error.kind() {
            ValidationErrorKind::Required { property } => Some(property.to_string()),
            _ if SHOWN.contains(&keyword)
                || (SHOWN_IF_PLAIN.contains(&keyword) && !self.0.sensitive) =>
            {
                self.0.schema.pointer(error.schema_path().as_str()).map(Value::to_string)
            }
            _ => None,
        };
        ValueError::Refused {
            keyword: keyword.to_owned(),
            place: self.place(error.instance_path()),
            rule: rule.as_deref().map(shown_json),
        }
    }

    /// Where in a value, as `users[0].name`. A key that the definition does not name is part of the
    /// value, so it is not shown.
    fn place(&self, location: &Location) -> String {
        let mut place = String::new();
        for segment in location.iter() {
            match segment {
                LocationSegment::Index(index) => {
                    write!(place, "[{index}]").expect("a text takes any text");
                }
                LocationSegment::Property(key) => {
                    let known = self.0.properties.contains(&*key);
                    let dot = if place.is_empty() { "" } else { "." };
                    place.push_str(dot);
                    place.push_str(&if known { shown(&key) } else { "*".to_owned() });
                }
            }
        }
        place
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Definition")
    }
}

/// Why a value cannot be that of a parameter or an output. The value is not shown, nor is a list that it
/// should be in if the definition is sensitive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text is of another type.
    #[error("the text must be {expected}")]
    Kind {
        /// What it must be.
        expected: String,
    },
    /// The bytes are no text.
    #[error("the value must be text in UTF-8")]
    NotText,
    /// The value does not keep to the definition.
    #[error("the value{} does not keep to `{keyword}`{}", at(place), says(rule.as_deref()))]
    Refused {
        /// The keyword of the definition.
        keyword: String,
        /// Where in the value, as `users[0].name`; empty for the whole.
        place: String,
        /// What the definition says there, cut, if that can be shown.
        rule: Option<String>,
    },
}

impl Explain for ValueError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        "give a value that the bundle's definition allows".into()
    }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" at `{place}`") }
}

fn says(rule: Option<&str>) -> String {
    rule.map_or_else(String::new, |rule| format!(" ({rule})"))
}

/// JSON, cut, with its quotation marks as they are.
fn shown_json(json: &str) -> String {
    let mut shown = String::new();
    for character in json.chars().take(RULE_CHARACTERS_MAX) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            character => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// Every name of a property that the definition itself uses.
fn properties(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    sensitive::any(schema, &mut |schema| {
        let declared = schema.get("properties").and_then(Value::as_object);
        names.extend(declared.into_iter().flat_map(Map::keys).cloned());
        false
    });
    names
}

struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Characters of a rule that are quoted in a message.
const RULE_CHARACTERS_MAX: usize = 120;

/// Keywords whose value says what is wrong without saying what would be right.
const SHOWN: [&str; 16] = [
    "contentEncoding",
    "contentMediaType",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "type",
    "uniqueItems",
];

/// Keywords whose value may be the secret, or nearly.
const SHOWN_IF_PLAIN: [&str; 3] = ["const", "enum", "pattern"];

#[cfg(test)]
mod tests;
