//! Judge a secrets plugin, in whatever language it is written, without its backend at hand.
//!
//! The plugin runs as any plugin does, in a [`coffer_host::Store`] with grants and limits, on a server and on
//! directories of the lab's own. Each [`Case`] asks one question and comes to a [`Verdict`]; a [`Report`] has
//! all of them. Nothing that a plugin or a backend said is in a report, and no value.
//!
//! `docs/lab.md` says what each case means.

mod backend;
mod bench;
mod case;
mod cases;
mod cassette;
mod fault;
mod judge;
mod profile;
mod report;
mod token;
mod watch;

pub use case::Case;
pub use cases::all as cases;
pub use judge::{Asked, Judged, judge};
pub use profile::{Budget, CredentialSource, PROFILE_SCHEMA, Profile, ProfileError};
pub use report::{Format, REPORT_SCHEMA, Report, Ruling, Unfit, Verdict, escaped, sarif};
