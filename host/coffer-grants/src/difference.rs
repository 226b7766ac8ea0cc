//! What a version of a plugin can do, imports and asks for that another did not. All of it is the plugin author's
//! word, compared before any of it is granted or runs; wider is what an operator has to agree to.

use crate::grants::Grants;
use crate::manifest::Manifest;
use crate::reference::escape;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A version of a plugin, as its file says.
#[derive(Clone, Copy, Debug)]
pub struct Edition<'a> {
    /// What it says of itself and asks for.
    pub manifest: &'a Manifest,
    /// The names of its imports, with their versions.
    pub imports: &'a [String],
    /// The names of its exports, with their versions.
    pub exports: &'a [String],
}

/// What is different between two versions of a plugin, each in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the later one can do, reach or see that the earlier one could not, or what cannot be told.
    pub wider: Vec<String>,
    /// What the earlier one could and the later one cannot.
    pub narrower: Vec<String>,
    /// What is neither.
    pub other: Vec<String>,
}

impl Edition<'_> {
    /// What is different since `earlier`, for a store with `settings`; they are not known where they have a secret in
    /// them.
    #[must_use]
    pub fn since(
        &self,
        earlier: &Edition<'_>,
        settings: Option<&Map<String, Value>>,
    ) -> Difference {
        let mut difference = Difference::default();
        let (now, before) = (interfaces(self.imports), interfaces(earlier.imports));
        let import = |name: &&&str| format!("it imports {}", escape(name));
        difference.wider.extend(now.difference(&before).map(|name| import(&name)));
        let gone =
            before.difference(&now).map(|name| format!("it no longer imports {}", escape(name)));
        difference.narrower.extend(gone);
        let (now, before) = (interfaces(self.exports), interfaces(earlier.exports));
        difference
            .wider
            .extend(now.difference(&before).map(|name| format!("it can {}", verbs(name))));
        let gone = before.difference(&now).map(|name| format!("it can no longer {}", verbs(name)));
        difference.narrower.extend(gone);
        let shown = self.settings_since(earlier, &mut difference);
        // A credential that is shown to the plugin could be a part of what it asks for, and so of these texts.
        match settings.filter(|_| !shown) {
            Some(settings) => self.asks_since(earlier, settings, &mut difference),
            None if self.manifest.asks() == earlier.manifest.asks()
                && self.manifest.declares_as(earlier.manifest) => {}
            None => difference.wider.push(
                "its settings or what it asks for are others, and cannot be compared, because settings of the store \
                 are secrets"
                    .into(),
            ),
        }
        difference
    }

    /// A credential stays in the host, by whatever name an operator gave it, and the plugin is shown anything else. Says
    /// whether one became the other.
    fn settings_since(&self, earlier: &Edition<'_>, difference: &mut Difference) -> bool {
        let mut shown = false;
        let (now, before) = (names(self.manifest), names(earlier.manifest));
        for (name, credential) in &now {
            match before.iter().find(|(other, _)| other == name) {
                Some((_, true)) if !credential => {
                    shown = true;
                    difference.wider.push(format!(
                        "it is shown the setting {}, which was a credential that stays in the host",
                        escape(name)
                    ));
                }
                Some(_) => {}
                None => difference.other.push(format!("it has the setting {}", escape(name))),
            }
        }
        for (name, _) in
            before.iter().filter(|(name, _)| now.iter().all(|(other, _)| other != name))
        {
            difference.other.push(format!("it no longer has the setting {}", escape(name)));
        }
        shown
    }

    fn asks_since(
        &self,
        earlier: &Edition<'_>,
        settings: &Map<String, Value>,
        difference: &mut Difference,
    ) {
        // What the earlier one asked for and nobody can tell was agreed to by nobody.
        let before = asked(earlier.manifest, settings).unwrap_or_default();
        match asked(self.manifest, settings) {
            Ok(now) => {
                let more = now.surplus(&before).into_iter();
                difference.wider.extend(more.map(|what| format!("it asks for {what}")));
                let less = before.surplus(&now).into_iter();
                difference
                    .narrower
                    .extend(less.map(|what| format!("it no longer asks for {what}")));
            }
            Err(why) => difference.wider.push(format!(
                "what it asks for cannot be told with the settings of the store: {why}"
            )),
        }
    }
}

