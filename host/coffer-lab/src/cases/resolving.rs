//! `resolve`, while all is well.

use crate::bench::{Bench, Change, Subject, came_to, kind};
use crate::case::{Case, Finding, Outcome, case, fail};
use coffer_host::grants::{Reference, Source};

pub(crate) const CASES: [Case; 7] = [
    case!(
        "resolve/missing",
        "What is not there is `not-found`",
        "Answer `not-found`, also where the backend says it in other words",
        missing
    ),
    case!(
        "resolve/given",
        "What the backend has is resolved, byte by byte",
        "Compare what the backend answered with what the plugin made of it",
        given
    ),
    case!(
        "resolve/source",
        "A source that the plugin does not know is `unsupported`",
        "Match on the source, and answer `unsupported` for every other one",
        source
    ),
    case!(
        "resolve/order",
        "A batch has one answer for each reference, in their order, also for one that is asked twice",
        "Answer by position; do not sort, and do not leave out duplicates",
        order
    ),
    case!(
        "resolve/apart",
        "One reference that fails does not fail the others",
        "Keep errors apart by reference",
        apart
    ),
    case!(
        "resolve/again",
        "Resolving twice gives the same value and the same version",
        "Take the version from the backend; make up nothing",
        again
    ),
    case!(
        "resolve/together",
        "Calls at the same time do not disturb one another",
        "Keep nothing in one place of the cache or of a directory that two calls write",
        together
    ),
];

async fn missing(bench: &Bench) -> Outcome {
    bench.needs_answers()?;
    let subject = bench.subject("resolve/missing")?;
    let key = bench.key("nowhere");
    match subject.get(&key).await.map_err(|error| kind(&error)) {
        Err("not-found") => Ok(String::new()),
        Err("unsupported") => {
            Err(Finding::NotApplicable("it does not know the source `secret`".into()))
        }
        Ok(_) => fail!("`resolve` gave a value for what nobody put"),
        Err(kind) => fail!("`resolve` of what is not there {}", came_to(kind)),
    }
}

async fn given(bench: &Bench) -> Outcome {
    if bench.profile.given.is_empty() {
        return Err(Finding::NotApplicable("the profile has no keys in `given`".into()));
    }
    bench.needs_answers()?;
    let subject = bench.subject("resolve/given")?;
    let given = crate::cassette::given(&bench.tokens[0]);
    for key in &bench.profile.given {
        let Ok(key) = Reference::secret(key.as_str()) else { fail!("no key can be `{key}`") };
        match subject.get(&key).await {
            Ok(secret) if secret.expose() == given.as_bytes() => {}
            Ok(_) => fail!("`resolve` of `{}` gave something else than `{{{{given}}}}`", key.key()),
            Err(error) => fail!("`resolve` of `{}` {}", key.key(), came_to(kind(&error))),
        }
    }
    Ok(format!("{} keys", bench.profile.given.len()))
}

async fn source(bench: &Bench) -> Outcome {
    let subject = bench.subject("resolve/source")?;
    // The key of this source is a value, which a plugin that knows it gives back.
    let value = bench.value("literal");
    let text = String::from_utf8(value.clone()).expect("it was made from text");
    let reference = Reference::new(Source::Value, text).expect("every value can be one");
    match subject.get(&reference).await {
        Ok(secret) if secret.expose() == value => Ok("it knows the source `value`".into()),
        Ok(_) => fail!("`resolve` of source `value` gave something else"),
        Err(error) if kind(&error) == "unsupported" => Ok(String::new()),
        Err(error) => fail!("`resolve` of source `value` {}", came_to(kind(&error))),
    }
}

/// A store that gives a batch to one instance: the host spreads it otherwise.
fn alone<'b>(bench: &'b Bench, track: &str) -> Result<Subject<'b>, Finding> {
    bench.changed(track, Change { alone: true, ..Change::default() })
}

/// Keys that have values, of a plugin that keeps some.
async fn kept(bench: &Bench, subject: &Subject<'_>) -> Result<Vec<Reference>, Finding> {
    let keys: Vec<Reference> = (0..5).map(|n| bench.key(&format!("batch-{n}"))).collect();
    for key in &keys {
        subject.keep(key, &bench.value(key.key())).await?;
    }
    Ok(keys)
}

async fn order(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = alone(bench, "resolve/order")?;
    let keys = kept(bench, &subject).await?;
    let order = [3, 0, 4, 0, 1, 2, 3];
    let asked: Vec<Reference> = order.iter().map(|index| keys[*index].clone()).collect();
    let answers = subject.store.resolve(&asked).await;
    for (reference, answer) in asked.iter().zip(answers) {
        match answer {
            Ok(secret) if secret.expose() == bench.value(reference.key()) => {}
            Ok(_) => fail!("a batch gave the value of another reference"),
            Err(error) => fail!("a batch of 7 references {}", came_to(kind(&error))),
        }
    }
    Ok(String::new())
}

async fn apart(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = alone(bench, "resolve/apart")?;
    let keys = kept(bench, &subject).await?;
    let asked = [keys[0].clone(), bench.key("nowhere"), keys[1].clone()];
    let answers = subject.store.resolve(&asked).await;
    for (index, answer) in answers.into_iter().enumerate() {
        match answer.map_err(|error| kind(&error)) {
            Ok(secret) if index != 1 && secret.expose() == bench.value(asked[index].key()) => {}
            Err("not-found") if index == 1 => {}
            Ok(_) => fail!("beside one that is not there, `resolve` gave the wrong value"),
            Err(kind) => fail!("beside one that is not there, `resolve` {}", came_to(kind)),
        }
    }
    Ok(String::new())
}

async fn again(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("resolve/again")?;
    let key = bench.key("again");
    subject.keep(&key, &bench.value("again")).await?;
    let mut first = None;
    for _ in 0..3 {
        let secret = match subject.get(&key).await {
            Ok(secret) => secret,
            Err(error) => fail!("`resolve` {}", came_to(kind(&error))),
        };
        if first.as_ref().is_some_and(|first| *first != secret) {
            fail!("`resolve` gave another value, version or end of its time than before");
        }
        first = Some(secret);
    }
    Ok(String::new())
}

async fn together(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("resolve/together")?;
    let (one, two) = (bench.key("one"), bench.key("two"));
    subject.keep(&one, &bench.value("one")).await?;
    subject.keep(&two, &bench.value("two")).await?;
    let (first, second, third) =
        tokio::join!(subject.get(&one), subject.get(&two), subject.get(&one));
    for (answer, label) in [(first, "one"), (second, "two"), (third, "one")] {
        match answer {
            Ok(secret) if secret.expose() == bench.value(label) => {}
            Ok(_) => fail!("calls at the same time got one another's values"),
            Err(error) => fail!("one of several calls {}", came_to(kind(&error))),
        }
    }
    Ok(String::new())
}
