//! The binary under `tracer.c`, which writes down each call that it makes to the files of its home, and lets
//! chosen ones fail or kills it there. Without a C compiler, or where processes may not be traced, these tests
//! fail.

use crate::stage::{Answer, Stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is to happen to which calls. Its default is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The kind of call, as the tracer calls it.
    pub(crate) kind: &'static str,
    /// A part of the path below the home.
    pub(crate) part: &'static str,
    pub(crate) what: What,
    /// The first of the matching calls that it happens to, from 1.
    pub(crate) first: usize,
    /// Whether it happens to all after it as well.
    pub(crate) for_ever: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The call does nothing and ends with this error.
    Fails(rustix::io::Errno),
    /// The process is killed before the call.
    Kills,
    /// Half of the bytes are written.
    Short,
}

impl Rule {
    fn text(self) -> String {
        let Self { kind, part, what, first, for_ever } = self;
        let what = match what {
            What::Fails(error) => error.raw_os_error().to_string(),
            What::Kills => "kill".into(),
            What::Short => "short".into(),
        };
        format!("{kind}:{part}:{what}:{first}:{}", u8::from(!for_ever))
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) kind: String,
    /// What it returned; an error is negative.
    pub(crate) result: i64,
    /// Where it wrote, or what it cut the file to; -1 is the file's end.
    pub(crate) offset: i64,
    /// Below the home.
    pub(crate) path: PathBuf,
    /// The other path of a rename or a link.
    pub(crate) other: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// What a process did.
pub(crate) struct Record {
    pub(crate) calls: Vec<Done>,
    /// How many calls the rule fitted.
    pub(crate) matched: usize,
}

/// Runs the binary under a rule.
pub(crate) fn traced(
    stage: &Stage,
    arguments: &[&str],
    stdin: &str,
    rule: Option<Rule>,
) -> (Answer, Record) {
    let (home, record) = (stage.home().canonicalize().unwrap(), stage.path("record"));
    let mut command = Command::new(tracer());
    command.args([&record, &home]).arg(rule.map_or_else(|| "none".into(), Rule::text));
    command.arg(env!("CARGO_BIN_EXE_coffer")).args(arguments);
    let mut answer = stage.call(arguments).stdin(stdin).instead(command).run();
    assert!(!answer.stderr().contains("tracer: "), "{}", answer.stderr());
    answer.asked = format!("{arguments:?} with {rule:?}");
    let read = read(&fs::read(&record).unwrap(), &home);
    fs::remove_file(record).unwrap();
    (answer, read)
}

/// The tracer, compiled once.
fn tracer() -> &'static Path {
    static TRACER: OnceLock<PathBuf> = OnceLock::new();
    TRACER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, fresh) = (folder.join("tracer.c"), tempfile::tempdir_in(folder).unwrap());
        fs::write(&source, include_str!("tracer.c")).unwrap();
        let tracer = fresh.keep().join("tracer");
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&tracer, &source])
            .output()
            .expect("these tests need a C compiler, `cc`, as building coffer does");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        tracer
    })
}

fn read(mut bytes: &[u8], home: &Path) -> Record {
    let mut calls = Vec::new();
    loop {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("the record has an end");
        let line = std::str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end + 1..];
        if let Some(matched) = line.strip_prefix("matched ") {
            return Record { calls, matched: matched.parse().unwrap() };
        }
        let mut words = line.splitn(5, ' ');
        let mut word = || words.next().unwrap();
        let kind = word().to_owned();
        let mut number = || word().parse::<i64>().unwrap();
        let (result, offset, length) = (number(), number(), number());
        let (path, other) = word().split_once('\t').unwrap();
        let below =
            |path: &str| Path::new(path).strip_prefix(home).unwrap_or(Path::new("")).to_owned();
        let (path, other) = (below(path), below(other));
        let (data, rest) = bytes.split_at(usize::try_from(length).unwrap());
        bytes = rest;
        calls.push(Done { kind, result, offset, path, other, bytes: data.to_vec() });
    }
}
