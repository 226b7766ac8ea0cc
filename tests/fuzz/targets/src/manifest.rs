//! Manifests, and settings for them: JSON, perhaps a line `---`, and JSON of the settings.

use crate::said::{self, CANARY};
use coffer_host::grants::{Grants, Manifest, Settings};
use serde_json::{Map, Value};

pub(crate) fn manifest(data: &[u8]) {
    if said::has_canary(data) {
        return;
    }
    let separator = b"\n---\n";
    let cut = data.windows(separator.len()).position(|window| window == separator);
    let (json, settings) = match cut {
        Some(cut) => (&data[..cut], &data[cut + separator.len()..]),
        None => (data, &b"{}"[..]),
    };
    let manifest = match Manifest::parse(json) {
        Ok(manifest) => manifest,
        Err(error) => return said::line(&error.to_string()),
    };
    for text in [manifest.name(), manifest.version(), manifest.description()] {
        assert!((1..=1024).contains(&text.len()), "{text}");
        said::line(text);
    }
    for (name, setting, _) in manifest.settings() {
        said::line(name);
        said::line(&setting.description);
    }
    // No template can name a credential, so what is asked for is the same whatever it is.
    let Ok(given) = serde_json::from_slice::<Map<String, Value>>(settings) else { return };
    let Some(settings) = checked(&manifest, &given) else { return };
    let credentials: Vec<&str> = manifest
        .settings()
        .filter(|(_, setting, _)| setting.credential)
        .map(|(name, ..)| name)
        .collect();
    for name in &credentials {
        assert!(settings.visible().all(|(visible, _)| visible != *name), "{name}");
        assert!(settings.value(name).is_none(), "{name}");
    }
    let asked = manifest.asked_json(&settings);
    match manifest.asked(&settings) {
        Ok(grants) => prints_the_same(&grants),
        Err(error) => said::line(&error.to_string()),
    }
    // With another text for each credential nothing else is asked for, and nothing shows it.
    let mut planted = given;
    for name in &credentials {
        if settings.credential(name).is_some() {
            planted.insert((*name).to_owned(), CANARY.into());
        }
    }
    if let Some(settings) = checked(&manifest, &planted) {
        let again = manifest.asked_json(&settings);
        assert_eq!(again, asked);
        said::lacks_canary(&Value::Object(again).to_string());
        said::lacks_canary(&format!("{settings:?} {:?}", settings.visible().collect::<Vec<_>>()));
    }
    // Whatever an operator puts into a text, an error does not show it.
    for value in planted.values_mut().filter(|value| value.is_string()) {
        *value = CANARY.into();
    }
    if let Some(settings) = checked(&manifest, &planted)
        && let Err(error) = manifest.asked(&settings)
    {
        said::lacks_canary(&error.to_string());
    }
}

fn checked(manifest: &Manifest, given: &Map<String, Value>) -> Option<Settings> {
    match manifest.check_settings(given) {
        Ok(settings) => Some(settings),
        Err(error) => {
            said::line(&error.to_string());
            said::lacks_canary(&format!("{error} {error:?}"));
            None
        }
    }
}

fn prints_the_same(grants: &Grants) {
    let shown = grants.to_json();
    let read: Grants =
        serde_json::from_value(shown.clone()).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(read.to_json(), shown);
    assert_eq!(read.http_grants(), grants.http_grants());
    assert_eq!(read.is_empty(), grants.is_empty());
}
