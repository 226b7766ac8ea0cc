//! The configuration file as it is written: every key that there is, Porter's included, with its type.
//! What coffer has no use for is read, so that a mistake in it is found, and then left alone.

use coffer_host::Isolation;
use coffer_host::grants::Grants;
use coffer_host::limits::Limits;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The keys that coffer reads and has no use for. No template in them is filled in.
pub(super) const IGNORED: [&str; 14] = [
    "allow-docker-host-access",
    "autobuild-disabled",
    "build-driver",
    "default-signer",
    "default-signing-plugin",
    "dependencies",
    "experimental",
    "force-overwrite",
    "logs",
    "output",
    "schema-check",
    "signer",
    "signers",
    "telemetry",
];

/// The keys that coffer uses.
pub(super) const USED: [&str; 10] = [
    "default-secrets",
    "default-secrets-plugin",
    "default-storage",
    "default-storage-plugin",
    "namespace",
    "registries",
    "runtime-driver",
    "secrets",
    "storage",
    "verbosity",
];

pub(super) fn is_known(key: &str) -> bool {
    USED.contains(&key) || IGNORED.contains(&key)
}

/// A file, or the `config` of one context of a file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "keys and values")]
pub(super) struct File {
    pub(super) default_secrets: Option<String>,
    pub(super) default_secrets_plugin: Option<String>,
    pub(super) default_storage: Option<String>,
    pub(super) default_storage_plugin: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) registries: Option<Vec<RegistrySection>>,
    pub(super) runtime_driver: Option<String>,
    pub(super) secrets: Option<OneOrMany<StoreSection>>,
    pub(super) storage: Option<OneOrMany<StorageSection>>,
    pub(super) verbosity: Option<String>,

    #[serde(rename = "allow-docker-host-access")]
    _allow_docker_host_access: Option<Flag>,
    #[serde(rename = "autobuild-disabled")]
    _autobuild_disabled: Option<Flag>,
    #[serde(rename = "build-driver")]
    _build_driver: Option<String>,
    #[serde(rename = "default-signer")]
    _default_signer: Option<String>,
    #[serde(rename = "default-signing-plugin")]
    _default_signing_plugin: Option<String>,
    #[serde(rename = "dependencies")]
    _dependencies: Option<Dependencies>,
    #[serde(rename = "experimental")]
    _experimental: Option<Words>,
    #[serde(rename = "force-overwrite")]
    _force_overwrite: Option<Flag>,
    #[serde(rename = "logs")]
    _logs: Option<Logs>,
    #[serde(rename = "output")]
    _output: Option<String>,
    #[serde(rename = "schema-check")]
    _schema_check: Option<String>,
    // Porter reads `signers`; its documentation says `signer`.
    #[serde(rename = "signer")]
    _signer: Option<OneOrMany<StorageSection>>,
    #[serde(rename = "signers")]
    _signers: Option<OneOrMany<StorageSection>>,
    #[serde(rename = "telemetry")]
    _telemetry: Option<Telemetry>,
}

/// An entry of `secrets`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a store: `name`, `plugin` and what it needs")]
pub(super) struct StoreSection {
    pub(super) name: String,
    pub(super) plugin: String,
    #[serde(default)]
    pub(super) config: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) grants: Option<Grants>,
    #[serde(default, deserialize_with = "isolation")]
    pub(super) isolation: Option<Isolation>,
    #[serde(default)]
    pub(super) limits: Option<Limits>,
}

/// Where a plugin runs, in a word that no message repeats if it is another.
fn isolation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Isolation>, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match word.as_str() {
        "none" => Ok(Some(Isolation::None)),
        "process" => Ok(Some(Isolation::Process)),
        _ => Err(serde::de::Error::custom("this is neither `none` nor `process`")),
    }
}

/// An entry of `registries`.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a registry: `registry` and what holds for it"
)]
pub(super) struct RegistrySection {
    pub(super) registry: String,
    #[serde(default)]
    pub(super) ca: Option<String>,
    #[serde(default)]
    pub(super) plain_http: Option<bool>,
    #[serde(default)]
    pub(super) require_signature: Option<String>,
}

/// An entry of `storage` or of `signers`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an entry: `name`, `plugin` and `config`")]
pub(super) struct StorageSection {
    pub(super) name: String,
    pub(super) plugin: String,
    #[serde(default)]
    pub(super) config: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dependencies {
    #[serde(rename = "version-strategy")]
    _version_strategy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Logs {
    // Until Porter 1.0.
    #[serde(rename = "enabled")]
    _enabled: Option<Flag>,
    #[serde(rename = "level")]
    _level: Option<String>,
    #[serde(rename = "log-to-file")]
    _log_to_file: Option<Flag>,
    #[serde(rename = "structured")]
    _structured: Option<Flag>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Telemetry {
    #[serde(rename = "certificate")]
    _certificate: Option<String>,
    #[serde(rename = "compression")]
    _compression: Option<String>,
    #[serde(rename = "enabled")]
    _enabled: Option<Flag>,
    #[serde(rename = "endpoint")]
    _endpoint: Option<String>,
    #[serde(rename = "headers")]
    _headers: Option<BTreeMap<String, String>>,
    #[serde(rename = "insecure")]
    _insecure: Option<Flag>,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
    #[serde(rename = "redirect-to-file")]
    _redirect_to_file: Option<Flag>,
    #[serde(rename = "start-timeout")]
    _start_timeout: Option<String>,
    #[serde(rename = "timeout")]
    _timeout: Option<String>,
}

/// A truth value, or a text, which Porter reads as one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true or false")]
enum Flag {
    Text(#[expect(dead_code, reason = "only its type matters")] String),
    Truth(#[expect(dead_code, reason = "only its type matters")] bool),
}

/// Words in a list, or in one text with commas between them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of texts")]
enum Words {
    List(#[expect(dead_code, reason = "only its type matters")] Vec<String>),
    Text(#[expect(dead_code, reason = "only its type matters")] String),
}

/// A list, or its only entry without one, as Porter reads it.
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entries(PhantomData)).map(Self)
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries with `name` and `plugin`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, entry: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entry)).map(|entry| vec![entry])
    }
}
