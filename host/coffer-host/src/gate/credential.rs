//! Headers that the host adds after the check, and where their values come from.

use super::login::Token;
use crate::ambient;
use crate::error::Incident;
use crate::limits;
use crate::secret::Secret;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use coffer_grants::{HeaderSource, InjectedHeader, Login, Material, Settings};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use zeroize::Zeroizing;

/// One injected header with its value.
pub(super) struct Credential {
    pub(super) name: HeaderName,
    value: HeaderValue,
    /// What must not come back: the value without its prefix, and what is in it.
    pub(super) hidden: Vec<Secret>,
    origin: Origin,
}

/// Where its value is from, as far as it can be another one the next time.
enum Origin {
    /// A file, and what was in it.
    File(String, Secret),
    /// It stays what it is.
    Fixed,
    Login(Login, Arc<Token>),
}

impl Credential {
    /// A header of a value that the operator named.
    pub(super) fn of(
        header: InjectedHeader<'_>,
        settings: &Settings,
        refused: Option<&Self>,
    ) -> Result<Self, Incident> {
        let credential = value(header.source, settings).and_then(|value| {
            let path = path(header.source, settings);
            let origin = path.map(|path| Origin::File(path.to_owned(), value.clone()));
            let mut credential = Self::with(header, value)?;
            credential.origin = origin.unwrap_or(Origin::Fixed);
            Ok(credential)
        });
        let mut credential = credential
            .map_err(|why| Incident::Credential { header: header.name.to_owned(), why })?;
        // Servers repeat the last one as well.
        credential.hidden.extend(refused.iter().flat_map(|refused| refused.hidden.clone()));
        Ok(credential)
    }

    /// A header of a token that a login brought.
    pub(super) fn of_login(
        header: InjectedHeader<'_>,
        login: &Login,
        token: Arc<Token>,
        previous: Option<&Token>,
    ) -> Result<Self, Incident> {
        let mut credential = Self::with(header, token.value.clone())
            .map_err(|why| Incident::Credential { header: header.name.to_owned(), why })?;
        // Servers repeat the last one as well, in a cache or in a log; and what was exchanged for either of them, if
        // they issued it themselves.
        credential.hidden.extend(previous.map(|previous| previous.value.clone()));
        let proofs = [Some(&*token), previous].into_iter().flatten();
        let proofs = proofs.filter_map(|token| token.proof.clone());
        credential.hidden.extend(proofs.filter(|proof| proof.expose().len() >= PART_BYTES_MIN));
        credential.origin = Origin::Login(login.clone(), token);
        Ok(credential)
    }

    fn with(header: InjectedHeader<'_>, secret: Secret) -> Result<Self, String> {
        let source = header.source;
        if secret.expose().is_empty() {
            return Err("its value is empty".into());
        }
        let mut whole = Zeroizing::new(source.prefix().as_bytes().to_vec());
        whole.extend_from_slice(secret.expose());
        if whole.len() > limits::INJECTED_HEADER_BYTES_MAX {
            return Err(format!(
                "its value has more than {} bytes",
                limits::INJECTED_HEADER_BYTES_MAX
            ));
        }
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| "its name is not the name of a header".to_owned())?;
        let mut value = HeaderValue::from_bytes(&whole)
            .map_err(|_| "its value has a character that a header cannot have".to_owned())?;
        value.set_sensitive(true);
        let mut hidden = parts(&whole);
        hidden.push(secret);
        Ok(Self { name, value, hidden, origin: Origin::Fixed })
    }

    /// A header that was made here, and what of it is hidden besides.
    pub(super) fn whole(
        name: HeaderName,
        mut value: HeaderValue,
        hidden: impl IntoIterator<Item = Secret>,
    ) -> Self {
        value.set_sensitive(true);
        let mut parts = parts(value.as_bytes());
        parts.push(Secret::from(value.as_bytes().to_vec()));
        parts.extend(hidden);
        Self { name, value, hidden: parts, origin: Origin::Fixed }
    }

    /// The token that it is made of, if a login brought it.
    pub(super) fn token(&self) -> Option<&Arc<Token>> {
        match &self.origin {
            Origin::Login(_, token) => Some(token),
            Origin::File(..) | Origin::Fixed => None,
        }
    }

    /// Whether an answer of this status means that it is another token's turn.
    pub(super) fn is_refused(&self, status: u16) -> bool {
        match &self.origin {
            // Whoever renews it may have done so since.
            Origin::File(path, was) => status == 401 && file(path).is_ok_and(|is| is != *was),
            Origin::Fixed => false,
            Origin::Login(login, _) => login.is_refusal(status),
        }
    }

    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

