//! What a run is given: where each parameter and credential comes from, then its value.
//!
//! A parameter comes from the command line, or else from a set, or else from what was given to an earlier
//! run, or else from the output that the bundle names, or else from its default.

use super::{RunFailure, Runner, kept};
use crate::bundle::{Definition, Parameter};
use crate::ledger::{Address, Installation, Kept, KeptSet, LedgerError};
use crate::name::Name;
use crate::package::Package;
use crate::runner::Request;
use crate::stores::HOST;
use coffer_host::grants::{Reference, Source};
use coffer_host::{CallError, Secret, Store};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where one parameter or credential comes from.
pub(super) struct Choice {
    name: String,
    kind: &'static str,
    from: From,
    sensitive: bool,
    definition: Option<Definition>,
    environment: Option<String>,
    path: Option<String>,
}

enum From {
    /// The command line or the bundle gives the value.
    Here { bytes: Option<Secret>, value: Option<Value>, given: bool },
    /// It is kept somewhere.
    Kept(Kept),
}

impl Choice {
    /// Whether it is a sensitive value that no store has yet.
    pub(super) fn is_to_be_saved(&self) -> bool {
        self.sensitive && matches!(self.from, From::Here { .. })
    }
}

/// What a run is going to do with everything that it takes.
pub(super) struct Choices {
    pub(super) choices: Vec<Choice>,
    sets: Vec<(&'static str, Vec<String>)>,
}

/// One parameter or credential, with its value.
pub(super) struct Input {
    pub(super) name: String,
    kind: &'static str,
    pub(super) bytes: Secret,
    /// The value with its type, of a parameter.
    pub(super) value: Option<Value>,
    sensitive: bool,
    given: bool,
    kept: Kept,
    /// Whether it is to be put where it is said to be kept.
    new: bool,
    pub(super) environment: Option<String>,
    pub(super) path: Option<String>,
}

/// Everything that a run is given.
pub(super) struct Plan {
    pub(super) inputs: Vec<Input>,
    pub(super) sets: Vec<(&'static str, Vec<String>)>,
}

impl Plan {
    /// What has to be hidden.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.inputs.iter().filter(|input| input.sensitive).map(|input| &input.bytes)
    }

    /// What will be put, and where.
    pub(super) fn puts(&self) -> impl Iterator<Item = (Address, &Secret)> {
        self.inputs.iter().filter(|input| input.new).filter_map(|input| match &input.kept {
            Kept::Secret(address) => Some((address.clone(), &input.bytes)),
            Kept::Outside { .. } | Kept::Plain(_) => None,
        })
    }

    pub(super) fn intents(&self) -> Vec<Address> {
        self.puts().map(|(address, _)| address).collect()
    }

    /// What the ledger is told.
    pub(super) fn records(&self) -> Vec<(&'static str, String, Kept)> {
        let record = |input: &Input| (input.kind, input.name.clone(), input.kept.clone());
        self.inputs.iter().map(record).collect()
    }

