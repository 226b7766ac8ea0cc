use super::super::shim::{Bench, CANARY, HANG, TICK, operation, output};
use super::super::{Driver, DriverError, Machine, Operation, OutputRefused, limits};
use coffer_host::{Blame, Explain as _, Secret};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::future::pending;

/// A driver that answers what it handles, and otherwise runs `script`.
fn driver(bench: &Bench, script: &str) {
    bench.program(
        "cnab-shim",
        &format!("if [ \"$*\" = --handles ]; then echo 'qcow, docker'; exit; fi\n{script}"),
    );
}

#[tokio::test]
async fn values_are_in_the_environment_and_on_standard_input_only() {
    let bench = Bench::new();
    driver(
        &bench,
        r#"
        cat /proc/$$/cmdline >"$here/argv"
        cat >"$here/operation.json"
        printf %s "$PASSWORD" >"$here/password"
        printf %s "$CNAB_VARS" >"$here/vars"
        printf %s generated >"$CNAB_OUTPUT_DIR/cnab/app/outputs/name"
        stat -c %a "$CNAB_OUTPUT_DIR" >"$here/mode"
        echo out
        echo err >&2
        "#,
    );
    let mut operation = operation();
    operation.parameters.insert("count".into(), 3.into());
    operation.environment.insert("PASSWORD".into(), CANARY.into());
    operation.files.insert("/cnab/app/secret".into(), "in a \"file\"\n".into());
    operation.image.digest = Some("sha256:00".into());
    let (ended, stdout, stderr) = bench.run("command:shim", operation, pending()).await;
    let ended = ended.unwrap();
    assert_eq!((ended.exit_code, stdout.as_str(), stderr.as_str()), (0, "out\n", "err\n"));
    assert_eq!(output(&ended, "name"), Some("generated"));
    assert!(bench.text("argv").ends_with("/cnab-shim\0"), "{}", bench.text("argv"));
    assert_eq!(bench.text("password"), CANARY);
    assert_eq!(bench.text("mode"), "700\n");
    let own = "CNAB_ACTION,CNAB_BUNDLE_NAME,CNAB_BUNDLE_VERSION,CNAB_INSTALLATION_NAME,\
               CNAB_INSTALLATION_NAMESPACE,CNAB_REVISION";
    assert_eq!(bench.text("vars"), format!("{own},PASSWORD,CNAB_OUTPUT_DIR"));
    let read: Value = serde_json::from_str(&bench.text("operation.json")).unwrap();
    let expected = json!({
        "installation_name": "demo",
        "revision": "01JDEMO",
        "action": "install",
        "parameters": { "count": 3 },
        "image": {
            "imageType": "docker", "image": "example/image:v1", "contentDigest": "sha256:00",
        },
        "environment": {
            "CNAB_ACTION": "install",
            "CNAB_BUNDLE_NAME": "sensitive-data",
            "CNAB_BUNDLE_VERSION": "0.1.0",
            "CNAB_INSTALLATION_NAME": "demo",
            "CNAB_INSTALLATION_NAMESPACE": "dev",
            "CNAB_REVISION": "01JDEMO",
            "PASSWORD": CANARY,
        },
        "files": { "/cnab/app/secret": "in a \"file\"\n" },
        "outputs": { "/cnab/app/outputs/name": "name" },
        "Bundle": { "name": "sensitive-data", "version": "0.1.0" },
    });
    assert_eq!(read, expected);
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn a_driver_that_fails_loses_no_output() {
    let bench = Bench::new();
    driver(&bench, "printf generated >$CNAB_OUTPUT_DIR/cnab/app/outputs/name; exit 3");
    let (ended, ..) = bench.run("command:shim", operation(), pending()).await;
    let ended = ended.unwrap();
    assert_eq!((ended.exit_code, output(&ended, "name")), (3, Some("generated")));
    // Ended by a signal.
    driver(&bench, "kill -9 $$");
    let (ended, ..) = bench.run("command:shim", operation(), pending()).await;
    assert_eq!(ended.unwrap().exit_code, 137);
}

#[tokio::test]
async fn only_plain_files_in_their_place_are_outputs() {
    let bench = Bench::new();
    bench.program("secret-of-the-host", CANARY);
    let check = async |script: &str, expected: Result<Option<&str>, OutputRefused>| {
        driver(
            &bench,
            &format!(
                "printf good >$CNAB_OUTPUT_DIR/cnab/app/outputs/good\ncd $CNAB_OUTPUT_DIR/cnab/app/outputs\n{script}"
            ),
        );
        let mut operation = operation();
        operation.outputs.insert("/cnab/app/outputs/deep/er".into(), "deep\u{1b}er".into());
        operation.outputs.insert("/cnab/app/outputs/good".into(), "good".into());
        let (ended, ..) = bench.run("command:shim", operation, pending()).await;
        let ended = ended.unwrap();
        assert_eq!(output(&ended, "good"), Some("good"), "{script}");
        let other = output(&ended, "name").or(output(&ended, "deep\u{1b}er"));
        let actual = match ended.refused.as_slice() {
            [] => Ok(other),
            [DriverError::Output { name, refused }] => {
                assert!(name == "name" || name == "deep\\u{1b}er", "{name}");
                Err(*refused)
            }
            several => panic!("{script}: {several:?}"),
        };
        assert_eq!(actual, expected, "{script}");
        assert!(bench.left().is_empty(), "{script}");
    };
    let not_file = || Err(OutputRefused::NotFile);
    check("", Ok(None)).await;
    check("printf x >name", Ok(Some("x"))).await;
    check("mkdir deep; printf x >deep/er", Ok(Some("x"))).await;
    check("ln -s \"$here/secret-of-the-host\" name", not_file()).await;
    check("ln -s good name", not_file()).await;
    check("ln -s \"$here\" deep; cp \"$here/secret-of-the-host\" \"$here/er\"", not_file()).await;
    check("ln -s . deep; printf x >er", not_file()).await;
    check("ln \"$here/secret-of-the-host\" name", not_file()).await;
    check("mkfifo name", not_file()).await;
    check("mkdir name", not_file()).await;
    check("printf x >deep", not_file()).await;
    check("truncate -s 16777217 name", Err(OutputRefused::TooLarge)).await;
    // A link in the place of a directory that coffer made.
    check(
        "cp good \"$here/good\"; cp good \"$here/name\"; cd ..; mv outputs kept; mkdir outputs; cp kept/good outputs; ln -s \"$here\" outputs/deep",
        not_file(),
    )
    .await;
    // What a link of the run led to is still there.
    assert!(bench.text("secret-of-the-host").contains(CANARY));
}

#[tokio::test]
async fn much_in_and_much_out_at_once() {
    let bench = Bench::new();
    // It writes more than any pipe holds before it reads anything, on both ways.
    driver(
        &bench,
        "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; wc -c >\"$here/length\"",
    );
    let mut big = operation();
    big.files.insert("/big".into(), "x".repeat(5_000_000).into());
    let (ended, stdout, stderr) = bench.run("command:shim", big.clone(), pending()).await;
    assert_eq!(ended.unwrap().exit_code, 0);
    assert_eq!((stdout.len(), stderr.len()), (3_000_000, 3_000_000));
    let length: usize = bench.text("length").trim().parse().unwrap();
    assert!(length > 5_000_000, "{length}");
    // It need not read anything either.
    driver(&bench, "exit 0");
    let (ended, ..) = bench.run("command:shim", big, pending()).await;
    assert_eq!(ended.unwrap().exit_code, 0);
}

#[tokio::test]
async fn a_cancelled_run_takes_its_whole_family_along() {
    let bench = Bench::new();
    let (born, gone) = bench.life("life");
    driver(&bench, "(exec 3>\"$here/life\"; echo >&3; sleep 1000) & wait");
    let (ended, ..) = bench.run("command:shim", operation(), born).await;
    assert!(matches!(ended, Err(DriverError::Cancelled)), "{ended:?}");
    gone.await;
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_ends() {
    let bench = Bench::new();
    let (born, gone) = bench.life("life");
    driver(&bench, "(exec 3>\"$here/life\"; echo >&3; sleep 1000) & wait");
    tokio::select! {
        (ended, ..) = bench.run("command:shim", operation(), pending()) => panic!("{ended:?}"),
        () = born => {}
    }
    gone.await;
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn what_a_driver_leaves_running_ends_with_it() {
    let bench = Bench::new();
    let (born, gone) = bench.life("life");
    // It holds standard output open, too.
    driver(&bench, "exec 3>\"$here/life\"; echo >&3; sleep 1000 & echo done");
    let (ended, stdout, _) = bench.run("command:shim", operation(), pending()).await;
    assert_eq!((ended.unwrap().exit_code, stdout.as_str()), (0, "done\n"));
    born.await;
    gone.await;
}

#[tokio::test]
async fn a_driver_must_be_there_and_handle_the_image() {
    let bench = Bench::new();
    let missing = "there is no program `cnab-shim` on PATH";
    let check = async |machine: &Machine<'_>, expected: &str| {
        let shim: Driver = "shim".parse().unwrap();
        let checked = shim.check(machine, &operation().image).await;
        let message = checked.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(message, expected);
        if let Err(error) = checked {
            assert_eq!(error.blame(), Blame::Operator);
            assert!(error.next().contains("cnab-shim") || message.contains("cnab-shim"));
        }
    };
    check(&bench.machine(), missing).await;
    std::os::unix::net::UnixListener::bind(bench.path("cnab-shim")).unwrap();
    check(&bench.machine(), missing).await;
    bench.remove("cnab-shim");
    bench.program("cnab-shim", "printf 'qcow, docker\n'");
    check(&bench.machine(), "").await;
    check(&Machine { path: None, ..bench.machine() }, missing).await;
    // It leads there, from wherever the tests are run.
    let mut relative = OsString::from("../".repeat(64));
    relative.push(bench.path("").strip_prefix("/").unwrap());
    check(&Machine { path: Some(relative), ..bench.machine() }, missing).await;
    bench.program("cnab-shim", "echo qcow,dockerx");
    let unhandled = "the driver cnab-shim does not run images of the kind `docker`";
    check(&bench.machine(), unhandled).await;
    bench.program("cnab-shim", "echo docker; exit 2");
    check(&bench.machine(), "`cnab-shim --handles` failed (exit status 2)").await;
    bench.program("cnab-shim", "while :; do echo docker; done");
    let long = format!("the answer of cnab-shim is longer than {} bytes", limits::PROBE_BYTES_MAX);
    check(&bench.machine(), &long).await;
}

#[tokio::test]
async fn a_driver_answers_in_time() {
    let ask = async |time, goes_on| {
        let bench = Bench::new();
        bench.program("cnab-shim", &format!("{HANG}; echo docker"));
        let (shim, machine, image) =
            ("shim".parse::<Driver>().unwrap(), bench.machine(), operation().image);
        bench.hanging(time, goes_on, shim.check(&machine, &image)).await
    };
    ask(limits::PROBE_MAX - TICK, true).await.unwrap();
    match ask(limits::PROBE_MAX + TICK, false).await {
        Err(DriverError::Deadline { what, after }) => {
            assert_eq!((what.as_str(), after), ("cnab-shim", limits::PROBE_MAX));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_runs_with_what_a_driver_cannot_be_given() {
    let bench = Bench::new();
    driver(&bench, "touch \"$here/ran\"");
    let check = async |change: fn(&mut Operation), expected: &str| {
        let mut operation = operation();
        change(&mut operation);
        let (ended, ..) = bench.run("command:shim", operation, pending()).await;
        let error = ended.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains(CANARY), "{error}");
        assert_eq!(bench.text("ran"), "");
    };
    fn binary() -> Secret {
        [CANARY.as_bytes(), b"\xff"].concat().into()
    }
    check(|o| drop(o.environment.insert("B".into(), binary())), "`B` is not text").await;
    check(|o| drop(o.files.insert("/b".into(), binary())), "the file `/b` is not UTF-8").await;
    check(|o| drop(o.environment.insert("BASH_ENV".into(), CANARY.into())), "`BASH_ENV`").await;
    check(|o| drop(o.files.insert("/../b".into(), CANARY.into())), "the path `/../b`").await;
    // Two runs of one id would share a directory.
    let held = bench.scratch.run("01JDEMO").unwrap();
    check(|_| {}, "the directory for the run's files cannot be used").await;
    drop(held);
}

/// Each output fits, and all together do not: those that have no room any more are refused.
#[tokio::test]
async fn outputs_are_bounded_together() {
    let bench = Bench::new();
    let count = limits::OUTPUTS_BYTES_MAX / limits::OUTPUT_BYTES_MAX + 1;
    let size = limits::OUTPUT_BYTES_MAX;
    driver(
        &bench,
        &format!(
            "cd $CNAB_OUTPUT_DIR/cnab/app/outputs; for i in $(seq {count}); do truncate -s {size} $i; done"
        ),
    );
    let mut operation = operation();
    operation.outputs =
        (1..=count).map(|n| (format!("/cnab/app/outputs/{n}"), n.to_string())).collect();
    let (ended, ..) = bench.run("command:shim", operation, pending()).await;
    let ended = ended.unwrap();
    assert_eq!(ended.outputs.len(), count - 1);
    let bytes: usize = ended.outputs.values().map(|output| output.expose().len()).sum();
    assert_eq!(bytes, limits::OUTPUTS_BYTES_MAX);
    let refused: Vec<_> = ended.refused.iter().map(ToString::to_string).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
}
