//! Keys: ECDSA on P-256, in the files that cosign makes and reads. A private key is encrypted with a password (scrypt
//! and the box of NaCl), or PKCS #8 as it is; a file of public keys may have several, each of which is as good.

use crate::error::RegistryError;
use crate::limits;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_host::Secret;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The public keys of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKeys {
    path: PathBuf,
    points: Vec<Vec<u8>>,
}

impl PublicKeys {
    /// Reads the text of the file at `path`, which has one key or several in PEM form.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Key`].
    pub fn parse(path: &Path, pem: &[u8]) -> Result<Self, RegistryError> {
        let wrong = |why: &str| RegistryError::Key { path: path.to_owned(), why: why.to_owned() };
        let mut points = Vec::new();
        for (label, der) in blocks(pem).ok_or_else(|| wrong("it is not in PEM form"))? {
            if label != PUBLIC {
                return Err(wrong("it has something else than public keys"));
            }
            let point = der.strip_prefix(&SPKI_P256).filter(|point| point.len() == POINT_BYTES);
            points.push(
                point.ok_or_else(|| wrong("it has a key that is none of ECDSA on P-256"))?.to_vec(),
            );
        }
        if points.is_empty() {
            return Err(wrong("it has no key"));
        }
        Ok(Self { path: path.to_owned(), points })
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether one of them has signed this.
    pub(crate) fn have_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let is_by = |point: &Vec<u8>| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(message, signature)
                .is_ok()
        };
        self.points.iter().any(is_by)
    }
}

/// Shows where they are.
impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKeys").field(&self.path).finish()
    }
}

/// A key that signs.
pub struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// Makes one, and gives the texts of its files: the private one, encrypted with the password, and the public one.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Key`] if the system has no random bytes or no memory.
    pub fn generate(path: &Path, password: &Secret) -> Result<(Secret, String), RegistryError> {
        let failed = |why: &str| RegistryError::Key { path: path.to_owned(), why: why.to_owned() };
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(|_| failed("it cannot be made"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref())
            .map_err(|_| failed("it cannot be made"))?;
        let sealed = Sealed::new(pkcs8.as_ref(), password)
            .ok_or_else(|| failed("it cannot be encrypted"))?;
        let sealed = serde_json::to_vec(&sealed).map_err(|_| failed("it cannot be written"))?;
        Ok((Secret::from(pem(ENCRYPTED, &sealed)), Self(pair).public_pem()))
    }

    /// Reads the text of the file at `path`. The password is asked for if there is one.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Key`], or what `password` gives.
    pub fn parse<E: From<RegistryError>>(
        path: &Path,
        text: &Secret,
        password: impl FnOnce() -> Result<Secret, E>,
    ) -> Result<Self, E> {
        let wrong = |why: &str| RegistryError::Key { path: path.to_owned(), why: why.to_owned() };
        let blocks = blocks(text.expose()).ok_or_else(|| wrong("it is not in PEM form"))?;
        let [(label, content)] = blocks.as_slice() else {
            return Err(wrong("it has not one key").into());
        };
        let pkcs8 = match label.as_str() {
            PLAIN => Secret::new(content.to_vec()),
            ENCRYPTED | ENCRYPTED_BEFORE => {
                let sealed: Sealed = serde_json::from_slice(content)
                    .map_err(|_| wrong("it is not encrypted as cosign does it"))?;
                let opened = sealed.open(&password()?);
                opened.ok_or_else(|| wrong("the password is not right, or it was changed"))?
            }
            _ => return Err(wrong("it is no private key of cosign's, nor PKCS #8").into()),
        };
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose())
            .map(Self)
            .map_err(|_| wrong("it is no key of ECDSA on P-256").into())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().to_vec())
    }

    /// The text of the file of the public key that belongs to it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let point = self.0.public_key().as_ref();
        pem(PUBLIC, &[&SPKI_P256, point].concat())
    }
}