/// What the operator named.
pub(super) fn value(source: &HeaderSource, settings: &Settings) -> Result<Secret, String> {
    if let Some(name) = source.env() {
        let value = ambient::variable(name)
            .ok_or_else(|| format!("the environment variable {name} is not set"))?;
        Ok(Secret::from(value.as_str()))
    } else if let Some(path) = path(source, settings) {
        file(path)
    } else {
        let name = source.setting().unwrap_or_default();
        match settings.credential(name) {
            Some(Material::Text(text)) => Ok(Secret::from(text.as_str())),
            Some(Material::File(_)) | None => Err(format!("the store has no credential `{name}`")),
        }
    }
}

/// The file that it is in, if it is in one.
fn path<'a>(source: &'a HeaderSource, settings: &'a Settings) -> Option<&'a str> {
    source.file().or_else(|| match settings.credential(source.setting()?)? {
        Material::File(path) => Some(path.as_str()),
        Material::Text(_) => None,
    })
}

/// What is in a file at this moment.
fn file(path: &str) -> Result<Secret, String> {
    let bytes = ambient::file(path, limits::INJECTED_HEADER_BYTES_MAX)
        .map_err(|error| format!("the file {path} cannot be read: {error}"))?;
    Ok(Secret::new(bytes.trim_ascii().to_vec()))
}

/// Bytes of a part that is hidden on its own. A shorter one is in every other answer.
const PART_BYTES_MIN: usize = 4;

/// What a server that takes a header's value apart may repeat: the token behind the scheme, and the user
/// and the password that are in the token of `Basic`.
fn parts(whole: &[u8]) -> Vec<Secret> {
    let mut parts = Vec::new();
    let mut add = |part: &[u8]| {
        if part.len() >= PART_BYTES_MIN {
            parts.push(Secret::new(part.to_vec()));
        }
    };
    let Some(space) = whole.iter().position(|byte| *byte == b' ') else { return parts };
    let (scheme, token) = (&whole[..space], whole[space..].trim_ascii());
    add(token);
    if scheme.eq_ignore_ascii_case(b"basic") {
        let lenient = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        let decoded = GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(token);
        let decoded = Zeroizing::new(decoded.unwrap_or_default());
        add(&decoded);
        if let Some(colon) = decoded.iter().position(|byte| *byte == b':') {
            add(&decoded[colon + 1..]);
        }
    }
    parts
}

#[cfg(test)]
impl Credential {
    pub(super) fn for_test(name: &'static str, prefix: &str, value: &str) -> Self {
        let whole = format!("{prefix}{value}");
        let mut hidden = parts(whole.as_bytes());
        hidden.push(Secret::from(value));
        let value = HeaderValue::from_str(&whole).unwrap();
        Self { name: HeaderName::from_static(name), value, hidden, origin: Origin::Fixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_grants::{Grants, RequestUrl};
    use serde_json::json;

    /// So nothing that shows a request shows the value, and HTTP/2 keeps it out of its table.
    #[test]
    fn an_injected_value_is_marked_as_sensitive() {
        let grant = json!({
            "url": "https://a.example/**",
            "methods": ["GET"],
            "headers": { "X-Token": { "env": "CARGO_PKG_NAME" } },
        });
        let grants: Grants = serde_json::from_value(json!({ "http": [grant] })).unwrap();
        let url = RequestUrl::parse("https://a.example/v1").unwrap();
        let permit = grants.http("GET", url).unwrap();
        let header = permit.grant().headers().next().unwrap();
        let (name, value) = Credential::of(header, &Settings::default(), None).unwrap().header();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-token", b"coffer-host".as_slice()));
        assert!(value.is_sensitive());
    }
}
