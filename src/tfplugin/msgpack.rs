//! `MessagePack`, in which `DynamicValue` contains values.
//!
//! Contract: Terraform, `docs/plugin-protocol/object-wire-format.md`. Every extension is an unknown
//! value; refinements of unknown values are ignored.

use rmpv::ValueRef as Wire;
use serde_json::Number;
use thiserror::Error;

use super::value::{Object, Value};

/// Maximum depth of a value. The schemas of this provider have two levels.
const MAX_DEPTH: usize = 64;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum MsgpackError {
    #[error("the MessagePack value is malformed: {0}")]
    Malformed(String),
    #[error("the MessagePack value is followed by {0} more bytes")]
    Trailing(usize),
    #[error("the MessagePack value contains {0}, which Terraform does not use")]
    Unsupported(&'static str),
}

/// Decodes exactly one value.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, MsgpackError> {
    let mut rest = bytes;
    let wire = rmpv::decode::read_value_ref_with_max_depth(&mut rest, MAX_DEPTH)
        .map_err(|error| MsgpackError::Malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(MsgpackError::Trailing(rest.len()));
    }
    // rmpv decodes the reserved byte as null, which would mean "delete" in a state.
    if bytes == [0xc1] {
        return Err(MsgpackError::Malformed("a reserved byte".to_owned()));
    }
    from_wire(wire)
}

pub(super) fn encode(value: &Value) -> Vec<u8> {
    // The states of a resource have about 200 bytes.
    let mut bytes = Vec::with_capacity(256);
    write(&mut bytes, value);
    bytes
}

fn from_wire(wire: Wire<'_>) -> Result<Value, MsgpackError> {
    let text = |text: rmpv::Utf8StringRef<'_>| {
        let text = text.into_str().map(str::to_owned);
        text.ok_or_else(|| MsgpackError::Malformed("a string is not UTF-8".to_owned()))
    };
    Ok(match wire {
        Wire::Nil => Value::Null,
        Wire::Ext(..) => Value::Unknown,
        Wire::Boolean(value) => Value::Bool(value),
        Wire::Integer(value) => match (value.as_i64(), value.as_u64()) {
            (Some(value), _) => Value::Number(value.into()),
            (None, Some(value)) => Value::Number(value.into()),
            (None, None) => return Err(MsgpackError::Unsupported("an integer out of range")),
        },
        Wire::F32(value) => float(f64::from(value))?,
        Wire::F64(value) => float(value)?,
        Wire::String(value) => Value::String(text(value)?),
        Wire::Array(elements) => {
            Value::List(elements.into_iter().map(from_wire).collect::<Result<_, _>>()?)
        }
        Wire::Map(entries) => {
            let entry = |(name, value)| match name {
                Wire::String(name) => Ok((text(name)?, from_wire(value)?)),
                _ => Err(MsgpackError::Unsupported("a map key that is not a string")),
            };
            Value::Object(entries.into_iter().map(entry).collect::<Result<Object, _>>()?)
        }
        Wire::Binary(_) => return Err(MsgpackError::Unsupported("binary data")),
    })
}

fn float(value: f64) -> Result<Value, MsgpackError> {
    Number::from_f64(value)
        .map(Value::Number)
        .ok_or(MsgpackError::Unsupported("a number that is not finite"))
}

/// Writes a value without a copy of it in between: a data source can return thousands of objects.
fn write(bytes: &mut Vec<u8>, value: &Value) {
    let scalar = match value {
        Value::List(elements) => {
            write_header(bytes, elements.len(), 0x90, 0xdc);
            for element in elements {
                write(bytes, element);
            }
            return;
        }
        Value::Object(object) => {
            write_header(bytes, object.len(), 0x80, 0xde);
            for (name, value) in object.iter() {
                write_scalar(bytes, &Wire::from(name));
                write(bytes, value);
            }
            return;
        }
        Value::Null => Wire::Nil,
        Value::Unknown => Wire::Ext(0, &[0]),
        Value::Bool(value) => Wire::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Wire::from(number),
            (None, Some(number)) => Wire::from(number),
            // All other numbers of serde_json are finite floats.
            (None, None) => number.as_f64().map_or(Wire::Nil, Wire::F64),
        },
        Value::String(text) => Wire::from(text.as_str()),
    };
    write_scalar(bytes, &scalar);
}

fn write_scalar(bytes: &mut Vec<u8>, scalar: &Wire<'_>) {
    // Writing to a vector cannot fail.
    let _ = rmpv::encode::write_value_ref(bytes, scalar);
}

/// Writes the length of an array or map: in the first byte below 16, else as 16 or 32 bits after `wide`.
fn write_header(bytes: &mut Vec<u8>, length: usize, fixed: u8, wide: u8) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..16), _) => bytes.push(fixed | length),
        (_, Ok(length)) => {
            bytes.push(wide);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(wide + 1);
            // Longer values cannot be sent in a message.
            bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expected: &Value) {
        assert!(decode(bytes).as_ref() == Ok(expected), "{bytes:02x?}: {:?}", decode(bytes));
    }

    #[test]
    fn decodes_the_values_that_terraform_sends() {
        check(b"\xc0", &Value::Null);
        check(b"\xc3", &Value::Bool(true));
        check(b"\x07", &Value::Number(7.into()));
        check(b"\xff", &Value::Number((-1).into()));
        check(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", &Value::Number(u64::MAX.into()));
        check(b"\xa3abc", &Value::from("abc"));
        check(b"\x92\xa1a\xc0", &Value::List(vec![Value::from("a"), Value::Null]));
        check(b"\x81\xa1a\xa1b", &Object::new().with("a", "b").into());
    }

    #[test]
    fn every_extension_is_an_unknown_value() {
        // Terraform sends both forms: plain, and refined to "not null".
        check(b"\xd4\x00\x00", &Value::Unknown);
        check(b"\xc7\x03\x0c\x81\x01\xc2", &Value::Unknown);
        check(b"\xd4\x7f\x00", &Value::Unknown);
        assert_eq!(encode(&Value::Unknown), b"\xd4\x00\x00");
    }

    #[test]
    fn rejects_invalid_values() {
        for bytes in [
            &b""[..],
            b"\xa3ab",
            b"\xc0\xc0",
            b"\x81\x01\xc0",
            b"\xc4\x01\x00",
            b"\xa1\xff",
            b"\xc1",
            b"\xdd\xff\xff\xff\xff",
            b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:02x?}");
        }
        assert!(decode(&[0x91; 1000]).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(Value::Unknown),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| Value::Number(number.into())),
            any::<u64>().prop_map(|number| Value::Number(number.into())),
            any::<f64>()
                .prop_filter_map("finite", |number| Number::from_f64(number).map(Value::Number)),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 32, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn lists_and_objects_of_any_length_are_encoded() {
        for length in [0, 15, 16, 255, 256, 65_535, 65_536] {
            let list = Value::List(vec![Value::Null; length]);
            assert!(decode(&encode(&list)) == Ok(list), "{length}");
            let names = (0..length).map(|number| (number.to_string(), Value::Bool(true)));
            let object = Value::Object(names.collect());
            assert!(decode(&encode(&object)) == Ok(object), "{length}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(value in any_value()) {
            prop_assert!(decode(&encode(&value)) == Ok(value));
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
