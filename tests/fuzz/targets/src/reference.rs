//! References, and what a plugin wants to run: a line with a source, and the key, which is also taken for an
//! argv.

use crate::said;
use coffer_bundle::document::{self, Format};
use coffer_host::grants::{Denied, Grants, KEY_BYTES_MAX, Reference, Source};

pub(crate) fn reference(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (source, key) = text.split_once('\n').unwrap_or(("secret", &text));
    match source.parse::<Source>() {
        Ok(source) => assert_eq!(source.to_string().parse(), Ok(source)),
        Err(error) => {
            said::explained(&error);
        }
    }
    for source in Source::ALL {
        match Reference::new(source, key) {
            Ok(reference) => accepted(&reference, key),
            Err(error) => {
                said::explained(&error);
                assert!(source != Source::Value, "{error}");
            }
        }
    }
    command(&key.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
}

fn accepted(reference: &Reference, key: &str) {
    assert_eq!(reference.key(), key);
    let shown = format!("{reference} {reference:?}");
    let source = reference.source();
    if source == Source::Value {
        assert_eq!(shown, "value *** Reference(value ***)");
        return;
    }
    assert!((1..=KEY_BYTES_MAX).contains(&key.len()), "{key:?}");
    assert!(!key.chars().any(char::is_control), "{key:?}");
    assert!(source != Source::Env || !key.contains('='), "{key:?}");
    if source == Source::Secret {
        let segments = key.replace('\\', "/");
        let dots = segments.split('/').any(|segment| [".", ".."].contains(&segment));
        assert!(!dots && !key.starts_with('/'), "{key:?}");
    }
    match Grants::default().permit(reference) {
        Ok(permit) => assert_eq!(permit.reference(), reference),
        Err(denied) => {
            if let Some(grants) = offered(&denied) {
                let grants = grants.rooted("/base", "/home/me").unwrap();
                assert!(grants.permit(reference).is_ok(), "{:?}", denied.missing());
                let names: Vec<_> = grants.variables().collect();
                assert!(names.is_empty() || names == [key], "{names:?}");
            }
        }
    }
}

fn command(argv: &[String]) {
    if argv.is_empty() {
        return;
    }
    let denied = Grants::default().command(argv.to_vec()).unwrap_err();
    if let Some(grants) = offered(&denied) {
        let [pattern] = grants.command_patterns() else { panic!("{:?}", denied.missing()) };
        // A `*` would permit more than was asked for.
        assert_eq!(pattern.words(), argv);
        assert!(!argv.iter().any(|word| word == "*"), "{:?}", denied.missing());
        let permit = grants.command(argv.to_vec()).unwrap();
        assert_eq!(permit.program(), argv[0]);
        assert_eq!(permit.arguments(), &argv[1..]);
    }
}

/// What is offered to an operator, read as the grants that it would be.
fn offered(denied: &Denied) -> Option<Grants> {
    said::line(&denied.to_string());
    let missing = denied.missing()?;
    missing.lines().for_each(said::line);
    let read = document::read(missing, Format::Yaml);
    let read = read.unwrap_or_else(|error| panic!("{missing}: {error}"));
    Some(serde_json::from_value(read).unwrap_or_else(|error| panic!("{missing}: {error}")))
}
