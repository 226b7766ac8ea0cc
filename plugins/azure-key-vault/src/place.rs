//! What a key names: a secret that this plugin keeps, or one of any vault by its id.

use crate::name;
use coffer_plugin::Error;

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// `https://VAULT/secrets/NAME`, perhaps with `/VERSION`.
    Id { url: &'a str },
    /// A secret that this plugin keeps.
    Own { key: &'a str },
}

impl<'a> Place<'a> {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] says which rule it breaks.
    pub(crate) fn of(key: &'a str) -> Result<Self, Error> {
        let Some(rest) = key.strip_prefix("https://") else { return Ok(Self::Own { key }) };
        let host = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
            !text.is_empty() && text.bytes().all(allowed)
        };
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [vault, "secrets", parts @ ..]
                if host(vault)
                    && (1..=2).contains(&parts.len())
                    && parts.iter().all(|part| name::is_name(part)) =>
            {
                Ok(Self::Id { url: key })
            }
            _ => Err(Error::InvalidReference(
                "with `https://` it is the id of a secret: https://VAULT/secrets/NAME, or that and /VERSION".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_vault() {
        for id in [
            "https://a.vault.azure.net/secrets/Name-1",
            "https://a.vault.azure.net:443/secrets/n/0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(Place::of(id).unwrap(), Place::Id { url: id });
        }
        for other in [
            "https://",
            "https://a.vault.azure.net",
            "https://a.vault.azure.net/secrets",
            "https://a.vault.azure.net/secrets/",
            "https://a.vault.azure.net/keys/n",
            "https://a.vault.azure.net/secrets/n/v/x",
            "https://a.vault.azure.net/secrets/n?x",
            "https://a.vault.azure.net/secrets/../n",
            "https://me@a.vault.azure.net/secrets/n",
            "https:///secrets/n",
            "https://a/secrets/n_n",
        ] {
            assert!(matches!(Place::of(other), Err(Error::InvalidReference(_))), "{other}");
        }
        assert_eq!(Place::of("a/b").unwrap(), Place::Own { key: "a/b" });
    }
}
