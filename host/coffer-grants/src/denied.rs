//! What no grant allows, and the grant that would.

use crate::reference::escape;
use crate::url::RequestUrl;
use std::fmt;
use std::net::IpAddr;

/// Something that a plugin wanted and no grant allows. Shows what it was; [`Denied::missing`] is what
/// the operator adds to allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    asked: String,
    missing: Option<String>,
}

impl Denied {
    pub(crate) fn address(url: &RequestUrl, address: IpAddr) -> Self {
        Self {
            asked: format!(
                "a connection to {address}, which {} stands for and which is not on the public internet",
                url.host()
            ),
            missing: Some(format!(
                "http:\n  - url: {}\n    private-addresses: true   # beside its methods",
                quote(&url.without_query())
            )),
        }
    }

    pub(crate) fn command(argv: &[String]) -> Self {
        let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
        Self {
            asked: format!("the command {}", escape(&argv.join(" "))),
            missing: Some(format!("commands:\n  - [{}]", words.join(", "))),
        }
    }

    pub(crate) fn method(method: &str) -> Self {
        Self { asked: format!("a request with the method {}", escape(method)), missing: None }
    }

    pub(crate) fn path(path: &str) -> Self {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let directory = if directory.is_empty() { "/" } else { directory };
        Self {
            asked: format!("the file {}", escape(path)),
            missing: Some(format!(
                "directories:\n  - host: {}\n    access: read-only",
                quote(directory)
            )),
        }
    }

    pub(crate) fn request(method: &str, url: &RequestUrl) -> Self {
        Self {
            asked: format!("{method} {}", escape(&url.without_query())),
            missing: Some(format!(
                "http:\n  - url: {}\n    methods: [{method}]",
                quote(&url.without_query())
            )),
        }
    }

    pub(crate) fn variable(name: &str) -> Self {
        Self {
            asked: format!("the environment variable {}", escape(name)),
            missing: Some(format!("environment:\n  - {}", quote(name))),
        }
    }

    /// What the operator adds below `grants:` of the store to allow it, as YAML. Nothing if it cannot
    /// be allowed.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no grant allows {}", self.asked)
    }
}

impl std::error::Error for Denied {}

/// A YAML scalar; JSON's strings are YAML's double-quoted ones.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let starts_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    if starts_plain && text.bytes().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
