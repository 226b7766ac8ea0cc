//! Opens hundreds of handles and leaves them open.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;

#[expect(clippy::mem_forget, reason = "that is what this guest is for")]
fn resolve(_: &str) -> Result<Secret, Error> {
    (0..400).for_each(|_| std::mem::forget(subscribe_duration(u64::MAX)));
    report("open")
}

guests::guest!(resolve);
