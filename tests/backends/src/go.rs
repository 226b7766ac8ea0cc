//! Programs in Go, built from their modules.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is built of a module.
#[derive(Clone, Copy)]
pub(crate) enum Program<'a> {
    /// A program of ours that uses it, by its text.
    Ours(&'a str),
    /// One of its packages.
    Theirs(&'a str),
}

/// Builds `program` of `module` in the version that `requires` says, and puts it into `folder` as `name`.
pub(crate) fn build(
    folder: &Path,
    requires: &str,
    module: &str,
    program: Program<'_>,
    name: &str,
) -> PathBuf {
    build_mended(folder, requires, module, program, name, &[])
}

/// A piece of a module's file, and what is compiled in its place.
pub(crate) struct Mend {
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
    pub(crate) instead: &'static str,
}

/// As [`build`], with faults of the module mended.
pub(crate) fn build_mended(
    folder: &Path,
    requires: &str,
    module: &str,
    program: Program<'_>,
    name: &str,
    mends: &[Mend],
) -> PathBuf {
    let building = tempfile::tempdir_in(folder).unwrap();
    let go = |arguments: &[&str]| {
        let output = Command::new("go")
            .args(arguments)
            .current_dir(building.path())
            .env("CGO_ENABLED", "0")
            .stderr(Stdio::inherit())
            .output()
            .unwrap_or_else(|error| panic!("Go builds {name}, so it has to be on PATH: {error}"));
        assert!(
            output.status.success(),
            "`go {}` ended with {}",
            arguments.join(" "),
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    };
    fs::write(building.path().join("go.mod"), requires).unwrap();
    // The sums are the module's own, which come with it.
    let listed = go(&["list", "-mod=mod", "-m", "-f", "{{.Version}}", module]);
    let versioned = format!("{module}@{}", listed.trim());
    let downloaded: Value =
        serde_json::from_str(&go(&["mod", "download", "-json", &versioned])).unwrap();
    let source = Path::new(downloaded["Dir"].as_str().unwrap());
    let mut sums = fs::read_to_string(source.join("go.sum")).unwrap();
    for (file, sum) in [("", "Sum"), ("/go.mod", "GoModSum")] {
        sums +=
            &format!("{module} {}{file} {}\n", listed.trim(), downloaded[sum].as_str().unwrap());
    }
    fs::write(building.path().join("go.sum"), sums).unwrap();
    if let Program::Ours(ours) = program {
        fs::write(building.path().join("main.go"), ours).unwrap();
    }
    if !mends.is_empty() {
        // Go compiles a module as it was published, or from a folder that is named.
        let mended = building.path().join("mended");
        let mut copy = Command::new("cp");
        let copied = copy.args(["-r", "--no-preserve=mode"]).arg(source).arg(&mended).status();
        assert!(copied.unwrap().success());
        for Mend { file, text, instead } in mends {
            let file = mended.join(file);
            let all = fs::read_to_string(&file).unwrap();
            assert_eq!(all.matches(text).count(), 1, "{} is another one", file.display());
            fs::write(&file, all.replace(text, instead)).unwrap();
        }
        go(&["mod", "edit", &format!("-replace={module}=./mended")]);
    }
    let what = match program {
        Program::Ours(_) => ".",
        Program::Theirs(package) => package,
    };
    go(&["build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", name, what]);
    let program = folder.join(name);
    fs::rename(building.path().join(name), &program).unwrap();
    program
}
