//! A store: a plugin with settings, grants and limits. The path of one call is [`Store::resolve`], from
//! the decision to the audit's last line.

mod runs;

use crate::ambient;
use crate::asked::{Answered, Asked, Given, ToInstance};
use crate::audit::{Call, Outcome};
use crate::bindings::coffer::secrets::types as wit;
use crate::component::Capabilities;
use crate::error::{self, CallError, Cause, OpenError};
use crate::gate::{Gate, Unanswered};
use crate::host::{Granted, Host, Isolation, Plugin, StoreConfig};
use crate::imports::{Directories, Shared};
use crate::limits::{self, Limits};
use crate::mask::Mask;
use crate::observed::Observed;
use crate::sandbox::Ran;
use crate::secret::{Bytes, Secret};
use crate::text;
use coffer_grants::{CallPermit, EnvironmentPermit, Grants, Reference, Source, Verb};
use futures_util::StreamExt as _;
use futures_util::stream;
use runs::Runs;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Turns references into secrets, and keeps secrets, by a plugin. Cheap to clone; clones share the
/// connections, the plugin's cache and the limit of concurrency.
#[derive(Clone)]
pub struct Store {
    host: Host,
    plugin: Plugin,
    name: Arc<str>,
    shared: Arc<Shared>,
    runs: Arc<Runs>,
    instances: Arc<Semaphore>,
}

/// What [`Store::put`] does when the key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave the old value; the call fails with [`Cause::Conflict`].
    Keep,
    /// Put the new value in the place of the old one.
    Replace,
}

impl Store {
    pub(crate) fn open(
        host: Host,
        name: &str,
        plugin: Plugin,
        config: StoreConfig,
    ) -> Result<Self, OpenError> {
        let StoreConfig { settings, grants, limits } = config;
        limits.check().map_err(OpenError::Limits)?;
        let manifest = &plugin.inspection().manifest;
        let settings = manifest.check_settings(&settings)?;
        let grants = match grants {
            Granted::AsAsked => manifest.asked(&settings)?,
            Granted::Only(grants) => grants,
        };
        let base = host.0.base().to_string_lossy().into_owned();
        let user_home = host.0.user_home().to_string_lossy().into_owned();
        let grants = grants.rooted(&base, &user_home)?;
        // What is asked for is only looked at, so asks that cannot be filled in are none.
        let asked = manifest.asked(&settings).unwrap_or_default().rooted(&base, &user_home);
        let directories = Directories::of(&grants, &asked.unwrap_or_default());
        let name: Arc<str> = name.into();
        let visible = settings.visible().map(|(name, text)| (name.to_owned(), text)).collect();
        let runs = Runs::open(&host, &plugin, &name, &grants, limits, visible)?;
        let grants = Arc::new(grants);
        let gate = Gate::new(Arc::clone(&grants), Arc::new(settings), limits, host.0.dns());
        let shared = Shared { gate, cache: Default::default(), directories, grants, limits };
        Ok(Self {
            name,
            shared: Arc::new(shared),
            runs: Arc::new(runs),
            instances: Arc::new(Semaphore::new(limits.concurrency)),
            host,
            plugin,
        })
    }

