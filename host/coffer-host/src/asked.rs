//! What an instance is asked and what it answers, in a form that can cross to another process and back.

use crate::bindings::coffer::secrets::types as wit;
use crate::secret::Bytes;
use coffer_grants::Verb;
use serde::{Deserialize, Serialize};

/// One call of a plugin's export.
#[derive(Serialize, Deserialize)]
pub(crate) enum Asked {
    Delete { key: String },
    List { prefix: String, cursor: Option<String> },
    Put { key: String, value: Bytes, replace: bool },
    Resolve { references: Vec<wit::Reference> },
}

impl Asked {
    pub(crate) fn verb(&self) -> Verb {
        match self {
            Self::Delete { .. } => Verb::Delete,
            Self::List { .. } => Verb::List,
            Self::Put { .. } => Verb::Put,
            Self::Resolve { .. } => Verb::Resolve,
        }
    }
}

/// What an instance is asked and given, besides what its store has.
#[derive(Serialize, Deserialize)]
pub(crate) struct ToInstance {
    pub(crate) asked: Asked,
    pub(crate) variables: Vec<(String, Bytes)>,
    pub(crate) crossing_bytes: usize,
    /// HTTP requests that it may have made.
    pub(crate) requests_max: usize,
}

/// What the plugin said. Nothing of it is checked yet.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answered {
    Delete(Result<(), wit::Error>),
    List(Result<Page, wit::Error>),
    Put(Result<(), wit::Error>),
    Resolve(Vec<Result<Given, wit::Error>>),
}

impl Answered {
    /// What its errors say.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let errors: Vec<&wit::Error> = match self {
            Self::Delete(done) | Self::Put(done) => done.as_ref().err().into_iter().collect(),
            Self::List(page) => page.as_ref().err().into_iter().collect(),
            Self::Resolve(answers) => {
                answers.iter().filter_map(|answer| answer.as_ref().err()).collect()
            }
        };
        errors.into_iter().filter_map(text_of).collect()
    }
}

fn text_of(error: &wit::Error) -> Option<&str> {
    use wit::Error as E;
    match error {
        E::InvalidReference(text) | E::Other(text) | E::Unsupported(text) => Some(text),
        E::AccessDenied
        | E::Conflict
        | E::NotFound
        | E::TooLarge(_)
        | E::Unauthenticated
        | E::Unavailable(_) => None,
    }
}

/// A part of a listing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) next: Option<String>,
}

/// What the plugin gave for a reference.
#[derive(Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) value: Bytes,
    pub(crate) version: Option<String>,
    pub(crate) expires_at: Option<u64>,
}

impl From<wit::Secret> for Given {
    fn from(secret: wit::Secret) -> Self {
        let wit::Secret { value, version, expires_at } = secret;
        Self { value: Bytes::new(value), version, expires_at }
    }
}
