//! What a worker may take, each bound from both sides.

use crate::stage::{Stage, ask, contains, granted, refused, runs, signal, until};
use coffer_host::Blame;
use coffer_host::limits::{
    HANDLES_MAX, Limits, WORKER_BYTES, WORKER_FILE_BYTES_MAX, WORKER_INSTANCE_BYTES,
    WORKER_START_MAX, WORKER_THREADS_MAX,
};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The worker that is stopped, which comes soon. Not by the test's clock, which stands still.
async fn stopped(stage: &Stage) -> String {
    let begun = Instant::now();
    loop {
        let is_stopped = |worker: &String| {
            let status = fs::read_to_string(format!("/proc/{worker}/stat"));
            status.is_ok_and(|status| status.contains(") T "))
        };
        if let Some(worker) = stage.workers().into_iter().find(is_stopped) {
            return worker;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no worker is stopped");
        tokio::task::yield_now().await;
    }
}

/// Not by the test's clock, either.
async fn a_minute() {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        tokio::task::yield_now().await;
    }
}

/// One that takes its time, and goes on just before it is up; and one that does not.
#[tokio::test(start_paused = true)]
async fn a_worker_has_so_long_to_start() {
    let stage = Stage::new();
    // As long as something blocks, time goes by only as it is told to below.
    let (_over, blocks) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || blocks.recv());
    for in_time in [true, false] {
        let store = stage.store("late", "state_memory", json!({}), Limits::default());
        let let_go = async {
            let worker = stopped(&stage).await;
            if in_time {
                tokio::time::advance(WORKER_START_MAX - Duration::from_millis(1)).await;
                signal(&worker, libc::SIGCONT);
            } else {
                tokio::time::advance(WORKER_START_MAX).await;
            }
            worker
        };
        let both = async { tokio::join!(ask(&store, "k"), let_go) };
        let (answer, worker) = tokio::select! {
            both = both => both,
            () = a_minute() => panic!("it is waited for longer"),
        };
        if in_time {
            answer.unwrap();
        } else {
            contains(&refused(answer, "host", Blame::Host), "its worker did not start in time");
            until("it is ended", || !runs(&worker)).await;
        }
    }
}

#[tokio::test]
async fn a_file_has_so_many_bytes() {
    let stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    let store = stage.escaped(granted(directory.path(), "read-write"));
    let grow = |bytes: u64| ask(&store, format!("grow {} {bytes}", file.display()));
    assert_eq!(grow(WORKER_FILE_BYTES_MAX).await.unwrap(), "done");
    let text = refused(grow(WORKER_FILE_BYTES_MAX + 1).await, "limit", Blame::Plugin);
    contains(&text, "bytes of one file");
    assert_eq!(fs::metadata(file).unwrap().len(), WORKER_FILE_BYTES_MAX);
}

/// Threads that wait for files are made as they are needed, and not beyond.
#[tokio::test]
async fn a_worker_has_so_many_threads() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    let worker = ask(&store, "pid").await.unwrap();
    let threads = || fs::read_dir(format!("/proc/{worker}/task")).unwrap().count();
    let before = threads();
    for (more, expected) in [
        (WORKER_THREADS_MAX - 1, WORKER_THREADS_MAX - 1),
        (1, WORKER_THREADS_MAX),
        (1, WORKER_THREADS_MAX),
    ] {
        assert_eq!(ask(&store, format!("threads {more}")).await.unwrap(), "done");
        assert_eq!(threads() - before, expected);
    }
}

/// What the kernel holds it to, as it says itself, unless this process has less already.
#[tokio::test]
async fn the_kernel_knows_its_bounds() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    let worker = ask(&store, "pid").await.unwrap();
    // What is in effect, and the most.
    let bounds = |id: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let mut words = line.split_whitespace().map(|word| word.parse().unwrap_or(u64::MAX));
        [words.next().unwrap(), words.next().unwrap()]
    };
    let Limits { memory, concurrency, .. } = Limits::default();
    let instances = concurrency as u64;
    for (name, most) in [
        ("Max core file size", 0),
        ("Max open files", instances * HANDLES_MAX as u64 + WORKER_THREADS_MAX as u64),
        ("Max file size", WORKER_FILE_BYTES_MAX),
        ("Max data size", WORKER_BYTES + instances * (memory as u64 + WORKER_INSTANCE_BYTES)),
    ] {
        let most = most.min(bounds("self", name)[1]);
        assert_eq!(bounds(&worker, name), [most, most], "{name}");
    }
}
