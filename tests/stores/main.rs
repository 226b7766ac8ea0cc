//! The stores against real servers, and against stand-ins where none can be had, each started by `tests/backends` for one
//! test and stopped with it.
//! `just test-backends` runs this.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at servers, files and processes behind the binary's back, and what they \
              stand on is theirs"
)]

// The machine of the tests of the binary. Not everything of it is needed here.
#[path = "../e2e/bundles.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod bundles;
#[path = "../e2e/scan.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod scan;
#[path = "../e2e/stage.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod stage;

// The way to a server that can be cut. Not everything of it is needed here either.
#[path = "../ledgers/cut.rs"]
mod cut;

mod aws;
mod aws_refusals;
mod aws_walkthrough;
mod azure;
mod cut_off;
mod google;
mod kubernetes;
mod kubernetes_refusals;
mod kubernetes_walkthrough;
mod lab;
mod ledger_walkthrough;
mod matrix;
mod told;
mod vault;
mod vault_login;
mod vault_refusals;
mod vault_walkthrough;
mod walkthrough;
