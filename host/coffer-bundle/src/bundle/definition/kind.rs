//! The types of JSON Schema.

use serde_json::Value;

/// A type of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Boolean,
    Integer,
    Null,
    Number,
    Object,
    String,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Array,
        Self::Boolean,
        Self::Integer,
        Self::Null,
        Self::Number,
        Self::Object,
        Self::String,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Null => "null",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
        }
    }

    /// The type, for a message.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Array => "a JSON array",
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::Null => "null",
            Self::Number => "a number",
            Self::Object => "a JSON object",
            Self::String => "a text",
        }
    }

    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Array => value.is_array(),
            Self::Boolean => value.is_boolean(),
            // A number too long for 64 bits would lose digits.
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Null => value.is_null(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
            Self::String => value.is_string(),
        }
    }

    /// The types that a definition names; none if it does not say.
    pub(super) fn of(schema: &Value) -> Vec<Self> {
        let names = match schema.get("type") {
            Some(Value::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
            None => &[],
        };
        let named = |name: &Value| Self::ALL.into_iter().find(|kind| name == kind.name());
        names.iter().filter_map(named).collect()
    }
}
