//! How a registry asks for credentials, and what it is answered: a name and a password, or a token that a server which
//! it names gives for them.

use crate::credentials::Login;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use std::fmt::Write as _;
use zeroize::{Zeroize as _, Zeroizing};

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// What is asked for by the headers of an answer, a token if there is a choice.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let all: Vec<Self> =
            texts.filter_map(|text| text.to_str().ok()).flat_map(Self::parse).collect();
        let is_bearer = |challenge: &Self| matches!(challenge, Self::Bearer { .. });
        let chosen = all.iter().position(is_bearer).unwrap_or(0);
        all.into_iter().nth(chosen)
    }

    /// The challenges of one header: `Scheme key="value", key=value, Scheme ..`.
    fn parse(text: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let mut rest = text.trim();
        while let Some((scheme, parameters)) = word(rest) {
            let mut values: Vec<(String, String)> = Vec::new();
            rest = parameters.trim_start();
            while let Some((key, after)) = word(rest)
                && let Some(after) = after.trim_start().strip_prefix('=')
            {
                let (value, after) = value(after.trim_start());
                values.push((key.to_ascii_lowercase(), value));
                rest = after.trim_start().trim_start_matches(',').trim_start();
            }
            rest = rest.trim_start_matches(',').trim_start();
            let mut take = |key: &str| {
                let index = values.iter().position(|(name, _)| name == key)?;
                Some(values.swap_remove(index).1)
            };
            match scheme.to_ascii_lowercase().as_str() {
                "basic" => all.push(Self::Basic),
                "bearer" => {
                    if let Some(realm) = take("realm") {
                        all.push(Self::Bearer { realm, service: take("service") });
                    }
                }
                _ => {}
            }
        }
        all
    }
}

/// The token of HTTP that a text begins with, and the rest.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The value that a text begins with, quoted or not, and the rest.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, character)| character)),
            _ => value.push(character),
        }
    }
    (value, "")
}

/// The header for a name and a password.
pub(crate) fn basic(user: &str, password: &[u8]) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    pair.extend_from_slice(user.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password);
    header(&format!("Basic {}", Zeroizing::new(STANDARD.encode(&*pair)).as_str()))
}

/// The header for a token, from the answer of the server that gives them.
pub(crate) fn bearer(answer: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Given {
        #[serde(default)]
        token: String,
        #[serde(default)]
        access_token: String,
    }
    let mut given: Given = serde_json::from_slice(answer).ok()?;
    let token = if given.token.is_empty() { &given.access_token } else { &given.token };
    let value = if token.is_empty() { None } else { header(&format!("Bearer {token}")) };
    given.token.zeroize();
    given.access_token.zeroize();
    value
}

/// Never shown where a header is.
fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a server of tokens is asked, as a query or as a form. It is what is needed here, whatever the registry would
/// have us ask for.
pub(crate) fn asked(
    service: Option<&str>,
    scope: &str,
    login: Option<&Login>,
) -> Zeroizing<String> {
    let mut asked = Zeroizing::new(String::with_capacity(4096));
    if let Some(service) = service {
        add(&mut asked, "service", service.as_bytes());
    }
    add(&mut asked, "scope", scope.as_bytes());
    match login {
        Some(Login::Token(token)) => {
            add(&mut asked, "grant_type", b"refresh_token");
            add(&mut asked, "client_id", b"coffer");
            add(&mut asked, "refresh_token", token.expose());
        }
        Some(Login::Password { user, .. }) => add(&mut asked, "account", user.as_bytes()),
        None => {}
    }
    asked
}

fn add(text: &mut String, key: &str, value: &[u8]) {
    if !text.is_empty() {
        text.push('&');
    }
    text.push_str(key);
    text.push('=');
    for byte in value {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let check = |texts: &[&'static str], expected: Option<Challenge>| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
            }
            assert_eq!(Challenge::of(&headers), expected, "{texts:?}");
        };
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
        };
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        check(&[docker], bearer("https://auth.docker.io/token", Some("registry.docker.io")));
        check(&["bearer Realm = \"r\" , error=\"x\""], bearer("r", None));
        check(&["Basic realm=\"Registry, \\\"one\\\"\""], Some(Challenge::Basic));
        check(&["Basic realm=a, Bearer realm=\"r\",service=s"], bearer("r", Some("s")));
        check(
            &["Basic realm=a", docker],
            bearer("https://auth.docker.io/token", Some("registry.docker.io")),
        );
        check(&["Bearer service=s"], None);
        check(&["Negotiate", "NTLM abc=="], None);
        check(&["", "===", "Bearer realm=\"unended"], bearer("unended", None));
        check(&[], None);
    }

    #[test]
    fn what_is_asked_is_escaped() {
        let login = Login::Password { user: "a b&c".into(), password: "p".into() };
        let query = asked(Some("s&x=1"), "repository:a/b:pull", Some(&login));
        assert_eq!(*query, "service=s%26x%3D1&scope=repository%3Aa%2Fb%3Apull&account=a%20b%26c");
    }

    #[test]
    fn headers_are_not_shown() {
        let shown = format!("{:?} {:?}", basic("u", b"c4n4ry"), bearer(br#"{"token":"c4n4ry"}"#));
        assert_eq!(shown, "Some(Sensitive) Some(Sensitive)");
        assert_eq!(bearer(b"{}"), None);
        assert_eq!(bearer(b"{\"token\":\"a\\nb\"}"), None);
    }
}
