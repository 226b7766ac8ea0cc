//! What is done with plugins in registries, and what holds whenever one is given out: its bytes have the digest that was
//! asked for, and where the operator requires a signature, there is one.

use crate::cache::Cache;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::key::{PublicKeys, SigningKey};
use crate::limits;
use crate::manifest::{Descriptor, Document, Index, Manifest, media};
use crate::place::{self, Place};
use crate::reference::OciReference;
use crate::remote::{Access, Remote};
use crate::signature::{self, ANNOTATION, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::Dir;
use coffer_host::Inspection;
use coffer_host::limits::COMPONENT_BYTES_MAX;
use serde_json::json;
use std::fmt;
use std::path::{Path, PathBuf};

/// Told how many bytes of how many are there.
type Watch = Box<dyn Fn(u64, u64) + Send + Sync>;

/// The registries that there are for an operator, and what was kept of them.
pub struct Registries {
    pub(crate) cache: Cache,
    credentials: Credentials,
    places: Vec<Place>,
    watch: Watch,
}

/// A plugin that was pulled.
pub struct Pulled {
    /// What it is, by its digest.
    pub reference: OciReference,
    /// The component.
    pub component: Vec<u8>,
    /// The files of keys by which it had to be signed, and is.
    pub signed: Vec<PathBuf>,
}

impl fmt::Debug for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pulled").field(&self.reference).finish()
    }
}

impl Registries {
    /// Keeps what is pulled in `directory`, which is at `path`. `places` are the entries of the configuration.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Cache`].
    pub fn new(
        directory: &Dir,
        path: &Path,
        credentials: Credentials,
        places: Vec<Place>,
    ) -> Result<Self, RegistryError> {
        let cache = Cache::open(directory, path)?;
        Ok(Self { cache, credentials, places, watch: Box::new(|_, _| {}) })
    }

    /// Tells `watch` how far a download is: how many bytes of how many.
    #[must_use]
    pub fn watched(self, watch: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self { watch: Box::new(watch), ..self }
    }

