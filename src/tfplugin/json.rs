//! JSON, in which `RawState` and, rarely, `DynamicValue` contain values.
//!
//! JSON has no unknown values, and stored states do not contain any.

use serde_json::Value as Json;

use super::value::Value;

/// Decodes a value. The error contains the position, but none of the text, which may be secret.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| {
        format!("the JSON value is malformed at line {}, column {}", error.line(), error.column())
    })?;
    Ok(from_json(json))
}

fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(number),
        Json::String(text) => Value::String(text),
        Json::Array(elements) => Value::List(elements.into_iter().map(from_json).collect()),
        Json::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (name, from_json(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Object;
    use super::*;

    #[test]
    fn decodes_a_stored_state() {
        let state =
            br#"{"bucket":"demo","kms_master_key_id":null,"n":1,"timeouts":{"create":"5m"}}"#;
        let expected = Object::new()
            .with("bucket", "demo")
            .with("kms_master_key_id", Value::Null)
            .with("n", Value::Number(1.into()))
            .with("timeouts", Object::new().with("create", "5m"));
        assert!(decode(state) == Ok(expected.into()));
    }

    #[test]
    fn errors_do_not_contain_the_text() {
        let error = decode(b"{\"secret\": oops").unwrap_err();
        assert_eq!(error, "the JSON value is malformed at line 1, column 12");
    }

    #[test]
    fn rejects_deep_nesting() {
        assert!(decode("[".repeat(100_000).as_bytes()).is_err());
    }
}
