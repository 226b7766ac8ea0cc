//! Where guests are put: a host, a store with what the test grants, and the checks that hold for every
//! error whatever it is about.

use crate::way;
use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::limits::Limits;
use coffer_host::{Blame, CallError, Explain, Granted, Host, Secret, Store, StoreConfig};
use guest_artifacts::written;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The host that tests share which need nothing special of it.
pub(crate) fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| way::host().build().unwrap()).clone()
}

/// A store that is being put together: nothing granted, no setting, the usual limits.
pub(crate) struct Stage {
    host: Host,
    component: Vec<u8>,
    settings: Map<String, Value>,
    grants: Value,
    limits: Limits,
}

impl Stage {
    /// For a guest.
    pub(crate) fn of(guest: &str) -> Self {
        Self::with(guest_artifacts::guest(guest))
    }

    /// For what is written by hand under this name.
    pub(crate) fn written(name: &str) -> Self {
        Self::with(written::named(name))
    }

    /// For a component.
    pub(crate) fn with(component: Vec<u8>) -> Self {
        Self {
            host: host(),
            component,
            settings: Map::new(),
            grants: json!({}),
            limits: Limits::default(),
        }
    }

    pub(crate) fn on(self, host: Host) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn settings(self, settings: &Value) -> Self {
        Self { settings: settings.as_object().unwrap().clone(), ..self }
    }

    pub(crate) fn grants(self, grants: Value) -> Self {
        Self { grants, ..self }
    }

    pub(crate) fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(crate) fn open(self) -> Store {
        let Self { host, component, settings, grants, limits } = self;
        let plugin = way::load(&host, &component).unwrap();
        let grants: Grants = serde_json::from_value(grants).unwrap();
        let config = StoreConfig { settings, grants: Granted::Only(grants), limits };
        host.store("stage", &plugin, config).unwrap()
    }
}

/// A reference with any text for a key: what a guest is told to do.
pub(crate) fn told(key: impl Into<String>) -> Reference {
    Reference::new(Source::Value, key).unwrap()
}

pub(crate) fn secret(key: &str) -> Reference {
    Reference::secret(key).unwrap()
}

/// Asks a guest, and returns its answer as text.
pub(crate) async fn ask(store: &Store, key: impl Into<String>) -> Result<String, CallError> {
    let answer = store.resolve_one(&told(key)).await?;
    Ok(answer.expose_text().unwrap().to_owned())
}

/// An error as it should be: of this kind, blaming these, with a next step, and with nothing in it that
/// would do something to a terminal. Returns its whole text.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, CallError>, kind: &str, blame: Blame) -> String {
    let error = result.err().expect("this is refused");
    let text = explained(&error, blame);
    assert_eq!(error.cause().kind(), kind, "{text}");
    text
}

/// The text of an error, and what to do next.
#[track_caller]
pub(crate) fn explained(error: &impl Explain, blame: Blame) -> String {
    let text = format!("{error}\n{}", error.next());
    assert_eq!(error.blame(), blame, "{text}");
    assert!(!error.next().trim().is_empty(), "{text}");
    let plain = |character: char| {
        character == '\n'
            || character == ' '
            || character == '…'
            || character.is_ascii_graphic()
            || character.is_alphanumeric()
    };
    assert!(text.chars().all(plain), "{text:?}");
    // A thousand bytes of a guest's text, each written as `\u{1b}` at most, and our own words.
    assert!(text.len() < 12_000, "{} bytes", text.len());
    text
}

#[track_caller]
pub(crate) fn contains(text: &str, expected: &str) {
    assert!(text.contains(expected), "`{expected}` is not in: {text}");
}

#[track_caller]
pub(crate) fn lacks(text: &str, unexpected: &str) {
    assert!(!text.contains(unexpected), "`{unexpected}` is in: {text}");
}

/// A secret of this text.
pub(crate) fn value(text: &str) -> Secret {
    Secret::from(text)
}
