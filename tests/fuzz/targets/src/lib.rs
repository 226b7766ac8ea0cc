//! What is done with whatever a fuzzer comes up with, and what must hold then. A target is a function of
//! bytes that panics when something does not hold. The fuzzer in the folder above calls one of them for as
//! long as it is told; the test beside this runs them all on the seeds in `../corpus`.
//!
//! There is no target for the line that a go-plugin plugin prints, because nothing reads one yet. Whoever
//! writes that reader adds `go_plugin` here.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a target is a test: it panics when something does not hold, and works in folders of its own"
)]

mod bundle;
mod call;
mod compiled;
mod component;
mod config;
mod edits;
mod files;
#[path = "../../../../host/coffer-bundle/src/home.rs"]
#[expect(dead_code, unreachable_pub, reason = "the spool's own source needs a part of it")]
mod home;
mod input;
mod manifest;
mod mask;
#[path = "../../../../host/coffer-bundle/src/random.rs"]
mod random;
mod reference;
mod said;
mod sets;
mod spool;
mod template;
mod url;

/// Does something with `data`, and panics when what must hold does not.
pub type Target = fn(&[u8]);

/// Every target, by its name, which is that of its folder of seeds.
pub const TARGETS: [(&str, Target); 13] = [
    ("bundle", bundle::bundle),
    ("call", call::call),
    ("compiled", compiled::compiled),
    ("component", component::component),
    ("config", config::config),
    ("files", files::files),
    ("manifest", manifest::manifest),
    ("mask", mask::mask),
    ("reference", reference::reference),
    ("sets", sets::sets),
    ("spool", spool::spool),
    ("template", template::template),
    ("url", url::url),
];
