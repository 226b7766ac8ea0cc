//! Templates in the texts of a configuration file: `${env.NAME}` and `${secret.KEY}`, several in one text
//! if need be, and `$${` for `${` itself.
//!
//! They stand in values that were parsed already, and what they bring in is never read again: neither an
//! environment variable nor a secret can add a key, an entry or another template.

use crate::document::shown;
use coffer_host::Secret;
use coffer_host::grants::Reference;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of all texts of one file with the variables in them: as many as a file may have.
const FILLED_BYTES_MAX: usize = crate::document::DOCUMENT_BYTES_MAX;

/// What is wrong with a template. The text around it is not shown; it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It has a filter.
    #[error("a template has a filter (`|`), and coffer has none of Porter's")]
    Filter,
    /// It is neither of the two templates that there are.
    #[error("`${{` begins a template, and only ${{env.NAME}} and ${{secret.KEY}} are templates")]
    Form,
    /// Its key cannot be a secret's.
    #[error(
        "the key in ${{secret.KEY}} is too long, begins with `/`, or has a segment `.` or `..`"
    )]
    Key,
    /// It is one of Porter's Liquid tags.
    #[error("`${{% %}}` is a Liquid tag of Porter's, and coffer has none")]
    Tag,
    /// The variables together are too long.
    #[error("with their environment variables, the texts have more than {FILLED_BYTES_MAX} bytes")]
    TooLong,
    /// The template has no end.
    #[error("`${{` begins a template, and there is no `}}` behind it")]
    Unclosed,
    /// The environment variable is not set.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// Its name.
        name: String,
    },
}

/// Where a value is in a document. Shown as `secrets[0].config.address`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Index(usize),
    Key(String),
}

impl Place {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn value_mut<'v>(&self, settings: &'v mut Map<String, Value>) -> Option<&'v mut Value> {
        let (Step::Key(first), rest) = self.0.split_first()? else { return None };
        rest.iter().try_fold(settings.get_mut(first)?, |value, step| match step {
            Step::Index(index) => value.get_mut(index),
            Step::Key(key) => value.get_mut(key),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if index == 0 => f.write_str(&shown(key))?,
                Step::Key(key) => write!(f, ".{}", shown(key))?,
            }
        }
        Ok(())
    }
}

/// A text that waits for secrets, and where it belongs.
#[derive(Clone, PartialEq)]
pub(crate) struct Pending {
    pub(crate) place: Place,
    text: Text,
}

/// Why a text did not get its secrets: the key.
pub(crate) enum Unfilled {
    Missing(String),
    NotText(String),
}

impl Pending {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.text.keys()
    }

    pub(crate) fn moved_to(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Puts the text with its secrets where it belongs below `settings`.
    pub(crate) fn fill(
        &self,
        settings: &mut Map<String, Value>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), Unfilled> {
        let mut whole = String::new();
        for piece in &self.text.pieces {
            match piece {
                Piece::Plain(text) => whole.push_str(text),
                Piece::Secret(key) => {
                    let secret = secrets.get(key).ok_or_else(|| Unfilled::Missing(key.clone()))?;
                    let text =
                        secret.expose_text().ok_or_else(|| Unfilled::NotText(key.clone()))?;
                    whole.push_str(text);
                }
            }
        }
        if let Some(value) = self.place.value_mut(settings) {
            *value = Value::String(whole);
        }
        Ok(())
    }
}

/// A text that was read, its environment variables filled in.
#[derive(Clone, PartialEq)]
struct Text {
    pieces: Vec<Piece>,
    /// Whether it is not the text that was written.
    templated: bool,
}

#[derive(Clone, PartialEq)]
enum Piece {
    Plain(String),
    Secret(String),
}

