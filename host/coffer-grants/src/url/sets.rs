//! Patterns as the sets of URLs that they cover: whether one is within another, and whether two meet.

use super::{Origin, UrlPattern};

impl UrlPattern {
    /// Whether every URL that `other` covers is covered.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let (Origin { tls, host, port }, narrow) = (&self.origin, &other.origin);
        *tls == narrow.tls
            && *port == narrow.port
            && host_contains(host, &narrow.host)
            && path_contains(&segments(&self.path), &segments(&other.path))
    }

    /// Whether there is a URL that both cover.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (Origin { tls, host, port }, that) = (&self.origin, &other.origin);
        *tls == that.tls
            && *port == that.port
            && (host_contains(host, &that.host) || host_contains(&that.host, host))
            && paths_meet(&segments(&self.path), &segments(&other.path))
    }
}

fn host_contains(wide: &str, narrow: &str) -> bool {
    match wide.strip_prefix("*.") {
        // `*` itself is a label here: the same pattern is within itself.
        Some(suffix) => narrow.split_once('.').is_some_and(|(_, rest)| rest == suffix),
        None => wide == narrow,
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').collect()
}

fn path_contains(wide: &[&str], narrow: &[&str]) -> bool {
    match (wide, narrow) {
        (["**"], _) | ([], []) => true,
        (["*", wide @ ..], [segment, narrow @ ..]) => {
            !matches!(*segment, "" | "**") && path_contains(wide, narrow)
        }
        ([exact, wide @ ..], [segment, narrow @ ..]) => {
            exact == segment && path_contains(wide, narrow)
        }
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

fn paths_meet(one: &[&str], other: &[&str]) -> bool {
    match (one, other) {
        (["**"], _) | (_, ["**"]) | ([], []) => true,
        ([a, one @ ..], [b, other @ ..]) => {
            let any = |star: &str, segment: &str| star == "*" && !segment.is_empty();
            (a == b || any(a, b) || any(b, a)) && paths_meet(one, other)
        }
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::url::{RequestUrl, UrlPattern};
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestRunner;

    /// Hosts and paths of patterns, and of every URL that tells two of them apart: one label and one segment are in
    /// no pattern, and URLs are a segment longer.
    const HOSTS: [&str; 5] =
        ["a.x.example", "b.x.example", "x.example", "*.x.example", "*.b.x.example"];
    const HOSTS_ASKED: [&str; 6] =
        ["a.x.example", "b.x.example", "c.x.example", "x.example", "y.example", "a.b.x.example"];
    const SEGMENTS: [&str; 3] = ["a", "b", "*"];
    const SEGMENTS_ASKED: [&str; 3] = ["a", "b", "c"];
    const SEGMENTS_MAX: usize = 3;

    fn origin() -> impl Strategy<Value = String> {
        let scheme = select(&["https", "https", "http"][..]);
        let port = select(&["", "", ":8200"][..]);
        (scheme, select(&HOSTS[..]), port)
            .prop_map(|(scheme, host, port)| format!("{scheme}://{host}{port}"))
    }

    fn path() -> impl Strategy<Value = String> {
        let segments = proptest::collection::vec(select(&SEGMENTS[..]), 0..SEGMENTS_MAX);
        (segments, select(&["", "", "/", "/**"][..])).prop_map(|(segments, end)| {
            segments.iter().map(|segment| format!("/{segment}")).collect::<String>() + end
        })
    }

    /// Two patterns, mostly of one origin, so that it is up to their paths.
    fn patterns() -> impl Strategy<Value = (UrlPattern, UrlPattern)> {
        let same = proptest::bool::weighted(0.8);
        (origin(), origin(), same, path(), path()).prop_map(
            |(one, other, same, path, other_path)| {
                let other = if same { &one } else { &other };
                let read = |origin: &str, path: &str| {
                    UrlPattern::parse(&format!("{origin}{path}")).unwrap()
                };
                (read(&one, &path), read(other, &other_path))
            },
        )
    }

    /// Every URL of a small world.
    fn urls() -> Vec<RequestUrl> {
        let mut paths = vec![String::new()];
        let mut longest = paths.clone();
        for _ in 0..=SEGMENTS_MAX {
            let longer = |path: &String| SEGMENTS_ASKED.map(|segment| format!("{path}/{segment}"));
            longest = longest.iter().flat_map(longer).collect();
            paths.extend(longest.clone());
        }
        let ends: Vec<String> =
            paths.iter().flat_map(|path| [path.clone(), format!("{path}/")]).collect();
        let mut urls = Vec::new();
        for origin in ["https://HOST", "https://HOST:8200", "http://HOST", "http://HOST:8200"] {
            for host in HOSTS_ASKED {
                let origin = origin.replace("HOST", host);
                urls.extend(
                    ends.iter().map(|end| RequestUrl::parse(&format!("{origin}{end}")).unwrap()),
                );
            }
        }
        urls
    }

    #[test]
    fn a_pattern_contains_and_meets_what_every_url_says() {
        let urls = urls();
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 1500,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let checked = runner.run(&patterns(), |(one, other)| {
            let mut contains = true;
            let mut meets = false;
            for url in &urls {
                let covered = (one.covers(url), other.covers(url));
                contains &= covered != (false, true);
                meets |= covered == (true, true);
            }
            prop_assert_eq!(one.contains(&other), contains, "{} contains {}", one, other);
            prop_assert_eq!(one.meets(&other), meets, "{} meets {}", one, other);
            prop_assert_eq!(other.meets(&one), meets, "{} meets {}", other, one);
            Ok(())
        });
        checked.unwrap();
    }
}
