//! AWS Signature Version 4: what a grant names so that the host signs each request, with a key that no plugin sees.

use crate::http::HeaderSource;
use serde::Deserialize;
use std::fmt;

/// Characters of a region and of a service.
const NAME_CHARACTERS_MAX: usize = 64;

/// How the host signs the requests of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawAwsSigV4")]
pub struct AwsSigV4 {
    region: ScopeName,
    service: ScopeName,
    access_key_id: HeaderSource,
    secret_access_key: HeaderSource,
    session_token: Option<HeaderSource>,
}

impl AwsSigV4 {
    /// The region that the signature is for, such as `eu-central-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region.0
    }

    /// The service that the signature is for, as AWS signs for it, such as `secretsmanager`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service.0
    }

    /// Where the name of the key comes from. It is no secret.
    #[must_use]
    pub fn access_key_id(&self) -> &HeaderSource {
        &self.access_key_id
    }

    /// Where the key comes from.
    #[must_use]
    pub fn secret_access_key(&self) -> &HeaderSource {
        &self.secret_access_key
    }

    /// Where the token comes from that goes with a key for a while.
    #[must_use]
    pub fn session_token(&self) -> Option<&HeaderSource> {
        self.session_token.as_ref()
    }

    pub(crate) fn sources_mut(&mut self) -> impl Iterator<Item = &mut HeaderSource> {
        [&mut self.access_key_id, &mut self.secret_access_key]
            .into_iter()
            .chain(&mut self.session_token)
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "`region`, `service`, `access-key-id` and `secret-access-key`"
)]
struct RawAwsSigV4 {
    region: ScopeName,
    service: ScopeName,
    access_key_id: HeaderSource,
    secret_access_key: HeaderSource,
    #[serde(default)]
    session_token: Option<HeaderSource>,
}

impl TryFrom<RawAwsSigV4> for AwsSigV4 {
    type Error = &'static str;

    fn try_from(raw: RawAwsSigV4) -> Result<Self, Self::Error> {
        let RawAwsSigV4 { region, service, access_key_id, secret_access_key, session_token } = raw;
        let sources = [&access_key_id, &secret_access_key].into_iter().chain(&session_token);
        if sources.into_iter().any(|source| !source.prefix().is_empty()) {
            return Err("what a signature is made of takes no `prefix`");
        }
        Ok(Self { region, service, access_key_id, secret_access_key, session_token })
    }
}

/// A region or a service. Both become a part of a header, and of what is signed, where `/` separates them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct ScopeName(String);

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for ScopeName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=NAME_CHARACTERS_MAX).contains(&text.len()) || !text.bytes().all(plain) {
            // A template may have put anything here, so it is not quoted.
            return Err(format!(
                "not the name of a region or a service: 1 to {NAME_CHARACTERS_MAX} of a-z, 0-9 and -"
            ));
        }
        Ok(Self(text))
    }
}

/// Whether the header `name`, which is plain, is made by whoever signs. A service takes the time of `date` where
/// there is no `x-amz-date`.
pub(crate) fn is_signers(name: &str) -> bool {
    SIGNERS.contains(&name)
}

const SIGNERS: [&str; 6] = [
    "authorization",
    "date",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-region-set",
    "x-amz-security-token",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_signature_is_complete_or_refused() {
        let check = |key: &str, value: Value, expected: Result<(), &str>| {
            let mut given = json!({
                "region": "eu-central-1", "service": "secretsmanager",
                "access-key-id": { "env": "K" }, "secret-access-key": { "file": "/s" },
            });
            given[key] = value;
            let read = serde_json::from_value::<AwsSigV4>(given.clone());
            match (read.map_err(|error| error.to_string()), expected) {
                (Ok(_), Ok(())) => {}
                (Err(why), Err(expected)) if why.contains(expected) => {}
                (read, expected) => panic!("{given}: {read:?}, not {expected:?}"),
            }
        };
        check("session-token", json!({ "setting": "t" }), Ok(()));
        check("session-token", Value::Null, Ok(()));
        check("session-token", json!("canary"), Err("one of `env`, `file` and `setting`"));
        check("secret-access-key", json!({}), Err("exactly one"));
        check("secret-access-key", json!({ "env": "A", "prefix": "p" }), Err("no `prefix`"));
        check("access-key-id", Value::Null, Err("one of `env`, `file` and `setting`"));
        check("secret-key", json!({ "env": "A" }), Err("unknown field"));
        check("region", json!("x".repeat(64)), Ok(()));
        for wrong in ["", "Eu", "a/b", "a\n", "a b", "\u{e4}", &"x".repeat(65)] {
            check("region", json!(wrong), Err("not the name of a region"));
            check("service", json!(wrong), Err("not the name of a region or a service"));
        }
    }
}
