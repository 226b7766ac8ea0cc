//! One repository of one registry, asked by the distribution protocol. Credentials go to the registry, and to the
//! server of tokens that it names for them; where it leads elsewhere, for a blob, they stay behind.

use crate::authorization::{self, Challenge};
use crate::credentials::{Credentials, Login};
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::limits;
use crate::manifest::media;
use crate::reference::{self, DOCKER_HUB, OciReference};
use bytes::Bytes;
use coffer_host::carrier::{Answer, Carrier, CarrierError};
use coffer_host::grants::Reach;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use serde::Deserialize;
use std::fmt;
use tokio::sync::Mutex;

/// What is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// One repository.
pub(crate) struct Remote<'a> {
    reference: OciReference,
    origin: Origin,
    scope: String,
    /// To the registry, wherever the operator has it.
    near: Carrier,
    /// To where a registry leads that is on the public internet.
    far: Carrier,
    credentials: &'a Credentials,
    authorization: Mutex<Option<HeaderValue>>,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(
        reference: &OciReference,
        access: Access,
        plain_http: bool,
        ca: Option<&str>,
        credentials: &'a Credentials,
    ) -> Result<Self, RegistryError> {
        let carrier = |reach| {
            Carrier::new(reach, ca).map_err(|why| RegistryError::Authorities {
                registry: reference.registry().to_owned(),
                why,
            })
        };
        let host = match reference.registry() {
            DOCKER_HUB => "registry-1.docker.io",
            registry => registry,
        };
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        Ok(Self {
            reference: reference.clone(),
            origin: Origin::of(!plain_http, host).expect("a reference's registry is one"),
            scope: format!("repository:{}:{actions}", reference.repository()),
            near: carrier(Reach::Private)?,
            far: carrier(Reach::Public)?,
            credentials,
            authorization: Mutex::new(None),
        })
    }

    /// The manifest or index that a reference of this repository names, and its digest.
    pub(crate) async fn document(
        &self,
        reference: &OciReference,
    ) -> Result<(Vec<u8>, Digest), RegistryError> {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_owned(),
            (None, None) => unreachable!("a reference has one of them"),
        };
        let path = self.path(&format!("manifests/{name}"));
        let accept = HeaderValue::from_str(&media::ACCEPTED.join(", ")).expect("types are words");
        let what = format!("pull {reference}");
        let answer = self.get(&path, &[(header::ACCEPT, accept)]).await?;
        let answer = self.expect(answer, &[200], &what).await?;
        let bytes = self.whole(answer, limits::MANIFEST_BYTES_MAX, "the manifest").await?;
        let actual = Digest::of(&bytes);
        match reference.digest() {
            Some(expected) if *expected != actual => Err(RegistryError::Tampered {
                reference: reference.clone(),
                what: "the manifest",
                expected: expected.clone(),
                actual,
            }),
            Some(_) | None => Ok((bytes, actual)),
        }
    }

    /// As [`Self::document`], or nothing if there is none.
    pub(crate) async fn existing(
        &self,
        reference: &OciReference,
    ) -> Result<Option<(Vec<u8>, Digest)>, RegistryError> {
        match self.document(reference).await {
            Ok(found) => Ok(Some(found)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What refers to an artifact, by the interface of OCI 1.1, or by the tag that stands in for it.
    pub(crate) async fn referrers(&self, subject: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.path(&format!("referrers/{subject}"));
        let accept = HeaderValue::from_static(media::INDEX);
        let answer = self.get(&path, &[(header::ACCEPT, accept)]).await?;
        if answer.status == 200 {
            return self.whole(answer, limits::MANIFEST_BYTES_MAX, "the list of signatures").await;
        }
        // A registry without the interface says that it has nothing there, or does not know the way.
        let answer = match answer.status.as_u16() {
            400 | 404 | 405 => None,
            _ => Some(answer),
        };
        if let Some(answer) = answer {
            let what = format!("list what refers to {subject}");
            return Err(self.refused(answer, &what).await);
        }
        let tag = self.reference.beside(format!("sha256-{}", subject.hex()));
        Ok(self.existing(&tag).await?.map(|(bytes, _)| bytes).unwrap_or_default())
    }

    /// The bytes of a blob, from `start` on.
    pub(crate) async fn blob(&self, digest: &Digest, start: u64) -> Result<Answer, RegistryError> {
        let path = self.path(&format!("blobs/{digest}"));
        let range = HeaderValue::from_str(&format!("bytes={start}-")).expect("numbers are words");
        let headers = [(header::RANGE, range)];
        let headers: &[_] = if start > 0 { &headers } else { &[] };
        let answer = self.get(&path, headers).await?;
        self.expect(answer, &[200, 206, 416], &format!("give the blob {digest}")).await
    }

    /// Puts a blob there, unless it is there.
    pub(crate) async fn put_blob(&self, bytes: Bytes) -> Result<(), RegistryError> {
        let digest = Digest::of(&bytes);
        let what = format!("take the blob {digest}");
        let there = self.origin.at(&self.path(&format!("blobs/{digest}")));
        let answer = self.send(&Method::HEAD, &there, &[], Bytes::new(), false).await?;
        if answer.status == 200 {
            return Ok(());
        }
        let begin = self.origin.at(&self.path("blobs/uploads/"));
        let answer = self.send(&Method::POST, &begin, &[], Bytes::new(), false).await?;
        let answer = self.expect(answer, &[202], &what).await?;
        let mut to = self.location(&begin, &answer.headers)?;
        if to.origin != self.origin {
            // What is uploaded, and the right to, are for the registry alone.
            return Err(self.leads("it wants what is uploaded to go to another host"));
        }
        to.path.push(if to.path.contains('?') { '&' } else { '?' });
        to.path.push_str(&format!("digest=sha256%3A{}", digest.hex()));
        let octets = HeaderValue::from_static("application/octet-stream");
        let headers = [(header::CONTENT_TYPE, octets)];
        let answer = self.send(&Method::PUT, &to, &headers, bytes, false).await?;
        self.expect(answer, &[201, 204], &what).await.map(drop)
    }

    /// Puts a manifest or an index there under a tag, or under its digest.
    pub(crate) async fn put_document(
        &self,
        tag: Option<&str>,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
        let there = self.origin.at(&self.path(&format!("manifests/{name}")));
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
        let answer = self.send(&Method::PUT, &there, &headers, bytes.into(), false).await?;
        self.expect(answer, &[201], &format!("take the manifest {name}")).await?;
        Ok(digest)
    }

    /// The rest of an answer that has at most so many bytes.
    pub(crate) async fn whole(
        &self,
        mut answer: Answer,
        bytes_max: usize,
        what: &'static str,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&mut answer).await? {
            if bytes.len() + piece.len() > bytes_max {
                let (reference, bytes_max) = (self.reference.clone(), bytes_max as u64);
                return Err(RegistryError::TooLarge { reference, what, bytes_max });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The next piece of an answer.
    pub(crate) async fn piece(&self, answer: &mut Answer) -> Result<Option<Bytes>, RegistryError> {
        let piece = answer.piece(limits::BETWEEN_BYTES_MAX).await;
        piece.map_err(|source| self.unavailable(source))
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.reference.repository())
    }

    /// Asks for something, and follows where the registry leads.
    async fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, RegistryError> {
        let mut target = self.origin.at(path);
        let mut confined = false;
        for _ in 0..=limits::REDIRECTS_MAX {
            let answer = self.send(&Method::GET, &target, headers, Bytes::new(), confined).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let next = self.location(&target, &answer.headers)?;
            let elsewhere = next.origin != target.origin;
            if elsewhere && !next.origin.tls && (target.origin.tls || !next.origin.is_loopback()) {
                return Err(self.leads("it leads to a host without TLS"));
            }
            // A server on the public internet leads nobody to one that is not.
            confined |= answer.public;
            target = next;
        }
        Err(self.leads("it leads on and on"))
    }

    /// Sends a request. Only the registry itself is shown who asks, and only once it has asked for that.
    async fn send(
        &self,
        method: &Method,
        target: &Target,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        confined: bool,
    ) -> Result<Answer, RegistryError> {
        let ours = target.origin == self.origin;
        let carrier = if confined && !ours { &self.far } else { &self.near };
        let mut asked = false;
        loop {
            let known = if ours { self.authorization.lock().await.clone() } else { None };
            let mut request =
                target.request(method, body.clone()).ok_or_else(|| self.leads(NO_URL))?;
            request.headers_mut().extend(headers.iter().cloned());
            request.headers_mut().extend(known.map(|value| (header::AUTHORIZATION, value)));
            let answer = carrier.send(request, limits::FIRST_BYTE_MAX).await;
            let answer = answer.map_err(|source| self.unavailable(source))?;
            if answer.status != 401 || !ours || asked {
                return Ok(answer);
            }
            // A token may have come to its end meanwhile.
            asked = true;
            let authorization = self.authorize(&answer).await?;
            *self.authorization.lock().await = Some(authorization);
        }
    }

    /// What the registry is shown, by what it asks for.
    async fn authorize(&self, refusal: &Answer) -> Result<HeaderValue, RegistryError> {
        let login = self.credentials.find(self.reference.registry()).await?;
        let unauthenticated = || RegistryError::Unauthenticated {
            registry: self.reference.registry().to_owned(),
            given: login.is_some(),
        };
        match Challenge::of(&refusal.headers).ok_or_else(unauthenticated)? {
            Challenge::Basic => match &login {
                Some(Login::Password { user, password }) => {
                    authorization::basic(user, password.expose()).ok_or_else(unauthenticated)
                }
                Some(Login::Token(_)) | None => Err(unauthenticated()),
            },
            Challenge::Bearer { realm, service } => {
                let target = Target::parse(&realm).ok_or_else(|| self.leads(NO_URL))?;
                if !target.origin.tls && (self.origin.tls || !target.origin.is_loopback()) {
                    return Err(self.leads("it wants credentials to go to a host without TLS"));
                }
                let asked = authorization::asked(service.as_deref(), &self.scope, login.as_ref());
                let request = Self::for_token(target, &asked, login.as_ref());
                let request = request.ok_or_else(|| self.leads(NO_URL))?;
                let carrier = if refusal.public { &self.far } else { &self.near };
                let answer = carrier.send(request, limits::FIRST_BYTE_MAX).await;
                let answer = answer.map_err(|source| self.unavailable(source))?;
                match answer.status.as_u16() {
                    200 => {}
                    400..=403 => return Err(unauthenticated()),
                    _ => return Err(self.refused(answer, "give a token").await),
                }
                let bytes = self.whole(answer, limits::TOKEN_BYTES_MAX, "the token").await?;
                let bytes = zeroize::Zeroizing::new(bytes);
                authorization::bearer(&bytes).ok_or_else(unauthenticated)
            }
        }
    }

    /// The request for a token.
    fn for_token(
        mut target: Target,
        asked: &str,
        login: Option<&Login>,
    ) -> Option<Request<Full<Bytes>>> {
        if let Some(Login::Token(_)) = login {
            let mut request = target.request(&Method::POST, Bytes::from(asked.to_owned()))?;
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(header::CONTENT_TYPE, form);
            return Some(request);
        }
        target.path.push(if target.path.contains('?') { '&' } else { '?' });
        target.path.push_str(asked);
        let mut request = target.request(&Method::GET, Bytes::new())?;
        if let Some(Login::Password { user, password }) = login {
            let value = authorization::basic(user, password.expose())?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Some(request)
    }

    /// Where an answer leads.
    fn location(&self, from: &Target, headers: &HeaderMap) -> Result<Target, RegistryError> {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.leads("it does not say where"))?;
        let target = match location.starts_with('/') && !location.starts_with("//") {
            true => Some(from.origin.at(location)),
            false => Target::parse(location),
        };
        target.ok_or_else(|| self.leads(NO_URL))
    }

    async fn expect(
        &self,
        answer: Answer,
        statuses: &[u16],
        what: &str,
    ) -> Result<Answer, RegistryError> {
        if statuses.contains(&answer.status.as_u16()) {
            return Ok(answer);
        }
        Err(self.refused(answer, what).await)
    }

    async fn refused(&self, answer: Answer, what: &str) -> RegistryError {
        let (registry, what) = (self.reference.registry().to_owned(), what.to_owned());
        let status = answer.status.as_u16();
        let body = self.whole(answer, limits::REFUSAL_BYTES_MAX, "the refusal").await;
        let code = body.ok().and_then(|body| code(&body));
        match status {
            401 => RegistryError::Unauthenticated { registry, given: true },
            403 => RegistryError::Denied { registry, what, code },
            404 => RegistryError::NotFound { registry, what, code },
            _ => RegistryError::Refused { registry, what, status, code },
        }
    }

    fn unavailable(&self, source: CarrierError) -> RegistryError {
        RegistryError::Unavailable { registry: self.reference.registry().to_owned(), source }
    }

    fn leads(&self, why: &'static str) -> RegistryError {
        RegistryError::Redirect { registry: self.reference.registry().to_owned(), why }
    }
}

/// Shows no header.
impl fmt::Debug for Remote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.origin).finish()
    }
}

