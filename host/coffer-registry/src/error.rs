//! What can go wrong with a registry, a key, an archive or what was kept. No credential and no text of a registry's
//! own is in any of it, except the code of a refusal.

use crate::digest::Digest;
use crate::reference::OciReference;
use coffer_host::carrier::CarrierError;
use coffer_host::{Blame, Explain, LoadError};
use std::io;
use std::path::PathBuf;

/// Why an artifact was not published, pulled, signed, verified or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// An archive is none that can be read.
    #[error("the archive cannot be loaded: {why}")]
    Archive {
        /// What is wrong.
        why: String,
    },
    /// What was kept cannot be read or written.
    #[error("cannot use what is kept of registries in {}: {source}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The certificate authorities that the configuration names.
    #[error("the registry {registry} cannot be asked: {why}")]
    Authorities {
        /// The registry.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// Docker's credentials.
    #[error("the credentials for {registry} cannot be had: {why}")]
    Credentials {
        /// The registry.
        registry: String,
        /// What is wrong, without what is in it.
        why: String,
    },
    /// The registry does not allow it.
    #[error("the registry {registry} does not allow to {what}{}", coded(.code.as_deref()))]
    Denied {
        /// The registry.
        registry: String,
        /// What was asked.
        what: String,
        /// The code that it gave.
        code: Option<String>,
    },
    /// A file of keys.
    #[error("the key {} cannot be used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is something else.
    #[error("{reference} is no plugin or bundle that coffer can use: {why}")]
    Kind {
        /// What was asked for.
        reference: OciReference,
        /// What is wrong.
        why: &'static str,
    },
    /// What a registry gave is not in the form of a manifest.
    #[error("{reference} cannot be used: {why}")]
    Malformed {
        /// What was asked for.
        reference: OciReference,
        /// What is wrong.
        why: &'static str,
    },
    /// The tag leads to something else than the digest beside it.
    #[error("the tag of {reference} was moved: it leads to {now} now")]
    Moved {
        /// What was asked for.
        reference: OciReference,
        /// The digest of what the tag leads to.
        now: Digest,
    },
    /// There is no such artifact.
    #[error("the registry {registry} has nothing to {what}{}", coded(.code.as_deref()))]
    NotFound {
        /// The registry.
        registry: String,
        /// What was asked.
        what: String,
        /// The code that it gave.
        code: Option<String>,
    },
    /// It is not signed.
    #[error("{reference} has no signature, and {} is required to have signed it", keys.display())]
    NotSigned {
        /// What was asked for.
        reference: OciReference,
        /// The file of keys.
        keys: PathBuf,
    },
    /// What is published is no plugin.
    #[error("this is no plugin that could be published: {0}")]
    Plugin(LoadError),
    /// A pattern of the configuration.
    #[error("`{pattern}` is no pattern of registries: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A reference.
    #[error("`{}` is no reference: {why}", reference.escape_debug())]
    Reference {
        /// The text.
        reference: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The registry sends coffer elsewhere.
    #[error("the registry {registry} leads where coffer does not follow: {why}")]
    Redirect {
        /// The registry.
        registry: String,
        /// Where, in words.
        why: &'static str,
    },
    /// The registry answers with something that is not in its protocol.
    #[error("the registry {registry} did not {what}: it answered {status}{}", coded(.code.as_deref()))]
    Refused {
        /// The registry.
        registry: String,
        /// What was asked.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// The code that it gave.
        code: Option<String>,
    },
    /// A signature that is good, of something else.
    #[error(
        "the signature of {reference} by {} is for something else: it was made for {signed}", keys.display()
    )]
    SignedOther {
        /// What was asked for.
        reference: OciReference,
        /// The file of keys.
        keys: PathBuf,
        /// What it was made for.
        signed: Digest,
    },
    /// Its bytes are not those that were asked for.
    #[error(
        "{what} of {reference} was tampered with: it should have the digest {expected} and has {actual}"
    )]
    Tampered {
        /// What was asked for.
        reference: OciReference,
        /// The manifest, or a blob.
        what: &'static str,
        /// Its digest.
        expected: Digest,
        /// That of what came.
        actual: Digest,
    },
    /// It is larger than coffer takes, or than was said.
    #[error("{what} of {reference} is too large: coffer takes {bytes_max} bytes")]
    TooLarge {
        /// What was asked for.
        reference: OciReference,
        /// The manifest, or a blob.
        what: &'static str,
        /// The most that it may have.
        bytes_max: u64,
    },
    /// The registry takes no request without credentials, or not these.
    #[error(
        "the registry {registry} {}", if *given { "does not take the credentials that Docker's configuration has for it" }
        else { "asks for credentials, and Docker's configuration has none for it" }
    )]
    Unauthenticated {
        /// The registry.
        registry: String,
        /// Whether there were credentials.
        given: bool,
    },
    /// The registry cannot be asked now.
    #[error("the registry {registry} cannot be asked: {source}")]
    Unavailable {
        /// The registry.
        registry: String,
        /// Why.
        source: CarrierError,
    },
    /// A store's plugin is named by a tag alone.
    #[error("{reference} names no digest, so what it leads to can change{}", pinned(.now.as_deref()))]
    Unpinned {
        /// What stands in the configuration.
        reference: OciReference,
        /// What the tag leads to now, if that could be found out.
        now: Option<Box<OciReference>>,
    },
    /// It is signed, and by none of the keys.
    #[error("{reference} is signed, and by no key in {}", keys.display())]
    WrongKey {
        /// What was asked for.
        reference: OciReference,
        /// The file of keys.
        keys: PathBuf,
    },
}

