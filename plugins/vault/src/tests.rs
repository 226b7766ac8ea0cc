//! The plugin against a server in memory that does what Vault and OpenBao do. `tests/backends` holds it
//! against a real one.

use super::*;
use coffer_plugin::fake;
use coffer_plugin::http::{Error as HttpError, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A server with one KV engine at `secret`, and what it was asked.
#[derive(Default)]
struct Server {
    /// The versions of each path; a version that was deleted is nothing.
    paths: BTreeMap<String, Vec<Option<Value>>>,
    asked: Vec<String>,
    /// What it answers before it looks at anything.
    instead: Option<(u16, &'static str)>,
    mount: Option<Response>,
}

const ADDRESS: &str = "https://vault.example";

impl Server {
    /// Starts it with a store in front that has these settings.
    fn start(settings: &[(&str, &str)]) -> Rc<RefCell<Self>> {
        let server = Rc::new(RefCell::new(Self::default()));
        for (name, value) in
            [("address", ADDRESS), ("mount", "secret"), ("folder", "coffer"), ("kv_version", "2")]
        {
            fake::setting(name, value);
        }
        for (name, value) in settings {
            fake::setting(name, value);
        }
        let version = settings.iter().find(|(name, _)| *name == "kv_version");
        let version = version.map_or("2", |(_, version)| version);
        server.borrow_mut().mount = Some(engine("kv", version));
        let behind = Rc::clone(&server);
        fake::http(move |request| Ok(behind.borrow_mut().answer(request)));
        server
    }

    fn answer(&mut self, request: &Request) -> Response {
        let path = request.url().strip_prefix(&format!("{ADDRESS}/v1/")).unwrap();
        self.asked.push(format!("{} {path}", request.method()));
        assert_eq!(request.header_value("x-vault-request"), Some(&b"true"[..]));
        if path.starts_with("sys/internal/ui/mounts/") {
            return self.mount.clone().unwrap();
        }
        if let Some((status, said)) = self.instead {
            return error(status, said);
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<&str, &str> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let Some(path) = path.strip_prefix("secret/") else {
            return error(404, "no handler for route \"x\". route entry not found.");
        };
        match (request.method(), path.split_once('/').unwrap()) {
            ("GET", ("data", path)) => self.read(path, query.get("version").copied()),
            ("POST", ("data", path)) => self.write(path, request.bytes()),
            ("DELETE", ("metadata", path)) => {
                self.paths.remove(path);
                Response::new(204, "")
            }
            ("GET", ("metadata", folder)) => self.list(folder, &query),
            // A KV engine of version 1.
            ("GET", _) => match self.paths.get(path) {
                Some(versions) => answer(200, json!({ "data": versions[0] })),
                None => error(404, ""),
            },
            ("POST", _) => {
                let body = serde_json::from_slice(request.bytes()).unwrap();
                self.paths.insert(path.into(), vec![Some(body)]);
                Response::new(204, "")
            }
            ("DELETE", _) => {
                self.paths.remove(path);
                Response::new(204, "")
            }
            (method, _) => panic!("{method} {path}"),
        }
    }

    fn read(&self, path: &str, version: Option<&str>) -> Response {
        let Some(versions) = self.paths.get(path) else { return error(404, "") };
        let version = version.map_or(versions.len(), |version| version.parse().unwrap());
        let Some(fields) = versions.get(version - 1) else { return error(404, "") };
        let status = if fields.is_some() { 200 } else { 404 };
        answer(status, json!({ "data": { "data": fields, "metadata": { "version": version } } }))
    }

    fn write(&mut self, path: &str, body: &[u8]) -> Response {
        let body: Value = serde_json::from_slice(body).unwrap();
        let versions = self.paths.entry(path.into()).or_default();
        if body["options"]["cas"] != json!(versions.len()) {
            return error(400, "check-and-set parameter did not match the current version");
        }
        versions.push(Some(body["data"].clone()));
        answer(200, json!({ "data": { "version": versions.len() } }))
    }

    fn list(&self, folder: &str, query: &BTreeMap<&str, &str>) -> Response {
        assert_eq!(query["list"], "true");
        let folder = format!("{folder}/");
        let names = self.paths.keys().filter_map(|path| path.strip_prefix(&folder));
        let after = query.get("after").copied().unwrap_or_default();
        let limit = query["limit"].parse().unwrap();
        let names: Vec<&str> = names.filter(|name| *name > after).take(limit).collect();
        match names.is_empty() {
            true => error(404, ""),
            false => answer(200, json!({ "data": { "keys": names } })),
        }
    }
}

fn engine(kind: &str, version: &str) -> Response {
    let options = if version == "1" { Value::Null } else { json!({ "version": version }) };
    answer(200, json!({ "data": { "type": kind, "options": options } }))
}

#[expect(clippy::needless_pass_by_value, reason = "what is answered is made for it")]
fn answer(status: u16, body: Value) -> Response {
    Response::new(status, body.to_string())
}

fn error(status: u16, said: &str) -> Response {
    let said: Vec<&str> = Some(said).filter(|said| !said.is_empty()).into_iter().collect();
    answer(status, json!({ "errors": said }))
}

fn secret(key: &str) -> Reference {
    Reference { source: "secret".into(), key: key.into() }
}

fn value(key: &str) -> Result<String, Error> {
    let secret = Vault::resolve(&secret(key))?;
    Ok(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    Vault::put(key, value.as_bytes(), Existing::Replace)
}

#[test]
fn what_is_put_is_resolved_until_it_is_deleted() {
    for version in ["1", "2"] {
        Server::start(&[("kv_version", version), ("prefix", "team/app")]);
        for key in ["a", "A", "a/b", "a//b", "a b", "ä", "x.y", "..x", "a~1", "%2e"] {
            assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
            Vault::put(key, key.as_bytes(), Existing::Keep).unwrap();
            assert_eq!(value(key).unwrap(), key);
        }
        let bytes = [0, 0xff, 0xfe, b'a'];
        Vault::put("bytes", &bytes, Existing::Keep).unwrap();
        assert_eq!(Vault::resolve(&secret("bytes")).unwrap().expose(), bytes);
        assert!(matches!(Vault::put("a", b"2", Existing::Keep), Err(Error::Conflict)));
        assert_eq!(value("a").unwrap(), "a");
        put("a", "2").unwrap();
        assert_eq!(value("a").unwrap(), "2");
        Vault::delete("a").unwrap();
        Vault::delete("a").unwrap();
        assert!(matches!(value("a"), Err(Error::NotFound)));
        assert_eq!(value("A").unwrap(), "A");
        Vault::put("a", b"3", Existing::Keep).unwrap();
        assert_eq!(value("a").unwrap(), "3");
    }
}

#[test]
fn a_key_that_is_new_costs_one_write() {
    let server = Server::start(&[]);
    put("k", "1").unwrap();
    let asked = std::mem::take(&mut server.borrow_mut().asked);
    assert_eq!(asked, ["GET sys/internal/ui/mounts/secret", "POST secret/data/coffer/k"]);
    // The engine is looked at once an hour.
    put("k", "2").unwrap();
    let asked = std::mem::take(&mut server.borrow_mut().asked);
    let write = "POST secret/data/coffer/k";
    assert_eq!(asked, [write, "GET secret/data/coffer/k", write]);
}

#[test]
fn a_write_loses_against_one_that_it_did_not_see() {
    let server = Server::start(&[]);
    put("k", "1").unwrap();
    let (behind, theirs) = (Rc::clone(&server), RefCell::new(false));
    fake::http(move |request| {
        let mut server = behind.borrow_mut();
        let answer = server.answer(request);
        // Somebody writes between the look and the write.
        if request.method() == "GET" && !theirs.replace(true) {
            let document = document::of("k", b"theirs");
            server.paths.get_mut("coffer/k").unwrap().push(Some(document));
        }
        Ok(answer)
    });
    assert!(matches!(put("k", "2"), Err(Error::Conflict)));
    assert_eq!(value("k").unwrap(), "theirs");
}

#[test]
fn a_version_that_was_deleted_is_absent_and_can_be_followed() {
    let server = Server::start(&[]);
    put("k", "1").unwrap();
    *server.borrow_mut().paths.get_mut("coffer/k").unwrap().last_mut().unwrap() = None;
    assert!(matches!(value("k"), Err(Error::NotFound)));
    Vault::put("k", b"2", Existing::Keep).unwrap();
    assert_eq!(value("k").unwrap(), "2");
    *server.borrow_mut().paths.get_mut("coffer/k").unwrap().last_mut().unwrap() = None;
    Vault::delete("k").unwrap();
    assert!(server.borrow().paths.is_empty());
}

#[test]
fn what_others_wrote_is_left_as_it_is() {
    for version in ["1", "2"] {
        let server = Server::start(&[("kv_version", version)]);
        let theirs = vec![Some(json!({ "value": "theirs" }))];
        server.borrow_mut().paths.insert("coffer/k".into(), theirs.clone());
        for existing in [Existing::Keep, Existing::Replace] {
            assert!(matches!(Vault::put("k", b"ours", existing), Err(Error::Other(_))));
        }
        assert!(matches!(Vault::delete("k"), Err(Error::Other(_))));
        assert!(matches!(value("k"), Err(Error::Other(_))));
        assert_eq!(server.borrow().paths["coffer/k"], theirs);
        // It can be read as what it is.
        assert_eq!(value("coffer/k#value").unwrap(), "theirs");
    }
}

#[test]
fn fields_of_a_path_cost_one_request() {
    let server = Server::start(&[("prefix", "team"), ("namespace", "")]);
    let path = vec![Some(json!({ "a": "old" })), Some(json!({ "a": "1", "b": "2", "n": 3 }))];
    server.borrow_mut().paths.insert("team/app/d b".into(), path.clone());
    server.borrow_mut().paths.insert("team/app/d%20b".into(), path);
    put("own", "o").unwrap();
    server.borrow_mut().asked.clear();
    let keys = ["app/d b#a", "app/d b#b", "own", "app/d b#n", "app/d b#none", "app/d b#a#1", "own"];
    let references: Vec<Reference> = keys.iter().map(|key| secret(key)).collect();
    let answers: Vec<_> = Vault::resolve_all(&references)
        .into_iter()
        .map(|answer| answer.map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap()))
        .collect();
    let found: Vec<_> = answers.iter().map(|answer| answer.as_deref().ok()).collect();
    let expected = [Some("1"), Some("2"), Some("o"), Some("3"), None, Some("old"), Some("o")];
    assert_eq!(found, expected);
    let mut asked = server.borrow().asked.clone();
    asked.sort();
    let path = "GET secret/data/team/app/d%20b";
    let own = "GET secret/data/team/coffer/own";
    assert_eq!(asked, [path, &format!("{path}?version=1"), own]);
}

#[test]
fn what_porter_wrote_is_read_where_its_setting_is() {
    let wrote = |server: &Rc<RefCell<Server>>| {
        let mut server = server.borrow_mut();
        server.paths.insert("app".into(), vec![Some(json!({ "01JD-password": "p" }))]);
        server.paths.insert("app/v1".into(), vec![Some(json!({ "connstr": "c" }))]);
    };
    let server = Server::start(&[("prefix", "app"), ("path_prefix", "secret/app")]);
    wrote(&server);
    assert_eq!(value("01JD-password").unwrap(), "p");
    assert_eq!(value("v1/connstr").unwrap(), "c");
    assert!(matches!(value("v1/other"), Err(Error::NotFound)));
    // What is put goes to a path of its own, hides what Porter wrote, and is not mistaken for that.
    put("v1/connstr", "new").unwrap();
    put("v1", "x").unwrap();
    assert_eq!(value("v1/connstr").unwrap(), "new");
    assert!(matches!(value("v1/value"), Err(Error::NotFound)));
    put("k", "x").unwrap();
    for key in ["coffer/k/value", "coffer/k#value", "coffer/k/coffer-key"] {
        assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
    }
    // What Porter wrote is never removed, and nobody is told that it was.
    assert!(matches!(Vault::delete("v1/connstr"), Err(Error::Unsupported(_))));
    assert_eq!(value("v1/connstr").unwrap(), "c");
    assert!(matches!(Vault::delete("01JD-password"), Err(Error::Unsupported(_))));
    Vault::delete("k").unwrap();
}

#[test]
fn what_porter_wrote_is_not_read_otherwise() {
    let server = Server::start(&[("prefix", "app")]);
    server.borrow_mut().paths.insert("app/v1".into(), vec![Some(json!({ "connstr": "c" }))]);
    assert!(matches!(value("v1/connstr"), Err(Error::NotFound)));
    assert_eq!(value("v1#connstr").unwrap(), "c");
}

#[test]
fn a_listing_has_every_key_once_page_by_page() {
    let server = Server::start(&[]);
    let mut expected: Vec<String> = (0..2500).map(|n| format!("Key/{n}")).collect();
    for key in expected.iter().map(String::as_str).chain(["Kex", "Kez", "other"]) {
        put(key, "").unwrap();
    }
    let long = format!("coffer/Key~2f{}", "x".repeat(1024));
    let by_hand = ["not ours", "~41", "folder/x", "Key~2f~2e~2e", "Key~2f~00", "~2fKey"];
    let by_hand = by_hand.map(|name| format!("coffer/{name}"));
    for theirs in by_hand.iter().chain([&long, &"app/Key".to_owned()]) {
        server.borrow_mut().paths.insert(theirs.clone(), vec![Some(json!({}))]);
    }
    expected.sort();
    for knows_pages in [true, false] {
        let behind = Rc::clone(&server);
        fake::http(move |request| {
            let url = request.url().split("&limit").next().unwrap();
            let all = Request::new(request.method(), &format!("{url}&limit=100000"))
                .header("X-Vault-Request", "true");
            let pages = knows_pages || request.method() != "GET" || !url.contains("list=true");
            Ok(behind.borrow_mut().answer(if pages { request } else { &all }))
        });
        let (mut keys, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = Vault::list_keys("Key/", cursor.as_deref()).unwrap();
            assert!(page.keys.len() <= PAGE_KEYS_MAX);
            keys.extend(page.keys);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        keys.sort();
        assert_eq!(keys, expected);
        assert_eq!(pages, 3);
        assert_eq!(Vault::list_keys("Ke", None).unwrap().keys.len(), 1000);
        assert_eq!(Vault::list_keys("Kez", None).unwrap().keys, ["Kez"]);
        assert_eq!(Vault::list_keys("nothing", None).unwrap(), Page::default());
    }
    server.borrow_mut().paths.clear();
    assert_eq!(Vault::list_keys("", None).unwrap(), Page::default());
    let says = |body: Value| {
        fake::http(move |request| {
            let mounts = request.url().contains("/mounts/");
            Ok(if mounts { engine("kv", "2") } else { answer(200, body.clone()) })
        });
        Vault::list_keys("", None)
    };
    assert_eq!(says(json!({ "data": {}, "warnings": ["limit"] })).unwrap(), Page::default());
    for malformed in
        [json!({}), json!({ "data": { "keys": "k" } }), json!({ "data": { "keys": [1] } })]
    {
        assert!(matches!(says(malformed), Err(Error::Other(_))));
    }
}

#[test]
fn each_refusal_is_told_as_what_it_is() {
    let server = Server::start(&[]);
    let check = |status: u16, said: &'static str, expected: &str| {
        server.borrow_mut().instead = Some((status, said));
        let shown = |error: Error| match error {
            Error::Unavailable(after) => format!("unavailable {after:?}"),
            Error::TooLarge(bytes) => format!("too large {bytes}"),
            Error::Other(text) => format!("other {text}"),
            Error::AccessDenied => "denied".into(),
            Error::Conflict => "conflict".into(),
            Error::NotFound => "not found".into(),
            Error::Unauthenticated => "unauthenticated".into(),
            error => format!("{error:?}"),
        };
        assert_eq!(put("k", "four").map_err(shown), Err(expected.into()), "{status} {said}");
    };
    check(403, "1 error occurred: permission denied", "denied");
    check(413, "http: request body too large", "too large 3");
    check(500, "put failed due to value being too large", "too large 3");
    check(503, "Vault is sealed", "unavailable None");
    check(429, "request path: rate limit quota exceeded", "unavailable None");
    check(500, "disk", "other the server answered with status 500: disk");
    check(405, "", "other the server answered with status 405: ");
    let no_engine =
        "other there is no engine at `secret`; correct the setting `mount` or `namespace`";
    check(404, "no handler for route \"secret/data/coffer/k\". route entry not found.", no_engine);
    let no_namespace =
        "other there is no such namespace, or not for this token; correct the setting `namespace`";
    check(404, "namespace not found", no_namespace);
    // The server says the same for what is denied and for a token that it does not know; whether it
    // knows the token shows elsewhere.
    server.borrow_mut().mount = Some(error(403, "preflight capability check returned 403, please"));
    fake::setting("mount", "other");
    coffer_plugin::cache::remove("kv");
    check(403, "permission denied", "denied");
    assert!(matches!(value("k"), Err(Error::AccessDenied)));
    server.borrow_mut().mount = Some(error(403, "permission denied"));
    check(403, "permission denied", "unauthenticated");
    assert!(matches!(value("k"), Err(Error::Unauthenticated)));
}

#[test]
fn a_server_that_asks_to_wait_says_how_long() {
    Server::start(&[]);
    fake::http(|_| Ok(error(429, "slow").with_header("Retry-After", "7")));
    assert!(matches!(value("k"), Err(Error::Unavailable(Some(7000)))));
    fake::http(|_| Err(HttpError::Unreachable));
    assert!(matches!(value("k"), Err(Error::Unavailable(None))));
    fake::http(|_| Ok(Response::new(200, "<html>")));
    assert!(matches!(value("k"), Err(Error::Other(_))));
    fake::http(|_| Ok(Response::new(200, "[]")));
    assert!(matches!(value("k"), Err(Error::Other(_))));
}

#[test]
fn an_engine_of_another_kind_is_named_before_anything_is_written() {
    let check = |configured: &str, engine: Response, expected: &str| {
        let server = Server::start(&[("kv_version", configured)]);
        server.borrow_mut().mount = Some(engine);
        let told = |result: Result<String, Error>| match result {
            Err(Error::Other(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        };
        told(put("k", "v").map(|()| String::new()));
        told(value("k"));
        told(Vault::delete("k").map(|()| String::new()));
        assert!(server.borrow().paths.is_empty());
    };
    check("2", engine("kv", "1"), "is of version 1; say so by the setting `kv_version`");
    check("1", engine("kv", "2"), "is of version 2; say so by the setting `kv_version`");
    check("2", engine("pki", "1"), "is of type `pki` and not `kv`");
    check("2", answer(200, json!({})), "not one of a KV engine");
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_a_request() {
    let server = Server::start(&[("kv_version", "1")]);
    let reference = Reference { source: "env".into(), key: "HOME".into() };
    assert!(matches!(Vault::resolve(&reference), Err(Error::Unsupported(_))));
    assert!(matches!(value("app#a#1"), Err(Error::Unsupported(_))));
    assert!(matches!(value("app#"), Err(Error::InvalidReference(_))));
    assert!(matches!(put("app#a", "v"), Err(Error::InvalidReference(_))));
    assert!(matches!(Vault::delete("app#a"), Err(Error::InvalidReference(_))));
    assert_eq!(server.borrow().asked, [""; 0]);
}

#[test]
fn the_namespace_is_in_a_header() {
    Server::start(&[("namespace", "team/one/")]);
    fake::http(|request| {
        assert_eq!(request.header_value("x-vault-namespace"), Some(&b"team/one"[..]));
        Ok(error(404, ""))
    });
    let _ = value("k");
    Server::start(&[("namespace", "")]);
    fake::http(|request| {
        assert_eq!(request.header_value("x-vault-namespace"), None);
        Ok(error(404, ""))
    });
    let _ = value("k");
}
