//! Files that people write, in YAML, TOML or JSON, read into one kind of value. What goes wrong is said by
//! place and by what was expected, never by quoting: any file may hold a secret in the wrong place.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Bytes of a file that people write. A thousand stores are 300 KB.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// The language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// YAML. Every JSON text is one.
    Yaml,
}

impl Format {
    /// The language of a file of this name; YAML unless its extension says otherwise.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            _ => Self::Yaml,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }
}

/// What is wrong with a file. Nothing of its content is shown but keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It has the right language and says something that it cannot.
    #[error("{}{expected}{}", at_path(path), did_you_mean(nearest.as_deref()))]
    Meaning {
        /// Where, as `secrets[0].grants`; empty for the whole.
        path: String,
        /// What was expected there.
        expected: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// It is not text of the language.
    #[error("it is not {language}: line {line}, column {column}")]
    Syntax {
        /// The language that was expected.
        language: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is too long.
    #[error("it has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} are read")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

/// Reads a text as a value.
///
/// # Errors
///
/// [`DocumentError::Syntax`] or [`DocumentError::TooLong`].
pub fn read(text: &str, format: Format) -> Result<Value, DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLong { bytes: text.len() });
    }
    let syntax = |line, column| DocumentError::Syntax { language: format.name(), line, column };
    match format {
        Format::Json => {
            serde_json::from_str(text).map_err(|error| syntax(error.line(), error.column()))
        }
        Format::Toml => toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            let line = before.matches('\n').count() + 1;
            syntax(line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
        }),
        Format::Yaml if text.trim().is_empty() => Ok(Value::Null),
        Format::Yaml => {
            let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let (line, column) = error.location().map_or((1, 1), |location| {
                    (location.line() as usize, location.column() as usize)
                });
                syntax(line, column)
            })
        }
    }
}

/// Reads a value as a `T`.
///
/// # Errors
///
/// [`DocumentError::Meaning`].
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T, DocumentError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = place(error.path());
        let (expected, nearest) = without_content(&error.inner().to_string());
        DocumentError::Meaning { path, expected, nearest }
    })
}

/// Where something is, with keys that are fit for a message.
fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                place.push_str(if place.is_empty() { "" } else { "." });
                place.push_str(&shown(key));
            }
            Segment::Unknown => place.push('?'),
        }
    }
    place
}

/// What serde says, without the value that it quotes, and the key that was probably meant.
fn without_content(message: &str) -> (String, Option<String>) {
    for (prefix, what) in
        [("unknown field `", "there is no key"), ("unknown variant `", "there is no choice")]
    {
        if let Some(rest) = message.strip_prefix(prefix) {
            let Some((name, expected)) = rest.split_once("`, ") else { continue };
            let known: Vec<&str> =
                expected.split('`').skip(1).step_by(2).filter(|name| !name.is_empty()).collect();
            let nearest = nearest(name, known.iter().copied());
            // An unknown key is shown so that it can be found; an unknown choice may be a value.
            let what = if what == "there is no key" {
                format!("{what} `{}`", shown(name))
            } else {
                format!("{what} like this, only {}", known.join(", "))
            };
            return (what, nearest);
        }
    }
    for prefix in ["invalid type: ", "invalid value: ", "invalid length "] {
        if message.starts_with(prefix) {
            let expected = message.rsplit_once("expected ").map_or("something else", |(_, e)| e);
            return (format!("expected {expected}"), None);
        }
    }
    // `missing field`, `duplicate field`, and what our own types say; none of those quote a value.
    (message.to_owned(), None)
}

/// The known name that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(3) / 2)
        .min()
        .map(|(_, known)| known.to_owned())
}

/// A name, escaped and cut, so that it can stand in a message.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("at `{path}`: ") }
}

pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only how it is read matters")]
    struct Example {
        default_secrets: Option<String>,
        count: Option<u32>,
        list: Option<Vec<Example>>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Env,
        Path,
    }

    fn check(text: &str, format: Format, expected: &str) {
        let error = read(text, format).and_then(parse::<Example>).unwrap_err().to_string();
        assert_eq!(error, expected, "{text}");
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn errors_say_where_and_what_but_quote_no_value() {
        check("{", Format::Json, "it is not JSON: line 1, column 1");
        check("{\"count\": canary", Format::Json, "it is not JSON: line 1, column 11");
        check("a = 1\nb = canary", Format::Toml, "it is not TOML: line 2, column 5");
        check("a: \"canary", Format::Yaml, "it is not YAML: line 1, column 4");
        check("count: canary", Format::Yaml, "at `count`: expected u32");
        check("list:\n- count: -1", Format::Yaml, "at `list[0].count`: expected u32");
        check("canary", Format::Yaml, "expected struct Example");
        check(
            "default-secret: canary",
            Format::Yaml,
            "at `default-secret`: there is no key `default-secret`; did you mean `default-secrets`?",
        );
        check("zzzzzzzzzz: canary", Format::Yaml, "at `zzzzzzzzzz`: there is no key `zzzzzzzzzz`");
        check(
            "{\"list\": [{\"\\u001b[2J\": 1}]}",
            Format::Json,
            "at `list[0].\\u{1b}[2J`: there is no key `\\u{1b}[2J`",
        );
        let long = "k".repeat(64);
        check(
            &format!("{long}more: 1"),
            Format::Yaml,
            &format!("at `{long}`: there is no key `{long}`"),
        );
        check(
            "kind: canary",
            Format::Yaml,
            "at `kind`: there is no choice like this, only env, path",
        );
    }

    #[test]
    fn the_three_languages_say_the_same() {
        let yaml = read("a: [1, {b: 'x'}]\nc: true\nd: null", Format::Yaml).unwrap();
        let json = read(r#"{"a":[1,{"b":"x"}],"c":true,"d":null}"#, Format::Json).unwrap();
        assert_eq!(yaml, json);
        let toml = read("c = true\na = [1, { b = 'x' }]", Format::Toml).unwrap();
        assert_eq!(toml["a"], json["a"]);
        assert_eq!(read("", Format::Yaml), Ok(Value::Null));
        // The Norway problem: only `true` and `false` are truth values.
        assert_eq!(read("a: no", Format::Yaml).unwrap()["a"], "no");
    }

    #[test]
    fn a_text_that_is_too_long_is_not_read() {
        let text = " ".repeat(DOCUMENT_BYTES_MAX + 1);
        assert!(matches!(read(&text, Format::Yaml), Err(DocumentError::TooLong { .. })));
    }
}