/// Shows nothing of it.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A private key that is encrypted, as cosign writes it.
#[derive(Deserialize, Serialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize, Serialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize, Serialize)]
struct Params {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

#[derive(Deserialize, Serialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl Sealed {
    fn new(plain: &[u8], password: &Secret) -> Option<Self> {
        let (mut salt, mut nonce) = ([0; 32], [0; NONCE_BYTES]);
        rand::fill(&mut salt).ok()?;
        rand::fill(&mut nonce).ok()?;
        let sealed = seal(&*derive(password, LOG_N, &salt)?, &nonce, plain);
        let (name, params) = (SCRYPT.to_owned(), Params { n: 1 << LOG_N, r: R, p: P });
        Some(Self {
            kdf: Kdf { name, params, salt: STANDARD.encode(salt) },
            cipher: Cipher { name: SECRETBOX.to_owned(), nonce: STANDARD.encode(nonce) },
            ciphertext: STANDARD.encode(sealed),
        })
    }

    fn open(&self, password: &Secret) -> Option<Secret> {
        let Self { kdf: Kdf { name, params, salt }, cipher, ciphertext } = self;
        // A file that asks for more would have coffer compute for hours.
        let log_n = LOG_NS.into_iter().find(|log_n| 1 << log_n == params.n)?;
        let known = name == SCRYPT && cipher.name == SECRETBOX && (params.r, params.p) == (R, P);
        let nonce: [u8; NONCE_BYTES] = STANDARD.decode(&cipher.nonce).ok()?.try_into().ok()?;
        let (salt, sealed) = (STANDARD.decode(salt).ok()?, STANDARD.decode(ciphertext).ok()?);
        if !known {
            return None;
        }
        open(&*derive(password, log_n, &salt)?, &nonce, &sealed)
    }
}

fn derive(password: &Secret, log_n: u8, salt: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let params = scrypt::Params::new(log_n, R, P).ok()?;
    scrypt::scrypt(password.expose(), salt, &params, &mut *key).ok()?;
    Some(key)
}

/// The box of NaCl: the first 32 bytes of the stream are the key of the tag, which comes first.
fn seal(key: &[u8; 32], nonce: &[u8; NONCE_BYTES], plain: &[u8]) -> Vec<u8> {
    let (mut stream, tag_key) = stream(key, nonce);
    let mut text = plain.to_vec();
    stream.apply_keystream(&mut text);
    let mut sealed = Poly1305::new(&(*tag_key).into()).compute_unpadded(&text).to_vec();
    sealed.append(&mut text);
    sealed
}

fn open(key: &[u8; 32], nonce: &[u8; NONCE_BYTES], sealed: &[u8]) -> Option<Secret> {
    let (tag, text) = sealed.split_at_checked(TAG_BYTES)?;
    let (mut stream, tag_key) = stream(key, nonce);
    let actual = Poly1305::new(&(*tag_key).into()).compute_unpadded(text);
    aws_lc_rs::constant_time::verify_slices_are_equal(&actual, tag).ok()?;
    let mut plain = Zeroizing::new(text.to_vec());
    stream.apply_keystream(&mut plain);
    Some(Secret::new(std::mem::take(&mut *plain)))
}

fn stream(key: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> (XSalsa20, Zeroizing<[u8; 32]>) {
    let mut stream = XSalsa20::new(&(*key).into(), &(*nonce).into());
    let mut tag_key = Zeroizing::new([0; 32]);
    stream.apply_keystream(&mut *tag_key);
    (stream, tag_key)
}

/// The blocks of a text in PEM form, each with its label.
fn blocks(text: &[u8]) -> Option<Vec<(String, Zeroizing<Vec<u8>>)>> {
    if text.len() > limits::KEY_BYTES_MAX {
        return None;
    }
    let mut blocks = Vec::new();
    let mut lines = std::str::from_utf8(text).ok()?.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        let end = format!("-----END {label}-----");
        let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let line = lines.next()?;
            if line == end {
                break;
            }
            encoded.push_str(line);
        }
        blocks.push((label.to_owned(), Zeroizing::new(STANDARD.decode(encoded.as_bytes()).ok()?)));
    }
    Some(blocks)
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(bytes));
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("Base64 is ASCII"));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

