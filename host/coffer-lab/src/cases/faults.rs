//! What a plugin makes of a backend, or of a directory, that fails: the right error, in time, without a crash.

use crate::bench::{Bench, Change, Subject, came_to, is_breach};
use crate::case::{Case, Finding, Outcome, case, fail};
use crate::fault::Fault;
use cap_std::fs::Dir;
use coffer_host::Existing;
use coffer_host::grants::{Reference, Verb};

pub(crate) const CASES: [Case; 19] = [
    case!(
        "fault/refused",
        "A backend that nobody listens for is `unavailable`",
        "Answer `unavailable` if there is no connection",
        |bench| fault(bench, Fault::Refused)
    ),
    case!(
        "fault/reset",
        "A connection that is reset is `unavailable`",
        "Answer `unavailable` if there is no answer",
        |bench| fault(bench, Fault::Reset)
    ),
    case!(
        "fault/slow",
        "A backend that says nothing is given up within the time of a call",
        "Wait for answers only; the host ends what takes too long",
        |bench| fault(bench, Fault::Slow)
    ),
    case!(
        "fault/truncated",
        "An answer that breaks off is `unavailable`, and no value",
        "Make nothing of half an answer",
        |bench| fault(bench, Fault::Truncated)
    ),
    case!("fault/400", "400 is an error", "Check the status before the body", |bench| fault(
        bench,
        Fault::Status(400)
    )),
    case!(
        "fault/401",
        "401 is `unauthenticated`",
        "Answer `unauthenticated`: the operator is told to renew the credentials",
        |bench| fault(bench, Fault::Status(401))
    ),
    case!(
        "fault/403",
        "403 is `access-denied`, or `unauthenticated` where the backend means that",
        "Answer `access-denied`: the operator is told to give the right to do this",
        |bench| fault(bench, Fault::Status(403))
    ),
    case!(
        "fault/404",
        "404 is `not-found` for what is resolved, and no success of `put`",
        "Answer `not-found`, or say what is not there if it is not the key",
        |bench| fault(bench, Fault::Status(404))
    ),
    case!(
        "fault/409",
        "409 is an error: `conflict`, where somebody else was faster",
        "Answer `conflict`",
        |bench| fault(bench, Fault::Status(409))
    ),
    case!(
        "fault/429",
        "429 is `unavailable`",
        "Answer `unavailable`; the host sends again what can be",
        |bench| fault(bench, Fault::Status(429))
    ),
    case!(
        "fault/500",
        "500 is an error, and no value",
        "Answer `other` or `unavailable`",
        |bench| fault(bench, Fault::Status(500))
    ),
    case!(
        "fault/503",
        "503 is `unavailable`",
        "Answer `unavailable`; the host sends again what can be",
        |bench| fault(bench, Fault::Status(503))
    ),
    case!(
        "fault/redirect",
        "A redirect is an error, and not followed",
        "Answer `other`: a backend that has moved has to be granted anew",
        |bench| fault(bench, Fault::Redirect)
    ),
    case!(
        "fault/malformed",
        "A body that is not what was due does not crash the plugin",
        "Read bodies with a parser that can fail, and answer `other` when it does",
        |bench| fault(bench, Fault::Malformed)
    ),
    case!(
        "fault/not-http",
        "An answer that is no HTTP is an error",
        "Answer `unavailable` or `other`",
        |bench| fault(bench, Fault::NotHttp)
    ),
    case!(
        "fault/huge",
        "An answer without an end is an error",
        "Answer `other`; the host ends what is too large",
        |bench| fault(bench, Fault::Huge)
    ),
    case!(
        "fault/read-only",
        "A directory that takes no writes is an error of `put` and `delete`, and nothing is lost",
        "Answer with an error when a file cannot be written",
        read_only
    ),
    case!(
        "fault/gone",
        "A directory that is gone does not crash the plugin, and no `put` succeeds",
        "Answer with an error when a file cannot be made",
        gone
    ),
    case!(
        "fault/damaged",
        "Files that were damaged do not crash the plugin",
        "Read files as what may be anything",
        damaged
    ),
];

