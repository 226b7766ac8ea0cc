//! The plugin against a fake of Key Vault, written after Azure's documentation. No real one and no emulator could
//! be had for the tests, so what it shows is what the plugin does if that is right.

use super::*;
use coffer_plugin::fake;
use coffer_plugin::http::{Request, Response};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const ADDRESS: &str = "https://own.vault.azure.net";

/// A vault that keeps what is deleted.
#[derive(Default)]
struct Azure {
    /// The versions of each secret, by its name in small letters.
    secrets: BTreeMap<String, Vec<Value>>,
    deleted: BTreeMap<String, Vec<Value>>,
    asked: Vec<String>,
    /// What it answers to a method before it looks at anything, so often.
    instead: Vec<(&'static str, Response)>,
    /// A recovery is done at once, or not for now.
    slow: bool,
}

impl Azure {
    fn start() -> Rc<RefCell<Self>> {
        let azure = Rc::new(RefCell::new(Self::default()));
        fake::setting("vault", "own");
        fake::setting("recover", "true");
        let behind = Rc::clone(&azure);
        fake::http(move |request| Ok(behind.borrow_mut().answer(request)));
        azure
    }

    fn answer(&mut self, request: &Request) -> Response {
        let method = request.method();
        let url = request.url();
        self.asked.push(format!("{method} {}", url.strip_prefix(ADDRESS).unwrap_or(url)));
        if self.instead.first().is_some_and(|(of, _)| *of == method) {
            return self.instead.remove(0).1;
        }
        let (path, query) = url.split_once('?').unwrap();
        assert!(query.starts_with("api-version=7.4"), "{url}");
        let path = path.to_ascii_lowercase();
        let parts: Vec<&str> = path.split('/').skip(3).collect();
        match (method, parts.as_slice()) {
            ("GET", ["secrets", name]) => {
                match self.secrets.get(*name).and_then(|all| all.last()) {
                    Some(newest) => answer(200, newest),
                    None => failed(404, "SecretNotFound", ""),
                }
            }
            ("GET", ["secrets", name, version]) => {
                let of = format!("/secrets/{name}/{version}");
                let mut all = self.secrets.get(*name).into_iter().flatten();
                match all.find(|one| one["id"].as_str().unwrap().ends_with(&of)) {
                    Some(found) => answer(200, found),
                    None => failed(404, "SecretNotFound", ""),
                }
            }
            ("PUT", ["secrets", name]) => {
                if self.deleted.contains_key(*name) {
                    return failed(409, "Conflict", "ObjectIsDeletedButRecoverable");
                }
                self.write(name, serde_json::from_slice(request.bytes()).unwrap())
            }
            ("DELETE", ["secrets", name]) => match self.secrets.remove(*name) {
                Some(versions) => {
                    self.deleted.insert((*name).to_owned(), versions);
                    answer(200, &json!({}))
                }
                None => failed(404, "SecretNotFound", ""),
            },
            ("GET", ["deletedsecrets", name]) => match self.deleted.get(*name) {
                Some(versions) => answer(200, &json!({ "tags": versions[0]["tags"] })),
                None => failed(404, "SecretNotFound", ""),
            },
            ("POST", ["deletedsecrets", name, "recover"]) => {
                if !self.slow {
                    let versions = self.deleted.remove(*name).unwrap();
                    self.secrets.insert((*name).to_owned(), versions);
                }
                answer(200, &json!({}))
            }
            ("GET", ["secrets"]) => self.list(query),
            (method, parts) => panic!("{method} {parts:?}"),
        }
    }

    fn write(&mut self, name: &str, mut document: Value) -> Response {
        let versions = self.secrets.entry(name.into()).or_default();
        document["id"] = format!("{ADDRESS}/secrets/{name}/{}", versions.len() + 1).into();
        versions.push(document.clone());
        answer(200, &document)
    }

    /// Two at a time.
    fn list(&self, query: &str) -> Response {
        let skipped = query.split_once("$skiptoken=").map_or(0, |(_, text)| text.parse().unwrap());
        let item = |(name, versions): (&String, &Vec<Value>)| json!({ "id": format!("{ADDRESS}/secrets/{name}"), "tags": versions.last().unwrap()["tags"] });
        let items: Vec<Value> = self.secrets.iter().skip(skipped).take(2).map(item).collect();
        let next = skipped + 2;
        let link = format!("{ADDRESS}:443/secrets?api-version=7.4&$skiptoken={next}");
        let link = (next < self.secrets.len()).then_some(link);
        answer(200, &json!({ "value": items, "nextLink": link }))
    }
}

fn answer(status: u16, body: &Value) -> Response {
    Response::new(status, body.to_string())
}

fn failed(status: u16, code: &str, inner: &str) -> Response {
    let error = json!({ "code": code, "message": "canary", "innererror": { "code": inner } });
    answer(status, &json!({ "error": error }))
}

fn secret(key: &str) -> Result<Secret, Error> {
    KeyVault::resolve(&Reference { source: "secret".into(), key: key.into() })
}

fn value(key: &str) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(secret(key)?.expose()).into_owned())
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    KeyVault::put(key, value.as_bytes(), Existing::Replace)
}

