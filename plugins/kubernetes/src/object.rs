//! A Secret as the API has it: its fields, who it belongs to, and what of it is written.

use crate::place::VALUE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::{Error, Secret};
use serde_json::{Value, json};

/// The label that says whose it is, by which they are listed; and whose it is then.
pub(crate) const LABEL: &str = "app.kubernetes.io/managed-by";
pub(crate) const OWNER: &str = "coffer";

/// The annotation with the key, which a label could not hold.
const KEY: &str = "coffer-key";

/// Bytes of all fields together.
const DATA_BYTES_MAX: usize = 1 << 20;

/// A Secret.
#[derive(Clone)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    /// A new one for `key`.
    pub(crate) fn new(name: &str) -> Self {
        Self(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": name },
        }))
    }

    /// The key that it was made for, if it is this plugin's.
    pub(crate) fn key(&self) -> Option<&str> {
        let metadata = &self.0["metadata"];
        let owned = metadata["labels"][LABEL] == OWNER;
        metadata["annotations"][KEY].as_str().filter(|_| owned)
    }

    /// Puts a value into it, and makes it the plugin's. Everything else stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] with what is left for the value beside what stays.
    pub(crate) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        let object = self.0.as_object_mut().ok_or_else(malformed)?;
        let data = table(object.entry("data").or_insert(Value::Null))?;
        let others: usize = data
            .iter()
            .filter(|(name, _)| *name != VALUE)
            .map(|(_, text)| decoded(text).map_or(0, |bytes| bytes.len()))
            .sum();
        let left = DATA_BYTES_MAX.saturating_sub(others);
        if value.len() > left {
            return Err(Error::TooLarge(left as u64));
        }
        data.insert(VALUE.into(), STANDARD.encode(value).into());
        let metadata = table(object.entry("metadata").or_insert(Value::Null))?;
        for (kind, name, text) in [("labels", LABEL, OWNER), ("annotations", KEY, key)] {
            let entries = table(metadata.entry(kind).or_insert(Value::Null))?;
            entries.insert(name.into(), text.into());
        }
        Ok(())
    }

    /// A field.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such field.
    pub(crate) fn secret(&self, field: &str) -> Result<Secret, Error> {
        let text = self.0["data"].get(field).ok_or(Error::NotFound)?;
        let secret = Secret::new(decoded(text).ok_or_else(malformed)?);
        Ok(match self.0["metadata"]["resourceVersion"].as_str() {
            Some(version) => secret.version(version),
            None => secret,
        })
    }

    /// What a deletion is held to: this Secret and no other of its name, as it was looked at.
    pub(crate) fn preconditions(&self) -> Value {
        let metadata = &self.0["metadata"];
        let version = &metadata["resourceVersion"];
        json!({ "preconditions": { "uid": metadata["uid"], "resourceVersion": version } })
    }
}

fn decoded(text: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(text.as_str()?).ok()
}

/// A table that is there, or is there now.
fn table(value: &mut Value) -> Result<&mut serde_json::Map<String, Value>, Error> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(malformed)
}

pub(crate) fn malformed() -> Error {
    Error::Other("the answer is not one of Kubernetes; look at the setting `address`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays() {
        let theirs = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": "n", "uid": "u", "resourceVersion": "7", "finalizers": ["f"],
                "labels": { "team": "a" }, "annotations": { "note": "b" },
            },
            "data": { "other": "eA==", "value": "b2xk" },
        });
        let mut object = Object(theirs.clone());
        assert_eq!(object.key(), None);
        object.set("k", b"new").unwrap();
        let mut expected = theirs;
        expected["metadata"]["labels"][LABEL] = OWNER.into();
        expected["metadata"]["annotations"][KEY] = "k".into();
        expected["data"]["value"] = "bmV3".into();
        assert_eq!(object.0, expected);
        assert_eq!(object.key(), Some("k"));
        assert_eq!(object.secret("other").unwrap().expose(), b"x");
        assert!(matches!(object.secret("none"), Err(Error::NotFound)));
        let condition = json!({ "preconditions": { "uid": "u", "resourceVersion": "7" } });
        assert_eq!(object.preconditions(), condition);
    }

    #[test]
    fn all_fields_together_have_a_megabyte() {
        let mut object = Object::new("n");
        object.set("k", &vec![0; DATA_BYTES_MAX]).unwrap();
        let check = |object: &mut Object, bytes: usize, left: u64| {
            let result = object.set("k", &vec![0; bytes]);
            assert!(matches!(result, Err(Error::TooLarge(max)) if max == left), "{bytes}");
        };
        check(&mut object, DATA_BYTES_MAX + 1, 1 << 20);
        object.0["data"]["other"] = STANDARD.encode([0; 24]).into();
        check(&mut object, DATA_BYTES_MAX - 23, (1 << 20) - 24);
        object.set("k", &vec![0; DATA_BYTES_MAX - 24]).unwrap();
    }

    #[test]
    fn what_is_no_secret_is_malformed() {
        for other in [json!([]), json!({ "data": [] }), json!({ "metadata": 1 })] {
            assert!(matches!(Object(other).set("k", b""), Err(Error::Other(_))));
        }
        let object = Object(json!({ "data": { "value": "!", "n": 1 } }));
        for field in ["value", "n"] {
            assert!(matches!(object.secret(field), Err(Error::Other(_))), "{field}");
        }
    }

    /// A label alone can be anybody's, and the key alone would not be listed.
    #[test]
    fn it_is_ours_with_both_marks() {
        for (labels, annotations, expected) in [
            (json!({ LABEL: OWNER }), json!({ KEY: "k" }), Some("k")),
            (json!({ LABEL: "Helm" }), json!({ KEY: "k" }), None),
            (json!({}), json!({ KEY: "k" }), None),
            (json!({ LABEL: OWNER }), json!({}), None),
        ] {
            let object =
                Object(json!({ "metadata": { "labels": labels, "annotations": annotations } }));
            assert_eq!(object.key(), expected, "{}", object.0);
        }
    }
}
