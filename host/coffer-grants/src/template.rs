//! What a manifest asks for, with the settings filled in.
//!
//! A text that is `{{name}}` and nothing else becomes the setting's value, whatever its kind. Within a
//! longer text the value is inserted as text. It works on parsed values, so that a setting can not add
//! a key or an entry.
//!
//! What needs a setting that is not set is left out with the entry of a list that it is in. A key whose
//! value is `{{optional name}}` is left out alone. `{{when name value}}` is empty where the setting has
//! this value, and leaves the entry out where it has not. `{{unless name}}` is empty where the setting is not
//! set, and leaves the entry out where it is.

use crate::manifest::ManifestError;
use crate::reference::escape;
use crate::settings::{Settings, text};
use serde_json::{Map, Value};

/// Fills `asks` in. An entry of a list that needs a setting which is not set is left out.
pub(crate) fn fill(asks: &Map<String, Value>, settings: &Settings) -> Map<String, Value> {
    asks.iter().filter_map(|(key, value)| Some((key.clone(), filled(value, settings)?))).collect()
}

fn filled(value: &Value, settings: &Settings) -> Option<Value> {
    match value {
        Value::String(template) => filled_text(template, settings),
        Value::Array(items) => {
            Some(items.iter().filter_map(|item| filled(item, settings)).collect())
        }
        Value::Object(entries) => entries
            .iter()
            .filter(|(_, value)| !is_left_out(value, settings))
            .map(|(key, value)| Some((key.clone(), filled(value, settings)?)))
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}

fn is_left_out(value: &Value, settings: &Settings) -> bool {
    let pieces = value.as_str().and_then(|template| pieces(template).ok()).unwrap_or_default();
    matches!(pieces.as_slice(), [Piece::Optional(name)] if settings.value(name).is_none())
}

fn filled_text(template: &str, settings: &Settings) -> Option<Value> {
    let pieces = pieces(template).ok()?;
    if let [Piece::Setting(name) | Piece::Optional(name)] = pieces.as_slice() {
        return settings.value(name).cloned();
    }
    let mut whole = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                // `https://vault/` and `/v1` make one slash.
                if whole.ends_with('/') && text.starts_with('/') {
                    whole.pop();
                }
                whole.push_str(text);
            }
            Piece::Setting(name) | Piece::Optional(name) => {
                whole.push_str(&text(settings.value(name)?));
            }
            Piece::When(name, wanted) if text(settings.value(name)?) == wanted => {}
            Piece::When(..) => return None,
            Piece::Unless(name) if settings.value(name).is_none() => {}
            Piece::Unless(_) => return None,
        }
    }
    Some(Value::String(whole))
}

/// Checks that every setting which `value` names is declared, and is no credential.
pub(crate) fn check(value: &Value, visible: &impl Fn(&str) -> bool) -> Result<(), ManifestError> {
    match value {
        Value::String(template) => {
            for piece in pieces(template)? {
                match piece {
                    Piece::Optional(name)
                    | Piece::Setting(name)
                    | Piece::Unless(name)
                    | Piece::When(name, _)
                        if !visible(name) =>
                    {
                        return Err(ManifestError::Template(escape(name)));
                    }
                    Piece::Optional(_)
                    | Piece::Setting(_)
                    | Piece::Text(_)
                    | Piece::Unless(_)
                    | Piece::When(..) => {}
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, visible)),
        Value::Object(entries) => entries.values().try_for_each(|value| check(value, visible)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

enum Piece<'a> {
    Optional(&'a str),
    Setting(&'a str),
    Text(&'a str),
    Unless(&'a str),
    When(&'a str, &'a str),
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, ManifestError> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, tail) =
            after.split_once("}}").ok_or_else(|| ManifestError::Template(escape(template)))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let words: Vec<&str> = name.split_whitespace().collect();
        pieces.push(match words.as_slice() {
            ["optional", name] => Piece::Optional(name),
            ["unless", name] => Piece::Unless(name),
            ["when", name, value] => Piece::When(name, value),
            _ => Piece::Setting(name.trim()),
        });
        rest = tail;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}
