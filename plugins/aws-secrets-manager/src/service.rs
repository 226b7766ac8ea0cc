//! The service that the settings name: what is sent there, and what its answers mean. Who signs the requests is the
//! host; nothing of the key is here.

use crate::value::{self, Found};
use coffer_plugin::http::{self, Request, Response};
use coffer_plugin::{Error, log, settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Secrets in one batch.
const BATCH_MAX: usize = 20;

/// Names in one page of a listing; the service allows no more.
const NAMES_MAX: usize = 100;

/// Characters of a version's id, at least. What a version is labelled with is shorter.
const VERSION_ID_CHARACTERS_MIN: usize = 32;

/// Bytes of a server's text that is passed on.
const SAID_BYTES_MAX: usize = 400;

/// The label of the version that is read where none is named.
const CURRENT: &str = "AWSCURRENT";

/// A secret by its name or ARN, in its current version or another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) id: String,
    pub(crate) version: Option<String>,
}

/// A value, and the id of its version.
pub(crate) type Kept = (Found, Option<String>);

/// What is known of a secret without its value.
pub(crate) struct State {
    /// Whether it is scheduled for deletion.
    pub(crate) deleted: bool,
    /// The labels of its versions, by their ids.
    labels: BTreeMap<String, Vec<String>>,
}

impl State {
    /// Whether it has a value that is read where no version is named.
    pub(crate) fn has_value(&self) -> bool {
        self.labels.values().flatten().any(|label| label == CURRENT)
    }
}

pub(crate) struct Service {
    pub(crate) folder: String,
    url: String,
}

impl Service {
    /// The service that the settings name.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if a setting is not there or cannot be.
    pub(crate) fn open() -> Result<Self, Error> {
        let region = settings::required("region")?;
        let address = settings::get("address")
            .unwrap_or_else(|| format!("https://secretsmanager.{region}.amazonaws.com"));
        let folder = settings::required("folder")?;
        let folder = folder.trim_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        if folder.is_empty() || !folder.bytes().all(plain) {
            return Err(Error::Other(
                "the setting `folder` must have letters, digits and `/_+=.@-` only, and at least one".into(),
            ));
        }
        Ok(Self { folder: folder.into(), url: format!("{}/", address.trim_end_matches('/')) })
    }

    /// Reads several secrets at the same time, by batches where that can be. One answer for each, in order.
    pub(crate) fn read(&self, reads: &[Read]) -> Vec<Result<Kept, Error>> {
        let mut answers: BTreeMap<&Read, Result<Kept, Error>> = BTreeMap::new();
        // A batch has current versions only.
        let current: Vec<&Read> = reads.iter().filter(|read| read.version.is_none()).collect();
        if current.len() > 1 {
            let batches = current.chunks(BATCH_MAX);
            let asked = batches.clone().map(|batch| {
                let ids: Vec<&str> = batch.iter().map(|read| read.id.as_str()).collect();
                self.request("BatchGetSecretValue", &json!({ "SecretIdList": ids }))
            });
            let results = http::send_all(asked.collect());
            for (batch, result) in batches.zip(results) {
                self.sort_out(batch, result, &mut answers);
            }
        }
        // What no batch answered: it may have been too much for one answer, or the key may not ask for batches.
        let left: Vec<&Read> = reads.iter().filter(|read| !answers.contains_key(read)).collect();
        let asked = left.iter().map(|read| {
            let mut body = json!({ "SecretId": read.id });
            if let Some(version) = &read.version {
                let is_id = version.len() >= VERSION_ID_CHARACTERS_MIN;
                body[if is_id { "VersionId" } else { "VersionStage" }] = version.as_str().into();
            }
            self.request("GetSecretValue", &body)
        });
        let results = http::send_all(asked.collect());
        let kept = results.into_iter().map(|result| kept(&mut answer(&result?, Told::All)?));
        answers.extend(left.into_iter().zip(kept));
        reads.iter().map(|read| answers.remove(read).unwrap_or_else(|| Err(malformed()))).collect()
    }

