//! The key that a host starts a plugin with: `run INTERFACE.BINARY.IMPLEMENTATION`.

/// What Porter calls the interface of secrets.
const INTERFACE: &str = "secrets";

/// The key of a plugin, as Porter writes it behind `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    store: String,
}

impl Key {
    /// Reads `secrets.BINARY.NAME`. What Porter calls the binary is the name of the folder that it is in, and
    /// says nothing.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn parse(key: &str) -> Result<Self, KeyError> {
        let parts: Vec<&str> = key.split('.').collect();
        let [INTERFACE, binary, store] = parts[..] else { return Err(KeyError) };
        let is_name = |name: &str| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            !name.is_empty() && name.chars().all(is_letter)
        };
        if !is_name(binary) || !is_name(store) {
            return Err(KeyError);
        }
        Ok(Self { store: store.to_owned() })
    }

    /// The store that its last part names.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }
}

/// The key is not one that this program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "coffer serves keys of the form secrets.coffer.STORE, where STORE is a name of letters, digits, - and _"
)]
pub struct KeyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_names_the_store() {
        let check = |key: &str, expected: Option<&str>| {
            let parsed = Key::parse(key);
            assert_eq!(parsed.as_ref().ok().map(Key::store), expected, "{key}");
        };
        check("secrets.coffer.vault", Some("vault"));
        check("secrets.other-name.my_store-2", Some("my_store-2"));
        // Another interface of Porter's.
        check("storage.coffer.vault", None);
        // Porter always writes three parts.
        check("coffer.vault", None);
        check("vault", None);
        check("secrets.coffer.azure.keyvault", None);
        check("secrets.coffer.", None);
        check("secrets..vault", None);
        check("secrets.coffer.a/b", None);
        check("secrets.coffer.a\nb", None);
        check("", None);
    }
}
