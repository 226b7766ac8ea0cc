//! `list-keys`, while all is well.

use crate::bench::{Bench, Subject, came_to, kind};
use crate::case::{Case, Finding, Outcome, case, fail};
use coffer_host::Existing;
use std::collections::BTreeSet;

pub(crate) const CASES: [Case; 5] = [
    case!(
        "list/all",
        "A listing has every key that was put, as it was put",
        "Make keys of the backend's names again, exactly",
        listed
    ),
    case!(
        "list/prefix",
        "A listing has what begins with the prefix and nothing else",
        "Compare keys, not the backend's names, with the prefix",
        prefix
    ),
    case!(
        "list/deleted",
        "A listing does not have what was deleted",
        "Leave out what the backend keeps of what was deleted",
        deleted
    ),
    case!(
        "list/pages",
        "A listing of many keys has all of them, over all pages",
        "Make the cursor say where the next page begins, and nothing else",
        pages
    ),
    case!(
        "list/again",
        "The same listing twice is the same",
        "List what is there; keep nothing from the listing before",
        again
    ),
];

/// Keys for a listing of pages: more than one page of the interface has, where that costs no recording.
const LISTED_BY_DIRECTORY: u32 = 1005;
const LISTED_BY_HTTP: u32 = 12;

async fn list(subject: &Subject<'_>, prefix: &str) -> Result<Vec<String>, Finding> {
    let listed = subject.list(prefix).await;
    listed.map_err(|error| Finding::Fail(format!("`list-keys` {}", came_to(kind(&error)))))
}

async fn expect(subject: &Subject<'_>, prefix: &str, names: &[&str]) -> Result<(), Finding> {
    let bench = subject.bench;
    let expected: BTreeSet<String> =
        names.iter().map(|name| bench.key(name).key().to_owned()).collect();
    let listed: BTreeSet<String> = list(subject, prefix).await?.into_iter().collect();
    let (missing, more) =
        (expected.difference(&listed).count(), listed.difference(&expected).count());
    match (missing, more) {
        (0, 0) => Ok(()),
        _ => Err(Finding::Fail(format!(
            "the listing lacks {missing} of {} keys, and has {more} that are not among them",
            expected.len()
        ))),
    }
}

async fn listed(bench: &Bench) -> Outcome {
    bench.needs_lister()?;
    let subject = bench.subject("list/all")?;
    let names = ["all/a", "all/b c", "all/d%2Fe", "all/\u{e4}"];
    let mut taken = Vec::new();
    for name in names {
        let (key, value) = (bench.key(name), bench.value(name));
        match subject.put(&key, &value, Existing::Replace).await.map_err(|error| kind(&error)) {
            Ok(()) => taken.push(name),
            Err("invalid-reference") => {}
            Err(kind) => fail!("`put` {}", came_to(kind)),
        }
    }
    expect(&subject, bench.key("all/").key(), &taken).await?;
    Ok(String::new())
}

async fn prefix(bench: &Bench) -> Outcome {
    bench.needs_lister()?;
    let subject = bench.subject("list/prefix")?;
    for name in ["prefix/one", "prefix/on", "prefix/two", "prefixed"] {
        subject.keep(&bench.key(name), &bench.value(name)).await?;
    }
    expect(&subject, bench.key("prefix/on").key(), &["prefix/one", "prefix/on"]).await?;
    expect(&subject, bench.key("prefix/").key(), &["prefix/one", "prefix/on", "prefix/two"])
        .await?;
    expect(&subject, bench.key("prefix/three").key(), &[]).await?;
    Ok(String::new())
}

async fn deleted(bench: &Bench) -> Outcome {
    bench.needs_lister()?;
    let subject = bench.subject("list/deleted")?;
    for name in ["gone/stays", "gone/goes"] {
        subject.keep(&bench.key(name), &bench.value(name)).await?;
    }
    if let Err(error) = subject.delete(&bench.key("gone/goes")).await {
        fail!("`delete` {}", came_to(kind(&error)));
    }
    expect(&subject, bench.key("gone/").key(), &["gone/stays"]).await?;
    Ok(String::new())
}

async fn pages(bench: &Bench) -> Outcome {
    bench.needs_lister()?;
    let subject = bench.subject("list/pages")?;
    let usual = if bench.asks("http") { LISTED_BY_HTTP } else { LISTED_BY_DIRECTORY };
    let count = bench.profile.listed.unwrap_or(usual);
    let names: Vec<String> = (0..count).map(|n| format!("pages/{n}")).collect();
    for name in &names {
        subject.keep(&bench.key(name), b"listed").await?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    expect(&subject, bench.key("pages/").key(), &names).await?;
    Ok(format!("{count} keys"))
}

async fn again(bench: &Bench) -> Outcome {
    bench.needs_lister()?;
    let subject = bench.subject("list/again")?;
    for name in ["again/a", "again/b", "again/c"] {
        subject.keep(&bench.key(name), &bench.value(name)).await?;
    }
    let prefix = bench.key("again/");
    let (first, second) =
        (list(&subject, prefix.key()).await?, list(&subject, prefix.key()).await?);
    if first != second {
        fail!("two listings of the same keys differ");
    }
    Ok(String::new())
}