    /// The store's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Where it runs.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.plugin.isolation()
    }

    /// What the plugin can do. Known without running it.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.plugin.inspection().capabilities
    }

    /// What the plugin may do.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.shared.grants
    }

    /// What the plugin may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Resolves `references`: one answer for each, in their order. They are spread over as many fresh
    /// instances as the store's concurrency allows, so that even a plugin that takes one after the other
    /// resolves them in parallel.
    pub async fn resolve(&self, references: &[Reference]) -> Vec<Result<Secret, CallError>> {
        let verb = Verb::Resolve;
        if references.len() > limits::REFERENCES_MAX {
            return self.all_fail(verb, references, &Cause::TooMany(references.len()));
        }
        let call = self.call(verb, references);
        if let Err(error) = self.host.0.audit.begin(&call) {
            return self.all_fail(verb, references, &Cause::Audit(error.to_string()));
        }
        let decisions: Vec<_> =
            references.iter().map(|reference| self.shared.grants.permit(reference)).collect();
        let permits: Vec<CallPermit> =
            decisions.iter().filter_map(|decision| decision.as_ref().ok()).cloned().collect();
        let mut answers = self.ask(&permits).await.into_iter();
        let results: Vec<_> = decisions
            .into_iter()
            .zip(references)
            .map(|(decision, reference)| match decision {
                Ok(_) => answers.next().unwrap_or_else(|| {
                    Err(self.failure(
                        verb,
                        std::slice::from_ref(reference),
                        Cause::Contract("it gave too few answers".into()),
                    ))
                }),
                Err(denied) => {
                    Err(self.failure(verb, std::slice::from_ref(reference), Cause::Denied(denied)))
                }
            })
            .collect();
        let outcomes: Vec<_> =
            results.iter().map(|result| Outcome::of(result.as_ref().err())).collect();
        match self.host.0.audit.finish(&call, &outcomes) {
            Ok(()) => results,
            Err(error) => self.all_fail(verb, references, &Cause::Audit(error.to_string())),
        }
    }

    /// Resolves one reference.
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no secret.
    pub async fn resolve_one(&self, reference: &Reference) -> Result<Secret, CallError> {
        let mut results = self.resolve(std::slice::from_ref(reference)).await;
        results.pop().expect("there is one answer for each reference")
    }

    /// Keeps `secret` under the key of `reference`, durably. Doing it twice has the effect of once.
    ///
    /// # Errors
    ///
    /// [`CallError`] with [`Cause::Capability`] if the plugin keeps nothing, [`Cause::Conflict`] if the
    /// key exists and is to be kept, [`Cause::TooLarge`], or whatever the backend says.
    pub async fn put(
        &self,
        reference: &Reference,
        secret: &Secret,
        existing: Existing,
    ) -> Result<(), CallError> {
        let too_large = secret.expose().len() > self.shared.limits.answer;
        let before = || match self.capabilities().writer {
            true if too_large => Err(Cause::TooLarge(self.shared.limits.answer as u64)),
            true => Ok(()),
            false => Err(Cause::Capability(Verb::Put)),
        };
        let asked = || Asked::Put {
            key: reference.key().into(),
            value: Bytes::new(secret.expose().to_vec()),
            replace: existing == Existing::Replace,
        };
        self.one(Verb::Put, reference, [secret], before, asked).await
    }

    /// Deletes the secret under the key of `reference`, durably. Deleting what is not there succeeds.
    ///
    /// # Errors
    ///
    /// [`CallError`] with [`Cause::Capability`] if the plugin keeps nothing, or whatever the backend
    /// says.
    pub async fn delete(&self, reference: &Reference) -> Result<(), CallError> {
        let before = || match self.capabilities().writer {
            true => Ok(()),
            false => Err(Cause::Capability(Verb::Delete)),
        };
        let asked = || Asked::Delete { key: reference.key().into() };
        self.one(Verb::Delete, reference, [], before, asked).await
    }

    /// Lists the keys that begin with `prefix`, page by page until the end, sorted.
    ///
    /// # Errors
    ///
    /// [`CallError`] with [`Cause::Capability`] if the plugin lists nothing, or whatever the backend
    /// says.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        for _ in 0..limits::LISTED_PAGES_MAX {
            let (page, next) = self.list_page(prefix, cursor.take()).await?;
            // A listing that goes on without giving anything would go on for ever.
            if page.is_empty() && next.is_some() {
                let cause =
                    Cause::Contract("it gave an empty page of keys that is not the last".into());
                return Err(self.failure(Verb::List, &[], cause));
            }
            keys.extend(page);
            if keys.len() > limits::LISTED_KEYS_MAX {
                let limit = format!("{} keys in a listing", limits::LISTED_KEYS_MAX);
                return Err(self.failure(Verb::List, &[], Cause::Limit { limit }));
            }
            if next.is_none() {
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
            cursor = next;
        }
        let limit = format!("{} pages in a listing", limits::LISTED_PAGES_MAX);
        Err(self.failure(Verb::List, &[], Cause::Limit { limit }))
    }

    async fn list_page(
        &self,
        prefix: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), CallError> {
        let fail = |cause| self.failure(Verb::List, &[], cause);
        if !self.capabilities().lister {
            return Err(fail(Cause::Capability(Verb::List)));
        }
        let call = self.call(Verb::List, &[]);
        self.host.0.audit.begin(&call).map_err(|error| fail(Cause::Audit(error.to_string())))?;
        let environment = self.shared.grants.environment([]);
        let asked = Asked::List { prefix: prefix.into(), cursor };
        let ran = self.run(&environment, 0, asked).await.narrow(|answered| match answered {
            Answered::List(page) => Some(page),
            Answered::Delete(_) | Answered::Put(_) | Answered::Resolve(_) => None,
        });
        let result = self.settle(Verb::List, &[], ran, []).and_then(|page| {
            let broken = |what: &str| Err(fail(Cause::Contract(what.into())));
            if page.keys.len() > limits::PAGE_KEYS_MAX {
                return broken("its page of keys is too long");
            }
            if page.next.as_ref().is_some_and(|next| next.len() > limits::CURSOR_BYTES_MAX) {
                return broken("its cursor is too long");
            }
            if let Some(key) = page.keys.iter().find(|key| !key.starts_with(prefix)) {
                return broken(&format!("it lists {}, which was not asked for", text::escape(key)));
            }
            // A key that could not be asked for again is none.
            if page.keys.iter().any(|key| Reference::secret(key.as_str()).is_err()) {
                return broken("it lists a key that no secret can have");
            }
            Ok((page.keys, page.next))
        });
        self.host
            .0
            .audit
            .finish(&call, &[Outcome::of(result.as_ref().err())])
            .map_err(|error| fail(Cause::Audit(error.to_string())))?;
        result
    }

    /// Asks the plugin about what is permitted, a few references for each instance.
    async fn ask(&self, permits: &[CallPermit]) -> Vec<Result<Secret, CallError>> {
        let count = permits.len();
        let size = if self.plugin.inspection().manifest.batch() {
            count
        } else {
            count.div_ceil(self.shared.limits.concurrency).min(limits::CHUNK_REFERENCES_MAX)
        };
        // Collected, so that the closure is gone before anything waits: with it the future could not be
        // sent to another thread.
        let chunks: Vec<_> =
            permits.chunks(size.max(1)).map(|chunk| self.ask_instance(chunk)).collect();
        let answers: Vec<_> =
            stream::iter(chunks).buffered(self.shared.limits.concurrency).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn ask_instance(&self, permits: &[CallPermit]) -> Vec<Result<Secret, CallError>> {
        let verb = Verb::Resolve;
        let references: Vec<Reference> =
            permits.iter().map(|permit| permit.reference().clone()).collect();
        let asked: Vec<wit::Reference> = references
            .iter()
            .map(|reference| wit::Reference {
                source: reference.source().name().into(),
                key: reference.key().into(),
            })
            .collect();
        let environment = self.shared.grants.environment(permits);
        let asked = Asked::Resolve { references: asked };
        let ran = self.run(&environment, references.len(), asked).await;
        let ran = ran.narrow(|answered| match answered {
            Answered::Resolve(answers) => Some(answers),
            Answered::Delete(_) | Answered::List(_) | Answered::Put(_) => None,
        });
        let Ran { answer, incidents, unanswered, log, .. } = ran;
        let answers = match answer {
            Ok(answers) if answers.len() == references.len() => answers,
            Ok(answers) => {
                let what = format!("{} answers for {} references", answers.len(), references.len());
                log.withhold(&self.name);
                return self.all_fail(verb, &references, &Cause::Contract(what));
            }
            Err(cause) => {
                log.withhold(&self.name);
                let mut failures = self.all_fail(verb, &references, &cause);
                for error in failures.iter_mut().filter_map(|result| result.as_mut().err()) {
                    error.incidents.clone_from(&incidents);
                }
                return failures;
            }
        };
        // The plugin knew every value while it wrote every text, so each text is searched for all values,
        // also for those that are not accepted.
        let mut refused = Vec::new();
        let answers: Vec<Result<Result<Secret, Cause>, wit::Error>> = answers
            .into_iter()
            .map(|answer| {
                let accepted = self.accept(answer?);
                Ok(accepted.map_err(|(cause, secret)| {
                    refused.push(secret);
                    cause
                }))
            })
            .collect();
        let accepted = answers.iter().filter_map(|answer| answer.as_ref().ok()?.as_ref().ok());
        let texts = !log.is_empty() || answers.iter().any(Result::is_err);
        let mask = Mask::within(accepted.chain(&refused), text_bytes_max(texts));
        // The value of an answer that failed may have been seen by the plugin, and is not known here.
        if answers.iter().all(Result::is_ok) {
            log.show(&self.name, &mask);
        } else {
            log.withhold(&self.name);
        }
        answers
            .into_iter()
            .zip(&references)
            .map(|(answer, reference)| {
                let result =
                    answer.unwrap_or_else(|error| Err(said(error, reference, &mask, unanswered)));
                result.map_err(|cause| CallError {
                    incidents: incidents.clone(),
                    ..self.failure(verb, std::slice::from_ref(reference), cause)
                })
            })
            .collect()
    }

    /// Checks what a plugin gave for a reference. What is not accepted comes back with the cause.
    fn accept(&self, given: Given) -> Result<Secret, (Cause, Secret)> {
        let Given { value, version, expires_at } = given;
        let secret = Secret::from(value);
        if secret.expose().len() > self.shared.limits.answer {
            let limit = format!("{} bytes of one value", self.shared.limits.answer);
            return Err((Cause::Limit { limit }, secret));
        }
        if version.as_ref().is_some_and(|version| version.len() > limits::VERSION_BYTES_MAX) {
            let cause = Cause::Contract("the version of a secret is too long".into());
            return Err((cause, secret));
        }
        let version = version.map(|version| text::escape(&version));
        Ok(secret.described(version, expires_at))
    }

    /// A call about one reference that has no value for an answer.
    async fn one<'s>(
        &self,
        verb: Verb,
        reference: &Reference,
        secrets: impl IntoIterator<Item = &'s Secret>,
        before: impl FnOnce() -> Result<(), Cause>,
        asked: impl FnOnce() -> Asked,
    ) -> Result<(), CallError> {
        let references = std::slice::from_ref(reference);
        let fail = |cause| self.failure(verb, references, cause);
        before().map_err(fail)?;
        if reference.source() != Source::Secret {
            let rule = format!("only references of source `secret` can be {verb}");
            return Err(fail(Cause::InvalidReference(rule)));
        }
        let permit =
            self.shared.grants.permit(reference).map_err(|denied| fail(Cause::Denied(denied)))?;
        let call = self.call(verb, references);
        self.host.0.audit.begin(&call).map_err(|error| fail(Cause::Audit(error.to_string())))?;
        let environment = self.shared.grants.environment([&permit]);
        let ran = self.run(&environment, 0, asked()).await.narrow(|answered| match answered {
            Answered::Delete(done) | Answered::Put(done) => Some(done),
            Answered::List(_) | Answered::Resolve(_) => None,
        });
        let result = self.settle(verb, references, ran, secrets);
        self.host
            .0
            .audit
            .finish(&call, &[Outcome::of(result.as_ref().err())])
            .map_err(|error| fail(Cause::Audit(error.to_string())))?;
        result
    }

    async fn run(
        &self,
        environment: &EnvironmentPermit,
        answers: usize,
        asked: Asked,
    ) -> Ran<Answered> {
        // Waiting for a place is not counted as time of the call.
        let _of_store = self.instances.acquire().await.expect("the semaphore is never closed");
        let _of_host =
            self.host.0.instances.acquire().await.expect("the semaphore is never closed");
        let limits = &self.shared.limits;
        let crossing_bytes = answers.saturating_mul(limits.answer).max(limits.body);
        // What an instance may send for all references of a batch is what several instances may that are
        // given as many.
        let requests_max = limits.requests * answers.div_ceil(limits::CHUNK_REFERENCES_MAX).max(1);
        let variables = ambient::variables(environment)
            .into_iter()
            .map(|(name, value)| (name, Bytes::new(value.as_bytes().to_vec())))
            .collect::<Vec<_>>();
        let asked = ToInstance { asked, variables, crossing_bytes, requests_max };
        let Some(observer) = &self.host.0.observer else {
            return self.runs.ask(&self.host, &self.shared, asked).await;
        };
        let verb = asked.asked.verb();
        let begun = Instant::now();
        let ran = self.runs.ask(&self.host, &self.shared, asked).await;
        let said = ran.answer.iter().flat_map(Answered::texts);
        observer.observed(&Observed {
            store: &self.name,
            verb,
            took: begun.elapsed(),
            usage: ran.usage,
            requests: ran.requests,
            incidents: &ran.incidents,
            logged: ran.log.texts().collect(),
            said: said.collect(),
        });
        ran
    }

    /// What became of a call, with its log shown.
    fn settle<'s, T>(
        &self,
        verb: Verb,
        references: &[Reference],
        ran: Ran<Result<T, wit::Error>>,
        secrets: impl IntoIterator<Item = &'s Secret>,
    ) -> Result<T, CallError> {
        let Ran { answer, incidents, unanswered, log, .. } = ran;
        let cause = match answer {
            Ok(answer) => {
                let texts = !log.is_empty() || answer.is_err();
                let mask = Mask::within(secrets, text_bytes_max(texts));
                log.show(&self.name, &mask);
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) => said_of(error, &mask, unanswered),
                }
            }
            Err(cause) => {
                log.withhold(&self.name);
                cause
            }
        };
        Err(CallError { incidents, ..self.failure(verb, references, cause) })
    }

    fn call<'a>(&'a self, verb: Verb, references: &'a [Reference]) -> Call<'a> {
        let inspection = self.plugin.inspection();
        Call {
            id: self.host.0.calls.fetch_add(1, Ordering::Relaxed),
            store: &self.name,
            plugin: inspection.manifest.name(),
            digest: &inspection.digest,
            verb,
            references,
        }
    }

    fn failure(&self, verb: Verb, references: &[Reference], cause: Cause) -> CallError {
        CallError {
            store: self.name.to_string(),
            verb,
            what: error::what(verb, references),
            cause,
            incidents: Vec::new(),
        }
    }

    fn all_fail(
        &self,
        verb: Verb,
        references: &[Reference],
        cause: &Cause,
    ) -> Vec<Result<Secret, CallError>> {
        references
            .iter()
            .map(|reference| {
                Err(self.failure(verb, std::slice::from_ref(reference), cause.clone()))
            })
            .collect()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}, {:?})", self.name, self.plugin)
    }
}

