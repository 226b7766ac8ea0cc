//! What in a configuration an operator should know of. It names stores and places, and shows no value.

use super::Config;
use super::show::{is_credential, is_literal_credential};
use coffer_host::grants::{Grants, Reach};
use serde_json::Value;
use std::net::Ipv4Addr;

/// Something that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Risk {
    /// A header is added to requests that are not encrypted, or they are signed.
    ClearCredential {
        /// The store.
        store: String,
        /// Which of its HTTP grants, counted from 1.
        grant: usize,
        /// Whether the requests stay on this machine.
        here: bool,
    },
    /// A store may run commands.
    Commands {
        /// The store.
        store: String,
    },
    /// A credential stands in the file as it is.
    Literal {
        /// Where.
        place: String,
    },
    /// A store may reach private addresses.
    PrivateAddresses {
        /// The store.
        store: String,
        /// Which of its HTTP grants, counted from 1.
        grant: usize,
    },
}

impl Config {
    /// Everything in it that an operator should know of.
    #[must_use]
    pub fn risks(&self) -> Vec<Risk> {
        let mut risks = Vec::new();
        for entry in &self.stores {
            let store = entry.shown_name();
            let Some(grants) = &entry.grants else { continue };
            for (index, http) in grants.http_grants().iter().enumerate() {
                let (store, grant) = (store.clone(), index + 1);
                let url = http.url().to_string();
                if let Some(rest) = url.strip_prefix("http://")
                    && http.has_credentials()
                {
                    let here = is_this_machine(rest);
                    risks.push(Risk::ClearCredential { store: store.clone(), grant, here });
                }
                if http.reach() == Reach::Private {
                    risks.push(Risk::PrivateAddresses { store, grant });
                }
            }
            if !grants.command_patterns().is_empty() {
                risks.push(Risk::Commands { store });
            }
        }
        let literal = |place: String, value: Option<&Value>, places: &mut Vec<Risk>| {
            if let Some(value) = value {
                literals(&place, value, false, places);
            }
        };
        for (index, entry) in self.stores.iter().enumerate() {
            literal(format!("secrets[{index}].config"), entry.written.0.get("config"), &mut risks);
        }
        for (index, entry) in self.storage.iter().enumerate() {
            literal(format!("storage[{index}].config"), entry.written.0.get("config"), &mut risks);
        }
        risks
    }

    /// Whether a store is reached by TLS with the certificate authorities of the machine.
    #[must_use]
    pub fn trusts_the_system(&self) -> bool {
        let grants = self.stores.iter().filter_map(|entry| entry.grants.as_ref());
        grants
            .flat_map(Grants::http_grants)
            .any(|http| http.url().to_string().starts_with("https://") && http.ca().is_none())
    }
}

/// Whether what follows `http://` stands for this machine whatever a name server says.
fn is_this_machine(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn literals(place: &str, value: &Value, credential: bool, risks: &mut Vec<Risk>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                literals(&format!("{place}[{index}]"), item, credential, risks);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let credential = is_credential(entries, key, credential);
                literals(&format!("{place}.{}", key.escape_debug()), value, credential, risks);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if is_literal_credential(value, credential) {
                risks.push(Risk::Literal { place: place.to_owned() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(stores: &Value, expected: &[&str]) {
        let config = Config::parse(
            json!({ "secrets": stores }),
            &|name| (name == "TOKEN").then(|| "filled".into()),
            None,
        );
        let told = |risk: Risk| match risk {
            Risk::ClearCredential { store, grant, here } => format!("clear {store} {grant} {here}"),
            Risk::Commands { store } => format!("commands {store}"),
            Risk::Literal { place } => format!("literal {place}"),
            Risk::PrivateAddresses { store, grant } => format!("private {store} {grant}"),
        };
        let found: Vec<String> = config.unwrap().risks().into_iter().map(told).collect();
        assert_eq!(found, expected, "{stores}");
    }

    fn http(url: &str, headers: &Value) -> Value {
        json!({ "url": url, "methods": ["GET"], "headers": headers })
    }

    #[test]
    fn risks_are_found() {
        let with = |grants: Value| json!([{ "name": "s", "plugin": "./p.wasm", "grants": grants }]);
        let token = json!({ "X-Token": { "env": "TOKEN" } });
        check(&with(json!({})), &[]);
        let plain = http("http://vault.internal/**", &token);
        check(&with(json!({ "http": [plain] })), &["clear s 1 false"]);
        let without = http("http://vault.internal/**", &json!({}));
        check(&with(json!({ "http": [without] })), &[]);
        let mut signed = http("http://aws.internal/**", &json!({}));
        signed["aws-sigv4"] = json!({
            "region": "r", "service": "s",
            "access-key-id": { "env": "TOKEN" }, "secret-access-key": { "env": "TOKEN" },
        });
        check(&with(json!({ "http": [signed] })), &["clear s 1 false"]);
        check(&with(json!({ "http": [http("https://v/**", &token)] })), &[]);
        for (url, here) in [
            ("http://127.0.0.1:8200/**", true),
            ("http://[::1]:8200/**", true),
            ("http://127.example.com/**", false),
            ("http://localhost/**", false),
        ] {
            let grants = json!({ "http": [http("https://v/**", &json!({})), http(url, &token)] });
            check(&with(grants), &[&format!("clear s 2 {here}")]);
        }
        let private =
            json!({ "url": "https://v/**", "methods": ["GET"], "private-addresses": true });
        check(&with(json!({ "http": [private] })), &["private s 1"]);
        check(&with(json!({ "commands": [["pass", "show", "*"]] })), &["commands s"]);
    }

    #[test]
    fn literal_credentials_are_found_by_their_place() {
        let with = |config: Value| json!([{ "name": "s", "plugin": "./p.wasm", "config": config }]);
        check(&with(json!({ "token": "hunter2" })), &["literal secrets[0].config.token"]);
        check(&with(json!({ "token": "${env.TOKEN}" })), &[]);
        check(&with(json!({ "token": "x${env.TOKEN}" })), &["literal secrets[0].config.token"]);
        check(&with(json!({ "token": "" })), &[]);
        check(&with(json!({ "address": "https://v" })), &[]);
        let url = json!({ "address": ["https://me:hunter2@v"] });
        check(&with(url), &["literal secrets[0].config.address[0]"]);
        check(&with(json!({ "token": { "file": "/run/token" } })), &[]);
        check(
            &with(json!({ "token": { "file": "hunter2" } })),
            &["literal secrets[0].config.token.file"],
        );
        // What a login is made with, and neither where it is made nor a file.
        let login = json!({
            "login": "vault-approle", "url": "https://v/", "role-id": "hunter2",
            "secret-id": { "file": "/run/secret-id" },
        });
        for name in ["auth", "token"] {
            let place = format!("literal secrets[0].config.{name}.role-id");
            check(&with(json!({ name: login })), &[&place]);
        }
        check(
            &with(json!({ "auth": { "api-key": 7 } })),
            &["literal secrets[0].config.auth.api-key"],
        );
    }
}
