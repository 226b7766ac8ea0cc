use super::*;
use crate::reference::{Reference, Source};
use crate::url::RequestUrl;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

fn grants(value: &Value) -> Grants {
    serde_json::from_value(value.clone()).unwrap()
}

#[track_caller]
fn check(held: &Value, asked: &Value, expected: &[&str]) {
    let surplus = grants(asked).surplus(&grants(held));
    let fits = surplus.len() == expected.len()
        && surplus.iter().zip(expected).all(|(surplus, expected)| surplus == expected);
    assert!(fits, "{asked} beyond {held}: {surplus:#?}");
}

#[test]
fn what_is_more_is_said_in_words() {
    let nothing = json!({});
    let http =
        |url: &str, methods: &[&str]| json!({ "http": [{ "url": url, "methods": methods }] });
    check(&nothing, &nothing, &[]);
    let read = http("https://a.example/v1/**", &["GET"]);
    check(&nothing, &read, &["GET requests to https://a.example/v1/**"]);
    check(&read, &read, &[]);
    check(&read, &http("https://a.example/v1/x", &["GET"]), &[]);
    check(&read, &http("https://a.example/v1/*/x", &[]), &[]);
    check(
        &read,
        &http("https://a.example/**", &["GET", "PUT"]),
        &["GET, PUT requests to https://a.example/**"],
    );
    check(
        &read,
        &http("https://a.example/v1/**", &["GET", "PUT"]),
        &["PUT requests to https://a.example/v1/**"],
    );
    check(
        &read,
        &http("https://b.example/v1/x", &["GET"]),
        &["GET requests to https://b.example/v1/x"],
    );
    check(
        &read,
        &http("http://a.example/v1/x", &["GET"]),
        &["GET requests to http://a.example/v1/x"],
    );
    let all = json!({ "environment": ["HOME"], "commands": [["pass", "show", "*"]], "referenced": ["env"] });
    check(
        &nothing,
        &all,
        &[
            "the environment variable HOME",
            "running pass show *",
            "whatever a reference of the source env names",
        ],
    );
    check(&all, &json!({ "commands": [["pass", "show", "db"]] }), &[]);
    check(&all, &json!({ "commands": [["pass", "show", "-c"]] }), &["running pass show -c"]);
    check(&all, &json!({ "commands": [["pass", "*", "*"]] }), &["running pass * *"]);
    // One that a reference names is seen during its call only.
    check(
        &json!({ "referenced": ["env"] }),
        &json!({ "environment": ["HOME"] }),
        &["the environment variable HOME"],
    );
}

#[test]
fn what_goes_with_a_request_counts() {
    let with = |more: Value| {
        let mut rule = json!({ "url": "https://a.example/**", "methods": ["GET"] });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "http": [rule] })
    };
    let plain = with(json!({}));
    let header = |source: Value| with(json!({ "headers": { "X-Key": source } }));
    check(
        &plain,
        &header(json!({ "env": "AWS_SECRET_ACCESS_KEY" })),
        &[
            "the header x-key from the environment variable AWS_SECRET_ACCESS_KEY, added to requests to \
           https://a.example/**",
        ],
    );
    check(&header(json!({ "env": "A" })), &plain, &[]);
    check(
        &header(json!({ "setting": "token" })),
        &header(json!({ "file": "/etc/shadow" })),
        &["the header x-key from the file /etc/shadow, added to requests to https://a.example/**"],
    );
    check(
        &plain,
        &with(json!({ "private-addresses": true })),
        &["private addresses for requests to https://a.example/**"],
    );
    check(&with(json!({ "private-addresses": true })), &plain, &[]);
    check(
        &with(json!({ "ca": "/ca.pem" })),
        &plain,
        &[
            "certificate authorities for requests to https://a.example/**: the public ones in the place of /ca.pem",
        ],
    );
    let key = |name: &str| json!({ "env": name });
    let signed = |secret: &str| {
        with(json!({ "aws-sigv4": {
            "region": "r", "service": "s", "access-key-id": key("K"), "secret-access-key": key(secret),
        } }))
    };
    check(&plain, &signed("S"), &["a signature for AWS of requests to https://a.example/**"]);
    check(&signed("S"), &signed("T"), &["a signature for AWS of requests to https://a.example/**"]);
    check(&signed("S"), &signed("S"), &[]);
    check(&signed("S"), &plain, &[]);
    // The first rule that covers a request decides, and it adds nothing.
    let rule =
        |url: &str, headers: Value| json!({ "url": url, "methods": ["GET"], "headers": headers });
    let narrow = rule("https://a.example/v1/*", json!({}));
    let wide = rule("https://a.example/**", json!({ "x-key": { "env": "K" } }));
    check(
        &json!({ "http": [narrow, wide] }),
        &json!({ "http": [wide] }),
        &[
            "the header x-key from the environment variable K, added to requests to https://a.example/**",
        ],
    );
    check(&json!({ "http": [wide, narrow] }), &json!({ "http": [wide] }), &[]);
}

#[test]
fn directories_are_the_same_by_their_paths() {
    let directory = |host: &str, access: &str, create: bool| json!({ "directories": [{ "host": host, "guest": "/s", "access": access, "create": create }] });
    let read = directory("./s", "read-only", false);
    check(&json!({}), &read, &["reading files below ./s, seen as /s"]);
    check(&read, &read, &[]);
    check(
        &read,
        &directory("./s", "read-write", true),
        &["changing and deleting files below ./s, seen as /s", "making the directory ./s"],
    );
    check(&directory("./s", "read-write", true), &read, &[]);
    check(
        &directory("/", "read-write", true),
        &directory("/etc", "read-write", false),
        &["reading, changing and deleting files below /etc, seen as /s"],
    );
}

