//! What the kernel says of itself and of this process: whether plugins can have processes of their own, and
//! where the memory of a process may end up.

use super::Examination;
use rustix::process::DumpableBehavior;

/// What was read from the kernel. What it does not say is empty.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// `6.18.44`.
    release: String,
    /// What there must be for plugins to have processes of their own, and is not.
    missing: Vec<&'static str>,
    /// What those processes are closed in by less than they could be.
    lacking: Vec<&'static str>,
    /// `/proc/sys/user/max_user_namespaces`.
    namespaces: String,
    /// `/proc/sys/kernel/core_pattern`.
    core_pattern: String,
    /// `/proc/swaps`.
    swaps: String,
    /// `/proc/self/status`.
    status: String,
    /// `/proc/self/limits`.
    limits: String,
    /// Whether a core of this process can be dumped, or its memory be read by its user.
    dumpable: bool,
}

impl Machine {
    #[expect(
        clippy::disallowed_methods,
        reason = "/proc and /sys are no files that anybody grants"
    )]
    pub(super) fn read() -> Self {
        let read = |path: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let isolation = coffer_host::worker::available();
        Self {
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            missing: isolation.missing,
            lacking: isolation.lacking,
            namespaces: read("/proc/sys/user/max_user_namespaces"),
            core_pattern: read("/proc/sys/kernel/core_pattern"),
            swaps: read("/proc/swaps"),
            status: read("/proc/thread-self/status"),
            limits: read("/proc/thread-self/limits"),
            dumpable: rustix::process::dumpable_behavior()
                .is_ok_and(|behavior| behavior != DumpableBehavior::NotDumpable),
        }
    }

    /// A line of `/proc/self/status`.
    fn status(&self, name: &str) -> Option<&str> {
        let lines = self.status.lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|line| line.0 == name)
            .map(|line| line.1.trim())
    }

    /// Bytes of a core that may be written, at most.
    fn core_limit(&self) -> Option<&str> {
        let line = self.limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
        line.split_whitespace().next()
    }

    /// Whether the kernel is this new.
    fn is_at_least(&self, major: u32, minor: u32) -> Option<bool> {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let found: (u32, u32) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(found >= (major, minor))
    }

    /// Places that memory is swapped to, those that are themselves in memory left out.
    fn swaps(&self) -> Vec<&str> {
        let places = self.swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        places.filter(|place| !place.starts_with("/dev/zram")).collect()
    }
}

/// What is said of a feature that the kernel does not tell about.
const UNKNOWN: &str = "not known";

impl Examination {
    pub(super) fn machine(&mut self, machine: &Machine) {
        self.fact("kernel", &machine.release);
        self.isolation(machine);
        self.fact("core file", machine.core_limit().unwrap_or(UNKNOWN));
        self.fact("core pattern", or_unknown(&machine.core_pattern));
        if machine.dumpable || machine.core_limit().is_some_and(|limit| limit != "0") {
            self.wrong(
                "core-dumps",
                "this process can be dumped, or its memory be read by its own user",
                "a dump has values in it",
                "run coffer where it may set its own limits, or switch core dumps off with `ulimit -c 0`",
            );
        }
        if machine.status("Umask").is_some_and(|umask| umask != "0077") {
            self.wrong(
                "umask",
                "this process makes files that others can read",
                "values, keys and the names of secrets are in them",
                "report it; coffer sets its own umask when it starts",
            );
        }
        let swaps = machine.swaps();
        self.fact("swap", if swaps.is_empty() { "none".into() } else { swaps.join(", ") });
        if !swaps.is_empty() {
            self.note(
                "swap",
                format!("memory may be written to {}", swaps.join(", ")),
                "a value that is in memory may stay on the disk after it was overwritten",
                "switch swap off, or encrypt it",
            );
        }
    }

    /// Whether plugins that are not bundled run in processes of their own, and how well closed in.
    fn isolation(&mut self, machine: &Machine) {
        self.fact("isolation", if machine.missing.is_empty() { "process" } else { "none" });
        if !machine.missing.is_empty() {
            self.note(
                "isolation",
                format!(
                    "plugins that are not bundled run in coffer's own process, since this system lacks {}",
                    machine.missing.join(", ")
                ),
                "a plugin that breaks out of the engine's sandbox has what coffer has",
                "use a kernel that has it; or say `isolation: process` of a store, and it does not run without",
            );
        }
        for lack in &machine.lacking {
            if machine.missing.is_empty() {
                self.note(
                    "isolation",
                    format!("in processes of plugins, {lack}"),
                    "the kernel is too old for a part of what closes them in",
                    "use a newer kernel if that matters",
                );
            }
        }
        self.fact("user namespaces", or_unknown(&machine.namespaces));
        let scan = machine.is_at_least(6, 7);
        self.fact("pagemap scan", scan.map_or(UNKNOWN, yes));
        if scan == Some(false) {
            self.note(
                "pagemap-scan",
                "the kernel is older than 6.7 and cannot tell which memory was touched",
                "a call of a plugin takes twice the time; it is as safe",
                "use a newer kernel if that matters",
            );
        }
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { UNKNOWN } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Weight;

    /// A machine on which all is well.
    fn well() -> Machine {
        Machine {
            release: "6.18.44-generic".into(),
            missing: Vec::new(),
            lacking: Vec::new(),
            namespaces: "63000".into(),
            core_pattern: "core".into(),
            swaps: "Filename Type Size Used Priority\n/dev/zram0 partition 8 0 100".into(),
            status: "Name:\tcoffer\nUmask:\t0077".into(),
            limits:
                "Limit  Soft Limit\nMax core file size        0                    0      bytes"
                    .into(),
            dumpable: false,
        }
    }

    #[track_caller]
    fn check(machine: &Machine, expected: &[(Weight, &str)]) {
        let mut examination = Examination::default();
        examination.machine(machine);
        let found: Vec<_> =
            examination.findings.iter().map(|finding| (finding.weight, finding.about)).collect();
        assert_eq!(found, expected, "{machine:?}");
    }

    #[test]
    fn each_thing_is_found() {
        use Weight::{Note, Wrong};
        check(&well(), &[]);
        let missing = vec!["Landlock", "seccomp"];
        check(&Machine { missing: missing.clone(), ..well() }, &[(Note, "isolation")]);
        let lacking = vec!["one thing", "another"];
        let notes = [(Note, "isolation"), (Note, "isolation")];
        check(&Machine { lacking: lacking.clone(), ..well() }, &notes);
        // What there is nothing of does not lack anything.
        check(&Machine { missing, lacking, ..well() }, &notes[..1]);
        check(&Machine { release: "6.6.99".into(), ..well() }, &[(Note, "pagemap-scan")]);
        check(&Machine { release: "6.7.0".into(), ..well() }, &[]);
        check(&Machine { release: "7.0".into(), ..well() }, &[]);
        check(&Machine { release: "?".into(), ..well() }, &[]);
        check(&Machine { dumpable: true, ..well() }, &[(Wrong, "core-dumps")]);
        let unlimited = "Max core file size        unlimited            unlimited            bytes";
        check(&Machine { limits: unlimited.into(), ..well() }, &[(Wrong, "core-dumps")]);
        let disk = "Filename Type Size Used Priority\n/dev/sda2 partition 8 0 -2";
        check(&Machine { swaps: disk.into(), ..well() }, &[(Note, "swap")]);
        check(&Machine { status: "Umask:\t0022".into(), ..well() }, &[(Wrong, "umask")]);
    }
}
