use super::*;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair as _;
use base64::prelude::BASE64_STANDARD;
use coffer_grants::Manifest;
use http_body_util::BodyExt as _;
use serde_json::Value;

fn login(given: &Value) -> Login {
    let manifest = json!({
        "name": "a", "version": "1.0.0", "description": "a",
        "settings": { "type": "object", "properties": { "t": { "type": "string", "credential": true } } },
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    let settings = json!({ "t": given });
    let settings = manifest.check_settings(settings.as_object().unwrap()).unwrap();
    settings.logins().next().unwrap().1.clone()
}

/// The request of a login: its line, its headers, its body.
fn asked(given: &Value) -> String {
    let Question { request, .. } = question(&login(given)).unwrap();
    let (parts, body) = request.into_parts();
    let body = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap().to_bytes();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    text + std::str::from_utf8(&body).unwrap()
}

#[test]
fn each_kind_asks_as_its_issuer_documents() {
    let url = "https://id.example/login";
    assert_eq!(
        asked(&json!({
            "login": "client-credentials", "url": url, "client-id": "a b", "client-secret": "&=%+ä",
            "scope": "https://vault.azure.net/.default",
        })),
        "POST https://id.example/login\naccept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\
         grant_type=client_credentials&client_id=a%20b&client_secret=%26%3D%25%2B%C3%A4\
         &scope=https%3A%2F%2Fvault.azure.net%2F.default"
    );
    assert!(
        asked(&json!({
            "login": "client-credentials", "url": url, "client-id": "a", "client-secret": "b",
        }))
        .ends_with("\ngrant_type=client_credentials&client_id=a&client_secret=b")
    );
    assert_eq!(
        asked(
            &json!({ "login": "managed-identity", "resource": "https://vault.azure.net", "client-id": "x&y" })
        ),
        "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fvault.azure.net&client_id=x%26y\naccept: application/json\nmetadata: true\n"
    );
    assert_eq!(
        asked(&json!({ "login": "google-metadata" })),
        "GET http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token\n\
         accept: application/json\nmetadata-flavor: Google\n"
    );
    assert_eq!(
        asked(&json!({
            "login": "vault-approle", "url": url, "role-id": "r", "secret-id": "\"s", "namespace": "team",
        })),
        "POST https://id.example/login\naccept: application/json\ncontent-type: application/json\n\
         x-vault-namespace: team\n{\"role_id\":\"r\",\"secret_id\":\"\\\"s\"}"
    );
    assert_eq!(
        asked(&json!({ "login": "vault-kubernetes", "url": url, "jwt": "j", "role": "r" })),
        "POST https://id.example/login\naccept: application/json\ncontent-type: application/json\n\
         {\"jwt\":\"j\",\"role\":\"r\"}"
    );
}

/// What no answer to a plugin may have in it, and no name.
#[test]
fn what_proves_who_asks_is_known() {
    let url = "https://id.example/login";
    let proof = |given: &Value| question(&login(given)).unwrap().proof;
    for (given, expected) in [
        (
            json!({ "login": "client-credentials", "url": url, "client-id": "i", "client-secret": "p" }),
            true,
        ),
        (json!({ "login": "vault-approle", "url": url, "role-id": "r", "secret-id": "p" }), true),
        (json!({ "login": "vault-kubernetes", "url": url, "jwt": "p", "role": "r" }), true),
        (json!({ "login": "google-metadata" }), false),
        (json!({ "login": "managed-identity", "resource": "r" }), false),
    ] {
        assert_eq!(proof(&given), expected.then(|| Secret::from("p")), "{given}");
    }
    let given = json!({ "login": "jwt-bearer", "url": url, "key": account().1, "scope": "s" });
    let proof = proof(&given).unwrap();
    assert_eq!(proof.expose_text().unwrap().split('.').count(), 3);
}

/// A file may be empty by now, or have what is no text.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own file")]
fn what_cannot_be_logged_in_with_is_said() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("jwt");
    let given = json!({
        "login": "vault-kubernetes", "url": "https://id.example/login", "jwt": { "file": file }, "role": "r",
    });
    for (bytes, expected) in [
        (&b" \n"[..], Some("a part of it is empty")),
        (b"\xff", Some("a part of it is no text")),
        (b"j\n", None),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let fault = question(&login(&given)).err();
        assert_eq!(fault, expected.map(|why| LoginFault::Material(why.into())), "{bytes:?}");
    }
}

/// What has a secret in it is written where it stays: a buffer that grew has more room than was asked for.
#[test]
fn what_is_said_is_written_once() {
    let long = "ä\u{1}".repeat(1000);
    for text in [encoded(&[("a", &long)]), object(&[("a", &"\u{1}".repeat(1000))])] {
        assert!(text.capacity() - text.len() < 4, "{} of {}", text.len(), text.capacity());
    }
    assert_eq!(
        &*object(&[("a", "\"\\\n"), ("b", "ä")]),
        "{\"a\":\"\\\"\\\\\\n\",\"b\":\"ä\"}".as_bytes()
    );
}

/// A service account, and its key.
fn account() -> (signature::RsaKeyPair, String) {
    let pair = signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(der.as_ref())
    );
    let account = json!({
        "type": "service_account", "private_key_id": "k1", "private_key": pem,
        "client_email": "a@b.example", "token_uri": "https://elsewhere.example/",
    });
    (pair, account.to_string())
}

