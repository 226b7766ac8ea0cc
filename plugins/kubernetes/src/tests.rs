//! The plugin against an API server in memory, for what a real one does not do when it is asked to.
//! `tests/stores` holds it against a real one.

use super::*;
use coffer_plugin::fake;
use coffer_plugin::http::{Error as HttpError, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A namespace, and what was asked of it.
#[derive(Default)]
struct Server {
    secrets: BTreeMap<String, Value>,
    version: u64,
    asked: Vec<String>,
    /// What it answers before it looks at anything, so often.
    instead: Vec<(&'static str, Response)>,
}

const SECRETS: &str = "https://kubernetes.default.svc/api/v1/namespaces/prod/secrets";

impl Server {
    fn start() -> Rc<RefCell<Self>> {
        let server = Rc::new(RefCell::new(Self::default()));
        fake::setting("address", "https://kubernetes.default.svc/");
        fake::setting("namespace", "prod");
        let behind = Rc::clone(&server);
        fake::http(move |request| Ok(behind.borrow_mut().answer(request)));
        server
    }

    fn answer(&mut self, request: &Request) -> Response {
        let rest = request.url().strip_prefix(SECRETS).unwrap();
        let method = request.method();
        self.asked.push(format!("{method} {rest}"));
        if self.instead.first().is_some_and(|(of, _)| *of == method) {
            return self.instead.remove(0).1;
        }
        let body: Value = serde_json::from_slice(request.bytes()).unwrap_or_default();
        let name = rest.trim_start_matches('/').to_owned();
        match (method, self.secrets.get(&name).cloned()) {
            ("GET", Some(object)) => answer(200, &object),
            ("POST", _) => {
                let name = body["metadata"]["name"].as_str().unwrap().to_owned();
                if self.secrets.contains_key(&name) {
                    return failed(409, "AlreadyExists");
                }
                self.write(&name, body)
            }
            ("PUT", Some(object)) if version(&object) == version(&body) => self.write(&name, body),
            ("DELETE", Some(object))
                if *version(&object) == body["preconditions"]["resourceVersion"] =>
            {
                self.secrets.remove(&name);
                answer(200, &json!({}))
            }
            (_, Some(_)) => failed(409, "Conflict"),
            (_, None) => failed(404, "NotFound"),
        }
    }

    /// Somebody's Secret.
    fn write(&mut self, name: &str, mut object: Value) -> Response {
        self.version += 1;
        object["kind"] = "Secret".into();
        object["metadata"]["name"] = name.into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.secrets.insert(name.into(), object.clone());
        answer(200, &object)
    }

    fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }
}

fn version(object: &Value) -> &Value {
    &object["metadata"]["resourceVersion"]
}

fn answer(status: u16, body: &Value) -> Response {
    Response::new(status, body.to_string())
}

fn failed(status: u16, reason: &str) -> Response {
    let details = json!({ "kind": if status == 404 { "secrets" } else { "canary" } });
    answer(
        status,
        &json!({ "kind": "Status", "reason": reason, "message": "canary", "details": details }),
    )
}

fn value(key: &str) -> Result<String, Error> {
    let secret = Kubernetes::resolve(&Reference { source: "secret".into(), key: key.into() })?;
    Ok(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    Kubernetes::put(key, value.as_bytes(), Existing::Replace)
}

#[test]
fn a_key_that_is_new_costs_one_write() {
    let server = Server::start();
    put("k", "1").unwrap();
    assert_eq!(server.borrow_mut().asked(), ["POST "]);
    put("k", "2").unwrap();
    assert_eq!(server.borrow_mut().asked(), ["POST ", "GET /coffer-k", "PUT /coffer-k"]);
    assert_eq!(value("k").unwrap(), "2");
    assert_eq!(server.borrow_mut().asked(), ["GET /coffer-k"]);
    // What is absent is looked for where Porter had it, if it is a name there.
    assert!(matches!(value("other"), Err(Error::NotFound)));
    assert_eq!(server.borrow_mut().asked(), ["GET /coffer-other", "GET /other"]);
    assert!(matches!(value("OTHER"), Err(Error::NotFound)));
    assert_eq!(server.borrow_mut().asked().len(), 1);
    // Under the name that Porter made of it, only if a setting says so; and if there is not one of coffer's.
    server.borrow_mut().write("01jd-db-password", json!({ "data": { "value": "cA==" } }));
    assert!(matches!(value("01JD-db_password"), Err(Error::NotFound)));
    fake::setting("porter_names", "true");
    assert_eq!(value("01JD-db_password").unwrap(), "p");
    assert!(matches!(Kubernetes::delete("01JD-db_password"), Err(Error::Unsupported(_))));
    put("01JD-db_password", "ours").unwrap();
    assert_eq!(value("01JD-db_password").unwrap(), "ours");
    assert_eq!(value("01jd-db-password").unwrap(), "p");
    // What is coffer's is not found by the name that it has.
    assert!(matches!(value("COFFER_k"), Err(Error::NotFound)));
}

#[test]
fn fields_of_one_secret_cost_one_request() {
    let server = Server::start();
    let data = json!({ "data": { "a": "YQ==", "b": "Yg==" } });
    server.borrow_mut().write("db", data);
    let references: Vec<Reference> = ["db#a", "db#b", "db#c", "x#a"]
        .map(|key| Reference { source: "secret".into(), key: key.into() })
        .into();
    let answers = Kubernetes::resolve_all(&references);
    assert_eq!(server.borrow_mut().asked(), ["GET /db", "GET /x"]);
    let [a, b, c, x] = answers.as_slice() else { panic!() };
    assert_eq!(a.as_ref().unwrap().expose(), b"a");
    assert_eq!(b.as_ref().unwrap().expose(), b"b");
    assert!(matches!((c, x), (Err(Error::NotFound), Err(Error::NotFound))));
}

/// Another writer comes in between, so often.
#[test]
fn a_write_looks_again_after_a_conflict() {
    for (times, expected) in [(1, true), (TRIES_MAX - 1, true), (TRIES_MAX, false)] {
        for delete in [false, true] {
            let server = Server::start();
            put("k", "1").unwrap();
            let method = if delete { "DELETE" } else { "PUT" };
            server.borrow_mut().instead = vec![(method, failed(409, "Conflict")); times];
            let result = if delete { Kubernetes::delete("k") } else { put("k", "2") };
            match result {
                Ok(()) => assert!(expected, "{times} {method}"),
                Err(Error::Conflict) => assert!(!expected, "{times} {method}"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    // What went away between the look and the write is made again.
    let server = Server::start();
    put("k", "1").unwrap();
    server.borrow_mut().instead = vec![("PUT", failed(404, "NotFound"))];
    put("k", "2").unwrap();
    assert_eq!(value("k").unwrap(), "2");
    server.borrow_mut().instead = vec![("DELETE", failed(404, "NotFound"))];
    Kubernetes::delete("k").unwrap();
}

#[test]
fn what_a_status_means() {
    let check = |response: Response, expected: &str| {
        let server = Server::start();
        put("k", "1").unwrap();
        for method in ["GET", "POST", "PUT", "DELETE"] {
            server.borrow_mut().instead = vec![(method, response.clone())];
            let result = match method {
                "GET" => value("k").map(drop),
                "DELETE" => Kubernetes::delete("k"),
                _ => put("k", "2"),
            };
            let text = format!("{:?}", result.unwrap_err());
            assert!(text.contains(expected) && !text.contains("canary"), "{method}: {text}");
        }
    };
    check(failed(401, "Unauthorized"), "Unauthenticated");
    check(failed(403, "Forbidden"), "AccessDenied");
    check(failed(413, "RequestEntityTooLarge"), "TooLarge(1048576)");
    check(
        failed(429, "TooManyRequests").with_header("Retry-After", "3"),
        "Unavailable(Some(3000))",
    );
    check(failed(500, "InternalError"), "Unavailable(None)");
    check(failed(503, "ServiceUnavailable"), "Unavailable(None)");
    check(failed(400, "BadRequest"), "status 400; look at the setting `address`");
    check(Response::new(404, "<html>"), "status 404; look at the setting `address`");
    check(answer(404, &json!({ "details": {} })), "status 404; look at the setting `address`");
    let details = json!({ "details": { "kind": "namespaces" } });
    check(answer(404, &details), "there is no namespace `prod`");
    check(Response::new(302, ""), "status 302");
    let causes = json!([{ "field": "data[a]", "message": "canary" }, { "field": "type" }]);
    let invalid = json!({ "reason": "Invalid", "details": { "causes": causes } });
    check(answer(422, &invalid), "data[a], type cannot be as asked for");
    check(failed(422, "Invalid"), "the server takes no such Secret");
    let causes = json!([{ "reason": "NamespaceTerminating", "message": "canary" }]);
    let ends = json!({ "reason": "Forbidden", "details": { "causes": causes } });
    check(answer(403, &ends), "the namespace `prod` is being deleted");
    let server = Server::start();
    for other in [json!({}), json!({ "kind": "Pod" }), json!([])] {
        server.borrow_mut().instead = vec![("GET", answer(200, &other))];
        assert!(matches!(value("k"), Err(Error::Other(_))), "{other}");
    }
    fake::http(|_| Err(HttpError::Unreachable));
    assert!(matches!(value("k"), Err(Error::Unavailable(None))));
}

#[test]
fn a_list_goes_on_where_the_server_says() {
    let server = Server::start();
    let item = |name: &str, key: &str| {
        let labels = json!({ "app.kubernetes.io/managed-by": "coffer" });
        let annotations = json!({ "coffer-key": key });
        json!({ "metadata": { "name": name, "labels": labels, "annotations": annotations } })
    };
    // Nobody can ask for it, so it was made by hand.
    let by_hand = item(&name::of("/a").unwrap(), "/a");
    let page = |items: Value, next: &str| {
        let metadata = json!({ "continue": next });
        let kind = "PartialObjectMetadataList";
        ("GET", answer(200, &json!({ "kind": kind, "metadata": metadata, "items": items })))
    };
    let forgot = json!({ "reason": "Expired", "metadata": { "continue": "newest" } });
    server.borrow_mut().instead = vec![
        page(
            json!([item("coffer-a", "a"), item("other", "b"), item("coffer-c", "d"), by_hand]),
            "x/y=",
        ),
        ("GET", answer(410, &forgot)),
        page(Value::Null, "more"),
        page(json!([item("coffer-z", "z"), { "metadata": { "name": "coffer-y" } }]), ""),
    ];
    let first = Kubernetes::list_keys("", None).unwrap();
    assert_eq!((first.keys, first.next.as_deref()), (vec!["a".to_owned()], Some("x/y=")));
    let last = Kubernetes::list_keys("", first.next.as_deref()).unwrap();
    assert_eq!((last.keys, last.next), (vec!["z".to_owned()], None));
    let query = "?labelSelector=app.kubernetes.io/managed-by%3Dcoffer&limit=500";
    let asked = ["", "&continue=x%2Fy%3D", "&continue=newest", "&continue=more"];
    assert_eq!(server.borrow_mut().asked(), asked.map(|after| format!("GET {query}{after}")));
    server.borrow_mut().instead = vec![("GET", failed(400, "BadRequest"))];
    let result = Kubernetes::list_keys("", Some("made up"));
    server.borrow_mut().instead = vec![("GET", answer(200, &json!({ "items": null })))];
    assert!(matches!(Kubernetes::list_keys("", None), Err(Error::Other(_))));
    assert!(matches!(result, Err(Error::InvalidReference(_))));
}

#[test]
fn what_coffer_did_not_make_is_changed_only_if_a_setting_says_so() {
    let server = Server::start();
    let theirs = json!({ "metadata": { "labels": { "team": "a" } }, "data": { "value": "dA==", "x": "eA==" } });
    server.borrow_mut().write("coffer-k", theirs);
    for existing in [Existing::Keep, Existing::Replace] {
        assert!(matches!(Kubernetes::put("k", b"ours", existing), Err(Error::Other(_))));
    }
    assert!(matches!(Kubernetes::delete("k"), Err(Error::Other(_))));
    assert!(matches!(value("k"), Err(Error::Other(_))));
    fake::setting("take_over", "true");
    assert!(matches!(Kubernetes::put("k", b"ours", Existing::Keep), Err(Error::Conflict)));
    put("k", "ours").unwrap();
    assert_eq!(value("k").unwrap(), "ours");
    let object = server.borrow().secrets["coffer-k"].clone();
    assert_eq!(
        (&object["data"]["x"], &object["metadata"]["labels"]["team"]),
        (&json!("eA=="), &json!("a"))
    );
    // Not what is another key's of coffer's, whatever made it so.
    server.borrow_mut().secrets.get_mut("coffer-k").unwrap()["metadata"]["annotations"]["coffer-key"] =
        "other".into();
    for result in [put("k", "2"), Kubernetes::delete("k")] {
        assert!(matches!(result, Err(Error::Other(_))));
    }
    server.borrow_mut().write("coffer-m", json!({}));
    Kubernetes::delete("m").unwrap();
    assert!(!server.borrow().secrets.contains_key("coffer-m"));
}

#[test]
fn a_namespace_is_one() {
    Server::start();
    for namespace in ["", "a/b", "..", "A", "a.b", "*"] {
        fake::setting("namespace", namespace);
        for result in [value("k").map(drop), put("k", "v"), Kubernetes::delete("k")] {
            assert!(matches!(result, Err(Error::Other(_))), "{namespace}");
        }
    }
}
