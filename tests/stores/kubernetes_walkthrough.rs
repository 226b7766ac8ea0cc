//! The walk-through with the store `kubernetes`, as a service account with the least that it needs.

use crate::kubernetes::server;
use crate::kubernetes_refusals::least;
use crate::walkthrough;
use backends::kubernetes::Server;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

/// The server, and the token of a pod.
pub(crate) struct Cluster {
    server: Server,
    folder: TempDir,
    token: String,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let server = server();
        server.account("prod", "coffer", &least());
        let token = server.token("prod", "coffer", &json!({}));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), &token).unwrap();
        Self { server, folder, token }
    }
}

impl walkthrough::Server for Cluster {
    fn config(&self) -> String {
        format!(
            "default-secrets: kubernetes\nsecrets:\n  - name: kubernetes\n    plugin: kubernetes.secrets\n    \
             config:\n      namespace: prod\n      address: {}\n      token: {{ file: {} }}\n      ca: {}\n",
            self.server.address(),
            self.folder.path().join("token").display(),
            self.server.ca().display(),
        )
    }

    fn credentials(&self) -> Vec<String> {
        vec![self.token.clone(), self.server.admin_token().to_owned()]
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let selected =
            "api/v1/namespaces/prod/secrets?labelSelector=app.kubernetes.io/managed-by%3Dcoffer";
        let listed = self.server.admin("GET", selected, None);
        let kept = listed["items"].as_array().unwrap().iter().map(|object| {
            let key = object["metadata"]["annotations"]["coffer-key"].as_str().unwrap();
            let value = object["data"]["value"].as_str().unwrap();
            (key.to_owned(), BASE64_STANDARD.decode(value).unwrap())
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable();
        kept
    }

    fn id(&self) -> u32 {
        self.server.id()
    }

    fn stop(&mut self) {
        self.server.stop();
    }

    fn restart(&mut self) {
        self.server.restart();
    }
}

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    walkthrough::values_are_in_the_server_and_references_in_the_ledger(Cluster::start());
}

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    walkthrough::outputs_of_a_run_during_which_the_server_went_away_are_saved_later(
        Cluster::start(),
    );
}