fn asked(manifest: &Manifest, settings: &Map<String, Value>) -> Result<Grants, String> {
    let settings = manifest.check_settings(settings).map_err(|error| error.to_string())?;
    manifest.asked(&settings).map_err(|error| error.to_string())
}

/// Names without versions: which of those the host offers it decides, and each needs the same grants.
fn interfaces(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(|name| name.split_once('@').map_or(name.as_str(), |(name, _)| name)).collect()
}

fn verbs(interface: &str) -> String {
    match interface {
        "coffer:secrets/lister" => "list keys".into(),
        "coffer:secrets/resolver" => "resolve secrets".into(),
        "coffer:secrets/writer" => "keep and delete secrets".into(),
        other => format!("be called by {}", escape(other)),
    }
}

/// Every name under which an operator can write a setting, and whether it is a credential.
fn names(manifest: &Manifest) -> Vec<(&str, bool)> {
    let mut names = Vec::new();
    for (name, setting, _) in manifest.settings() {
        names.push((name, setting.credential));
        names.extend(setting.aliases.iter().map(|alias| (alias.as_str(), setting.credential)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RESOLVER: &str = "coffer:secrets/resolver@0.1.0";

    struct Version {
        manifest: Manifest,
        imports: Vec<String>,
        exports: Vec<String>,
    }

    impl Version {
        fn new(properties: &Value, asks: &Value) -> Self {
            let json = json!({
                "name": "p", "version": "1", "description": "d", "asks": asks,
                "settings": { "type": "object", "properties": properties },
            });
            let manifest = Manifest::parse(json.to_string().as_bytes()).unwrap();
            Self { manifest, imports: Vec::new(), exports: vec![RESOLVER.into()] }
        }

        fn importing(names: &[&str], exports: &[&str]) -> Self {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let plain = Self::new(&json!({}), &json!({}));
            Self { imports: owned(names), exports: owned(exports), ..plain }
        }

        fn edition(&self) -> Edition<'_> {
            let Self { manifest, imports, exports } = self;
            Edition { manifest, imports, exports }
        }
    }

    #[track_caller]
    fn check(before: &Version, now: &Version, settings: &Value, wider: &[&str], narrower: &[&str]) {
        let difference = now.edition().since(&before.edition(), settings.as_object());
        assert_eq!(difference.wider, wider);
        assert_eq!(difference.narrower, narrower);
    }

    #[test]
    fn what_is_imported_and_exported_is_compared_without_versions() {
        let none = json!({});
        let old = Version::importing(&["coffer:host/http@0.1.0"], &[RESOLVER]);
        let new = Version::importing(
            &["coffer:host/http@0.1.1", "coffer:host/commands@0.1.0"],
            &[RESOLVER, "coffer:secrets/writer@0.1.0", "a:b/c\u{202e}"],
        );
        check(
            &old,
            &new,
            &none,
            &[
                "it imports coffer:host/commands",
                "it can be called by a:b/c\\u{202e}",
                "it can keep and delete secrets",
            ],
            &[],
        );
        check(
            &new,
            &old,
            &none,
            &[],
            &[
                "it no longer imports coffer:host/commands",
                "it can no longer be called by a:b/c\\u{202e}",
                "it can no longer keep and delete secrets",
            ],
        );
        check(&old, &old, &none, &[], &[]);
    }

    #[test]
    fn what_is_asked_for_is_compared_with_the_settings_of_the_store() {
        let text = json!({ "address": { "type": "string" } });
        let asks = |url: &str| json!({ "http": [{ "url": url, "methods": ["GET"] }] });
        let old = Version::new(&text, &asks("{{address}}/v1/**"));
        let same = Version::new(&text, &asks("https://a.example/v1/x"));
        let new = Version::new(&text, &asks("{{address}}/**"));
        let settings = json!({ "address": "https://a.example" });
        check(
            &old,
            &same,
            &settings,
            &[],
            &["it no longer asks for GET requests to https://a.example/v1/**"],
        );
        check(&old, &new, &settings, &["it asks for GET requests to https://a.example/**"], &[]);
        let other = json!({ "address": "https://b.example" });
        let asked = "it asks for GET requests to https://a.example/v1/x";
        let gone = "it no longer asks for GET requests to https://b.example/v1/**";
        check(&old, &same, &other, &[asked], &[gone]);
        // A default that is another counts where it is in effect.
        let with = |address: &str| json!({ "address": { "type": "string", "default": address } });
        let old = Version::new(&with("https://a.example"), &asks("{{address}}/v1/**"));
        let new = Version::new(&with("https://evil.example"), &asks("{{address}}/v1/**"));
        let gone = "it no longer asks for GET requests to https://a.example/v1/**";
        check(
            &old,
            &new,
            &json!({}),
            &["it asks for GET requests to https://evil.example/v1/**"],
            &[gone],
        );
        check(&old, &new, &settings, &[], &[]);
    }

    #[test]
    fn what_cannot_be_told_is_wider() {
        let text = json!({ "address": { "type": "string" } });
        let asks = |url: &str| json!({ "http": [{ "url": url, "methods": ["GET"] }] });
        let old = Version::new(&text, &asks("https://a.example/**"));
        let new = Version::new(&json!({}), &asks("https://a.example/**"));
        let found = new.edition().since(&old.edition(), json!({ "address": "x" }).as_object());
        assert_eq!(found.wider.len(), 1, "{found:?}");
        assert!(
            found.wider[0].contains("cannot be told") && found.wider[0].contains("address"),
            "{found:?}"
        );
        // What the settings are is not known.
        assert_eq!(old.edition().since(&old.edition(), None), Difference::default());
        for other in [&new, &Version::new(&text, &asks("https://a.example/x"))] {
            let found = other.edition().since(&old.edition(), None);
            assert!(
                found.wider.iter().any(|wider| wider.contains("cannot be compared")),
                "{found:?}"
            );
        }
        let with = |address: &str| json!({ "address": { "type": "string", "default": address } });
        let (old, new) = (
            Version::new(&with("https://a"), &json!({})),
            Version::new(&with("https://b"), &json!({})),
        );
        assert_eq!(new.edition().since(&old.edition(), None).wider.len(), 1);
    }

    #[test]
    fn a_credential_that_would_be_shown_is_wider_by_whatever_name() {
        let token =
            |credential: bool| json!({ "token": { "type": "string", "credential": credential } });
        let none = json!({});
        let (kept, shown) = (Version::new(&token(true), &none), Version::new(&token(false), &none));
        let told = "it is shown the setting token, which was a credential that stays in the host";
        let untold = "its settings or what it asks for are others, and cannot be compared, because settings of the store \
                      are secrets";
        check(&kept, &shown, &none, &[told, untold], &[]);
        check(&shown, &kept, &none, &[], &[]);
        let alias = json!({ "other": { "type": "string", "aliases": ["token"] } });
        check(&kept, &Version::new(&alias, &none), &none, &[told, untold], &[]);
        let alias =
            json!({ "key": { "type": "string", "credential": true, "aliases": ["token"] } });
        check(&Version::new(&alias, &none), &shown, &none, &[told, untold], &[]);
        // The value is in no text of this, where the new version asks for it to be.
        let asks =
            json!({ "http": [{ "url": "https://evil.example/{{token}}", "methods": ["GET"] }] });
        let asking = Version::new(&token(false), &asks);
        let found =
            asking.edition().since(&kept.edition(), json!({ "token": "hunter2" }).as_object());
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let found = shown.edition().since(&Version::new(&none, &none).edition(), None);
        assert_eq!(found.other, ["it has the setting token"]);
    }
}
