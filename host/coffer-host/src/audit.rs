//! The audit: who asked which store for which secret, and what came of it. Never a value.
//!
//! A line is written before anything runs and another before anything leaves. If either cannot be
//! written, the call fails.

use crate::error::CallError;
use coffer_grants::{Reference, Verb};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Keeps the audit.
pub trait Audit: Send + Sync {
    /// Called before a store is asked, and before its plugin runs.
    ///
    /// # Errors
    ///
    /// Fails the call; the plugin does not run.
    fn begin(&self, call: &Call<'_>) -> io::Result<()>;

    /// Called when the plugin has answered, before anything of the answer leaves the host. `outcomes`
    /// has one entry for each reference, in order, or one for a listing.
    ///
    /// # Errors
    ///
    /// Fails the call; the answer is discarded.
    fn finish(&self, call: &Call<'_>, outcomes: &[Outcome<'_>]) -> io::Result<()>;
}

/// One call of a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// Distinguishes the calls of one process.
    pub id: u64,
    /// The store.
    pub store: &'a str,
    /// The plugin's name, by its own word.
    pub plugin: &'a str,
    /// The digest of the plugin's file.
    pub digest: &'a str,
    /// What was asked.
    pub verb: Verb,
    /// What it was asked about; empty for a listing.
    pub references: &'a [Reference],
}

/// What came of one reference.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// It was done.
    Done,
    /// It failed.
    Failed(&'a CallError),
}

impl<'a> Outcome<'a> {
    pub(crate) fn of(error: Option<&'a CallError>) -> Self {
        error.map_or(Self::Done, Self::Failed)
    }
}

/// Keeps no audit. For programs that have one of their own, and for tests.
#[derive(Clone, Copy, Debug)]
pub struct NoAudit;

impl Audit for NoAudit {
    fn begin(&self, _: &Call<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&self, _: &Call<'_>, _: &[Outcome<'_>]) -> io::Result<()> {
        Ok(())
    }
}

/// Writes each event as a line of JSON.
#[derive(Debug)]
pub struct JsonLines<W> {
    writer: Mutex<W>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `writer`, which should append and not buffer: a line that is lost is an audit that
    /// has a hole.
    pub fn new(writer: W) -> Self {
        Self { writer: Mutex::new(writer) }
    }

    fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        // One write for the whole line, so that lines of several processes do not mix.
        let mut writer = self.writer.lock().map_err(|_| io::Error::other("a writer panicked"))?;
        writer.write_all(&bytes)?;
        writer.flush()
    }
}

impl<W: Write + Send> Audit for JsonLines<W> {
    fn begin(&self, call: &Call<'_>) -> io::Result<()> {
        self.write(&Line::of(call, "begin"))
    }

    fn finish(&self, call: &Call<'_>, outcomes: &[Outcome<'_>]) -> io::Result<()> {
        let mut line = Line::of(call, "finish");
        line.outcomes = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Done => "done".to_owned(),
                Outcome::Failed(error) => error.cause().kind().to_owned(),
            })
            .collect();
        self.write(&line)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since the Unix epoch.
    at_ms: u64,
    event: &'static str,
    pid: u32,
    id: u64,
    store: &'a str,
    plugin: &'a str,
    digest: &'a str,
    verb: &'static str,
    /// Sources and keys; `value ***` for a literal value.
    references: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outcomes: Vec<String>,
}

impl<'a> Line<'a> {
    fn of(call: &Call<'a>, event: &'static str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            event,
            pid: std::process::id(),
            id: call.id,
            store: call.store,
            plugin: call.plugin,
            digest: call.digest,
            verb: call.verb.name(),
            references: call.references.iter().map(ToString::to_string).collect(),
            outcomes: Vec::new(),
        }
    }
}
