//! A case: one question about a plugin, and what came of asking it.

use crate::bench::Bench;
use std::pin::Pin;

/// One question about a plugin.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, `group/case`.
    pub id: &'static str,
    /// What is asked.
    pub title: &'static str,
    /// What a plugin's author does if it does not pass.
    pub next: &'static str,
    pub(crate) run: Run,
}

/// What a case does.
pub(crate) type Run = for<'b> fn(&'b Bench) -> Pin<Box<dyn Future<Output = Outcome> + 'b>>;

/// What a case found: a remark, if it passed.
pub(crate) type Outcome = Result<String, Finding>;

impl Case {
    /// The part of its name before the slash.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// Why a case did not pass. The text is the lab's own: nothing that a plugin or a backend said is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The plugin does not do what it has to.
    Fail(String),
    /// The plugin cannot do this, and does not have to.
    NotApplicable(String),
    /// The lab could not look.
    Skipped(String),
    /// The plugin does what it has to, and should do better.
    Warning(String),
}

/// Ends a case.
macro_rules! fail {
    ($($text:tt)+) => {
        return Err($crate::case::Finding::Fail(format!($($text)+)))
    };
}

/// A case in a table.
macro_rules! case {
    ($id:literal, $title:literal, $next:literal, $run:expr) => {
        $crate::case::Case {
            id: $id,
            title: $title,
            next: $next,
            run: |bench| Box::pin($run(bench)),
        }
    };
}

pub(crate) use {case, fail};
