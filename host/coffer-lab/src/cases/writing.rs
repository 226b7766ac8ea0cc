//! `put` and `delete`, while all is well.

use crate::bench::{Bench, came_to, kind};
use crate::case::{Case, Outcome, case, fail};
use coffer_host::Existing;

pub(crate) const CASES: [Case; 13] = [
    case!(
        "put/text",
        "What is put is resolved, byte by byte",
        "Store the bytes as they are, or in an encoding that keeps them",
        |bench| round_trip(bench, "put/text", bench.value("text"))
    ),
    case!(
        "put/empty",
        "An empty value is a value",
        "Tell an empty value from one that is not there",
        |bench| round_trip(bench, "put/empty", Vec::new())
    ),
    case!(
        "put/binary",
        "Every byte comes back, also zero and what is no text",
        "Encode what the backend does not take as it is, in base64 for instance",
        |bench| round_trip(
            bench,
            "put/binary",
            [bench.value("binary"), (0..=255).collect()].concat()
        )
    ),
    case!(
        "put/unicode",
        "Text comes back as it was: no normalisation, no trimming, no change of line breaks",
        "Handle values as bytes",
        |bench| round_trip(bench, "put/unicode", [bench.value("unicode"), UNICODE.into()].concat())
    ),
    case!(
        "put/large",
        "64 KiB come back, or are `too-large` with the backend's limit",
        "Answer `too-large` with the limit if the backend does not take it",
        |bench| round_trip(bench, "put/large", large(bench))
    ),
    case!(
        "put/keys",
        "Keys that differ are different secrets, whatever characters they have",
        "Escape what the backend does not take in a name, so that no two keys have one name; or answer \
         `invalid-reference`",
        keys
    ),
    case!(
        "put/overwrite",
        "`replace` puts the new value in the place of the old one",
        "Overwrite, also where the new value is shorter",
        overwrite
    ),
    case!(
        "put/keep",
        "`keep` leaves what is there and answers `conflict`, and puts what is not there",
        "Use what the backend has for it: create if absent, or check and set",
        keep
    ),
    case!(
        "put/twice",
        "Putting the same twice has the effect of once",
        "Do not answer `conflict` to `replace`",
        twice
    ),
    case!(
        "put/together",
        "Puts of different keys at the same time are all kept",
        "Do not read, change and write what several keys share without a check",
        together
    ),
    case!(
        "delete/there",
        "What was deleted is not found, and can be put again",
        "Delete all of it, every version, before `delete` returns",
        delete_there
    ),
    case!(
        "delete/missing",
        "Deleting what is not there succeeds, also twice",
        "Take the backend's `not found` for success",
        delete_missing
    ),
    case!(
        "delete/others",
        "Deleting one key leaves others, also those that begin like it",
        "Delete exactly one name",
        delete_others
    ),
];

const UNICODE: &str =
    " \u{e4}\u{61}\u{308}\u{0}\u{2028}\u{feff}\u{65e5}\u{672c}\u{1f511}<&>\"\\\r\n\t end \n";

/// Keys that are easily taken for one another, or for something else than a name.
const KEYS: [&str; 24] = [
    "plain",
    "Plain",
    "plain ",
    "pl.ain",
    "pl-ain",
    "pl_ain",
    "pl/ain",
    "pl//ain",
    "pl\\ain",
    "pl%2Fain",
    "pl%252Fain",
    "pl+ain",
    "pl ain",
    "pl~ain",
    "pl:ain",
    "pl?ain",
    "pl#ain",
    "pl*ain",
    "pl&a=in",
    "pl'a\"in`",
    "pl$(a)in",
    "pl\u{e4}in",
    "pla\u{308}in",
    "pl\u{1f511}in",
];

fn large(bench: &Bench) -> Vec<u8> {
    let mut value = bench.value("large");
    value.resize(64 * 1024, b'x');
    value
}

async fn round_trip(bench: &Bench, track: &'static str, value: Vec<u8>) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject(track)?;
    let key = bench.key("value");
    match subject.put(&key, &value, Existing::Replace).await {
        Ok(()) => {}
        Err(error) if kind(&error) == "too-large" && track == "put/large" => {
            subject.expect_missing(&key).await?;
            return Ok("the backend does not take as much, and the plugin says so".into());
        }
        Err(error) => fail!("`put` of {} bytes {}", value.len(), came_to(kind(&error))),
    }
    subject.expect(&key, &value).await?;
    Ok(String::new())
}

