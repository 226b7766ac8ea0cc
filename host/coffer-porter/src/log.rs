//! The log, as hosts of go-plugin read it from a plugin's standard error: hclog's JSON, a line for each
//! event. Only what coffer itself says is told; what is below it logs requests and headers.

use serde_json::json;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Begins to log what is at least this important.
pub fn begin(level: LevelFilter) {
    let ours = Targets::new()
        .with_target("coffer_bundle", level)
        .with_target("coffer_host", level)
        .with_target("coffer_registry", level)
        .with_target("coffer_porter", level);
    let _ = tracing_subscriber::registry().with(Lines.with_filter(ours)).try_init();
}

/// Writes one line. A host that has closed the stream does not want it.
pub fn write(level: &str, message: &str) {
    let line = line(level, message, SystemTime::now());
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

fn line(level: &str, message: &str, at: SystemTime) -> String {
    let line = json!({
        "@level": level,
        "@message": message,
        "@module": "coffer",
        "@timestamp": humantime::format_rfc3339_micros(at).to_string(),
    });
    format!("{line}\n")
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        write(level, &message.0);
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_hclogs() {
        let told = line("warn", "a \"b\"\nc", SystemTime::UNIX_EPOCH);
        assert_eq!(told.matches('\n').count(), 1, "{told}");
        let read: serde_json::Value = serde_json::from_str(&told).unwrap();
        let expected = json!({
            "@level": "warn",
            "@message": "a \"b\"\nc",
            "@module": "coffer",
            "@timestamp": "1970-01-01T00:00:00.000000Z",
        });
        assert_eq!(read, expected);
    }
}
