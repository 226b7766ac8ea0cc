//! What a process with stores takes.

use crate::bench::{Bench, runtime, told};
use crate::row::Row;
use coffer_host::{Granted, Host, StoreConfig};
use serde_json::json;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Stores that are opened, and those of them that fill what was given back before and are not counted.
const STORES: usize = 4_000;
const UNCOUNTED: usize = 1_000;

/// What this program is told to do in a process of its own.
pub(crate) const ONE_STORE: &str = "one-store";

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let each = idle(bench) as f64 / 1024.0;
    let whole = of_process(bench) as f64 / f64::from(1 << 20);
    vec![
        Row::at_most(
            "memory of one more idle store",
            "",
            each,
            64.0,
            " KiB",
            &format!("{each:.1} KiB"),
        ),
        Row::at_most(
            "memory of a process with one store that was asked",
            "",
            whole,
            25.0,
            " MiB",
            &format!("{whole:.1} MiB"),
        ),
    ]
}

/// Bytes of one more store that is open.
fn idle(bench: &Bench) -> usize {
    let host = Host::builder().build().expect("the engine can be made");
    let path = bench.component("coffer_plugin_vault");
    let plugin = host.load(&std::fs::read(path).expect("`just bench` builds it"));
    let plugin = plugin.expect("it is a plugin");
    let settings = json!({ "address": "https://vault.example:8200", "token": "a token" });
    let open = |number: usize| {
        let settings = settings.as_object().cloned().unwrap_or_default();
        let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
        host.store(&format!("store{number}"), &plugin, config).expect("it can be opened")
    };
    let mut stores: Vec<_> = (0..UNCOUNTED).map(open).collect();
    let before = resident();
    stores.extend((UNCOUNTED..STORES).map(open));
    resident().saturating_sub(before) / (STORES - UNCOUNTED)
}

/// Bytes of a process that does nothing else.
fn of_process(bench: &Bench) -> usize {
    let program = std::env::current_exe().expect("this is Linux");
    let component = bench.component(crate::calls::PLUGIN);
    let output = Command::new(program).arg(ONE_STORE).arg(component).output();
    let output = output.expect("this program can be started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("it prints a number");
    text.trim().parse().expect("it prints a number")
}

/// Opens one store, asks it, and prints what this process takes.
pub(crate) fn one_store(component: &Path) -> ExitCode {
    let host = Host::builder().build().expect("the engine can be made");
    let bytes = std::fs::read(component).expect("it is there");
    let plugin = host.load(&bytes).expect("it is a plugin");
    let store = host.store("one", &plugin, StoreConfig::default()).expect("it needs no grant");
    runtime().block_on(store.resolve_one(&told("a value"))).expect("it answers");
    println!("{}", resident());
    ExitCode::SUCCESS
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.expect("Linux says so") * 1024
}
