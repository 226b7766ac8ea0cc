//! Keeps secrets in Azure Key Vault, and reads those that others keep there, in any vault that is granted.
//!
//! A secret of its own has the key in a tag, which says whose it is: nothing else is ever written or deleted.
//! Key Vault knows no condition for a write, so between the look and the write somebody else can come.

mod document;
mod name;
mod place;
mod porter;
#[cfg(test)]
mod tests;
mod vault;

use coffer_plugin::{
    Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export, settings,
};
use place::Place;
use serde_json::Value;
use vault::Vault;

struct KeyVault;

impl Resolver for KeyVault {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let place = Place::of(reference.secret()?)?;
        let vault = Vault::open()?;
        match place {
            Place::Id { url } => document::secret(&vault.get(url)?),
            Place::Own { key } => match vault.find(&name::of(key)?)? {
                Some(found) if is_of(&found, key) => document::secret(&found),
                Some(_) => Err(foreign()),
                None => by_porter(&vault, key)?.ok_or(Error::NotFound),
            },
        }
    }
}

/// What Porter's plugin finds under a key. It changes what Key Vault does not take, so that several keys can be one:
/// whether that is followed is a setting.
fn by_porter(vault: &Vault, key: &str) -> Result<Option<Secret>, Error> {
    let name = if settings::get("porter_names").as_deref() == Some("true") {
        porter::name(key)
    } else {
        key.to_owned()
    };
    if !name::is_name(&name) {
        return Ok(None);
    }
    match vault.find(&name)? {
        // What is coffer's is found by its key and by nothing else.
        Some(found) if document::key(&found).is_none() => document::secret(&found).map(Some),
        _ => Ok(None),
    }
}

fn is_of(found: &Value, key: &str) -> bool {
    document::key(found) == Some(key)
}

fn foreign() -> Error {
    Error::Other("the secret of this key is not one that coffer made; it is left as it is".into())
}

impl Writer for KeyVault {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let name = name::of(key)?;
        let document = document::of(key, value)?;
        let vault = Vault::open()?;
        match vault.find(&name)? {
            Some(found) if !is_of(&found, key) => return Err(foreign()),
            Some(_) if existing == Existing::Keep => return Err(Error::Conflict),
            _ => {}
        }
        match vault.put(&name, &document) {
            Err(Error::Conflict) => put_over_deleted(&vault, key, &name, &document),
            result => result,
        }
    }

    fn delete(key: &str) -> Result<(), Error> {
        let name = name::of(key)?;
        let vault = Vault::open()?;
        match vault.find(&name)? {
            Some(found) if !is_of(&found, key) => return Err(foreign()),
            Some(_) => vault.delete(&name)?,
            None => {}
        }
        match by_porter(&vault, key)? {
            None => Ok(()),
            Some(_) => Err(Error::Unsupported(
                "a secret of this name that coffer did not make is found by this key, and it is not removed".into(),
            )),
        }
    }
}

/// A deleted secret keeps its name for days. It is recovered, and gets a new version.
fn put_over_deleted(vault: &Vault, key: &str, name: &str, document: &Value) -> Result<(), Error> {
    let Some(deleted) = vault.find_deleted(name)? else { return Err(vault::under_way()) };
    if !is_of(&deleted, key) {
        return Err(foreign());
    }
    if settings::get("recover").as_deref() == Some("false") {
        return Err(Error::Other(
            "a deleted secret has the name of this key; purge it or recover it in the vault, or set `recover`".into(),
        ));
    }
    match vault.recover(name) {
        // Somebody else did.
        Ok(()) | Err(Error::Conflict | Error::NotFound) => {}
        Err(error) => return Err(error),
    }
    match vault.put(name, document) {
        Err(Error::Conflict) => Err(vault::under_way()),
        result => result,
    }
}

impl Lister for KeyVault {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let vault = Vault::open()?;
        Page::first(cursor, |cursor| {
            let (items, next) = vault.list(cursor)?;
            // Somebody may have given one a key by hand that has another name.
            let is_named = |item: &Value, key: &str| {
                let id = document::id(item).map(|(name, _)| name.to_ascii_lowercase());
                name::of(key).is_ok_and(|name| Some(name) == id)
            };
            let keys = items
                .iter()
                .filter_map(|item| document::key(item).filter(|key| is_named(item, key)))
                .filter(|key| key.starts_with(prefix))
                .map(str::to_owned)
                .collect();
            Ok((keys, next))
        })
    }
}

export!(KeyVault, writer, lister);
