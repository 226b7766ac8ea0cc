//! `coffer` as a whole process, beside a Rust program that prints a line.

use crate::bench::{Bench, whole};
use crate::rounds::{Rounds, shown};
use crate::row::Row;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rounds of what is compiled before, and of what is not.
const WARM: usize = 200;
const COLD: usize = 20;

const KEY: &str = "benchmark";

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let home = bench.home("warm", "default-secrets-plugin: filesystem\n");
    let value = bench.place("value");
    fs::write(&value, "a value of usual length").expect("the directory is ours");
    let from = format!("@{}", value.display());
    whole(&mut bench.coffer(&home, &["secrets", "put", KEY, &from]));
    let get = ["secrets", "get", KEY, "--reveal"];
    let hello = hello(bench);
    let warm = Rounds::of(
        WARM,
        [&mut || whole(&mut Command::new(&hello)), &mut || whole(&mut bench.coffer(&home, &get))],
    );
    // As after an installation or an upgrade: the secrets are there, and nothing that was made of the plugin.
    let cold = Rounds::of(
        COLD,
        [&mut || whole(&mut bench.coffer(&home, &get)), &mut || {
            fs::remove_dir_all(home.join("cache")).expect("it is there");
            whole(&mut bench.coffer(&home, &get))
        }],
    );
    let ratio = warm.ratio(1, 0);
    let more = cold.middle(1).saturating_sub(cold.middle(0));
    let bytes = fs::metadata(bench.binary()).expect("`just bench` builds it").len();
    vec![
        Row::at_most(
            "`coffer secrets get` as a whole process, compiled before",
            "a hello-world Rust process",
            ratio,
            2.5,
            " times",
            &format!("{ratio:.2} times ({} and {})", shown(warm.middle(1)), shown(warm.middle(0))),
        ),
        Row::at_most(
            "the same with nothing compiled before, first-party plugin",
            "compiled before",
            more.as_secs_f64() * 1e3,
            20.0,
            " ms more",
            &format!("{} more ({})", shown(more), shown(cold.middle(1))),
        ),
        Row::at_most(
            "release binary, stripped",
            "",
            bytes as f64 / 1e6,
            30.0,
            " MB",
            &format!("{:.2} MB", bytes as f64 / 1e6),
        ),
    ]
}

/// A Rust program that prints a line, optimised as cargo optimises.
fn hello(bench: &Bench) -> PathBuf {
    let source = bench.place("hello.rs");
    fs::write(&source, "fn main() { println!(\"hello, world\"); }").expect("the directory is ours");
    compiled(bench, &source, "hello")
}

/// A program of one file.
pub(crate) fn compiled(bench: &Bench, source: &std::path::Path, name: &str) -> PathBuf {
    let program = bench.place(name);
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(compiler)
        .args(["--edition", "2024", "-C", "opt-level=3", "-o"])
        .args([&program, source])
        .stdin(Stdio::null())
        .status()
        .expect("whoever runs cargo has rustc");
    assert!(status.success(), "{} was not compiled", source.display());
    program
}

/// How long `coffer` takes, in the middle of several.
pub(crate) fn middle(bench: &Bench, home: &std::path::Path, arguments: &[&str]) -> Duration {
    Rounds::of(15, [&mut || whole(&mut bench.coffer(home, arguments))]).middle(0)
}
