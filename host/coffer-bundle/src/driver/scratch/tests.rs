use super::super::shim::{Bench, CANARY};
use super::*;
use std::os::unix::fs::MetadataExt as _;

#[test]
fn what_a_killed_run_left_is_swept_and_what_goes_on_is_not() {
    let bench = Bench::new();
    let user = rustix::process::geteuid().as_raw();
    let scratch = bench.files.open_dir(format!("coffer-{user}")).unwrap();
    for killed in ["01DEAD", "01KEPT"] {
        scratch.create_dir_all(format!("{killed}/cnab/app/outputs")).unwrap();
        scratch.write(format!("{killed}/cnab/app/outputs/name"), CANARY).unwrap();
    }
    scratch.create_dir("not-a-run").unwrap();
    let going_on = bench.scratch.run("01LIVE").unwrap();
    let mut swept = bench.scratch.sweep(|run| run == "01KEPT").unwrap();
    assert_eq!(swept, ["01DEAD"]);
    let mut left = bench.left();
    left.sort();
    assert_eq!(left, ["01KEPT", "01LIVE", "not-a-run"]);
    drop(going_on);
    swept = bench.scratch.sweep(|_| false).unwrap();
    assert_eq!(swept, ["01KEPT"]);
    assert_eq!(bench.left(), ["not-a-run"]);
}

#[test]
fn what_was_written_is_overwritten_and_what_a_link_leads_to_is_not() {
    let bench = Bench::new();
    bench.files.write("outside", CANARY).unwrap();
    bench.files.create_dir("elsewhere").unwrap();
    bench.files.write("elsewhere/file", CANARY).unwrap();
    let run = bench.scratch.run("01RUN").unwrap();
    let mode = run.directory.dir_metadata().unwrap();
    assert_eq!(cap_std::fs::MetadataExt::mode(&mode) & 0o777, 0o700);
    run.make_directories("/cnab/app").unwrap();
    run.directory.write("cnab/app/secret", CANARY).unwrap();
    let mut secret = run.directory.open("cnab/app/secret").unwrap().into_std();
    run.directory.symlink("../../elsewhere", "link").unwrap();
    bench.files.hard_link("outside", &run.directory, "second-name").unwrap();
    drop(run);
    assert!(bench.left().is_empty());
    let mut content = Vec::new();
    secret.read_to_end(&mut content).unwrap();
    assert_eq!(content, vec![0; CANARY.len()]);
    assert_eq!(secret.metadata().unwrap().nlink(), 0);
    assert_eq!(bench.text("outside"), CANARY);
    assert_eq!(bench.text("elsewhere/file"), CANARY);
}

#[test]
fn a_directory_that_others_can_reach_is_refused() {
    let check = |prepare: fn(&Dir, &str), expected: io::ErrorKind| {
        let directory = tempfile::tempdir().unwrap();
        let parent = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        let name = format!("coffer-{}", rustix::process::geteuid().as_raw());
        prepare(&parent, &name);
        let error = Scratch::open(&parent, directory.path()).unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
    };
    check(
        |parent, name| {
            parent.create_dir(name).unwrap();
            let open = <cap_std::fs::Permissions as cap_std::fs::PermissionsExt>::from_mode(0o755);
            parent.set_permissions(name, open).unwrap();
        },
        io::ErrorKind::PermissionDenied,
    );
    check(
        |parent, name| {
            parent.create_dir("elsewhere").unwrap();
            parent.symlink("elsewhere", name).unwrap();
        },
        io::ErrorKind::NotADirectory,
    );
    check(|parent, name| parent.write(name, "").unwrap(), io::ErrorKind::NotADirectory);
}

#[test]
fn memory_is_told_from_disk() {
    let is_in_memory = |path: &Path| {
        let parent = Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap();
        let own = tempfile::Builder::new().tempdir_in(path).unwrap();
        let parent = parent.open_dir(own.path().file_name().unwrap()).unwrap();
        Scratch::open(&parent, own.path()).unwrap().is_in_memory()
    };
    // Linux machines have it; where it is not, there is nothing to tell.
    let memory = Path::new("/dev/shm");
    if cfg!(target_os = "linux") && rustix::fs::stat(memory).is_ok() {
        assert!(is_in_memory(memory));
    }
    assert!(!is_in_memory(Path::new(env!("CARGO_MANIFEST_DIR"))));
}