const ENCRYPTED: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// What cosign wrote before 2.0.
const ENCRYPTED_BEFORE: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
const SCRYPT: &str = "scrypt";
const SECRETBOX: &str = "nacl/secretbox";

/// What is before the point in a public key of P-256, in DER.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_BYTES: usize = 65;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The work that a password takes, as cosign chooses it: 2^16 rounds of scrypt with 8 and 1, which are 64 MiB.
const LOG_N: u8 = 16;
/// What cosign reads.
const LOG_NS: [u8; 3] = [15, 16, 17];
const R: u32 = 8;
const P: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// The vector of NaCl's own tests (`tests/secretbox.c`).
    #[test]
    fn the_box_is_that_of_nacl() {
        let key = bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let nonce = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let plain = bytes(concat!(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc",
            "3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb",
            "48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
        ));
        let expected = bytes(concat!(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0df",
            "c17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368",
            "517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
        ));
        let (key, nonce) = (key.try_into().unwrap(), nonce.try_into().unwrap());
        assert_eq!(seal(&key, &nonce, &plain), expected);
        assert_eq!(open(&key, &nonce, &expected).unwrap().expose(), plain);
        for index in [0, 15, 16, expected.len() - 1] {
            let mut changed = expected.clone();
            changed[index] ^= 1;
            assert!(open(&key, &nonce, &changed).is_none(), "{index}");
        }
        assert!(open(&key, &nonce, &expected[..15]).is_none());
    }

    #[test]
    fn a_key_signs_and_its_password_opens_it() {
        let path = Path::new("k");
        let password = Secret::from("correct");
        let (private, public) = SigningKey::generate(path, &password).unwrap();
        let read = |text: &Secret, password: &'static str| {
            SigningKey::parse(path, text, || Ok::<_, RegistryError>(Secret::from(password)))
        };
        let key = read(&private, "correct").unwrap();
        assert_eq!(key.public_pem(), public);
        let signature = key.sign(b"message").unwrap();
        let keys = PublicKeys::parse(path, public.as_bytes()).unwrap();
        assert!(keys.have_signed(b"message", &signature));
        assert!(!keys.have_signed(b"Message", &signature));
        assert!(!keys.have_signed(b"message", &signature[1..]));
        let said = read(&private, "wrong").unwrap_err().to_string();
        assert!(said.contains("the password is not right") && !said.contains("wrong"), "{said}");
        // Of several keys each is as good.
        let (_, other) = SigningKey::generate(path, &password).unwrap();
        let both = PublicKeys::parse(path, format!("{other}\n{public}").as_bytes()).unwrap();
        assert!(both.have_signed(b"message", &signature));
        assert!(
            !PublicKeys::parse(path, other.as_bytes()).unwrap().have_signed(b"message", &signature)
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let path = Path::new("k");
        let (private, public) = SigningKey::generate(path, &Secret::from("p")).unwrap();
        let private = private.expose_text().unwrap();
        let short = pem(PUBLIC, &SPKI_P256);
        let mut other = [&SPKI_P256[..], &[4; POINT_BYTES]].concat();
        other[15] ^= 1;
        for text in
            ["", "no key", private, &public[1..], &public[..60], &short, &pem(PUBLIC, &other)]
        {
            assert!(PublicKeys::parse(path, text.as_bytes()).is_err(), "{text}");
        }
        let large = format!("{public}{}", "\n".repeat(limits::KEY_BYTES_MAX));
        assert!(PublicKeys::parse(path, large.as_bytes()).is_err());
        for text in
            ["", &public, &format!("{private}{private}"), &pem(ENCRYPTED, b"{}"), &pem(PLAIN, b"x")]
        {
            let read = SigningKey::parse(path, &Secret::from(text), || {
                Ok::<_, RegistryError>(Secret::from("p"))
            });
            assert!(read.is_err(), "{text}");
        }
    }
}
