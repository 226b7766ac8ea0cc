//! The second fence: a plugin runs in a process of its own that has nothing, so that a hole in the engine
//! leads nowhere.
//!
//! A worker is the program that embeds coffer, started once more. It has the engine, the plugin's compiled
//! code, and the directories that were granted. Whatever else a plugin can have (requests, commands, the
//! cache) it asks its parent for, which decides as it does for a plugin in its own process and keeps
//! credentials to itself.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod compiling;
#[cfg(target_os = "linux")]
mod fence;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod workers;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub(crate) use {
    compiling::compile,
    link::Link,
    message::Shown,
    process::Launcher,
    workers::{Made, Workers},
};

/// The one argument of a worker.
#[cfg(target_os = "linux")]
const MARK: &str = "--coffer-worker";

/// A program that is started as a worker: one whose `main` begins with [`enter`].
#[derive(Clone, Debug)]
pub struct Program(#[cfg_attr(not(target_os = "linux"), expect(dead_code))] PathBuf);

impl Program {
    /// Another program than this one. For libraries in programs that are not Rust's.
    ///
    /// Its `main` must begin with [`enter`]: any other program would do what it does otherwise, with one
    /// argument that it does not know.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

/// What a `main` begins with, before anything else is opened, started or read, if its program is to have
/// workers. Returns at once, with what [`crate::HostBuilder::workers`] takes; but in a worker, which this
/// program is when coffer started it as one, it does a worker's work and does not return.
#[must_use]
pub fn enter() -> Program {
    #[cfg(target_os = "linux")]
    if is_worker() {
        inside::run(None);
    }
    this()
}

/// For tests of the fence: `escape` is run in the place of the plugin, in a worker, and is told the keys
/// of the references that are asked for.
#[doc(hidden)]
#[cfg(target_os = "linux")]
#[must_use]
pub fn enter_escaping(escape: fn(&str) -> Vec<u8>) -> Program {
    if is_worker() {
        inside::run(Some(escape));
    }
    this()
}

#[cfg(target_os = "linux")]
fn is_worker() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == MARK)
}

/// This program, also when its file was replaced meanwhile.
fn this() -> Program {
    Program(PathBuf::from("/proc/self/exe"))
}

/// What this machine has of what workers are closed in by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Available {
    /// What there must be and is not. Workers can be had only if this is empty.
    pub missing: Vec<&'static str>,
    /// What the kernel is too old for, and what follows from it.
    pub lacking: Vec<&'static str>,
}

/// What this machine has of what workers are closed in by. Nothing is restricted by asking.
#[must_use]
pub fn available() -> Available {
    #[cfg(target_os = "linux")]
    return Available { missing: fence::missing(), lacking: fence::lacking() };
    #[cfg(not(target_os = "linux"))]
    return Available { missing: vec!["Linux"], lacking: Vec::new() };
}
