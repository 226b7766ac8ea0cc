//! The walk-through with the store `vault`, against OpenBao.

use crate::walkthrough;
use backends::openbao::Server;
use serde_json::{Value, json};

impl walkthrough::Server for Server {
    const SEALS: bool = true;

    fn config(&self) -> String {
        format!(
            "default-secrets: vault\nsecrets:\n  - name: vault\n    plugin: hashicorp.vault\n    config:\n      \
             vault_addr: {}\n      vault_token: ${{env.VAULT_TOKEN}}\n      path_prefix: secret/myapp\n      \
             private_addresses: true\n",
            self.address()
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![("VAULT_TOKEN", self.root_token().to_owned())]
    }

    fn credentials(&self) -> Vec<String> {
        vec![self.root_token().to_owned()]
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let path = "secret/metadata/myapp/coffer?list=true";
        let listed = self.ask(self.root_token(), "GET", path, json!({}));
        let keys = listed.body["data"]["keys"].as_array().cloned().unwrap_or_default();
        let read = |key: &Value| {
            let key = key.as_str().unwrap();
            let path = format!("secret/data/myapp/coffer/{key}");
            let document = self.root("GET", &path, json!({}))["data"]["data"].clone();
            let value = document["value"].as_str().unwrap();
            assert_eq!(document, json!({ "coffer-key": key, "encoding": "text", "value": value }));
            (key.to_owned(), value.into())
        };
        keys.iter().map(read).collect()
    }

    fn id(&self) -> u32 {
        Self::id(self)
    }

    fn stop(&mut self) {
        Self::stop(self);
    }

    fn restart(&mut self) {
        Self::restart(self);
    }

    fn unseal(&self) {
        Self::unseal(self);
    }
}

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    walkthrough::values_are_in_the_server_and_references_in_the_ledger(Server::start());
}

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    walkthrough::outputs_of_a_run_during_which_the_server_went_away_are_saved_later(Server::start());
}
