//! Where the components are that the tests run (`just plugins` builds them), and what no compiler makes:
//! the text of those that are written by hand, and functions that make others.

pub mod generated;
pub mod written;

include!(concat!(env!("OUT_DIR"), "/behaviours.rs"));

/// The component of the guest `name`.
///
/// # Panics
///
/// If it was not built.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    component(name)
}

/// The component of the first-party plugin `name`.
///
/// # Panics
///
/// If it was not built.
#[must_use]
pub fn plugin(name: &str) -> Vec<u8> {
    component(&format!("coffer_plugin_{}", name.replace('-', "_")))
}

#[expect(clippy::disallowed_methods, reason = "tests know where their components are")]
fn component(name: &str) -> Vec<u8> {
    let path = format!("{COMPONENTS}/{name}.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{path}: {error}; `just plugins` builds the components that the tests run")
    })
}
