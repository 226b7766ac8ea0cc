//! A home with everything that a run needs, and what can be asked of it afterwards.

use crate::canary;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_bundle::config::Config;
use coffer_bundle::driver::Scratch;
use coffer_bundle::sets::{Set, SetKind};
use coffer_bundle::{
    Address, Bundled, Home, Kept, Ledger, Package, Report, Request, RunFailure, Runner, Spool,
    Step, Stores, Streams,
};
use coffer_host::audit::{Audit, Call, Outcome};
use coffer_host::grants::{Reference, Verb};
use coffer_host::{Explain as _, Host, Secret};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

/// What the home of nearly every test is configured with.
pub(crate) const FILESYSTEM: &str = r#"{ "default-secrets-plugin": "filesystem" }"#;

/// Is told of everything that happens, from the audit, the runner and the bundle's output.
pub(crate) type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// A home, and what is opened in it.
pub(crate) struct Stage {
    pub(crate) path: PathBuf,
    pub(crate) ledger: Ledger,
    pub(crate) stores: Stores,
    spool: Spool,
    scratch: Scratch,
    programs: PathBuf,
    hook: Hook,
    calls: Arc<Mutex<Vec<(Verb, String)>>>,
    /// Everything that the runs wrote, said and failed with.
    pub(crate) said: Arc<Mutex<Vec<u8>>>,
    _directory: Option<TempDir>,
}

