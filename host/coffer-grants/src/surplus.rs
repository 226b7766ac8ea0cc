//! What grants allow that others do not, in words: whether an operator who agreed to the one has agreed to the other.
//! Where that cannot be told for certain it counts as more. A rule that is covered by two others together, but by
//! neither of them, is the one case of this.

use crate::address::Reach;
use crate::command::ArgvPattern;
use crate::directory::{Access, DirectoryGrant};
use crate::grants::Grants;
use crate::http::{HeaderSource, HttpGrant};
use crate::reference::escape;
use crate::url::UrlPattern;
use std::collections::BTreeSet;

impl Grants {
    /// What these grants allow and `held` do not, each in words. If there is nothing, whatever these permit is
    /// permitted by `held`, with the same credentials and no farther reach.
    #[must_use]
    pub fn surplus(&self, held: &Self) -> Vec<String> {
        let mut surplus = Vec::new();
        for (index, grant) in self.http_grants().iter().enumerate() {
            http(grant, &self.http_grants()[..index], held.http_grants(), &mut surplus);
        }
        for permit in self.directories() {
            directory(permit.grant(), held, &mut surplus);
        }
        let named: BTreeSet<&str> = held.variables().collect();
        let variables = self.variables().filter(|name| !named.contains(name));
        surplus.extend(variables.map(|name| format!("the environment variable {}", escape(name))));
        let covered = |pattern: &&ArgvPattern| {
            held.command_patterns().iter().any(|held| held.contains(pattern))
        };
        let commands = self.command_patterns().iter().filter(|pattern| !covered(pattern));
        surplus.extend(commands.map(|argv| format!("running {}", escape(&argv.words().join(" ")))));
        let sources: BTreeSet<_> = held.referenced().collect();
        for source in self.referenced().filter(|source| !sources.contains(source)) {
            surplus.push(format!("whatever a reference of the source {source} names"));
        }
        surplus
    }
}

/// What is more in `grant`, which comes after `earlier`, than in the rules of `held`. The first rule that covers a
/// request decides: so each of `held` that covers some of those that `grant` decides has to allow what it does, until
/// one covers all of them.
fn http(grant: &HttpGrant, earlier: &[HttpGrant], held: &[HttpGrant], surplus: &mut Vec<String>) {
    let mut more = BTreeSet::new();
    let mut methods = Vec::new();
    for method in grant.methods() {
        let of_method = |rule: &&HttpGrant| rule.methods().any(|other| other == method);
        let is_decided_before = |url: &UrlPattern| {
            earlier.iter().filter(of_method).any(|rule| rule.url().contains(url))
        };
        if is_decided_before(grant.url()) {
            continue;
        }
        let mut covered = false;
        let meeting = held.iter().filter(of_method).filter(|held| held.url().meets(grant.url()));
        for held in meeting.filter(|held| !is_decided_before(held.url())) {
            more.extend(beside(grant, Some(held)));
            covered = held.url().contains(grant.url());
            if covered {
                break;
            }
        }
        if !covered {
            methods.push(method);
        }
    }
    if !methods.is_empty() {
        surplus.push(format!("{} requests to {}", methods.join(", "), grant.url()));
        more.extend(beside(grant, None));
    }
    surplus.extend(more);
}

/// What goes with the requests of `grant`, and did not go with those of `held`, or with none before.
fn beside(grant: &HttpGrant, held: Option<&HttpGrant>) -> Vec<String> {
    let mut more = Vec::new();
    let url = grant.url();
    for header in grant.headers() {
        let same = held.is_some_and(|held| {
            held.headers().any(|held| held.name == header.name && held.source == header.source)
        });
        if !same {
            let place = place(header.source);
            more.push(format!(
                "the header {} from {place}, added to requests to {url}",
                header.name
            ));
        }
    }
    if grant.aws_sigv4().is_some() && held.and_then(HttpGrant::aws_sigv4) != grant.aws_sigv4() {
        more.push(format!("a signature for AWS of requests to {url}"));
    }
    if grant.reach() == Reach::Private && held.map(HttpGrant::reach) != Some(Reach::Private) {
        more.push(format!("private addresses for requests to {url}"));
    }
    if let Some(held) = held.filter(|held| held.ca() != grant.ca()) {
        let trust = |ca: Option<&str>| ca.map_or("the public ones".into(), escape);
        more.push(format!(
            "certificate authorities for requests to {url}: {} in the place of {}",
            trust(grant.ca()),
            trust(held.ca())
        ));
    }
    more
}

fn place(source: &HeaderSource) -> String {
    let places = [
        ("the environment variable", source.env()),
        ("the file", source.file()),
        ("the setting", source.setting()),
    ];
    let found =
        places.into_iter().find_map(|(what, place)| Some(format!("{what} {}", escape(place?))));
    found.unwrap_or_default()
}

/// A directory is the same if it has the same paths. That one path is below another says nothing: a link may be
/// between them.
fn directory(grant: &DirectoryGrant, held: &Grants, surplus: &mut Vec<String>) {
    let same = held
        .directories()
        .map(|held| held.grant())
        .find(|held| held.host() == grant.host() && held.guest() == grant.guest());
    let shown = format!("{}, seen as {}", escape(grant.host()), escape(grant.guest()));
    let writes = |grant: &DirectoryGrant| grant.access() == Access::ReadWrite;
    match same {
        None if writes(grant) => {
            surplus.push(format!("reading, changing and deleting files below {shown}"));
        }
        None => surplus.push(format!("reading files below {shown}")),
        Some(held) if writes(grant) && !writes(held) => {
            surplus.push(format!("changing and deleting files below {shown}"));
        }
        Some(_) => {}
    }
    if grant.create() && !same.is_some_and(DirectoryGrant::create) {
        surplus.push(format!("making the directory {}", escape(grant.host())));
    }
}

#[cfg(test)]
mod tests;
