//! What happens during a call and stands in the plugin's way, seen by the host itself.

use crate::gate::TlsFault;
use coffer_grants::{Blame, Denied};

/// Something that stood in a plugin's way and that it was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incident {
    /// The certificate authorities that connections are to be held against cannot be used.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// A header could not be injected.
    #[error("the header {header} could not be added: {why}")]
    Credential {
        /// The header.
        header: String,
        /// What is missing.
        why: String,
    },
    /// No grant allowed what the plugin wanted.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The plugin looked for directories and did not find one that its manifest asks for, or could not
    /// write in it.
    #[error(transparent)]
    Directory(Denied),
    /// A granted directory's disk is full, or a quota on it is used up.
    #[error("the disk that {directory} is on is full, or a quota on it is used up")]
    DiskFull {
        /// The directory.
        directory: String,
    },
    /// A granted directory's file system takes no writes.
    #[error("the file system that {directory} is on is read-only")]
    DiskReadOnly {
        /// The directory.
        directory: String,
    },
    /// The operating system refused what the grant allows.
    #[error("the operating system does not let coffer {act} something in {directory}")]
    Forbidden {
        /// `read` or `write`.
        act: &'static str,
        /// The directory.
        directory: String,
    },
    /// The plugin wanted more of files than a limit allows, and was told so.
    #[error("the plugin exceeded the limit of {limit}")]
    Limit {
        /// The limit, in words and with its unit.
        limit: String,
    },
    /// A server sent an injected header back.
    #[error(
        "the answer of {host} was withheld from the plugin because it repeats the injected header {header}"
    )]
    Reflected {
        /// The server.
        host: String,
        /// The header.
        header: String,
    },
    /// A connection over TLS could not be made.
    #[error("there is no TLS connection to {host}: {fault}")]
    Tls {
        /// The server.
        host: String,
        /// What is wrong with it.
        fault: TlsFault,
    },
    /// An answer to a request with an injected header could not be searched for it.
    #[error(
        "the answer of {host} was withheld from the plugin because it is {how}, so that an injected header could hide in it"
    )]
    Unsearchable {
        /// The server.
        host: String,
        /// Compressed, or a part of something.
        how: &'static str,
    },
}

impl Incident {
    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::Authorities(_)
            | Self::Credential { .. }
            | Self::Denied(_)
            | Self::Directory(_)
            | Self::DiskFull { .. }
            | Self::DiskReadOnly { .. }
            | Self::Forbidden { .. }
            | Self::Tls { fault: TlsFault::Untrusted, .. } => Blame::Operator,
            Self::Limit { .. } => Blame::Plugin,
            Self::Reflected { .. } | Self::Tls { .. } | Self::Unsearchable { .. } => Blame::Backend,
        }
    }

    pub(super) fn next(&self, store: &str) -> String {
        match self {
            Self::Authorities(_) => {
                format!("mend the file, or change `ca` in the grant of the store `{store}`")
            }
            Self::Credential { .. } => {
                format!("set what the header is made of, or change the grant of the store `{store}`")
            }
            Self::Denied(denied) | Self::Directory(denied) => grant_to_add(denied, store),
            Self::DiskFull { directory } => {
                format!("make room on the disk that {directory} is on, or raise the quota")
            }
            Self::DiskReadOnly { directory } => {
                format!("make the file system that {directory} is on writable, or grant another directory")
            }
            Self::Forbidden { act, directory } => format!(
                "look at the owner and the mode of what is in {directory}; coffer's user has to be able to {act} it"
            ),
            Self::Limit { .. } => "report this to the plugin's author".into(),
            Self::Reflected { .. } => {
                "check what the server does with request headers; a debugging endpoint must not be granted"
                    .into()
            }
            Self::Tls { fault, .. } => fault.next(store),
            Self::Unsearchable { .. } => {
                "have the server answer whole and uncompressed, which is what it was asked for".into()
            }
        }
    }

    /// Whether it is about files.
    pub(super) fn is_about_files(&self) -> bool {
        match self {
            Self::Directory(_)
            | Self::DiskFull { .. }
            | Self::DiskReadOnly { .. }
            | Self::Forbidden { .. }
            | Self::Limit { .. } => true,
            Self::Authorities(_)
            | Self::Credential { .. }
            | Self::Denied(_)
            | Self::Reflected { .. }
            | Self::Tls { .. }
            | Self::Unsearchable { .. } => false,
        }
    }

    /// What explains more has the lower one. That a directory was looked for in vain explains least: some
    /// languages look for directories whether they need them or not.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Limit { .. } => 0,
            Self::Authorities(_)
            | Self::Credential { .. }
            | Self::Denied(_)
            | Self::DiskFull { .. }
            | Self::DiskReadOnly { .. }
            | Self::Forbidden { .. }
            | Self::Reflected { .. }
            | Self::Tls { .. }
            | Self::Unsearchable { .. } => 1,
            Self::Directory(_) => 2,
        }
    }
}

pub(super) fn grant_to_add(denied: &Denied, store: &str) -> String {
    match denied.missing() {
        Some(yaml) => {
            let yaml = yaml.replace('\n', "\n      ");
            format!(
                "if the plugin should be allowed this, add to the store `{store}` in the configuration \
                 file:\n\n    grants:\n      {yaml}\n"
            )
        }
        None => "this cannot be granted; report it to the plugin's author".into(),
    }
}
