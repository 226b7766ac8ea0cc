//! What a guest logs: bounded, escaped, without the values that it resolved, and withheld where those are
//! not known.

use crate::lines::Lines;
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::Blame;
use coffer_host::limits::{LOG_BYTES_MAX, LOG_LINES_MAX};
use std::time::{Duration, Instant};
use tracing::subscriber::DefaultGuard;

guest_artifacts::foreach_log!(ran);

/// What this thread's plugins logged, as an operator would see it.
struct Seen(Lines, #[expect(dead_code, reason = "held to be dropped")] DefaultGuard);

impl Seen {
    fn begin() -> Self {
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        Self(lines, guard)
    }

    fn lines(&self) -> Vec<String> {
        self.0.of("coffer::plugin")
    }
}

#[tokio::test]
async fn log_bytes() {
    let store = Stage::of("log_bytes").open();
    let seen = Seen::begin();
    ask(&store, LOG_BYTES_MAX.to_string()).await.unwrap();
    let lines = seen.lines();
    assert_eq!(lines.len(), 1);
    contains(&lines[0], "xxx");
    assert!(lines[0].len() <= LOG_BYTES_MAX);

    let seen = Seen::begin();
    ask(&store, (LOG_BYTES_MAX + 1).to_string()).await.unwrap();
    let lines = seen.lines();
    assert_eq!(lines.len(), 1);
    contains(&lines[0], "logged more than is kept");
    contains(&lines[0], "dropped=1");
}

#[tokio::test]
async fn log_lines() {
    let store = Stage::of("log_lines").open();
    let seen = Seen::begin();
    ask(&store, LOG_LINES_MAX.to_string()).await.unwrap();
    assert_eq!(seen.lines().len(), LOG_LINES_MAX);

    let seen = Seen::begin();
    ask(&store, "100000").await.unwrap();
    let lines = seen.lines();
    assert_eq!(lines.len(), LOG_LINES_MAX + 1);
    contains(lines.last().unwrap(), &format!("dropped={}", 100_000 - LOG_LINES_MAX));
}

#[tokio::test]
async fn log_secret() {
    let store = Stage::of("log_secret").open();
    let seen = Seen::begin();
    assert_eq!(ask(&store, "hunter2-canary").await.unwrap(), "hunter2-canary");
    let text = seen.lines().join("\n");
    contains(&text, "WARN");
    contains(&text, "\\u{1b}[2J resolved ******* which is *******");
    lacks(&text, "hunter2");
    lacks(&text, "68756e746572");
    lacks(&text, "\u{1b}");
}

#[tokio::test]
async fn log_secret_then_trap() {
    let store = Stage::of("log_secret_then_trap").open();
    let seen = Seen::begin();
    refused(ask(&store, "hunter2-canary").await, "trap", Blame::Plugin);
    let text = seen.lines().join("\n");
    contains(&text, "is withheld");
    contains(&text, "lines=1");
    lacks(&text, "hunter2");
}

#[tokio::test]
async fn log_secret_then_error() {
    let store = Stage::of("log_secret_then_error").open();
    let seen = Seen::begin();
    refused(ask(&store, "hunter2-canary").await, "not-found", Blame::Requester);
    let text = seen.lines().join("\n");
    contains(&text, "is withheld");
    lacks(&text, "hunter2");
}

#[tokio::test]
async fn log_secret_then_too_large() {
    let store = Stage::of("log_secret_then_too_large").open();
    let seen = Seen::begin();
    refused(ask(&store, "hunter2-canary").await, "contract", Blame::Plugin);
    let text = seen.lines().join("\n");
    contains(&text, "resolved *******");
    lacks(&text, "hunter2");
}

/// However large a value is and however many lines it has, hiding it does not keep the host busy.
#[tokio::test]
async fn a_large_value_is_hidden() {
    let store = Stage::of("log_secret").open();
    let line = |n: u32| format!("{n:x}-canary-{}\n", n.wrapping_mul(2_654_435_761));
    let long: String = (0..40_000).map(line).collect();
    let begun = Instant::now();
    for value in [&long[..], &long[..20_000]] {
        let seen = Seen::begin();
        assert_eq!(ask(&store, value).await.unwrap(), value);
        lacks(&seen.lines().join("\n"), "canary");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn log_secret_then_endless() {
    let limits = coffer_host::limits::Limits {
        call: Duration::from_millis(200),
        ..coffer_host::limits::Limits::default()
    };
    let store = Stage::of("log_secret_then_endless").limits(limits).open();
    let seen = Seen::begin();
    refused(ask(&store, "hunter2-canary").await, "deadline", Blame::Plugin);
    let text = seen.lines().join("\n");
    contains(&text, "is withheld");
    lacks(&text, "hunter2");
}

#[tokio::test]
async fn log_put() {
    let store = Stage::of("log_put").open();
    let seen = Seen::begin();
    let value = crate::stage::value("hunter2-canary");
    let key = crate::stage::secret("k");
    store.put(&key, &value, coffer_host::Existing::Replace).await.unwrap();
    let text = seen.lines().join("\n");
    contains(&text, "keeping *******");
    lacks(&text, "hunter2");
}

/// What a plugin that crashed was to keep is known, and what it derived from it is not.
#[tokio::test]
async fn the_log_of_a_put_that_fails_is_withheld() {
    let store = Stage::of("trap_put").open();
    let seen = Seen::begin();
    let value = crate::stage::value("hunter2-canary");
    let key = crate::stage::secret("k");
    let put = store.put(&key, &value, coffer_host::Existing::Replace).await;
    refused(put, "trap", Blame::Plugin);
    let text = seen.lines().join("\n");
    contains(&text, "is withheld");
    lacks(&text, "asked to keep");
}

/// Whatever it answered would have to be hidden in what it logged.
#[tokio::test]
async fn the_log_of_a_call_that_breaks_the_contract_is_withheld() {
    let store = Stage::of("result_too_few").open();
    let seen = Seen::begin();
    refused(ask(&store, "").await, "contract", Blame::Plugin);
    let text = seen.lines().join("\n");
    contains(&text, "is withheld");
    lacks(&text, "nothing to say");
}

#[tokio::test]
async fn log_encodings() {
    let store = Stage::of("log_encodings").open();
    let seen = Seen::begin();
    ask(&store, "hunter2 \"canary\"").await.unwrap();
    let text = seen.lines().join("\n");
    contains(&text, "url ******* json \"*******\" hexadecimal *******");
    lacks(&text, "unter2");
    lacks(&text, "756E746572");
}

#[tokio::test]
async fn log_context() {
    let store = Stage::of("log_context").open();
    let seen = Seen::begin();
    ask(&store, "hunter2-canary").await.unwrap();
    let text = seen.lines().join("\n");
    contains(&text, "innocent");
    lacks(&text, "hunter2");
}
