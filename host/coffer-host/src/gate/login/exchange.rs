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
use zeroize::Zeroizing;

/// What a login brought.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) token: String,
    pub(super) lifetime: Option<Duration>,
}

/// What to ask the issuer.
pub(super) fn request(login: &Login) -> Result<Request<Full<Bytes>>, LoginFault> {
    match &login.kind {
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
            Ok(post(login, FORM, encoded(&form)))
        }
        LoginKind::GoogleMetadata { .. } => {
            let mut request = built(Method::GET, &login.url().to_string(), Vec::new());
            request.headers_mut().insert("metadata-flavor", HeaderValue::from_static("Google"));
            Ok(request)
        }
        LoginKind::JwtBearer { key, scope } => {
            let url = login.url().to_string();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let assertion = assertion(&material(key)?, scope, &url, now.as_secs())?;
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion.as_str()),
            ];
            Ok(post(login, FORM, encoded(&form)))
        }
        LoginKind::ManagedIdentity { client_id, resource } => {
            let mut query = vec![("api-version", "2018-02-01"), ("resource", resource.as_str())];
            query.extend(client_id.as_deref().map(|id| ("client_id", id)));
            let query = encoded(&query);
            let query = std::str::from_utf8(&query).expect("what is encoded is ASCII");
            let mut request = built(Method::GET, &format!("{}?{query}", login.url()), Vec::new());
            request.headers_mut().insert("metadata", HeaderValue::from_static("true"));
            Ok(request)
        }
        LoginKind::VaultAppRole { namespace, role_id, secret_id } => {
            let (role_id, secret_id) = (material(role_id)?, material(secret_id)?);
            let body = json!({ "role_id": text(&role_id)?, "secret_id": text(&secret_id)? });
            Ok(vault(login, namespace, &body))
        }
        LoginKind::VaultKubernetes { jwt, namespace, role } => {
            let jwt = material(jwt)?;
            Ok(vault(login, namespace, &json!({ "jwt": text(&jwt)?, "role": role })))
        }
    }
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
                token: auth.client_token,
                // A token without an end has none.
                lifetime: Some(auth.lease_duration).filter(|s| *s > 0).map(Duration::from_secs),
            })
        }
        LoginKind::ClientCredentials { .. }
        | LoginKind::GoogleMetadata { .. }
        | LoginKind::JwtBearer { .. }
        | LoginKind::ManagedIdentity { .. } => {
            serde_json::from_slice(body).map(|OauthAnswer { access_token, expires_in }| Answer {
                token: access_token,
                lifetime: expires_in.map(|Seconds(seconds)| Duration::from_secs(seconds)),
            })
        }
    };
    answer.ok().filter(|answer| !answer.token.is_empty()).ok_or(LoginFault::Malformed)
}

#[derive(Deserialize)]
struct VaultAnswer {
    auth: VaultAuth,
}

#[derive(Deserialize)]
struct VaultAuth {
    client_token: String,
    lease_duration: u64,
}

#[derive(Deserialize)]
struct OauthAnswer {
    access_token: String,
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
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let said = answer.get("error")?.as_str()?;
    CODES.into_iter().find(|code| *code == said)
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
    private_key: PrivateKey,
    private_key_id: Option<String>,
}

/// A text that is overwritten when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct PrivateKey(Zeroizing<String>);

impl From<String> for PrivateKey {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// A signed statement of who a service account is, for the issuer at `audience`.
fn assertion(
    key: &Secret,
    scope: &str,
    audience: &str,
    now: u64,
) -> Result<Zeroizing<String>, LoginFault> {
    let wrong = |why: &str| LoginFault::Material(why.into());
    let account: ServiceAccount = serde_json::from_slice(key.expose())
        .map_err(|_| wrong("the key is not the JSON of a service account"))?;
    let ServiceAccount { client_email, private_key, private_key_id } = account;
    let pem = PrivatePkcs8KeyDer::from_pem_slice(private_key.0.as_bytes());
    let pair = pem.ok().and_then(|der| {
        let der = Zeroizing::new(der.secret_pkcs8_der().to_vec());
        signature::RsaKeyPair::from_pkcs8(&der).ok()
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
    let mut assertion = Zeroizing::new(format!("{}.{}", part(&head), part(&claims)));
    let mut signed = vec![0; pair.public_modulus_len()];
    let random = rand::SystemRandom::new();
    pair.sign(&signature::RSA_PKCS1_SHA256, &random, assertion.as_bytes(), &mut signed)
        .map_err(|_| wrong("the key of the service account does not sign"))?;
    assertion.push('.');
    assertion.push_str(&BASE64_URL_SAFE_NO_PAD.encode(&signed));
    Ok(assertion)
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

fn vault(login: &Login, namespace: &str, body: &serde_json::Value) -> Request<Full<Bytes>> {
    let mut request = post(login, "application/json", body.to_string().into_bytes());
    // It has no control character, and others than ASCII are the server's to judge.
    if let Ok(namespace) = HeaderValue::from_bytes(namespace.as_bytes())
        && !namespace.is_empty()
    {
        request.headers_mut().insert("x-vault-namespace", namespace);
    }
    request
}

fn post(login: &Login, kind: &'static str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = built(Method::POST, &login.url().to_string(), body);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    request
}

fn built(method: Method, url: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from_owner(Zeroizing::new(body)));
    let plain = HeaderValue::from_static("application/json");
    Request::builder()
        .method(method)
        .uri(url)
        .header(header::ACCEPT, plain)
        .body(body)
        .expect("a URL that was parsed is one for a request")
}

/// `name=value&...`, as forms and queries have it.
fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
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
                text.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
