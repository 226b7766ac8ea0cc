use super::*;
use serde_json::json;
use std::net::IpAddr;

fn grants(value: serde_json::Value) -> Grants {
    serde_json::from_value(value).unwrap()
}

fn reference(text: &str) -> Reference {
    let (source, key) = text.split_once(' ').unwrap();
    Reference::new(source.parse().unwrap(), key).unwrap()
}

#[test]
fn nothing_is_granted_by_default() {
    let nothing = Grants::default();
    assert!(nothing.is_empty());
    assert_eq!(grants(json!({})), nothing);
    assert_eq!(
        grants(json!({
            "http": [], "directories": [], "environment": [], "commands": [], "referenced": []
        })),
        nothing
    );
    assert!(nothing.permit(&reference("env HOME")).is_err());
    assert!(nothing.permit(&reference("path /etc/passwd")).is_err());
    assert!(nothing.http("GET", RequestUrl::parse("https://a.example/").unwrap()).is_err());
    assert!(nothing.command(vec!["date".into()]).is_err());
    assert_eq!(nothing.directories().count(), 0);
    assert_eq!(nothing.environment([]).names().count(), 0);
}

#[test]
fn unknown_and_malformed_grants_are_errors() {
    for (value, expected) in [
        (json!({ "files": [] }), "unknown field `files`"),
        (json!({ "http": "https://a.example/" }), "invalid type"),
        (json!({ "environment": "HOME" }), "invalid type"),
        (json!({ "environment": ["*"] }), "no pattern"),
        (json!({ "environment": [""] }), "not the name"),
        (json!({ "environment": ["A=B"] }), "not the name"),
        (json!({ "referenced": ["path"] }), "source env"),
        (json!({ "referenced": ["*"] }), "source env"),
        (json!({ "commands": ["pass show *"] }), "invalid type"),
        (json!({ "directories": [{ "host": "/a" }] }), "missing field `access`"),
        (json!({ "directories": [{ "host": "/a", "access": "write" }] }), "unknown variant"),
        (
            json!({ "directories": [{ "host": "/a", "access": "read-only", "mode": 1 }] }),
            "unknown field",
        ),
    ] {
        let error = serde_json::from_value::<Grants>(value.clone()).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
    }
}

#[test]
fn references_are_permitted_by_their_source() {
    let granted = grants(json!({
        "environment": ["HOME"],
        "directories": [{ "host": "/home/me/.kube", "access": "read-only" }],
    }));
    let check = |text: &str, expected: bool| {
        assert_eq!(granted.permit(&reference(text)).is_ok(), expected, "{text}");
    };
    check("secret anything", true);
    check("value anything", true);
    check("command anything", true);
    check("env HOME", true);
    check("env HOMEX", false);
    check("env home", false);
    check("path /home/me/.kube/config", true);
    check("path /home/me/.kube/a/b", true);
    check("path /home/me/.kube", false);
    check("path /home/me/.kubex/config", false);
    check("path /home/me/.ssh/id", false);
    // Not plain, so left to the plugin and to the file system's own boundary.
    check("path ~/.kube/config", true);
    check("path /home/me/.kube/../.ssh/id", true);
}

#[test]
fn referenced_grants_what_a_call_names_and_nothing_else() {
    let granted = grants(json!({ "environment": ["HOME"], "referenced": ["env"] }));
    let names = |texts: &[&str]| {
        let permits: Vec<_> =
            texts.iter().map(|text| granted.permit(&reference(text)).unwrap()).collect();
        granted.environment(&permits).names().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["HOME"]);
    assert_eq!(names(&["env TOKEN", "secret OTHER"]), ["HOME", "TOKEN"]);
    let granted = grants(json!({ "environment": ["HOME"] }));
    let permit = granted.permit(&reference("env HOME")).unwrap();
    assert_eq!(granted.environment([&permit]).names().collect::<Vec<_>>(), ["HOME"]);
}

