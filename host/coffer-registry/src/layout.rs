//! Archives for machines without a way to a registry: plugins with their signatures, as an OCI image layout in a tar
//! file, which skopeo and oras read as well. What is loaded is held against its digest and its signatures as if it
//! had been pulled.

use crate::digest::Digest;
use crate::error::RegistryError;
use crate::limits;
use crate::manifest::{Descriptor, Document, Index, media};
use crate::reference::OciReference;
use crate::registries::{Registries, digest_of, signature_tag, written};
use coffer_host::limits::COMPONENT_BYTES_MAX;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use tar::{Archive, Builder, EntryType, Header};

impl Registries {
    /// Writes plugins into an archive, pulled first where they are not here, and says what they are.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub async fn save(
        &self,
        references: &[OciReference],
        archive: impl Write,
    ) -> Result<Vec<OciReference>, RegistryError> {
        let mut index = Index {
            schema_version: 2,
            media_type: Some(media::INDEX.to_owned()),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        };
        let mut saved = Vec::new();
        let mut blobs: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        for reference in references {
            let pulled = self.pull(reference).await?.reference;
            // Those that are here were needed; whoever loads it may need others.
            if self.required(&pulled).next().is_none() {
                self.keep_signatures_of(&pulled).await?;
            }
            let digest = digest_of(&pulled);
            let name = |reference: &OciReference| reference.to_string().replacen("oci://", "", 1);
            let own = name(pulled.unpinned().as_ref().unwrap_or(&pulled));
            let mut manifests = vec![(digest.clone(), own)];
            for signature in self.cache.signatures(digest)? {
                manifests.push((signature, name(&pulled.beside(signature_tag(digest)))));
            }
            for (digest, name) in manifests {
                let bytes = self.kept(&pulled, &digest, limits::MANIFEST_BYTES_MAX)?;
                let manifest = Document::parse(&bytes, &pulled)?.manifest(&pulled)?;
                for blob in manifest.blobs() {
                    // What a signature has as its config is nobody's.
                    if let Some(bytes) = self.cache.read(&blob.digest, COMPONENT_BYTES_MAX)? {
                        blobs.insert(blob.digest.clone(), bytes);
                    }
                }
                index
                    .manifests
                    .push(Descriptor::of(media::MANIFEST, &bytes).annotated([(NAME, name)]));
                blobs.insert(digest, bytes);
            }
            saved.push(pulled);
        }
        let failed = |error: io::Error| RegistryError::Archive {
            why: format!("it cannot be written: {error}"),
        };
        write(archive, &index, &blobs).map_err(failed)?;
        Ok(saved)
    }

    /// Keeps the plugins of an archive, and says what they are. No registry is asked.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn load(&self, archive: impl Read) -> Result<Vec<OciReference>, RegistryError> {
        let wrong = |why: &str| RegistryError::Archive { why: why.to_owned() };
        let index = self.unpack(archive)?.ok_or_else(|| wrong("it has no `index.json`"))?;
        let index: Index = serde_json::from_slice(&index)
            .map_err(|_| wrong("its `index.json` is not that of an OCI image layout"))?;
        let mut loaded = Vec::new();
        let mut signatures: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for descriptor in &index.manifests {
            let name = descriptor
                .annotations
                .get(NAME)
                .ok_or_else(|| wrong("it does not say from which registry something in it is"))?;
            let reference = OciReference::parse(name)?;
            let subject = reference.tag().and_then(|tag| {
                Digest::parse(&tag.strip_suffix(".sig")?.replacen("sha256-", "sha256:", 1))
            });
            match subject {
                Some(subject) => {
                    signatures.entry(subject).or_default().push(descriptor.digest.clone());
                }
                None => loaded.push(reference.pinned(descriptor.digest.clone())),
            }
        }
        for (subject, manifests) in signatures {
            self.cache.keep_signatures(&subject, &manifests)?;
        }
        for reference in &loaded {
            let bytes = self.kept(reference, digest_of(reference), limits::MANIFEST_BYTES_MAX)?;
            let manifest = Document::parse(&bytes, reference)?.manifest(reference)?;
            self.kept(reference, &manifest.component(reference)?.digest, COMPONENT_BYTES_MAX)?;
            self.require_kept(reference)?;
        }
        Ok(loaded)
    }

    fn kept(
        &self,
        reference: &OciReference,
        digest: &Digest,
        bytes_max: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        self.cache.read(digest, bytes_max)?.ok_or_else(|| RegistryError::Archive {
            why: format!("{digest}, a part of {reference}, is missing"),
        })
    }

    /// Keeps every blob of an archive under its digest, and gives its index.
    fn unpack(&self, archive: impl Read) -> Result<Option<Vec<u8>>, RegistryError> {
        let broken = |error: io::Error| RegistryError::Archive {
            why: format!("it is no tar file: {error}"),
        };
        let wrong = |why: String| RegistryError::Archive { why };
        let mut index = None;
        let mut left = limits::ARCHIVE_BYTES_MAX;
        let mut archive = Archive::new(archive);
        for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
            let mut entry = entry.map_err(broken)?;
            let path = entry.path_bytes().into_owned();
            let path = String::from_utf8_lossy(&path).into_owned();
            let path = path.strip_prefix("./").unwrap_or(&path);
            let blob = path
                .strip_prefix("blobs/sha256/")
                .map(|hex| Digest::parse(&format!("sha256:{hex}")));
            let bytes_max = match &blob {
                Some(_) => COMPONENT_BYTES_MAX,
                None if path == INDEX => limits::MANIFEST_BYTES_MAX,
                None => 0,
            } as u64;
            if count >= limits::ARCHIVE_FILES_MAX || entry.size() > left {
                return Err(wrong("it has more than coffer takes".into()));
            }
            left -= entry.size();
            // What other programs put beside it is theirs.
            if entry.header().entry_type() != EntryType::Regular || bytes_max == 0 {
                continue;
            }
            if entry.size() > bytes_max {
                return Err(wrong(format!("one of its files has more than {bytes_max} bytes")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            match blob {
                Some(Some(digest)) if Digest::of(&bytes) == digest => {
                    drop(self.cache.write(&bytes)?);
                }
                Some(_) => {
                    return Err(wrong(
                        "a blob in it does not have the digest that it is named by".into(),
                    ));
                }
                None => index = Some(bytes),
            }
        }
        Ok(index)
    }
}

fn write(archive: impl Write, index: &Index, blobs: &BTreeMap<Digest, Vec<u8>>) -> io::Result<()> {
    let mut archive = Builder::new(archive);
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(EntryType::Regular);
        archive.append_data(&mut header, name, bytes)
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add(INDEX, &written(index))?;
    for (digest, bytes) in blobs {
        add(&format!("blobs/sha256/{}", digest.hex()), bytes)?;
    }
    archive.into_inner()?.flush()
}

const INDEX: &str = "index.json";

/// Under which name something was pulled.
const NAME: &str = "org.opencontainers.image.ref.name";