#[test]
fn what_is_put_is_resolved_until_it_is_deleted() {
    let azure = Azure::start();
    let keys = ["a", "A", "a/b", "a//b", "a b", "\u{e4}", "a-", "-a", "a--2fb", "ab", "aB", "Ab"];
    for key in keys {
        assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
        KeyVault::put(key, key.as_bytes(), Existing::Keep).unwrap();
    }
    for key in keys {
        assert_eq!(value(key).unwrap(), key);
    }
    KeyVault::put("bytes", &[0, 0xff, b'a'], Existing::Keep).unwrap();
    assert_eq!(secret("bytes").unwrap().expose(), [0, 0xff, b'a']);
    assert!(matches!(KeyVault::put("a", b"2", Existing::Keep), Err(Error::Conflict)));
    put("a", "2").unwrap();
    assert!(secret("a").unwrap() == Secret::new("2").version("2"));
    assert_eq!(value(&format!("{ADDRESS}/secrets/coffer-a/1")).unwrap(), "a");
    KeyVault::delete("a").unwrap();
    KeyVault::delete("a").unwrap();
    assert!(matches!(value("a"), Err(Error::NotFound)));
    assert_eq!(value("A").unwrap(), "A");
    azure.borrow_mut().asked.clear();
    assert!(KeyVault::put("large", &[b'x'; 25_601], Existing::Replace).is_err());
    assert_eq!(azure.borrow().asked, [""; 0]);
}

#[test]
fn a_deleted_secret_is_recovered_if_the_setting_says_so() {
    let azure = Azure::start();
    put("k", "1").unwrap();
    KeyVault::delete("k").unwrap();
    fake::setting("recover", "false");
    let text = format!("{:?}", put("k", "2").unwrap_err());
    assert!(text.contains("a deleted secret has the name") && text.contains("`recover`"), "{text}");
    fake::setting("recover", "true");
    azure.borrow_mut().slow = true;
    assert!(matches!(put("k", "2"), Err(Error::Unavailable(Some(5000)))));
    assert!(matches!(value("k"), Err(Error::NotFound)));
    azure.borrow_mut().slow = false;
    KeyVault::put("k", b"2", Existing::Keep).unwrap();
    assert_eq!(value("k").unwrap(), "2");
    // One that is being deleted or recovered is neither here nor there.
    azure.borrow_mut().instead = vec![("PUT", failed(409, "Conflict", "ObjectIsBeingDeleted"))];
    assert!(matches!(put("k", "3"), Err(Error::Unavailable(Some(5000)))));
    // What others deleted is not brought back.
    let theirs = vec![json!({ "tags": {} })];
    azure.borrow_mut().deleted.insert("coffer-other".into(), theirs);
    assert!(matches!(put("other", "1"), Err(Error::Other(_))));
    assert!(azure.borrow().deleted.contains_key("coffer-other"));
}

#[test]
fn what_others_keep_is_read_and_left_as_it_is() {
    let azure = Azure::start();
    azure.borrow_mut().write("db-password", json!({ "value": "porter's" }));
    azure.borrow_mut().write("coffer-theirs", json!({ "value": "t", "tags": { "team": "a" } }));
    assert_eq!(value("db-password").unwrap(), "porter's");
    assert_eq!(value(&format!("{ADDRESS}/secrets/db-password")).unwrap(), "porter's");
    assert!(matches!(value("db_password"), Err(Error::NotFound)));
    for result in [put("theirs", "ours"), KeyVault::delete("theirs"), value("theirs").map(drop)] {
        assert!(matches!(result, Err(Error::Other(_))));
    }
    put("db-password", "ours").unwrap();
    assert_eq!(value("db-password").unwrap(), "ours");
    // By its key only, and not by the name that it has there.
    assert!(matches!(value("coffer-db-password"), Err(Error::NotFound)));
    assert!(matches!(KeyVault::delete("db-password"), Err(Error::Unsupported(_))));
    assert_eq!(value("db-password").unwrap(), "porter's");
    assert_eq!(azure.borrow().secrets.len(), 2);
    // Under the name that Porter made of a key, only if a setting says so.
    fake::setting("porter_names", "true");
    assert_eq!(value("db_password").unwrap(), "porter's");
    assert!(matches!(KeyVault::delete("db.password"), Err(Error::Unsupported(_))));
    assert!(matches!(value("coffer_db-password"), Err(Error::NotFound)));
    assert_eq!(azure.borrow().secrets.len(), 2);
    // Another vault is asked, and not the configured one.
    azure.borrow_mut().asked.clear();
    let other = "https://other.vault.azure.net/secrets/n/1";
    assert!(secret(other).is_err());
    assert_eq!(azure.borrow().asked, [format!("GET {other}?api-version=7.4")]);
}

