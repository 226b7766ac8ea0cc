//! A store's server that is cut off in the middle of a run, with something in between that does it: nothing arrives; or
//! everything arrives and no answer comes back; or nothing is said any more. Nothing is lost, and nothing
//! dangles: what the store has is what the ledger refers to.

use crate::azure::Vault;
use crate::bundles;
use crate::google::Project;
use crate::kubernetes_walkthrough::Cluster;
use crate::scan::CANARY;
use crate::walkthrough::{DRIVER, Operator, Server};
use backends::way::{self, Side, Verdict};
use backends::{moto, openbao};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// What becomes of each connection.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// It ends when something is sent.
    Before,
    /// It ends when something is answered.
    After,
    /// Nothing arrives, and nothing is said.
    Silence,
}

/// A server with a way to it that is cut while a file is there.
struct Through<S> {
    server: S,
    config: String,
    folder: TempDir,
}

impl<S: Server> Through<S> {
    fn new(server: S, cut: Cut) -> Self {
        let config = server.config();
        let port = |address: &str| {
            let rest = config.split_once(address)?.1;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((format!("{address}{digits}"), address.to_owned(), digits.parse::<u16>().ok()?))
        };
        let (to, address, port) =
            ["127.0.0.1:", "localhost:"].into_iter().find_map(port).expect("it is on loopback");
        let folder = tempfile::tempdir().unwrap();
        let switch = folder.path().join("cut");
        let way = way::to(port, move || {
            let switch = switch.clone();
            move |side, _| match (cut, side) {
                _ if !switch.exists() => Verdict::Pass,
                (Cut::Before, _) | (Cut::After, Side::Server) => Verdict::End,
                (Cut::After, Side::Client) => Verdict::Pass,
                (Cut::Silence, _) => Verdict::Swallow,
            }
        });
        let mut config = config.replace(&to, &format!("{address}{way}"));
        // The store's entry is the last one.
        config += "    limits:\n      call: 4s\n";
        Self { server, config, folder }
    }

    fn switch(&self) -> PathBuf {
        self.folder.path().join("cut")
    }
}

impl<S: Server> Server for Through<S> {
    const SEALS: bool = S::SEALS;
    const GONE: &str = S::GONE;

    fn config(&self) -> String {
        self.config.clone()
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        self.server.variables()
    }

    fn credentials(&self) -> Vec<String> {
        self.server.credentials()
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.server.kept()
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

fn cut_off<S: Server>(server: S, cut: Cut) {
    let operator = Operator::new(Through::new(server, cut));
    let switch = operator.server.switch();
    operator.stage.bundle(&bundles::native());
    // When the bundle has left its outputs.
    let cuts = format!("{DRIVER}: >'{}'\n", switch.display());
    operator.stage.program("cnab-driver", &cuts);
    let install = ["install", "-b", "bundle", "-d", "command:driver", "--param", "password=-"];
    operator.call(&install).failed(
        1,
        "operator",
        &["are kept, sealed, in the spool", "coffer runs recover"],
    );
    assert!(switch.exists());
    operator.machine_is_clean();
    assert_eq!(operator.call(&["runs", "recover"]).code, Some(1), "{cut:?}");
    assert_eq!(operator.stage.names("home/spool").len(), 1);
    fs::remove_file(&switch).unwrap();
    operator.call(&["runs", "recover"]).succeeded();
    assert_eq!(operator.stage.names("home/spool"), [""; 0]);
    let (keys, values): (BTreeSet<String>, Vec<Vec<u8>>) =
        operator.server.kept().into_iter().unzip();
    assert_eq!(values, [format!("generated-{CANARY}").into_bytes(), CANARY.into()]);
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    let secrets = ledger["secrets"].as_array().unwrap();
    assert!(secrets.iter().all(|secret| secret["state"] == "held"), "{ledger}");
    let referred = secrets.iter().map(|secret| secret["key"].as_str().unwrap().to_owned());
    assert_eq!(referred.collect::<BTreeSet<_>>(), keys);

    // Cut off while it is deleted: told, and what is left is deleted later.
    operator.stage.program("cnab-driver", &cuts);
    let delete = ["uninstall", "native", "-d", "command:driver", "--delete"];
    assert_eq!(operator.call(&delete).code, Some(1), "{cut:?}");
    fs::remove_file(&switch).unwrap();
    operator.stage.program("cnab-driver", DRIVER);
    operator.call(&["runs", "recover"]).succeeded();
    operator.call(&delete).succeeded();
    assert_eq!(operator.server.kept(), []);
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    assert_eq!(ledger["secrets"].as_array().unwrap().len(), 0);
    operator.machine_is_clean();
}

macro_rules! each {
    ($($store:ident: $server:ty),+ $(,)?) => {
        $(mod $store {
            use super::*;

            #[test]
            fn before_anything_arrives() {
                cut_off(<$server>::start(), Cut::Before);
            }

            #[test]
            fn before_anything_is_answered() {
                cut_off(<$server>::start(), Cut::After);
            }

            #[test]
            fn without_a_word() {
                cut_off(<$server>::start(), Cut::Silence);
            }
        })+
    };
}

each! {
    aws: moto::Server,
    azure: Vault,
    google: Project,
    kubernetes: Cluster,
    vault: openbao::Server,
}