    /// What the next run is to be given again: what the command line gave to this one.
    pub(super) fn overrides(&self) -> BTreeMap<String, Kept> {
        let given = self.inputs.iter().filter(|input| input.given);
        given.map(|input| (input.name.clone(), input.kept.clone())).collect()
    }
}

impl Runner<'_> {
    /// Chooses where everything comes from, without asking any store.
    pub(super) async fn choose(
        &self,
        request: &Request,
        package: &Package,
        installation: Option<&Installation>,
        namespace: &str,
    ) -> Result<Choices, RunFailure> {
        let bundle = package.bundle();
        for name in request.parameters.keys() {
            match bundle.parameters().get(name) {
                Some(parameter) if parameter.applies(&request.action) => {}
                Some(_) => {
                    return Err(RunFailure::NotForAction {
                        name: name.clone(),
                        action: request.action.clone(),
                    });
                }
                None => return Err(RunFailure::unknown_parameter(name, bundle)),
            }
        }
        let (overrides, outputs) = match installation {
            Some(Installation { id, .. }) => {
                (self.ledger.overrides(id).await?, self.ledger.outputs(id).await?)
            }
            None => Default::default(),
        };
        let parameter_sets = self
            .sets("parameters", request.parameter_sets.as_deref(), installation, namespace)
            .await?;
        let credential_sets = self
            .sets("credentials", request.credential_sets.as_deref(), installation, namespace)
            .await?;

        let mut choices = Vec::new();
        let mut missing = Vec::new();
        for (name, parameter) in bundle.parameters() {
            if !parameter.applies(&request.action) {
                continue;
            }
            let mut tainted = false;
            let from = if let Some(bytes) = request.parameters.get(name) {
                Some(From::Here { bytes: Some(bytes.clone()), value: None, given: true })
            } else if let Some(kept) = entry(&parameter_sets, name) {
                Some(From::Kept(kept))
            } else if let Some(kept) = overrides.get(name) {
                Some(From::Kept(kept.clone()))
            } else if let Some((_, kept)) =
                parameter.source_output.as_ref().and_then(|output| outputs.get(output))
            {
                // What the ledger has of an output that was not called sensitive then, and is now.
                tainted = parameter.sensitive;
                Some(From::Kept(kept.clone()))
            } else {
                let default = parameter.definition.default().cloned();
                default.map(|value| From::Here { bytes: None, value: Some(value), given: false })
            };
            match from {
                Some(from) => choices.push(choice(name, parameter, from, tainted)),
                None if parameter.required => missing.push(name.clone()),
                None => {}
            }
        }
        if !missing.is_empty() {
            return Err(RunFailure::MissingParameters { names: missing });
        }
        for (name, credential) in bundle.credentials() {
            if !credential.applies(&request.action) {
                continue;
            }
            match entry(&credential_sets, name) {
                Some(kept) => choices.push(Choice {
                    name: name.clone(),
                    kind: "credential",
                    from: From::Kept(kept),
                    sensitive: true,
                    definition: None,
                    environment: credential.environment.clone(),
                    path: credential.path.clone(),
                }),
                None if credential.required => missing.push(name.clone()),
                None => {}
            }
        }
        if !missing.is_empty() {
            return Err(RunFailure::MissingCredentials { names: missing });
        }
        let names = |sets: &[KeptSet]| sets.iter().map(|set| set.name.clone()).collect();
        let sets =
            vec![("parameters", names(&parameter_sets)), ("credentials", names(&credential_sets))];
        Ok(Choices { choices, sets })
    }

    /// The sets that were asked for, or else those of the last run. One that is not in the namespace is
    /// looked for in the one without a name, as Porter does.
    async fn sets(
        &self,
        kind: &str,
        asked: Option<&[Name]>,
        installation: Option<&Installation>,
        namespace: &str,
    ) -> Result<Vec<KeptSet>, RunFailure> {
        let names: Vec<String> = match (asked, installation) {
            (Some(names), _) => names.iter().map(ToString::to_string).collect(),
            (None, Some(installation)) => {
                self.ledger.installation_sets(&installation.id, kind).await?
            }
            (None, None) => Vec::new(),
        };
        let mut sets = Vec::new();
        for name in &names {
            sets.push(match self.ledger.set(kind, namespace, name).await {
                Err(LedgerError::NotFound { .. }) => self.ledger.set(kind, "", name).await?,
                found => found?,
            });
        }
        Ok(sets)
    }

    /// Gives every choice its value. New sensitive values get an address in `store`.
    pub(super) async fn resolve(
        &self,
        choices: Choices,
        run: &str,
        store: &str,
    ) -> Result<Plan, RunFailure> {
        let Choices { choices, sets } = choices;
        let mut resolved = self.ask(&choices).await?;
        let mut inputs = Vec::new();
        for choice in choices {
            let Choice { name, kind, from, mut sensitive, definition, environment, path } = choice;
            let refused = |error| RunFailure::Value { name: name.clone(), error };
            let checked = |value: Value| match &definition {
                Some(definition) => definition.check(&value).map(|()| value).map_err(refused),
                None => Ok(value),
            };
            let read = |bytes: &Secret| match &definition {
                Some(definition) => {
                    definition.read(bytes.expose()).map_err(refused).and_then(checked).map(Some)
                }
                None => Ok(None),
            };
            let (value, bytes, kept, given, new) = match from {
                From::Here { bytes, value, given } => {
                    let value = match (&bytes, value) {
                        (Some(bytes), _) => read(bytes)?,
                        (None, value) => value.map(checked).transpose()?,
                    };
                    let value = value.unwrap_or(Value::Null);
                    let kept = if sensitive {
                        let key = format!("{run}-parameter-{name}");
                        kept(&Address { store: store.to_owned(), key })
                    } else {
                        Kept::Plain(value.clone())
                    };
                    (Some(value), None, kept, given, sensitive)
                }
                From::Kept(Kept::Plain(value)) => {
                    (Some(checked(value.clone())?), None, Kept::Plain(value), false, false)
                }
                From::Kept(kept) => {
                    // Whatever a store had is sensitive from then on, whoever takes it.
                    sensitive = true;
                    let bytes = resolved
                        .remove(&(kind, name.clone()))
                        .expect("everything kept was asked for");
                    (read(&bytes)?, Some(bytes), kept, false, false)
                }
            };
            let bytes = match (&definition, &value) {
                (Some(definition), Some(value)) => {
                    Secret::new(std::mem::take(&mut *definition.bytes(value)))
                }
                _ => bytes.expect("a credential is always kept somewhere"),
            };
            inputs.push(Input {
                name,
                kind,
                bytes,
                value,
                sensitive,
                given,
                kept,
                new,
                environment,
                path,
            });
        }
        Ok(Plan { inputs, sets })
    }

