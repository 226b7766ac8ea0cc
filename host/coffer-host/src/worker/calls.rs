//! The system calls that a worker may make. The list comes from what the engine, the runtime and the C
//! library are known to do, and from what the suites ran into; whatever is not here ends the process, so
//! that the first thing an escape tries that a worker never does is the last.

use crate::ambient;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// What a worker does with files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    None,
    Read,
    Write,
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Memory, threads, time, randomness, and the socket that is open.
const ALWAYS: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    // Images of instances' memory. Nothing is executable there, and nothing is run by a descriptor.
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    // Of its one socket, when it hangs up.
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What else the same things are called on this processor.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[libc::c_long] = &[libc::SYS_epoll_wait];
/// There the engine has to make other processors see new code. Not tried.
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[libc::c_long] = &[libc::SYS_membarrier];

const READ: &[libc::c_long] = &[
    libc::SYS_dup,
    libc::SYS_fadvise64,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_readlinkat,
    libc::SYS_statx,
];

const WRITE: &[libc::c_long] = &[
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    // How the engine appends.
    libc::SYS_pwritev2,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
];

/// What libraries try and do without: they are told that there is no such call. `clone3` has its flags
/// where a filter cannot see them, so threads are made with `clone`.
const ABSENT: &[libc::c_long] = &[libc::SYS_clone3];

/// What is absent as well as long as there is no directory: the C library looks into `/sys` and `/proc`
/// for numbers that it can guess.
const ABSENT_WITHOUT_FILES: &[libc::c_long] = &[libc::SYS_openat, libc::SYS_newfstatat];

/// `PAGEMAP_SCAN`, by which the engine learns which pages of an instance to wipe.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// Lets the process make these calls and no other from here on.
pub(super) fn allow_only(files: Files) -> Result<(), Error> {
    let mut rules: Rules = BTreeMap::new();
    let mut absent: Rules = BTreeMap::new();
    let calls: &[&[libc::c_long]] = match files {
        Files::None => &[ALWAYS, ALWAYS_HERE],
        Files::Read => &[ALWAYS, ALWAYS_HERE, READ],
        Files::Write => &[ALWAYS, ALWAYS_HERE, READ, WRITE],
    };
    rules.extend(calls.iter().copied().flatten().map(|call| (*call, Vec::new())));
    let without = if files == Files::None { ABSENT_WITHOUT_FILES } else { &[] };
    for call in ABSENT.iter().chain(without) {
        absent.insert(*call, Vec::new());
        rules.insert(*call, Vec::new());
    }
    // A thread, which shares everything with the process, and never a process.
    let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u64;
    rules.insert(libc::SYS_clone, vec![masked(0, thread, thread)?]);
    rules.insert(libc::SYS_ioctl, vec![equal(1, PAGEMAP_SCAN)?]);
    // How the process ends itself when it gives up.
    rules.insert(libc::SYS_tgkill, vec![equal(0, u64::from(std::process::id()))?]);
    rules.insert(
        libc::SYS_prctl,
        vec![
            // The name of a thread.
            equal(0, libc::PR_SET_NAME as u64)?,
            equal(0, libc::PR_SET_NO_NEW_PRIVS as u64)?,
        ],
    );
    // For `seal`, which takes it away.
    rules.insert(libc::SYS_seccomp, Vec::new());
    apply(absent, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?;
    apply(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Nothing becomes executable any more, and there is no other filter.
pub(super) fn seal() -> Result<(), Error> {
    let executable = libc::PROT_EXEC as u64;
    let rules = BTreeMap::from([
        (libc::SYS_mmap, vec![masked(2, executable, executable)?]),
        (libc::SYS_mprotect, vec![masked(2, executable, executable)?]),
        (libc::SYS_seccomp, Vec::new()),
    ]);
    apply(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn apply(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Result<(), Error> {
    let processor = std::env::consts::ARCH.try_into()?;
    let filter: BpfProgram = SeccompFilter::new(rules, otherwise, listed, processor)?.try_into()?;
    Ok(seccompiler::apply_filter_all_threads(&filter)?)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, Error> {
    rule(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, Error> {
    rule(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

fn rule(
    argument: u8,
    length: SeccompCmpArgLen,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, compare, value)?])?)
}

/// Whether the kernel has filters that end a process.
pub(super) fn available() -> bool {
    const ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";
    ambient::file(ACTIONS, 4096).is_ok_and(|actions| {
        String::from_utf8_lossy(&actions).split_whitespace().any(|action| action == "kill_process")
    })
}
