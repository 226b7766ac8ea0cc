//! CNAB bundles in registries, as cnab-to-oci puts them there: an index whose manifest of the type `config` has
//! `bundle.json` as its config, and whose manifest of the type `invocation` is the image that runs it. Where that is a
//! component, it is pulled as well.

use crate::digest::Digest;
use crate::error::RegistryError;
use crate::limits;
use crate::manifest::{Descriptor, Document, media};
use crate::reference::OciReference;
use crate::registries::{Registries, digest_of, written};
use crate::remote::Access;
use coffer_host::limits::COMPONENT_BYTES_MAX;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A bundle that was pulled.
#[derive(Debug)]
pub struct PulledBundle {
    /// What it is, by its digest.
    pub reference: OciReference,
    /// The directory that has its `bundle.json`.
    pub path: PathBuf,
}

impl Registries {
    /// Pulls a bundle, and writes it to where it can be opened. Images that are no components are named in it as they
    /// are in the registry, by their digests.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn bundle(&self, reference: &OciReference) -> Result<PulledBundle, RegistryError> {
        let reference = self.resolve(reference).await?;
        self.require(&reference).await?;
        let kind = |why| RegistryError::Kind { reference: reference.clone(), why };
        let remote = self.remote(&reference, Access::Pull)?;
        let bytes = self.fetch_document(&remote, &reference).await?;
        let Document::Index(index) = Document::parse(&bytes, &reference)? else {
            return Err(kind("it is no index, as bundles are"));
        };
        let of_type = |name: &str| {
            let found = index
                .manifests
                .iter()
                .find(|entry| entry.annotations.get(TYPE).is_some_and(|kind| kind == name));
            found.cloned()
        };
        let config =
            of_type("config").ok_or_else(|| kind("it has no manifest of a bundle's config"))?;
        let place = reference.pinned(config.digest);
        let bytes = self.fetch_document(&remote, &place).await?;
        let manifest = Document::parse(&bytes, &place)?.manifest(&place)?;
        if !CONFIGS.contains(&manifest.config.media_type.as_str()) {
            return Err(kind("its config is not one of a bundle"));
        }
        let bytes = self.fetch(&remote, &place, &manifest.config, limits::BUNDLE_BYTES_MAX).await?;
        let mut bundle: Value =
            serde_json::from_slice(&bytes).map_err(|_| kind("its `bundle.json` is no JSON"))?;
        let invocation = of_type("invocation").ok_or_else(|| kind("it has no invocation image"))?;
        let image = bundle
            .pointer_mut("/invocationImages/0")
            .and_then(Value::as_object_mut)
            .ok_or_else(|| kind("its `bundle.json` names no invocation image"))?;
        let component = match image.get("imageType").and_then(Value::as_str) {
            Some("wasm") => {
                let place = reference.pinned(invocation.digest);
                let bytes = self.fetch_document(&remote, &place).await?;
                let manifest = Document::parse(&bytes, &place)?.manifest(&place)?;
                let layer = manifest.component(&place)?;
                let component = self.fetch(&remote, &place, layer, COMPONENT_BYTES_MAX).await?;
                image.insert("image".into(), json!(COMPONENT));
                image.insert("contentDigest".into(), json!(layer.digest));
                Some(component)
            }
            _ => {
                image.insert("image".into(), json!(relocated(&reference, &invocation)));
                None
            }
        };
        let document = written(&bundle);
        let mut files = vec![("bundle.json", document.as_slice())];
        files.extend(component.as_deref().map(|component| (COMPONENT, component)));
        // By what is in it: what was there under this name before is the same.
        let path = self.cache.keep_bundle(digest_of(&reference), &files)?;
        Ok(PulledBundle { reference, path })
    }
}

/// How an image is named that was copied to the bundle's own repository.
fn relocated(reference: &OciReference, image: &Descriptor) -> String {
    let digest: &Digest = &image.digest;
    format!("{}@{digest}", reference.name())
}

/// What a manifest in the index is for.
const TYPE: &str = "io.cnab.manifest.type";

/// What the config of a bundle can be called: where a registry refuses the first, cnab-to-oci takes the next.
const CONFIGS: [&str; 3] = [media::BUNDLE_CONFIG, media::IMAGE_CONFIG, media::DOCKER_CONFIG];

/// How the component of a bundle is called beside its `bundle.json`.
const COMPONENT: &str = "installer.wasm";
