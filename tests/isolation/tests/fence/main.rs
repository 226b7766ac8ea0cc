//! The second fence: what an escape finds, what becomes of workers that lie or die, and what compiling in
//! one may take.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests put files where plugins must not reach, and a test that cannot go on fails"
)]

mod bounds;
mod compile;
mod death;
mod escape;
mod lacking;
mod lie;
#[path = "../../../../host/coffer-host/tests/sandbox/lines.rs"]
mod lines;
mod memory;
mod stage;
mod without;
