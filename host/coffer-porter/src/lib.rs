//! The bridge by which Porter uses coffer's stores: a plugin in the sense of hashicorp/go-plugin that speaks
//! Porter's protocol for secrets, and asks a sandboxed plugin for them.
//!
//! Whoever speaks go-plugin with Porter's handshake can use it; see `docs/porter.md`.

mod bridge;
mod key;
mod life;
pub mod log;
mod message;
mod plugin;
mod section;
mod server;
mod service;
mod socket;
mod tls;

pub use bridge::Surroundings;
pub use key::{Key, KeyError};
pub use plugin::{StartError, run};
pub use tls::TlsError;