/// The code of a refusal, if it is one of a registry: a word, and nothing that it has to say.
fn code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let code = refusal.errors.into_iter().next()?.code;
    let word = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    (code.len() <= 40 && code.bytes().all(word)).then_some(code)
}

/// A server: what has to be the same for a credential to go there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    tls: bool,
    authority: String,
}

impl Origin {
    /// By its one spelling.
    fn of(tls: bool, authority: &str) -> Option<Self> {
        reference::authority(tls, authority).map(|authority| Self { tls, authority })
    }

    fn is_loopback(&self) -> bool {
        reference::is_loopback(&self.authority)
    }

    fn at(&self, path: &str) -> Target {
        Target { origin: self.clone(), path: path.to_owned() }
    }
}

/// Something on a server.
struct Target {
    origin: Origin,
    /// With the query.
    path: String,
}

impl Target {
    /// Reads an absolute URL.
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let origin = Origin::of(tls, uri.authority()?.as_str())?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self { origin, path: path.to_owned() })
    }

    fn request(&self, method: &Method, body: Bytes) -> Option<Request<Full<Bytes>>> {
        let scheme = if self.origin.tls { "https" } else { "http" };
        Request::builder()
            .method(method)
            .uri(format!("{scheme}://{}{}", self.origin.authority, self.path))
            .header(header::USER_AGENT, concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .ok()
    }
}

