//! How long `porter install` takes as a whole with coffer's store `filesystem`, beside Porter's own plugin of that
//! name, which it runs in a process of its own as well. A bundle with one sensitive parameter and one sensitive
//! output, a driver that is a shell script, and FerretDB for Porter's database.
//!
//! It prints and asserts nothing: times belong to the machine. `just bench-porter PORTER` compiles it alone, and says
//! where the programs are: `PORTER`, `FERRETDB`, and `COFFER_BIN` with `coffer-porter` beside it.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark starts processes, makes their surroundings and prints"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Installs with each store. The two take turns, so that whatever else the machine does is shared by both.
const RUNS: usize = 40;

/// Installs before those that count.
const WARM_UPS: usize = 3;

const BUNDLE: &str = r#"{"schemaVersion":"v1.0.0","name":"bench","version":"0.1.0",
"invocationImages":[{"imageType":"docker","image":"example/bench:v0.1.0"}],
"definitions":{"text":{"type":"string","writeOnly":true}},
"parameters":{"password":{"definition":"text","required":true,"destination":{"env":"PASSWORD"}}},
"outputs":{"name":{"definition":"text","path":"/cnab/app/outputs/name"}}}"#;

const DRIVER: &str = r#"#!/bin/sh
[ "${1-}" = --handles ] && { echo docker; exit 0; }
cat >/dev/null
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf %s "$PASSWORD" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/name"
"#;

fn main() {
    let program = |name: &str| env::var_os(name).map(PathBuf::from);
    let (Some(porter), Some(ferretdb), Some(coffer)) =
        (program("PORTER"), program("FERRETDB"), program("COFFER_BIN"))
    else {
        println!(
            "name the programs in PORTER, FERRETDB and COFFER_BIN; `just bench-porter PORTER` does"
        );
        return;
    };
    let directory = env::temp_dir().join(format!("coffer-bench-{}", std::process::id()));
    fs::create_dir(&directory).expect("there is a place for temporary files");
    let mut database = start(&ferretdb, &directory);
    measure(&porter, &coffer, &directory, &database.1);
    database.0.kill().expect("it is there");
    database.0.wait().expect("it was killed");
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

fn measure(porter: &Path, coffer: &Path, directory: &Path, address: &str) {
    for folder in ["bin", "coffer", "work"] {
        fs::create_dir(directory.join(folder)).expect("the directory is ours");
    }
    fs::write(directory.join("work/bundle.json"), BUNDLE).expect("the directory is ours");
    let driver = directory.join("bin/cnab-bench");
    fs::write(&driver, DRIVER).expect("the directory is ours");
    fs::set_permissions(&driver, fs::Permissions::from_mode(0o700)).expect("it is ours");

    let section = "secrets:\n  - name: kept\n    plugin: coffer.filesystem\n    config:\n      plugin: \
                   filesystem\n      config:\n        directory: kept\n";
    let stores = [
        ("porter's own filesystem", "default-secrets-plugin: filesystem\n".to_owned()),
        ("coffer.filesystem", format!("default-secrets: kept\n{section}")),
    ];
    let path = format!("{}:/usr/bin:/bin", directory.join("bin").display());
    let homes: Vec<PathBuf> = stores
        .iter()
        .enumerate()
        .map(|(index, (_, secrets))| {
            let home = directory.join(format!("porter-{index}"));
            fs::create_dir(&home).expect("the directory is ours");
            let storage = format!(
                "default-storage: d\nstorage:\n  - name: d\n    plugin: mongodb\n    config:\n      url: \
                 {address}/bench{index}\n"
            );
            fs::write(home.join("config.yaml"), storage + secrets).expect("the directory is ours");
            home
        })
        .collect();
    let placed = Command::new(coffer)
        .args(["porter", "install", "--porter-home"])
        .arg(&homes[1])
        .env("COFFER_HOME", directory.join("coffer"))
        .stdout(Stdio::null())
        .status();
    assert!(placed.expect("the program is there").success(), "the plugin is not in place");

    let mut times = [Vec::new(), Vec::new()];
    for run in 0..WARM_UPS + RUNS {
        for (home, times) in homes.iter().zip(&mut times) {
            let mut install = Command::new(porter);
            install
                .args(["install", &format!("bench{run}"), "--cnab-file", "bundle.json"])
                .args(["--driver", "bench", "--param", "password=a value of usual length"])
                .current_dir(directory.join("work"))
                .env_clear()
                .env("PATH", &path)
                .env("HOME", directory)
                .env("PORTER_HOME", home)
                .env("COFFER_HOME", directory.join("coffer"));
            let taken = time(&mut install);
            if run >= WARM_UPS {
                times.push(taken);
            }
        }
    }
    println!("medians of {RUNS} installs with each store:");
    let medians = [0, 1].map(|index| {
        times[index].sort_unstable();
        let of = |tenth: usize| shown(times[index][RUNS * tenth / 10]);
        println!(
            "  {:24} {} (of ten, one is faster than {}, one slower than {})",
            stores[index].0,
            of(5),
            of(1),
            of(9)
        );
        times[index][RUNS / 2]
    });
    println!("coffer / porter: {:.2}", medians[1].as_secs_f64() / medians[0].as_secs_f64());
}

/// A server, and where it is.
fn start(ferretdb: &Path, directory: &Path) -> (Child, String) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("loopback has ports").to_string();
    let data = directory.join("data");
    fs::create_dir(&data).expect("the directory is ours");
    let mut server = Command::new(ferretdb)
        .arg(&address)
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is there");
    let mut ready = String::new();
    let stdout = server.stdout.as_mut().expect("it is piped");
    BufReader::new(stdout).read_line(&mut ready).expect("it says when it listens");
    assert!(ready.starts_with("ready"), "FerretDB does not start");
    (server, format!("mongodb://{address}"))
}

fn time(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the program is there");
    let taken = begun.elapsed();
    assert!(status.success(), "porter install failed");
    taken
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
