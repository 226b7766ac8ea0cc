//! AWS Signature Version 4: what proves to AWS that a request is of whoever has a key, without the key in it. A
//! request is signed when everything else is on it, and anew each time that it is sent.

use super::credential::{self, Credential};
use crate::error::Incident;
use crate::secret::Secret;
use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use coffer_grants::{AwsSigV4, Settings};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::Full;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// A key, for one request.
pub(super) struct Signer<'g> {
    grant: &'g AwsSigV4,
    key_id: Secret,
    key: Secret,
    /// The digest of the body.
    payload: String,
}

/// Headers that are not signed, because what stands before a server may change them.
const UNSIGNED: [&str; 3] = ["accept-encoding", "user-agent", "x-amzn-trace-id"];

/// The one service whose paths are encoded once, and that wants the digest of the body in a header.
const S3: &str = "s3";

impl<'g> Signer<'g> {
    /// What the operator named, for a request with this body.
    ///
    /// # Errors
    ///
    /// [`Incident::Credential`] says which part of the key is not there.
    pub(super) fn of(
        grant: &'g AwsSigV4,
        settings: &Settings,
        body: &[u8],
    ) -> Result<Self, Incident> {
        let failed = |why| Incident::Credential { header: header::AUTHORIZATION.to_string(), why };
        let part = |what: &str, source| {
            let value = credential::value(source, settings)?;
            match value.expose() {
                [] => Err(format!("the {what} is empty")),
                bytes if bytes.iter().all(u8::is_ascii_graphic) => Ok(value),
                _ => Err(format!("the {what} has a character that none has")),
            }
        };
        let key_id = part("access key id", grant.access_key_id()).map_err(failed)?;
        let key = part("secret access key", grant.secret_access_key()).map_err(failed)?;
        Ok(Self { grant, key_id, key, payload: hex(digest::digest(&digest::SHA256, body)) })
    }

    /// Signs a request as it is, and tells what of it must not come back.
    pub(super) fn sign(&self, request: &mut Request<Full<Bytes>>, now: SystemTime) -> Credential {
        let text = |text: &str| HeaderValue::from_str(text).expect("it is printable ASCII");
        let (region, service) = (self.grant.region(), self.grant.service());
        // 2015-08-30T12:36:00Z without what separates.
        let time = humantime::format_rfc3339_seconds(now).to_string().replace(['-', ':'], "");
        let date = &time[..8];
        request.headers_mut().insert(DATE, text(&time));
        if service == S3 {
            request.headers_mut().insert(CONTENT_SHA256, text(&self.payload));
        }
        let signed = signed_headers(request.headers());
        let canonical = self.canonical(request, &signed);
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(canonical));
        let mut key = Zeroizing::new(b"AWS4".to_vec());
        key.reserve_exact(self.key.expose().len());
        key.extend_from_slice(self.key.expose());
        // What is derived is good for a day, and what the library puts on the stack is not ours to overwrite.
        let day = mac(&key, date.as_bytes());
        let for_service = mac(mac(day.as_ref(), region.as_bytes()).as_ref(), service.as_bytes());
        let for_request = mac(for_service.as_ref(), b"aws4_request");
        let signature = hex(mac(for_request.as_ref(), to_sign.as_bytes()).as_ref());
        let key_id = self.key_id.expose_text().expect("it is printable ASCII");
        let names = signed.into_iter().collect::<Vec<_>>().join(";");
        let value = Zeroizing::new(format!(
            "{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        ));
        let hidden = [Secret::from(signature), self.key.clone()];
        let credential = Credential::whole(header::AUTHORIZATION, text(&value), hidden);
        let (name, value) = credential.header();
        request.headers_mut().insert(name, value);
        credential
    }

    /// The digest of what both sides write down of a request. It is never one text in memory: the token of a
    /// session is a part of it.
    fn canonical(
        &self,
        request: &Request<Full<Bytes>>,
        signed: &BTreeSet<String>,
    ) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |text: &[u8]| context.update(text);
        add(request.method().as_str().as_bytes());
        add(b"\n");
        add(self.path(request.uri()).as_bytes());
        add(b"\n");
        add(query(request.uri()).as_bytes());
        add(b"\n");
        for name in signed {
            add(name.as_bytes());
            add(b":");
            if name == HOST {
                // As the client writes it: with its port only if that is not the scheme's own.
                add(request.uri().authority().map_or("", |host| host.as_str()).as_bytes());
            }
            for (index, value) in request.headers().get_all(name).iter().enumerate() {
                add(if index == 0 { b"" } else { b"," });
                let words = value.as_bytes().split(u8::is_ascii_whitespace);
                for (index, word) in words.filter(|word| !word.is_empty()).enumerate() {
                    add(if index == 0 { b"" } else { b" " });
                    add(word);
                }
            }
            add(b"\n");
        }
        add(b"\n");
        for (index, name) in signed.iter().enumerate() {
            add(if index == 0 { b"" } else { b";" });
            add(name.as_bytes());
        }
        add(b"\n");
        add(self.payload.as_bytes());
        context.finish()
    }

    /// The path. It is encoded once as it is sent, and for every service but one once more.
    fn path(&self, uri: &Uri) -> String {
        let path = uri.path().as_bytes();
        if self.grant.service() == S3 { encoded(&decoded(path), b"/") } else { encoded(path, b"/") }
    }
}

/// The names of the headers that are signed, in their order.
fn signed_headers(headers: &HeaderMap) -> BTreeSet<String> {
    let names = headers.keys().map(HeaderName::as_str).filter(|name| !UNSIGNED.contains(name));
    names.chain([HOST]).map(str::to_owned).collect()
}

/// The query, each name and value encoded in one way, in the order of names and then values.
fn query(uri: &Uri) -> String {
    let part = |text: &str| {
        // A space, in a form and to those who read queries as forms.
        let text = text.replace('+', " ");
        encoded(&decoded(text.as_bytes()), b"")
    };
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (part(name), part(value))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// With everything as `%` and two digits that is not unreserved and not in `kept`.
fn encoded(text: &[u8], kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Without the `%` and two digits, which a URL that was read has nowhere else.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (rest, _) = match (first, octet) {
            (b'%', Some(octet)) => (&behind[2..], decoded.push(octet)),
            _ => (behind, decoded.push(*first)),
        };
    }
    decoded
}

fn mac(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const HOST: &str = "host";

const DATE: HeaderName = HeaderName::from_static("x-amz-date");

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

#[cfg(test)]
mod tests;
