use super::super::shim::{Bench, CANARY, operation, output};
use super::super::{Driver, DriverError, Operation};
use coffer_host::{Blame, Explain as _, Secret};
use std::future::{pending, ready};
use std::io;

/// An entry point that reaches for nothing.
fn component(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $entry (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $entry)))"#
    );
    wat::parse_str(text).unwrap()
}

fn of(content: Vec<u8>) -> Operation {
    let mut operation = operation();
    operation.image.kind = "wasm".into();
    operation.image.content = Some(content);
    operation
}

#[tokio::test]
async fn the_entry_point_has_what_it_is_given_and_nothing_else() {
    let bench = Bench::new();
    let mut operation = of(wat::parse_str(include_str!("copier.wat")).unwrap());
    operation.environment.insert("PASSWORD".into(), CANARY.into());
    // The sandbox is no native program: this name orders nobody about there.
    operation.environment.insert("PATH".into(), "/x".into());
    operation.files.insert("/cnab/app/secret".into(), "from a file".into());
    operation.parameters.insert("count".into(), 3.into());
    let (ended, stdout, stderr) = bench.run("wasm", operation, pending()).await;
    let ended = ended.unwrap();
    assert_eq!((ended.exit_code, stderr.as_str()), (0, ""));
    let expected = format!(
        "CNAB_ACTION=install\nCNAB_BUNDLE_NAME=sensitive-data\nCNAB_BUNDLE_VERSION=0.1.0\n\
         CNAB_INSTALLATION_NAME=demo\nCNAB_INSTALLATION_NAMESPACE=dev\nCNAB_REVISION=01JDEMO\n\
         PASSWORD={CANARY}\nPATH=/x\n"
    );
    assert_eq!(stdout, expected);
    assert_eq!(output(&ended, "name"), Some("from a file"));
}

#[tokio::test]
async fn an_entry_point_that_fails_ends_with_its_status() {
    let bench = Bench::new();
    let (ended, ..) = bench.run("wasm", of(component("i32.const 1")), pending()).await;
    let ended = ended.unwrap();
    assert_eq!(ended.exit_code, 1);
    assert!(ended.outputs.is_empty());
    let error = ended.failure().unwrap();
    assert_eq!(error.to_string(), "the bundle's entry point failed: exit status 1");
    assert_eq!(error.blame(), Blame::Requester);
    let (ended, ..) = bench.run("wasm", of(component("i32.const 0")), pending()).await;
    assert!(ended.unwrap().failure().is_none());
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let bench = Bench::new();
    let check = async |operation: Operation, expected: &str| {
        let (ended, ..) = bench.run("wasm", operation, pending()).await;
        let error = ended.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    check(operation(), "the driver wasm does not run images of the kind `docker`").await;
    check(of(b"#!/bin/sh".to_vec()), "the bundle's entry point cannot be loaded").await;
    check(of(component("unreachable")), "the entry point crashed: it gave up").await;
    let mut without = of(vec![]);
    without.image.content = None;
    check(without, "the bundle's entry point is a component, and its bytes").await;
    let mut binary = of(component("i32.const 0"));
    binary.environment.insert("BINARY".into(), Secret::new(vec![0xff]));
    check(binary, "the value for the variable `BINARY` is not text").await;
    let mut through = of(component("i32.const 0"));
    through.files.insert("/cnab/app/outputs".into(), CANARY.into());
    check(through, "the file `/cnab/app/outputs` cannot be given").await;
}

#[tokio::test]
async fn an_image_is_checked_without_running_it() {
    let bench = Bench::new();
    let machine = bench.machine();
    let driver = Driver::Wasm;
    driver.check(&machine, &of(component("unreachable")).image).await.unwrap();
    let error = driver.check(&machine, &of(b"\0asm".to_vec()).image).await.unwrap_err();
    assert!(matches!(error, DriverError::Component(_)), "{error}");
}

/// On one thread: the guest must give it up for `cancelled` to be seen at all.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_entry_point_can_be_cancelled() {
    let bench = Bench::new();
    // It says something first, so that it is known to run.
    let endless = include_str!("copier.wat")
        .replace("(call $get-directories (i32.const 0))", "(loop $again (br $again))");
    let (running, is_running) = tokio::sync::oneshot::channel();
    let stdout = Box::new(Told(Some(running)));
    let cancelled = async { is_running.await.unwrap() };
    let machine = bench.machine();
    let endless = of(wat::parse_str(endless).unwrap());
    let ended = Driver::Wasm.run(&machine, endless, stdout, Box::new(io::sink()), cancelled).await;
    assert!(matches!(ended, Err(DriverError::Cancelled)), "{ended:?}");
    // Before it begins, too.
    let (ended, ..) = bench.run("wasm", of(component("i32.const 0")), ready(())).await;
    assert!(matches!(ended, Err(DriverError::Cancelled)), "{ended:?}");
}

/// Tells of the first write.
struct Told(Option<tokio::sync::oneshot::Sender<()>>);

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(told) = self.0.take() {
            told.send(()).unwrap();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
