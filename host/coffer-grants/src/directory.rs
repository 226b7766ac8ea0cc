//! Directories: which of them a plugin sees, under which path, and whether it may write.

use serde::Deserialize;

/// What a plugin may do below a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read files and list directories.
    ReadOnly,
    /// Also create, change and delete.
    ReadWrite,
}

impl Access {
    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

/// A directory that a plugin sees.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a directory: `host` and `access`")]
pub struct DirectoryGrant {
    host: String,
    guest: Option<String>,
    access: Access,
    #[serde(default)]
    create: bool,
}

impl DirectoryGrant {
    /// The directory on the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The absolute path under which the plugin sees it; the host's own path unless said otherwise.
    #[must_use]
    pub fn guest(&self) -> &str {
        self.guest.as_deref().unwrap_or(&self.host)
    }

    /// What the plugin may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the host makes the directory, readable by its owner only, if there is none.
    #[must_use]
    pub fn create(&self) -> bool {
        self.create
    }

    pub(crate) fn host_mut(&mut self) -> &mut String {
        &mut self.host
    }

    /// Whether the guest's `path` is below this directory.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let guest = self.guest().trim_end_matches('/');
        path.strip_prefix(guest).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether `path` is absolute and has one spelling: no empty segment, no `.`, no `..`.
pub(crate) fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|inside| {
        inside.is_empty()
            || inside.split('/').all(|segment| {
                !matches!(segment, "" | "." | "..") && !segment.chars().any(char::is_control)
            })
    })
}

/// Proof that a grant shows one directory to a plugin.
#[derive(Debug)]
#[must_use]
pub struct DirectoryPermit<'g>(pub(crate) &'g DirectoryGrant);

impl<'g> DirectoryPermit<'g> {
    /// The grant.
    #[must_use]
    pub fn grant(&self) -> &'g DirectoryGrant {
        self.0
    }
}
