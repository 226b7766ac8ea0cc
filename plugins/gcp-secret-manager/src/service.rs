//! The service that the settings name: its URLs, what is sent there, and what its answers mean.

use crate::value;
use coffer_plugin::http::{self, Response};
use coffer_plugin::{Error, log, settings};
use serde_json::{Value, json};

/// Names in one page of a listing.
const NAMES_MAX: usize = 1000;

/// Bytes of a server's text that is passed on.
const SAID_BYTES_MAX: usize = 400;

/// A secret in one version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A value, and the number of its version.
pub(crate) type Kept = (Vec<u8>, Option<String>);

pub(crate) struct Service {
    pub(crate) folder: String,
    secrets: String,
}

impl Service {
    /// The service that the settings name.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if a setting is not there or cannot be.
    pub(crate) fn open() -> Result<Self, Error> {
        let (address, project) = (settings::required("address")?, settings::required("project")?);
        let folder = settings::required("folder")?;
        // Without `_`, which separates it from the key.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if folder.is_empty() || !folder.bytes().all(plain) {
            return Err(Error::Other(
                "the setting `folder` must have letters, digits and `-` only, and at least one"
                    .into(),
            ));
        }
        let secrets = format!("{}/v1/projects/{project}/secrets", address.trim_end_matches('/'));
        Ok(Self { folder, secrets })
    }

    /// Reads several secrets at the same time. One answer for each, in order.
    pub(crate) fn read(&self, reads: &[Read]) -> Vec<Result<Kept, Error>> {
        let asked = reads.iter().map(|Read { name, version }| {
            http::get(&format!("{}/{name}/versions/{version}:access", self.secrets))
        });
        let results = http::send_all(asked.collect());
        results.into_iter().map(|result| kept(&answer(&result?)?)).collect()
    }

    /// Makes a secret without a value.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if it is there; otherwise what the service says.
    pub(crate) fn create(&self, name: &str) -> Result<(), Error> {
        let locations: Vec<String> = match settings::get("locations") {
            None => Vec::new(),
            Some(list) => serde_json::from_str(&list)
                .map_err(|_| Error::Other("the setting `locations` is no list of texts".into()))?,
        };
        let replicas: Vec<Value> =
            locations.iter().map(|location| json!({ "location": location })).collect();
        let replication = match replicas.is_empty() {
            true => json!({ "automatic": {} }),
            false => json!({ "userManaged": { "replicas": replicas } }),
        };
        let body = json!({ "replication": replication, "labels": { "managed-by": "coffer" } });
        let url = format!("{}?secretId={name}", self.secrets);
        answer(&http::post(&url).json(&body).send()?).map(drop)
    }

    /// Adds a version to a secret.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such secret; otherwise what the service says.
    pub(crate) fn add(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let body = json!({ "payload": value::payload(value)? });
        let url = format!("{}/{name}:addVersion", self.secrets);
        answer(&http::post(&url).json(&body).send()?).map(drop)
    }

    /// Deletes a secret with all its versions.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none; otherwise what the service says.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        answer(&http::delete(&format!("{}/{name}", self.secrets)).send()?).map(drop)
    }

    /// Names that may begin like this, and where the next page begins.
    ///
    /// # Errors
    ///
    /// What the service says.
    pub(crate) fn names(
        &self,
        beginning: &str,
        cursor: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        // The filter is for what is in a name, wherever in it.
        let mut url = format!("{}?pageSize={NAMES_MAX}&filter=name%3A{beginning}", self.secrets);
        if let Some(cursor) = cursor {
            url += &format!("&pageToken={}", http::encoded(cursor, ""));
        }
        let answer = answer(&http::get(&url).send()?)?;
        let listed = match &answer["secrets"] {
            Value::Array(listed) => listed.as_slice(),
            Value::Null => &[],
            _ => return Err(malformed()),
        };
        let name = |secret: &Value| {
            let name = secret["name"].as_str().and_then(|name| name.rsplit('/').next());
            name.map(str::to_owned).ok_or_else(malformed)
        };
        let names = listed.iter().map(name).collect::<Result<_, _>>()?;
        let next = answer["nextPageToken"].as_str().filter(|next| !next.is_empty());
        Ok((names, next.map(str::to_owned)))
    }
}

/// The body of an answer, or what it means if it is no success.
fn answer(response: &Response) -> Result<Value, Error> {
    let body: Option<Value> = response.json().ok();
    if response.status() == 200 {
        return body.filter(Value::is_object).ok_or_else(malformed);
    }
    let error = body.unwrap_or_default()["error"].take();
    let status = error["status"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    let said = http::cut(message, SAID_BYTES_MAX);
    let is = |words: &str| message.contains(words);
    Err(match (response.status(), status) {
        (_, "UNAUTHENTICATED") | (401, _) => Error::Unauthenticated,
        (_, "PERMISSION_DENIED") if is("has not been used in project") || is("is disabled") => {
            Error::Other(
                "the API secretmanager.googleapis.com is not enabled in the project; enable it"
                    .into(),
            )
        }
        (_, "PERMISSION_DENIED") => {
            // It names the permission and the secret.
            log::warn(&format!("the service denied this: {said}"));
            Error::AccessDenied
        }
        // Of what stands before the service, and says no more.
        (403, "") => Error::AccessDenied,
        (_, "NOT_FOUND") => Error::NotFound,
        (_, "ALREADY_EXISTS" | "ABORTED") => Error::Conflict,
        (_, "FAILED_PRECONDITION") if is("DESTROYED") => Error::NotFound,
        (_, "FAILED_PRECONDITION") if is("DISABLED") => Error::Other(
            "the version of this secret is disabled; enable it, or put a new one".into(),
        ),
        (_, "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "INTERNAL")
        | (429 | 500 | 502..=504, _) => {
            log::warn(&format!(
                "the service answered with status {} {}",
                response.status(),
                http::cut(status, SAID_BYTES_MAX)
            ));
            Error::Unavailable(response.retry_after_ms())
        }
        (_, "") => malformed(),
        (code, status) => Error::Other(format!(
            "the service answered {} with status {code}: {said}",
            http::cut(status, SAID_BYTES_MAX)
        )),
    })
}

fn kept(answer: &Value) -> Result<Kept, Error> {
    let bytes = value::read(&answer["payload"]).ok_or_else(malformed)??;
    let version = answer["name"].as_str().and_then(|name| name.rsplit('/').next());
    Ok((bytes, version.map(str::to_owned)))
}

fn malformed() -> Error {
    Error::Other("the answer is not one of Secret Manager; look at `address` and `project`".into())
}
