//! Keeps secrets in Secrets of Kubernetes, and reads fields of those that others made.
//!
//! A secret of its own is a Secret of its own, with the key in an annotation and a label that says whose it is:
//! nothing else is ever written unless a setting says so, and writing replaces what was looked at or nothing
//! (`resourceVersion`). `name#field` reads a field of any Secret of the namespace.

mod cluster;
mod name;
mod object;
mod place;
mod porter;
#[cfg(test)]
mod tests;

use cluster::Cluster;
use coffer_plugin::{
    Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export, settings,
};
use object::Object;
use place::{Place, VALUE};
use std::collections::BTreeMap;

/// Keys in a page; the interface allows twice as many.
const PAGE_KEYS_MAX: usize = 500;

/// How often a write looks again because somebody else wrote in between. The call's own limits come first.
const TRIES_MAX: usize = 8;

struct Kubernetes;

impl Resolver for Kubernetes {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        Self::resolve_all(std::slice::from_ref(reference)).remove(0)
    }

    /// One request for each Secret, however many of its fields are asked for, all at the same time.
    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let cluster = match Cluster::open() {
            Ok(cluster) => cluster,
            Err(error) => return vec![Err(error); references.len()],
        };
        let mut reads = Reads { cluster: &cluster, answers: BTreeMap::new() };
        let places: Vec<_> =
            references.iter().map(|reference| Place::of(reference.secret()?)).collect();
        reads.fetch(places.iter().flatten());
        let answers: Vec<_> = places
            .iter()
            .map(|place| reads.secret(place.as_ref().map_err(Clone::clone)?))
            .collect();
        let by_porter: Vec<_> = places
            .iter()
            .zip(&answers)
            .map(|(place, answer)| match (place, answer) {
                (Ok(Place::Own { key }), Err(Error::NotFound)) => Place::of_porter(key),
                _ => None,
            })
            .collect();
        reads.fetch(by_porter.iter().flatten());
        let chosen = |(answer, place): (Result<Secret, Error>, Option<Place<'_>>)| match place {
            Some(place) => reads.by_porter(&place),
            None => answer,
        };
        answers.into_iter().zip(by_porter).map(chosen).collect()
    }
}

/// What was read in one call, each Secret once.
struct Reads<'c> {
    cluster: &'c Cluster,
    answers: BTreeMap<String, Result<Object, Error>>,
}

impl Reads<'_> {
    fn fetch<'p>(&mut self, places: impl Iterator<Item = &'p Place<'p>>) {
        let mut missing: Vec<String> = places
            .filter_map(|place| named(place).ok())
            .filter(|name| !self.answers.contains_key(name))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        let names: Vec<&str> = missing.iter().map(String::as_str).collect();
        let answers = self.cluster.get(&names);
        self.answers.extend(missing.into_iter().zip(answers));
    }

    fn secret(&self, place: &Place<'_>) -> Result<Secret, Error> {
        let found = self.answers.get(&named(place)?).ok_or(Error::NotFound)?;
        let object = found.as_ref().map_err(Clone::clone)?;
        match place {
            // What is ours is found by its key and by nothing else.
            Place::Field { .. } if object.key().is_some() => Err(Error::NotFound),
            Place::Field { field, .. } => object.secret(field),
            Place::Own { key } if object.key() == Some(key) => object.secret(VALUE),
            Place::Own { .. } => Err(foreign()),
        }
    }

    /// What Porter would have found. Whoever may read only what is coffer's has nothing of others there.
    fn by_porter(&self, place: &Place<'_>) -> Result<Secret, Error> {
        match self.secret(place) {
            Err(Error::AccessDenied) => Err(Error::NotFound),
            answer => answer,
        }
    }
}

/// The name of the Secret.
fn named(place: &Place<'_>) -> Result<String, Error> {
    match place {
        Place::Field { name, .. } => Ok(name.to_string()),
        Place::Own { key } => name::of(key),
    }
}

fn foreign() -> Error {
    Error::Other(
        "the Secret of this key is not one that coffer made; it is left as it is unless the setting `take_over` \
         is true"
            .into(),
    )
}

/// Whether a Secret may be changed for `key`.
fn is_mine(object: &Object, key: &str) -> bool {
    match object.key() {
        Some(of) => of == key,
        None => settings::get("take_over").as_deref() == Some("true"),
    }
}

impl Writer for Kubernetes {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let name = name::of(key)?;
        let cluster = Cluster::open()?;
        let mut new = Object::new(&name);
        new.set(key, value)?;
        // What a bundle keeps has a key that was never there, so the first attempt mostly is the only one.
        for _ in 0..TRIES_MAX {
            match cluster.create(&new) {
                Err(Error::Conflict) => {}
                result => return result,
            }
            let Some(mut object) = cluster.find(&name)? else { continue };
            if !is_mine(&object, key) {
                return Err(foreign());
            }
            if existing == Existing::Keep {
                return Err(Error::Conflict);
            }
            object.set(key, value)?;
            match cluster.replace(&name, &object) {
                Err(Error::Conflict) => {}
                result => return result,
            }
        }
        Err(Error::Conflict)
    }

    fn delete(key: &str) -> Result<(), Error> {
        let name = name::of(key)?;
        let cluster = Cluster::open()?;
        for _ in 0..TRIES_MAX {
            let Some(object) = cluster.find(&name)? else { return not_porters(&cluster, key) };
            if !is_mine(&object, key) {
                return Err(foreign());
            }
            match cluster.remove(&name, &object) {
                Err(Error::Conflict) => {}
                Ok(()) => return not_porters(&cluster, key),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }
}

/// Nothing would be found under `key` any more.
fn not_porters(cluster: &Cluster, key: &str) -> Result<(), Error> {
    let Some(place) = Place::of_porter(key) else { return Ok(()) };
    let mut reads = Reads { cluster, answers: BTreeMap::new() };
    reads.fetch(std::iter::once(&place));
    match reads.by_porter(&place) {
        Err(Error::NotFound) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::Unsupported(
            "a Secret of this name that coffer did not make is found by this key, and it is not removed".into(),
        )),
    }
}

impl Lister for Kubernetes {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let cluster = Cluster::open()?;
        Page::first(cursor, |cursor| {
            let listed = cluster.list(cursor, PAGE_KEYS_MAX)?;
            // Somebody may have given one a key by hand that has another name.
            let is_of = |object: &Object, key: &str| {
                name::of(key).is_ok_and(|name| object.0["metadata"]["name"] == *name)
            };
            let keys = listed
                .objects
                .iter()
                .filter_map(|object| object.key().filter(|key| is_of(object, key)))
                .filter(|key| key.starts_with(prefix))
                .map(str::to_owned)
                .collect();
            Ok((keys, listed.next))
        })
    }
}

export!(Kubernetes, writer, lister);
