//! The tests that reach each mutant, and what they say of it.

use crate::building::{Built, Program};
use crate::{Mutant, Places};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What was seen of a mutant.
pub(crate) enum Outcome {
    /// A test failed, or what was tested ended.
    Caught,
    /// A test did not end in its time.
    Ended,
    /// Every test that reaches it passed.
    Missed,
    /// No test reaches it.
    Unreached,
    /// The nearest passed; the others were not run.
    Undecided,
}

use Outcome::{Caught, Ended, Missed, Undecided, Unreached};

impl Outcome {
    pub(crate) fn column(&self) -> &'static str {
        match self {
            Caught => "caught",
            Ended => "out of time",
            Missed => "missed",
            Unreached => "not reached",
            Undecided => "undecided",
        }
    }
}

/// A test: its program, its name, how long it takes alone, and what it reaches.
struct Test<'b> {
    program: &'b Program,
    name: String,
    took: Duration,
    reached: BTreeSet<u32>,
}

/// The bytes of the file in which mutants are marked.
const MARKS: usize = 65_536;

/// What one test may take, at least, and how many times what it took alone.
const TIME: (Duration, u32) = (Duration::from_secs(20), 8);

/// What the tests of one mutant may take before those that are left are not run, and it is undecided.
const BUDGET: Duration = Duration::from_secs(90);

/// Programs that run at the same time.
const JOBS: usize = 2;

/// Tests that are run together, at first and then.
const TOGETHER: (usize, usize) = (6, 24);

pub(crate) fn run(
    places: &Places,
    built: &Built,
    order: &[&Mutant],
    until: Instant,
) -> BTreeMap<u32, Outcome> {
    let tests = tests(places, built);
    let known = places.own.join("outcomes");
    let found = Mutex::new(read(&known));
    let file = fs::File::options().append(true).create(true).open(known).expect("it is ours");
    let next = AtomicUsize::new(0);
    let job = || {
        while Instant::now() < until {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = order.get(at) else { break };
            if found.lock().expect(WHOLE).contains_key(&mutant.number) {
                continue;
            }
            let begun = Instant::now();
            let (outcome, by) = judge(mutant, &tests);
            let Mutant { number, file: name, line, function, what, .. } = mutant;
            let (column, took) = (outcome.column(), begun.elapsed().as_secs());
            let of = order.len();
            eprintln!("{at}/{of}: {column} {name}:{line} {function}: {what} [{by}, {took} s]");
            writeln!(&file, "{number} {column}").expect("it can be written");
            found.lock().expect(WHOLE).insert(*number, outcome);
        }
    };
    std::thread::scope(|scope| (0..JOBS).for_each(|_| drop(scope.spawn(job))));
    found.into_inner().expect(WHOLE)
}

const WHOLE: &str = "whoever panics ends all of it";

fn read(known: &Path) -> BTreeMap<u32, Outcome> {
    let text = fs::read_to_string(known).unwrap_or_default();
    let line = |line: &str| {
        let (number, column) = line.split_once(' ')?;
        // What is undecided is tried once more.
        let outcome = [Caught, Ended, Missed, Unreached];
        let outcome = outcome.into_iter().find(|outcome| outcome.column() == column)?;
        Some((number.parse().ok()?, outcome))
    };
    text.lines().filter_map(line).collect()
}

