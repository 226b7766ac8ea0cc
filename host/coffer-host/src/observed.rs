//! What a lab sees of a call: what its instance used, and what the plugin said before anything was hidden in
//! it. Who observes sees values, as who asks a store does; nothing observes unless the embedder says so.

use crate::error::Incident;
use coffer_grants::Verb;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Looks at every instance of a host's plugins when it is over, before its answer is checked.
pub trait Observer: Send + Sync {
    /// Called once for each instance.
    fn observed(&self, seen: &Observed<'_>);
}

/// What one instance did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// The store that was asked.
    pub store: &'a str,
    /// What it was asked.
    pub verb: Verb,
    /// Wall time from the beginning of its instance to its answer.
    pub took: Duration,
    /// What it used; unknown if it was given up.
    pub usage: Option<Usage>,
    /// HTTP requests that were sent for it, each try of the host's own counted.
    pub requests: usize,
    /// What stood in its way.
    pub incidents: &'a [Incident],
    /// What it logged. It may have values in it: do not show it.
    pub logged: Vec<&'a str>,
    /// What its errors say. The same goes for it.
    pub said: Vec<&'a str>,
}

/// What an instance used, by the engine's count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of linear memory at its end, all memories together. Memories do not shrink.
    pub memory_bytes: u64,
    /// Instructions, as the engine counts fuel.
    pub instructions: u64,
    /// Requests and commands that it began before it was asked anything, while it was instantiated.
    pub early: u32,
}
