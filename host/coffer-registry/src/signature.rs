//! Signatures of artifacts in the two forms that cosign has: the payload of simple signing under the tag
//! `sha256-DIGEST.sig`, and the bundle of Sigstore that refers to its subject. What is signed names a digest; a
//! signature counts if one of the keys has made it and that digest is the artifact's.

use crate::digest::Digest;
use crate::error::RegistryError;
use crate::key::PublicKeys;
use crate::reference::OciReference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where the signature of a payload stands in its manifest.
pub(crate) const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// A signature, and what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// A bundle of Sigstore.
    Bundle(Vec<u8>),
    /// A payload of simple signing.
    Simple { payload: Vec<u8>, signature: String },
}

/// What a signature is of.
#[derive(Debug, PartialEq, Eq)]
enum Signed {
    /// It is by none of the keys, or none at all.
    ByNobody,
    /// It is by one of the keys.
    Of(Vec<Digest>),
}

impl Signature {
    fn signed(&self, keys: &PublicKeys) -> Signed {
        let signed = match self {
            Self::Bundle(bundle) => in_bundle(bundle, keys),
            Self::Simple { payload, signature } => in_payload(payload, signature, keys),
        };
        signed.map_or(Signed::ByNobody, Signed::Of)
    }
}

/// Whether one of the signatures is by one of the keys and for this artifact.
///
/// # Errors
///
/// Which of all that is not so.
pub(crate) fn verify(
    reference: &OciReference,
    digest: &Digest,
    signatures: &[Signature],
    keys: &PublicKeys,
) -> Result<(), RegistryError> {
    let path = || keys.path().to_owned();
    let mut other = None;
    for signature in signatures {
        match signature.signed(keys) {
            Signed::Of(digests) if digests.contains(digest) => return Ok(()),
            Signed::Of(digests) => other = other.or(digests.into_iter().next()),
            Signed::ByNobody => {}
        }
    }
    let reference = reference.clone();
    Err(match other {
        Some(signed) => RegistryError::SignedOther { reference, keys: path(), signed },
        None if signatures.is_empty() => RegistryError::NotSigned { reference, keys: path() },
        None => RegistryError::WrongKey { reference, keys: path() },
    })
}

/// What is to be signed for an artifact, as cosign has it.
pub(crate) fn payload(reference: &OciReference, digest: &Digest) -> Vec<u8> {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": reference.name() },
            "image": { "docker-manifest-digest": digest },
            "type": SIMPLE,
        },
        "optional": Value::Null,
    });
    payload.to_string().into_bytes()
}

/// The digest in a payload that one of the keys has signed.
fn in_payload(payload: &[u8], signature: &str, keys: &PublicKeys) -> Option<Vec<Digest>> {
    let signature = STANDARD.decode(signature).ok()?;
    if !keys.have_signed(payload, &signature) {
        return None;
    }
    // Only now is there anybody whose words these are.
    let payload: Value = serde_json::from_slice(payload).ok()?;
    let critical = payload.get("critical")?;
    let digest = critical.get("image")?.get("docker-manifest-digest")?.as_str()?;
    (critical.get("type")?.as_str()? == SIMPLE).then_some(vec![Digest::parse(digest)?])
}

