//! Plugins and bundles in OCI registries: publish, pull, keep, carry across an air gap, sign, verify.
//!
//! [`Registries`] is the way in. What it gives out has the digest that was asked for, and the signatures that the
//! operator requires of it, whether it comes from a registry or from the disk.

mod authorization;
mod bundle;
mod cache;
mod credentials;
mod digest;
mod error;
mod key;
mod layout;
pub mod limits;
mod manifest;
mod place;
mod reference;
mod registries;
mod remote;
mod signature;

pub use bundle::PulledBundle;
pub use credentials::Credentials;
pub use digest::Digest;
pub use error::RegistryError;
pub use key::{PublicKeys, SigningKey};
pub use place::{Place, read_keys};
pub use reference::OciReference;
pub use registries::{Pulled, Registries};
