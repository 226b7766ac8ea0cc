//! The binary `coffer-porter` with hosts of go-plugin: one built on Porter's own fork, as Porter is, and one on
//! go-plugin itself. `just test-porter` runs this.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at files and processes behind the binary's back, and what they stand on is \
              theirs"
)]

mod handshake;
mod life;
mod privacy;
mod secrets;
mod stage;
mod vault;
