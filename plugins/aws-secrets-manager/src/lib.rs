//! Keeps secrets in AWS Secrets Manager, and reads what others keep there.
//!
//! A secret of its own has a name of its own, in one folder: nothing else is ever written, and writing follows the
//! version that was looked at or nothing. `name#field` reads any secret that the key may read.

mod name;
mod place;
mod service;
#[cfg(test)]
mod tests;
mod value;

use coffer_plugin::{
    Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export, settings,
};
use place::Place;
use service::{Kept, Read, Service};
use std::collections::BTreeMap;

struct SecretsManager;

impl Resolver for SecretsManager {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        Self::resolve_all(std::slice::from_ref(reference)).remove(0)
    }

    /// One request for twenty secrets, however many of their fields are asked for.
    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let service = match Service::open() {
            Ok(service) => service,
            Err(error) => return vec![Err(error); references.len()],
        };
        let mut reads = Reads { service: &service, answers: BTreeMap::new() };
        let places: Vec<_> =
            references.iter().map(|reference| Place::of(reference.secret()?)).collect();
        reads.fetch(places.iter().flatten());
        let answers: Vec<Result<Secret, Error>> = places
            .iter()
            .map(|place| reads.secret(place.as_ref().map_err(Clone::clone)?))
            .collect();
        if settings::get("plain_names").as_deref() != Some("true") {
            return answers;
        }
        let absent: Vec<_> = places
            .iter()
            .zip(&answers)
            .map(|(place, answer)| match (place, answer) {
                (Ok(Place::Own { key }), Err(Error::NotFound)) => porters(&service, key),
                _ => None,
            })
            .collect();
        reads.fetch(absent.iter().flatten());
        let found = absent.iter().map(|place| Some(reads.secret(place.as_ref()?)));
        answers.into_iter().zip(found).map(|(answer, found)| found.unwrap_or(answer)).collect()
    }
}

/// The secret whose name is `key`. What is in the folder is found by its key and by nothing else.
fn porters<'k>(service: &Service, key: &'k str) -> Option<Place<'k>> {
    let rest = key.strip_prefix(&service.folder);
    Place::of_porter(key).filter(|_| !rest.is_some_and(|rest| rest.starts_with('/')))
}

/// What was read in one call, each secret once.
struct Reads<'s> {
    service: &'s Service,
    answers: BTreeMap<Read, Result<Kept, Error>>,
}

impl Reads<'_> {
    fn read(&self, place: &Place<'_>) -> Result<Read, Error> {
        Ok(match place {
            Place::Other { id, version, .. } => {
                Read { id: (*id).to_owned(), version: version.map(str::to_owned) }
            }
            Place::Own { key } => Read { id: name::of(&self.service.folder, key)?, version: None },
        })
    }

    fn fetch<'p>(&mut self, places: impl Iterator<Item = &'p Place<'p>>) {
        let mut missing: Vec<Read> = places
            .filter_map(|place| self.read(place).ok())
            .filter(|read| !self.answers.contains_key(read))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        let answers = self.service.read(&missing);
        self.answers.extend(missing.into_iter().zip(answers));
    }

    fn secret(&self, place: &Place<'_>) -> Result<Secret, Error> {
        let (found, version) =
            self.answers.get(&self.read(place)?).ok_or(Error::NotFound)?.clone()?;
        let value = match place {
            Place::Other { field: Some(field), .. } => found.field(field)?,
            Place::Other { field: None, .. } => found.whole(),
            Place::Own { .. } => found.own(),
        };
        let secret = Secret::new(value);
        Ok(match version {
            Some(version) => secret.version(version),
            None => secret,
        })
    }
}

impl Writer for SecretsManager {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let service = Service::open()?;
        let id = name::of(&service.folder, key)?;
        let Some(state) = service.state(&id)? else { return service.create(&id, value) };
        if state.deleted {
            if settings::get("restore").as_deref() != Some("true") {
                return Err(Error::Other(
                    "this secret is scheduled for deletion; restore it, delete it for good, or set `restore`"
                        .into(),
                ));
            }
            service.restore(&id)?;
        } else if existing == Existing::Keep && state.has_value() {
            return Err(Error::Conflict);
        }
        service.add(&id, value, &state)
    }

    fn delete(key: &str) -> Result<(), Error> {
        let service = Service::open()?;
        let id = name::of(&service.folder, key)?;
        let days = settings::required("recovery_days")?;
        let days = days.parse().map_err(|_| Error::Other("`recovery_days` is no number".into()))?;
        match service.delete(&id, days) {
            Err(Error::NotFound) => Ok(()),
            result => result,
        }
    }
}

impl Lister for SecretsManager {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let service = Service::open()?;
        let beginning = name::escaped(&service.folder, prefix);
        Page::first(cursor, |cursor| {
            let (names, next) = service.names(&beginning, cursor)?;
            let keys = names.iter().filter(|name| name.starts_with(&beginning));
            Ok((keys.filter_map(|name| name::key(&service.folder, name)).collect(), next))
        })
    }
}

export!(SecretsManager, writer, lister);
