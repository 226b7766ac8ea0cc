//! Whole calls with arbitrary values both ways. The guest answers what its key says: answers that are well
//! formed are held against what they are, and memory that is anything at all must do no harm. Any other
//! reference it gives back as the secret, and what comes out is what went in.

use crate::input::Input;
use crate::said;
use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::limits::Limits;
use coffer_host::{CallError, Cause, Granted, Host, Mask, Secret, Store, StoreConfig};
use guest_artifacts::written;
use serde_json::json;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Bytes of one value. Few, so that some have more.
const ANSWER_BYTES_MAX: usize = 32;

/// Where the guest puts what its key says, and how much of it.
const TOLD: usize = 1024;
const TOLD_BYTES_MAX: usize = 64_000;

/// References of one call: all are given to one instance.
const REFERENCES_MAX: usize = 16;

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&written::plugin(include_str!("call/guest.wat"))).unwrap();
    let grants: Grants = serde_json::from_value(json!({ "referenced": ["env"] })).unwrap();
    let limits = Limits {
        answer: ANSWER_BYTES_MAX,
        call: Duration::from_secs(5),
        concurrency: 1,
        ..Limits::default()
    };
    let config = StoreConfig { grants: Granted::Only(grants), limits, ..StoreConfig::default() };
    host.store("fuzz", &plugin, config).unwrap()
});
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

type Results = Vec<Result<Secret, CallError>>;

pub(crate) fn call(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => answers(input),
        1 => memory(input),
        _ => references(input),
    }
}

fn resolve(references: &[Reference]) -> Results {
    let results = RUNTIME.block_on(STORE.resolve(references));
    assert_eq!(results.len(), references.len());
    for result in &results {
        match result {
            Ok(secret) => {
                assert!(secret.expose().len() <= ANSWER_BYTES_MAX);
                secret.version().into_iter().for_each(said::line);
            }
            Err(error) => drop(said::explained(error)),
        }
    }
    results
}

/// References whose first tells the guest what to have in its memory; it answers with what is there.
fn told(count: usize, memory: &[u8]) -> Results {
    let letters = memory.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let key: String = letters.map(|nibble| char::from(b'a' + nibble)).collect();
    let mut references = vec![Reference::new(Source::Value, key).unwrap()];
    references.resize(count, Reference::new(Source::Value, "x").unwrap());
    resolve(&references)
}

/// Anything as the guest's memory.
fn memory(mut input: Input<'_>) {
    let count = usize::from(input.byte()) % REFERENCES_MAX + 1;
    let bytes = input.rest();
    told(count, &bytes[..bytes.len().min(TOLD_BYTES_MAX)]);
}

/// Anything as references.
fn references(mut input: Input<'_>) {
    let mut references = Vec::new();
    while !input.is_empty() && references.len() < REFERENCES_MAX {
        let source = [Source::Command, Source::Env, Source::Path, Source::Secret];
        let source = source[usize::from(input.byte() % 4)];
        references.extend(Reference::new(source, input.text()));
    }
    let results = resolve(&references);
    for (reference, result) in references.iter().zip(results) {
        let key = reference.key();
        match result {
            Ok(secret) => {
                assert_eq!(secret.expose(), key.as_bytes());
                assert_eq!(secret.version(), Some(reference.source().name()));
                assert_eq!(secret.expires_at_ms(), None);
            }
            Err(error) => match error.cause() {
                Cause::Denied(_) => {
                    assert!(reference.source() == Source::Path && key.starts_with('/'), "{error}");
                }
                Cause::Limit { .. } => assert!(key.len() > ANSWER_BYTES_MAX, "{error}"),
                cause => panic!("{cause}"),
            },
        }
    }
}

/// What a guest can answer for one reference.
enum Answer {
    Secret { value: Vec<u8>, version: Option<String>, expires_at: Option<u64> },
    Error(u8, String, Option<u64>),
}

fn answers(mut input: Input<'_>) {
    let count = usize::from(input.byte()) % REFERENCES_MAX + 1;
    let wrong = input.byte();
    let given = if wrong < 0xf0 { count } else { usize::from(wrong - 0xf0) };
    let answers: Vec<Answer> = (0..given).map(|_| answer(&mut input)).collect();
    let results = told(count, &laid_out(&answers));
    if given != count {
        let what = format!("{given} answers for {count} references");
        for result in results {
            let error = result.unwrap_err();
            assert_eq!(error.cause(), &Cause::Contract(what.clone()));
        }
        return;
    }
    let values: Vec<Secret> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Secret { value, .. } => Some(Secret::new(value.clone())),
            Answer::Error(..) => None,
        })
        .collect();
    let mask = Mask::new(&values);
    for (answer, result) in answers.iter().zip(results) {
        expected(answer, result, &mask);
    }
}

