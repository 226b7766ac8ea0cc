//! The lab, with plugins that are good and with plugins that are bad in one way each.

#![expect(clippy::unwrap_used, reason = "what a test stands on is its own")]

mod bad;
mod good;
mod stage;

/// For each guest of a suite there is a test of its name.
macro_rules! ran {
    ($guest:ident) => {
        const _: fn() = bad::$guest;
    };
}
guest_artifacts::foreach_lab!(ran);
