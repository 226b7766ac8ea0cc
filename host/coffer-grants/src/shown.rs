//! Grants as they are written in a configuration file, for people and machines to look at.

use crate::address::Reach;
use crate::directory::DirectoryGrant;
use crate::grants::Grants;
use crate::http::{HeaderSource, HttpGrant};
use crate::signature::AwsSigV4;
use serde_json::{Map, Value, json};

impl Grants {
    /// The grants as a configuration file has them, without what is empty. They name where credentials
    /// are and hold none, so all of it can be shown.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = Map::new();
        let mut show = |key: &str, values: Vec<Value>| {
            if !values.is_empty() {
                shown.insert(key.to_owned(), Value::Array(values));
            }
        };
        show("http", self.http_grants().iter().map(http).collect());
        show("directories", self.directories().map(|permit| directory(permit.grant())).collect());
        show("environment", self.variables().map(Value::from).collect());
        show("commands", self.command_patterns().iter().map(|argv| json!(argv.words())).collect());
        show("referenced", self.referenced().map(|source| source.name().into()).collect());
        Value::Object(shown)
    }
}

fn http(grant: &HttpGrant) -> Value {
    let mut shown = Map::new();
    shown.insert("url".into(), grant.url().to_string().into());
    shown.insert("methods".into(), grant.methods().collect());
    let headers: Map<String, Value> =
        grant.headers().map(|header| (header.name.to_owned(), place(header.source))).collect();
    if !headers.is_empty() {
        shown.insert("headers".into(), Value::Object(headers));
    }
    if let Some(signature) = grant.aws_sigv4() {
        shown.insert("aws-sigv4".into(), aws_sigv4(signature));
    }
    shown.insert("private-addresses".into(), (grant.reach() == Reach::Private).into());
    if let Some(ca) = grant.ca() {
        shown.insert("ca".into(), ca.into());
    }
    Value::Object(shown)
}

fn aws_sigv4(signature: &AwsSigV4) -> Value {
    let mut shown = json!({
        "region": signature.region(),
        "service": signature.service(),
        "access-key-id": place(signature.access_key_id()),
        "secret-access-key": place(signature.secret_access_key()),
    });
    if let Some(token) = signature.session_token() {
        shown["session-token"] = place(token);
    }
    shown
}

fn place(source: &HeaderSource) -> Value {
    let mut shown = Map::new();
    let places = [("env", source.env()), ("file", source.file()), ("setting", source.setting())];
    for (key, place) in places {
        if let Some(place) = place {
            shown.insert(key.into(), place.into());
        }
    }
    if !source.prefix().is_empty() {
        shown.insert("prefix".into(), source.prefix().into());
    }
    Value::Object(shown)
}

fn directory(grant: &DirectoryGrant) -> Value {
    json!({
        "host": grant.host(),
        "guest": grant.guest(),
        "access": grant.access().name(),
        "create": grant.create(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_as_the_same_grants() {
        let written = json!({
            "http": [{
                "url": "https://vault.internal:8200/v1/**",
                "methods": ["GET", "POST"],
                "headers": { "x-vault-token": { "env": "VAULT_TOKEN" }, "authorization":
                    { "setting": "token", "prefix": "Bearer " } },
                "private-addresses": true,
                "ca": "/etc/ca.pem",
            }, {
                "url": "https://secretsmanager.eu-central-1.amazonaws.com/",
                "methods": ["POST"],
                "aws-sigv4": {
                    "region": "eu-central-1", "service": "secretsmanager",
                    "access-key-id": { "env": "AWS_ACCESS_KEY_ID" },
                    "secret-access-key": { "file": "/key" }, "session-token": { "setting": "token" },
                },
                "private-addresses": false,
            }],
            "directories": [
                { "host": "./secrets", "guest": "/secrets", "access": "read-write", "create": true },
                { "host": "/etc/x", "access": "read-only" },
            ],
            "environment": ["HOME"],
            "commands": [["pass", "show", "*"]],
            "referenced": ["env"],
        });
        let grants: Grants = serde_json::from_value(written.clone()).unwrap();
        // What is left out is shown as what it stands for.
        let mut whole = written;
        whole["directories"][1] =
            json!({ "host": "/etc/x", "guest": "/etc/x", "access": "read-only", "create": false });
        assert_eq!(grants.to_json(), whole);
        let read: Grants = serde_json::from_value(grants.to_json()).unwrap();
        assert_eq!(read.to_json(), grants.to_json());
        assert_eq!(read.http_grants(), grants.http_grants());
        assert_eq!(Grants::default().to_json(), json!({}));
    }
}
