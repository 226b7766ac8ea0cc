//! The table and the plot in `docs/`, with the machine that they are of.

use crate::plot::{self, Curve};
use crate::row::Row;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What is between these in `docs/performance.md` is written here.
const BEGIN: &str = "<!-- what `just bench` wrote -->\n";
const END: &str = "<!-- until here -->\n";

pub(crate) fn write(tree: &Path, rows: &[Row], curves: &[Curve], before: &str) {
    let path = tree.join("docs/performance.md");
    let text = fs::read_to_string(&path).expect("it is in the tree");
    let (head, rest) = text.split_once(BEGIN).expect("it says where the table is");
    let (_, tail) = rest.split_once(END).expect("it says where the table ends");
    let mut table = format!("{}\n\n", machine(before));
    table += "| what | against | measured | target | |\n|---|---|---|---|---|\n";
    for row in rows {
        table += &format!("{row}\n");
    }
    fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).expect("the tree is ours");
    fs::write(tree.join("docs/performance.svg"), plot::svg(curves)).expect("the tree is ours");
}

/// What the numbers belong to.
fn machine(before: &str) -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |name: &str| {
        processors
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or_else(
            |_| format!("no {program}"),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    format!(
        "{}: {count} processors ({}), Linux {}, {}. Load {before} when it began and {} when it ended: 1 for each \
         processor is all that a machine can do at once.",
        said("date", "+%Y-%m-%d"),
        named("model name"),
        kernel.trim(),
        said("rustc", "--version"),
        load(),
    )
}

/// How many processes want to run, in the middle of the last minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}
