//! Templates in the texts of a configuration, against a reader that goes letter by letter.

use crate::said;
use coffer_bundle::config::{Config, ConfigError, TemplateError};
use coffer_host::Secret;
use coffer_host::grants::Reference;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What variables and secrets bring in. It is never read again.
const BROUGHT: &str = "${secret.x}$${%${env.Y}";

pub(crate) fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let document = json!({
        "secrets": [
            { "name": "a", "plugin": "p" },
            { "name": "b", "plugin": "p", "config": { "deep": [{ "text": text }] } },
        ],
        "default-secrets": "a",
    });
    let environment = |name: &str| (name == "SET").then(|| BROUGHT.to_owned());
    let expected = pieces(&text);
    match (Config::parse(document, &environment, None), expected) {
        (Ok(config), Ok(pieces)) => filled(&config, &pieces),
        (Err(ConfigError::Template { path, error }), Err(())) => {
            assert_eq!(path, "secrets[1].config.deep[0].text");
            said::line(&error.to_string());
            if let TemplateError::Unset { name } = error {
                assert!(text.contains(&name) && name != "SET", "{name}");
            }
        }
        (actual, expected) => panic!("{text:?}: {actual:?}, not {expected:?}"),
    }
}

fn filled(config: &Config, pieces: &[Piece]) {
    let store = config.store("b").unwrap();
    let keys: Vec<&str> = store.secrets().into_iter().collect();
    let mut expected_keys: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Secret(key) => Some(key.as_str()),
            Piece::Text(_) => None,
        })
        .collect();
    expected_keys.sort_unstable();
    expected_keys.dedup();
    assert_eq!(keys, expected_keys);
    for key in &keys {
        Reference::secret(*key).unwrap();
    }
    if !keys.is_empty() {
        said::explained(&store.fill(&BTreeMap::new()).unwrap_err());
    }
    let secrets = keys.iter().map(|key| ((*key).to_owned(), Secret::from(BROUGHT))).collect();
    let settings = store.fill(&secrets).unwrap();
    let whole: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Secret(_) => BROUGHT,
            Piece::Text(text) => text,
        })
        .collect();
    assert_eq!(Value::Object(settings), json!({ "deep": [{ "text": whole }] }));
}

#[derive(Debug)]
enum Piece {
    Secret(String),
    Text(String),
}

/// The pieces of a text, its variables filled in.
fn pieces(text: &str) -> Result<Vec<Piece>, ()> {
    let mut pieces = Vec::new();
    let letters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        if letters[at..].starts_with(&['$', '$', '{']) {
            pieces.push(Piece::Text("${".into()));
            at += 3;
        } else if letters[at..].starts_with(&['$', '{']) {
            let end = letters[at..].iter().position(|letter| *letter == '}').ok_or(())?;
            let inside: String = letters[at + 2..at + end].iter().collect();
            at += end + 1;
            if inside.starts_with('%') {
                return Err(());
            }
            let (kind, name) = inside.trim().split_once('.').ok_or(())?;
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
            if name.is_empty() || !name.chars().all(plain) {
                return Err(());
            }
            match kind {
                "env" if name == "SET" => pieces.push(Piece::Text(BROUGHT.into())),
                "secret" if Reference::secret(name).is_ok() => {
                    pieces.push(Piece::Secret(name.to_owned()));
                }
                _ => return Err(()),
            }
        } else {
            pieces.push(Piece::Text(letters[at].into()));
            at += 1;
        }
    }
    Ok(pieces)
}
