//! What is said at a login: the request of each kind, and what its answer means. Nothing is sent here, and no
//! error has anything of the answer in it but the codes of OAuth.

use crate::ambient;
use crate::error::LoginFault;
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::{rand, signature};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use coffer_grants::{Login, LoginKind, Material};
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, SystemTime};
use zeroize::{Zeroize as _, Zeroizing};

/// What is asked of an issuer.
pub(super) struct Question {
    pub(super) request: Request<Full<Bytes>>,
    /// What in it proves who asks.
    pub(super) proof: Option<Secret>,
}

/// What a login brought.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) token: Secret,
    pub(super) lifetime: Option<Duration>,
}

/// What to ask the issuer.
pub(super) fn question(login: &Login) -> Result<Question, LoginFault> {
    let (request, proof) = match &login.kind {
        LoginKind::ClientCredentials { client_id, client_secret, scope } => {
            let secret = material(client_secret)?;
            let mut form = vec![
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", text(&secret)?),
            ];
            if !scope.is_empty() {
                form.push(("scope", scope));
            }
            (post(login, FORM, encoded(&form)), Some(secret))
        }
        LoginKind::GoogleMetadata { .. } => {
            let url = login.url().to_string();
            let mut request = built(Method::GET, &url, Zeroizing::default());
            request.headers_mut().insert("metadata-flavor", HeaderValue::from_static("Google"));
            (request, None)
        }
        LoginKind::JwtBearer { key, scope } => {
            let url = login.url().to_string();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let assertion = assertion(&material(key)?, scope, &url, now.as_secs())?;
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", text(&assertion)?),
            ];
            (post(login, FORM, encoded(&form)), Some(assertion))
        }
        LoginKind::ManagedIdentity { client_id, resource } => {
            let mut query = vec![("api-version", "2018-02-01"), ("resource", resource.as_str())];
            query.extend(client_id.as_deref().map(|id| ("client_id", id)));
            let query = encoded(&query);
            let query = std::str::from_utf8(&query).expect("what is encoded is ASCII");
            let url = format!("{}?{query}", login.url());
            let mut request = built(Method::GET, &url, Zeroizing::default());
            request.headers_mut().insert("metadata", HeaderValue::from_static("true"));
            (request, None)
        }
        LoginKind::VaultAppRole { namespace, role_id, secret_id } => {
            let (role_id, secret_id) = (material(role_id)?, material(secret_id)?);
            let body = [("role_id", text(&role_id)?), ("secret_id", text(&secret_id)?)];
            (vault(login, namespace, &body), Some(secret_id))
        }
        LoginKind::VaultKubernetes { jwt, namespace, role } => {
            let jwt = material(jwt)?;
            (vault(login, namespace, &[("jwt", text(&jwt)?), ("role", role)]), Some(jwt))
        }
    };
    Ok(Question { request, proof })
}

/// What the issuer's answer means.
pub(super) fn read(kind: &LoginKind, status: u16, body: &[u8]) -> Result<Answer, LoginFault> {
    match status {
        200 => {}
        408 | 429 | 500.. => return Err(LoginFault::Unavailable { status }),
        // A redirect is followed by nobody: the credential was for this server.
        _ => return Err(LoginFault::Refused { status, code: code(body) }),
    }
    let answer = match kind {
        LoginKind::VaultAppRole { .. } | LoginKind::VaultKubernetes { .. } => {
            serde_json::from_slice(body).map(|VaultAnswer { auth }| Answer {
                token: auth.client_token.0,
                // A token without an end has none.
                lifetime: Some(auth.lease_duration).filter(|s| *s > 0).map(Duration::from_secs),
            })
        }
        LoginKind::ClientCredentials { .. }
        | LoginKind::GoogleMetadata { .. }
        | LoginKind::JwtBearer { .. }
        | LoginKind::ManagedIdentity { .. } => {
            serde_json::from_slice(body).map(|OauthAnswer { access_token, expires_in }| Answer {
                token: access_token.0,
                lifetime: expires_in.map(|Seconds(seconds)| Duration::from_secs(seconds)),
            })
        }
    };
    answer.ok().filter(|answer| !answer.token.expose().is_empty()).ok_or(LoginFault::Malformed)
}

#[derive(Deserialize)]
struct VaultAnswer {
    auth: VaultAuth,
}

#[derive(Deserialize)]
struct VaultAuth {
    client_token: Hidden,
    lease_duration: u64,
}

#[derive(Deserialize)]
struct OauthAnswer {
    access_token: Hidden,
    expires_in: Option<Seconds>,
}

/// Seconds as a number, or as a text, which Azure's machines give.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Seconds(u64);

impl TryFrom<serde_json::Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number.map(Self).ok_or("this is no number of seconds")
    }
}

