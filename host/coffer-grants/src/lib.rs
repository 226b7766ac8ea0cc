//! What a plugin may do, as pure decisions: which reference can be asked for, what a manifest asks
//! for, what an operator grants, and whether one request is covered by a grant.
//!
//! Nothing here does I/O, waits, or knows the engine. A decision is a value: what acts on the world
//! takes a permit ([`HttpPermit`], [`AddressPermit`], [`CommandPermit`], [`DirectoryPermit`],
//! [`EnvironmentPermit`], [`CallPermit`]) as an argument, and only this crate makes permits.

#![forbid(unsafe_code)]

mod address;
mod blame;
mod command;
mod denied;
mod difference;
mod directory;
mod grants;
mod http;
mod login;
mod manifest;
mod reference;
mod settings;
mod shown;
mod signature;
mod surplus;
mod template;
mod url;

pub use address::{AddressPermit, Reach};
pub use blame::{Blame, Explain};
pub use command::{ArgvPattern, CommandPermit};
pub use denied::Denied;
pub use difference::{Difference, Edition};
pub use directory::{Access, DirectoryGrant, DirectoryPermit};
pub use grants::{CallPermit, EnvironmentPermit, GrantError, Grants, Verb};
pub use http::{HeaderSource, HttpGrant, HttpPermit, InjectedHeader};
pub use login::{Login, LoginKind, Material};
pub use manifest::{Manifest, ManifestError};
pub use reference::{KEY_BYTES_MAX, Reference, ReferenceError, Source};
pub use settings::{Setting, SettingKind, Settings, SettingsError};
pub use signature::AwsSigV4;
pub use url::{RequestUrl, UrlError, UrlPattern};
