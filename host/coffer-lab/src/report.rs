//! A report: what came of each case, in the forms that people and machines read. Every text in it is the
//! lab's, or stands in the plugin's manifest.

mod html;
mod json;
mod junit;
pub mod sarif;
mod text;

use crate::cases::Measured;
use coffer_host::{Blame, Explain, Inspection, Isolation, deceives};
use std::fmt;

/// The JSON Schema of a report as JSON.
pub const REPORT_SCHEMA: &str = include_str!("../schemas/report.schema.json");

/// Characters of a text in a report.
const TEXT_CHARACTERS_MAX: usize = 600;

/// What came of judging a plugin.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) file: String,
    pub(crate) plugin: Option<Described>,
    pub(crate) seed: u64,
    pub(crate) isolation: Isolation,
    pub(crate) rulings: Vec<Ruling>,
    pub(crate) measured: Vec<(&'static str, Measured)>,
}

/// What a plugin's file says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) digest: String,
    pub(crate) bytes: usize,
    pub(crate) can: Vec<&'static str>,
}

/// What came of one case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ruling {
    /// The case's name.
    pub case: &'static str,
    /// What was asked.
    pub title: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, or a remark; often nothing if it passed.
    pub reason: String,
    /// What to do if it did not pass.
    pub next: String,
    /// Whether the profile left it out.
    pub(crate) meant: bool,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The plugin does not do what it has to.
    Fail,
    /// The plugin cannot do this, and does not have to.
    NotApplicable,
    /// The plugin does what it has to.
    Pass,
    /// The lab could not look, or the profile says that it should not.
    Skipped,
    /// The plugin does what it has to, and should do better.
    Warning,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] =
        [Self::Fail, Self::Warning, Self::Skipped, Self::NotApplicable, Self::Pass];

    /// The verdict as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::NotApplicable => "not-applicable",
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
        }
    }
}

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One page for a browser.
    Html,
    /// For programs; see [`REPORT_SCHEMA`].
    Json,
    /// For what shows tests.
    Junit,
    /// For what shows findings of static analysis.
    Sarif,
    /// For a terminal.
    Text,
}

/// A plugin that did not pass, or could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Cases that it failed.
    pub failed: usize,
    /// Cases that the lab could not look at.
    pub skipped: usize,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases =
            |count: usize| if count == 1 { "1 case".into() } else { format!("{count} cases") };
        match *self {
            Self { failed: 0, skipped } => {
                write!(f, "the plugin could not be judged in {}", cases(skipped))
            }
            Self { failed, .. } => write!(f, "the plugin fails {}", cases(failed)),
        }
    }
}

impl std::error::Error for Unfit {}

impl Explain for Unfit {
    fn blame(&self) -> Blame {
        if self.failed > 0 { Blame::Plugin } else { Blame::Requester }
    }

    fn next(&self) -> String {
        "the report says for each case what to do; docs/lab.md says what it means".into()
    }
}

impl Report {
    pub(crate) fn new(file: &str, seed: u64, isolation: Isolation) -> Self {
        Self {
            file: shown(file),
            plugin: None,
            seed,
            isolation,
            rulings: Vec::new(),
            measured: Vec::new(),
        }
    }

    pub(crate) fn describe(&mut self, inspection: &Inspection) {
        let manifest = &inspection.manifest;
        let mut can = vec!["resolve"];
        if inspection.capabilities.writer {
            can.extend(["put", "delete"]);
        }
        if inspection.capabilities.lister {
            can.push("list");
        }
        self.plugin = Some(Described {
            name: shown(manifest.name()),
            version: shown(manifest.version()),
            description: shown(manifest.description()),
            digest: inspection.digest.clone(),
            bytes: inspection.size,
            can,
        });
    }

    /// What came of each case, in their order.
    #[must_use]
    pub fn rulings(&self) -> &[Ruling] {
        &self.rulings
    }

    /// Why the plugin is not fit, if it is not.
    #[must_use]
    pub fn unfit(&self) -> Option<Unfit> {
        let count = |wanted: Verdict| {
            self.rulings.iter().filter(|ruling| ruling.verdict == wanted && !ruling.meant).count()
        };
        let unfit = Unfit { failed: count(Verdict::Fail), skipped: count(Verdict::Skipped) };
        (unfit != Unfit { failed: 0, skipped: 0 }).then_some(unfit)
    }

    /// What came of all of it, in a word: `pass`, `fail`, or `incomplete` if the lab could not look everywhere.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.unfit() {
            None => "pass",
            Some(Unfit { failed: 0, .. }) => "incomplete",
            Some(_) => "fail",
        }
    }

    /// The report in a form.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Html => html::write(self),
            Format::Json => json::write(self),
            Format::Junit => junit::write(self),
            Format::Sarif => sarif::write(self),
            Format::Text => text::write(self),
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rulings.iter().filter(|ruling| ruling.verdict == verdict).count()
    }

    /// The rulings by group, in their order.
    fn groups(&self) -> Vec<(&str, Vec<&Ruling>)> {
        let mut groups: Vec<(&str, Vec<&Ruling>)> = Vec::new();
        for ruling in &self.rulings {
            let group = ruling.group();
            match groups.last_mut() {
                Some((name, rulings)) if *name == group => rulings.push(ruling),
                _ => groups.push((group, vec![ruling])),
            }
        }
        groups
    }
}

impl Ruling {
    fn group(&self) -> &'static str {
        self.case.split('/').next().unwrap_or_default()
    }

    fn name(&self) -> &'static str {
        self.case.split_once('/').map_or(self.case, |(_, name)| name)
    }

    /// Whether somebody has something to do.
    fn needs_work(&self) -> bool {
        match self.verdict {
            Verdict::Fail | Verdict::Warning => true,
            Verdict::Skipped => !self.meant,
            Verdict::NotApplicable | Verdict::Pass => false,
        }
    }
}

/// A text as it can be shown anywhere: of one line, without what could move a cursor or turn a direction, cut.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(TEXT_CHARACTERS_MAX) {
        if deceives(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A text between tags or in quotes, of HTML or XML. It is a text then, and nothing else.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
