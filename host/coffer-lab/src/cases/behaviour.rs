//! What a plugin does besides what it is asked: what was seen of it in all cases, and what it leaves behind.

use crate::bench::{Bench, Subject, came_to, kind};
use crate::case::{Case, Finding, Outcome, case, fail};
use crate::watch::Cost;
use cap_std::fs::Dir;
use coffer_host::Existing;
use std::collections::BTreeSet;
use std::io;

pub(crate) const CASES: [Case; 9] = [
    case!(
        "behaviour/files",
        "Nothing is left in its directories of what was deleted",
        "Remove temporary files, also when something fails, and every copy of a value",
        files
    ),
    case!(
        "behaviour/growth",
        "It needs as much for the last of many calls as for the first",
        "Keep nothing for each call: no file, no entry of a list, no version without a bound",
        growth
    ),
    case!(
        "behaviour/early",
        "It reaches out only when it is asked something",
        "Send nothing while the component is instantiated",
        early
    ),
    case!(
        "behaviour/denied",
        "It tries nothing that it does not ask for",
        "Ask for it in `asks`, or do not try it: the operator is told of each time",
        denied
    ),
    case!(
        "behaviour/unused",
        "It uses what it asks for of HTTP",
        "Take what is never used out of `asks`; if a case that the lab does not know needs it, skip this one",
        unused
    ),
    case!(
        "behaviour/log",
        "No value and no credential is in its log",
        "Log keys and statuses, and nothing that came with a value",
        log
    ),
    case!(
        "behaviour/error",
        "No value and no credential is in its errors",
        "Say what happened, and quote no body of a request or an answer",
        error
    ),
    case!(
        "behaviour/url",
        "No value and no credential is in a URL or in a header of its own",
        "Send values in bodies: URLs are in logs of servers and proxies",
        url
    ),
    case!(
        "behaviour/same",
        "The same failure twice is told in the same way",
        "Make errors of what happened, and of nothing else",
        same
    ),
];

async fn files(bench: &Bench) -> Outcome {
    if !bench.asks("directories") {
        return Err(Finding::NotApplicable("it asks for no directory".into()));
    }
    bench.needs_writer()?;
    let subject = bench.subject("behaviour/files")?;
    let key = bench.key("files");
    // What is there for all secrets, such as an index, is there after the first one.
    subject.keep(&bench.key("first"), b"first").await?;
    let before = below(&subject)?;
    for label in ["files", "overwritten"] {
        subject.keep(&key, &bench.value(label)).await?;
    }
    let _ = subject.put(&key, &bench.value("kept"), Existing::Keep).await;
    subject.expect(&key, &bench.value("overwritten")).await?;
    if let Err(error) = subject.delete(&key).await {
        fail!("`delete` {}", came_to(kind(&error)));
    }
    let after = below(&subject)?;
    if holds(&subject.directory, bench).map_err(unread)? {
        fail!("a value that was deleted is still in a file");
    }
    let more = after.difference(&before).count();
    if more > 0 {
        fail!("{more} files are left behind of a secret that was deleted");
    }
    Ok(String::new())
}

