//! What a user would pick instead. Each is in `tests/bench/peers`, outside of the workspace, and is built here with
//! what the machine has; one that cannot be built is a row that says so.

use crate::bench::{Bench, runtime};
use crate::calls::{self, KEY, PLUGIN};
use crate::processes::compiled;
use crate::rounds::{Rounds, shown};
use crate::row::Row;
use coffer_host::{Host, StoreConfig};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Calls of one block, and rounds. A block is shorter than what a busy machine lets a process run at once.
const CALLS: u32 = 20;
const ROUNDS: usize = 150;

/// Rounds in which a process starts.
const STARTS: usize = 20;

const WHAT: &str = "one `resolve` in a fresh instance";

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let host = Host::builder().build().expect("the engine can be made");
    let store = bench.store(&host, PLUGIN, StoreConfig::default());
    let runtime = runtime();
    let mut ours = || calls::calls(&runtime, &store, CALLS);
    let mut rows = go_plugin(bench, &mut ours);
    rows.push(helper(bench, &mut ours));
    rows.push(Row::absent(
        WHAT,
        "an Extism plugin doing the same work, fresh per call",
        "Extism needs rustc 1.96 and its own engine, which takes longer to build than all of coffer; 213 us were \
         measured by hand",
        "at least 20 times as fast",
    ));
    rows
}

/// `other` took so many times as long as one of our calls.
fn row(against: &str, rounds: &Rounds<2>, per_block: u32, least: f64) -> Row {
    let ratio = rounds.ratio(1, 0) * f64::from(CALLS) / f64::from(per_block);
    let ours = shown(rounds.middle(0) / CALLS);
    let theirs = shown(rounds.middle(1) / per_block);
    let measured = format!("{ratio:.1} times ({ours} and {theirs})");
    Row::at_least(WHAT, against, ratio, least, " times as fast", &measured)
}

fn go_plugin(bench: &Bench, ours: &mut dyn FnMut() -> Duration) -> Vec<Row> {
    let call = "one unary RPC to a running go-plugin plugin in Go";
    let start = "starting that plugin, to the first reply";
    let mut peer = match built_with_go(bench) {
        Ok(program) => Peer::start(&program),
        Err(why) => {
            let absent = |against, least| {
                Row::absent(WHAT, against, &why, &format!("at least {least} times as fast"))
            };
            return vec![absent(call, 12), absent(start, 400)];
        }
    };
    let calling = Rounds::of(ROUNDS, [&mut *ours, &mut || peer.measure(&format!("calls {CALLS}"))]);
    let starting = Rounds::of(STARTS, [&mut *ours, &mut || peer.measure("start")]);
    vec![row(call, &calling, CALLS, 12.0), row(start, &starting, 1, 400.0)]
}

fn built_with_go(bench: &Bench) -> Result<PathBuf, String> {
    let program = bench.place("go-plugin");
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(bench.tree().join("tests/bench/peers/go-plugin"))
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|_| "there is no Go on PATH".to_owned())?;
    if output.status.success() {
        return Ok(program);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("go build: {}", said.lines().last().unwrap_or_default()))
}

/// A program that measures what it is told to, and says how many nanoseconds it took.
struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let orders = child.stdin.take().expect("it is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self { child, orders, answers }
    }

    fn measure(&mut self, what: &str) -> Duration {
        writeln!(self.orders, "{what}").expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        Duration::from_nanos(line.trim().parse().expect("it answers with a number"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It would end at the end of its input, which is dropped later.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is started for each call.
fn helper(bench: &Bench, ours: &mut dyn FnMut() -> Duration) -> Row {
    let program = compiled(bench, &bench.tree().join("tests/bench/peers/native.rs"), "native");
    let rounds = Rounds::of(ROUNDS, [ours, &mut || asked(&program)]);
    row("starting a native helper, one JSON round trip, its end", &rounds, 1, 80.0)
}

fn asked(program: &Path) -> Duration {
    let begun = Instant::now();
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was compiled");
    let mut orders = child.stdin.take().expect("it is a pipe");
    writeln!(orders, "{{\"key\":\"{KEY}\"}}").expect("it reads");
    let mut answer = String::new();
    child.stdout.take().expect("it is a pipe").read_to_string(&mut answer).expect("it answers");
    assert!(child.wait().expect("it ends").success(), "the helper failed");
    let taken = begun.elapsed();
    assert!(answer.contains(KEY), "{answer}");
    taken
}
