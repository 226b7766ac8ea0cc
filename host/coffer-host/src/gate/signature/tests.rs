//! The signer held against what AWS publishes for it, and against what AWS's own client for Python says.

use super::*;
use coffer_grants::{Grants, RequestUrl};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Vectors {
    suite: Vec<Vector>,
    /// Those whose URL coffer does not read.
    refused: Vec<(String, String)>,
    recorded: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    #[serde(default = "service")]
    service: String,
    #[serde(default = "region")]
    region: String,
    authorization: String,
}

fn service() -> String {
    "service".into()
}

fn region() -> String {
    "us-east-1".into()
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// The example key of the suite, in a variable and a setting; and the time of it.
fn signed(vector: &Vector) -> Request<Full<Bytes>> {
    let manifest = json!({
        "name": "a", "version": "1.0.0", "description": "a",
        "settings": { "type": "object", "properties": {
            "id": { "type": "string", "credential": true },
            "key": { "type": "string", "credential": true },
        } },
    });
    let manifest = coffer_grants::Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let settings = json!({ "id": "AKIDEXAMPLE", "key": key });
    let settings = manifest.check_settings(settings.as_object().unwrap()).unwrap();
    let grant = json!({
        "url": "https://a.example/**", "methods": ["GET"],
        "aws-sigv4": {
            "region": vector.region, "service": vector.service,
            "access-key-id": { "setting": "id" }, "secret-access-key": { "setting": "key" },
        },
    });
    let grants: Grants = serde_json::from_value(json!({ "http": [grant] })).unwrap();
    let url = RequestUrl::parse("https://a.example/").unwrap();
    let permit = grants.http("GET", url).unwrap();
    let grant = permit.grant().aws_sigv4().unwrap();
    let signer = Signer::of(grant, &settings, vector.body.as_bytes()).unwrap();
    // As a plugin's URL is sent, where it is one.
    let url = RequestUrl::parse(&vector.url).map_or(vector.url.clone(), |url| url.to_string());
    let mut request = Request::builder().method(vector.method.as_str()).uri(url);
    for (name, value) in &vector.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Full::default()).unwrap();
    let time = humantime::parse_rfc3339("2015-08-30T12:36:00.999Z").unwrap();
    let credential = signer.sign(&mut request, time);
    // What must not come back: the key, the whole header, and what makes it good for this request.
    let header = request.headers()["authorization"].to_str().unwrap();
    let signature = header.rsplit_once("Signature=").unwrap().1;
    for hidden in [key, header, signature] {
        assert!(credential.hidden.iter().any(|value| value.expose() == hidden.as_bytes()));
    }
    assert!(request.headers()["authorization"].is_sensitive());
    request
}

fn check(vectors: &[Vector]) {
    for vector in vectors {
        let request = signed(vector);
        let found = request.headers()["authorization"].to_str().unwrap();
        assert_eq!(found, vector.authorization, "{}", vector.name);
    }
}

#[test]
fn requests_are_signed_as_aws_publishes() {
    let Vectors { suite, refused, .. } = vectors();
    assert_eq!((suite.len(), refused.len()), (27, 7));
    check(&suite);
    for (name, url) in refused {
        assert!(RequestUrl::parse(&url).is_err(), "{name}: {url}");
    }
}

#[test]
fn requests_are_signed_as_botocore_does() {
    let Vectors { recorded, .. } = vectors();
    assert_eq!(recorded.len(), 30);
    check(&recorded);
}
