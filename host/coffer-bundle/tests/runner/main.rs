//! Runs of whole bundles on the real plugins: what is refused, what is printed, what is kept and where; and
//! what is left when a store is down or the process is killed.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at files behind the runner's back, and a test that cannot go on fails"
)]

mod bundles;
mod canary;
mod fault;
mod killed;
mod once;
mod race;
mod stage;
mod taint;
mod walk_through;
