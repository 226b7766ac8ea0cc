//! The plugin against a server in memory that does what Secret Manager's documentation says.

use super::*;
use crate::value::crc32c;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::fake;
use coffer_plugin::http::{Error as HttpError, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A secret: what it was made of, and its versions; one that was destroyed or disabled is that word.
#[derive(Default)]
struct Kept {
    made: Value,
    versions: Vec<Result<Vec<u8>, &'static str>>,
}

/// A server, and what it was asked.
#[derive(Default)]
struct Server {
    secrets: BTreeMap<String, Kept>,
    asked: Vec<String>,
    /// What it answers before it looks at anything.
    instead: Option<Response>,
}

const SECRETS: &str = "https://secretmanager.googleapis.com/v1/projects/p-1/secrets";

impl Server {
    /// Starts it with a store in front that has these settings.
    fn start(settings: &[(&str, &str)]) -> Rc<RefCell<Self>> {
        let server = Rc::new(RefCell::new(Self::default()));
        for (name, value) in [
            ("project", "p-1"),
            ("address", "https://secretmanager.googleapis.com/"),
            ("folder", "coffer"),
        ] {
            fake::setting(name, value);
        }
        for (name, value) in settings {
            fake::setting(name, value);
        }
        let behind = Rc::clone(&server);
        fake::http(move |request| Ok(behind.borrow_mut().answer(request)));
        server
    }

    fn answer(&mut self, request: &Request) -> Response {
        let rest = request.url().strip_prefix(SECRETS).unwrap();
        self.asked.push(format!("{} {rest}", request.method()));
        if let Some(answer) = &self.instead {
            return answer.clone();
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query: BTreeMap<&str, &str> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let body = || serde_json::from_slice::<Value>(request.bytes()).unwrap();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method(), segments.as_slice()) {
            ("POST", []) => self.create(query["secretId"], body()),
            ("GET", []) => self.list(&query),
            ("POST", [add]) => self.add(add.strip_suffix(":addVersion").unwrap(), &body()),
            ("DELETE", [name]) => match self.secrets.remove(*name) {
                Some(_) => answer(json!({})),
                None => not_found(),
            },
            ("GET", [name, "versions", access]) => {
                self.access(name, access.strip_suffix(":access").unwrap())
            }
            (method, path) => panic!("{method} {path:?}"),
        }
    }

    fn create(&mut self, name: &str, made: Value) -> Response {
        if self.secrets.contains_key(name) {
            return refusal(409, "ALREADY_EXISTS", "it exists");
        }
        self.secrets.insert(name.into(), Kept { made, versions: Vec::new() });
        answer(json!({ "name": format!("projects/1/secrets/{name}") }))
    }

    fn add(&mut self, name: &str, body: &Value) -> Response {
        let Some(kept) = self.secrets.get_mut(name) else { return not_found() };
        let bytes = STANDARD.decode(body["payload"]["data"].as_str().unwrap()).unwrap();
        assert!(!bytes.is_empty() && bytes.len() <= 65_536);
        assert_eq!(body["payload"]["dataCrc32c"], crc32c(&bytes).to_string());
        kept.versions.push(Ok(bytes));
        answer(
            json!({ "name": format!("projects/1/secrets/{name}/versions/{}", kept.versions.len()) }),
        )
    }

    fn access(&self, name: &str, version: &str) -> Response {
        let Some(kept) = self.secrets.get(name) else { return not_found() };
        let number = match version {
            "latest" => kept.versions.len(),
            number => number.parse().unwrap_or(0),
        };
        let Some(found) = number.checked_sub(1).and_then(|index| kept.versions.get(index)) else {
            return not_found();
        };
        let Ok(bytes) = found else {
            let said = format!("Secret Version is in {} state.", found.as_ref().unwrap_err());
            return refusal(400, "FAILED_PRECONDITION", &said);
        };
        let payload =
            json!({ "data": STANDARD.encode(bytes), "dataCrc32c": crc32c(bytes).to_string() });
        let name = format!("projects/1/secrets/{name}/versions/{number}");
        answer(json!({ "name": name, "payload": payload }))
    }

    fn list(&self, query: &BTreeMap<&str, &str>) -> Response {
        let within = query["filter"].strip_prefix("name%3A").unwrap();
        let from: usize = query
            .get("pageToken")
            .map_or(0, |token| token.strip_prefix("at%2F").unwrap().parse().unwrap());
        let size: usize = query["pageSize"].parse().unwrap();
        let names: Vec<_> = self.secrets.keys().filter(|name| name.contains(within)).collect();
        let page: Vec<_> = names
            .iter()
            .skip(from)
            .take(size)
            .map(|name| json!({ "name": format!("projects/1/secrets/{name}") }))
            .collect();
        let more = from + size < names.len();
        let next = if more { format!("at/{}", from + size) } else { String::new() };
        // What is empty is left out.
        match page.is_empty() {
            true => answer(json!({})),
            false => answer(json!({ "secrets": page, "nextPageToken": next, "totalSize": 1 })),
        }
    }

    fn give(&mut self, name: &str, versions: &[&str]) {
        let versions = versions.iter().map(|text| Ok(text.as_bytes().to_vec())).collect();
        self.secrets.insert(name.into(), Kept { made: Value::Null, versions });
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what is answered is made for it")]
fn answer(body: Value) -> Response {
    Response::new(200, body.to_string())
}

fn refusal(code: u16, status: &str, said: &str) -> Response {
    let error = json!({ "code": code, "status": status, "message": said });
    Response::new(code, json!({ "error": error }).to_string())
}

fn not_found() -> Response {
    refusal(404, "NOT_FOUND", "Secret not found or has no versions.")
}

fn secret(key: &str) -> Reference {
    Reference { source: "secret".into(), key: key.into() }
}

fn value(key: &str) -> Result<String, Error> {
    let secret = SecretManager::resolve(&secret(key))?;
    Ok(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    SecretManager::put(key, value.as_bytes(), Existing::Replace)
}

#[test]
fn what_is_put_is_resolved_until_it_is_deleted() {
    let server = Server::start(&[]);
    for key in ["a", "A", "a/b", "a//b", "a b", "ä", "x.y", "..x", "a_1", "%2e"] {
        assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
        SecretManager::put(key, key.as_bytes(), Existing::Keep).unwrap();
        assert_eq!(value(key).unwrap(), key);
        assert!(matches!(SecretManager::put(key, b"x", Existing::Keep), Err(Error::Conflict)));
        put(key, "").unwrap();
        assert_eq!(value(key).unwrap(), "");
    }
    assert!(server.borrow().secrets.keys().all(|name| name.starts_with("coffer__")));
    for key in ["a", "a", "a/b", "never"] {
        SecretManager::delete(key).unwrap();
        assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
    }
    assert_eq!(value("A").unwrap(), "");
    let found = SecretManager::resolve(&secret("A")).unwrap();
    assert_eq!(found, Secret::new("").version("2"));
}

#[test]
fn a_put_costs_what_it_must() {
    let server = Server::start(&[]);
    let asked = |put: &dyn Fn() -> Result<(), Error>| {
        server.borrow_mut().asked.clear();
        put().unwrap();
        server.borrow().asked.clone()
    };
    let add = "POST /coffer__k:addVersion";
    let create = "POST ?secretId=coffer__k";
    assert_eq!(asked(&|| put("k", "v")), [add, create, add]);
    assert_eq!(asked(&|| put("k", "v")), [add]);
    SecretManager::delete("k").unwrap();
    assert_eq!(asked(&|| SecretManager::put("k", b"v", Existing::Keep)), [create, add]);
}

#[test]
fn of_two_that_make_a_secret_one_keeps() {
    let server = Server::start(&[]);
    // Somebody else is between the two steps.
    server.borrow_mut().give("coffer__k", &[]);
    assert!(matches!(value("k"), Err(Error::NotFound)));
    assert!(matches!(SecretManager::put("k", b"v", Existing::Keep), Err(Error::Conflict)));
    put("k", "v").unwrap();
    assert_eq!(value("k").unwrap(), "v");
    // Two that replace: the one finds nothing, and meanwhile the other made it.
    let behind = Rc::clone(&server);
    fake::http(move |request| {
        let answer = behind.borrow_mut().answer(request);
        if request.url().ends_with("coffer__l:addVersion") {
            behind.borrow_mut().secrets.entry("coffer__l".into()).or_default();
        }
        Ok(answer)
    });
    put("l", "v").unwrap();
    assert_eq!(value("l").unwrap(), "v");
}

#[test]
fn a_new_secret_is_where_the_setting_says() {
    let server = Server::start(&[]);
    put("a", "v").unwrap();
    fake::setting("locations", r#"["europe-west3","europe-west1"]"#);
    put("b", "v").unwrap();
    let made = |name: &str| server.borrow().secrets[name].made.clone();
    let labels = json!({ "managed-by": "coffer" });
    let automatic = json!({ "automatic": {} });
    assert_eq!(made("coffer__a"), json!({ "replication": automatic, "labels": labels }));
    let replicas = json!([{ "location": "europe-west3" }, { "location": "europe-west1" }]);
    let managed = json!({ "userManaged": { "replicas": replicas } });
    assert_eq!(made("coffer__b"), json!({ "replication": managed, "labels": labels }));
}

#[test]
fn secrets_of_others_are_read_as_they_are() {
    let server = Server::start(&[]);
    server
        .borrow_mut()
        .give("app-db", &["{\"password\":\"old\"}", "{\"password\":\"p\",\"port\":1}"]);
    server.borrow_mut().give("plain", &["text", "\0"]);
    for (key, expected) in [
        ("app-db#password", Some("p")),
        ("app-db#port", Some("1")),
        ("app-db#none", None),
        ("app-db#password#1", Some("old")),
        ("app-db##1", Some("{\"password\":\"old\"}")),
        ("app-db##3", None),
        ("plain##1", Some("text")),
        // What coffer did not put is given as it is.
        ("plain#", Some("\0")),
        ("none#", None),
        ("plain", None),
    ] {
        assert_eq!(value(key).ok().as_deref(), expected, "{key}");
    }
    assert!(matches!(value("plain#a#1"), Err(Error::Other(_))));
    let before = server.borrow().asked.len();
    for key in ["app-db#password", "plain#"] {
        assert!(matches!(put(key, "x"), Err(Error::InvalidReference(_))), "{key}");
        assert!(matches!(SecretManager::delete(key), Err(Error::InvalidReference(_))), "{key}");
    }
    let reference = Reference { source: "env".into(), key: "HOME".into() };
    assert!(matches!(SecretManager::resolve(&reference), Err(Error::Unsupported(_))));
    assert!(matches!(value("a/b#c"), Err(Error::InvalidReference(_))));
    assert_eq!(server.borrow().asked.len(), before);
}

#[test]
fn fields_of_a_secret_cost_one_request() {
    let server = Server::start(&[]);
    server.borrow_mut().give("app", &["{\"a\":\"old\"}", "{\"a\":\"1\",\"b\":\"2\"}"]);
    put("own", "o").unwrap();
    server.borrow_mut().asked.clear();
    let keys = ["app#a", "app#b", "own", "app#none", "app#a#1", "a/b#c", "own"];
    let references: Vec<Reference> = keys.iter().map(|key| secret(key)).collect();
    let answers = SecretManager::resolve_all(&references);
    let found: Vec<_> = answers.iter().map(|it| it.as_ref().ok().map(Secret::expose)).collect();
    let own = Some(&b"o"[..]);
    assert_eq!(found, [Some(&b"1"[..]), Some(b"2"), own, None, Some(b"old"), None, own]);
    let mut asked = server.borrow().asked.clone();
    asked.sort();
    let expected = [
        "GET /app/versions/1:access",
        "GET /app/versions/latest:access",
        "GET /coffer__own/versions/latest:access",
    ];
    assert_eq!(asked, expected);
}

#[test]
fn a_listing_has_every_key_once_page_by_page() {
    let server = Server::start(&[]);
    let mut expected: Vec<String> = (0..2500).map(|n| format!("Key/{n}")).collect();
    for key in expected.iter().map(String::as_str).chain(["Kex", "key/0", "other"]) {
        let name = name::of("coffer", key).unwrap();
        server.borrow_mut().give(&name, &["v"]);
    }
    expected.sort();
    for theirs in [
        "x-coffer__Key_2f1",
        "coffer__not__ours",
        "coffer___41",
        "coffer___2fKey",
        "coffer___2e_2e",
    ] {
        server.borrow_mut().give(theirs, &["theirs"]);
    }
    let all = |prefix: &str| {
        let (mut keys, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = SecretManager::list_keys(prefix, cursor.as_deref()).unwrap();
            assert!(!page.keys.is_empty() || page.next.is_none());
            assert!(page.keys.len() <= 1000);
            keys.extend(page.keys);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                keys.sort();
                return (keys, pages);
            }
        }
    };
    assert_eq!(all("Key/"), (expected.clone(), 3));
    assert_eq!(all("").0.len(), 2503);
    assert_eq!(all("nothing"), (Vec::new(), 1));
    for malformed in [json!([]), json!({ "secrets": 1 }), json!({ "secrets": [{}] })] {
        server.borrow_mut().instead = Some(answer(malformed));
        assert!(matches!(SecretManager::list_keys("", None), Err(Error::Other(_))));
    }
}

#[test]
fn a_version_that_is_no_more_is_told() {
    let server = Server::start(&[]);
    put("k", "v").unwrap();
    let state = |word: &'static str| {
        server.borrow_mut().secrets.get_mut("coffer__k").unwrap().versions.push(Err(word));
        value("k").unwrap_err()
    };
    assert!(matches!(state("DESTROYED"), Error::NotFound));
    let Error::Other(text) = state("DISABLED") else { panic!() };
    assert!(text.contains("enable it"), "{text}");
    assert_eq!(value("coffer__k##1").unwrap(), "v");
}

#[test]
fn each_refusal_is_told_as_what_it_is() {
    let server = Server::start(&[]);
    let check = |code: u16, status: &str, said: &str, expected: &str| {
        server.borrow_mut().instead = Some(refusal(code, status, said));
        let shown = match value("k").unwrap_err() {
            Error::AccessDenied => "denied".into(),
            Error::Conflict => "conflict".into(),
            Error::NotFound => "not found".into(),
            Error::Other(text) => text,
            Error::Unauthenticated => "unauthenticated".into(),
            Error::Unavailable(after) => format!("unavailable {after:?}"),
            error => format!("{error:?}"),
        };
        assert!(shown.contains(expected), "{code} {status}: {shown}");
    };
    check(401, "UNAUTHENTICATED", "invalid authentication credentials", "unauthenticated");
    check(403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied", "denied");
    assert!(fake::log().last().unwrap().contains("secretmanager.versions.access"));
    let unused = "Secret Manager API has not been used in project 1 before or it is disabled.";
    check(403, "PERMISSION_DENIED", unused, "is not enabled in the project; enable it");
    check(409, "ABORTED", "", "conflict");
    check(400, "FAILED_PRECONDITION", "constraints/gcp.resourceLocations", "constraints/gcp");
    check(
        400,
        "INVALID_ARGUMENT",
        "it is so",
        "answered INVALID_ARGUMENT with status 400: it is so",
    );
    check(429, "RESOURCE_EXHAUSTED", "Quota exceeded", "unavailable None");
    check(503, "UNAVAILABLE", "", "unavailable None");
    check(500, "", "", "unavailable None");
    check(404, "", "", "not one of Secret Manager");
    let changed = json!({ "payload": { "data": "dg==", "dataCrc32c": "1" } });
    server.borrow_mut().instead = Some(answer(changed));
    assert!(matches!(value("k"), Err(Error::Other(text)) if text.contains("CRC32C")));
    for body in ["<html>", "[]", "{}", "{\"payload\":{\"data\":1}}"] {
        server.borrow_mut().instead = Some(Response::new(200, body));
        assert!(matches!(value("k"), Err(Error::Other(_))), "{body}");
    }
    let busy = refusal(429, "RESOURCE_EXHAUSTED", "").with_header("Retry-After", "7");
    server.borrow_mut().instead = Some(busy);
    assert!(matches!(value("k"), Err(Error::Unavailable(Some(7000)))));
    // A value that is too large makes no secret without one.
    let before = server.borrow().asked.len();
    for existing in [Existing::Keep, Existing::Replace] {
        let result = SecretManager::put("k", &[b'x'; 65_537], existing);
        assert!(matches!(result, Err(Error::TooLarge(65_536))));
    }
    assert_eq!(server.borrow().asked.len(), before);
    fake::http(|_| Err(HttpError::Unreachable));
    assert!(matches!(value("k"), Err(Error::Unavailable(None))));
}

#[test]
fn what_cannot_be_a_folder_is_told_before_a_request() {
    let server = Server::start(&[]);
    for folder in ["", "a_b", "a/b", "ä"] {
        fake::setting("folder", folder);
        let told = |result: Result<(), Error>| match result {
            Err(Error::Other(text)) => assert!(text.contains("`folder`"), "{text}"),
            other => panic!("{folder}: {other:?}"),
        };
        told(value("k").map(drop));
        told(put("k", "v"));
        told(SecretManager::delete("k"));
        told(SecretManager::list_keys("", None).map(drop));
    }
    assert_eq!(server.borrow().asked, [""; 0]);
}
