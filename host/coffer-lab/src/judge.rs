//! Judging: a host of the lab's own, a bench, and case after case.

use crate::bench::{self, Bench};
use crate::case::{Case, Finding};
use crate::cases;
use crate::profile::{Profile, ProfileError};
use crate::report::{Report, Ruling, Verdict, shown};
use crate::token::Token;
use crate::watch::{Phase, Watch};
use cap_std::fs::Dir;
use coffer_host::grants::Reference;
use coffer_host::worker::Program;
use coffer_host::{Explain as _, Host, Isolation, LoadError};
use std::path::PathBuf;
use std::sync::Arc;

/// What the lab is asked.
pub struct Asked<'a> {
    /// What the file is called, for the report.
    pub file: &'a str,
    /// The component.
    pub component: &'a [u8],
    /// What has to be known of it.
    pub profile: Profile,
    /// The bytes of the profile's cassette, if it has one.
    pub cassette: Option<Vec<u8>>,
    /// The cases that are asked, by their names; all of them if none is named.
    pub cases: Vec<String>,
    /// Whether what the profile's backend answers is recorded.
    pub record: bool,
    /// The credential of the profile's backend.
    pub credential: Option<String>,
    /// What values are made from.
    pub seed: Option<u64>,
    /// Where the plugin runs.
    pub isolation: Isolation,
    /// What is started for a plugin that runs in a process of its own.
    pub program: Option<Program>,
    /// An empty directory, which the lab fills.
    pub workplace: Dir,
    /// Where that is.
    pub path: PathBuf,
}

/// What came of it.
pub struct Judged {
    /// The verdicts.
    pub report: Report,
    /// The cassette, if one was recorded.
    pub cassette: Option<Vec<u8>>,
}

/// Judges a plugin.
///
/// # Errors
///
/// [`ProfileError`] if the profile cannot be used. Whatever is wrong with the plugin is in the report.
pub async fn judge(asked: Asked<'_>) -> Result<Judged, ProfileError> {
    let Asked {
        file,
        component,
        profile,
        cassette,
        cases: chosen,
        record,
        credential,
        seed,
        isolation,
        program,
        workplace,
        path,
    } = asked;
    if let Some(prefix) = &profile.prefix
        && Reference::secret(format!("{prefix}x")).is_err()
    {
        return Err(ProfileError("prefix: no key can begin like this".into()));
    }
    let cases = chosen_of(&chosen)?;
    // What is played was recorded with a seed, on which more may depend than the values.
    let recorded = cassette.as_deref().filter(|_| !record);
    let recorded = recorded.and_then(|bytes| crate::cassette::Cassette::parse(bytes).ok());
    let seed = seed.unwrap_or_else(|| recorded.map_or(0, |cassette| cassette.seed));
    let tokens = [Token::new("value", seed), Token::new("credential", seed)];
    let watch = Arc::new(Watch::new(tokens.clone()));
    let mut host = Host::builder().observer(Arc::clone(&watch) as _).base(path.clone());
    if let Some(program) = program {
        host = host.workers(program);
    }
    let host = host.build().map_err(|error| ProfileError(error.to_string()))?;
    let loaded = match isolation {
        Isolation::None => host.load(component),
        Isolation::Process => host.load_isolated(component),
    };
    let mut report = Report::new(file, seed, isolation);
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => {
            report.rulings = unloaded(&error, &cases);
            return Ok(Judged { report, cassette: None });
        }
    };
    report.describe(plugin.inspection());
    let (backend, has_source) =
        bench::backend(&profile, cassette.as_deref(), record, credential, tokens.clone(), seed)
            .await?;
    let bench = Bench {
        host,
        plugin,
        profile,
        watch,
        tokens,
        backend,
        has_source,
        workplace,
        path,
        made: Default::default(),
        used: Default::default(),
        leaked: Default::default(),
        store: Default::default(),
        put: Default::default(),
    };
    for case in cases {
        let ruling = rule(&bench, &case).await;
        report.rulings.push(ruling);
    }
    report.measured = cases::measured(&bench);
    let cassette = bench.backend.recording().map(|cassette| cassette.write());
    Ok(Judged { report, cassette })
}

/// The cases of these names, or all of them.
fn chosen_of(names: &[String]) -> Result<Vec<Case>, ProfileError> {
    let all = cases::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|case| case.id != name.as_str()))
    {
        return Err(ProfileError(format!("there is no case `{}`", shown(unknown))));
    }
    let is_chosen = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.id);
    Ok(all.into_iter().filter(is_chosen).collect())
}

async fn rule(bench: &Bench, case: &Case) -> Ruling {
    if let Some(reason) = bench.profile.skip.get(case.id) {
        let reason = format!("the profile leaves it out: {reason}");
        return Ruling { meant: true, ..ruling(case, Verdict::Skipped, &reason) };
    }
    bench.watch.enter(match case.group() {
        "behaviour" => Phase::Behaving,
        "fault" => Phase::Faulty,
        _ => Phase::Well,
    });
    let outcome = (case.run)(bench).await;
    let trouble = bench.backend.take_trouble();
    // What is deleted now is no part of the case.
    bench.watch.enter(Phase::Behaving);
    bench.end().await;
    let _ = bench.backend.take_trouble();
    let outcome = match outcome {
        Err(Finding::Fail(reason) | Finding::Warning(reason))
            if matches!(case.group(), "resolve" | "put" | "delete" | "list")
                && bench.backend.unknown() > 0 =>
        {
            Err(Finding::Skipped(format!(
                "the cassette has no answer to some of its requests; record it again ({reason})"
            )))
        }
        Err(finding) => Err(trouble.map_or(finding, Finding::Skipped)),
        outcome => outcome,
    };
    match outcome {
        Ok(remark) => ruling(case, Verdict::Pass, &remark),
        Err(Finding::Fail(reason)) => ruling(case, Verdict::Fail, &reason),
        Err(Finding::Warning(reason)) => ruling(case, Verdict::Warning, &reason),
        Err(Finding::NotApplicable(reason)) => ruling(case, Verdict::NotApplicable, &reason),
        Err(Finding::Skipped(reason)) => Ruling {
            next: "Give the lab what it lacks; docs/lab.md says how".into(),
            ..ruling(case, Verdict::Skipped, &reason)
        },
    }
}

fn ruling(case: &Case, verdict: Verdict, reason: &str) -> Ruling {
    Ruling {
        case: case.id,
        title: case.title,
        verdict,
        reason: shown(reason),
        next: case.next.to_owned(),
        meant: false,
    }
}

/// What is said of a file that cannot be loaded.
fn unloaded(error: &LoadError, cases: &[Case]) -> Vec<Ruling> {
    let of = |case: &Case| {
        let machine =
            matches!(error, LoadError::Engine(_) | LoadError::Fence { .. } | LoadError::Worker(_));
        match case.id {
            "file/plugin" if !machine => {
                let next = shown(&error.next());
                Ruling { next, ..ruling(case, Verdict::Fail, &error.to_string()) }
            }
            "file/plugin" => ruling(case, Verdict::Skipped, &error.to_string()),
            _ => ruling(case, Verdict::Skipped, "the file cannot be loaded"),
        }
    };
    cases.iter().map(of).collect()
}