impl Stage {
    /// A home of its own, with `config`.
    pub(crate) fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        let programs = directory.path().join("bundles");
        let mut stage = Self::open(&directory.path().join("home"), &programs, config, quiet());
        stage._directory = Some(directory);
        stage
    }

    /// A home that may be there already.
    pub(crate) fn open(path: &Path, programs: &Path, config: &str, hook: Hook) -> Self {
        std::fs::create_dir_all(programs).unwrap();
        let home = Home::open(path).unwrap();
        let config: Value = serde_json::from_str(config).unwrap();
        let config = Config::parse(config, &|_| None, None).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let audit = Counting { calls: Arc::clone(&calls), hook: Arc::clone(&hook) };
        // The compiled code is beside the home, so that whoever opens the next one has it.
        let host = Host::builder()
            .audit(audit)
            .base(path)
            .user_home(path)
            .compiled_code(compiled(programs), &[7; 32])
            .build()
            .unwrap();
        let scratch = home.private("scratch").unwrap();
        Self {
            path: path.to_owned(),
            ledger: Ledger::open(&home.ledger().unwrap()).unwrap(),
            stores: Stores::new(host, config, None, bundled(), path),
            spool: Spool::open(&home).unwrap(),
            scratch: Scratch::open(&scratch, &path.join("scratch")).unwrap(),
            programs: programs.to_owned(),
            hook,
            calls,
            said: Arc::default(),
            _directory: None,
        }
    }

    /// Where bundles and drivers are put.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    pub(crate) fn runner<'a>(&'a self, watch: &'a (dyn Fn(&Step) + Sync)) -> Runner<'a> {
        let mut path = OsString::from(&self.programs);
        path.push(":/usr/bin:/bin");
        Runner {
            ledger: &self.ledger,
            stores: &self.stores,
            spool: &self.spool,
            scratch: &self.scratch,
            path: Some(path),
            watch,
        }
    }

    /// Runs, and returns what was printed.
    pub(crate) async fn run(&self, request: Request) -> (Result<Report, RunFailure>, String) {
        self.run_until(request, std::future::pending()).await
    }

    pub(crate) async fn run_until(
        &self,
        request: Request,
        cancelled: impl Future<Output = ()>,
    ) -> (Result<Report, RunFailure>, String) {
        let printed = Shared::default();
        let stream = || -> Box<dyn Write + Send> {
            Box::new(Told { hook: Arc::clone(&self.hook), to: printed.clone() })
        };
        let streams = Streams { stdout: stream(), stderr: stream() };
        let watch = |step: &Step| self.told(step);
        let result = self.runner(&watch).run(request, streams, cancelled).await;
        self.say(&printed.text());
        self.heard(result.as_ref().err());
        self.say(&format!("{result:?}"));
        (result, printed.text())
    }

    /// Runs what must succeed.
    pub(crate) async fn ran(&self, request: Request) -> String {
        let (result, printed) = self.run(request).await;
        result.unwrap_or_else(|failure| panic!("{failure}: {}", failure.next()));
        printed
    }

    /// Runs what must fail.
    pub(crate) async fn failed(&self, request: Request) -> RunFailure {
        self.run(request).await.0.expect_err("it must fail")
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), RunFailure> {
        let watch = |step: &Step| self.told(step);
        let result = self.runner(&watch).delete("", &name.parse().unwrap()).await;
        self.heard(result.as_ref().err());
        result
    }

    pub(crate) async fn apply(&self, kind: SetKind, set: Value) -> Result<(), RunFailure> {
        let set = Set::parse(kind, set).unwrap();
        let watch = |step: &Step| self.told(step);
        let result = self.runner(&watch).apply(&set, "").await;
        self.heard(result.as_ref().err());
        result
    }

    pub(crate) async fn forget(&self, kind: SetKind, name: &str) -> Result<(), RunFailure> {
        let watch = |step: &Step| self.told(step);
        let result = self.runner(&watch).forget(kind, "", name).await;
        self.heard(result.as_ref().err());
        result
    }

    /// Recovers; every item's failure is returned.
    pub(crate) async fn recover(&self) -> Vec<(String, Option<RunFailure>)> {
        let watch = |step: &Step| self.told(step);
        let recovery = self.runner(&watch).recover().await.unwrap();
        self.say(&format!("{recovery:?}"));
        let items = recovery.items.into_iter();
        items
            .map(|(item, result)| {
                self.heard(result.as_ref().err());
                (item.to_string(), result.err())
            })
            .collect()
    }

    /// Recovers what can be recovered whole.
    pub(crate) async fn recovered(&self) -> Vec<String> {
        let items = self.recover().await.into_iter();
        items
            .map(|(item, failure)| {
                assert!(failure.is_none(), "{item}: {failure:?}");
                item
            })
            .collect()
    }

    fn told(&self, step: &Step) {
        self.say(&format!("{step} {step:?}"));
        (self.hook)(&format!("{step:?}"));
    }

    fn heard(&self, failure: Option<&RunFailure>) {
        if let Some(failure) = failure {
            self.say(&format!("{failure} {failure:?} {}", failure.next()));
        }
    }

    fn say(&self, text: &str) {
        self.said.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    /// How often the stores were asked to do something about keys that end in `key`.
    pub(crate) fn asked(&self, verb: Verb, key: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(asked, of)| *asked == verb && of.ends_with(key)).count()
    }

    /// What the files store has, asked for behind the audit.
    pub(crate) async fn kept(&self) -> BTreeSet<String> {
        if !self.path.join("secrets").is_dir() {
            return BTreeSet::new();
        }
        let store = self.stores.open("filesystem").await.unwrap();
        let keys = store.list("").await.unwrap();
        let count = keys.len();
        let keys: BTreeSet<String> = keys.into_iter().collect();
        assert_eq!(keys.len(), count, "a key is listed twice");
        keys
    }

    /// What the ledger says that the stores have.
    pub(crate) async fn addresses(&self) -> BTreeSet<String> {
        let addresses = self.ledger.addresses().await.unwrap();
        addresses.into_iter().map(|Address { key, .. }| key).collect()
    }

    /// The bytes that the ledger refers to.
    pub(crate) async fn value(&self, kept: &Kept) -> Vec<u8> {
        let Kept::Secret(Address { store, key }) = kept else { panic!("{kept:?} is not ours") };
        let store = self.stores.open(store).await.unwrap();
        let reference = Reference::secret(key.as_str()).unwrap();
        let secret = store.resolve_one(&reference).await;
        secret.unwrap_or_else(|error| panic!("{key}: {error}")).expose().to_vec()
    }

    /// The newest outputs of an installation.
    pub(crate) async fn outputs(&self, name: &str) -> BTreeMap<String, Kept> {
        let id = self.ledger.installation("", name).await.unwrap().id;
        let outputs = self.ledger.outputs(&id).await.unwrap();
        outputs.into_iter().map(|(name, (_, kept))| (name, kept)).collect()
    }

    pub(crate) async fn overrides(&self, name: &str) -> BTreeMap<String, Kept> {
        self.ledger.overrides(&self.ledger.installation("", name).await.unwrap().id).await.unwrap()
    }

    /// The inputs of the newest run of an installation.
    pub(crate) async fn inputs(&self, name: &str, kind: &str) -> BTreeMap<String, Kept> {
        let id = self.ledger.installation("", name).await.unwrap().id;
        self.ledger.inputs(&self.ledger.runs(&id).await.unwrap()[0].id, kind).await.unwrap()
    }

    /// The rows of a table.
    pub(crate) async fn rows(&self, table: &str) -> Vec<serde_json::Map<String, Value>> {
        let dump = self.ledger.dump().await.unwrap();
        dump.into_iter().find(|found| found.name == table).unwrap().rows
    }

    /// What waits in the spool.
    pub(crate) fn spooled(&self) -> Vec<String> {
        names(&self.path.join("spool"))
    }

    /// What holds even while something is left to be put right: what is referred to is there, and what
    /// is there is known.
    pub(crate) async fn is_sound(&self, when: &str) {
        let (kept, addresses) = (self.kept().await, self.addresses().await);
        let unknown: Vec<_> = kept.difference(&addresses).collect();
        assert!(unknown.is_empty(), "{when}: the ledger does not know {unknown:?}");
        for reference in self.references().await {
            self.value(&reference).await;
        }
    }

    /// What holds when nothing is left to be put right.
    pub(crate) async fn is_settled(&self, when: &str) {
        self.is_sound(when).await;
        assert_eq!(self.kept().await, self.addresses().await, "{when}");
        for secret in self.rows("secrets").await {
            assert_eq!(secret["state"], "held", "{when}: {secret:?}");
        }
        for run in self.rows("runs").await {
            assert!(!run["finished_ms"].is_null(), "{when}: {run:?}");
        }
        assert!(self.rows("leases").await.is_empty(), "{when}: {:?}", self.rows("leases").await);
        assert!(self.spooled().is_empty(), "{when}: {:?}", self.spooled());
        let scratch = names(&self.path.join("scratch"));
        for directory in scratch {
            let left = names(&self.path.join("scratch").join(directory));
            assert!(left.is_empty(), "{when}: {left:?}");
        }
    }

    /// Every reference of the ledger to a secret of ours.
    async fn references(&self) -> Vec<Kept> {
        let mut references: Vec<Kept> = Vec::new();
        for (installation, _) in
            self.ledger.installations(None, ("", ""), usize::MAX).await.unwrap()
        {
            references.extend(self.ledger.overrides(&installation.id).await.unwrap().into_values());
            let outputs = self.ledger.outputs(&installation.id).await.unwrap().into_values();
            references.extend(outputs.map(|(_, kept)| kept));
            for run in self.ledger.runs(&installation.id).await.unwrap() {
                references
                    .extend(self.ledger.inputs(&run.id, "parameter").await.unwrap().into_values());
            }
        }
        for kind in ["parameters", "credentials"] {
            for set in self.ledger.sets(kind, None).await.unwrap() {
                references.extend(set.entries.into_iter().map(|(_, kept)| kept));
            }
        }
        references.retain(|kept| matches!(kept, Kept::Secret(_)));
        references
    }

    /// Nothing but the store has `canary`, in any form.
    pub(crate) async fn is_clean(&self, canary: &str) {
        canary::absent(canary, &self.said.lock().unwrap(), "what was said");
        let dump = format!("{:?}", self.ledger.dump().await.unwrap());
        canary::absent(canary, dump.as_bytes(), "the ledger");
        canary::absent_below(canary, &self.path, &self.path.join("secrets"));
    }
}

