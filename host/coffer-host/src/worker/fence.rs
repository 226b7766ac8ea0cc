//! What a worker takes away from itself before it reads anything that a plugin's author made.
//!
//! Landlock leaves it the granted directories and no other file, no port and nobody to signal; seccomp
//! leaves it the system calls of `calls.rs`, and ends it at the first other one; limits bound what is
//! left. None of it can be taken back, and whatever the worker starts (threads) inherits it.

use super::calls::{self, Files};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::fd::BorrowedFd;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// What the newest kernel that this was tried on has. What an older one lacks is left out, and told by
/// [`lacking`].
const NEWEST: ABI = ABI::V6;

/// What is below a granted directory, as its grant says.
pub(super) struct Opening<'f> {
    pub(super) directory: BorrowedFd<'f>,
    pub(super) writable: bool,
}

/// How much a worker may use.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) memory_bytes: u64,
    pub(super) cpu_s: Option<u64>,
    pub(super) descriptors: u64,
    pub(super) file_bytes: u64,
}

/// Takes everything away but `openings`. Compiled code can still be loaded; [`seal`] ends that.
///
/// Has to be called while there is one thread: Landlock is the caller's alone, and inherited.
pub(super) fn close_in(openings: &[Opening<'_>], bounds: Bounds) -> Result<(), String> {
    let Bounds { memory_bytes, cpu_s, descriptors, file_bytes } = bounds;
    // Nobody reads its memory by /proc but root, and it leaves none behind when it crashes.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("prctl"))?;
    let limit = |resource, most: u64| {
        // It may have less already, and cannot have more.
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        let both = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, both).map_err(failed("setrlimit"))
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, descriptors)?;
    limit(Resource::Fsize, file_bytes)?;
    // Not the address space, of which the engine reserves terabytes: what can be written to.
    limit(Resource::Data, memory_bytes)?;
    if let Some(cpu_s) = cpu_s {
        // The first ends it by a signal that says so.
        let cpu = Rlimit { current: Some(cpu_s), maximum: Some(cpu_s + 1) };
        setrlimit(Resource::Cpu, cpu).map_err(failed("setrlimit"))?;
    }
    restrict(openings)?;
    let files = openings.iter().map(|opening| opening.writable).max();
    let files = match files {
        None => Files::None,
        Some(false) => Files::Read,
        Some(true) => Files::Write,
    };
    calls::allow_only(files).map_err(|error| format!("seccomp: {error}"))
}

/// From here on nothing becomes executable, and no other filter is set.
pub(super) fn seal() -> Result<(), String> {
    calls::seal().map_err(|error| format!("seccomp: {error}"))
}

fn failed(call: &str) -> impl Fn(rustix::io::Errno) -> String {
    move |error| format!("{call}: {error}")
}

fn restrict(openings: &[Opening<'_>]) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("Landlock: {error}");
    // What no plugin makes or runs is granted nowhere. But FIFOs: to move one that is there to another
    // directory is to make one there, for Landlock. Making one anew is no system call of a worker.
    let never = AccessFs::Execute
        | AccessFs::IoctlDev
        | AccessFs::MakeBlock
        | AccessFs::MakeChar
        | AccessFs::MakeSock;
    let write = AccessFs::from_all(NEWEST) & !never;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(|error| failed(&error))?;
    for Opening { directory, writable } in openings {
        let access = if *writable { write } else { read };
        ruleset = ruleset
            .add_rule(PathBeneath::new(directory, access))
            .map_err(|error| failed(&error))?;
    }
    let status = ruleset.restrict_self().map_err(|error| failed(&error))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("Landlock: the kernel does not enforce it".into()),
    }
}

/// What has to be there and is not.
pub(super) fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !has(|ruleset| ruleset.handle_access(AccessFs::from_all(ABI::V1))) {
        missing.push("Landlock (Linux 5.13, switched on at boot: `lsm=landlock,...`)");
    }
    if !calls::available() {
        missing.push("seccomp filters (Linux 4.14, CONFIG_SECCOMP_FILTER)");
    }
    missing
}

/// What a kernel with an older Landlock does not hold back, or not by two locks.
pub(super) fn lacking() -> Vec<&'static str> {
    let degrees = [
        (
            has(|ruleset| ruleset.handle_access(AccessFs::Refer)),
            "moving a file from one directory to another always fails (Landlock 2, Linux 5.19)",
        ),
        (
            has(|ruleset| ruleset.handle_access(AccessFs::Truncate)),
            "files below a directory that is granted read-only could be cut short after an escape \
             (Landlock 3, Linux 6.2)",
        ),
        (
            has(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V4))),
            "connections are held back by seccomp alone (Landlock 4, Linux 6.7)",
        ),
        (
            has(|ruleset| ruleset.handle_access(AccessFs::IoctlDev)),
            "orders to devices are held back by seccomp alone (Landlock 5, Linux 6.10)",
        ),
        (
            has(|ruleset| ruleset.scope(Scope::from_all(ABI::V6))),
            "signals to other processes are held back by seccomp alone (Landlock 6, Linux 6.12)",
        ),
    ];
    degrees.into_iter().filter(|(there, _)| !there).map(|(_, what)| what).collect()
}

/// Whether the kernel has what `asks` asks of it. Nothing is restricted by it.
fn has(asks: impl FnOnce(Ruleset) -> Result<Ruleset, landlock::RulesetError>) -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    asks(ruleset).and_then(Ruleset::create).is_ok()
}
