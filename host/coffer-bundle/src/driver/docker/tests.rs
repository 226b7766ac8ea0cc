use super::super::shim::{Bench, CANARY, HANG, TICK, operation, output};
use super::super::{Driver, DriverError, Operation, OutputRefused};
use super::*;
use coffer_host::{Blame, Explain as _};
use std::future::pending;
use std::io::Read as _;
use tar::{Archive, Builder, EntryType, Header};

/// A docker that records what it is asked for and plays an engine with one container. Each step can be
/// replaced; `$1` is docker's own first argument.
fn docker(bench: &Bench, step: &str) {
    bench.program(
        "docker",
        &format!(
            r#"
            printf '%s\n' "$*" >>"$here/calls"
            # Who sees the value in its environment.
            [ -z "${{PASSWORD-}}" ] || echo "$1 $PASSWORD" >>"$here/saw"
            {step}
            case "$1 $2" in
            "cp -") cat >"$here/in.tar" ;;
            "cp "*) cat "$here/out.tar" ;;
            "container inspect")
                case "$4" in
                *User*) echo 65532:65533 ;;
                *) echo "exited 3" ;;
                esac ;;
            "start "*) echo out; echo err >&2; exit 3 ;;
            esac
            "#
        ),
    );
}

/// An archive as docker makes it of the directory of outputs.
fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = Header::new_gnu();
        // Written as it is: the library refuses some of these paths.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let is_file = *kind == EntryType::Regular;
        header.set_size(if is_file { content.len() as u64 } else { 0 });
        if !is_file && *kind != EntryType::Directory {
            header.set_link_name(content).unwrap();
        }
        header.set_cksum();
        archive.append(&header, if is_file { content.as_bytes() } else { b"" }).unwrap();
    }
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn a_container_is_made_filled_run_emptied_and_removed() {
    let bench = Bench::new();
    docker(&bench, "");
    let outputs = archive(&[
        ("outputs/", EntryType::Directory, ""),
        ("outputs/name", EntryType::Regular, "generated"),
    ]);
    bench.files.write("out.tar", outputs).unwrap();
    let mut operation = operation();
    let digest = format!("sha256:{}", "0a".repeat(32));
    operation.image.digest = Some(digest.clone());
    operation.environment.insert("PASSWORD".into(), CANARY.into());
    let long = format!("/cnab/{}/file", "long/".repeat(60).trim_end_matches('/'));
    operation.files.insert(long.clone(), format!("{CANARY} in a file").into());
    let (ended, stdout, stderr) = bench.run("docker", operation, pending()).await;
    let ended = ended.unwrap();
    assert_eq!((ended.exit_code, stdout.as_str(), stderr.as_str()), (3, "out\n", "err\n"));
    assert_eq!(output(&ended, "name"), Some("generated"));
    let expected = format!(
        "create --name coffer-01JDEMO --entrypoint /cnab/app/run --log-driver none \
         --label coffer.run=01JDEMO --label coffer.action=install \
         --label coffer.installation=dev/demo --env CNAB_ACTION --env CNAB_BUNDLE_NAME \
         --env CNAB_BUNDLE_VERSION --env CNAB_INSTALLATION_NAME \
         --env CNAB_INSTALLATION_NAMESPACE --env CNAB_REVISION --env PASSWORD \
         -- example/image:v1@{digest}\n\
         container inspect --format {{{{.Config.User}}}} coffer-01JDEMO\n\
         cp - coffer-01JDEMO:/\n\
         start --attach coffer-01JDEMO\n\
         container inspect --format {{{{.State.Status}}}} {{{{.State.ExitCode}}}} coffer-01JDEMO\n\
         cp coffer-01JDEMO:/cnab/app/outputs -\n\
         rm --force --volumes coffer-01JDEMO\n"
    );
    assert_eq!(bench.text("calls"), expected);
    assert_eq!(bench.text("saw"), format!("create {CANARY}\n"));
    let mut files = Vec::new();
    for entry in Archive::new(bench.files.open("in.tar").unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let header = entry.header();
        let ids = (header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap());
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        files.push((path, ids, content));
    }
    let expected = [
        ("cnab/app/outputs/".to_owned(), (65532, 65533, 0o700), String::new()),
        (long[1..].to_owned(), (65532, 65533, 0o600), format!("{CANARY} in a file")),
    ];
    assert_eq!(files, expected);
}

#[test]
fn files_belong_to_the_images_user() {
    let check = |user: &str, expected: Owner| assert_eq!(Owner::of(user), expected, "{user}");
    let numbered = |user, group| Owner::Numbered { user, group };
    check("", numbered(0, 0));
    check("root", numbered(0, 0));
    check("65532", numbered(65532, 0));
    check("65532:65533", numbered(65532, 65533));
    check("65532:staff", numbered(65532, 0));
    check("nonroot", Owner::Named);
    check("nonroot:nonroot", Owner::Named);
    check("-1", Owner::Named);
}

