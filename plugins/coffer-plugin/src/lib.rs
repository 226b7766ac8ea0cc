//! Write a secrets plugin for coffer.
//!
//! A plugin implements [`Resolver`], and perhaps [`Writer`] and [`Lister`]; which of them it exports
//! is what it can do, and the host reads that from the component before any of its code runs.
//!
//! ```
//! use coffer_plugin::{Error, Reference, Resolver, Secret, export, http, settings};
//!
//! struct Pantry;
//!
//! impl Resolver for Pantry {
//!     fn resolve(reference: &Reference) -> Result<Secret, Error> {
//!         let url = format!("{}/v1/{}", settings::required("address")?, reference.secret()?);
//!         let response = http::get(&url).send()?;
//!         match response.status() {
//!             200 => Ok(Secret::new(response.into_body())),
//!             status => Err(Error::from_status(status)),
//!         }
//!     }
//! }
//!
//! export!(Pantry);
//! ```
//!
//! The crate is a `cdylib`. Its `plugin.toml` says what the plugin is, which settings it has and what
//! it asks for; its build script is one line, `build::plugin()`, which embeds that. Then
//! `cargo build --target wasm32-unknown-unknown` with `wasm-component-ld` as the linker emits a
//! component whose imports are exactly what the code uses.
//!
//! Everything that reaches outside ([`http`], [`fs`], [`commands`], [`mod@env`]) is held against the
//! operator's grants by the host at every use. Off wasm the same calls go to the fakes in [`fake`],
//! so that a plugin's logic is tested with plain `cargo test`.

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

mod backend;
#[doc(hidden)]
pub mod bindings;
#[cfg(feature = "build")]
pub mod build;
pub mod cache;
pub mod commands;
pub mod env;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
pub mod fs;
pub mod http;
pub mod log;
pub mod name;
mod plugin;
pub mod settings;

pub use bindings::coffer::secrets::types::Error;
#[doc(hidden)]
pub use plugin::Glue;
pub use plugin::{Existing, Lister, Page, Reference, Resolver, Secret, Writer};
