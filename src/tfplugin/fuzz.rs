//! Fuzz targets of this module.

use super::value::Value;
use super::{Attribute, AttributeType, Block, json, msgpack, parse_duration};

/// Both codecs, with and without a schema: every decoded value is encoded to bytes that decode to the same value.
pub(crate) fn codec(data: &[u8]) {
    let block = Block {
        attributes: vec![
            Attribute::required("text", ""),
            Attribute::optional("number", "").of_type(AttributeType::Number),
            Attribute::computed("flag", "").of_type(AttributeType::Bool),
        ],
        ..Block::default()
    };
    if let Ok(value) = msgpack::decode(data) {
        let written = msgpack::encode(&value);
        assert!(
            msgpack::decode(&written).is_ok_and(|read| read == value),
            "decodes to another value"
        );
    }
    for value in [msgpack::decode(data).ok(), json::decode(data).ok()].into_iter().flatten() {
        let Ok(object) = block.conform(value) else { continue };
        let written = msgpack::encode(&Value::Object(object.clone()));
        let read = msgpack::decode(&written).map(|value| block.conform(value));
        assert!(
            read.is_ok_and(|read| read.is_ok_and(|read| read == object)),
            "decodes to another value"
        );
    }
}

/// Durations: those that are accepted are positive and at most a year.
pub(crate) fn duration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(duration) = parse_duration(text) {
        assert!(!duration.is_zero() && duration.as_secs() <= 365 * 24 * 3600);
        assert!(text.ends_with(['s', 'm', 'h']), "a duration ends with its unit");
    }
}
