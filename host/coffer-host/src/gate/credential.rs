//! Headers that the host adds after the check: where their values come from, and that they do not come
//! back to the plugin.

use super::Incoming;
use crate::ambient;
use crate::error::Incident;
use crate::limits;
use crate::mask::Mask;
use crate::secret::Secret;
use coffer_grants::{HttpGrant, InjectedHeader, RequestUrl, Settings};
use http::{HeaderName, HeaderValue};

/// One injected header with its value.
pub(super) struct Credential {
    name: HeaderName,
    value: HeaderValue,
    /// The value without its prefix, which is what must not come back.
    secret: Secret,
}

impl Credential {
    /// The values of all headers that `grant` injects.
    pub(super) fn all_of(grant: &HttpGrant, settings: &Settings) -> Result<Vec<Self>, Incident> {
        grant
            .headers()
            .map(|header| {
                Self::of(header, settings)
                    .map_err(|why| Incident::Credential { header: header.name.to_owned(), why })
            })
            .collect()
    }

    fn of(header: InjectedHeader<'_>, settings: &Settings) -> Result<Self, String> {
        let source = header.source;
        let secret = if let Some(name) = source.env() {
            let value = ambient::variable(name)
                .ok_or_else(|| format!("the environment variable {name} is not set"))?;
            Secret::from(value.as_str())
        } else if let Some(path) = source.file() {
            let bytes = ambient::file(path, limits::INJECTED_HEADER_BYTES_MAX)
                .map_err(|error| format!("the file {path} cannot be read: {error}"))?;
            Secret::new(bytes.trim_ascii().to_vec())
        } else {
            let name = source.setting().unwrap_or_default();
            let value = settings
                .credential(name)
                .ok_or_else(|| format!("the store has no credential `{name}`"))?;
            Secret::from(value)
        };
        if secret.expose().is_empty() {
            return Err("its value is empty".into());
        }
        let mut whole = zeroize::Zeroizing::new(source.prefix().as_bytes().to_vec());
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
        Ok(Self { name, value, secret })
    }

    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }

    /// Refuses a response that has an injected value in it, in any form that [`Mask`] knows. A plugin
    /// must not learn its credential from a server that repeats it.
    pub(super) fn not_repeated(
        credentials: &[Self],
        url: &RequestUrl,
        incoming: &Incoming,
    ) -> Result<(), Incident> {
        for credential in credentials {
            let mask = Mask::new([&credential.secret]);
            let in_headers = || incoming.headers.iter().any(|(_, value)| mask.finds(value));
            if mask.finds(&incoming.body) || in_headers() {
                return Err(Incident::Reflected {
                    host: url.host().to_owned(),
                    header: credential.name.as_str().to_owned(),
                });
            }
        }
        Ok(())
    }
}
