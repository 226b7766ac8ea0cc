//! Holds the tree against its own rules: which crate may depend on which, what a file may be called and
//! contain, and what the contract in `wit/` promises. There is nothing here but tests.
//!
//! Each rule is a function from what there is to the breaches in it, so that a test beside it can show it
//! something broken.
#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "the tree is what these tests are about")
)]

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod tree;
