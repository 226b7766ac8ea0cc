//! What registries keep: manifests, which name blobs, and indexes, which name manifests. Only what was checked
//! against its digest gets here.

use crate::digest::Digest;
use crate::error::RegistryError;
use crate::reference::OciReference;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Media types.
pub(crate) mod media {
    pub(crate) const BUNDLE_CONFIG: &str = "application/vnd.cnab.config.v1+json";
    pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub(crate) const DOCKER_INDEX: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    pub(crate) const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    pub(crate) const WASM: &str = "application/wasm";
    pub(crate) const WASM_BEFORE: &str = "application/vnd.wasm.content.layer.v1+wasm";
    pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

    /// What a registry is asked for.
    pub(crate) const ACCEPTED: [&str; 4] = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
}

/// Names a blob or a manifest, and says how many bytes it has.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    pub(crate) fn annotated<const N: usize>(mut self, annotations: [(&str, String); N]) -> Self {
        self.annotations =
            annotations.into_iter().map(|(key, value)| (key.into(), value)).collect();
        self
    }
}

/// Names the blobs of one artifact.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    #[serde(default, deserialize_with = "or_none")]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The blobs that it names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        [&self.config].into_iter().chain(&self.layers)
    }

    /// The component of a plugin.
    ///
    /// # Errors
    ///
    /// If this is something else.
    pub(crate) fn component(&self, reference: &OciReference) -> Result<&Descriptor, RegistryError> {
        match self.layers.as_slice() {
            [layer] if [media::WASM, media::WASM_BEFORE].contains(&layer.media_type.as_str()) => {
                Ok(layer)
            }
            _ => Err(RegistryError::Kind {
                reference: reference.clone(),
                why: "it has not one layer of the type `application/wasm`",
            }),
        }
    }
}

/// Names several artifacts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, deserialize_with = "or_none")]
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// One of the two.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    Index(Index),
    Manifest(Box<Manifest>),
}

impl Document {
    /// Reads what a registry gave. What could be read as either is neither: two programs would see two artifacts
    /// under one digest.
    pub(crate) fn parse(bytes: &[u8], reference: &OciReference) -> Result<Self, RegistryError> {
        let malformed = |why| RegistryError::Malformed { reference: reference.clone(), why };
        let value: Value =
            serde_json::from_slice(bytes).map_err(|_| malformed("its manifest is no JSON"))?;
        let of_index = value.get("manifests").is_some();
        let of_manifest =
            ["config", "layers", "fsLayers"].iter().any(|key| value.get(key).is_some());
        let media_type = value.get("mediaType").and_then(Value::as_str);
        let is_index = match media_type {
            Some(media::INDEX | media::DOCKER_INDEX) => Some(true),
            Some(media::MANIFEST | media::DOCKER_MANIFEST) => Some(false),
            Some(_) => return Err(malformed("its manifest is of a type that is not known")),
            None => None,
        };
        if of_index == of_manifest || is_index.is_some_and(|is_index| is_index != of_index) {
            return Err(malformed("its manifest could be read as a manifest and as an index"));
        }
        let document = if of_index {
            serde_json::from_value(value).map(Self::Index)
        } else {
            serde_json::from_value(value).map(Box::new).map(Self::Manifest)
        };
        document.map_err(|_| malformed("its manifest has not the form of one"))
    }

    /// The manifest of one artifact.
    pub(crate) fn manifest(self, reference: &OciReference) -> Result<Manifest, RegistryError> {
        match self {
            Self::Manifest(manifest) => Ok(*manifest),
            Self::Index(_) => Err(RegistryError::Kind {
                reference: reference.clone(),
                why: "it is an index of several artifacts",
            }),
        }
    }
}

/// `null` is what programs in Go write for what is empty.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_could_be_read_as_either_is_neither() {
        let reference = OciReference::parse("oci://localhost/a:t").unwrap();
        let config =
            json!({ "mediaType": media::IMAGE_CONFIG, "digest": Digest::of(b"{}"), "size": 2 });
        let check = |document: Value, good: bool| {
            let read = Document::parse(document.to_string().as_bytes(), &reference);
            assert_eq!(read.is_ok(), good, "{document}: {read:?}");
        };
        check(json!({ "schemaVersion": 2, "config": config, "layers": null }), true);
        check(json!({ "schemaVersion": 2, "manifests": [] }), true);
        check(json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [] }), true);
        check(json!({ "schemaVersion": 2, "config": config, "manifests": [] }), false);
        check(
            json!({ "schemaVersion": 2, "mediaType": media::INDEX, "config": config, "layers": [] }),
            false,
        );
        check(json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "manifests": [] }), false);
        check(json!({ "schemaVersion": 2, "mediaType": "text/plain", "manifests": [] }), false);
        check(json!({ "schemaVersion": 2 }), false);
        check(json!([]), false);
        let mut other = config.clone();
        other["digest"] = json!("sha256:../../../etc/passwd");
        check(json!({ "schemaVersion": 2, "config": other, "layers": [] }), false);
    }
}