    /// Finds out which part of a batch's answer is whose.
    fn sort_out<'r>(
        &self,
        batch: &[&'r Read],
        result: Result<Response, http::Error>,
        answers: &mut BTreeMap<&'r Read, Result<Kept, Error>>,
    ) {
        let mut body = match result.map_err(Error::from).and_then(|it| answer(&it, Told::All)) {
            Ok(body) => body,
            Err(Error::AccessDenied) => return,
            Err(error) => {
                answers.extend(batch.iter().map(|read| (*read, Err(error.clone()))));
                return;
            }
        };
        let mut taken = |list: &str| match body[list].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        };
        let (mut values, errors) = (taken("SecretValues"), taken("Errors"));
        for read in batch {
            let is = |value: &Value| value.as_str() == Some(read.id.as_str());
            if let Some(entry) = values.iter_mut().find(|it| is(&it["Name"]) || is(&it["ARN"])) {
                // Somebody may ask for it by its name and by its ARN.
                answers.insert(read, kept(&mut entry.clone()));
            } else if let Some(entry) = errors.iter().find(|entry| is(&entry["SecretId"])) {
                let text = |key: &str| entry[key].as_str().unwrap_or_default();
                answers.insert(read, Err(failure(400, text("ErrorCode"), text("Message"), None)));
            }
        }
    }

    /// What is known of a secret; nothing if there is none.
    ///
    /// # Errors
    ///
    /// What the service says.
    pub(crate) fn state(&self, id: &str) -> Result<Option<State>, Error> {
        let body = match self.ask("DescribeSecret", &json!({ "SecretId": id })) {
            Err(Error::NotFound) => return Ok(None),
            body => body?,
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let versions = body["VersionIdsToStages"].as_object().cloned().unwrap_or_default();
        let labels = versions.into_iter().map(|(id, labels)| {
            let labels = labels.as_array().map(Vec::as_slice).unwrap_or_default();
            (id, labels.iter().filter_map(text).collect())
        });
        Ok(Some(State { deleted: !body["DeletedDate"].is_null(), labels: labels.collect() }))
    }

    /// Makes a secret with a value.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if somebody else did; otherwise what the service says.
    pub(crate) fn create(&self, id: &str, value: &[u8]) -> Result<(), Error> {
        let token = token(id, &BTreeMap::new());
        self.write("CreateSecret", json!({ "Name": id, "ClientRequestToken": token }), value)
    }

    /// Adds a version to a secret that is as `state` says.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if it is not any more; otherwise what the service says.
    pub(crate) fn add(&self, id: &str, value: &[u8], state: &State) -> Result<(), Error> {
        let token = token(id, &state.labels);
        self.write("PutSecretValue", json!({ "SecretId": id, "ClientRequestToken": token }), value)
    }

    fn write(&self, action: &str, mut body: Value, value: &[u8]) -> Result<(), Error> {
        value::put(&mut body, value)?;
        let request = self.request(action, &body);
        let result = match request.clone().send() {
            // Perhaps it was done. With the same token it is done once, however often it is asked for.
            Err(http::Error::Unreachable | http::Error::MalformedResponse) => request.send(),
            result => result,
        };
        answer(&result?, Told::Code).map(drop)
    }

    /// Takes a secret back that is scheduled for deletion.
    ///
    /// # Errors
    ///
    /// What the service says.
    pub(crate) fn restore(&self, id: &str) -> Result<(), Error> {
        self.ask("RestoreSecret", &json!({ "SecretId": id })).map(drop)
    }

    /// Deletes a secret: at once, or in so many days.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or not any more; otherwise what the service says.
    pub(crate) fn delete(&self, id: &str, days: u32) -> Result<(), Error> {
        let body = match days {
            0 => json!({ "SecretId": id, "ForceDeleteWithoutRecovery": true }),
            days => json!({ "SecretId": id, "RecoveryWindowInDays": days }),
        };
        self.ask("DeleteSecret", &body).map(drop)
    }

    /// Names that begin like this, and where the next page begins.
    ///
    /// # Errors
    ///
    /// What the service says.
    pub(crate) fn names(
        &self,
        beginning: &str,
        cursor: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let mut body = json!({
            "Filters": [{ "Key": "name", "Values": [beginning] }], "MaxResults": NAMES_MAX,
        });
        if let Some(cursor) = cursor {
            body["NextToken"] = cursor.into();
        }
        let answer = self.ask("ListSecrets", &body)?;
        let listed = answer["SecretList"].as_array().ok_or_else(malformed)?;
        let names =
            listed.iter().map(|it| it["Name"].as_str().map(str::to_owned).ok_or_else(malformed));
        let next = answer["NextToken"].as_str().filter(|next| !next.is_empty()).map(str::to_owned);
        Ok((names.collect::<Result<_, _>>()?, next))
    }

    fn ask(&self, action: &str, body: &Value) -> Result<Value, Error> {
        answer(&self.request(action, body).send()?, Told::All)
    }

    fn request(&self, action: &str, body: &Value) -> Request {
        Request::new("POST", &self.url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .body(body.to_string())
    }
}

/// The id of the version that follows these. Whoever saw the same versions makes the same one, and the service takes
/// one value for it: so a write follows what was looked at or nothing. Where it is made of is no secret, and it is
/// not made of the value.
fn token(id: &str, labels: &BTreeMap<String, Vec<String>>) -> String {
    let mut hash: u128 = FNV_BASIS;
    let mut add = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME);
        }
    };
    add(id);
    for (version, labels) in labels {
        add(version);
        let mut labels: Vec<&String> = labels.iter().collect();
        labels.sort_unstable();
        labels.into_iter().for_each(|label| add(label));
    }
    let hex = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// FNV-1a of 128 bits. Nobody gains by two that are the same but whoever can write here anyway.