fn judge(mutant: &Mutant, tests: &[Test<'_>]) -> (Outcome, String) {
    let mut reaching: Vec<&Test<'_>> =
        tests.iter().filter(|test| test.reached.contains(&mutant.number)).collect();
    if reaching.is_empty() {
        return (Unreached, String::new());
    }
    // What is called after what is changed is about it, and so is what reaches little; and what is quick is tried
    // before what is not.
    let about = words(&format!("{} {} {}", mutant.file, mutant.function, mutant.what));
    reaching.sort_by_cached_key(|test| {
        let shared = words(&test.name).intersection(&about).count();
        (Reverse(shared), test.reached.len() as u128 * (test.took.as_millis() + 50))
    });
    let begun = Instant::now();
    let mut together = TOGETHER.0;
    let mut rest = &reaching[..];
    while !rest.is_empty() {
        if begun.elapsed() > BUDGET {
            return (Undecided, format!("{} tests left", rest.len()));
        }
        let (some, others) = rest.split_at(together.min(rest.len()));
        (rest, together) = (others, TOGETHER.1);
        let names: BTreeSet<&str> = some.iter().map(|test| test.program.name.as_str()).collect();
        for name in names {
            let ours: Vec<&Test<'_>> =
                some.iter().copied().filter(|test| test.program.name == name).collect();
            let took: Duration = ours.iter().map(|test| test.took).sum();
            let mut command = command(ours[0].program);
            command.env("COFFER_MUTANT", mutant.number.to_string());
            command.arg("--exact").args(ours.iter().map(|test| &test.name));
            match ended(command, TIME.0 + took * TIME.1) {
                Some((true, _)) => {}
                Some((false, said)) => {
                    let failed = said.lines().find_map(|line| line.strip_suffix(" ... FAILED"));
                    return (Caught, failed.unwrap_or("the program ended").to_owned());
                }
                None => return (Ended, name.to_owned()),
            }
        }
    }
    (Missed, format!("{} tests", reaching.len()))
}

/// The words of names, without the plural.
fn words(text: &str) -> BTreeSet<String> {
    let word = |word: &str| word.to_ascii_lowercase().trim_end_matches('s').to_owned();
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).map(word);
    words.filter(|word| word.len() > 2).collect()
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    // As cargo starts it.
    command
        .current_dir(&program.package)
        .env("CARGO_MANIFEST_DIR", &program.package)
        .env("CARGO_PKG_NAME", program.package.file_name().expect("it is a folder"))
        .env("CARGO_PKG_LICENSE", "Apache-2.0")
        .env("CARGO_PKG_VERSION", "0.1.999");
    command
}

/// Runs it: whether it succeeded and what it said, or nothing if it took too long.
fn ended(mut command: Command, most: Duration) -> Option<(bool, String)> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("coffer-mutants-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let said = fs::File::create(&path).expect("it can be made");
    command.stdin(Stdio::null()).stdout(said).stderr(Stdio::null());
    let mut child = command.spawn().expect("it was built");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break Some(status.success());
        }
        if begun.elapsed() > most {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let said = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(&path);
    status.map(|success| (success, said))
}

/// Runs each test alone, and keeps what it reached. One that fails without a mutant says nothing about any.
fn tests<'b>(places: &Places, built: &'b Built) -> Vec<Test<'b>> {
    let folder = places.own.join("seen");
    fs::create_dir_all(&folder).expect("it is ours");
    let mut all = Vec::new();
    for program in &built.programs {
        let listed = command(program).args(["--list", "--format", "terse"]).output();
        let listed = String::from_utf8(listed.expect("it was built").stdout).expect("ASCII");
        let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
        all.extend(names.map(|name| (program, name.to_owned())));
    }
    let (next, tests) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let job = || {
        while let Some((program, name)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seen = folder.join(format!("{}.{name}", program.name).replace("::", "."));
            if let Some((took, reached)) = alone(program, name, &seen) {
                let test = Test { program, name: name.clone(), took, reached };
                tests.lock().expect(WHOLE).push(test);
            }
        }
    };
    std::thread::scope(|scope| (0..JOBS).for_each(|_| drop(scope.spawn(job))));
    tests.into_inner().expect(WHOLE)
}

/// How long a test takes alone, and what it reaches; from the last time, if the program is no newer.
fn alone(program: &Program, name: &str, seen: &Path) -> Option<(Duration, BTreeSet<u32>)> {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let time = PathBuf::from(format!("{}.time", seen.display()));
    if changed(&time) <= changed(&program.path) {
        fs::write(seen, vec![0; MARKS]).expect("it is ours");
        let mut command = command(program);
        command.env("COFFER_MUTANT_SEEN", seen).args(["--exact", name]);
        let begun = Instant::now();
        let passed = matches!(ended(command, Duration::from_secs(300)), Some((true, _)));
        let took = begun.elapsed().as_millis();
        eprintln!("{}::{name}: {took} ms{}", program.name, if passed { "" } else { ", FAILED" });
        let took = if passed { took.to_string() } else { String::new() };
        fs::write(&time, took).expect("it is ours");
    }
    let took = fs::read_to_string(&time).ok()?.parse().ok()?;
    let marks = fs::read(seen).ok()?;
    let reached = (0..).zip(&marks).filter(|(_, mark)| **mark != 0).map(|(at, _)| at);
    Some((Duration::from_millis(took), reached.collect()))
}
