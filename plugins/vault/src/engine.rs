//! The KV engine that the settings name: its URLs, what is sent there, and what its answers mean.

use coffer_plugin::http::{self, Request, Response};
use coffer_plugin::{Error, cache, log, settings};
use serde_json::{Map, Value, json};
use std::cell::OnceCell;
use std::time::Duration;

/// How long it is believed that the engine is of the version that the settings say.
const ENGINE_TTL: Duration = Duration::from_secs(3600);

/// Bytes of a server's text that is passed on.
const SAID_BYTES_MAX: usize = 400;

/// Versions of the engine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kv {
    /// One tree; what is written is what is there.
    One,
    /// Versions of each path, with check-and-set.
    Two,
}

/// A path below the prefix, in its newest version or a given one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) path: String,
    pub(crate) version: Option<u64>,
}

/// What is at a path.
#[derive(Clone)]
pub(crate) struct Found {
    /// Nothing if this version was deleted.
    pub(crate) fields: Option<Map<String, Value>>,
    pub(crate) version: Option<u64>,
}

pub(crate) struct Engine {
    pub(crate) kv: Kv,
    address: String,
    namespace: String,
    mount: String,
    prefix: String,
    folder: String,
    mounted: OnceCell<Mounted>,
}

/// What the server says of the mount. It is asked at most once per call.
enum Mounted {
    /// It did not answer, or nothing that is known.
    Failed(Error),
    /// There is no such mount, or the token has nothing to do with it; the token is good.
    Hidden,
    /// The token is not good.
    Refused,
    /// An engine of this type, and version if it is a KV engine.
    There { kind: String, version: String },
}

impl Engine {
    /// The engine that the settings name.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if a setting is not there or cannot be.
    pub(crate) fn open() -> Result<Self, Error> {
        let trimmed = |name: &str| {
            settings::get(name).map(|text| text.trim_matches('/').to_owned()).unwrap_or_default()
        };
        let named = |name: &str| match trimmed(name) {
            text if text.is_empty() => {
                Err(Error::Other(format!("the setting `{name}` must not be empty")))
            }
            text => Ok(text),
        };
        Ok(Self {
            kv: match settings::get("kv_version").as_deref() {
                Some("1") => Kv::One,
                _ => Kv::Two,
            },
            address: settings::required("address")?.trim_end_matches('/').to_owned(),
            namespace: trimmed("namespace"),
            mount: named("mount")?,
            prefix: trimmed("prefix"),
            folder: named("folder")?,
            mounted: OnceCell::new(),
        })
    }

    /// The path of a secret that this plugin keeps, below the prefix.
    pub(crate) fn own(&self, name: &str) -> Read {
        Read { path: format!("{}/{name}", self.folder), version: None }
    }

    /// Reads several paths at the same time: one answer for each, in order.
    pub(crate) fn read(&self, reads: &[Read]) -> Vec<Result<Found, Error>> {
        let requests = reads.iter().map(|read| {
            let mut url = self.url("data", &http::encoded(&read.path, "/"));
            if let Some(version) = read.version {
                url += &format!("?version={version}");
            }
            self.request("GET", &url)
        });
        let found = |answer: Result<Response, http::Error>| {
            let response = answer.map_err(unsent)?;
            match response.status() {
                200 => self.found(&response),
                // With what is known of a version that was deleted.
                404 => self.found(&response).map_err(|_| self.failure(&response)),
                _ => Err(self.failure(&response)),
            }
        };
        http::send_all(requests.collect()).into_iter().map(found).collect()
    }

