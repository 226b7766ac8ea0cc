//! Looks at coffer's own directory, its configuration and the machine for what could give a value away or
//! lose it. It changes nothing, runs no plugin, opens no store, and never sees a value.

mod files;
mod machine;

use crate::config::{Config, Risk};
use crate::home::Home;
use crate::ledger::{Health, Ledger};
use coffer_host::{Advisories, Blame, ENGINE_VERSION, Effect, Explain};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// What was looked at and how it is, in the order in which it was.
    pub facts: Vec<Fact>,
    /// What an operator should know of, the worst first.
    pub findings: Vec<Finding>,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What.
    pub name: &'static str,
    /// How it is.
    pub value: String,
}

/// Something that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it has to be mended.
    pub weight: Weight,
    /// What it is about; one word, the same for the same thing.
    pub about: &'static str,
    /// What is so.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// Whose it is to mend.
    pub fault: Blame,
    /// What to do.
    pub next: String,
}

/// Whether a finding has to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It has to be mended.
    Wrong,
    /// It may be meant to be so, or cannot be helped here.
    Note,
}

impl Weight {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }
}

impl Examination {
    /// Looks at everything. Without a home there is nothing but the machine to look at; without a
    /// configuration, nothing of it is.
    #[must_use]
    pub async fn of(
        home: Option<&Home>,
        config: Option<&Config>,
        config_path: Option<&PathBuf>,
    ) -> Self {
        let mut examination = Self::default();
        examination.engine();
        examination.machine(&machine::Machine::read());
        examination.authorities(config);
        if let Some(home) = home {
            examination.fact("home", home.path().display());
            examination.files(home);
            examination.ledger(home, config).await;
        } else {
            examination.fact("home", "there is none yet");
        }
        if let Some(config) = config {
            examination.config(config, config_path);
        }
        examination
    }

    /// Adds what could not even be looked at.
    pub fn add(&mut self, about: &'static str, what: String, fault: Blame, next: String) {
        let why = "nothing can be done until it is mended".to_owned();
        self.findings.push(Finding { weight: Weight::Wrong, about, what, why, fault, next });
    }

    /// Puts the worst first.
    ///
    /// # Errors
    ///
    /// [`Unwell`] if anything has to be mended.
    pub fn conclude(&mut self) -> Result<(), Unwell> {
        self.findings.sort_by_key(|finding| finding.weight);
        match self.findings.iter().filter(|finding| finding.weight == Weight::Wrong).count() {
            0 => Ok(()),
            wrong => Err(Unwell { wrong }),
        }
    }

    fn fact(&mut self, name: &'static str, value: impl fmt::Display) {
        self.facts.push(Fact { name, value: value.to_string() });
    }

    fn wrong(
        &mut self,
        about: &'static str,
        what: impl Into<String>,
        why: &str,
        next: impl Into<String>,
    ) {
        self.found(Weight::Wrong, about, what, why, next);
    }

    fn note(
        &mut self,
        about: &'static str,
        what: impl Into<String>,
        why: &str,
        next: impl Into<String>,
    ) {
        self.found(Weight::Note, about, what, why, next);
    }

    fn found(
        &mut self,
        weight: Weight,
        about: &'static str,
        what: impl Into<String>,
        why: &str,
        next: impl Into<String>,
    ) {
        self.findings.push(Finding {
            weight,
            about,
            what: what.into(),
            why: why.to_owned(),
            fault: Blame::Operator,
            next: next.into(),
        });
    }

    fn engine(&mut self) {
        let known = Advisories::known();
        self.fact("engine", format!("wasmtime {ENGINE_VERSION}"));
        self.fact("advisories", format!("those known on {}", known.known_on));
        for advisory in known.of(ENGINE_VERSION) {
            let (weight, why) = match advisory.effect {
                Effect::Reaches => (Weight::Wrong, "a plugin may get at what it was not granted"),
                Effect::Stops => (
                    Weight::Note,
                    "a plugin may stop coffer or take its memory, and get at nothing",
                ),
            };
            self.findings.push(Finding {
                weight,
                about: "engine",
                what: format!("wasmtime {ENGINE_VERSION} has {}: {}", advisory.id, advisory.title),
                why: why.into(),
                fault: Blame::Host,
                next: format!(
                    "use a coffer that was built with wasmtime {} or newer, and until then plugins whose \
                     authors you know",
                    advisory.fixed
                ),
            });
        }
    }

    fn authorities(&mut self, config: Option<&Config>) {
        let count = coffer_host::certificate_authorities();
        self.fact("certificate authorities", count);
        let needed = config.is_some_and(Config::trusts_the_system);
        if count == 0 {
            let weight = if needed { Weight::Wrong } else { Weight::Note };
            self.found(
                weight,
                "certificates",
                "this machine trusts no certificate authority",
                "a store that is reached over https and has no `ca` in its grant fails",
                "install the machine's `ca-certificates`, or name a file by `ca` in the grant",
            );
        }
    }

