//! What is wrong with a configuration file: where, what, and what to write instead. Names are shown,
//! values never: a secret may stand anywhere in such a file.

use crate::document::DocumentError;
use crate::template::TemplateError;
use coffer_host::{Blame, Explain};

/// Why a configuration file cannot be used. Always the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The selected context is not there.
    #[error(
        "context {} not found in the configuration file; {}", quoted(context), listed(.defined, "contexts")
    )]
    ContextNotDefined {
        /// The context.
        context: String,
        /// The contexts that are there.
        defined: Vec<String>,
    },
    /// Two contexts have one name.
    #[error("two contexts are named {}", quoted(context))]
    ContextTwice {
        /// The name.
        context: String,
    },
    /// A context is selected, and the file has none.
    #[error("context {} is selected, and the configuration file has no contexts", quoted(context))]
    ContextWithoutContexts {
        /// The context.
        context: String,
    },
    /// The file has contexts, but does not say so.
    #[error("the configuration file has contexts and no `schemaVersion`")]
    ContextsWithoutVersion,
    /// A key is unknown, or a value is not of its type.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A name or a plugin is empty.
    #[error("at `{path}`: this must not be empty")]
    Empty {
        /// Where.
        path: String,
    },
    /// Settings stand beside contexts.
    #[error("`{key}` stands beside `contexts`, where it holds for none of them")]
    OutsideContext {
        /// The key.
        key: String,
    },
    /// The default store needs a secret that only it could resolve.
    #[error(
        "at `{path}`: ${{secret.{key}}} cannot be used in the settings of the default store, which is what resolves it"
    )]
    SecretInDefaultStore {
        /// Where.
        path: String,
        /// The key of the secret.
        key: String,
    },
    /// A secret was not resolved before the settings were filled in.
    #[error("at `{path}`: ${{secret.{key}}} was not resolved")]
    SecretMissing {
        /// Where.
        path: String,
        /// The key of the secret.
        key: String,
    },
    /// A secret is not UTF-8.
    #[error("at `{path}`: the value of ${{secret.{key}}} is not text")]
    SecretNotText {
        /// Where.
        path: String,
        /// The key of the secret.
        key: String,
    },
    /// A secret is asked for where none can be.
    #[error(
        "at `{path}`: ${{secret.KEY}} can be used below `config` of `secrets` and `storage` only"
    )]
    SecretOutsideSettings {
        /// Where.
        path: String,
    },
    /// `default-storage` names no entry.
    #[error("storage {} not defined; {}", quoted(name), listed(.defined, "storage"))]
    StorageNotDefined {
        /// The name.
        name: String,
        /// The names of the entries.
        defined: Vec<String>,
    },
    /// Two entries of `storage` have one name.
    #[error("two entries of `storage` are named {}", quoted(name))]
    StorageTwice {
        /// The name.
        name: String,
    },
    /// Coffer has no such storage.
    #[error("coffer has no storage plugin {}, only mongodb, postgresql and sqlite", quoted(plugin))]
    StorageUnknown {
        /// The plugin.
        plugin: String,
    },
    /// The storage is on a server, and nothing says which.
    #[error("{}", url_is_missing(path))]
    StorageUrl {
        /// Where.
        path: String,
    },
    /// `default-secrets` names no store.
    #[error("secrets {} not defined; {}", quoted(name), listed(.defined, "stores"))]
    StoreNotDefined {
        /// The name.
        name: String,
        /// The names of the stores.
        defined: Vec<String>,
    },
    /// Two stores have one name.
    #[error("two stores are named {}", quoted(name))]
    StoreTwice {
        /// The name.
        name: String,
    },
    /// A template is malformed, or its variable is not set.
    #[error("at `{path}`: {error}")]
    Template {
        /// Where.
        path: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// An environment variable overrides a key with what that cannot be.
    #[error("the environment variable {variable}: expected {expected}")]
    Variable {
        /// The variable.
        variable: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The file is of a version that coffer does not know.
    #[error("at `schemaVersion`: this is no version that coffer reads")]
    VersionUnknown,
}

impl Explain for ConfigError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }

    fn next(&self) -> String {
        match self {
            Self::ContextNotDefined { .. } => {
                "select one that is defined by `--context`, COFFER_CONTEXT or `current-context`"
                    .into()
            }
            Self::ContextTwice { .. } => "give each context its own name".into(),
            Self::ContextWithoutContexts { .. } => {
                "select none, or add `schemaVersion: \"2.0.0\"` and move the settings below \
                 `contexts: [{ name: .., config: { .. } }]`"
                    .into()
            }
            Self::ContextsWithoutVersion => "add `schemaVersion: \"2.0.0\"`".into(),
            Self::Document(_) => {
                "mend the file there; `coffer config schema` prints every key and its type".into()
            }
            Self::Empty { .. } => "give it a value".into(),
            Self::OutsideContext { key } => {
                format!("move `{key}` below the `config` of each context that needs it")
            }
            Self::SecretInDefaultStore { .. } => {
                "use ${env.NAME}, or let the host add the credential: \
                 `grants: { http: [{ .., headers: { NAME: { env: VARIABLE } } }] }`"
                    .into()
            }
            Self::SecretMissing { key, .. } => {
                format!("put a secret with the key {key} into the default store")
            }
            Self::SecretNotText { key, .. } => {
                format!("put a text with the key {key} into the default store")
            }
            Self::SecretOutsideSettings { .. } => {
                "use ${env.NAME} there, or write the value".into()
            }
            Self::StorageNotDefined { .. } => {
                "let `default-storage` name one that is defined, or add it below `storage`".into()
            }
            Self::StorageTwice { .. } | Self::StoreTwice { .. } => {
                "give each entry its own name".into()
            }
            Self::StorageUnknown { .. } => {
                "remove `default-storage` and `default-storage-plugin` to keep the ledger in \
                 SQLite, or let them name one of these"
                    .into()
            }
            Self::StorageUrl { .. } => {
                "let `default-storage` name an entry of `storage` that has `config: { url: .. }`"
                    .into()
            }
            Self::StoreNotDefined { .. } => {
                "let `default-secrets` name one that is defined, or add it below `secrets`".into()
            }
            Self::Template { error, .. } => error.next(),
            Self::Variable { variable, .. } => {
                format!("set {variable} to one of these, or unset it")
            }
            Self::VersionUnknown => "write `schemaVersion: \"2.0.0\"`".into(),
        }
    }
}