const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// What is passed on of what the service says. It may repeat what is wrong with a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    All,
    Code,
}

/// The body of an answer, or what it means if it is no success.
fn answer(response: &Response, told: Told) -> Result<Value, Error> {
    let body: Option<Value> = response.json().ok();
    if response.status() == 200 {
        return body.filter(Value::is_object).ok_or_else(malformed);
    }
    let body = body.unwrap_or_default();
    // Refusals of a key come as XML from some that speak this protocol, as AWS's older services have it.
    let text = std::str::from_utf8(response.body()).unwrap_or_default();
    let code = body["__type"].as_str().unwrap_or_else(|| element(text, "Code"));
    // It may have the name of its API before it.
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let message = [&body["message"], &body["Message"]].into_iter().find_map(Value::as_str);
    let message = message.unwrap_or_else(|| element(text, "Message"));
    let message = if told == Told::All { message } else { "" };
    Err(failure(response.status(), code, message, response.retry_after_ms()))
}

/// What is in the first element of this name.
fn element<'t>(text: &'t str, name: &str) -> &'t str {
    let inside = text.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
    inside.split_once('<').map_or("", |(inside, _)| inside)
}

/// What the service means by a code.
fn failure(status: u16, code: &str, message: &str, retry_after_ms: Option<u64>) -> Error {
    let said = http::cut(message, SAID_BYTES_MAX);
    let is = |words: &str| message.to_ascii_lowercase().contains(words);
    match code {
        "ResourceNotFoundException" => Error::NotFound,
        "InvalidRequestException" if is("marked deleted") || is("marked for deletion") || is("scheduled for deletion") => {
            Error::NotFound
        }
        "ResourceExistsException" => Error::Conflict,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
            // It names the action and the secret that the policy of the key does not have.
            log::warn(&format!("the service denied this: {said}"));
            Error::AccessDenied
        }
        "InvalidSignatureException" | "RequestTimeTooSkewed" | "RequestExpired" if is("expired") || is("not yet current") || is("skewed") => {
            Error::Other("the service says that the request's time is off; correct the clock of this machine".into())
        }
        "ExpiredToken" | "ExpiredTokenException" | "IncompleteSignature" | "InvalidClientTokenId"
        | "InvalidSignatureException" | "MissingAuthenticationToken" | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch" | "UnrecognizedClientException" => {
            log::warn(&format!("the service refused the key of the store: {code}"));
            Error::Unauthenticated
        }
        "DecryptionFailure" | "EncryptionFailure" => Error::Other(format!(
            "the service cannot use the KMS key of this secret ({code}); enable the key, and allow the store's key \
             to use it"
        )),
        "InternalFailure" | "InternalServiceError" | "RequestLimitExceeded" | "ServiceUnavailable" | "Throttling"
        | "ThrottlingException" | "TooManyRequestsException" => busy(status, code, retry_after_ms),
        _ if matches!(status, 429 | 500 | 502..=504) => busy(status, code, retry_after_ms),
        // Of what stands before the service, and says no more.
        "" if matches!(status, 401 | 403) => Error::from_status(status),
        "" => malformed(),
        code => Error::Other(format!("the service answered {} with status {status}: {said}", http::cut(code, SAID_BYTES_MAX))),
    }
}

fn busy(status: u16, code: &str, retry_after_ms: Option<u64>) -> Error {
    log::warn(&format!(
        "the service answered with status {status} {}",
        http::cut(code, SAID_BYTES_MAX)
    ));
    Error::Unavailable(retry_after_ms)
}

fn kept(answer: &mut Value) -> Result<Kept, Error> {
    let found = Found::take(answer).ok_or_else(malformed)?;
    Ok((found, answer["VersionId"].as_str().map(str::to_owned)))
}

fn malformed() -> Error {
    Error::Other(
        "the answer is not one of AWS Secrets Manager; look at `region` and `address`".into(),
    )
}