/// The code of OAuth that a refusal has, if it is one that the standard knows. Any other text is the server's.
fn code(body: &[u8]) -> Option<&'static str> {
    let OauthError { error } = serde_json::from_slice(body).ok()?;
    CODES.into_iter().find(|code| *code == error)
}

#[derive(Deserialize)]
struct OauthError {
    error: String,
}

/// RFC 6749, section 5.2.
const CODES: [&str; 6] = [
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

const FORM: &str = "application/x-www-form-urlencoded";

/// The parts of a key of a service account that matter here.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: Hidden,
    private_key_id: Option<String>,
}

/// A text that is overwritten when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Hidden(Secret);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Secret::from(text))
    }
}

/// A signed statement of who a service account is, for the issuer at `audience`.
fn assertion(key: &Secret, scope: &str, audience: &str, now: u64) -> Result<Secret, LoginFault> {
    let wrong = |why: &str| LoginFault::Material(why.into());
    let account: ServiceAccount = serde_json::from_slice(key.expose())
        .map_err(|_| wrong("the key is not the JSON of a service account"))?;
    let ServiceAccount { client_email, private_key, private_key_id } = account;
    let pem = PrivatePkcs8KeyDer::from_pem_slice(private_key.0.expose());
    let pair = pem.ok().and_then(|mut der| {
        let pair = signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok();
        der.zeroize();
        pair
    });
    let pair = pair.ok_or_else(|| wrong("the service account has no RSA key in PEM form"))?;
    let mut head = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = private_key_id {
        head["kid"] = id.into();
    }
    let claims = json!({
        "iss": client_email, "scope": scope, "aud": audience,
        "iat": now, "exp": now + limits::ASSERTION_LIFETIME.as_secs(),
    });
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let said = format!("{}.{}", part(&head), part(&claims));
    let mut signed = Zeroizing::new(vec![0; pair.public_modulus_len()]);
    let random = rand::SystemRandom::new();
    pair.sign(&signature::RSA_PKCS1_SHA256, &random, said.as_bytes(), &mut signed)
        .map_err(|_| wrong("the key of the service account does not sign"))?;
    let signed = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(&*signed));
    Ok(Secret::from(format!("{said}.{}", *signed)))
}

fn material(material: &Material) -> Result<Secret, LoginFault> {
    let wrong = |why| Err(LoginFault::Material(why));
    let secret = match material {
        Material::Text(text) => Secret::from(text.as_str()),
        Material::File(path) => match ambient::file(path, limits::INJECTED_HEADER_BYTES_MAX) {
            Ok(bytes) => Secret::new(bytes.trim_ascii().to_vec()),
            Err(error) => return wrong(format!("the file {path} cannot be read: {error}")),
        },
    };
    if secret.expose().is_empty() {
        return wrong("a part of it is empty".into());
    }
    Ok(secret)
}

fn text(secret: &Secret) -> Result<&str, LoginFault> {
    secret.expose_text().ok_or_else(|| LoginFault::Material("a part of it is no text".into()))
}

fn vault(login: &Login, namespace: &str, body: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = post(login, "application/json", object(body));
    // It has no control character, and others than ASCII are the server's to judge.
    if let Ok(namespace) = HeaderValue::from_bytes(namespace.as_bytes())
        && !namespace.is_empty()
    {
        request.headers_mut().insert("x-vault-namespace", namespace);
    }
    request
}

fn post(login: &Login, kind: &'static str, body: Zeroizing<Vec<u8>>) -> Request<Full<Bytes>> {
    let mut request = built(Method::POST, &login.url().to_string(), body);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    request
}

fn built(method: Method, url: &str, body: Zeroizing<Vec<u8>>) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from_owner(body));
    let plain = HeaderValue::from_static("application/json");
    Request::builder()
        .method(method)
        .uri(url)
        .header(header::ACCEPT, plain)
        .body(body)
        .expect("a URL that was parsed is one for a request")
}

/// `name=value&...`, as forms and queries have it. There is room from the beginning: a buffer that grows leaves
/// copies behind.
fn encoded(pairs: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let room = pairs.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(b'&');
        }
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(byte);
            } else {
                let digit = |digit: u8| DIGITS[usize::from(digit)];
                text.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    text
}

/// The same as an object of JSON, where a byte of a value takes six at most, and with room from the beginning.
fn object(pairs: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let room: usize = pairs.iter().map(|(name, value)| name.len() + 6 * value.len() + 6).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(room + 1));
    for (name, value) in pairs {
        let before = if text.is_empty() { b'{' } else { b',' };
        text.push(before);
        for (part, behind) in [(name, ":"), (value, "")] {
            serde_json::to_writer(&mut *text, part).expect("memory takes a text");
            text.extend_from_slice(behind.as_bytes());
        }
    }
    text.push(b'}');
    text
}

#[cfg(test)]
mod tests;