#[test]
fn only_expected_plain_files_are_outputs() {
    let check = |archive: &[u8], expected: Result<Option<&str>, OutputRefused>| {
        let outputs = operation().outputs;
        let mut ended = Ended { exit_code: 0, outputs: BTreeMap::new(), refused: Vec::new() };
        archive::unpack(archive, &outputs, &mut ended);
        let actual = match ended.refused.as_slice() {
            [] => Ok(output(&ended, "name")),
            [DriverError::Output { refused, .. }] => Err(*refused),
            several => panic!("{several:?}"),
        };
        assert_eq!(actual, expected);
        let others = ended.outputs.keys().filter(|name| *name != "name").count();
        assert_eq!(others, 0);
    };
    let file = EntryType::Regular;
    check(&archive(&[]), Ok(None));
    check(&[], Ok(None));
    check(&archive(&[("outputs/name", file, "x")]), Ok(Some("x")));
    check(&archive(&[("./outputs/name", file, "x")]), Ok(Some("x")));
    check(&archive(&[("outputs/other", file, "x"), ("name", file, "x")]), Ok(None));
    check(&archive(&[("outputs/../outputs/name", file, "x")]), Ok(None));
    check(&archive(&[("../outputs/name", file, "x")]), Ok(None));
    check(&archive(&[("/outputs/name", file, "x")]), Ok(None));
    let not_file = Err(OutputRefused::NotFile);
    check(&archive(&[("outputs/name", EntryType::Symlink, "/etc/passwd")]), not_file);
    check(&archive(&[("outputs/name", EntryType::Link, "outputs/x")]), not_file);
    check(&archive(&[("outputs/name", EntryType::Fifo, "x")]), not_file);
    let broken = archive(&[("outputs/name", file, &"x".repeat(2000))]);
    check(&broken[..1000], Err(OutputRefused::Unreadable(std::io::ErrorKind::UnexpectedEof)));
    let big = "x".repeat(limits::OUTPUT_BYTES_MAX + 1);
    check(&archive(&[("outputs/name", file, &big)]), Err(OutputRefused::TooLarge));
    check(&archive(&[("outputs/name", file, &big[1..])]), Ok(Some(&big[1..])));
}

#[tokio::test]
async fn each_step_has_its_time_and_no_more() {
    let steps = [
        ("create ", limits::CREATE_MAX),
        ("container ", limits::STEP_MAX),
        ("cp -", limits::STEP_MAX),
        ("cp coffer-", limits::STEP_MAX),
    ];
    let run = async |step: &str, time, goes_on| {
        let bench = Bench::new();
        docker(&bench, &format!("case \"$1 $2\" in \"{step}\"*) {HANG} ;; esac"));
        bench.files.write("out.tar", archive(&[])).unwrap();
        let (ended, ..) =
            bench.hanging(time, goes_on, bench.run("docker", operation(), pending())).await;
        let calls = bench.text("calls");
        assert!(calls.ends_with("\nrm --force --volumes coffer-01JDEMO\n"), "{calls}");
        ended
    };
    for (step, max) in steps {
        let ended = run(step, max - TICK, true).await.unwrap();
        assert_eq!(ended.exit_code, 3, "{step}");
        match run(step, max + TICK, false).await {
            Err(DriverError::Deadline { what, after }) => {
                assert_eq!((what.as_str(), after), ("docker", max), "{step}");
            }
            other => panic!("{step}: {other:?}"),
        }
    }
    // The run is what it is when its container cannot be removed in time.
    let ended = run("rm ", limits::STEP_MAX + TICK, false).await.unwrap();
    assert_eq!(ended.exit_code, 3);
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let answer = async |bytes: usize| {
        let bench = Bench::new();
        docker(
            &bench,
            &format!("case \"${{4-}}\" in *User*) printf '%-{bytes}s' 65532:65533; exit ;; esac"),
        );
        bench.files.write("out.tar", archive(&[])).unwrap();
        bench.run("docker", operation(), pending()).await.0.map(|ended| ended.exit_code)
    };
    assert_eq!(answer(limits::ANSWER_BYTES_MAX).await.unwrap(), 3);
    let error = answer(limits::ANSWER_BYTES_MAX + 1).await.unwrap_err();
    let expected =
        DriverError::TooLong { what: "docker".into(), bytes_max: limits::ANSWER_BYTES_MAX };
    assert_eq!(error.to_string(), expected.to_string());
}

