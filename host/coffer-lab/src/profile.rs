//! A profile: what the lab has to know to judge a plugin of whose protocol it knows nothing. A file beside the
//! plugin, in YAML or JSON.

use bytesize::ByteSize;
use coffer_host::{Blame, Explain};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// The JSON Schema of the file.
pub const PROFILE_SCHEMA: &str = include_str!("../schemas/profile.schema.json");

/// Calls of the case that looks for growth.
const CALLS_DEFAULT: u32 = 10_000;

/// What a profile says. Everything has a default, and unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Profile {
    /// The store's settings. `{{backend}}` is where the lab's own server is.
    pub settings: Map<String, Value>,
    /// What the plugin is granted; what it asks for, below the lab's own server and directories, otherwise.
    pub grants: Option<Map<String, Value>>,
    /// The store's limits.
    pub limits: Option<Value>,
    /// A server of the author's own, which requests are passed on to.
    pub backend: Option<String>,
    /// Recorded HTTP, relative to the profile.
    pub cassette: Option<String>,
    /// Credentials for `backend`, by setting. They are put in the place of the lab's own on the way there.
    pub credentials: BTreeMap<String, CredentialSource>,
    /// Keys that a cassette has answers for, with the lab's value, for plugins that put nothing.
    pub given: Vec<String>,
    /// What the lab's own keys begin with.
    pub prefix: Option<String>,
    /// Keys that are put for a listing.
    pub listed: Option<u32>,
    /// Calls of the case that looks for growth.
    pub calls: Option<u32>,
    /// What a call of each verb may cost; `any` is for all of them.
    pub budget: BTreeMap<String, Budget>,
    /// Bytes that the component may have.
    #[serde(deserialize_with = "bytes")]
    pub size: Option<u64>,
    /// Cases that are left out, with the reason.
    pub skip: BTreeMap<String, String>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSource {
    /// A variable of the lab's environment.
    pub env: String,
}

/// What a call may cost.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Wall time, of half of the calls.
    #[serde(deserialize_with = "duration")]
    pub time: Option<Duration>,
    /// Bytes of linear memory.
    #[serde(deserialize_with = "bytes")]
    pub memory: Option<u64>,
    /// HTTP requests.
    pub requests: Option<u64>,
    /// Instructions, as the engine counts them.
    pub instructions: Option<u64>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the profile cannot be used: {0}")]
pub struct ProfileError(pub(crate) String);

impl Explain for ProfileError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        "docs/lab.md says what a profile has, and its JSON Schema is in host/coffer-lab/schemas"
            .into()
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] says where it is wrong.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        let value: Value = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| ProfileError(error.to_string()))?;
        let value = if value.is_null() { Value::Object(Map::new()) } else { value };
        let profile: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let (path, error) = (error.path().to_string(), error.into_inner());
            ProfileError(if path == "." { error.to_string() } else { format!("{path}: {error}") })
        })?;
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let error = |text: String| Err(ProfileError(text));
        for verb in self.budget.keys() {
            if !["any", "delete", "list", "put", "resolve"].contains(&verb.as_str()) {
                return error(format!("budget: there is no verb `{verb}`"));
            }
        }
        for case in self.skip.keys() {
            if !crate::cases::all().iter().any(|known| known.id == case) {
                return error(format!("skip: there is no case `{case}`"));
            }
        }
        if !self.given.is_empty() && self.cassette.is_none() {
            return error("given: only a cassette can have keys that the lab did not put".into());
        }
        if self.listed.is_some_and(|keys| keys < 3) {
            return error("listed: at least 3 keys are put for a listing".into());
        }
        if let Some(url) = &self.backend
            && !url.starts_with("http://")
        {
            return error("backend: the lab passes requests on to http:// only".into());
        }
        Ok(())
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.unwrap_or(CALLS_DEFAULT).max(2)
    }

    /// What a call of `verb` may cost.
    pub(crate) fn budget(&self, verb: &str) -> Budget {
        let of = |name: &str| self.budget.get(name).cloned().unwrap_or_default();
        let (own, any) = (of(verb), of("any"));
        Budget {
            time: own.time.or(any.time),
            memory: own.memory.or(any.memory),
            requests: own.requests.or(any.requests),
            instructions: own.instructions.or(any.instructions),
        }
    }
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error as _;
    let text = quantity(deserializer)?;
    let bytes: ByteSize = text
        .parse()
        .map_err(|_| D::Error::custom("this is not a number of bytes, such as 2MiB"))?;
    Ok(Some(bytes.as_u64()))
}

fn duration<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    use serde::de::Error as _;
    let text = quantity(deserializer)?;
    let duration = humantime::parse_duration(&text)
        .map_err(|_| D::Error::custom("this is not a time with its unit, such as 50ms"))?;
    Ok(Some(duration))
}

fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    use serde::de::Error as _;
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text),
        _ => Err(D::Error::custom("this is not a quantity, such as 2MiB or 50ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = Profile::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("colour: red", "unknown field `colour`");
        check("settings: 1", "settings");
        check("credentials: { token: { file: /etc/shadow } }", "unknown field `file`");
        check("credentials: { token: secret }", "credentials.token");
        check("budget: { fetch: { time: 1s } }", "no verb `fetch`");
        check("budget: { any: { time: 5 } }", "not a time with its unit");
        check("budget: { any: { memory: much } }", "not a number of bytes");
        check("skip: { put/everything: no }", "no case `put/everything`");
        check("given: [a]", "only a cassette");
        check("listed: 2", "at least 3");
        check("backend: ftp://x", "http:// only");
        check("[", "cannot be used");
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let profile = Profile::parse("").unwrap();
        assert_eq!(profile.calls(), 10_000);
        assert!(profile.budget("put").time.is_none());
        let text = "{ \"budget\": { \"any\": { \"time\": \"1s\", \"requests\": 3 }, \"put\": { \"time\": \"2s\", \"memory\": \"1MiB\" } } }";
        let profile = Profile::parse(text).unwrap();
        let put = profile.budget("put");
        assert_eq!((put.time, put.requests), (Some(Duration::from_secs(2)), Some(3)));
        assert_eq!(put.memory, Some(1 << 20));
        assert_eq!(profile.budget("list").time, Some(Duration::from_secs(1)));
    }
}