/// Asks every verb while each of its requests in turn, and all after it, goes wrong.
async fn fault(bench: &Bench, fault: Fault) -> Outcome {
    if !bench.asks("http") {
        return Err(Finding::NotApplicable("it asks for no HTTP".into()));
    }
    if bench.asked_http().is_empty() {
        return Err(Finding::Skipped(
            "what it asks for does not lead to the lab's server; say in a profile which setting is its address"
                .into(),
        ));
    }
    let key = bench.key("fault");
    let mut asked = 0;
    for verb in bench.verbs() {
        for from in positions(bench, verb, &key, fault).await? {
            let change = Change {
                refused: fault == Fault::Refused,
                hurried: fault == Fault::Slow,
                ..Change::default()
            };
            // What comes before the fault is the same for each of them, and recorded once.
            let track = match fault {
                Fault::Refused => "fault/refused".to_owned(),
                _ => format!("fault/{}/{from}", verb.name()),
            };
            let subject = bench.changed(&track, change)?;
            if fault != Fault::Refused {
                prepare(bench, &subject, &key).await?;
            }
            subject.arm(fault, from);
            let came = subject.call(verb, &key).await;
            let reached = fault == Fault::Refused || !bench.backend.take_seen().is_empty();
            bench.backend.disarm();
            bench.end().await;
            // A verb that sends nothing has no fault to cope with.
            if !reached {
                continue;
            }
            asked += 1;
            let expected = fault.expected(verb);
            if is_breach(came) || !expected.is_empty() && !expected.contains(&came) {
                fail!(
                    "`{verb}` {}, when request {} of the call went wrong; expected is {}",
                    came_to(came),
                    from + 1,
                    if expected.is_empty() { "any answer".into() } else { expected.join(" or ") }
                );
            }
        }
    }
    if asked == 0 {
        return Err(Finding::Skipped("no request came to the lab's server".into()));
    }
    Ok(String::new())
}

/// Which requests of a call are to go wrong: the first, and the last if that is another one.
async fn positions(
    bench: &Bench,
    verb: Verb,
    key: &Reference,
    fault: Fault,
) -> Result<Vec<usize>, Finding> {
    // Each of these costs the time of a call.
    if !bench.has_source || matches!(fault, Fault::Refused | Fault::Slow) {
        return Ok(vec![0]);
    }
    let subject = bench.subject(&format!("fault/{}", verb.name()))?;
    prepare(bench, &subject, key).await?;
    let came = subject.call(verb, key).await;
    let requests = bench.watch.last().requests;
    bench.end().await;
    if is_breach(came) {
        fail!("`{verb}` {}, while nothing was wrong", came_to(came));
    }
    Ok(if requests > 1 { vec![0, requests - 1] } else { vec![0] })
}

/// Puts what is then asked for, where there is something that keeps it.
async fn prepare(bench: &Bench, subject: &Subject<'_>, key: &Reference) -> Result<(), Finding> {
    if bench.has_source && bench.can().writer {
        subject.keep(key, &bench.value("before")).await?;
    }
    Ok(())
}

fn needs_directories(bench: &Bench) -> Result<(), Finding> {
    if !bench.asks("directories") {
        return Err(Finding::NotApplicable("it asks for no directory".into()));
    }
    bench.needs_writer()
}

async fn read_only(bench: &Bench) -> Outcome {
    needs_directories(bench)?;
    let change = Change { read_only: true, ..Change::default() };
    let subject = bench.changed("fault/read-only", change)?;
    let key = bench.key("read-only");
    for verb in bench.verbs() {
        let came = subject.call(verb, &key).await;
        // There is nothing to delete, and nothing has to be written for that.
        if is_breach(came) || verb == Verb::Put && came == "done" {
            fail!("`{verb}` {} in a directory that takes no writes", came_to(came));
        }
    }
    Ok(String::new())
}

async fn gone(bench: &Bench) -> Outcome {
    needs_directories(bench)?;
    let subject = bench.subject("fault/gone")?;
    let key = bench.key("gone");
    subject.keep(&key, &bench.value("gone")).await?;
    let directories = names(&subject.directory);
    for name in &directories {
        let removed = subject.directory.remove_dir_all(name);
        removed.map_err(|error| Finding::Skipped(format!("the lab cannot remove it: {error}")))?;
    }
    for verb in bench.verbs() {
        let came = subject.call(verb, &key).await;
        let lied = matches!(verb, Verb::Put | Verb::Resolve) && came == "done";
        if is_breach(came) || lied {
            fail!("`{verb}` {} in a directory that is gone", came_to(came));
        }
    }
    Ok(String::new())
}

async fn damaged(bench: &Bench) -> Outcome {
    needs_directories(bench)?;
    let key = bench.key("damaged");
    for (what, garbage) in
        [("empty", &b""[..]), ("cut short", b"{\"val"), ("not text", b"\xff\xfe\0\0\x80")]
    {
        let subject = bench.subject("fault/damaged")?;
        let put = subject.put(&key, &bench.value("damaged"), Existing::Replace).await;
        if put.is_err() {
            fail!("`put` failed while nothing was wrong");
        }
        damage(&subject.directory, garbage)
            .map_err(|error| Finding::Skipped(format!("the lab cannot damage files: {error}")))?;
        for verb in bench.verbs() {
            let came = subject.call(verb, &key).await;
            if is_breach(came) {
                fail!("`{verb}` {} when its files are {what}", came_to(came));
            }
        }
    }
    Ok(String::new())
}

/// Writes over every file below.
fn damage(directory: &Dir, garbage: &[u8]) -> std::io::Result<()> {
    for entry in directory.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            damage(&entry.open_dir()?, garbage)?;
        } else {
            directory.write(entry.file_name(), garbage)?;
        }
    }
    Ok(())
}

fn names(directory: &Dir) -> Vec<std::ffi::OsString> {
    let entries = directory.entries().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}
