//! What the lab sees of a plugin's instances, call by call.

use crate::token::Token;
use coffer_host::grants::Verb;
use coffer_host::{Incident, Observed, Observer, Usage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Looks at every instance.
pub(crate) struct Watch {
    tokens: [Token; 2],
    seen: Mutex<Seen>,
}

/// What was seen so far. No text of the plugin is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// What of the lab's was in a log: `value`, `credential`; with the verb.
    pub(crate) logged: BTreeSet<(&'static str, &'static str)>,
    /// The same in an error.
    pub(crate) said: BTreeSet<(&'static str, &'static str)>,
    /// What it was denied, and what it asked for without being granted.
    pub(crate) denied: BTreeSet<&'static str>,
    /// The verbs in which it reached out before it was asked.
    pub(crate) early: BTreeSet<&'static str>,
    /// What calls cost, while all is well.
    pub(crate) costs: BTreeMap<&'static str, Vec<Cost>>,
    phase: Phase,
    /// The last instance.
    pub(crate) last: Cost,
}

/// What is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Something that is done so often, or in such a way, that its cost says nothing.
    Behaving,
    /// The lab has something go wrong. What stands in the plugin's way then is the lab's doing.
    Faulty,
    /// All is well.
    #[default]
    Well,
}

/// What one instance cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) took: Duration,
    pub(crate) requests: usize,
    pub(crate) usage: Usage,
}

impl Watch {
    pub(crate) fn new(tokens: [Token; 2]) -> Self {
        Self { tokens, seen: Mutex::default() }
    }

    /// Says what is going on from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// What the last instance cost.
    pub(crate) fn last(&self) -> Cost {
        self.lock().last
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nothing panics while it holds this lock")
    }

    fn find(&self, texts: &[&str]) -> Vec<&'static str> {
        let is_in = |token: &&Token| texts.iter().any(|text| token.is_in(text.as_bytes()));
        self.tokens.iter().filter(is_in).map(Token::name).collect()
    }
}

impl Observer for Watch {
    fn observed(&self, observed: &Observed<'_>) {
        let verb = observed.verb.name();
        let logged = self.find(&observed.logged);
        let said = self.find(&observed.said);
        let mut seen = self.lock();
        seen.logged.extend(logged.into_iter().map(|name| (name, verb)));
        seen.said.extend(said.into_iter().map(|name| (name, verb)));
        if seen.phase != Phase::Faulty {
            seen.denied.extend(observed.incidents.iter().filter_map(denied));
        }
        let cost = Cost {
            took: observed.took,
            requests: observed.requests,
            usage: observed.usage.unwrap_or_default(),
        };
        if cost.usage.early > 0 {
            seen.early.insert(verb);
        }
        if seen.phase == Phase::Well && observed.usage.is_some() {
            seen.costs.entry(verb).or_default().push(cost);
        }
        seen.last = cost;
    }
}

/// What an incident says that the plugin tried without being allowed to.
fn denied(incident: &Incident) -> Option<&'static str> {
    match incident {
        Incident::Denied(denied) => Some(if denied.to_string().contains("the command") {
            "a command"
        } else {
            "an HTTP request"
        }),
        Incident::Directory(_) => Some("a directory"),
        Incident::Limit { .. } => Some("more of files than a limit allows"),
        _ => None,
    }
}

/// The name of a verb, as reports have it.
pub(crate) const VERBS: [Verb; 4] = [Verb::Resolve, Verb::Put, Verb::Delete, Verb::List];