#[tokio::test]
async fn a_container_is_removed_whatever_fails() {
    let check = async |step: &str, expected: &str| {
        let bench = Bench::new();
        docker(&bench, step);
        bench.files.write("out.tar", archive(&[])).unwrap();
        let (ended, _, stderr) = bench.run("docker", operation(), pending()).await;
        let error = ended.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.blame(), Blame::Host);
        assert_eq!(stderr.contains("no engine"), step.contains("no engine"), "{stderr}");
        let calls = bench.text("calls");
        assert!(calls.ends_with("\nrm --force --volumes coffer-01JDEMO\n"), "{calls}");
    };
    check(
        "[ $1 != create ] || { echo no engine >&2; exit 125; }",
        "docker could not make the container (exit status 125)",
    )
    .await;
    check(
        "[ \"$1 $2\" != 'cp -' ] || exit 1",
        "docker could not copy the files into the container (exit status 1)",
    )
    .await;
    // docker's own failure to start it has the same status as an entry point's.
    check(
        "case \"$*\" in start*) exit 1 ;; *State*) echo 'created 0'; exit ;; esac",
        "docker could not start the container (exit status 1)",
    )
    .await;
    check(
        "case \"$*\" in *outputs*) exit 1 ;; esac",
        "docker could not copy the outputs out of the container (exit status 1)",
    )
    .await;
}

#[tokio::test]
async fn a_container_is_removed_when_its_run_is_cancelled() {
    let bench = Bench::new();
    let (born, gone) = bench.life("life");
    docker(&bench, "[ $1 != start ] || { exec 3>\"$here/life\"; echo >&3; sleep 1000; }");
    let (ended, ..) = bench.run("docker", operation(), born).await;
    assert!(matches!(ended, Err(DriverError::Cancelled)), "{ended:?}");
    gone.await;
    let calls = bench.text("calls");
    assert!(calls.ends_with("\nrm --force --volumes coffer-01JDEMO\n"), "{calls}");
}

#[tokio::test]
async fn a_container_is_removed_when_nobody_waits_for_its_run() {
    let bench = Bench::new();
    let (born, gone) = bench.life("life");
    let (removed, _) = bench.life("removed");
    docker(
        &bench,
        "case $1 in start) exec 3>\"$here/life\"; echo >&3; sleep 1000 ;; \
         rm) echo >\"$here/removed\" ;; esac",
    );
    tokio::select! {
        (ended, ..) = bench.run("docker", operation(), pending()) => panic!("{ended:?}"),
        () = born => {}
    }
    gone.await;
    removed.await;
}

#[tokio::test]
async fn a_bundle_does_not_choose_the_engine() {
    let bench = Bench::new();
    docker(&bench, "");
    let mut operation = operation();
    operation.environment.insert("DOCKER_HOST".into(), CANARY.into());
    let (ended, ..) = bench.run("docker", operation, pending()).await;
    let error = ended.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bundle wants to set the variable `DOCKER_HOST`, which changes the driver itself"
    );
    assert_eq!(bench.text("calls"), "");
}

#[tokio::test]
async fn the_engine_must_answer_and_the_image_be_one() {
    let bench = Bench::new();
    let check = async |change: fn(&mut Operation), expected: &str| {
        let mut operation = operation();
        change(&mut operation);
        let checked = Driver::Docker.check(&bench.machine(), &operation.image).await;
        let message = checked.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(message, expected);
    };
    check(|_| {}, "there is no program `docker` on PATH").await;
    docker(&bench, "exit 1");
    check(|_| {}, "docker could not reach its engine (exit status 1)").await;
    docker(&bench, "");
    check(|_| {}, "").await;
    check(|o| o.image.kind = "oci".into(), "").await;
    let kind = "the driver docker does not run images of the kind `wasm`";
    check(|o| o.image.kind = "wasm".into(), kind).await;
}

#[test]
fn a_reference_is_no_option_and_has_its_digest() {
    let sha = |byte: &str| format!("sha256:{}", byte.repeat(32));
    let check = |text: &str, digest: Option<&str>, expected: Option<&str>| {
        let mut image = operation().image;
        image.reference = text.into();
        image.digest = digest.map(str::to_owned);
        assert_eq!(reference(&image).ok().as_deref(), expected, "{text} {digest:?}");
    };
    let (a, b) = (sha("aa"), sha("bb"));
    let pinned = format!("localhost:5000/a/b:v1@{a}");
    check("a", None, Some("a"));
    check("localhost:5000/a/b:v1", Some(&a), Some(&pinned));
    check(&pinned, None, Some(&pinned));
    check(&pinned, Some(&a), Some(&pinned));
    check(&pinned, Some(&b), None);
    check("a", Some("sha256:aa"), None);
    check("a", Some(&a.to_uppercase()), None);
    check("a@latest", None, None);
    check("--privileged", None, None);
    check("-a", None, None);
    check("", None, None);
    check("a b", None, None);
    check("a\n", None, None);
    check("a;b", None, None);
    check(&"a".repeat(limits::IMAGE_REFERENCE_BYTES_MAX), None, Some(&"a".repeat(512)));
    check(&"a".repeat(limits::IMAGE_REFERENCE_BYTES_MAX + 1), None, None);
}
