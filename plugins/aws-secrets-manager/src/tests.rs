//! The plugin against a server in memory that does what AWS Secrets Manager does. `tests/stores` holds it against
//! moto.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::fake;
use coffer_plugin::http::{Error as HttpError, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A secret: its versions in their order, and whether it is scheduled for deletion.
#[derive(Default)]
struct Kept {
    versions: Vec<(String, Value)>,
    deleted: bool,
}

/// A server, and what it was asked.
#[derive(Default)]
struct Server {
    secrets: BTreeMap<String, Kept>,
    asked: Vec<String>,
    /// What it answers to an action before it looks at anything.
    instead: BTreeMap<&'static str, Response>,
    /// Answers that are lost after what was asked is done.
    lost: usize,
}

const ADDRESS: &str = "https://secretsmanager.eu-central-1.amazonaws.com/";

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:";

impl Server {
    /// Starts it with a store in front that has these settings.
    fn start(settings: &[(&str, &str)]) -> Rc<RefCell<Self>> {
        let server = Rc::new(RefCell::new(Self::default()));
        for (name, value) in
            [("region", "eu-central-1"), ("folder", "coffer"), ("recovery_days", "30")]
        {
            fake::setting(name, value);
        }
        for (name, value) in settings {
            fake::setting(name, value);
        }
        let behind = Rc::clone(&server);
        fake::http(move |request| {
            let mut server = behind.borrow_mut();
            let answer = server.answer(request);
            if server.lost > 0 {
                server.lost -= 1;
                return Err(HttpError::Unreachable);
            }
            Ok(answer)
        });
        server
    }

    fn answer(&mut self, request: &Request) -> Response {
        assert_eq!((request.method(), request.url()), ("POST", ADDRESS));
        assert_eq!(request.header_value("content-type"), Some(&b"application/x-amz-json-1.1"[..]));
        let target = std::str::from_utf8(request.header_value("x-amz-target").unwrap()).unwrap();
        let action = target.strip_prefix("secretsmanager.").unwrap();
        let body: Value = serde_json::from_slice(request.bytes()).unwrap();
        let id = body["SecretId"].as_str().or(body["Name"].as_str()).unwrap_or_default();
        self.asked.push(format!("{action} {id}"));
        if let Some(answer) = self.instead.get(action) {
            return answer.clone();
        }
        let name = name_of(id).to_owned();
        match action {
            "BatchGetSecretValue" => self.batch(&body),
            "CreateSecret" if self.secrets.contains_key(&name) => self.write(&name, &body, true),
            "CreateSecret" => {
                self.secrets.insert(name.clone(), Kept::default());
                self.write(&name, &body, true)
            }
            "DeleteSecret" => self.delete(&name, &body),
            "DescribeSecret" => self.describe(&name),
            "GetSecretValue" => self.read(&name, &body),
            "ListSecrets" => self.list(&body),
            "PutSecretValue" => self.write(&name, &body, false),
            "RestoreSecret" => {
                self.secrets.get_mut(&name).unwrap().deleted = false;
                answer(json!({}))
            }
            other => panic!("{other}"),
        }
    }

    /// One value for each token, whatever is asked later.
    fn write(&mut self, name: &str, body: &Value, create: bool) -> Response {
        let Some(kept) = self.secrets.get_mut(name) else { return not_found() };
        let token = body["ClientRequestToken"].as_str().unwrap();
        assert!((32..=64).contains(&token.len()), "{token}");
        let value =
            json!({ "SecretString": body["SecretString"], "SecretBinary": body["SecretBinary"] });
        match kept.versions.iter().find(|(id, _)| id == token) {
            Some((_, same)) if *same == value => {}
            None if !create || kept.versions.is_empty() => {
                kept.versions.push((token.into(), value));
            }
            _ => return refusal("ResourceExistsException", "it is there"),
        }
        answer(json!({ "Name": name, "VersionId": token }))
    }

    fn read(&self, name: &str, body: &Value) -> Response {
        let Some(kept) = self.secrets.get(name) else { return not_found() };
        if kept.deleted {
            let said = "You can't perform this operation on the secret because it was marked for deletion.";
            return refusal("InvalidRequestException", said);
        }
        let back = match body["VersionStage"].as_str() {
            None => 1,
            Some("AWSPREVIOUS") => 2,
            Some(_) => return not_found(),
        };
        let found = match body["VersionId"].as_str() {
            Some(id) => kept.versions.iter().find(|(other, _)| other == id),
            None => kept.versions.len().checked_sub(back).map(|index| &kept.versions[index]),
        };
        found.map_or_else(not_found, |found| answer(entry(name, found)))
    }

    fn batch(&self, body: &Value) -> Response {
        let ids = body["SecretIdList"].as_array().unwrap();
        assert!((2..=20).contains(&ids.len()), "{}", ids.len());
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            let id = id.as_str().unwrap();
            match self.secrets.get(name_of(id)).filter(|kept| !kept.deleted) {
                Some(kept) => values.push(entry(name_of(id), kept.versions.last().unwrap())),
                None => errors.push(json!({
                    "SecretId": id, "ErrorCode": "ResourceNotFoundException", "Message": "no",
                })),
            }
        }
        // In no order that anybody promised.
        values.reverse();
        answer(json!({ "SecretValues": values, "Errors": errors }))
    }

    fn describe(&self, name: &str) -> Response {
        let Some(kept) = self.secrets.get(name) else { return not_found() };
        let labels = ["AWSCURRENT", "AWSPREVIOUS"];
        let versions = kept.versions.iter().rev().zip(labels);
        let versions: serde_json::Map<_, _> =
            versions.map(|((id, _), label)| (id.clone(), json!([label]))).collect();
        let deleted = if kept.deleted { json!(1.5) } else { Value::Null };
        answer(json!({ "Name": name, "VersionIdsToStages": versions, "DeletedDate": deleted }))
    }

    fn delete(&mut self, name: &str, body: &Value) -> Response {
        let at_once = body["ForceDeleteWithoutRecovery"] == true;
        assert_ne!(at_once, body["RecoveryWindowInDays"].is_u64());
        match self.secrets.get_mut(name) {
            None => return not_found(),
            Some(kept) if kept.deleted && !at_once => {
                return refusal("InvalidRequestException", "it was already scheduled for deletion");
            }
            Some(kept) => kept.deleted = true,
        }
        if at_once {
            self.secrets.remove(name);
        }
        answer(json!({}))
    }

    fn list(&self, body: &Value) -> Response {
        assert_eq!(body["Filters"][0]["Key"], "name");
        let beginning = body["Filters"][0]["Values"][0].as_str().unwrap();
        let from: usize = body["NextToken"].as_str().map_or(0, |next| next.parse().unwrap());
        let max = usize::try_from(body["MaxResults"].as_u64().unwrap()).unwrap();
        // As AWS has it, without case.
        let begins = |name: &&String| name.to_lowercase().starts_with(&beginning.to_lowercase());
        let listed = self.secrets.iter().filter(|(_, kept)| !kept.deleted);
        let names: Vec<_> = listed.map(|(name, _)| name).filter(begins).collect();
        let page: Vec<_> =
            names.iter().skip(from).take(max).map(|name| json!({ "Name": name })).collect();
        let next = (from + max < names.len()).then(|| (from + max).to_string());
        answer(json!({ "SecretList": page, "NextToken": next }))
    }

    fn give(&mut self, name: &str, texts: &[&str]) {
        let version = |(index, text): (usize, &&str)| {
            (format!("{index:032}"), json!({ "SecretString": text, "SecretBinary": null }))
        };
        let versions = texts.iter().enumerate().map(version).collect();
        self.secrets.insert(name.into(), Kept { versions, deleted: false });
    }
}