    /// Writes a secret that this plugin keeps. With `cas` only if the path has this version, where 0 is
    /// none; a KV engine of version 1 has no such condition.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if the path has another version, [`Error::TooLarge`], or what the server says.
    pub(crate) fn write(&self, name: &str, document: Value, cas: u64) -> Result<(), Error> {
        let bytes = document["value"].as_str().map_or(0, str::len) as u64;
        let body = match self.kv {
            Kv::One => document,
            Kv::Two => json!({ "options": { "cas": cas }, "data": document }),
        };
        let url = self.url("data", &self.own(name).path);
        let response = self.request("POST", &url).json(&body).send().map_err(unsent)?;
        match response.status() {
            200 | 204 => Ok(()),
            // It does not say how much it takes, only that this is more.
            413 => Err(Error::TooLarge(bytes.saturating_sub(1))),
            500 if said(&response).contains("too large") => {
                Err(Error::TooLarge(bytes.saturating_sub(1)))
            }
            _ => Err(self.failure(&response)),
        }
    }

    /// Removes a secret that this plugin keeps, with all its versions.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let url = self.url("metadata", &self.own(name).path);
        let response = self.request("DELETE", &url).send().map_err(unsent)?;
        match response.status() {
            200 | 204 | 404 => Ok(()),
            _ => Err(self.failure(&response)),
        }
    }

    /// Names in the folder that come after `after`, at most `limit` of them if the server knows pages
    /// (OpenBao) and all if it does not (Vault).
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(crate) fn names(&self, after: &str, limit: usize) -> Result<Vec<String>, Error> {
        let mut url = self.url("metadata", &self.folder) + &format!("?list=true&limit={limit}");
        if !after.is_empty() {
            url += &format!("&after={}", http::encoded(after, "/"));
        }
        let response = self.request("GET", &url).send().map_err(unsent)?;
        match response.status() {
            200 => {
                let body: Value = response.json()?;
                let keys = match (&body["data"], &body["data"]["keys"]) {
                    (_, Value::Array(keys)) => keys.as_slice(),
                    // What a server that ignores pages says of a folder with nothing in it.
                    (Value::Object(_), Value::Null) => &[],
                    _ => return Err(malformed()),
                };
                keys.iter()
                    .map(|key| key.as_str().map(str::to_owned).ok_or_else(malformed))
                    .collect()
            }
            404 => match self.failure(&response) {
                Error::NotFound => Ok(Vec::new()),
                error => Err(error),
            },
            _ => Err(self.failure(&response)),
        }
    }

    /// Checks that the mount has a KV engine of the version that the settings say. A write to one of the
    /// other version would end up at another path.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] says what is there instead. What cannot be found out is no error here.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wanted = match self.kv {
            Kv::One => "1",
            Kv::Two => "2",
        };
        if cache::get("kv").as_deref() == Some(wanted.as_bytes()) {
            return Ok(());
        }
        let mount = &self.mount;
        match self.mounted() {
            Mounted::There { kind, version } if kind == "kv" && version == wanted => {
                // A cache that is full only means that the next call asks again.
                let _ = cache::put("kv", wanted.as_bytes(), ENGINE_TTL);
                Ok(())
            }
            Mounted::There { kind, version } if kind == "kv" => Err(Error::Other(format!(
                "the KV engine at `{mount}` is of version {version}; say so by the setting `kv_version`"
            ))),
            Mounted::There { kind, .. } => Err(Error::Other(format!(
                "the engine at `{mount}` is of type `{kind}` and not `kv`; correct the setting `mount`"
            ))),
            Mounted::Failed(error) => Err(error.clone()),
            Mounted::Refused => Err(Error::Unauthenticated),
            // What is asked for next says what is denied.
            Mounted::Hidden => Ok(()),
        }
    }

    fn mounted(&self) -> &Mounted {
        self.mounted.get_or_init(|| {
            let url = format!("{}/v1/sys/internal/ui/mounts/{}", self.address, self.mount);
            let response = match self.request("GET", &url).send() {
                Ok(response) => response,
                Err(error) => return Mounted::Failed(unsent(error)),
            };
            match response.status() {
                200 => {
                    let body: Value = response.json().unwrap_or_default();
                    let text = |value: &Value| value.as_str().map(str::to_owned);
                    let Some(kind) = text(&body["data"]["type"]) else {
                        return Mounted::Failed(malformed());
                    };
                    // What was there before there were versions.
                    let kind = if kind == "generic" { "kv".into() } else { kind };
                    let version = text(&body["data"]["options"]["version"]);
                    Mounted::There { kind, version: version.unwrap_or_else(|| "1".into()) }
                }
                // The server says this to a good token, so that nobody learns which mounts there are.
                403 if said(&response).contains("preflight") => Mounted::Hidden,
                403 => Mounted::Refused,
                status => Mounted::Failed(busy(status, &response)),
            }
        })
    }

    /// What an answer means that is no success.
    fn failure(&self, response: &Response) -> Error {
        let said = said(response);
        match response.status() {
            400 | 412 if said.contains("check-and-set") => Error::Conflict,
            // The same for a token that is not good and for one that is not allowed this.
            403 => match self.mounted() {
                Mounted::Refused => Error::Unauthenticated,
                Mounted::Failed(_) | Mounted::Hidden | Mounted::There { .. } => Error::AccessDenied,
            },
            404 if said.contains("no handler for route") => Error::Other(format!(
                "there is no engine at `{}`; correct the setting `mount` or `namespace`",
                self.mount
            )),
            404 if !said.contains("namespace not found") => Error::NotFound,
            status => busy(status, response),
        }
    }

    fn found(&self, response: &Response) -> Result<Found, Error> {
        let mut body: Value = response.json()?;
        let taken = |value: &mut Value| value.get_mut("data").map(Value::take).unwrap_or_default();
        let mut data = taken(&mut body);
        let (fields, version) = match self.kv {
            Kv::One => (data, None),
            Kv::Two => {
                let version = data["metadata"]["version"].as_u64().ok_or_else(malformed)?;
                (taken(&mut data), Some(version))
            }
        };
        match fields {
            Value::Object(fields) => Ok(Found { fields: Some(fields), version }),
            Value::Null if self.kv == Kv::Two => Ok(Found { fields: None, version }),
            _ => Err(malformed()),
        }
    }

    /// The URL of a path below the prefix. `area` is where a KV engine of version 2 has it.
    fn url(&self, area: &str, path: &str) -> String {
        let area = match self.kv {
            Kv::One => "",
            Kv::Two => area,
        };
        let mut url = format!("{}/v1", self.address);
        for part in [&self.mount, area, &self.prefix, path] {
            if !part.is_empty() {
                url.push('/');
                url.push_str(part);
            }
        }
        url
    }

    fn request(&self, method: &str, url: &str) -> Request {
        // Agents that stand before the server can ask for this header.
        let request = Request::new(method, url).header("X-Vault-Request", "true");
        match self.namespace.as_str() {
            "" => request,
            namespace => request.header("X-Vault-Namespace", namespace),
        }
    }
}

/// What an answer means that has nothing to do with one secret.
fn busy(status: u16, response: &Response) -> Error {
    let said = said(response);
    match status {
        404 if said.contains("namespace not found") => Error::Other(
            "there is no such namespace, or not for this token; correct the setting `namespace`"
                .into(),
        ),
        // Of a proxy before the server, which itself says 403.
        401 => Error::Unauthenticated,
        429 | 502..=504 => {
            log::warn(&format!("the server answered with status {status}: {said}"));
            Error::Unavailable(response.retry_after_ms())
        }
        _ => Error::Other(format!("the server answered with status {status}: {said}")),
    }
}

/// The texts of the server's errors, cut. They are about paths and never repeat what was sent.
fn said(response: &Response) -> String {
    let body: Value = response.json().unwrap_or_default();
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
    http::cut(&texts.join("; "), SAID_BYTES_MAX).to_owned()
}

fn unsent(error: http::Error) -> Error {
    match error {
        // The host is stricter than the server about what a path can be.
        http::Error::InvalidRequest(why) => Error::InvalidReference(why),
        error => error.into(),
    }
}

fn malformed() -> Error {
    Error::Other(
        "the server's answer is not one of a KV engine; look at `address` and `mount`".into(),
    )
}