#[test]
fn a_strangers_words_are_escaped() {
    let asked = json!({ "environment": ["A\u{202e}"], "commands": [["a", "\u{1b}[2J"]] });
    check(&json!({}), &asked, &["the environment variable A\\u{202e}", "running a \\u{1b}[2J"]);
}

/// Grants of a small world, in which they meet often.
fn some_grants() -> impl Strategy<Value = Grants> {
    let urls = [
        "https://a.example/**",
        "https://a.example/v/*",
        "https://a.example/v/b",
        "https://*.x.example/**",
        "https://b.x.example/v/*",
        "http://a.example/**",
    ];
    let headers =
        [json!({}), json!({}), json!({ "k": { "env": "K" } }), json!({ "k": { "env": "L" } })];
    let rule = (
        select(urls.to_vec()),
        subsequence(vec!["GET", "PUT"], 0..=2),
        select(headers.to_vec()),
        proptest::bool::weighted(0.2),
        select(vec![Value::Null, Value::Null, json!("/ca")]),
    )
        .prop_map(|(url, methods, headers, private, ca)| {
            json!({ "url": url, "methods": methods, "headers": headers, "private-addresses": private, "ca": ca })
        });
    let directory = (select(vec!["/a", "/b"]), any::<bool>(), any::<bool>()).prop_map(
        |(host, writes, create)| {
            let access = if writes { "read-write" } else { "read-only" };
            json!({ "host": host, "guest": "/s", "access": access, "create": create })
        },
    );
    let commands = vec![
        json!(["a"]),
        json!(["a", "*"]),
        json!(["a", "b"]),
        json!(["a", "-b"]),
        json!(["a", "*", "b"]),
    ];
    (
        proptest::collection::vec(rule, 0..4),
        proptest::option::of(directory),
        subsequence(vec!["A", "B"], 0..=2),
        subsequence(commands.clone(), 0..=commands.len()),
        any::<bool>(),
    )
        .prop_map(|(http, directory, environment, commands, referenced)| {
            grants(&json!({
                "http": http,
                "directories": directory.into_iter().collect::<Vec<_>>(),
                "environment": environment,
                "commands": commands,
                "referenced": if referenced { vec!["env"] } else { vec![] },
            }))
        })
}

/// Everything that grants of this world could allow, as what the decisions themselves say.
fn allowed(grants: &Grants) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    let hosts = ["a.example", "b.x.example", "c.x.example"];
    for (scheme, host) in
        ["https", "http"].iter().flat_map(|scheme| hosts.map(|host| (scheme, host)))
    {
        for (method, path) in ["GET", "PUT"]
            .iter()
            .flat_map(|method| ["", "v", "v/b", "v/c", "v/b/c"].map(|path| (method, path)))
        {
            let url = RequestUrl::parse(&format!("{scheme}://{host}/{path}")).unwrap();
            let Ok(permit) = grants.http(method, url) else { continue };
            let (asked, rule) = (format!("{method} {}", permit.url()), permit.grant());
            allowed.insert(asked.clone());
            allowed.insert(format!("{asked} trusting {:?}", rule.ca()));
            allowed.extend(
                rule.headers()
                    .map(|header| format!("{asked} with {} {:?}", header.name, header.source)),
            );
            allowed.extend((rule.reach() == Reach::Private).then(|| format!("{asked} anywhere")));
        }
    }
    for argv in ["a", "a b", "a c", "a -b", "a b b", "a -b b"] {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        allowed.extend(grants.command(argv.clone()).ok().map(|_| format!("running {argv:?}")));
    }
    for permit in grants.directories() {
        let grant = permit.grant();
        allowed.insert(format!("reading {}", grant.host()));
        allowed.extend(
            (grant.access() == Access::ReadWrite).then(|| format!("writing {}", grant.host())),
        );
        allowed.extend(grant.create().then(|| format!("making {}", grant.host())));
    }
    for name in ["A", "B", "C"] {
        let reference = Reference::new(Source::Env, name).unwrap();
        let permit = grants.permit(&reference).ok();
        let seen: Vec<String> =
            grants.environment(permit.iter()).names().map(str::to_owned).collect();
        allowed.extend(seen.into_iter().map(|seen| format!("{seen} when asked for {name}")));
        let always = grants.environment([]);
        allowed.extend(always.names().map(|name| format!("{name} always")));
    }
    allowed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No surplus means that nothing is allowed that was not; and where something is, there is a surplus.
    #[test]
    fn without_a_surplus_nothing_more_is_allowed((held, asked) in (some_grants(), some_grants())) {
        if asked.surplus(&held).is_empty() {
            let (asked, held) = (allowed(&asked), allowed(&held));
            let more: Vec<_> = asked.difference(&held).collect();
            prop_assert!(more.is_empty(), "{more:?}");
        }
    }

    /// The same, where there is often no surplus: all kinds but a rule or two are taken away.
    #[test]
    fn less_is_no_surplus(held in some_grants(), which in 0..4_usize) {
        prop_assert_eq!(held.surplus(&held), Vec::<String>::new());
        prop_assert_eq!(Grants::default().surplus(&held), Vec::<String>::new());
        let mut less = held.to_json();
        let key = ["commands", "directories", "environment", "referenced"][which];
        less.as_object_mut().unwrap().shift_remove(key);
        prop_assert_eq!(grants(&less).surplus(&held), Vec::<String>::new());
        // The last rule decides what no other does.
        if let Some(rules) = less["http"].as_array_mut() {
            rules.pop();
            prop_assert_eq!(grants(&less).surplus(&held), Vec::<String>::new());
        }
    }
}
