//! Lists what the contract does not allow, or just allows; the prefix says what.

use coffer_plugin::{Error, Lister, Page, Reference, Resolver, Secret, export};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Lister for Guest {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let key = |suffix: &str| format!("{prefix}{suffix}");
        Ok(match prefix {
            "page" => Page { keys: (0..1001).map(|n| key(&n.to_string())).collect(), next: None },
            "full" => Page { keys: (0..1000).map(|n| key(&n.to_string())).collect(), next: None },
            "cursor" => Page { keys: vec![key("")], next: Some("c".repeat(4097)) },
            "cursor-fits" if cursor.is_none() => {
                Page { keys: vec![key("")], next: Some("c".repeat(4096)) }
            }
            "twice" => Page { keys: vec![key("b"), key("a"), key("b")], next: None },
            "empty" => Page { keys: Vec::new(), next: Some("again".into()) },
            "foreign" => Page { keys: vec!["another\u{1b}[2J".into()], next: None },
            "malformed" => Page { keys: vec![key("/../\u{1b}[2J")], next: None },
            _ => Page { keys: vec![key("")], next: None },
        })
    }
}

export!(Guest, lister);

fn main() {}
