//! How long `coffer secrets get` takes as a whole process when the plugin was compiled before, beside a
//! Rust program that does nothing but print a line, so that what the machine itself takes is seen too.
//!
//! It prints and asserts nothing: times belong to the machine. `just bench` compiles it alone, for `cargo
//! bench` would compile everything below coffer a second time, and names the release binary in `COFFER_BIN`.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark starts processes, makes their surroundings and prints"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Runs of each program. The two take turns, so that whatever else the machine does is shared by both.
const RUNS: usize = 200;

/// Runs before those that count.
const WARM_UPS: usize = 10;

const KEY: &str = "benchmark";

fn main() {
    let program = env::var_os("COFFER_BIN").map(PathBuf::from);
    let program = program.or_else(|| option_env!("CARGO_BIN_EXE_coffer").map(PathBuf::from));
    let Some(program) = program else {
        println!("name the binary in COFFER_BIN; `just bench` does");
        return;
    };
    let directory = env::temp_dir().join(format!("coffer-bench-{}", std::process::id()));
    fs::create_dir(&directory).expect("there is a place for temporary files");
    measure(&program, &directory);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

fn measure(program: &Path, directory: &Path) {
    let hello = hello(directory);
    let home = directory.join("home");
    fs::create_dir(&home).expect("the directory is new");
    fs::write(home.join("config.yaml"), "default-secrets-plugin: filesystem\n")
        .expect("the directory is ours");
    let value = directory.join("value");
    fs::write(&value, "a value of usual length").expect("the directory is ours");
    let mut from = OsString::from("@");
    from.push(&value);
    let coffer = || {
        let mut command = Command::new(program);
        command.env_clear().env("COFFER_HOME", &home);
        command
    };
    let mut put = coffer();
    put.args(["secrets", "put", KEY]).arg(from);
    let cold = time(&mut put);

    let mut programs = [
        ("hello world", Command::new(hello), Vec::new()),
        ("coffer version", coffer(), Vec::new()),
        ("coffer secrets get", coffer(), Vec::new()),
    ];
    programs[1].1.arg("version");
    programs[2].1.args(["secrets", "get", KEY, "--reveal"]);
    for run in 0..WARM_UPS + RUNS {
        for (_, command, times) in &mut programs {
            let taken = time(command);
            if run >= WARM_UPS {
                times.push(taken);
            }
        }
    }
    println!("secrets put, nothing compiled before: {}", shown(cold));
    println!("medians of {RUNS} runs of each whole process:");
    let [base, ..] = programs.each_mut().map(|(name, _, times)| {
        times.sort_unstable();
        let median = times[times.len() / 2];
        let (fast, slow) = (times[times.len() / 10], times[times.len() * 9 / 10]);
        println!(
            "  {name:20} {} (of ten, one is faster than {}, one slower than {})",
            shown(median),
            shown(fast),
            shown(slow)
        );
        median
    });
    let get = programs[2].2[programs[2].2.len() / 2];
    println!("secrets get / hello world: {:.1}", get.as_secs_f64() / base.as_secs_f64());
    println!("secrets get - hello world: {}", shown(get.saturating_sub(base)));
}

fn time(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the program is there");
    let taken = begun.elapsed();
    assert!(status.success(), "{command:?} failed");
    taken
}

fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// A Rust program that prints a line, optimised as cargo optimises.
fn hello(directory: &Path) -> PathBuf {
    let source = directory.join("hello.rs");
    let program = directory.join("hello");
    fs::write(&source, "fn main() { println!(\"hello, world\"); }").expect("the directory is ours");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(compiler)
        .args(["-C", "opt-level=3", "-o"])
        .args([&program, &source])
        .status()
        .expect("whoever runs cargo has rustc");
    assert!(compiled.success(), "the program to compare with was not compiled");
    program
}
