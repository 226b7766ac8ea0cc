//! The walk-through with each store and the ledger on each database that is a server. With the ledger in a file each
//! store has it in a test of its own.

use crate::azure::Vault;
use crate::google::Project;
use crate::kubernetes_walkthrough::Cluster;
use crate::ledger_walkthrough::Database;
use crate::scan::Scanner;
use crate::walkthrough::{self, Server};
use backends::{ferretdb, moto, openbao, postgresql};

/// A store's server, and the ledger's beside it.
struct Beside<S, D> {
    store: S,
    database: D,
}

impl<S: Server, D: Database> Server for Beside<S, D> {
    const SEALS: bool = S::SEALS;
    const GONE: &str = S::GONE;

    fn config(&self) -> String {
        format!(
            "{}default-storage: database\nstorage:\n  - name: database\n    plugin: {}\n    config:\n      \
             url: ${{env.LEDGER_URL}}\n      timeout: 60\n",
            self.store.config(),
            D::PLUGIN
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.store.variables();
        variables.push(("LEDGER_URL", self.database.url()));
        variables
    }

    fn credentials(&self) -> Vec<String> {
        self.store.credentials().into_iter().chain(self.database.password()).collect()
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.store.kept()
    }

    fn id(&self) -> u32 {
        self.store.id()
    }

    fn stop(&mut self) {
        self.store.stop();
    }

    fn restart(&mut self) {
        self.store.restart();
    }

    fn unseal(&self) {
        self.store.unseal();
    }

    fn others_are_clean(&self, scanner: &Scanner) {
        let (files, dump) = self.database.kept();
        assert_eq!(scanner.files(&files), [""; 0]);
        assert_eq!(scanner.find(&dump), None);
        self.store.others_are_clean(scanner);
    }
}

macro_rules! with {
    ($($store:ident: $server:ty),+ $(,)?) => {
        $(mod $store {
            use super::*;

            fn walk<D: Database>() {
                let (store, database) = (<$server>::start(), D::start());
                let beside = Beside { store, database };
                walkthrough::values_are_in_the_server_and_references_in_the_ledger(beside);
            }

            #[test]
            fn on_postgresql() {
                walk::<postgresql::Server>();
            }

            #[test]
            fn on_mongodb() {
                walk::<ferretdb::Server>();
            }
        })+
    };
}

with! {
    aws: moto::Server,
    azure: Vault,
    google: Project,
    kubernetes: Cluster,
    vault: openbao::Server,
}