/// The files of a subject.
fn below(subject: &Subject<'_>) -> Result<BTreeSet<String>, Finding> {
    let mut files = BTreeSet::new();
    collect(&subject.directory, "", &mut files).map_err(unread)?;
    Ok(files)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unread(error: io::Error) -> Finding {
    Finding::Skipped(format!("the lab cannot read the plugin's directory: {error}"))
}

fn collect(directory: &Dir, path: &str, files: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in directory.entries()? {
        let entry = entry?;
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.open_dir()?, &path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// Whether a value of the lab's is in a file.
fn holds(directory: &Dir, bench: &Bench) -> io::Result<bool> {
    for entry in directory.entries()? {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            holds(&entry.open_dir()?, bench)?
        } else if entry.file_type()?.is_file() {
            bench.tokens[0].is_in(&directory.read(entry.file_name())?)
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Calls for each put of the same key among them.
const PUT_EVERY: u32 = 20;

/// Files that may come with many puts of one key. A backend may keep some versions.
const FILES_MORE_MAX: usize = 16;

async fn growth(bench: &Bench) -> Outcome {
    bench.needs_answers()?;
    let subject = bench.subject("behaviour/growth")?;
    let key = bench.key("growth");
    let writes = bench.can().writer;
    if writes {
        subject.keep(&key, &bench.value("growth")).await?;
    }
    let calls = bench.profile.calls();
    // What is kept in the cache, and connections, stand after some calls.
    let warm = (calls / 10).clamp(1, 20);
    let mut first = Cost::default();
    let mut files = 0;
    for call in 0..calls {
        let came = subject.get(&key).await;
        if let Err(error) = came.as_ref()
            && writes
        {
            fail!("`resolve` {} in call {} of {calls}", came_to(kind(error)), call + 1);
        }
        // A cassette has no answer to as many puts as anybody likes, and a disk has its own pace.
        if writes && !bench.asks("http") && call % PUT_EVERY == 0 {
            subject.keep(&key, &bench.value("growth")).await?;
        }
        if call + 1 == warm {
            let _ = subject.get(&key).await;
            first = bench.watch.last();
            files = below(&subject)?.len();
        }
    }
    let _ = subject.get(&key).await;
    let last = bench.watch.last();
    let more = |what: &str, first: u64, last: u64| {
        // A tenth more is how a hash table is laid out, or a number with one more digit.
        if last > first + first / 10 {
            Err(Finding::Fail(format!(
                "after {calls} calls it needs more {what} than after {warm}: {last}, and not {first}"
            )))
        } else {
            Ok(())
        }
    };
    more("requests", first.requests as u64, last.requests as u64)?;
    more("memory", first.usage.memory_bytes, last.usage.memory_bytes)?;
    more("instructions", first.usage.instructions, last.usage.instructions)?;
    let more_files = below(&subject)?.len().saturating_sub(files);
    if more_files > FILES_MORE_MAX {
        fail!("after {calls} calls there are {more_files} files more than after {warm}");
    }
    Ok(format!("{calls} calls"))
}

async fn early(bench: &Bench) -> Outcome {
    let seen = bench.watch.seen().early;
    if !seen.is_empty() {
        fail!("it sent a request or ran a command before it was asked to {}", list(&seen));
    }
    Ok(String::new())
}

async fn denied(bench: &Bench) -> Outcome {
    let seen = bench.watch.seen().denied;
    if !seen.is_empty() {
        fail!("it tried what it does not ask for: {}", list(&seen));
    }
    Ok(String::new())
}

async fn unused(bench: &Bench) -> Outcome {
    let asked = bench.asked_http();
    if asked.is_empty() {
        return Err(Finding::NotApplicable("it asks for no HTTP at the lab's server".into()));
    }
    bench.needs_answers()?;
    let used = bench.used.borrow();
    let origin = bench.backend.origin();
    let unused: Vec<String> = (0..asked.len())
        .filter(|index| !used.contains(index))
        .map(|index| {
            let pattern = asked[index].url().to_string().replace(&origin, "");
            let methods: Vec<&str> = asked[index].methods().collect();
            format!("`{} {pattern}`", methods.join(" "))
        })
        .collect();
    if !unused.is_empty() {
        return Err(Finding::Warning(format!(
            "in no case did it use what it asks for with {}",
            unused.join(" and ")
        )));
    }
    Ok(String::new())
}

async fn log(bench: &Bench) -> Outcome {
    match leaked(&bench.watch.seen().logged) {
        None => Ok(String::new()),
        Some(what) => fail!("it logs {what}"),
    }
}

async fn error(bench: &Bench) -> Outcome {
    match leaked(&bench.watch.seen().said) {
        None => Ok(String::new()),
        Some(what) => fail!("it puts into an error {what}"),
    }
}

async fn url(bench: &Bench) -> Outcome {
    let seen = bench.leaked.borrow();
    if !seen.is_empty() {
        fail!("it sends {}", list(&seen));
    }
    Ok(String::new())
}

/// What of the lab's was found, with the verbs.
fn leaked(found: &BTreeSet<(&'static str, &'static str)>) -> Option<String> {
    let said: Vec<String> =
        found.iter().map(|(what, verb)| format!("a {what} in `{verb}`")).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn list(words: &BTreeSet<&'static str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}

async fn same(bench: &Bench) -> Outcome {
    bench.needs_answers()?;
    let subject = bench.subject("behaviour/same")?;
    let key = bench.key("nowhere");
    let (first, second) = (subject.get(&key).await, subject.get(&key).await);
    let said = |result: Result<coffer_host::Secret, coffer_host::CallError>| match result {
        Ok(_) => "a value".to_owned(),
        Err(error) => error.cause().to_string(),
    };
    if said(first) != said(second) {
        fail!("two calls that fail for the same reason are told in two ways");
    }
    Ok(String::new())
}