#[test]
fn a_list_has_the_keys_of_coffers_only() {
    let azure = Azure::start();
    let mut keys: Vec<String> = (0..5).map(|n| format!("run/{n}")).collect();
    for key in &keys {
        put(key, "v").unwrap();
    }
    azure.borrow_mut().write("a", json!({ "value": "v" }));
    azure.borrow_mut().write("b", json!({ "value": "v", "tags": { "coffer-key": "c" } }));
    azure.borrow_mut().write("c", json!({ "value": "v" }));
    // Nobody can ask for it, so it was made by hand.
    put("run/..", "v").unwrap();
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = KeyVault::list_keys("run/", cursor.as_deref()).unwrap();
        listed.extend(page.keys);
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    listed.sort_unstable();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    assert_eq!(KeyVault::list_keys("none", None).unwrap(), Page::default());
    // A link leads nowhere but to this vault.
    let link = "https://evil.example/secrets?api-version=7.4&$skiptoken=4";
    azure.borrow_mut().instead =
        vec![("GET", answer(200, &json!({ "value": [], "nextLink": link })))];
    azure.borrow_mut().asked.clear();
    KeyVault::list_keys("", None).unwrap();
    assert_eq!(azure.borrow().asked[1], "GET /secrets?api-version=7.4&$skiptoken=4");
    azure.borrow_mut().instead = vec![("GET", failed(400, "BadParameter", ""))];
    assert!(matches!(
        KeyVault::list_keys("", Some("api-version=7.4&x")),
        Err(Error::InvalidReference(_))
    ));
}

#[test]
fn what_a_status_means() {
    let check = |response: Response, expected: &str| {
        let azure = Azure::start();
        put("k", "1").unwrap();
        for method in ["GET", "PUT", "DELETE"] {
            azure.borrow_mut().instead = vec![(method, response.clone())];
            let result = match method {
                "GET" => value("k").map(drop),
                "PUT" => put("k", "2"),
                _ => KeyVault::delete("k"),
            };
            let text = format!("{:?}", result.unwrap_err());
            assert!(text.contains(expected) && !text.contains("canary"), "{method}: {text}");
        }
    };
    check(failed(401, "Unauthorized", ""), "Unauthenticated");
    check(failed(403, "Forbidden", "ForbiddenByRbac"), "AccessDenied");
    check(failed(403, "Forbidden", "AccessDenied"), "AccessDenied");
    check(failed(403, "Forbidden", "SecretDisabled"), "the secret is disabled");
    check(failed(403, "Forbidden", "SecretNotYetValid"), "not valid yet");
    check(failed(403, "Forbidden", "ForbiddenByFirewall"), "firewall");
    let other =
        json!({ "error": { "code": "Forbidden", "innerError": { "code": "SecretDisabled" } } });
    check(answer(403, &other), "the secret is disabled");
    check(failed(429, "Throttled", "").with_header("Retry-After", "7"), "Unavailable(Some(7000))");
    check(failed(500, "", ""), "Unavailable(None)");
    check(failed(503, "", ""), "Unavailable(None)");
    check(failed(400, "BadParameter", ""), "takes no such value");
    check(failed(404, "VaultNotFound", ""), "status 404; look at the settings");
    check(Response::new(302, ""), "status 302");
}

#[test]
fn a_store_has_a_vault() {
    assert!(matches!(value("k"), Err(Error::Other(_))));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let behind = Rc::clone(&asked);
    fake::http(move |request| {
        behind.borrow_mut().push(request.url().to_owned());
        Ok(failed(404, "SecretNotFound", ""))
    });
    fake::setting("vault", "own");
    let _ = value("K_");
    // As in Porter, the address goes first.
    fake::setting("address", "https://kv.example/");
    let _ = value("K_");
    let name = "secrets/coffer---uk--5f?api-version=7.4";
    assert_eq!(
        *asked.borrow(),
        [format!("{ADDRESS}/{name}"), format!("https://kv.example/{name}")]
    );
}
