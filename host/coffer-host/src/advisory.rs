//! What is publicly known to be wrong with the engine, as of the day on which this version was made. The
//! list is `advisories.json`: what the engine's release notes of the line in use and the databases of
//! advisories say. Of each it says whether coffer has what the hole is in.

use serde::Deserialize;

/// The engine's version that this was built with.
pub const ENGINE_VERSION: &str = wasmtime_environ::VERSION;

/// The advisories that were known on a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Advisories {
    /// The day, as `2026-11-24`. Nothing that was published later is in the list.
    pub known_on: String,
    /// All of them, those included that this version does not have any more.
    pub advisories: Vec<Advisory>,
}

/// One advisory. Every version of the line before the one that fixed it has the hole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// Its id at GitHub, or else its CVE.
    pub id: String,
    /// What it is about, in its publisher's words.
    pub title: String,
    /// The first version without it.
    pub fixed: String,
    /// What a guest can do by it at worst.
    pub effect: Effect,
    /// What the hole is in, if coffer has that.
    pub needs: Option<String>,
    /// Why coffer does not have what the hole is in, if it does not.
    pub without: Option<String>,
}

/// What a guest can do by a hole at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Read, write or send what it must not.
    Reaches,
    /// Stop the process, or take its memory.
    Stops,
}

impl Advisories {
    /// Those that this version was made with.
    #[must_use]
    pub fn known() -> Self {
        serde_json::from_str(include_str!("advisories.json")).expect("a test reads the list")
    }

    /// Those that the engine `version` has and coffer is concerned by.
    pub fn of<'a>(&'a self, version: &'a str) -> impl Iterator<Item = &'a Advisory> {
        let has = move |advisory: &&Advisory| {
            numbers(version) < numbers(&advisory.fixed) && advisory.needs.is_some()
        };
        self.advisories.iter().filter(has)
    }
}

/// A version's three numbers; one that is none is older than all.
fn numbers(version: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<'a>(advisories: &'a Advisories, version: &'a str) -> Vec<&'a str> {
        advisories.of(version).map(|advisory| advisory.id.as_str()).collect()
    }

    #[test]
    fn every_advisory_says_whether_it_concerns_coffer() {
        let known = Advisories::known();
        assert_eq!(known.known_on.len(), "2026-11-24".len());
        for advisory in &known.advisories {
            let Advisory { id, title, fixed, effect: _, needs, without } = advisory;
            assert!(id.starts_with("GHSA-") || id.starts_with("CVE-"), "{id}");
            assert!(!title.is_empty() && needs.is_some() != without.is_some(), "{id}");
            assert!(numbers(fixed).is_some_and(|fixed| fixed.0 == 48), "{id}");
        }
    }

    #[test]
    fn a_version_has_what_was_fixed_later() {
        let known = Advisories::known();
        assert_eq!(ids(&known, "48.0.9"), [""; 0]);
        assert_eq!(ids(&known, "48.0.10"), [""; 0]);
        assert_eq!(ids(&known, "48.0.8"), ["GHSA-rc4p-x33f-vpr2", "GHSA-2674-w29h-wqvj"]);
        assert!(ids(&known, "48.0.7").contains(&"GHSA-h4wp-g4x3-7398"));
        assert!(ids(&known, "48.0.3").len() > 5);
        assert_eq!(ids(&known, "unknown").len(), ids(&known, "48.0.0").len());
        // What coffer does not have concerns it in no version.
        assert!(!ids(&known, "48.0.0").contains(&"GHSA-32h6-97mm-8q3c"));
    }

    #[test]
    fn the_engine_is_of_the_line_that_the_list_is_about() {
        let (major, minor, patch) = numbers(ENGINE_VERSION).unwrap();
        assert_eq!((major, minor), (48, 0));
        assert!(patch >= 8, "48.0.{patch} has holes by which a guest gets at something");
        let worst = Advisories::known();
        assert!(worst.of(ENGINE_VERSION).all(|advisory| advisory.effect == Effect::Stops));
    }
}
