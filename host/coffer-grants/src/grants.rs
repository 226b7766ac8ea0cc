//! The grants of one store, and the decisions that are made of them.

use crate::command::{self, ArgvPattern, CommandPermit};
use crate::denied::Denied;
use crate::directory::{self, Access, DirectoryGrant, DirectoryPermit};
use crate::http::{HttpGrant, HttpPermit};
use crate::reference::{Reference, Source};
use crate::url::RequestUrl;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;

/// Bytes of a method that is offered as a grant. The longest that is registered has 17.
const METHOD_BYTES_MAX: usize = 32;

/// What an operator allows one store's plugin. Empty allows nothing, and so does whatever is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawGrants")]
pub struct Grants {
    http: Vec<HttpGrant>,
    directories: Vec<DirectoryGrant>,
    environment: BTreeSet<String>,
    commands: Vec<ArgvPattern>,
    referenced: BTreeSet<Source>,
}

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Delete a secret.
    Delete,
    /// List keys.
    List,
    /// Keep a secret.
    Put,
    /// Turn references into secrets.
    Resolve,
}

impl Verb {
    /// The verb as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::List => "list",
            Self::Put => "put",
            Self::Resolve => "resolve",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Proof that a store may be asked about one reference.
#[derive(Clone, Debug)]
#[must_use]
pub struct CallPermit {
    reference: Reference,
}

impl CallPermit {
    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }
}

/// Proof that a plugin may see the values of some environment variables during one call.
#[derive(Debug)]
#[must_use]
pub struct EnvironmentPermit(BTreeSet<String>);

impl EnvironmentPermit {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Grants {
    /// Whether the store may be asked about `reference`.
    ///
    /// A variable must be granted by name, or by `referenced`, which grants what the reference names
    /// for as long as the call. A file must be below a granted directory, as far as its path says so
    /// without being expanded. What a plugin does for a secret or a command is decided when it does it.
    ///
    /// # Errors
    ///
    /// [`Denied`] names the missing grant.
    pub fn permit(&self, reference: &Reference) -> Result<CallPermit, Denied> {
        let key = reference.key();
        match reference.source() {
            Source::Env if !self.names(key) => return Err(Denied::variable(key)),
            Source::Path if directory::is_plain(key) && !self.shows(key) => {
                return Err(Denied::path(key));
            }
            Source::Command | Source::Env | Source::Path | Source::Secret | Source::Value => {}
        }
        Ok(CallPermit { reference: reference.clone() })
    }

    fn names(&self, variable: &str) -> bool {
        self.environment.contains(variable) || self.referenced.contains(&Source::Env)
    }

    fn shows(&self, path: &str) -> bool {
        self.directories.iter().any(|grant| grant.covers(path))
    }

    /// Whether a plugin may make one request.
    ///
    /// # Errors
    ///
    /// [`Denied`] names the missing grant.
    pub fn http(&self, method: &str, url: RequestUrl) -> Result<HttpPermit<'_>, Denied> {
        match self.http.iter().find(|grant| grant.covers(method, &url)) {
            Some(grant) => Ok(HttpPermit { method: method.to_owned(), url, grant }),
            // A method that nobody could grant, such as one with a line break in it, is not quoted as
            // something to be granted.
            None if !method.bytes().all(|byte| byte.is_ascii_uppercase())
                || !(1..=METHOD_BYTES_MAX).contains(&method.len()) =>
            {
                Err(Denied::method(method))
            }
            None if matches!(method, "CONNECT" | "TRACE") => Err(Denied::method(method)),
            None => Err(Denied::request(method, &url)),
        }
    }

    /// Whether a plugin may run one argv.
    ///
    /// # Errors
    ///
    /// [`Denied`] names the missing grant.
    pub fn command(&self, argv: Vec<String>) -> Result<CommandPermit, Denied> {
        if command::within_bounds(&argv)
            && self.commands.iter().any(|pattern| pattern.covers(&argv))
        {
            return Ok(CommandPermit { argv });
        }
        Err(Denied::command(&argv))
    }

