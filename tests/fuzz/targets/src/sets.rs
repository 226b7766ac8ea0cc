//! Parameter sets and credential sets.

use crate::said::{self, CANARY};
use coffer_bundle::document::{self, Format};
use coffer_bundle::sets::{Set, SetKind};
use coffer_host::Explain;
use coffer_host::grants::Source;
use serde_json::Value;

pub(crate) fn sets(data: &[u8]) {
    if said::has_canary(data) {
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(mut document) = document::read(text, Format::Yaml) else { return };
    for kind in [SetKind::Credentials, SetKind::Parameters] {
        if let Some(set) = parsed(kind, &document) {
            checked(kind, &set);
        }
    }
    // Every key is a secret that was pasted there.
    for entries in ["credentials", "parameters"] {
        let Some(entries) = document.get_mut(entries).and_then(Value::as_array_mut) else {
            continue;
        };
        for source in entries.iter_mut().filter_map(|entry| entry.get_mut("source")) {
            if let Some(source) = source.as_object_mut() {
                source.values_mut().for_each(|key| *key = format!("/{CANARY}=\n").into());
            }
        }
    }
    for kind in [SetKind::Credentials, SetKind::Parameters] {
        if let Some(set) = parsed(kind, &document) {
            said::lacks_canary(&format!("{set:?} {}", set.to_document()));
        }
    }
}

fn parsed(kind: SetKind, document: &Value) -> Option<Set> {
    match Set::parse(kind, document.clone()) {
        Ok(set) => Some(set),
        Err(error) => {
            said::line(&error.to_string());
            said::explained(&error);
            assert!(!error.next().is_empty());
            None
        }
    }
}

fn checked(kind: SetKind, set: &Set) {
    assert_eq!(set.kind, kind);
    assert!(set.entries.len() <= coffer_bundle::sets::ENTRIES_MAX);
    said::line(set.name.as_str());
    for entry in &set.entries {
        assert!(!entry.name.is_empty() && !entry.name.contains(['=', '/', '\\']), "{entry:?}");
        assert!(entry.store.is_none() || entry.reference.source() == Source::Secret);
    }
    let document = set.to_document();
    let again = parsed(kind, &document).unwrap_or_else(|| panic!("{document} is refused"));
    assert_eq!(again.to_document(), document);
    if set.entries.iter().all(|entry| entry.reference.source() != Source::Value) {
        assert_eq!(&again, set);
    }
}
