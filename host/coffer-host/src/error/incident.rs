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
    /// The host could not log in for a credential.
    #[error("the login at {host} for the setting `{setting}` brought no token: {fault}")]
    Login {
        /// The credential.
        setting: String,
        /// Who was asked.
        host: String,
        /// What went wrong.
        fault: LoginFault,
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

/// Why a login brought no token. Nothing that was sent or answered is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFault {
    /// The answer has no token in it.
    #[error("the answer has no token")]
    Malformed,
    /// What the login is made with is not there, or is not what it must be.
    #[error("{0}")]
    Material(String),
    /// The issuer does not accept it.
    #[error("it was refused with status {status}{}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// Of HTTP.
        status: u16,
        /// Of OAuth.
        code: Option<&'static str>,
    },
    /// The call has no request left.
    #[error("the call has no request left")]
    TooMany,
    /// Nobody answered in time.
    #[error("there is no answer")]
    Unanswered,
    /// The issuer cannot answer now.
    #[error("it was answered with status {status}")]
    Unavailable {
        /// Of HTTP.
        status: u16,
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
            Self::Limit { .. } | Self::Login { fault: LoginFault::TooMany, .. } => Blame::Plugin,
            Self::Login { fault: LoginFault::Material(_) | LoginFault::Refused { .. }, .. } => {
                Blame::Operator
            }
            Self::Login { .. } => Blame::Backend,
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
            Self::Login { setting, fault, .. } => match fault {
                LoginFault::Material(_) | LoginFault::Refused { .. } => format!(
                    "check the login in the setting `{setting}` of the store `{store}`: its URL, and what it logs \
                     in with, which may have expired"
                ),
                LoginFault::Malformed => {
                    format!("check the URL of the login in the setting `{setting}` of the store `{store}`")
                }
                LoginFault::TooMany => {
                    format!("raise `requests` in the limits of the store `{store}` by one")
                }
                LoginFault::Unanswered | LoginFault::Unavailable { .. } => {
                    "check that the issuer of tokens is up, and try again".into()
                }
            },
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
            | Self::Login { .. }
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
            | Self::Login { .. }
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
