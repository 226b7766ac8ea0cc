//! What no grant allows, and the grant that would.

use crate::command::ArgvPattern;
use crate::directory::DirectoryGrant;
use crate::grants;
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
        let bytes: usize = argv.iter().map(String::len).sum();
        // What nobody reads to its end is not offered to be copied, and neither is what would be refused,
        // or what would allow more than this.
        let exact = ArgvPattern::try_from(argv.to_vec()).is_ok_and(|pattern| pattern.is_exact());
        let missing = (exact && bytes <= COMMAND_BYTES_MAX).then(|| {
            let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
            format!("commands:\n  - [{}]", words.join(", "))
        });
        Self { asked: format!("the command {}", escape(&argv.join(" "))), missing }
    }

    /// A directory that is asked for and not granted at all.
    pub(crate) fn directory(asked: &DirectoryGrant) -> Self {
        Self {
            asked: format!("the directory {}, which the plugin asks for", escape(asked.guest())),
            missing: directory(asked, asked.host(), ""),
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
            missing: grants::is_variable(name)
                .then(|| format!("environment:\n  - {}", quote(name))),
        }
    }

    /// Writing in a directory that is asked for so and `granted` to be read.
    pub(crate) fn writing(asked: &DirectoryGrant, granted: &DirectoryGrant) -> Self {
        Self {
            asked: format!(
                "writing in the directory {}, which the plugin asks for",
                escape(asked.guest())
            ),
            missing: directory(asked, granted.host(), "   # in the place of read-only"),
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

/// The grant that is asked for, at the directory `host`.
fn directory(asked: &DirectoryGrant, host: &str, comment: &str) -> Option<String> {
    if host.len() + asked.guest().len() > PATHS_BYTES_MAX {
        return None;
    }
    let mut yaml = format!("directories:\n  - host: {}", quote(host));
    if asked.guest() != host {
        yaml.push_str(&format!("\n    guest: {}", quote(asked.guest())));
    }
    yaml.push_str(&format!("\n    access: {}{comment}", asked.access().name()));
    if asked.create() {
        yaml.push_str("\n    create: true");
    }
    Some(yaml)
}

/// Bytes of a command that are offered as a grant.
const COMMAND_BYTES_MAX: usize = 1024;

/// Bytes of the two paths of a directory that is offered as a grant.
const PATHS_BYTES_MAX: usize = 1024;

/// Plain words that YAML does not read as texts.
const YAML_WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// A YAML scalar. It is shown to people and copied by them, so whatever is not printable or changes how
/// other characters look is escaped, as it is in messages.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let starts_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let is_word = YAML_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if starts_plain && !is_word && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' ' => quoted.push(' '),
            _ if character.is_ascii_graphic() || character.is_alphanumeric() => {
                quoted.push(character);
            }
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quote;

    fn check(text: &str, expected: &str) {
        assert_eq!(quote(text), expected);
    }

    #[test]
    fn a_grant_to_copy_says_what_it_means_and_no_more() {
        check("pass", "pass");
        check("/usr/bin/pass", "/usr/bin/pass");
        check("show db", "\"show db\"");
        check("-rf", "\"-rf\"");
        check("", "\"\"");
        check("No", "\"No\"");
        check("true", "\"true\"");
        check("12", "\"12\"");
        check("a\"]\n- [\\", "\"a\\\"]\\U0000000a- [\\\\\"");
        check("\u{1b}[2J\u{9b}\u{7f}", "\"\\U0000001b[2J\\U0000009b\\U0000007f\"");
        check("\u{202e}\u{200b}\u{e4}", "\"\\U0000202e\\U0000200b\u{e4}\"");
    }
}