/// The statement that a service account signs is read by its public key, and says who, to whom and until when.
#[test]
fn a_service_account_signs_who_it_is() {
    let (pair, account) = account();
    let key = Secret::from(account);
    let made = assertion(&key, "a-scope", "https://id.example/token", 1_000).unwrap();
    let made = made.expose_text().unwrap();
    let [head, claims, signed] = made.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let public = pair.public_key().as_ref();
    let public = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public);
    public.verify(format!("{head}.{claims}").as_bytes(), &decoded(signed)).unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap();
    assert_eq!(json(head), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    // The audience is what the operator wrote, whatever the file says.
    assert_eq!(
        json(claims),
        json!({
            "iss": "a@b.example", "scope": "a-scope", "aud": "https://id.example/token",
            "iat": 1_000, "exp": 1_300,
        })
    );
    for wrong in ["", "canary", "{}", r#"{"client_email":"a","private_key":"canary"}"#] {
        let error = assertion(&Secret::from(wrong), "s", "a", 0).unwrap_err();
        assert!(matches!(error, LoginFault::Material(_)), "{wrong}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn an_answer_has_a_token_or_is_a_fault() {
    let url = "https://id.example/login";
    let oauth = login(&json!({
        "login": "client-credentials", "url": url, "client-id": "i", "client-secret": "s",
    }));
    let vault =
        login(&json!({ "login": "vault-approle", "url": url, "role-id": "r", "secret-id": "s" }));
    let check =
        |login: &Login, status: u16, body: &str, expected: Result<Option<u64>, LoginFault>| {
            let answer = read(&login.kind, status, body.as_bytes());
            let expected = expected.map(|lifetime| Answer {
                token: Secret::from("t"),
                lifetime: lifetime.map(Duration::from_secs),
            });
            assert_eq!(answer, expected, "{status} {body}");
        };
    check(
        &oauth,
        200,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#,
        Ok(Some(3599)),
    );
    check(&oauth, 200, r#"{"access_token":"t","expires_in":"3599"}"#, Ok(Some(3599)));
    check(&oauth, 200, r#"{"access_token":"t"}"#, Ok(None));
    check(&vault, 200, r#"{"auth":{"client_token":"t","lease_duration":60}}"#, Ok(Some(60)));
    check(&vault, 200, r#"{"auth":{"client_token":"t","lease_duration":0}}"#, Ok(None));
    for body in
        ["", "t", "{}", r#"{"access_token":""}"#, r#"{"access_token":"t","expires_in":"soon"}"#]
    {
        check(&oauth, 200, body, Err(LoginFault::Malformed));
        check(&vault, 200, body, Err(LoginFault::Malformed));
    }
    let refused = |status, code| Err(LoginFault::Refused { status, code });
    check(&oauth, 401, r#"{"error":"invalid_client"}"#, refused(401, Some("invalid_client")));
    // What a server writes itself is not shown, and a redirect is not followed.
    check(&oauth, 400, r#"{"error":"canary"}"#, refused(400, None));
    check(&oauth, 302, "", refused(302, None));
    check(&vault, 400, r#"{"errors":["invalid secret id"]}"#, refused(400, None));
    for status in [408, 429, 500, 503] {
        check(&vault, status, "", Err(LoginFault::Unavailable { status }));
    }
}