#[test]
fn the_first_rule_that_covers_a_request_decides() {
    let granted = grants(json!({ "http": [
        { "url": "https://a.example/x/**", "methods": ["GET"], "private-addresses": true },
        { "url": "https://a.example/**", "methods": ["GET", "POST"] },
    ]}));
    let check = |method: &str, url: &str, expected: Option<usize>| {
        let permit = granted.http(method, RequestUrl::parse(url).unwrap()).ok();
        let rule = permit.map(|permit| {
            assert_eq!(permit.method(), method);
            granted.http.iter().position(|grant| grant == permit.grant()).unwrap()
        });
        assert_eq!(rule, expected, "{method} {url}");
    };
    check("GET", "https://a.example/x/y", Some(0));
    check("POST", "https://a.example/x/y", Some(1));
    check("GET", "https://a.example/y", Some(1));
    check("DELETE", "https://a.example/x/y", None);
    check("get", "https://a.example/x/y", None);
    check("GET ", "https://a.example/x/y", None);
    check("", "https://a.example/x/y", None);
    check("GET", "https://b.example/x/y", None);

    let permit = |path: &str| {
        let url = RequestUrl::parse(&format!("https://a.example/{path}")).unwrap();
        granted.http("GET", url).unwrap()
    };
    let loopback = IpAddr::from([127, 0, 0, 1]);
    assert!(address(&permit("x/y"), loopback).is_ok());
    assert!(address(&permit("y"), loopback).is_err());
    assert!(address(&permit("y"), IpAddr::from([1, 1, 1, 1])).is_ok());
}

#[test]
fn a_denial_says_what_to_add() {
    let nothing = Grants::default();
    let url = || RequestUrl::parse("https://a.example/x?token=canary").unwrap();
    let check = |denied: Denied, asked: &str, missing: Option<&str>| {
        assert_eq!(denied.to_string(), format!("no grant allows {asked}"));
        assert_eq!(denied.missing(), missing);
        // What is printed as the grant to add is a grant, once an operator has put it below `grants`.
    };
    check(
        nothing.http("GET", url()).unwrap_err(),
        "GET https://a.example/x",
        Some("http:\n  - url: \"https://a.example/x\"\n    methods: [GET]"),
    );
    check(nothing.http("CONNECT", url()).unwrap_err(), "a request with the method CONNECT", None);
    check(
        nothing.http("GET\r\nX: y", url()).unwrap_err(),
        "a request with the method GET\\u{d}\\u{a}X: y",
        None,
    );
    check(
        nothing.command(vec!["pass".into(), "show".into(), "a b".into()]).unwrap_err(),
        "the command pass show a b",
        Some("commands:\n  - [pass, show, \"a b\"]"),
    );
    // Nothing that would allow more than this, and nothing that could not be granted.
    for argv in [&["pass", "*"][..], &["*"], &["./pass", "x"], &["a\0"]] {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(nothing.command(argv).unwrap_err().missing(), None);
    }
    assert_eq!(nothing.permit(&reference("env A*")).unwrap_err().missing(), None);
    check(
        nothing.http("GET", RequestUrl::parse("https://a.example/**").unwrap()).unwrap_err(),
        "GET https://a.example/%2A%2A",
        Some("http:\n  - url: \"https://a.example/%2A%2A\"\n    methods: [GET]"),
    );
    check(
        nothing.permit(&reference("env TOKEN")).unwrap_err(),
        "the environment variable TOKEN",
        Some("environment:\n  - TOKEN"),
    );
    check(
        nothing.permit(&reference("path /etc/passwd")).unwrap_err(),
        "the file /etc/passwd",
        Some("directories:\n  - host: /etc\n    access: read-only"),
    );
    let granted =
        grants(json!({ "http": [{ "url": "https://a.example/**", "methods": ["GET"] }] }));
    let permit = granted.http("GET", url()).unwrap();
    check(
        address(&permit, IpAddr::from([169, 254, 169, 254])).unwrap_err(),
        "a connection to 169.254.169.254, which a.example stands for and which is not on the public internet",
        Some(
            "http:\n  - url: \"https://a.example/x\"\n    private-addresses: true   # beside its methods",
        ),
    );
}

#[test]
fn a_command_runs_as_it_was_judged() {
    let granted = grants(json!({ "commands": [["pass", "show", "*"]] }));
    let argv = |word: &str| vec!["pass".to_owned(), "show".to_owned(), word.to_owned()];
    let permit = granted.command(argv("db")).unwrap();
    assert_eq!(permit.program(), "pass");
    assert_eq!(permit.arguments(), ["show", "db"]);
    assert!(granted.command(argv("--clip")).is_err());
}

#[test]
fn any_grant_is_something() {
    for granted in [
        json!({ "http": [{ "url": "https://a.example/", "methods": [] }] }),
        json!({ "directories": [{ "host": "/a", "access": "read-only" }] }),
        json!({ "environment": ["HOME"] }),
        json!({ "commands": [["date"]] }),
        json!({ "referenced": ["env"] }),
    ] {
        assert!(!grants(granted.clone()).is_empty(), "{granted}");
    }
}

#[test]
fn each_verb_is_a_word() {
    let words = [Verb::Delete, Verb::List, Verb::Put, Verb::Resolve].map(|verb| verb.to_string());
    assert_eq!(words, ["delete", "list", "put", "resolve"]);
}