    /// Publishes a plugin under a tag, and says what it is by its digest. The same file always has the same one.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn publish(
        &self,
        component: Vec<u8>,
        reference: &OciReference,
    ) -> Result<OciReference, RegistryError> {
        let (Some(tag), None) = (reference.tag(), reference.digest()) else {
            let why = "what is published needs a tag, and gets its digest by that";
            return Err(RegistryError::Reference { reference: reference.to_string(), why });
        };
        let inspection = Inspection::of(&component).map_err(RegistryError::Plugin)?;
        let title = format!("{}.wasm", inspection.manifest.name());
        let layer = Descriptor::of(media::WASM, &component).annotated([(TITLE, title)]);
        let imports: Vec<&str> =
            inspection.imports.iter().map(|import| import.name.as_str()).collect();
        let config = json!({
            // When it was published is not a part of what it is.
            "created": "1970-01-01T00:00:00Z",
            "author": null,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.digest],
            "component": { "exports": inspection.exports, "imports": imports, "target": null },
        });
        let config = config.to_string().into_bytes();
        let mut manifest = Manifest::new(Descriptor::of(media::WASM_CONFIG, &config), vec![layer]);
        manifest.annotations = [
            (TITLE, inspection.manifest.name()),
            ("org.opencontainers.image.description", inspection.manifest.description()),
            ("org.opencontainers.image.version", inspection.manifest.version()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let remote = self.remote(reference, Access::Push)?;
        remote.put_blob(config.into()).await?;
        remote.put_blob(component.into()).await?;
        let digest = remote.put_document(Some(tag), media::MANIFEST, written(&manifest)).await?;
        Ok(reference.pinned(digest))
    }

    /// Pulls a plugin: what a tag leads to now, or what has a digest. With both, the tag has to lead to the digest.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn pull(&self, reference: &OciReference) -> Result<Pulled, RegistryError> {
        let pinned = self.resolve(reference).await?;
        let (component, signed) = self.pinned(&pinned).await?;
        Ok(Pulled { reference: pinned, component, signed })
    }

    /// The component of a plugin that a store uses, from the disk if it is there. Only what has a digest is one.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn component(&self, reference: &OciReference) -> Result<Vec<u8>, RegistryError> {
        if reference.digest().is_none() {
            let now = self.resolve(reference).await.ok().map(Box::new);
            return Err(RegistryError::Unpinned { reference: reference.clone(), now });
        }
        Ok(self.pinned(reference).await?.0)
    }

    /// Signs an artifact in its registry, and says what was signed. What the key has signed already stays as it is.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn sign(
        &self,
        reference: &OciReference,
        key: &SigningKey,
    ) -> Result<OciReference, RegistryError> {
        let pinned = self.resolve(reference).await?;
        let digest = digest_of(&pinned);
        let remote = self.remote(&pinned, Access::Push)?;
        let tag = signature_tag(digest);
        let place = pinned.beside(tag.clone());
        let mut manifest = match remote.existing(&place).await? {
            Some((bytes, _)) => Document::parse(&bytes, &place)?.manifest(&place)?,
            None => Manifest::new(Descriptor::of(media::IMAGE_CONFIG, b""), Vec::new()),
        };
        let keys = PublicKeys::parse(Path::new("the key"), key.public_pem().as_bytes())?;
        let signatures = self.simple(&remote, &place, &manifest).await?;
        if signature::verify(&pinned, digest, &signatures, &keys).is_ok() {
            return Ok(pinned);
        }
        let payload = signature::payload(&pinned, digest);
        let signature = key.sign(&payload).ok_or_else(|| RegistryError::Key {
            path: PathBuf::from("that was named"),
            why: "it signs nothing".into(),
        })?;
        let layer = Descriptor::of(media::SIMPLE_SIGNING, &payload)
            .annotated([(ANNOTATION, STANDARD.encode(signature))]);
        manifest.layers.push(layer);
        let layers: Vec<&Digest> = manifest.layers.iter().map(|layer| &layer.digest).collect();
        // Clients take it for an image, whose config this is.
        let config = json!({
            "architecture": "",
            "os": "",
            "created": "0001-01-01T00:00:00Z",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        let config = config.to_string().into_bytes();
        manifest.config = Descriptor::of(media::IMAGE_CONFIG, &config);
        remote.put_blob(config.into()).await?;
        remote.put_blob(payload.into()).await?;
        remote.put_document(Some(&tag), media::MANIFEST, written(&manifest)).await?;
        Ok(pinned)
    }

    /// Whether an artifact is signed by one of these keys, and what it is by its digest.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if it is not, or that cannot be found out.
    pub async fn verify(
        &self,
        reference: &OciReference,
        keys: &PublicKeys,
    ) -> Result<OciReference, RegistryError> {
        let pinned = self.resolve(reference).await?;
        let remote = self.remote(&pinned, Access::Pull)?;
        // What is here may be of another registry, or gone from this one.
        let manifests = self.fetch_signatures(&remote, &pinned).await?;
        let signatures = self.signatures(&pinned, &manifests)?;
        signature::verify(&pinned, digest_of(&pinned), &signatures, keys)?;
        Ok(pinned)
    }

    /// The same reference with its digest. One that has a tag as well has to agree with what the tag leads to; a tag
    /// that is gone leads to nothing else.
    pub(crate) async fn resolve(
        &self,
        reference: &OciReference,
    ) -> Result<OciReference, RegistryError> {
        let Some(unpinned) = reference.unpinned() else { return Ok(reference.clone()) };
        let remote = self.remote(reference, Access::Pull)?;
        let Some(expected) = reference.digest() else {
            let (_, digest) = remote.document(&unpinned).await?;
            return Ok(reference.pinned(digest));
        };
        match remote.existing(&unpinned).await? {
            Some((_, now)) if now != *expected => {
                Err(RegistryError::Moved { reference: reference.clone(), now })
            }
            Some(_) | None => Ok(reference.clone()),
        }
    }

    /// The component of a plugin with this digest, and by which keys it is signed.
    async fn pinned(
        &self,
        reference: &OciReference,
    ) -> Result<(Vec<u8>, Vec<PathBuf>), RegistryError> {
        let signed = self.require(reference).await?;
        let digest = digest_of(reference);
        if let Some(bytes) = self.cache.read(digest, limits::MANIFEST_BYTES_MAX)? {
            let manifest = Document::parse(&bytes, reference)?.manifest(reference)?;
            let layer = manifest.component(reference)?;
            if let Some(component) = self.cache.read(&layer.digest, COMPONENT_BYTES_MAX)? {
                return Ok((component, signed));
            }
        }
        let remote = self.remote(reference, Access::Pull)?;
        let bytes = self.fetch_document(&remote, reference).await?;
        let manifest = Document::parse(&bytes, reference)?.manifest(reference)?;
        let layer = manifest.component(reference)?;
        self.fetch(&remote, reference, &manifest.config, limits::CONFIG_BYTES_MAX).await?;
        let component = self.fetch(&remote, reference, layer, COMPONENT_BYTES_MAX).await?;
        Ok((component, signed))
    }

    /// Makes sure that an artifact is signed by a key of each entry of the configuration that covers it, by what is
    /// here or else by what its registry has. Gives the files of those keys.
    pub(crate) async fn require(
        &self,
        reference: &OciReference,
    ) -> Result<Vec<PathBuf>, RegistryError> {
        let required: Vec<&PublicKeys> = self.required(reference).collect();
        let kept = self.kept_signatures(reference)?;
        let digest = digest_of(reference);
        let are_good = |signatures: &[Signature]| {
            required
                .iter()
                .try_for_each(|keys| signature::verify(reference, digest, signatures, keys))
        };
        if let Err(refused) = are_good(&kept) {
            let remote = self.remote(reference, Access::Pull)?;
            match self.fetch_signatures(&remote, reference).await {
                Ok(_) => are_good(&self.kept_signatures(reference)?)?,
                // What is here says more than that nobody can be asked, if there is anything.
                Err(RegistryError::Unavailable { .. }) if !kept.is_empty() => return Err(refused),
                Err(error) => return Err(error),
            }
        }
        Ok(required.into_iter().map(|keys| keys.path().to_owned()).collect())
    }

    /// As [`Self::require`], by what is here alone.
    pub(crate) fn require_kept(&self, reference: &OciReference) -> Result<(), RegistryError> {
        let kept = self.kept_signatures(reference)?;
        let digest = digest_of(reference);
        self.required(reference)
            .try_for_each(|keys| signature::verify(reference, digest, &kept, keys))
    }

    /// Pulls the signatures of an artifact that nobody here requires.
    pub(crate) async fn keep_signatures_of(
        &self,
        reference: &OciReference,
    ) -> Result<(), RegistryError> {
        let remote = self.remote(reference, Access::Pull)?;
        self.fetch_signatures(&remote, reference).await.map(drop)
    }

    /// The keys that an artifact has to be signed by, by what the configuration says.
    pub(crate) fn required<'a>(
        &'a self,
        reference: &'a OciReference,
    ) -> impl Iterator<Item = &'a PublicKeys> {
        let covering = self.places.iter().filter(|place| place.covers(reference));
        covering.filter_map(|place| place.required.as_ref())
    }

    /// Pulls a manifest or an index that has a digest, and keeps it.
    pub(crate) async fn fetch_document(
        &self,
        remote: &Remote<'_>,
        reference: &OciReference,
    ) -> Result<Vec<u8>, RegistryError> {
        if let Some(bytes) = self.cache.read(digest_of(reference), limits::MANIFEST_BYTES_MAX)? {
            return Ok(bytes);
        }
        let (bytes, _) = remote.document(reference).await?;
        self.cache.write(&bytes)?;
        Ok(bytes)
    }

    /// Pulls a blob, on from where an earlier time ended, and keeps it.
    pub(crate) async fn fetch(
        &self,
        remote: &Remote<'_>,
        reference: &OciReference,
        descriptor: &Descriptor,
        bytes_max: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let Descriptor { digest, size, .. } = descriptor;
        let too_large = |bytes_max: u64| RegistryError::TooLarge {
            reference: reference.clone(),
            what: "a blob",
            bytes_max,
        };
        if *size > bytes_max as u64 {
            return Err(too_large(bytes_max as u64));
        }
        if let Some(bytes) = self.cache.read(digest, bytes_max)? {
            return Ok(bytes);
        }
        let mut partial = self.cache.partial(digest)?;
        if partial.length > *size {
            partial.restart()?;
        }
        for tries in 1..=limits::TRIES_MAX {
            if partial.length == *size {
                break;
            }
            let mut answer = remote.blob(digest, partial.length).await?;
            let goes_on = format!("bytes {}-", partial.length);
            let range = answer.headers.get("content-range").and_then(|range| range.to_str().ok());
            match (answer.status.as_u16(), range) {
                (206, Some(range)) if range.starts_with(&goes_on) => {}
                (200, _) => partial.restart()?,
                _ if tries < limits::TRIES_MAX => {
                    partial.restart()?;
                    continue;
                }
                (status, _) => {
                    return Err(RegistryError::Refused {
                        registry: reference.registry().to_owned(),
                        what: format!("give the blob {digest}"),
                        status,
                        code: None,
                    });
                }
            }
            loop {
                match remote.piece(&mut answer).await {
                    Ok(Some(piece)) => {
                        if partial.length + piece.len() as u64 > *size {
                            partial.restart()?;
                            return Err(too_large(*size));
                        }
                        partial.add(&piece)?;
                        (self.watch)(partial.length, *size);
                    }
                    Ok(None) => break,
                    Err(_) if tries < limits::TRIES_MAX => break,
                    Err(error) => return Err(error),
                }
            }
        }
        if let Err(actual) = partial.finish(digest)? {
            let (reference, expected) = (reference.clone(), digest.clone());
            return Err(RegistryError::Tampered { reference, what: "a blob", expected, actual });
        }
        let kept = self.cache.read(digest, bytes_max)?;
        kept.ok_or_else(|| RegistryError::Cache {
            path: PathBuf::from("blobs"),
            source: std::io::ErrorKind::InvalidData.into(),
        })
    }

    /// Pulls the signatures that a registry has of an artifact, and notes which manifests they are in.
    async fn fetch_signatures(
        &self,
        remote: &Remote<'_>,
        reference: &OciReference,
    ) -> Result<Vec<Digest>, RegistryError> {
        let digest = digest_of(reference);
        let mut manifests = Vec::new();
        let place = reference.beside(signature_tag(digest));
        if let Some((bytes, found)) = remote.existing(&place).await?
            && let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, &place)
        {
            self.simple(remote, &place, &manifest).await?;
            self.cache.write(&bytes)?;
            manifests.push(found);
        }
        let index = remote.referrers(digest).await?;
        let index: Option<Index> = serde_json::from_slice(&index).ok();
        // Some clients write the type of the config there.
        let may_be = [media::SIGSTORE_BUNDLE, media::EMPTY];
        let bundles = index.into_iter().flat_map(|index| index.manifests).filter(|descriptor| {
            descriptor.artifact_type.as_deref().is_none_or(|kind| may_be.contains(&kind))
        });
        for descriptor in bundles.take(limits::SIGNATURES_MAX) {
            let place = reference.pinned(descriptor.digest.clone());
            let bytes = self.fetch_document(remote, &place).await?;
            let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, &place) else {
                continue;
            };
            let of_bundle = |layer: &&Descriptor| layer.media_type == media::SIGSTORE_BUNDLE;
            for layer in manifest.layers.iter().filter(of_bundle).take(limits::SIGNATURES_MAX) {
                self.fetch(remote, &place, layer, limits::SIGNATURE_BYTES_MAX).await?;
                manifests.push(descriptor.digest.clone());
            }
        }
        self.cache.keep_signatures(digest, &manifests)?;
        Ok(manifests)
    }

    /// The signatures of simple signing in a manifest, pulled where they are not here.
    async fn simple(
        &self,
        remote: &Remote<'_>,
        place: &OciReference,
        manifest: &Manifest,
    ) -> Result<Vec<Signature>, RegistryError> {
        let mut signatures = Vec::new();
        for layer in manifest.layers.iter().take(limits::SIGNATURES_MAX) {
            if let Some(signature) = layer.annotations.get(ANNOTATION) {
                let payload = self.fetch(remote, place, layer, limits::SIGNATURE_BYTES_MAX).await?;
                signatures.push(Signature::Simple { payload, signature: signature.clone() });
            }
        }
        Ok(signatures)
    }

    /// The signatures of an artifact that are here.
    fn kept_signatures(&self, reference: &OciReference) -> Result<Vec<Signature>, RegistryError> {
        self.signatures(reference, &self.cache.signatures(digest_of(reference))?)
    }

    /// The signatures in these manifests, as far as they are here.
    fn signatures(
        &self,
        reference: &OciReference,
        manifests: &[Digest],
    ) -> Result<Vec<Signature>, RegistryError> {
        let mut signatures = Vec::new();
        for digest in manifests {
            let Some(bytes) = self.cache.read(digest, limits::MANIFEST_BYTES_MAX)? else {
                continue;
            };
            let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, reference) else {
                continue;
            };
            for layer in manifest.layers.iter().take(limits::SIGNATURES_MAX) {
                let Some(blob) = self.cache.read(&layer.digest, limits::SIGNATURE_BYTES_MAX)?
                else {
                    continue;
                };
                if layer.media_type == media::SIGSTORE_BUNDLE {
                    signatures.push(Signature::Bundle(blob));
                } else if let Some(signature) = layer.annotations.get(ANNOTATION) {
                    signatures
                        .push(Signature::Simple { payload: blob, signature: signature.clone() });
                }
            }
        }
        Ok(signatures)
    }

    pub(crate) fn remote(
        &self,
        reference: &OciReference,
        access: Access,
    ) -> Result<Remote<'_>, RegistryError> {
        let covering = || self.places.iter().filter(|place| place.covers(reference));
        let ca = covering().find_map(|place| place.ca.as_deref());
        let plain_http = covering().find_map(|place| place.plain_http);
        let plain_http =
            plain_http.unwrap_or_else(|| place::plain_http_is_usual(reference.registry(), ca));
        Remote::new(reference, access, plain_http, ca, &self.credentials)
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registries").field("places", &self.places).finish_non_exhaustive()
    }
}

/// The tag under which cosign looks for the signatures of an artifact.
pub(crate) fn signature_tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

pub(crate) fn digest_of(pinned: &OciReference) -> &Digest {
    pinned.digest().expect("what gets here was resolved")
}

pub(crate) fn written(document: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("what was made of texts and numbers can be written")
}

/// What something is called; for a file, the name that clients give it.
const TITLE: &str = "org.opencontainers.image.title";
