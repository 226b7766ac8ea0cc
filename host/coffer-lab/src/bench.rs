//! The bench on which a plugin is judged: a store of it for each case, with settings and grants that lead
//! nowhere but to the lab's own server and directories.

use crate::backend::{Backend, Source};
use crate::case::Finding;
use crate::cassette::{BACKEND, Request};
use crate::fault::Fault;
use crate::profile::{Profile, ProfileError};
use crate::token::Token;
use crate::watch::Watch;
use cap_std::fs::{Dir, DirBuilder};
use coffer_host::grants::{Grants, Reference, SettingKind, Verb};
use coffer_host::limits::Limits;
use coffer_host::{
    CallError, Capabilities, Cause, Existing, Granted, Host, Inspection, Plugin, Secret, Store,
    StoreConfig,
};
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the lab's keys begin with, unless the profile says otherwise.
const PREFIX_DEFAULT: &str = "coffer-lab/";

/// Wall time of a call whose backend says nothing: the case waits for its end.
pub(crate) const SLOW_CALL: Duration = Duration::from_millis(800);

/// The bench.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) plugin: Plugin,
    pub(crate) profile: Profile,
    pub(crate) watch: Arc<Watch>,
    pub(crate) tokens: [Token; 2],
    pub(crate) backend: Backend,
    /// Whether the backend has answers of its own.
    pub(crate) has_source: bool,
    pub(crate) workplace: Dir,
    pub(crate) path: PathBuf,
    /// The directories so far.
    pub(crate) made: Cell<u32>,
    /// Grants of HTTP that were used, as positions in what the plugin asks for.
    pub(crate) used: RefCell<BTreeSet<usize>>,
    /// What was found where no value should be.
    pub(crate) leaked: RefCell<BTreeSet<&'static str>>,
    /// The last store, and what was put into it.
    pub(crate) store: RefCell<Option<Store>>,
    pub(crate) put: RefCell<BTreeSet<Reference>>,
}

/// What a case changes about its store.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    /// The backend is where nobody listens.
    pub(crate) refused: bool,
    /// Directories can be read only.
    pub(crate) read_only: bool,
    /// Calls have little time.
    pub(crate) hurried: bool,
    /// A batch is for one instance.
    pub(crate) alone: bool,
}