    /// Resolves what is kept somewhere: one call for each store.
    async fn ask(&self, choices: &[Choice]) -> Result<BTreeMap<Asker, Secret>, RunFailure> {
        let default = self.stores.default_name();
        let mut asked: BTreeMap<String, Vec<(Asker, Reference)>> = BTreeMap::new();
        for choice in choices {
            let (store, reference) = match &choice.from {
                From::Kept(Kept::Secret(address)) => {
                    (address.store.clone(), super::key_of(address))
                }
                From::Kept(Kept::Outside { store, reference }) => {
                    let store = match (store.as_str(), reference.source()) {
                        ("", Source::Secret) => default.clone(),
                        ("", _) => HOST.to_owned(),
                        (store, _) => store.to_owned(),
                    };
                    (store, reference.clone())
                }
                From::Here { .. } | From::Kept(Kept::Plain(_)) => continue,
            };
            asked.entry(store).or_default().push(((choice.kind, choice.name.clone()), reference));
        }
        let mut resolved = BTreeMap::new();
        let mut failures: Vec<(&'static str, String, CallError)> = Vec::new();
        for (store, wanted) in asked {
            let store: Store = self.stores.open(&store).await?;
            let references: Vec<Reference> =
                wanted.iter().map(|(_, reference)| reference.clone()).collect();
            let answers = store.resolve(&references).await;
            for (((kind, name), _), answer) in wanted.into_iter().zip(answers) {
                match answer {
                    Ok(secret) => drop(resolved.insert((kind, name), secret)),
                    Err(error) => failures.push((kind, name, error)),
                }
            }
        }
        if failures.is_empty() { Ok(resolved) } else { Err(RunFailure::Resolve { failures }) }
    }
}

/// The kind and the name of what takes a value.
type Asker = (&'static str, String);

fn choice(name: &str, parameter: &Parameter, from: From, tainted: bool) -> Choice {
    let kept_by_a_store = matches!(&from, From::Kept(Kept::Secret(_) | Kept::Outside { .. }));
    let sensitive = parameter.definition.sensitive() || tainted || kept_by_a_store;
    let from = match from {
        // It was not sensitive when it was recorded. It goes into a store now.
        From::Kept(Kept::Plain(value)) if sensitive => {
            From::Here { bytes: None, value: Some(value), given: !tainted }
        }
        from => from,
    };
    Choice {
        name: name.to_owned(),
        kind: "parameter",
        from,
        sensitive,
        definition: Some(parameter.definition.clone()),
        environment: parameter.environment.clone(),
        path: parameter.path.clone(),
    }
}

/// The entry of this name in the last set that has one. A secret of a set is the set's own, and goes with
/// it: to a run it is a reference like any other.
fn entry(sets: &[KeptSet], name: &str) -> Option<Kept> {
    let entries = sets.iter().rev().flat_map(|set| &set.entries);
    let (_, kept) = entries.into_iter().find(|(entry, _)| entry == name)?;
    Some(match kept {
        Kept::Secret(address) => {
            Kept::Outside { store: address.store.clone(), reference: super::key_of(address) }
        }
        Kept::Outside { .. } | Kept::Plain(_) => kept.clone(),
    })
}