impl Text {
    fn parse(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TemplateError> {
        let mut read = Self { pieces: Vec::new(), templated: false };
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(behind) = rest.strip_prefix("$${") {
                plain.push_str("${");
                read.templated = true;
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix("${") {
                if behind.starts_with('%') {
                    return Err(TemplateError::Tag);
                }
                let (inside, behind) = behind.split_once('}').ok_or(TemplateError::Unclosed)?;
                read.templated = true;
                match Source::parse(inside.trim())? {
                    Source::Environment(name) => plain.push_str(
                        &environment(name)
                            .ok_or_else(|| TemplateError::Unset { name: name.to_owned() })?,
                    ),
                    Source::Secret(key) => {
                        read.push(std::mem::take(&mut plain));
                        read.pieces.push(Piece::Secret(key.to_owned()));
                    }
                }
                rest = behind;
            } else {
                plain.push('$');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        read.push(plain);
        Ok(read)
    }

    fn push(&mut self, plain: String) {
        if !plain.is_empty() {
            self.pieces.push(Piece::Plain(plain));
        }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Plain(_) => None,
            Piece::Secret(key) => Some(key.as_str()),
        })
    }

    /// The text without its secrets.
    fn plain(&self) -> String {
        let plain = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Plain(text) => Some(text.as_str()),
            Piece::Secret(_) => None,
        });
        plain.collect()
    }
}

/// What a template stands for.
enum Source<'t> {
    Environment(&'t str),
    Secret(&'t str),
}

impl<'t> Source<'t> {
    fn parse(inside: &'t str) -> Result<Self, TemplateError> {
        if inside.contains('|') {
            return Err(TemplateError::Filter);
        }
        let name = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
            !text.is_empty() && text.chars().all(plain)
        };
        match inside.split_once('.') {
            Some(("env", variable)) if name(variable) => Ok(Self::Environment(variable)),
            Some(("secret", key)) if name(key) => {
                Reference::secret(key).map_err(|_| TemplateError::Key)?;
                Ok(Self::Secret(key))
            }
            _ => Err(TemplateError::Form),
        }
    }
}

/// Where a template is wrong, and why.
pub(crate) type Misplaced = (Place, TemplateError);

/// Fills the environment variables into every text below the keys of `settings` that are `used`, and
/// returns the texts that wait for secrets. Those stay as they are written.
pub(crate) fn fill(
    settings: &mut Map<String, Value>,
    used: impl Fn(&str) -> bool,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Pending>, Misplaced> {
    let mut walk = Walk { environment, pending: Vec::new(), place: Place::default(), bytes: 0 };
    for (key, value) in settings.iter_mut().filter(|(key, _)| used(key)) {
        walk.step(Step::Key(key.clone()), value)?;
    }
    Ok(walk.pending)
}

struct Walk<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    pending: Vec<Pending>,
    place: Place,
    bytes: usize,
}

impl Walk<'_> {
    // As deep as a document is, and the readers of documents bound that.
    fn step(&mut self, step: Step, value: &mut Value) -> Result<(), Misplaced> {
        self.place.0.push(step);
        match value {
            Value::String(text) => self.text(text).map_err(|error| (self.place.clone(), error))?,
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.step(Step::Index(index), item)?;
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries.iter_mut() {
                    self.step(Step::Key(key.clone()), value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        self.place.0.pop();
        Ok(())
    }

    fn text(&mut self, text: &mut String) -> Result<(), TemplateError> {
        let read = Text::parse(text, self.environment)?;
        let plain = read.plain();
        self.bytes = self.bytes.saturating_add(plain.len());
        if self.bytes > FILLED_BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        if read.keys().next().is_some() {
            self.pending.push(Pending { place: self.place.clone(), text: read });
        } else {
            *text = plain;
        }
        Ok(())
    }
}

/// What a text says besides its templates, if it has any or a `$${`.
pub(crate) fn beside_templates(text: &str) -> Option<String> {
    let read = Text::parse(text, &|_| Some(String::new())).ok()?;
    read.templated.then(|| read.plain())
}

#[cfg(test)]
mod tests;
