//! The walk-through with the store `aws-secrets-manager`, against moto, as Porter names it.

use crate::walkthrough;
use backends::moto::{REGION, Server};
use serde_json::json;

impl walkthrough::Server for Server {
    fn config(&self) -> String {
        format!(
            "default-secrets: aws\nsecrets:\n  - name: aws\n    plugin: aws.secretsmanager\n    config:\n      \
             region: {REGION}\n      address: {}\n      private_addresses: true\n      \
             access_key_id: ${{env.AWS_ACCESS_KEY_ID}}\n      \
             secret_access_key: ${{env.AWS_SECRET_ACCESS_KEY}}\n",
            self.address()
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let key = self.admin();
        vec![("AWS_ACCESS_KEY_ID", key.id.clone()), ("AWS_SECRET_ACCESS_KEY", key.secret.clone())]
    }

    fn credentials(&self) -> Vec<String> {
        vec![self.admin().secret.clone()]
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let listed = self.root("secretsmanager", "list_secrets", json!({}));
        let secrets = listed["SecretList"].as_array().unwrap().iter();
        let read = |secret: &serde_json::Value| {
            let name = secret["Name"].as_str().unwrap();
            let asked = json!({ "SecretId": name });
            let found = self.root("secretsmanager", "get_secret_value", asked);
            let value = found["SecretString"].as_str().unwrap();
            (name.strip_prefix("coffer/").unwrap().to_owned(), value.into())
        };
        let mut kept: Vec<_> = secrets.map(read).collect();
        kept.sort();
        kept
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
}

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    walkthrough::values_are_in_the_server_and_references_in_the_ledger(Server::start());
}

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    walkthrough::outputs_of_a_run_during_which_the_server_went_away_are_saved_later(Server::start());
}