    fn config(&mut self, config: &Config, path: Option<&PathBuf>) {
        let public = path.and_then(files::readable_by_others).unwrap_or(false);
        let shown = path.map_or_else(String::new, |path| path.display().to_string());
        self.fact("configuration", if shown.is_empty() { "there is none" } else { &shown });
        let mut literal = Vec::new();
        for risk in config.risks() {
            match risk {
                Risk::ClearCredential { store, grant, here } => self.found(
                    if here { Weight::Note } else { Weight::Wrong },
                    "clear-credential",
                    format!("HTTP grant {grant} of the store `{store}` adds a header to http:// requests"),
                    "whoever is on the way reads the credential and the values",
                    "use https:// in the grant and in the settings of the store",
                ),
                Risk::Commands { store } => self.note(
                    "commands",
                    format!("the store `{store}` is granted commands"),
                    "what they do is outside the sandbox, with your rights",
                    "make sure that no pattern lets the plugin choose a program or a file",
                ),
                Risk::Literal { place } => literal.push(place),
                Risk::PrivateAddresses { store, grant } => self.note(
                    "private-addresses",
                    format!("HTTP grant {grant} of the store `{store}` has `private-addresses`"),
                    "its name may stand for any address of this machine and its network",
                    "name the address or a name that only you can change, and the paths that are needed",
                ),
            }
        }
        if literal.is_empty() {
            return;
        }
        let what = format!("the configuration has credentials in it: {}", literal.join(", "));
        let next =
            "put them into variables or the default store, as `${env.NAME}` or `${secret.KEY}`";
        if public {
            let next = format!("{next}, and run `chmod go= '{shown}'`");
            self.wrong("credentials", what, "other users of this machine can read the file", next);
        } else {
            self.note("credentials", what, "they are in every copy of the file", next);
        }
    }

    /// How the ledger is, if there is one that can be looked at.
    async fn health(&mut self, home: &Home, config: Option<&Config>) -> Option<Health> {
        let entry = config.map(Config::default_storage);
        if let Some(entry) = entry.filter(|entry| entry.plugin != "sqlite") {
            if !entry.secrets().is_empty() {
                self.fact(
                    "ledger",
                    "not looked at: secrets of the default store are in its settings",
                );
                return None;
            }
            let storage = match entry.fill(&BTreeMap::new()) {
                Ok(storage) => storage,
                Err(error) => {
                    self.cannot_look("ledger", &error);
                    return None;
                }
            };
            let surveyed = Ledger::survey(&storage).await;
            return surveyed.map_err(|error| self.cannot_look("ledger", &error)).ok();
        }
        match home.existing_ledger() {
            Ok(Some(path)) => {
                let examined = Ledger::examine(&path).await;
                examined.map_err(|error| self.cannot_look("ledger", &error)).ok()
            }
            Ok(None) => {
                self.fact("ledger", "there is none yet");
                None
            }
            Err(error) => {
                self.cannot_look("ledger", &error);
                None
            }
        }
    }

    async fn ledger(&mut self, home: &Home, config: Option<&Config>) {
        let Some(health) = self.health(home, config).await else { return };
        self.fact("ledger", format!("version {}, {} runs", health.version, health.runs.len()));
        if !health.damage.is_empty() {
            self.wrong(
                "ledger",
                format!("the ledger is damaged: {}", health.damage.join("; ")),
                "what was installed, and where its secrets are, may be lost",
                "put a copy of `ledger.db` back",
            );
        }
        if !health.abandoned.is_empty() {
            self.wrong(
                "runs",
                format!(
                    "these were begun, and their process is gone: {}",
                    health.abandoned.join(", ")
                ),
                "secrets that nothing refers to may be in a store, or outputs wait in the spool",
                "run `coffer runs recover`",
            );
        }
        let spooled = match files::names(home, "spool") {
            Ok(names) => names,
            Err(error) => return self.cannot_read("spool", &error),
        };
        self.fact("spool", format!("{} entries", spooled.len()));
        let (waiting, orphans): (Vec<_>, Vec<_>) = spooled.into_iter().partition(|name| {
            health.runs.contains(name.strip_suffix(".unfinished").unwrap_or(name))
        });
        let waiting: Vec<_> =
            waiting.into_iter().filter(|name| !health.running.contains(name)).collect();
        if !waiting.is_empty() {
            self.wrong(
                "spool",
                format!("the outputs of these runs wait for their store: {}", waiting.join(", ")),
                "they are nowhere else",
                "run `coffer runs recover` when the store can be reached",
            );
        }
        if !orphans.is_empty() {
            self.wrong(
                "spool",
                format!(
                    "the ledger knows none of the runs that left these: {}",
                    orphans.join(", ")
                ),
                "they are the outputs of a run, sealed, and nothing will save them",
                "put the ledger back that knows them, or delete them from `spool/`",
            );
        }
    }

    fn cannot_look(&mut self, about: &'static str, error: &(impl Explain + fmt::Display)) {
        self.findings.push(Finding {
            weight: Weight::Wrong,
            about,
            what: error.to_string(),
            why: "no run can be begun or looked at".into(),
            fault: error.blame(),
            next: error.next(),
        });
    }

    fn cannot_read(&mut self, about: &'static str, error: &io::Error) {
        self.wrong(
            about,
            format!("{about} cannot be looked at: {error}"),
            "what is in it is not known",
            "make coffer's directory one that you can read",
        );
    }
}

/// Something has to be mended.
#[derive(Debug, thiserror::Error)]
#[error("{wrong} of what was looked at must be mended")]
pub struct Unwell {
    wrong: usize,
}

impl Explain for Unwell {
    fn blame(&self) -> Blame {
        Blame::Operator
    }

    fn next(&self) -> String {
        "do what stands after `next` of each that is `wrong`, and run `coffer doctor` again".into()
    }
}
