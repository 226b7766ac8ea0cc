//! A row of the table.

use std::fmt;

/// What was found, and what it should be.
pub(crate) struct Row {
    what: String,
    against: String,
    measured: String,
    target: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Absent,
    Held,
    Missed,
}

impl Row {
    /// Something that should be at most `most`. `shown` is what was measured, with its unit.
    pub(crate) fn at_most(
        what: &str,
        against: &str,
        measured: f64,
        most: f64,
        unit: &str,
        shown: &str,
    ) -> Self {
        Self::of(what, against, shown, format!("at most {most}{unit}"), measured <= most)
    }

    /// Something that should be at least `least`.
    pub(crate) fn at_least(
        what: &str,
        against: &str,
        measured: f64,
        least: f64,
        unit: &str,
        shown: &str,
    ) -> Self {
        Self::of(what, against, shown, format!("at least {least}{unit}"), measured >= least)
    }

    fn of(what: &str, against: &str, measured: &str, target: String, held: bool) -> Self {
        let verdict = if held { Verdict::Held } else { Verdict::Missed };
        let row = Self {
            what: what.into(),
            against: against.into(),
            measured: measured.into(),
            target,
            verdict,
        };
        println!("{row}");
        row
    }

    /// Something that could not be measured here.
    pub(crate) fn absent(what: &str, against: &str, why: &str, target: &str) -> Self {
        let row = Self {
            what: what.into(),
            against: against.into(),
            measured: format!("not measured: {why}"),
            target: target.into(),
            verdict: Verdict::Absent,
        };
        println!("{row}");
        row
    }

    pub(crate) fn holds(&self) -> bool {
        self.verdict == Verdict::Held
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, against, measured, target, verdict } = self;
        let verdict = match verdict {
            Verdict::Absent => "**not measured**",
            Verdict::Held => "held",
            Verdict::Missed => "**missed**",
        };
        write!(f, "| {what} | {against} | {measured} | {target} | {verdict} |")
    }
}
