//! What a process that has secrets sees to before it does anything: that what it has in memory stays there.
//! What it makes is its owner's alone, no core of it is dumped, another process of the same user can neither
//! read its memory nor its environment, and a panic says where it was and nothing else.

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use std::panic::{self, PanicHookInfo};

/// Begins to be private. What cannot be had here is told by `coffer doctor`, and stops nothing. `tell` is told
/// the place of a panic.
pub fn begin(tell: fn(&str)) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // The programs that drivers start inherit it: they have values in memory as well.
    let _ = rustix::process::setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    panic::set_hook(Box::new(move |panicked| tell(&place(panicked))));
}

/// Where it was. The message of a panic is left out: it may quote anything.
fn place(panicked: &PanicHookInfo<'_>) -> String {
    panicked.location().map_or_else(
        || "an unknown place".to_owned(),
        |place| format!("{}:{}", place.file(), place.line()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_panic_says_where_and_not_what() {
        static TOLD: Mutex<String> = Mutex::new(String::new());
        let value = "hunter2".repeat(2);
        let before = panic::take_hook();
        panic::set_hook(Box::new(|panicked| {
            let text = place(panicked);
            assert!(panicked.payload_as_str().is_some_and(|payload| payload.contains("hunter2")));
            *TOLD.lock().unwrap() = text;
        }));
        let found = |number: &str| number.parse::<u8>().map_err(|_| number.to_owned());
        panic::catch_unwind(|| found(&value).unwrap()).unwrap_err();
        panic::set_hook(before);
        let told = TOLD.lock().unwrap();
        assert!(told.contains("privacy.rs:"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