/// A request for `action`, with parameters.
pub(crate) fn request(
    action: &str,
    package: Option<Package>,
    parameters: &[(&str, &str)],
) -> Request {
    let parameters = parameters.iter().map(|(name, value)| ((*name).into(), Secret::from(*value)));
    Request {
        action: action.to_owned(),
        namespace: String::new(),
        name: None,
        package,
        parameters: parameters.collect(),
        parameter_sets: None,
        credential_sets: None,
        driver: None,
    }
}

pub(crate) fn quiet() -> Hook {
    Arc::new(|_| {})
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn compiled(programs: &Path) -> Dir {
    let path = programs.join("compiled");
    std::fs::create_dir_all(&path).unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// The plugins that every program of ours brings with it.
fn bundled() -> &'static [Bundled] {
    static BUNDLED: OnceLock<[Bundled; 2]> = OnceLock::new();
    BUNDLED.get_or_init(|| {
        ["filesystem", "host"].map(|name| Bundled {
            name,
            aliases: &[],
            component: guest_artifacts::plugin(name).leak(),
        })
    })
}

struct Counting {
    calls: Arc<Mutex<Vec<(Verb, String)>>>,
    hook: Hook,
}

impl Audit for Counting {
    fn begin(&self, call: &Call<'_>) -> io::Result<()> {
        let references = call.references.iter().map(|of| (call.verb, of.key().to_owned()));
        self.calls.lock().unwrap().extend(references);
        (self.hook)("call begins");
        Ok(())
    }

    fn finish(&self, _: &Call<'_>, _: &[Outcome<'_>]) -> io::Result<()> {
        (self.hook)("call is over");
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Told {
    hook: Hook,
    to: Shared,
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.hook)("it prints");
        self.to.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