const NO_URL: &str = "where it leads is no URL of HTTP";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_same_by_all_its_names() {
        let origin = |text: &str| Target::parse(text).map(|target| target.origin);
        let ours = origin("https://ghcr.io/a");
        for text in ["https://GHCR.io", "https://ghcr.io:443/b?c", "HTTPS://ghcr.io/"] {
            assert_eq!(origin(text), ours, "{text}");
        }
        for text in [
            "http://ghcr.io",
            "https://ghcr.io:444",
            "https://ghcr.io.evil.org",
            "http://ghcr.io:443",
        ] {
            assert!(origin(text).is_some_and(|origin| Some(origin) != ours), "{text}");
        }
        for text in [
            "https://u:p@ghcr.io",
            "https://ghcr.io@evil.org/",
            "//ghcr.io",
            "/a",
            "ftp://ghcr.io",
            "",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn of_a_refusal_the_code_is_shown_and_no_text() {
        assert_eq!(
            code(br#"{"errors":[{"code":"NAME_UNKNOWN","message":"m"}]}"#),
            Some("NAME_UNKNOWN".into())
        );
        for body in [r#"{"errors":[{"code":"a token"}]}"#, r#"{"errors":[]}"#, "<html>", ""] {
            assert_eq!(code(body.as_bytes()), None, "{body}");
        }
    }
}