fn coded(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

fn pinned(now: Option<&OciReference>) -> String {
    now.map(|now| format!("; now it is {now}")).unwrap_or_default()
}

impl Explain for RegistryError {
    fn blame(&self) -> Blame {
        match self {
            Self::Archive { .. }
            | Self::Plugin(_)
            | Self::Reference { .. }
            | Self::Moved { .. } => Blame::Requester,
            Self::Authorities { .. }
            | Self::Cache { .. }
            | Self::Credentials { .. }
            | Self::Key { .. }
            | Self::NotSigned { .. }
            | Self::Pattern { .. }
            | Self::SignedOther { .. }
            | Self::Unauthenticated { .. }
            | Self::Unpinned { .. }
            | Self::WrongKey { .. } => Blame::Operator,
            Self::Denied { .. }
            | Self::Kind { .. }
            | Self::Malformed { .. }
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::Refused { .. }
            | Self::Tampered { .. }
            | Self::TooLarge { .. }
            | Self::Unavailable { .. } => Blame::Backend,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Archive { .. } => "save it again with `coffer plugins save`".into(),
            Self::Authorities { .. } => {
                "mend `ca` of the registry below `registries` in the configuration file".into()
            }
            Self::Cache { .. } => "make it a directory that you can write to, with room on its disk".into(),
            Self::Credentials { .. } => {
                "log in again with `docker login`, `oras login` or `skopeo login`; DOCKER_CONFIG names the directory"
                    .into()
            }
            Self::Denied { .. } => "use credentials that may do this; `docker login` changes them".into(),
            Self::Key { .. } => "name a file that `coffer plugins keys` or cosign has made".into(),
            Self::Kind { .. } | Self::Malformed { .. } => {
                "have it published again, with `coffer plugins publish`, wkg or oras".into()
            }
            Self::Moved { reference, .. } => match reference.unpinned() {
                Some(unpinned) => format!(
                    "leave the tag out to go on with what was pinned; to take the new one, look at it first: \
                     `coffer plugins install {unpinned}`"
                ),
                None => "leave the tag out".into(),
            },
            Self::NotFound { .. } => "check the registry, the repository and the tag".into(),
            Self::NotSigned { .. } => {
                "have its publisher sign it, with `coffer plugins sign` or cosign, or do not use it".into()
            }
            Self::Plugin(error) => error.next(),
            Self::Pattern { .. } => {
                "write `host`, `host/repository` or `host/repository/**` at `registry` below `registries`".into()
            }
            Self::Reference { .. } => "write it as `oci://registry/repository:tag@sha256:digest`".into(),
            Self::Redirect { .. } | Self::Refused { .. } => {
                "check that this is a registry, and what whoever runs it says".into()
            }
            Self::SignedOther { .. } | Self::Tampered { .. } | Self::WrongKey { .. } => {
                "do not use it, and ask its publisher what has happened".into()
            }
            Self::TooLarge { .. } => "have its publisher make a smaller one".into(),
            Self::Unauthenticated { registry, .. } => {
                format!("log in with `docker login {registry}`, `oras login` or `skopeo login`")
            }
            Self::Unavailable { .. } => {
                "check its name and that it is up; one with a certificate authority of its own needs `ca` below \
                 `registries` in the configuration file, one without TLS `plain-http`"
                    .into()
            }
            Self::Unpinned { reference, now } => match now {
                Some(now) => format!("write `plugin: {now}` in the configuration file"),
                None => format!("pin it: `coffer plugins install {reference}` prints what to write"),
            },
        }
    }
}
