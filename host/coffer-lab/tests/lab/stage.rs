//! What the tests of the lab stand on: a backend that keeps what it is given, and a way to judge.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Isolation;
use coffer_lab::{Asked, Judged, Profile, Report, Verdict};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the backend knows its clients by. It is nowhere but in the lab's hands.
pub(crate) const CREDENTIAL: &str = "the-real-credential-of-the-backend";

/// A backend with a protocol of its own, which `lab_bad` speaks: `/v1/NAME`, and `/v1` for the names.
pub(crate) struct Backend {
    pub(crate) url: String,
    pub(crate) kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&shared);
                thread::spawn(move || serve(connection, &kept));
            }
        });
        Self { url, kept }
    }
}

fn serve(connection: TcpStream, kept: &Mutex<BTreeMap<String, Vec<u8>>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            head.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
        };
        let mut body =
            vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        let words: Vec<&str> = head.first()?.split(' ').collect();
        let name = words[1].trim_start_matches("/v1").trim_start_matches('/');
        let mut kept = kept.lock().unwrap();
        let (status, answer) = match (words[0], name) {
            _ if header("x-token").as_deref() != Some(CREDENTIAL) => (401, Vec::new()),
            ("GET", "") => {
                (200, kept.keys().flat_map(|name| format!("{name}\n").into_bytes()).collect())
            }
            ("GET", name) => kept.get(name).map_or((404, Vec::new()), |value| (200, value.clone())),
            ("PUT", name) => {
                kept.insert(name.to_owned(), body);
                (204, Vec::new())
            }
            ("DELETE", name) => (if kept.remove(name).is_some() { 204 } else { 404 }, Vec::new()),
            _ => (405, Vec::new()),
        };
        drop(kept);
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nset-cookie: do-not-keep-me\r\ncontent-length: {length}\r\n\r\n"
        );
        let answer = [head.as_bytes(), &answer].concat();
        reader.get_mut().write_all(&answer).ok()?;
    }
}

/// What is judged, and how.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    pub(crate) component: &'a [u8],
    pub(crate) profile: &'a str,
    pub(crate) cassette: Option<&'a [u8]>,
    pub(crate) cases: &'a [&'a str],
    pub(crate) record: bool,
    pub(crate) seed: Option<u64>,
}

impl<'a> Judging<'a> {
    pub(crate) fn of(component: &'a [u8], profile: &'a str) -> Self {
        Self { component, profile, cassette: None, cases: &[], record: false, seed: None }
    }

    pub(crate) async fn judge(self) -> Judged {
        self.with(Some(CREDENTIAL.into())).await
    }

    pub(crate) async fn with(self, credential: Option<String>) -> Judged {
        let place = tempfile::tempdir().unwrap();
        coffer_lab::judge(Asked {
            file: "plugin.wasm",
            component: self.component,
            profile: Profile::parse(self.profile).unwrap(),
            cassette: self.cassette.map(<[u8]>::to_vec),
            cases: self.cases.iter().map(|case| (*case).to_owned()).collect(),
            record: self.record,
            credential,
            seed: self.seed,
            isolation: Isolation::None,
            program: None,
            workplace: Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap(),
            path: place.path().to_owned(),
        })
        .await
        .unwrap()
    }
}

/// Every case that did not pass, and is not beside the point.
pub(crate) fn trouble(report: &Report) -> Vec<String> {
    report
        .rulings()
        .iter()
        .filter(|ruling| !matches!(ruling.verdict, Verdict::Pass | Verdict::NotApplicable))
        .filter(|ruling| !ruling.reason.starts_with("the profile leaves it out"))
        .map(|ruling| format!("{} {}: {}", ruling.verdict.name(), ruling.case, ruling.reason))
        .collect()
}
