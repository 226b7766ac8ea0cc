//! Whose fault a failure is, and what to do about it.

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

/// An error that says, besides what was asked and what stopped it, whose fault that is and what to do.
pub trait Explain: std::error::Error {
    /// Whose fault it is.
    fn blame(&self) -> Blame;

    /// What to do.
    fn next(&self) -> String;
}

#[cfg(test)]
mod tests {
    use super::Blame;

    #[test]
    fn each_is_a_word() {
        let words = [Blame::Backend, Blame::Host, Blame::Operator, Blame::Plugin, Blame::Requester]
            .map(|blame| blame.to_string());
        assert_eq!(words, ["backend", "host", "operator", "plugin", "requester"]);
    }
}