/// The name in an ARN, which has six characters more at its end.
fn name_of(id: &str) -> &str {
    id.strip_prefix(ARN).map_or(id, |rest| &rest[..rest.len() - 7])
}

fn entry(name: &str, (id, value): &(String, Value)) -> Value {
    let mut entry = json!({ "Name": name, "ARN": format!("{ARN}{name}-a1B2c3"), "VersionId": id });
    for key in ["SecretString", "SecretBinary"] {
        if !value[key].is_null() {
            entry[key] = value[key].clone();
        }
    }
    entry
}

#[expect(clippy::needless_pass_by_value, reason = "what is answered is made for it")]
fn answer(body: Value) -> Response {
    Response::new(200, body.to_string())
}

fn refusal(code: &str, said: &str) -> Response {
    Response::new(400, json!({ "__type": code, "message": said }).to_string())
}

fn not_found() -> Response {
    refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

fn secret(key: &str) -> Reference {
    Reference { source: "secret".into(), key: key.into() }
}

fn value(key: &str) -> Result<String, Error> {
    let secret = SecretsManager::resolve(&secret(key))?;
    Ok(String::from_utf8_lossy(secret.expose()).into_owned())
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    SecretsManager::put(key, value.as_bytes(), Existing::Replace)
}

#[test]
fn what_is_put_is_resolved_until_it_is_deleted() {
    for days in ["0", "7", "30"] {
        let server = Server::start(&[("recovery_days", days)]);
        for key in ["a", "A", "a/b", "a//b", "a b", "ä", "x.y", "..x", "a=1", "%2e"] {
            assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
            SecretsManager::put(key, key.as_bytes(), Existing::Keep).unwrap();
            assert_eq!(value(key).unwrap(), key);
            put(key, "").unwrap();
            assert_eq!(value(key).unwrap(), "");
        }
        assert!(server.borrow().secrets.keys().all(|name| name.starts_with("coffer/")));
        for key in ["a", "a", "a/b", "never"] {
            SecretsManager::delete(key).unwrap();
            assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
        }
        assert_eq!(value("A").unwrap(), "");
    }
}

#[test]
fn every_write_is_the_version_that_is_read() {
    let server = Server::start(&[]);
    // Also a value that was there before: a token made of it would be the old version's.
    for text in ["one", "two", "one", "one", "two"] {
        put("k", text).unwrap();
        assert_eq!(value("k").unwrap(), text);
    }
    assert_eq!(server.borrow().secrets["coffer/k"].versions.len(), 5);
    assert!(matches!(SecretsManager::put("k", b"x", Existing::Keep), Err(Error::Conflict)));
    let asked = ["DescribeSecret coffer/k", "CreateSecret coffer/k"];
    assert_eq!(server.borrow().asked[..2], asked);
    let found = SecretsManager::resolve(&secret("k")).unwrap();
    let id = server.borrow().secrets["coffer/k"].versions[4].0.clone();
    assert_eq!(found, Secret::new("two").version(id));
}

#[test]
fn a_write_loses_against_one_that_it_did_not_see() {
    let server = Server::start(&[]);
    for action in ["CreateSecret", "PutSecretValue"] {
        // Two look, and then both write.
        let looked = server.borrow().describe("coffer/k");
        server.borrow_mut().instead.insert("DescribeSecret", looked);
        put("k", "first").unwrap();
        assert!(matches!(put("k", "second"), Err(Error::Conflict)), "{action}");
        server.borrow_mut().instead.clear();
        assert_eq!(value("k").unwrap(), "first");
        assert!(server.borrow().asked.iter().any(|asked| asked.starts_with(action)));
        put("k", "between").unwrap();
    }
}

#[test]
fn a_write_whose_answer_is_lost_is_done_once() {
    let server = Server::start(&[]);
    for text in ["one", "two"] {
        let behind = Rc::clone(&server);
        fake::http(move |request| {
            let mut server = behind.borrow_mut();
            let (answer, asked) = (server.answer(request), server.asked.last().unwrap().clone());
            let writes = asked.starts_with("Create") || asked.starts_with("Put");
            server.lost = (server.lost + usize::from(writes)) % 2;
            if writes && server.lost == 1 { Err(HttpError::Unreachable) } else { Ok(answer) }
        });
        put("k", text).unwrap();
        assert_eq!(value("k").unwrap(), text);
    }
    let server = server.borrow();
    assert_eq!(server.secrets["coffer/k"].versions.len(), 2);
    assert_eq!(server.asked.iter().filter(|asked| asked.starts_with("Put")).count(), 2);
}

#[test]
fn what_is_scheduled_for_deletion_is_restored_where_the_setting_says_so() {
    let server = Server::start(&[]);
    put("k", "old").unwrap();
    SecretsManager::delete("k").unwrap();
    for existing in [Existing::Keep, Existing::Replace] {
        let Err(Error::Other(text)) = SecretsManager::put("k", b"new", existing) else { panic!() };
        assert!(text.contains("is scheduled for deletion; restore it"), "{text}");
    }
    assert!(server.borrow().secrets["coffer/k"].deleted);
    fake::setting("restore", "true");
    SecretsManager::put("k", b"new", Existing::Keep).unwrap();
    assert_eq!(value("k").unwrap(), "new");
    assert_eq!(value("coffer/k##AWSPREVIOUS").unwrap(), "old");
}

/// Made without a value, as a template does it.
#[test]
fn a_secret_without_a_value_is_absent() {
    let server = Server::start(&[]);
    server.borrow_mut().give("coffer/k", &[]);
    assert!(matches!(value("k"), Err(Error::NotFound)));
    SecretsManager::put("k", b"v", Existing::Keep).unwrap();
    assert_eq!(value("k").unwrap(), "v");
}

#[test]
fn secrets_of_others_are_read_as_they_are() {
    let server = Server::start(&[]);
    server
        .borrow_mut()
        .give("app/db", &["{\"password\":\"old\"}", "{\"password\":\"p\",\"port\":1}"]);
    server.borrow_mut().give("plain", &["text"]);
    let binary = json!({ "SecretString": null, "SecretBinary": STANDARD.encode(b"\xff\0") });
    server
        .borrow_mut()
        .secrets
        .insert("binary".into(), Kept { versions: vec![("v".repeat(32), binary)], deleted: false });
    let id = format!("{:032}", 0);
    for (key, expected) in [
        ("app/db#password", Some("p")),
        ("app/db#port", Some("1")),
        ("app/db#none", None),
        ("app/db#password#AWSPREVIOUS", Some("old")),
        (&format!("app/db#password#{id}"), Some("old")),
        ("app/db#password#AWSPENDING", None),
        (&format!("app/db##{id}"), Some("{\"password\":\"old\"}")),
        ("plain#", Some("text")),
        (&format!("{ARN}plain-a1B2c3"), Some("text")),
        (&format!("{ARN}app/db-a1B2c3#password"), Some("p")),
        ("none#", None),
        ("plain", None),
    ] {
        assert_eq!(value(key).ok().as_deref(), expected, "{key}");
    }
    assert_eq!(SecretsManager::resolve(&secret("binary#")).unwrap().expose(), b"\xff\0");
    assert!(matches!(value("plain#a"), Err(Error::Other(_))));
    let before = server.borrow().asked.len();
    for key in ["app/db#password", "plain#", &format!("{ARN}plain-a1B2c3")] {
        assert!(matches!(put(key, "x"), Err(Error::InvalidReference(_))), "{key}");
        assert!(matches!(SecretsManager::delete(key), Err(Error::InvalidReference(_))), "{key}");
    }
    let reference = Reference { source: "env".into(), key: "HOME".into() };
    assert!(matches!(SecretsManager::resolve(&reference), Err(Error::Unsupported(_))));
    assert!(matches!(value("a b#c"), Err(Error::InvalidReference(_))));
    assert_eq!(server.borrow().asked.len(), before);
}

#[test]
fn keys_are_names_of_porters_where_the_setting_says_so() {
    let server = Server::start(&[]);
    server.borrow_mut().give("01JD-password", &["porters"]);
    put("x", "ours").unwrap();
    assert!(matches!(value("01JD-password"), Err(Error::NotFound)));
    fake::setting("plain_names", "true");
    assert_eq!(value("01JD-password").unwrap(), "porters");
    // What coffer put is found by its key and by nothing else, and comes before Porter's.
    assert!(matches!(value("coffer/x"), Err(Error::NotFound)));
    assert!(matches!(value("a b"), Err(Error::NotFound)));
    put("01JD-password", "ours").unwrap();
    assert_eq!(value("01JD-password").unwrap(), "ours");
    assert_eq!(server.borrow().secrets["01JD-password"].versions.len(), 1);
}

#[test]
fn twenty_secrets_cost_one_request() {
    let server = Server::start(&[]);
    let keys: Vec<String> = (0..45).map(|n| format!("k {n}")).collect();
    keys.iter().for_each(|key| put(key, key).unwrap());
    server.borrow_mut().give("app", &["{\"a\":\"old\"}", "{\"a\":\"1\",\"b\":\"2\"}"]);
    server.borrow_mut().asked.clear();
    let mut references: Vec<Reference> = keys.iter().map(|key| secret(key)).collect();
    let arn = format!("{ARN}app-a1B2c3#a");
    let others = ["app#a", "app#b", "app#a#AWSPREVIOUS", "none", "k 0", &arn];
    references.extend(others.map(secret));
    let answers = SecretsManager::resolve_all(&references);
    for (key, answer) in keys.iter().zip(&answers) {
        assert_eq!(answer.as_ref().unwrap().expose(), key.as_bytes());
    }
    let others: Vec<_> =
        answers[45..].iter().map(|it| it.as_ref().ok().map(Secret::expose)).collect();
    let [one, old] = [&b"1"[..], b"old"].map(Some);
    assert_eq!(others, [one, Some(b"2"), old, None, Some(b"k 0"), one]);
    assert!(matches!(answers[48], Err(Error::NotFound)));
    let mut asked = server.borrow().asked.clone();
    asked.sort();
    let batch = "BatchGetSecretValue ";
    assert_eq!(asked, [batch, batch, batch, "GetSecretValue app"]);
    // A key that may not ask for batches asks for each; any other refusal is that of all.
    server.borrow_mut().asked.clear();
    server.borrow_mut().instead.insert(batch.trim(), refusal("AccessDeniedException", "no batch"));
    assert_eq!(SecretsManager::resolve_all(&references[..3]).iter().flatten().count(), 3);
    assert_eq!(server.borrow().asked.len(), 4);
    server
        .borrow_mut()
        .instead
        .insert(batch.trim(), refusal("ThrottlingException", "Rate exceeded"));
    for answer in SecretsManager::resolve_all(&references[..3]) {
        assert!(matches!(answer, Err(Error::Unavailable(None))));
    }
    // What it leaves out is asked for.
    server.borrow_mut().instead.insert(batch.trim(), answer(json!({ "NextToken": "x" })));
    assert_eq!(SecretsManager::resolve_all(&references[..3]).iter().flatten().count(), 3);
    let errors =
        json!([{ "SecretId": "coffer/k=200", "ErrorCode": "DecryptionFailure", "Message": "no" }]);
    server.borrow_mut().instead.insert(batch.trim(), answer(json!({ "Errors": errors })));
    let answers = SecretsManager::resolve_all(&references[..3]);
    assert!(matches!(&answers[0], Err(Error::Other(text)) if text.contains("KMS")));
    assert_eq!(answers.iter().flatten().count(), 2);
}

#[test]
fn a_listing_has_every_key_once_page_by_page() {
    let server = Server::start(&[]);
    let mut expected: Vec<String> = (0..250).map(|n| format!("Key/{n}")).collect();
    expected.sort();
    for key in expected.iter().map(String::as_str).chain(["Kex", "key/0", "other", "gone"]) {
        put(key, "v").unwrap();
    }
    SecretsManager::delete("gone").unwrap();
    let long = format!("coffer/Key=2f{}", "x".repeat(512));
    for theirs in
        ["coffer/not/ours", "coffer/=41", "coffers/Key", "coffer/=2fKey", "coffer/..", &long]
    {
        server.borrow_mut().give(theirs, &["theirs"]);
    }
    let all = |prefix: &str| {
        let (mut keys, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = SecretsManager::list_keys(prefix, cursor.as_deref()).unwrap();
            assert!(!page.keys.is_empty() || page.next.is_none());
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
    assert_eq!(all("Ke").0.len(), 251);
    assert_eq!(all("").0.len(), 253);
    assert_eq!(all("nothing"), (Vec::new(), 1));
    for malformed in [json!([]), json!({}), json!({ "SecretList": [{}] })] {
        server.borrow_mut().instead.insert("ListSecrets", answer(malformed));
        assert!(matches!(SecretsManager::list_keys("", None), Err(Error::Other(_))));
    }
}

#[test]
fn each_refusal_is_told_as_what_it_is() {
    let server = Server::start(&[]);
    let check = |status: u16, code: &str, said: &str, expected: &str| {
        let body = json!({ "__type": code, "Message": said }).to_string();
        server.borrow_mut().instead.insert("GetSecretValue", Response::new(status, body));
        let shown = match value("k").unwrap_err() {
            Error::AccessDenied => "denied".into(),
            Error::Conflict => "conflict".into(),
            Error::NotFound => "not found".into(),
            Error::Other(text) => text,
            Error::Unauthenticated => "unauthenticated".into(),
            Error::Unavailable(after) => format!("unavailable {after:?}"),
            error => format!("{error:?}"),
        };
        assert!(shown.contains(expected), "{status} {code}: {shown}");
    };
    check(400, "AccessDeniedException", "User: u is not authorized to perform: x", "denied");
    assert!(
        fake::log().last().unwrap().contains("is not authorized to perform"),
        "{:?}",
        fake::log()
    );
    check(400, "AccessDeniedException", "Access to KMS is not allowed", "denied");
    check(400, "com.amazonaws.secretsmanager#ResourceNotFoundException", "", "not found");
    for code in [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "ExpiredTokenException",
        "ExpiredToken",
        "MissingAuthenticationTokenException",
    ] {
        check(
            403,
            code,
            "The security token included in the request is invalid.",
            "unauthenticated",
        );
        assert!(fake::log().last().unwrap().contains(code));
    }
    check(
        400,
        "InvalidSignatureException",
        "Signature expired: 1 is now earlier than 2",
        "correct the clock",
    );
    check(400, "DecryptionFailure", "", "cannot use the KMS key");
    check(400, "ThrottlingException", "Rate exceeded", "unavailable None");
    check(500, "InternalServiceError", "", "unavailable None");
    check(503, "", "", "unavailable None");
    check(
        400,
        "InvalidParameterException",
        "it is so",
        "answered InvalidParameterException with status 400: it is so",
    );
    check(400, "", "", "not one of AWS Secrets Manager");
    for (code, expected) in
        [("AccessDenied", "AccessDenied"), ("InvalidClientTokenId", "Unauthenticated")]
    {
        let xml = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
        );
        server.borrow_mut().instead.insert("GetSecretValue", Response::new(403, xml));
        assert_eq!(
            format!("{:?}", value("k").unwrap_err()).split("::").last(),
            Some(expected),
            "{code}"
        );
    }
    for body in ["<html>", "[]", "{}", "{\"SecretBinary\":\"!\"}"] {
        server.borrow_mut().instead.insert("GetSecretValue", Response::new(200, body));
        assert!(matches!(value("k"), Err(Error::Other(_))), "{body}");
    }
    let busy = refusal("ThrottlingException", "").with_header("Retry-After", "7");
    server.borrow_mut().instead.insert("GetSecretValue", busy);
    assert!(matches!(value("k"), Err(Error::Unavailable(Some(7000)))));
    // What is said to a write may repeat the value, and is not passed on.
    let echo = refusal("ValidationException", "Value 'hunter2' at 'secretString' failed");
    server.borrow_mut().instead.insert("CreateSecret", echo);
    let Err(Error::Other(text)) = put("k", "hunter2") else { panic!() };
    assert!(text.contains("ValidationException") && !text.contains("hunter2"), "{text}");
    let result = put("k", &"x".repeat(65_537));
    assert!(matches!(result, Err(Error::TooLarge(65_536))));
    fake::http(|_| Err(HttpError::Unreachable));
    assert!(matches!(value("k"), Err(Error::Unavailable(None))));
    assert!(matches!(put("k", "v"), Err(Error::Unavailable(None))));
}

#[test]
fn what_cannot_be_a_folder_is_told_before_a_request() {
    let server = Server::start(&[]);
    for folder in ["", "/", "a b", "ä", "a#b"] {
        fake::setting("folder", folder);
        let told = |result: Result<(), Error>| match result {
            Err(Error::Other(text)) => assert!(text.contains("`folder`"), "{text}"),
            other => panic!("{folder}: {other:?}"),
        };
        told(value("k").map(drop));
        told(put("k", "v"));
        told(SecretsManager::delete("k"));
        told(SecretsManager::list_keys("", None).map(drop));
    }
    assert_eq!(server.borrow().asked, [""; 0]);
    fake::setting("folder", "/team/a/");
    put("k", "v").unwrap();
    assert!(server.borrow().secrets.contains_key("team/a/k"));
}
