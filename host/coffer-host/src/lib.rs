//! Run secrets plugins that nobody has to trust.
//!
//! A [`Host`] loads a [`Plugin`] (a WebAssembly component), a [`Store`] gives it settings and grants, and
//! every call runs in a fresh instance with bounded memory, time and everything else. What the plugin
//! reaches for is held against the grants at each use.
//!
//! `examples/embed.rs` is a whole program.

mod advisory;
mod ambient;
mod asked;
pub mod audit;
mod bindings;
mod compiled;
mod component;
pub mod durable;
mod engine;
mod entry_point;
mod error;
mod gate;
mod host;
mod imports;
mod limiter;
pub mod limits;
mod mask;
mod observed;
mod risk;
mod sandbox;
mod secret;
mod shape;
mod store;
mod text;
pub mod worker;

pub use advisory::{Advisories, Advisory, ENGINE_VERSION, Effect};
pub use coffer_grants as grants;
pub use coffer_grants::{Blame, Explain};
pub use component::{Capabilities, Import, Inspection, Need, digest_of};
pub use entry_point::{EntryPoint, Files, FilesError, Finished, Run, RunError};
pub use error::{CallError, Cause, Incident, LoadError, LoginFault, OpenError};
pub use gate::{Dns, SystemDns, TlsFault, carrier, certificate_authorities};
pub use host::{Granted, Host, HostBuilder, Isolation, Plugin, StoreConfig};
pub use mask::{MASK, Mask, MaskStream};
pub use observed::{Observed, Observer, Usage};
pub use risk::{RULES, Risk};
pub use secret::Secret;
pub use store::{Existing, Store};
pub use text::deceives;
