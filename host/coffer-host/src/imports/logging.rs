//! `wasi:logging`: what a plugin says for its operator.
//!
//! Messages are kept until the call is over. Then they are shown with the call's secrets hidden; or, if
//! the call did not come to its end, or the plugin did not give a secret that it may well have seen, only
//! counted, since what would have to be hidden is not known.

use super::State;
use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::limits;
use crate::mask::Mask;
use crate::secret::Bytes;
use crate::text;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What one call logged, on its way from a worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct Logged {
    lines: Vec<(Level, Bytes)>,
    dropped: usize,
}

impl From<Log> for Logged {
    fn from(Log { lines, bytes: _, dropped, unknown: _ }: Log) -> Self {
        let bytes = |mut message: Zeroizing<String>| std::mem::take(&mut *message).into_bytes();
        let lines = lines.into_iter().map(|(level, message)| (level, Bytes::new(bytes(message))));
        Self { lines: lines.collect(), dropped }
    }
}

/// A worker can say that there was more than may be kept, so it is counted again.
impl From<Logged> for Log {
    fn from(Logged { lines, dropped }: Logged) -> Self {
        let mut log = Self::default();
        for (level, message) in lines {
            log.add(level, String::from_utf8_lossy(&message).into_owned());
        }
        log.dropped = log.dropped.saturating_add(dropped);
        log
    }
}

/// What one call logged.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// With what the plugin knew in them, so they are overwritten when they go.
    lines: Vec<(Level, Zeroizing<String>)>,
    bytes: usize,
    dropped: usize,
    /// Whether there may have been more, which went with its worker.
    unknown: bool,
}

impl Log {
    /// What a call logged in a worker that did not come to say it.
    pub(crate) fn unknown() -> Self {
        Self { unknown: true, ..Self::default() }
    }

    fn add(&mut self, level: Level, message: String) {
        let message = Zeroizing::new(message);
        let fits = self.bytes + message.len() <= limits::LOG_BYTES_MAX;
        if fits && self.lines.len() < limits::LOG_LINES_MAX {
            self.bytes += message.len();
            self.lines.push((level, message));
        } else {
            self.dropped += 1;
        }
    }

    /// What was logged, with what the plugin knew in it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, message)| message.as_str())
    }

    /// Whether nothing was logged.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// Shows what was logged, with what `mask` hides hidden.
    pub(crate) fn show(self, store: &str, mask: &Mask) {
        for (level, message) in &self.lines {
            let message = text::escape(&mask.text(message));
            match level {
                Level::Trace | Level::Debug => {
                    tracing::debug!(target: "coffer::plugin", store, "{message}");
                }
                Level::Info => tracing::info!(target: "coffer::plugin", store, "{message}"),
                Level::Warn => tracing::warn!(target: "coffer::plugin", store, "{message}"),
                Level::Error | Level::Critical => {
                    tracing::error!(target: "coffer::plugin", store, "{message}");
                }
            }
        }
        if self.dropped > 0 {
            let dropped = self.dropped;
            tracing::warn!(target: "coffer::plugin", store, dropped, "the plugin logged more than is kept");
        }
    }

    /// Says that there was something.
    pub(crate) fn withhold(self, store: &str) {
        let lines = self.lines.len().saturating_add(self.dropped);
        if self.unknown {
            tracing::warn!(
                target: "coffer::plugin", store,
                "what the plugin logged, if anything, is withheld: it went with the plugin's process"
            );
        } else if lines > 0 {
            tracing::warn!(
                target: "coffer::plugin", store, lines,
                "what the plugin logged is withheld, because the call failed and what would have to be \
                 hidden is not known"
            );
        }
    }
}

impl Host for State {
    fn log(&mut self, level: Level, _context: String, message: String) -> wasmtime::Result<()> {
        self.log.add(level, message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_off() {
        let mut log = Log::default();
        for _ in 0..limits::LOG_LINES_MAX + 3 {
            log.add(Level::Info, "x".into());
        }
        assert_eq!((log.lines.len(), log.dropped), (limits::LOG_LINES_MAX, 3));
        let mut log = Log::default();
        log.add(Level::Info, "x".repeat(limits::LOG_BYTES_MAX));
        log.add(Level::Info, "x".into());
        assert_eq!((log.lines.len(), log.dropped), (1, 1));
    }
}
