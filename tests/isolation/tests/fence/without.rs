//! A system without Landlock, for a thread and what it starts.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::collections::BTreeMap;

/// Does `act` where the kernel says that it has no such system call.
pub(crate) fn without_landlock(act: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let filter = SeccompFilter::new(
            BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::ENOSYS as u32),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let filter: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&filter).unwrap();
        act();
    });
    thread.join().unwrap();
}
