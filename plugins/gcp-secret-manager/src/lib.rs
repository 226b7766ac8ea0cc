//! Keeps secrets in Google Secret Manager, and reads what others keep there.
//!
//! A secret of its own has a name of its own, in one folder: nothing else is ever written. `name#field` reads any secret
//! of the project that the account may read.

mod name;
mod place;
mod service;
#[cfg(test)]
mod tests;
mod value;

use coffer_plugin::{Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export};
use place::Place;
use service::{Kept, Read, Service};
use std::collections::BTreeMap;

struct SecretManager;

impl Resolver for SecretManager {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        Self::resolve_all(std::slice::from_ref(reference)).remove(0)
    }

    /// One request for each secret, however many of its fields are asked for, all at the same time.
    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let service = match Service::open() {
            Ok(service) => service,
            Err(error) => return vec![Err(error); references.len()],
        };
        let places: Vec<Result<(Place<'_>, Read), Error>> = references
            .iter()
            .map(|reference| {
                let place = Place::of(reference.secret()?)?;
                let name = match &place {
                    Place::Other { name, .. } => (*name).to_owned(),
                    Place::Own { key } => name::of(&service.folder, key)?,
                };
                let version = place.version().to_owned();
                Ok((place, Read { name, version }))
            })
            .collect();
        let mut reads: Vec<Read> = places.iter().flatten().map(|(_, read)| read.clone()).collect();
        reads.sort_unstable();
        reads.dedup();
        let answers = service.read(&reads);
        let answers: BTreeMap<Read, Result<Kept, Error>> = reads.into_iter().zip(answers).collect();
        places
            .into_iter()
            .map(|place| {
                let (place, read) = place?;
                let (bytes, version) = answers[&read].clone()?;
                let value = match place {
                    Place::Other { field: Some(field), .. } => value::field(&bytes, field)?,
                    Place::Other { field: None, .. } => bytes,
                    Place::Own { .. } => value::own(bytes),
                };
                let secret = Secret::new(value);
                Ok(match version {
                    Some(version) => secret.version(version),
                    None => secret,
                })
            })
            .collect()
    }
}

impl Writer for SecretManager {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let service = Service::open()?;
        let name = name::of(&service.folder, key)?;
        // Before a secret is made that would stay without a value.
        value::payload(value)?;
        match existing {
            // Making it is the one step that only one of two succeeds in. A secret without a value is one that is
            // there: somebody may be about to give it one.
            Existing::Keep => service.create(&name)?,
            Existing::Replace => match service.add(&name, value) {
                Err(Error::NotFound) => match service.create(&name) {
                    Err(Error::Conflict) => {}
                    result => result?,
                },
                result => return result,
            },
        }
        service.add(&name, value)
    }

    fn delete(key: &str) -> Result<(), Error> {
        let service = Service::open()?;
        match service.delete(&name::of(&service.folder, key)?) {
            Err(Error::NotFound) => Ok(()),
            result => result,
        }
    }
}

impl Lister for SecretManager {
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

export!(SecretManager, writer, lister);