fn expected(answer: &Answer, result: Result<Secret, CallError>, mask: &Mask) {
    match (answer, result) {
        (Answer::Secret { value, version, expires_at }, Ok(secret)) => {
            assert_eq!(secret.expose(), value);
            assert_eq!(secret.version(), version.as_deref().map(said::escaped).as_deref());
            assert_eq!(secret.expires_at_ms(), *expires_at);
        }
        (Answer::Secret { value, version, .. }, Err(error)) => match error.cause() {
            Cause::Limit { .. } => assert!(value.len() > ANSWER_BYTES_MAX, "{error}"),
            Cause::Contract(_) => {
                assert!(version.as_ref().is_some_and(|version| version.len() > 256), "{error}");
            }
            cause => panic!("{cause}"),
        },
        (Answer::Error(case, text, number), Err(error)) => {
            let text = said::escaped(&mask.text(text));
            let cause = match case {
                0 => Cause::NotFound,
                1 => Cause::Unauthenticated,
                2 => Cause::AccessDenied,
                3 => Cause::InvalidReference(text),
                4 => Cause::Conflict,
                5 => Cause::TooLarge(number.unwrap_or(0)),
                6 => Cause::Unavailable { after_ms: *number, tries: 0 },
                7 => Cause::Unsupported(text),
                _ => Cause::Other(text),
            };
            assert_eq!(error.cause(), &cause);
        }
        (Answer::Error(case, ..), Ok(_)) => panic!("the error {case} is a secret"),
    }
}

fn answer(input: &mut Input<'_>) -> Answer {
    let kind = input.byte();
    let number = |input: &mut Input<'_>| {
        (input.byte() & 1 == 1).then(|| u64::from(input.byte()) << (input.byte() % 64))
    };
    if kind.is_multiple_of(2) {
        let value = input.bytes().to_vec();
        let version = (input.byte() & 1 == 1).then(|| {
            let text = input.text();
            text.repeat(usize::from(input.byte() % 8) + 1)
        });
        Answer::Secret { value, version, expires_at: number(input) }
    } else {
        let case = kind / 2 % 9;
        Answer::Error(case, input.text(), number(input))
    }
}

/// The answers in the guest's memory, as the canonical ABI has them.
fn laid_out(answers: &[Answer]) -> Vec<u8> {
    const RESULT_BYTES: usize = 48;
    let list = 8;
    let mut memory = vec![0; list + answers.len() * RESULT_BYTES];
    let word = |memory: &mut Vec<u8>, at: usize, word: usize| {
        memory[at..at + 4].copy_from_slice(&u32::try_from(word).unwrap().to_le_bytes());
    };
    let long = |memory: &mut Vec<u8>, at: usize, number: Option<u64>, discriminant: usize| {
        memory[discriminant] = number.is_some().into();
        memory[at..at + 8].copy_from_slice(&number.unwrap_or(0).to_le_bytes());
    };
    let bytes = |memory: &mut Vec<u8>, at: usize, bytes: &[u8]| {
        let pointer = TOLD + memory.len();
        memory.extend_from_slice(bytes);
        word(memory, at, pointer);
        word(memory, at + 4, bytes.len());
    };
    word(&mut memory, 0, TOLD + list);
    word(&mut memory, 4, answers.len());
    for (index, answer) in answers.iter().enumerate() {
        let at = list + index * RESULT_BYTES;
        match answer {
            Answer::Secret { value, version, expires_at } => {
                bytes(&mut memory, at + 8, value);
                memory[at + 16] = version.is_some().into();
                if let Some(version) = version {
                    bytes(&mut memory, at + 20, version.as_bytes());
                }
                long(&mut memory, at + 40, *expires_at, at + 32);
            }
            Answer::Error(case, text, number) => {
                memory[at] = 1;
                memory[at + 8] = *case;
                match case {
                    3 | 7 | 8 => bytes(&mut memory, at + 16, text.as_bytes()),
                    // Without an option around it.
                    5 => {
                        let number = number.unwrap_or(0);
                        memory[at + 16..at + 24].copy_from_slice(&number.to_le_bytes());
                    }
                    6 => long(&mut memory, at + 24, *number, at + 16),
                    _ => {}
                }
            }
        }
    }
    memory
}