    /// The directories that the plugin sees.
    pub fn directories(&self) -> impl Iterator<Item = DirectoryPermit<'_>> {
        self.directories.iter().map(DirectoryPermit)
    }

    /// The directories that are `asked` for, by a manifest, and that these grants do not have.
    pub fn missing_directories(&self, asked: &Self) -> Vec<Denied> {
        let lacks = |asked: &&DirectoryGrant| self.seen_as(asked.guest()).is_none();
        asked.directories.iter().filter(lacks).map(Denied::directory).collect()
    }

    /// Writing in the directory that the plugin sees as `guest`, if that is `asked` for, by a manifest,
    /// and these grants let it be read only.
    #[must_use]
    pub fn missing_writing(&self, guest: &str, asked: &Self) -> Option<Denied> {
        let (granted, asked) = (self.seen_as(guest)?, asked.seen_as(guest)?);
        let narrower = (granted.access(), asked.access()) == (Access::ReadOnly, Access::ReadWrite);
        narrower.then(|| Denied::writing(asked, granted))
    }

    fn seen_as(&self, guest: &str) -> Option<&DirectoryGrant> {
        self.directories.iter().find(|grant| grant.guest() == guest)
    }

    /// The variables that the plugin sees during a call about what `calls` permit.
    pub fn environment<'a>(
        &self,
        calls: impl IntoIterator<Item = &'a CallPermit>,
    ) -> EnvironmentPermit {
        let mut names = self.environment.clone();
        if self.referenced.contains(&Source::Env) {
            names.extend(
                calls
                    .into_iter()
                    .filter(|call| call.reference.source() == Source::Env)
                    .map(|call| call.reference.key().to_owned()),
            );
        }
        EnvironmentPermit(names)
    }

    /// The rules for HTTP, in order.
    #[must_use]
    pub fn http_grants(&self) -> &[HttpGrant] {
        &self.http
    }

    /// The granted commands, in order.
    #[must_use]
    pub fn command_patterns(&self) -> &[ArgvPattern] {
        &self.commands
    }

    /// The variables that are granted by name.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.environment.iter().map(String::as_str)
    }

    /// The sources whose references grant what they name.
    pub fn referenced(&self) -> impl Iterator<Item = Source> {
        self.referenced.iter().copied()
    }

    /// Whether nothing at all is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes the paths of the host absolute: `~` is `user_home`, and anything else that is not
    /// absolute is below `base`.
    ///
    /// # Errors
    ///
    /// [`GrantError`] if a directory would be seen under a path that is not plain, or under the same
    /// one as another.
    pub fn rooted(mut self, base: &str, user_home: &str) -> Result<Self, GrantError> {
        let root = |path: &mut String| {
            let below = |base: &str, path: &str| format!("{}/{path}", base.trim_end_matches('/'));
            if path == "~" {
                *path = user_home.to_owned();
            } else if let Some(rest) = path.strip_prefix("~/") {
                *path = below(user_home, rest);
            } else if !path.starts_with('/') {
                let rest = path.strip_prefix("./").unwrap_or(path);
                *path = if rest.is_empty() || rest == "." {
                    base.to_owned()
                } else {
                    below(base, rest)
                };
            }
        };
        let mut guests = BTreeSet::new();
        for grant in &mut self.directories {
            root(grant.host_mut());
            let guest = grant.guest();
            if !directory::is_plain(guest) {
                return Err(GrantError::GuestPath(guest.to_owned()));
            }
            if !guests.insert(guest.to_owned()) {
                return Err(GrantError::GuestPathTwice(guest.to_owned()));
            }
        }
        for grant in &mut self.http {
            grant.ca_mut().into_iter().for_each(root);
            grant.credential_files_mut().for_each(root);
        }
        Ok(self)
    }
}

/// What is wrong with grants as a whole. The operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// A guest path is relative, or has a `.`, a `..` or an empty segment.
    #[error(
        "the plugin cannot see a directory under `{0}`; give `guest` as an absolute path without `.`, `..` and empty segments"
    )]
    GuestPath(String),
    /// Two directories have the same guest path.
    #[error("two granted directories have the guest path `{0}`")]
    GuestPathTwice(String),
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    rename_all = "kebab-case",
    expecting = "grants by their kind"
)]
#[derive(Default)]
struct RawGrants {
    http: Vec<HttpGrant>,
    directories: Vec<DirectoryGrant>,
    environment: Vec<String>,
    commands: Vec<ArgvPattern>,
    referenced: Vec<String>,
}

impl TryFrom<RawGrants> for Grants {
    type Error = String;

    fn try_from(raw: RawGrants) -> Result<Self, String> {
        let RawGrants { http, directories, environment, commands, referenced } = raw;
        // By its position and not by its text, which may be a whole `NAME=value`.
        for (index, name) in environment.iter().enumerate() {
            if !is_variable(name) {
                return Err(format!(
                    "`environment[{index}]` is not the name of an environment variable; there is no pattern for them"
                ));
            }
        }
        let sources = referenced.iter().map(|source| match source.as_str() {
            "env" => Ok(Source::Env),
            _ => Err("`referenced` can grant what references of source env name, and nothing else"),
        });
        Ok(Self {
            referenced: sources.collect::<Result<_, _>>()?,
            environment: environment.into_iter().collect(),
            http,
            directories,
            commands,
        })
    }
}

/// Whether a variable can be granted under this name.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0', '*'])
}

#[cfg(test)]
mod tests;
