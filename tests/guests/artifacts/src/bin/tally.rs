//! Passes on what `cargo test` prints, and says at its end how many behaviours of guests were tried in that
//! run and how many were contained. It fails if one was not contained; with `--all`, also if one was not
//! tried.
#![expect(clippy::disallowed_macros, reason = "a program that prints")]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tally = Tally::default();
    for line in io::stdin().lock().split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.read(&line);
    }
    let (said, contained) =
        tally.say(guest_artifacts::BEHAVIOURS, std::env::args().any(|word| word == "--all"));
    println!("{said}");
    if contained { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tests that ran, and whether each passed.
#[derive(Default)]
struct Tally(BTreeMap<String, bool>);

impl Tally {
    /// Reads a line as a test's result, if it is one: `test NAME ... ok`, perhaps in colour.
    fn read(&mut self, line: &str) {
        let line = plain(line);
        let result = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "));
        if let Some((name, result)) = result {
            let passed = result.trim_end() == "ok";
            // It may be in a file below its suite's. One that ran twice passed if it passed both times.
            let name = name.rsplit("::").next().unwrap_or(name).to_owned();
            self.0.entry(name).and_modify(|all| *all &= passed).or_insert(passed);
        }
    }

    /// What became of `behaviours`, and whether that is as it should be.
    fn say(&self, behaviours: &[&str], all: bool) -> (String, bool) {
        let became = |wanted| {
            let of = behaviours.iter().filter(move |name| self.0.get(**name).copied() == wanted);
            of.copied().collect::<Vec<_>>()
        };
        let (contained, escaped, untried) = (became(Some(true)), became(Some(false)), became(None));
        let tried = contained.len() + escaped.len();
        let mut said = format!(
            "behaviours of hostile and probing guests: {tried} of {} tried, {} contained",
            behaviours.len(),
            contained.len()
        );
        if !escaped.is_empty() {
            said += &format!("; NOT CONTAINED: {}", escaped.join(", "));
        }
        if all && !untried.is_empty() {
            said += &format!("; NOT TRIED: {}", untried.join(", "));
        }
        (said, escaped.is_empty() && (untried.is_empty() || !all))
    }
}

/// A line without the escape sequences that colour it.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_and_passed_is_counted() {
        let check = |lines: &str, all: bool, expected: &str, contained: bool| {
            let mut tally = Tally::default();
            lines.lines().for_each(|line| tally.read(line));
            let (said, fine) = tally.say(&["cpu_a", "cpu_b"], all);
            assert!(said.ends_with(expected), "{lines}: {said}");
            assert_eq!(fine, contained, "{lines}: {said}");
        };
        let both = "running 2 tests\ntest cpu::cpu_a ... ok\ntest cpu::cpu_b ... \u{1b}[32mok\u{1b}(B\u{1b}[m\n";
        check(both, true, "2 of 2 tried, 2 contained", true);
        let one = "test cpu::cpu_a ... ok\n";
        check(one, false, "1 of 2 tried, 1 contained", true);
        check(one, true, "1 of 2 tried, 1 contained; NOT TRIED: cpu_b", false);
        check("", true, "0 contained; NOT TRIED: cpu_a, cpu_b", false);
        let failed = "test cpu::cpu_a ... FAILED\ntest cpu::cpu_b ... ok\n";
        check(failed, true, "2 of 2 tried, 1 contained; NOT CONTAINED: cpu_a", false);
        check(failed, false, "NOT CONTAINED: cpu_a", false);
        check("test cpu::more::cpu_a ... ok\n", false, "1 of 2 tried, 1 contained", true);
        // One that is told to be left out was not contained, and what is no line of a result is none.
        check("test cpu::cpu_a ... ignored\n", false, "NOT CONTAINED: cpu_a", false);
        check(
            "the test cpu::cpu_a ... ok\ntest x::cpu_a_more ... ok\n",
            true,
            "NOT TRIED: cpu_a, cpu_b",
            false,
        );
        check(&format!("{both}test cpu::cpu_a ... FAILED\n"), true, "NOT CONTAINED: cpu_a", false);
    }
}
