//! The namespace that the settings name: its URLs, what is sent there, and what its answers mean.

use crate::name;
use crate::object::{LABEL, OWNER, Object, malformed};
use coffer_plugin::http::{self, Request, Response};
use coffer_plugin::{Error, log, settings};
use serde_json::Value;

/// Metadata alone, so that a list brings no values.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

pub(crate) struct Cluster {
    secrets: String,
    namespace: String,
}

/// A part of a list.
pub(crate) struct Listed {
    pub(crate) objects: Vec<Object>,
    /// Where it goes on.
    pub(crate) next: Option<String>,
}

impl Cluster {
    /// What the settings name.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if a setting is not there or cannot be.
    pub(crate) fn open() -> Result<Self, Error> {
        let address = settings::required("address")?;
        let namespace = settings::required("namespace")?;
        if !name::is_name(&namespace) || namespace.contains('.') {
            return Err(Error::Other(
                "the setting `namespace` has what no namespace has: lower-case letters, digits and `-` are allowed"
                    .into(),
            ));
        }
        let address = address.trim_end_matches('/');
        let secrets = format!("{address}/api/v1/namespaces/{namespace}/secrets");
        Ok(Self { secrets, namespace })
    }

    /// Gets Secrets, all at the same time: one answer for each name, in order.
    pub(crate) fn get(&self, names: &[&str]) -> Vec<Result<Object, Error>> {
        let requests = names.iter().map(|name| self.request("GET", &format!("/{name}")));
        let found = |answer: Result<Response, http::Error>| object(&self.received(answer)?);
        http::send_all(requests.collect()).into_iter().map(found).collect()
    }

    /// Gets a Secret, if there is one.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Object>, Error> {
        match self.get(&[name]).remove(0) {
            Ok(object) => Ok(Some(object)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a Secret.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if there is one of this name, or what the server says.
    pub(crate) fn create(&self, object: &Object) -> Result<(), Error> {
        let sent = self.request("POST", "").json(&object.0).send();
        self.received(sent).map(drop)
    }

    /// Puts a Secret in the place of the one that was looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if it is not there as it was, or what the server says.
    pub(crate) fn replace(&self, name: &str, object: &Object) -> Result<(), Error> {
        let sent = self.request("PUT", &format!("/{name}")).json(&object.0).send();
        match self.received(sent) {
            Ok(_) => Ok(()),
            Err(Error::NotFound) => Err(Error::Conflict),
            Err(error) => Err(error),
        }
    }

    /// Removes the Secret that was looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if it is not there as it was, or what the server says.
    pub(crate) fn remove(&self, name: &str, object: &Object) -> Result<(), Error> {
        let request = self.request("DELETE", &format!("/{name}")).json(&object.preconditions());
        match self.received(request.send()) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Secrets of coffer's, without their fields.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] if `after` is not from an earlier part, or what the server says.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Result<Listed, Error> {
        let mut query = format!("?labelSelector={LABEL}%3D{OWNER}&limit={limit}");
        if let Some(after) = after {
            query += &format!("&continue={}", http::encoded(after, ""));
        }
        let answer = self.request("GET", &query).header("Accept", METADATA).send();
        let response = answer?;
        let mut body: Value = match (response.status(), after) {
            // It forgot that state, and says where the list goes on in the newest one.
            (410, _) => {
                return Ok(Listed { objects: Vec::new(), next: Some(next(&response.json()?)?) });
            }
            (400, Some(_)) => {
                return Err(Error::InvalidReference(
                    "the cursor is not from a list of this store".into(),
                ));
            }
            _ => self.received(Ok(response))?.json()?,
        };
        let next = next(&body).ok();
        let items = match body["items"].take() {
            Value::Array(items) => items,
            // Nothing.
            Value::Null if body["kind"] == "PartialObjectMetadataList" => Vec::new(),
            _ => return Err(malformed()),
        };
        Ok(Listed { objects: items.into_iter().map(Object).collect(), next })
    }

    fn request(&self, method: &str, rest: &str) -> Request {
        Request::new(method, &format!("{}{rest}", self.secrets))
    }

    /// An answer that is a success.
    fn received(&self, answer: Result<Response, http::Error>) -> Result<Response, Error> {
        let response = answer?;
        let status = response.status();
        match status {
            200..=202 => Ok(response),
            401 => Err(Error::Unauthenticated),
            403 if causes(&response, "reason").iter().any(|why| why == "NamespaceTerminating") => {
                Err(Error::Other(format!("the namespace `{}` is being deleted", self.namespace)))
            }
            403 => Err(Error::AccessDenied),
            404 => match absent(&response).as_str() {
                "secrets" => Err(Error::NotFound),
                "namespaces" => Err(Error::Other(format!(
                    "there is no namespace `{}`; correct the setting `namespace`, or make it",
                    self.namespace
                ))),
                // No such path, or it is no API server.
                _ => Err(unexpected(status)),
            },
            409 => Err(Error::Conflict),
            413 => Err(Error::TooLarge(1 << 20)),
            422 => Err(Error::Other(format!(
                "the server takes no such Secret: {} cannot be as asked for; one that is immutable has to be \
                 deleted first",
                causes(&response, "field").join(", ")
            ))),
            429 | 500 | 502..=504 => {
                log::warn(&format!("the server answered with status {status}"));
                Err(Error::Unavailable(response.retry_after_ms()))
            }
            _ => Err(unexpected(status)),
        }
    }
}

fn unexpected(status: u16) -> Error {
    Error::Other(format!("the server answered with status {status}; look at the setting `address`"))
}

fn object(response: &Response) -> Result<Object, Error> {
    let object: Value = response.json()?;
    if object["kind"] == "Secret" { Ok(Object(object)) } else { Err(malformed()) }
}

/// Where a list goes on.
fn next(body: &Value) -> Result<String, Error> {
    let text = body["metadata"]["continue"].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(malformed)
}

/// What kind of thing is not there.
fn absent(response: &Response) -> String {
    let body: Value = response.json().unwrap_or_default();
    body["details"]["kind"].as_str().unwrap_or_default().to_owned()
}

/// What a refusal says of its causes: which fields, or for what reasons. Its texts can have values in them.
fn causes(response: &Response, what: &str) -> Vec<String> {
    let body: Value = response.json().unwrap_or_default();
    let causes = body["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    causes.iter().filter_map(|cause| cause[what].as_str().map(str::to_owned)).collect()
}