/// Bytes of a plugin's texts in which secrets are looked for. Most calls have none, and a mask is not free.
fn text_bytes_max(texts: bool) -> usize {
    if texts { limits::LOG_BYTES_MAX } else { 0 }
}

/// What a plugin said about a reference, with what `mask` hides hidden.
fn said(error: wit::Error, reference: &Reference, mask: &Mask, unanswered: Unanswered) -> Cause {
    let missing = match (&error, reference.source()) {
        (wit::Error::NotFound, Source::Env) => {
            Some(format!("the environment variable {} is not set", text::escape(reference.key())))
        }
        (wit::Error::NotFound, Source::Path) => {
            Some(format!("there is no file {}", text::escape(reference.key())))
        }
        (wit::Error::NotFound, Source::Command | Source::Secret | Source::Value) => None,
        _ => None,
    };
    missing.map_or_else(|| said_of(error, mask, unanswered), Cause::NotFoundHere)
}

fn said_of(error: wit::Error, mask: &Mask, unanswered: Unanswered) -> Cause {
    use wit::Error as E;
    // Hidden before it is escaped and cut: a secret that was changed or cut is not found.
    let shown = |text: String| {
        let text = Zeroizing::new(text);
        let end = text.floor_char_boundary(limits::LOG_BYTES_MAX);
        text::escape(&mask.text(&text[..end]))
    };
    match error {
        E::AccessDenied => Cause::AccessDenied,
        E::Conflict => Cause::Conflict,
        E::InvalidReference(why) => Cause::InvalidReference(shown(why)),
        E::NotFound => Cause::NotFound,
        E::Other(why) => Cause::Other(shown(why)),
        E::TooLarge(bytes_max) => Cause::TooLarge(bytes_max),
        E::Unauthenticated => Cause::Unauthenticated,
        // The host saw what the backend asked for, also where the plugin does not say it.
        E::Unavailable(after_ms) => Cause::Unavailable {
            after_ms: after_ms.or_else(|| {
                let asked = unanswered.retry_after?;
                Some(u64::try_from(asked.as_millis()).unwrap_or(u64::MAX))
            }),
            tries: unanswered.tries,
        },
        E::Unsupported(what) => Cause::Unsupported(shown(what)),
    }
}
