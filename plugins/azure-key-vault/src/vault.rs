//! The vault that the settings name: its URLs, what is sent there, and what its answers mean.

use crate::document::malformed;
use coffer_plugin::http::{self, Request, Response};
use coffer_plugin::{Error, log, settings};
use serde_json::Value;

/// The version of the interface.
const VERSION: &str = "api-version=7.4";

/// How long a recovery or a deletion that is under way takes about.
const UNDER_WAY_MS: u64 = 5000;

pub(crate) struct Vault {
    address: String,
}

impl Vault {
    /// What the settings name.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if they name none.
    pub(crate) fn open() -> Result<Self, Error> {
        let address = match (settings::get("address"), settings::get("vault")) {
            (Some(address), _) => address.trim_end_matches('/').to_owned(),
            (None, Some(vault)) => format!("https://{vault}.vault.azure.net"),
            (None, None) => {
                return Err(Error::Other(
                    "the store has neither the setting `vault` nor `address`".into(),
                ));
            }
        };
        Ok(Self { address })
    }

    /// The URL of a secret of this vault, in its newest version.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/secrets/{name}", self.address)
    }

    /// Gets a secret by its URL.
    ///
    /// # Errors
    ///
    /// What the vault says.
    pub(crate) fn get(&self, url: &str) -> Result<Value, Error> {
        received(http::get(&format!("{url}?{VERSION}")).send())?.json()
    }

    /// Gets a secret of this vault, if there is one.
    ///
    /// # Errors
    ///
    /// What the vault says.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Value>, Error> {
        found(self.get(&self.url(name)))
    }

    /// Gets what is known of a deleted secret of this vault, if there is one.
    ///
    /// # Errors
    ///
    /// What the vault says.
    pub(crate) fn find_deleted(&self, name: &str) -> Result<Option<Value>, Error> {
        found(self.get(&format!("{}/deletedsecrets/{name}", self.address)))
    }

    /// Puts a new version of a secret.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if a deleted secret has its name, or what the vault says.
    pub(crate) fn put(&self, name: &str, document: &Value) -> Result<(), Error> {
        let url = format!("{}?{VERSION}", self.url(name));
        received(Request::new("PUT", &url).json(document).send()).map(drop)
    }

    /// Deletes a secret. Azure keeps it as a deleted one.
    ///
    /// # Errors
    ///
    /// What the vault says.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let url = format!("{}?{VERSION}", self.url(name));
        match received(Request::new("DELETE", &url).send()) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Recovers a deleted secret, which takes a while.
    ///
    /// # Errors
    ///
    /// What the vault says.
    pub(crate) fn recover(&self, name: &str) -> Result<(), Error> {
        let url = format!("{}/deletedsecrets/{name}/recover?{VERSION}", self.address);
        received(Request::new("POST", &url).send()).map(drop)
    }

    /// What is known of secrets, without their values, and where the list goes on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] if `after` is not from an earlier part, or what the vault says.
    pub(crate) fn list(&self, after: Option<&str>) -> Result<(Vec<Value>, Option<String>), Error> {
        let query = after.unwrap_or("api-version=7.4&maxresults=25");
        let sent = http::get(&format!("{}/secrets?{query}", self.address)).send();
        let response = sent.map_err(|error| match error {
            http::Error::InvalidRequest(_) => foreign_cursor(),
            error => error.into(),
        })?;
        if response.status() == 400 && after.is_some() {
            return Err(foreign_cursor());
        }
        let mut body: Value = received(Ok(response))?.json()?;
        let Value::Array(items) = body["value"].take() else { return Err(malformed()) };
        // A URL of this vault. Only what is behind its `?` is used, so that nothing leads elsewhere.
        let next = body["nextLink"].as_str().filter(|link| !link.is_empty());
        let next = next.map(|link| link.split_once('?').ok_or_else(malformed)).transpose()?;
        Ok((items, next.map(|(_, query)| query.to_owned())))
    }
}

fn foreign_cursor() -> Error {
    Error::InvalidReference("the cursor is not from a list of this store".into())
}

/// What a name that is being deleted or recovered means for whoever wants it.
pub(crate) fn under_way() -> Error {
    Error::Unavailable(Some(UNDER_WAY_MS))
}

fn found(answer: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match answer {
        Ok(document) => Ok(Some(document)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An answer that is a success.
fn received(answer: Result<Response, http::Error>) -> Result<Response, Error> {
    let response = answer?;
    let status = response.status();
    if status == 200 {
        return Ok(response);
    }
    let body: Value = response.json().unwrap_or_default();
    let error = &body["error"];
    // Words of the vault's; its messages can have values in them.
    let inner =
        error["innererror"]["code"].as_str().or_else(|| error["innerError"]["code"].as_str());
    match (status, error["code"].as_str().unwrap_or_default(), inner.unwrap_or_default()) {
        (401, ..) => Err(Error::Unauthenticated),
        (403, _, "SecretDisabled") => Err(Error::Other(
            "the secret is disabled; enable it in the vault, or delete it".into(),
        )),
        (403, _, "SecretNotYetValid") => {
            Err(Error::Other("the secret is not valid yet; look at its activation date".into()))
        }
        (403, _, "ForbiddenByFirewall" | "ForbiddenByConnection") => Err(Error::Other(
            "the vault's network settings do not let this machine in; change its firewall, or use its private \
             endpoint with the setting `private_addresses`"
                .into(),
        )),
        (403, ..) => Err(Error::AccessDenied),
        (404, "SecretNotFound", _) => Err(Error::NotFound),
        (409, ..) => Err(Error::Conflict),
        (429 | 500 | 502..=504, ..) => {
            log::warn(&format!("the vault answered with status {status}"));
            Err(Error::Unavailable(response.retry_after_ms()))
        }
        (400, "BadParameter", _) => Err(Error::Other(
            "the vault takes no such value: it may be larger than the vault keeps".into(),
        )),
        _ => Err(Error::Other(format!(
            "the vault answered with status {status}; look at the settings `vault` and `address`"
        ))),
    }
}