#[test]
fn what_a_manifest_asks_for_and_is_not_granted_is_known() {
    let check = |granted: serde_json::Value,
                 asked: serde_json::Value,
                 missing: &[&str],
                 writing: Option<&str>| {
        let (granted, asked) =
            (grants(json!({ "directories": granted })), grants(json!({ "directories": asked })));
        let denied = granted.missing_directories(&asked);
        let lines: Vec<_> = denied.iter().map(|denied| denied.missing().unwrap()).collect();
        assert_eq!(lines, missing);
        for line in lines {
            assert!(line.starts_with("directories:\n  - host: "), "{line}");
        }
        let denied = granted.missing_writing("/secrets", &asked);
        assert_eq!(denied.as_ref().map(|denied| denied.missing().unwrap()), writing);
    };
    let read = json!({ "host": "/mine", "guest": "/secrets", "access": "read-only" });
    let write = json!({ "host": "/mine", "guest": "/secrets", "access": "read-write" });
    let asked =
        json!({ "host": "/srv/s", "guest": "/secrets", "access": "read-write", "create": true });
    let lines = "directories:\n  - host: /srv/s\n    guest: /secrets\n    access: read-write\n    create: true";
    check(json!([]), json!([asked]), &[lines], None);
    check(json!([write]), json!([asked]), &[], None);
    check(
        json!([read]),
        json!([asked]),
        &[],
        Some(
            "directories:\n  - host: /mine\n    guest: /secrets\n    access: read-write   # in the place of read-only\n    create: true",
        ),
    );
    // Nobody asked for it, so nothing is missing.
    check(json!([]), json!([]), &[], None);
    check(json!([read]), json!([]), &[], None);
    check(json!([read]), json!([read]), &[], None);
    // What the manifest says is quoted.
    let odd = json!({ "host": "/a: \"\nb", "access": "read-only" });
    let lines = "directories:\n  - host: \"/a: \\\"\\U0000000ab\"\n    access: read-only";
    check(json!([]), json!([odd]), &[lines], None);
    let long = json!([{ "host": format!("/{}", "a".repeat(1024)), "access": "read-only" }]);
    let denied = Grants::default().missing_directories(&grants(json!({ "directories": long })));
    assert_eq!(denied[0].missing(), None);
}

#[test]
fn paths_are_made_absolute() {
    let granted = grants(json!({
        "http": [{
            "url": "https://a.example/", "methods": ["GET"], "ca": "ca.pem",
            "headers": { "x": { "file": "~/token" } },
            "aws-sigv4": {
                "region": "r", "service": "s", "access-key-id": { "env": "K" },
                "secret-access-key": { "file": "~/key" }, "session-token": { "file": "session" },
            },
        }],
        "directories": [
            { "host": "secrets", "guest": "/secrets", "access": "read-write", "create": true },
            { "host": "./a/b", "guest": "/b", "access": "read-only" },
            { "host": ".", "guest": "/base", "access": "read-only" },
            { "host": "~/.kube", "access": "read-only" },
            { "host": "/run", "access": "read-only" },
        ],
    }))
    .rooted("/base/", "/home/me")
    .unwrap();
    let pairs: Vec<_> =
        granted.directories.iter().map(|grant| (grant.host(), grant.guest())).collect();
    assert_eq!(
        pairs,
        [
            ("/base/secrets", "/secrets"),
            ("/base/a/b", "/b"),
            ("/base/", "/base"),
            ("/home/me/.kube", "/home/me/.kube"),
            ("/run", "/run"),
        ]
    );
    assert_eq!(granted.http[0].ca(), Some("/base/ca.pem"));
    assert_eq!(granted.http[0].headers().next().unwrap().source.file(), Some("/home/me/token"));
    let signature = granted.http[0].aws_sigv4().unwrap();
    assert_eq!(signature.secret_access_key().file(), Some("/home/me/key"));
    assert_eq!(signature.session_token().unwrap().file(), Some("/base/session"));

    let rooted = |directories: serde_json::Value| {
        grants(json!({ "directories": directories })).rooted("/base", "/home/me")
    };
    let directory = |guest: &str| json!({ "host": "/a", "guest": guest, "access": "read-only" });
    for guest in ["", "a", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\nb"] {
        assert!(
            matches!(rooted(json!([directory(guest)])), Err(GrantError::GuestPath(_))),
            "{guest:?}"
        );
    }
    assert!(matches!(
        rooted(json!([directory("/a"), directory("/a")])),
        Err(GrantError::GuestPathTwice(_))
    ));
}

fn address(permit: &HttpPermit<'_>, address: IpAddr) -> Result<crate::AddressPermit, Denied> {
    permit.grant().reach().check(permit.url(), address)
}