impl Bench {
    /// The store of one case, and what it stands on.
    ///
    /// # Errors
    ///
    /// A finding, if there can be none.
    pub(crate) fn subject(&self, track: &str) -> Result<Subject<'_>, Finding> {
        self.changed(track, Change::default())
    }

    /// The same, with a change.
    pub(crate) fn changed(&self, track: &str, change: Change) -> Result<Subject<'_>, Finding> {
        self.backend.begin(track);
        self.opened(change)
    }

    fn opened(&self, change: Change) -> Result<Subject<'_>, Finding> {
        let unmade = |error: std::io::Error| {
            Finding::Skipped(format!("no directory could be made: {error}"))
        };
        let number = self.made.get();
        self.made.set(number + 1);
        let name = number.to_string();
        make_private(&self.workplace, &name).map_err(unmade)?;
        let directory = self.workplace.open_dir(&name).map_err(unmade)?;
        let origin = match change.refused {
            true => self.backend.closed_origin(),
            false => self.backend.origin(),
        };
        let settings = self.settings(&origin);
        let granted = self.grants(&settings, &origin, &name, change.read_only)?;
        for index in 0..granted.get("directories").and_then(Value::as_array).map_or(0, Vec::len) {
            make_private(&directory, &index.to_string()).map_err(unmade)?;
        }
        let unfit = |error: String| {
            Finding::Skipped(format!("no store can be opened with this profile: {error}"))
        };
        let grants: Grants = serde_json::from_value(Value::Object(granted))
            .map_err(|error| unfit(error.to_string()))?;
        let mut limits = match &self.profile.limits {
            None => Limits::default(),
            Some(limits) => {
                serde_json::from_value(limits.clone()).map_err(|error| unfit(error.to_string()))?
            }
        };
        if change.alone {
            limits.concurrency = 1;
        }
        if change.hurried {
            limits.call = limits.call.min(SLOW_CALL);
        }
        let config = StoreConfig { settings, grants: Granted::Only(grants), limits };
        let store = self
            .host
            .store("lab", &self.plugin, config)
            .map_err(|error| unfit(error.to_string()))?;
        *self.store.borrow_mut() = Some(store.clone());
        Ok(Subject { bench: self, store, directory })
    }

    pub(crate) fn inspection(&self) -> &Inspection {
        self.plugin.inspection()
    }

    pub(crate) fn can(&self) -> Capabilities {
        self.inspection().capabilities
    }

    /// What the plugin can be asked.
    pub(crate) fn verbs(&self) -> Vec<Verb> {
        let can = self.can();
        let has = |verb: &Verb| match verb {
            Verb::Resolve => true,
            Verb::Put | Verb::Delete => can.writer,
            Verb::List => can.lister,
        };
        crate::watch::VERBS.into_iter().filter(has).collect()
    }

    /// Whether the plugin asks for this, with these settings.
    pub(crate) fn asks(&self, what: &str) -> bool {
        let asked = |asks: &Map<String, Value>| {
            asks.get(what).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        asked(&self.asked()) || self.profile.grants.as_ref().is_some_and(asked)
    }

    /// What the plugin asks for, with these settings; with gaps, if they do not fit.
    pub(crate) fn asked(&self) -> Map<String, Value> {
        let manifest = &self.inspection().manifest;
        match manifest.check_settings(&self.settings(&self.backend.origin())) {
            Ok(settings) => manifest.asked_json(&settings),
            Err(_) => manifest.asks().clone(),
        }
    }

    /// Refuses what needs a backend that answers, if there is none.
    ///
    /// # Errors
    ///
    /// A finding that says what is missing.
    pub(crate) fn needs_answers(&self) -> Result<(), Finding> {
        if self.asks("http") && !self.has_source {
            return Err(Finding::Skipped(
                "it needs a backend that answers; name a `backend` or a `cassette` in a profile"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Refuses what needs something that keeps secrets.
    ///
    /// # Errors
    ///
    /// A finding that says that there is none.
    pub(crate) fn needs_writer(&self) -> Result<(), Finding> {
        match self.can().writer {
            true => self.needs_answers(),
            false => Err(Finding::NotApplicable("it exports no `writer`".into())),
        }
    }

    /// The same of what lists keys. What there is to list has to be put.
    ///
    /// # Errors
    ///
    /// A finding that says that there is none.
    pub(crate) fn needs_lister(&self) -> Result<(), Finding> {
        match self.can().lister {
            true => self.needs_writer(),
            false => Err(Finding::NotApplicable("it exports no `lister`".into())),
        }
    }

    /// A key of the lab's own.
    pub(crate) fn key(&self, name: &str) -> Reference {
        let prefix = self.profile.prefix.as_deref().unwrap_or(PREFIX_DEFAULT);
        Reference::secret(format!("{prefix}{name}")).expect("the prefix was tried")
    }

    /// A value that is known by its beginning.
    pub(crate) fn value(&self, label: &str) -> Vec<u8> {
        format!("{}-{label}", self.tokens[0].text()).into_bytes()
    }

    /// The settings of a store whose backend is at `origin`.
    fn settings(&self, origin: &str) -> Map<String, Value> {
        let mut settings = filled(&self.profile.settings, origin);
        for (name, setting, required) in self.inspection().manifest.settings() {
            let given = |name: &str| self.profile.settings.contains_key(name);
            if given(name) || setting.aliases.iter().any(|alias| given(alias)) {
                continue;
            }
            let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
            let text = setting.kind == SettingKind::String;
            let value = if setting.credential || text && is(&SECRET_WORDS) {
                json!(self.tokens[1].text())
            } else if text && is(&ADDRESS_WORDS) && setting.choices.is_none() {
                json!(origin)
            } else if !required {
                continue;
            } else if let Some(choice) =
                setting.choices.as_ref().and_then(|choices| choices.first())
            {
                choice.clone()
            } else {
                match setting.kind {
                    SettingKind::Array => json!([]),
                    SettingKind::Boolean => json!(false),
                    SettingKind::Integer => json!(1),
                    SettingKind::String => json!("lab"),
                }
            };
            settings.insert(name.to_owned(), value);
        }
        settings
    }

    /// What the plugin asks for, as far as it leads to the lab's own server and directories. What is of the
    /// machine itself, variables and programs, is granted only if the profile does.
    fn grants(
        &self,
        settings: &Map<String, Value>,
        origin: &str,
        directory: &str,
        read_only: bool,
    ) -> Result<Map<String, Value>, Finding> {
        let mut grants = match &self.profile.grants {
            Some(grants) => filled(grants, origin),
            None => {
                let manifest = &self.inspection().manifest;
                let checked = manifest.check_settings(settings).map_err(|error| {
                    Finding::Skipped(format!("these settings do not fit: {error}"))
                })?;
                let mut asked = manifest.asked_json(&checked);
                asked.retain(|key, _| key == "directories" || key == "http");
                asked
            }
        };
        let own = |entry: &Value| entry["url"].as_str().is_some_and(|url| is_below(url, origin));
        if let Some(http) = grants.get_mut("http").and_then(Value::as_array_mut) {
            if self.profile.grants.is_none() {
                http.retain(own);
            }
            for entry in http.iter_mut().filter(|entry| own(entry)) {
                let Some(entry) = entry.as_object_mut() else { continue };
                entry.insert("private-addresses".into(), json!(true));
                entry.remove("ca");
                // A header that is made of a file or a variable of this machine is not sent anywhere.
                if let Some(headers) = entry.get_mut("headers").and_then(Value::as_object_mut) {
                    headers.retain(|_, source| source.get("setting").is_some());
                }
            }
        }
        if let Some(directories) = grants.get_mut("directories").and_then(Value::as_array_mut) {
            for (index, entry) in directories.iter_mut().enumerate() {
                let Some(entry) = entry.as_object_mut() else { continue };
                let host = self.path.join(directory).join(index.to_string());
                entry.insert("host".into(), json!(host.to_string_lossy()));
                if read_only {
                    entry.insert("access".into(), json!("read-only"));
                    entry.remove("create");
                }
            }
        }
        Ok(grants)
    }

    /// Which of what the plugin asks for of HTTP is at the lab's server.
    pub(crate) fn asked_http(&self) -> Vec<coffer_host::grants::HttpGrant> {
        let origin = self.backend.origin();
        let settings = self.settings(&origin);
        let Ok(granted) = self.grants(&settings, &origin, "0", false) else { return Vec::new() };
        let grants: Result<Grants, _> = serde_json::from_value(Value::Object(granted));
        grants.map(|grants| grants.http_grants().to_vec()).unwrap_or_default()
    }

    /// Ends a case: deletes what it put, so that a backend is as it was, and remembers which grants it used.
    pub(crate) async fn end(&self) {
        self.backend.disarm();
        let put = std::mem::take(&mut *self.put.borrow_mut());
        let store = self.store.borrow_mut().take();
        if let Some(store) = store.filter(|_| self.asks("http") && self.has_source) {
            for key in put {
                // What cannot be deleted was told by the case, or is by another one.
                let _ = store.delete(&key).await;
            }
        }
        let origin = self.backend.origin();
        let asked = self.asked_http();
        for request in self.backend.take_seen() {
            self.look(&request);
            let url = format!("{origin}{}", request.target);
            let Ok(url) = coffer_host::grants::RequestUrl::parse(&url) else { continue };
            let covers = |grant: &coffer_host::grants::HttpGrant| {
                grant.url().covers(&url) && grant.methods().any(|method| method == request.method)
            };
            self.used.borrow_mut().extend(asked.iter().position(covers));
        }
    }
}

impl Bench {
    /// Looks for what is the lab's where no value should be. The credential is in headers that the host adds.
    fn look(&self, request: &Request) {
        let [value, credential] = &self.tokens;
        let mut leaked = self.leaked.borrow_mut();
        if value.is_in(request.target.as_bytes()) {
            leaked.insert("a value in a URL");
        }
        if credential.is_in(request.target.as_bytes()) {
            leaked.insert("a credential in a URL");
        }
        if request.headers.iter().any(|(_, text)| value.is_in(text.as_bytes())) {
            leaked.insert("a value in a header");
        }
    }
}

/// Names of settings that are where a backend is, and of those that are to be kept.
const ADDRESS_WORDS: [&str; 4] = ["address", "endpoint", "server", "url"];
const SECRET_WORDS: [&str; 4] = ["password", "secret", "token", "api_key"];

/// Whether a setting of this name is to be kept.
pub(crate) fn is_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a pattern is at `origin` and nowhere else: what follows is a path.
fn is_below(url: &str, origin: &str) -> bool {
    url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn filled(map: &Map<String, Value>, origin: &str) -> Map<String, Value> {
    fn fill(value: &mut Value, origin: &str) {
        match value {
            Value::String(text) => *text = text.replace(BACKEND, origin),
            Value::Array(values) => values.iter_mut().for_each(|value| fill(value, origin)),
            Value::Object(map) => map.values_mut().for_each(|value| fill(value, origin)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut value = Value::Object(map.clone());
    fill(&mut value, origin);
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was one"),
    }
}

fn make_private(directory: &Dir, name: &str) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
    directory.create_dir_with(name, &builder)
}

/// Starts the lab's server as the profile says.
pub(crate) async fn backend(
    profile: &Profile,
    cassette: Option<&[u8]>,
    record: bool,
    credential: Option<String>,
    tokens: [Token; 2],
    seed: u64,
) -> Result<(Backend, bool), ProfileError> {
    use crate::cassette::{Cassette, Player};
    let wrong = |text: String| ProfileError(text);
    let source = match (&profile.backend, cassette, record) {
        (Some(url), _, true) | (Some(url), None, false) => {
            Source::Real { url: url.clone(), credential }
        }
        (None, _, true) => {
            return Err(wrong("there is no `backend` to record".into()));
        }
        (_, Some(bytes), false) => {
            let cassette = Cassette::parse(bytes)
                .map_err(|error| wrong(format!("the cassette cannot be played: {error}")))?;
            Source::Recorded(Player::new(cassette))
        }
        (None, None, false) => Source::Nothing,
    };
    let has_source = !matches!(source, Source::Nothing);
    let recording = record.then(|| Cassette::new(seed));
    let backend = Backend::start(source, recording, tokens)
        .await
        .map_err(|error| wrong(format!("the lab's server cannot be started: {error}")))?;
    Ok((backend, has_source))
}

/// A store that is being judged.
pub(crate) struct Subject<'b> {
    pub(crate) bench: &'b Bench,
    pub(crate) store: Store,
    /// Where its directories are.
    pub(crate) directory: Dir,
}

impl Subject<'_> {
    pub(crate) async fn get(&self, key: &Reference) -> Result<Secret, CallError> {
        self.store.resolve_one(key).await
    }

    pub(crate) async fn put(
        &self,
        key: &Reference,
        value: &[u8],
        existing: Existing,
    ) -> Result<(), CallError> {
        self.bench.put.borrow_mut().insert(key.clone());
        self.store.put(key, &Secret::new(value.to_vec()), existing).await
    }

    pub(crate) async fn delete(&self, key: &Reference) -> Result<(), CallError> {
        self.store.delete(key).await
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        self.store.list(prefix).await
    }

    /// Puts something, which has to work.
    ///
    /// # Errors
    ///
    /// A finding.
    pub(crate) async fn keep(&self, key: &Reference, value: &[u8]) -> Result<(), Finding> {
        let put = self.put(key, value, Existing::Replace).await;
        put.map_err(|error| Finding::Fail(format!("`put` {}", came_to(kind(&error)))))
    }

    /// Resolves something, which has to be `value`.
    ///
    /// # Errors
    ///
    /// A finding.
    pub(crate) async fn expect(&self, key: &Reference, value: &[u8]) -> Result<(), Finding> {
        match self.get(key).await {
            Ok(secret) if secret.expose() == value => Ok(()),
            Ok(secret) => Err(Finding::Fail(format!(
                "`resolve` gave {} bytes that are not the {} that were put",
                secret.expose().len(),
                value.len()
            ))),
            Err(error) => Err(Finding::Fail(format!("`resolve` {}", came_to(kind(&error))))),
        }
    }

    /// Resolves something that is not there.
    ///
    /// # Errors
    ///
    /// A finding.
    pub(crate) async fn expect_missing(&self, key: &Reference) -> Result<(), Finding> {
        match self.get(key).await.map_err(|error| kind(&error)) {
            Err("not-found") => Ok(()),
            Ok(_) => Err(Finding::Fail("`resolve` gave a value that was not there".into())),
            Err(kind) => Err(Finding::Fail(format!(
                "`resolve` of what is not there {}, and not to `not-found`",
                came_to(kind)
            ))),
        }
    }

    /// Calls a verb about `key`, and says what came of it.
    pub(crate) async fn call(&self, verb: Verb, key: &Reference) -> &'static str {
        let came = |error: Option<CallError>| error.map_or("done", |error| kind(&error));
        match verb {
            Verb::Resolve => came(self.get(key).await.err()),
            Verb::Put => {
                let value = self.bench.value("fault");
                came(self.put(key, &value, Existing::Replace).await.err())
            }
            Verb::Delete => came(self.delete(key).await.err()),
            Verb::List => came(self.list(key.key()).await.err()),
        }
    }

    /// Has the backend misbehave.
    pub(crate) fn arm(&self, fault: Fault, from: usize) {
        self.bench.backend.arm(fault, from);
    }
}

/// What a failure is, in a word of the contract's or of the lab's.
pub(crate) fn kind(error: &CallError) -> &'static str {
    match error.cause() {
        Cause::Deadline { waiting: false, .. } => "computing",
        cause => cause.kind(),
    }
}

/// Failures that no plugin may come to.
pub(crate) fn is_breach(kind: &str) -> bool {
    matches!(kind, "audit" | "computing" | "contract" | "host" | "limit" | "trap")
}

/// What a kind of failure means, after the name of a verb.
pub(crate) fn came_to(kind: &str) -> String {
    match kind {
        "computing" => "was still computing when its time was up".into(),
        "contract" => "broke the contract between plugin and host".into(),
        "deadline" => "still waited for its backend when its time was up".into(),
        "denied" => "is not granted".into(),
        "done" => "succeeded".into(),
        "host" => "could not be run".into(),
        "limit" => "went beyond a limit".into(),
        "trap" => "crashed".into(),
        kind => format!("came to `{kind}`"),
    }
}
