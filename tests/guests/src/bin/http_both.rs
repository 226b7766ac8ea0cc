//! Sends requests to the URL that the key says, now through one interface and now through the other,
//! until both refuse, and reports how many passed through each.

use coffer_plugin::{Error, Secret, http};
use guests::report;
use guests::wasi::outgoing::{Outcome, send};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (mut ours, mut theirs) = (0, 0);
    loop {
        let one = http::get(key).send();
        let other = send("GET", key, &[]);
        ours += u32::from(one.is_ok());
        theirs += u32::from(matches!(other, Outcome::Answer(_)));
        if one.is_err() && !matches!(other, Outcome::Answer(_)) {
            return report(format!(
                "{ours} and {theirs}, then {one:?} and {other}",
                one = one.err()
            ));
        }
    }
}

guests::guest!(resolve);
