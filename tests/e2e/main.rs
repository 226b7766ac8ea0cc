//! The `coffer` binary from outside: the walk-through, what every command prints, where values may be and
//! where not, what a killed process leaves, and what bad input is told.
//!
//! Each test has a home, a working directory, a temporary directory and a PATH of its own. Only
//! [`disk`] needs more of the machine than that: a mount namespace, to have a full disk.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at files and processes behind the binary's back, and what they stand on is \
              theirs"
)]

mod author;
mod bad_config;
mod bad_input;
mod bundles;
mod canary;
mod canary_places;
mod crates;
mod disk;
mod doctor;
mod drivers;
mod faults;
mod formats;
mod given;
mod inspect;
mod isolation;
mod killed;
mod lab;
mod lock;
mod order;
mod porter;
mod power;
mod privacy;
mod restored;
mod scan;
mod sets;
mod stage;
mod together;
mod torture;
mod traced;
mod walkthrough;
#[path = "../isolation/tests/fence/without.rs"]
mod without;