async fn keys(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("put/keys")?;
    let mut kept = Vec::new();
    for name in KEYS {
        let key = bench.key(name);
        let value = bench.value(&format!("of the key {name}"));
        match subject.put(&key, &value, Existing::Replace).await.map_err(|error| kind(&error)) {
            Ok(()) => kept.push((key, value)),
            Err("invalid-reference") => {}
            Err(kind) => fail!("`put` with the key `{}` {}", key.key(), came_to(kind)),
        }
    }
    if kept.is_empty() {
        fail!("it takes no key at all");
    }
    for (key, value) in &kept {
        match subject.get(key).await {
            Ok(secret) if secret.expose() == value => {}
            Ok(_) => fail!("the key `{}` is taken for another one", key.key()),
            Err(error) => {
                fail!("`resolve` of the key `{}` {}", key.key(), came_to(kind(&error)))
            }
        }
    }
    Ok(format!("{} of {} keys are taken", kept.len(), KEYS.len()))
}

async fn overwrite(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("put/overwrite")?;
    let key = bench.key("overwritten");
    for label in ["a longer value, which is first", "short", "another"] {
        let value = bench.value(label);
        subject.keep(&key, &value).await?;
        subject.expect(&key, &value).await?;
    }
    Ok(String::new())
}

async fn keep(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("put/keep")?;
    let (key, old) = (bench.key("kept"), bench.value("old"));
    if let Err(error) = subject.put(&key, &old, Existing::Keep).await {
        fail!("`put` with `keep` of what is not there {}", came_to(kind(&error)));
    }
    match subject.put(&key, &bench.value("new"), Existing::Keep).await {
        Err(error) if kind(&error) == "conflict" => {}
        Ok(()) => fail!("`put` with `keep` of what is there succeeded"),
        Err(error) => fail!("`put` with `keep` of what is there {}", came_to(kind(&error))),
    }
    subject.expect(&key, &old).await?;
    Ok(String::new())
}

async fn twice(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("put/twice")?;
    let (key, value) = (bench.key("twice"), bench.value("twice"));
    subject.keep(&key, &value).await?;
    subject.keep(&key, &value).await?;
    subject.expect(&key, &value).await?;
    Ok(String::new())
}

async fn together(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("put/together")?;
    let keys = [bench.key("one"), bench.key("two"), bench.key("three")];
    let [one, two, three] = [0, 1, 2].map(|index| bench.value(keys[index].key()));
    let (first, second, third) = tokio::join!(
        subject.keep(&keys[0], &one),
        subject.keep(&keys[1], &two),
        subject.keep(&keys[2], &three),
    );
    first.and(second).and(third)?;
    for (key, value) in keys.iter().zip([&one, &two, &three]) {
        subject.expect(key, value).await?;
    }
    Ok(String::new())
}

async fn delete_there(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("delete/there")?;
    let (key, value) = (bench.key("deleted"), bench.value("deleted"));
    subject.keep(&key, &value).await?;
    if let Err(error) = subject.delete(&key).await {
        fail!("`delete` {}", came_to(kind(&error)));
    }
    subject.expect_missing(&key).await?;
    if let Err(error) = subject.put(&key, &value, Existing::Keep).await {
        fail!("`put` with `keep` of what was deleted {}", came_to(kind(&error)));
    }
    subject.expect(&key, &value).await?;
    Ok(String::new())
}

async fn delete_missing(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("delete/missing")?;
    let key = bench.key("nowhere");
    for _ in 0..2 {
        if let Err(error) = subject.delete(&key).await {
            fail!("`delete` of what is not there {}", came_to(kind(&error)));
        }
    }
    Ok(String::new())
}

async fn delete_others(bench: &Bench) -> Outcome {
    bench.needs_writer()?;
    let subject = bench.subject("delete/others")?;
    let (key, longer, below) = (bench.key("part"), bench.key("part-2"), bench.key("part/below"));
    for key in [&key, &longer, &below] {
        match subject.put(key, &bench.value(key.key()), Existing::Replace).await {
            Ok(()) => {}
            Err(error) => fail!("`put` {}", came_to(kind(&error))),
        }
    }
    if let Err(error) = subject.delete(&key).await {
        fail!("`delete` {}", came_to(kind(&error)));
    }
    for other in [&longer, &below] {
        subject.expect(other, &bench.value(other.key())).await?;
    }
    subject.expect_missing(&key).await?;
    Ok(String::new())
}
