//! Whose fault a failure is.

use std::fmt;

/// Whose fault a failure is, and so who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The service behind the plugin, or the way to it.
    Backend,
    /// coffer itself, or the machine that it runs on.
    Host,
    /// Whoever wrote the configuration and the grants.
    Operator,
    /// Whoever wrote the plugin.
    Plugin,
    /// Whoever asked: the command line, the bundle, the embedding program.
    Requester,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backend => "backend",
            Self::Host => "host",
            Self::Operator => "operator",
            Self::Plugin => "plugin",
            Self::Requester => "requester",
        })
    }
}
