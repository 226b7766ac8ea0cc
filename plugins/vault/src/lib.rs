//! Keeps secrets in a KV engine of HashiCorp Vault or OpenBao, and reads what others keep there.
//!
//! A secret of its own has a path of its own, in one folder: nothing else is ever written, and writing
//! replaces the version that was looked at or nothing (check-and-set). `path#field` reads a field of any
//! path below the prefix.

mod document;
mod engine;
mod name;
mod place;
#[cfg(test)]
mod tests;

use coffer_plugin::{
    Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export, settings,
};
use engine::{Engine, Found, Kv, Read};
use place::Place;
use std::collections::BTreeMap;

/// Keys in a page; the interface allows no more.
const PAGE_KEYS_MAX: usize = 1000;

struct Vault;

impl Resolver for Vault {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        Self::resolve_all(std::slice::from_ref(reference)).remove(0)
    }

    /// One request for each path, however many of its fields are asked for, all at the same time.
    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let engine = match Engine::open() {
            Ok(engine) => engine,
            Err(error) => return vec![Err(error); references.len()],
        };
        let mut reads = Reads::new(&engine);
        let places: Vec<_> =
            references.iter().map(|reference| Place::of(reference.secret()?)).collect();
        reads.fetch(places.iter().flatten());
        let mut answers: Vec<_> = places
            .into_iter()
            .map(|place| {
                let place = place?;
                Ok((reads.secret(&place), place))
            })
            .collect();
        if answers.iter().flatten().any(|(answer, _)| matches!(answer, Err(Error::NotFound))) {
            // Perhaps it was looked for in the wrong engine.
            if let Err(error) = engine.check() {
                let not_found = answers.iter_mut().flatten().map(|(answer, _)| answer);
                for answer in not_found.filter(|answer| matches!(answer, Err(Error::NotFound))) {
                    *answer = Err(error.clone());
                }
            }
        }
        if reads_porter() {
            let absent: Vec<_> = answers.iter().map(absent_of_porter).collect();
            reads.fetch(absent.iter().flatten());
            let found: Vec<_> =
                absent.iter().map(|place| Some(reads.secret(place.as_ref()?))).collect();
            return answers
                .into_iter()
                .zip(found)
                .map(|(answer, found)| found.unwrap_or_else(|| answer?.0))
                .collect();
        }
        answers.into_iter().map(|answer| answer?.0).collect()
    }
}

/// Where to look in what Porter wrote for a key that is none of ours.
fn absent_of_porter<'a>(
    answer: &Result<(Result<Secret, Error>, Place<'a>), Error>,
) -> Option<Place<'a>> {
    match answer {
        Ok((Err(Error::NotFound), Place::Own { key })) => Place::of_porter(key),
        _ => None,
    }
}

/// Whether what Porter's plugin wrote is read: where its setting is used.
fn reads_porter() -> bool {
    settings::get("path_prefix").is_some()
}

/// What was read in one call, each path once.
struct Reads<'e> {
    engine: &'e Engine,
    answers: BTreeMap<Read, Result<Found, Error>>,
}

impl<'e> Reads<'e> {
    fn new(engine: &'e Engine) -> Self {
        Self { engine, answers: BTreeMap::new() }
    }

    fn read(&self, place: &Place<'_>) -> Result<Read, Error> {
        match place {
            Place::Field { version: Some(_), .. } if self.engine.kv == Kv::One => {
                Err(Error::Unsupported("a KV engine of version 1 keeps no versions".into()))
            }
            Place::Field { path, version, .. } => {
                Ok(Read { path: (*path).to_owned(), version: *version })
            }
            Place::Own { key } => Ok(self.engine.own(&name::of(key)?)),
        }
    }

    fn fetch<'p>(&mut self, places: impl Iterator<Item = &'p Place<'p>>) {
        let mut missing: Vec<Read> = places
            .filter_map(|place| self.read(place).ok())
            .filter(|read| !self.answers.contains_key(read))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        let answers = self.engine.read(&missing);
        self.answers.extend(missing.into_iter().zip(answers));
    }

    fn secret(&self, place: &Place<'_>) -> Result<Secret, Error> {
        let found = self.answers.get(&self.read(place)?).ok_or(Error::NotFound)?.clone()?;
        let fields = found.fields.as_ref().ok_or(Error::NotFound)?;
        let value = match place {
            Place::Field { field, .. } => document::field(fields, field)?,
            Place::Own { key } => document::value(fields, key)?,
        };
        let secret = Secret::new(value);
        Ok(match found.version {
            Some(version) => secret.version(version.to_string()),
            None => secret,
        })
    }
}

impl Writer for Vault {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let name = name::of(key)?;
        let engine = Engine::open()?;
        engine.check()?;
        let document = document::of(key, value);
        // What a bundle keeps has a key that was never there, so the first attempt mostly is the only one.
        if engine.kv == Kv::Two {
            match engine.write(&name, document.clone(), 0) {
                Err(Error::Conflict) => {}
                result => return result,
            }
        }
        let version = match current(&engine, &name)? {
            Some(found) => {
                let ours = found.fields.as_ref().is_none_or(document::is_ours);
                if !ours {
                    return Err(foreign());
                }
                if existing == Existing::Keep && found.fields.is_some() {
                    return Err(Error::Conflict);
                }
                found.version.unwrap_or_default()
            }
            None => 0,
        };
        engine.write(&name, document, version)
    }

    fn delete(key: &str) -> Result<(), Error> {
        let name = name::of(key)?;
        let engine = Engine::open()?;
        engine.check()?;
        match current(&engine, &name)? {
            Some(found) if !found.fields.as_ref().is_none_or(document::is_ours) => Err(foreign()),
            Some(_) => engine.remove(&name),
            None => Ok(()),
        }?;
        let porter = Place::of_porter(key).filter(|_| reads_porter());
        let mut reads = Reads::new(&engine);
        reads.fetch(porter.iter());
        match porter.map(|place| reads.secret(&place)) {
            None | Some(Err(Error::NotFound)) => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err(Error::Unsupported(
                "Porter wrote this secret among others at one path, and it is not removed from there".into(),
            )),
        }
    }
}

/// What is at the path of a secret of ours.
fn current(engine: &Engine, name: &str) -> Result<Option<Found>, Error> {
    match engine.read(&[engine.own(name)]).remove(0) {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn foreign() -> Error {
    Error::Other("the path of this key has what coffer did not write; it is left as it is".into())
}

impl Lister for Vault {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let engine = Engine::open()?;
        engine.check()?;
        let beginning = name::escaped(prefix);
        // The names come sorted, and all that begin like this come after what is shorter by a character.
        let first = beginning.get(..beginning.len().saturating_sub(1)).unwrap_or_default();
        Page::first(Some(cursor.unwrap_or(first)), |cursor| {
            let after = cursor.unwrap_or_default();
            let mut names = engine.names(after, PAGE_KEYS_MAX + 1)?;
            // Not every server knows `after` and `limit`.
            names.retain(|name| name.as_str() > after);
            names.sort_unstable();
            let more = names.len() > PAGE_KEYS_MAX;
            names.truncate(PAGE_KEYS_MAX);
            let last = names.last().cloned().unwrap_or_default();
            let over = last > beginning && !last.starts_with(&beginning);
            let keys = names
                .iter()
                .filter(|name| name.starts_with(&beginning))
                .filter_map(|name| name::key(name))
                .collect();
            Ok((keys, (more && !over).then_some(last)))
        })
    }
}

export!(Vault, writer, lister);