impl TemplateError {
    fn next(&self) -> String {
        match self {
            Self::Filter | Self::Form | Self::Tag | Self::Unclosed => {
                "write ${env.NAME} or ${secret.KEY}, or `$${` for `${` itself".into()
            }
            Self::Key => "use the key that the secret has in the default store".into(),
            Self::TooLong => "fill shorter variables in, or let the plugin read a file".into(),
            Self::Unset { name } => format!("set {name}, or write the value instead"),
        }
    }
}

/// Characters of a name that are shown.
const QUOTED_CHARACTERS_MAX: usize = 64;

pub(super) fn quoted(name: &str) -> String {
    let mut cut: String = name.chars().take(QUOTED_CHARACTERS_MAX).collect();
    if cut.len() < name.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// Names that are listed.
const LISTED_MAX: usize = 16;

fn listed(names: &[String], what: &str) -> String {
    if names.is_empty() {
        return format!("no {what} are defined");
    }
    let mut shown: Vec<String> = names.iter().take(LISTED_MAX).map(|name| quoted(name)).collect();
    if shown.len() < names.len() {
        shown.push("…".into());
    }
    format!("defined are {}", shown.join(", "))
}

fn url_is_missing(path: &str) -> String {
    if path.is_empty() {
        "`default-storage-plugin` names a database on a server, and nothing says where that is"
            .into()
    } else {
        format!("at `{path}`: `url` is missing")
    }
}