/// The digests in the statement of a bundle that one of the keys has signed.
fn in_bundle(bundle: &[u8], keys: &PublicKeys) -> Option<Vec<Digest>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle {
        dsse_envelope: Envelope,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope {
        payload: String,
        payload_type: String,
        signatures: Vec<Sig>,
    }
    #[derive(Deserialize)]
    struct Sig {
        sig: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement {
        #[serde(rename = "_type")]
        form: String,
        predicate_type: String,
        subject: Vec<Subject>,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: SubjectDigest,
    }
    #[derive(Deserialize)]
    struct SubjectDigest {
        sha256: Option<String>,
    }
    let Bundle { dsse_envelope: envelope } = serde_json::from_slice(bundle).ok()?;
    let payload = STANDARD.decode(envelope.payload).ok()?;
    let mut message = format!(
        "DSSEv1 {} {} {} ",
        envelope.payload_type.len(),
        envelope.payload_type,
        payload.len()
    )
    .into_bytes();
    message.extend_from_slice(&payload);
    let is_good = |Sig { sig }: &Sig| {
        STANDARD.decode(sig).is_ok_and(|signature| keys.have_signed(&message, &signature))
    };
    if !envelope.signatures.iter().any(is_good) || envelope.payload_type != IN_TOTO {
        return None;
    }
    let Statement { form, predicate_type, subject } = serde_json::from_slice(&payload).ok()?;
    // A key may sign statements of other kinds as well: of how something was built, or that it is bad.
    if !STATEMENTS.contains(&form.as_str()) || predicate_type != SIGNED {
        return None;
    }
    let digests = subject.into_iter().filter_map(|subject| subject.digest.sha256);
    Some(digests.filter_map(|hex| Digest::parse(&format!("sha256:{hex}"))).collect())
}

/// What a payload says that it is.
const SIMPLE: &str = "cosign container image signature";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENTS: [&str; 2] =
    ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/// The statement that somebody signs an artifact, and nothing else about it.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;
    use coffer_host::Secret;
    use std::path::Path;

    fn key() -> (SigningKey, PublicKeys) {
        let path = Path::new("the.pub");
        let (private, public) = SigningKey::generate(path, &Secret::from("p")).unwrap();
        let key = SigningKey::parse(path, &private, || Ok::<_, RegistryError>(Secret::from("p")));
        (key.unwrap(), PublicKeys::parse(path, public.as_bytes()).unwrap())
    }

    fn simple(key: &SigningKey, payload: Vec<u8>) -> Signature {
        let signature = STANDARD.encode(key.sign(&payload).unwrap());
        Signature::Simple { payload, signature }
    }

    fn bundle(key: &SigningKey, payload_type: &str, statement: &Value) -> Signature {
        let payload = statement.to_string();
        let message =
            format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
        let signature = STANDARD.encode(key.sign(message.as_bytes()).unwrap());
        let envelope = json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": payload_type,
            "signatures": [{ "sig": signature }],
        });
        Signature::Bundle(json!({ "dsseEnvelope": envelope }).to_string().into_bytes())
    }

    fn statement(predicate: &str, digest: &Digest) -> Value {
        json!({
            "_type": STATEMENTS[0],
            "predicateType": predicate,
            "subject": [{ "name": "", "digest": { "sha256": digest.hex() } }],
            "predicate": {},
        })
    }

    #[test]
    fn a_signature_counts_for_its_key_and_its_digest_alone() {
        let reference = OciReference::parse("oci://ghcr.io/acme/a:t").unwrap();
        let (ours, others) = (Digest::of(b"ours"), Digest::of(b"others"));
        let ((key, keys), (_, strangers)) = (key(), key());
        let check = |signatures: &[Signature], keys: &PublicKeys, expected: Option<&str>| {
            let said =
                verify(&reference, &ours, signatures, keys).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(said, None),
                Some(part) => {
                    assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{said:?}");
                }
            }
        };
        let good = simple(&key, payload(&reference, &ours));
        let replayed = simple(&key, payload(&reference, &others));
        let good_bundle = bundle(&key, IN_TOTO, &statement(SIGNED, &ours));
        let replayed_bundle = bundle(&key, IN_TOTO, &statement(SIGNED, &others));
        check(std::slice::from_ref(&good), &keys, None);
        check(std::slice::from_ref(&good_bundle), &keys, None);
        check(&[replayed.clone(), good.clone()], &keys, None);
        check(&[], &keys, Some("has no signature"));
        check(
            &[good.clone(), good_bundle.clone()],
            &strangers,
            Some("is signed, and by no key in the.pub"),
        );
        check(
            &[replayed],
            &keys,
            Some(&format!("is for something else: it was made for {others}")),
        );
        check(&[replayed_bundle], &keys, Some("is for something else"));
        // A good signature of one payload does not carry another.
        let Signature::Simple { signature, .. } = &good else { unreachable!() };
        let swapped = Signature::Simple {
            payload: payload(&reference, &others),
            signature: signature.clone(),
        };
        check(&[swapped], &keys, Some("is signed, and by no key"));
        // What is signed and is no signature of an artifact.
        let mut kind: Value = serde_json::from_slice(&payload(&reference, &ours)).unwrap();
        kind["critical"]["type"] = json!("atomic container signature");
        check(&[simple(&key, kind.to_string().into_bytes())], &keys, Some("by no key"));
        for other in [
            bundle(&key, IN_TOTO, &statement("https://slsa.dev/provenance/v1", &ours)),
            bundle(&key, "text/plain", &statement(SIGNED, &ours)),
            bundle(
                &key,
                IN_TOTO,
                &json!({ "_type": "else", "predicateType": SIGNED, "subject": [] }),
            ),
            Signature::Bundle(b"{}".to_vec()),
        ] {
            check(&[other], &keys, Some("by no key"));
        }
    }
}
