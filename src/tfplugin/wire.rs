//! Conversions between protocol messages and the values of this module. Pure.

use super::diagnostics::{Diagnostic, Diagnostics, RESTORE_STATE, Severity, shorten};
use super::path::{AttributePath, PathStep};
use super::pb;
use super::schema::{
    Attribute, AttributeType, Block, Configurability, NestedBlock, Schema, Strictness,
};
use super::value::{Object, Value};
use super::{json, msgpack};

/// Decodes a value that must be present. `what` names it in diagnostics.
pub(super) fn from_dynamic(
    value: Option<&pb::DynamicValue>,
    what: &str,
) -> Result<Value, Diagnostic> {
    let invalid = |reason: String| {
        Diagnostic::error(
            format!("Invalid {what} in the request"),
            format!(
                "The {what} sent by Terraform could not be decoded: {reason}. This is a bug or a plugin \
                 connection problem, not a configuration error; please report it."
            ),
        )
    };
    match value {
        Some(value) if !value.msgpack.is_empty() => {
            msgpack::decode(&value.msgpack).map_err(|error| invalid(error.to_string()))
        }
        Some(value) if !value.json.is_empty() => json::decode(&value.json).map_err(invalid),
        _ => Err(invalid("it is absent".to_owned())),
    }
}

/// Decodes an object that conforms to `block`. `None` if the value is null.
pub(super) fn from_dynamic_object(
    value: Option<&pb::DynamicValue>,
    block: &Block,
    what: &str,
) -> Result<Option<Object>, Diagnostic> {
    match from_dynamic(value, what)? {
        Value::Null => Ok(None),
        value => block.conform(value).map(Some).map_err(|error| non_conforming(what, &error)),
    }
}

/// Decodes a stored object. Missing attributes become null and unknown ones are dropped, because other
/// versions of the provider may have stored it.
pub(super) fn from_raw_object(
    state: Option<&pb::RawState>,
    block: &Block,
    what: &str,
) -> Result<Option<Object>, Diagnostic> {
    match from_raw_json(state, what)? {
        Value::Null => Ok(None),
        value => block.conform_with(value, Strictness::Lenient).map(Some).map_err(|error| {
            let mut diagnostic = non_conforming(what, &error);
            diagnostic.detail = format!("{} {RESTORE_STATE}", diagnostic.detail);
            diagnostic
        }),
    }
}

/// Decodes a stored value of any type.
pub(super) fn from_raw_json(state: Option<&pb::RawState>, what: &str) -> Result<Value, Diagnostic> {
    let Some(state) = state else {
        let detail = format!("Terraform sent no {what}.");
        return Err(Diagnostic::error(format!("Missing {what}"), detail));
    };
    if state.json.is_empty() {
        return Err(Diagnostic::error(
            format!("Unsupported {what}"),
            "It was stored in the format of Terraform 0.11 or older, which this provider does not support. \
             Remove the resource from the state with `terraform state rm`, then import it again.",
        ));
    }
    json::decode(&state.json).map_err(|reason| {
        let detail = format!("The {what} could not be decoded: {reason}. {RESTORE_STATE}");
        Diagnostic::error(format!("Invalid {what}"), detail)
    })
}

/// Decodes an identity, if there is one.
pub(super) fn from_identity(
    identity: Option<&pb::ResourceIdentityData>,
    schema: &Schema,
) -> Result<Option<Object>, Diagnostic> {
    match identity.and_then(|identity| identity.identity_data.as_ref()) {
        Some(data) => from_dynamic_object(Some(data), &schema.block, "identity"),
        None => Ok(None),
    }
}

pub(super) fn to_identity(identity: Object) -> pb::ResourceIdentityData {
    pb::ResourceIdentityData { identity_data: Some(to_dynamic_object(Some(identity))) }
}

pub(super) fn to_identity_schema(schema: &Schema) -> pb::ResourceIdentitySchema {
    let to_attribute = |attribute: &Attribute| pb::resource_identity_schema::IdentityAttribute {
        name: attribute.name.to_owned(),
        r#type: to_type(&attribute.attribute_type).into(),
        required_for_import: attribute.configurability == Configurability::Required,
        optional_for_import: attribute.configurability == Configurability::Optional,
        description: attribute.description.to_owned(),
    };
    pb::ResourceIdentitySchema {
        version: schema.version,
        identity_attributes: schema.block.attributes.iter().map(to_attribute).collect(),
    }
}

fn non_conforming(what: &str, error: &impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(
        format!("Unexpected {what}"),
        format!("The {what} does not conform to the schema: {error}."),
    )
}

/// Encodes a value as `MessagePack`, which every version of Terraform reads.
pub(super) fn to_dynamic(value: &Value) -> pb::DynamicValue {
    pb::DynamicValue { msgpack: msgpack::encode(value), json: Vec::new() }
}

pub(super) fn to_dynamic_object(object: Option<Object>) -> pb::DynamicValue {
    to_dynamic(&object.map_or(Value::Null, Value::Object))
}

pub(super) fn to_diagnostics(diagnostics: Diagnostics) -> Vec<pb::Diagnostic> {
    let to_diagnostic = |diagnostic: Diagnostic| pb::Diagnostic {
        severity: match diagnostic.severity {
            Severity::Error => pb::diagnostic::Severity::Error,
            Severity::Warning => pb::diagnostic::Severity::Warning,
        }
        .into(),
        summary: shorten(diagnostic.summary),
        detail: shorten(diagnostic.detail),
        attribute: diagnostic.attribute.as_ref().map(to_path),
    };
    diagnostics.into_iter().map(to_diagnostic).collect()
}

pub(super) fn to_path(path: &AttributePath) -> pb::AttributePath {
    use pb::attribute_path::{Step, step::Selector};
    let selector = |step: &PathStep| match step {
        PathStep::Name(name) => Selector::AttributeName(name.clone()),
        PathStep::Index(index) => {
            Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX))
        }
    };
    let step = |step: &PathStep| Step { selector: Some(selector(step)) };
    pb::AttributePath { steps: path.steps().iter().map(step).collect() }
}

pub(super) fn to_schema(schema: &Schema) -> pb::Schema {
    pb::Schema { version: schema.version, block: Some(to_block(&schema.block)) }
}

fn to_block(block: &Block) -> pb::schema::Block {
    pb::schema::Block {
        attributes: block.attributes.iter().map(to_attribute).collect(),
        block_types: block.blocks.iter().map(to_nested_block).collect(),
        description: block.description.to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
        ..Default::default()
    }
}

fn to_nested_block(nested: &NestedBlock) -> pb::schema::NestedBlock {
    pb::schema::NestedBlock {
        type_name: nested.name.to_owned(),
        block: Some(to_block(&nested.block)),
        nesting: if nested.is_repeatable {
            pb::schema::nested_block::NestingMode::List.into()
        } else {
            pb::schema::nested_block::NestingMode::Single.into()
        },
        ..Default::default()
    }
}

fn to_attribute(attribute: &Attribute) -> pb::schema::Attribute {
    pb::schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: to_type(&attribute.attribute_type).into(),
        nested_type: to_nested_type(&attribute.attribute_type),
        description: attribute.description.to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
        required: attribute.configurability == Configurability::Required,
        optional: matches!(
            attribute.configurability,
            Configurability::Optional | Configurability::OptionalComputed
        ),
        computed: matches!(
            attribute.configurability,
            Configurability::Computed | Configurability::OptionalComputed
        ),
        sensitive: attribute.is_sensitive,
        ..Default::default()
    }
}

/// The type in JSON, as cty encodes it. Empty for types with nested attributes.
fn to_type(attribute_type: &AttributeType) -> &'static str {
    match attribute_type {
        AttributeType::Bool => r#""bool""#,
        AttributeType::Number => r#""number""#,
        AttributeType::String => r#""string""#,
        AttributeType::ObjectList(_) => "",
    }
}

fn to_nested_type(attribute_type: &AttributeType) -> Option<pb::schema::Object> {
    let AttributeType::ObjectList(attributes) = attribute_type else { return None };
    Some(pb::schema::Object {
        attributes: attributes.iter().map(to_attribute).collect(),
        nesting: pb::schema::object::NestingMode::List.into(),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block { attributes: vec![Attribute::optional("bucket", "")], ..Block::default() }
    }

    fn dynamic(msgpack: &[u8], json: &[u8]) -> pb::DynamicValue {
        pb::DynamicValue { msgpack: msgpack.to_vec(), json: json.to_vec() }
    }

    #[test]
    fn msgpack_takes_precedence_and_absence_is_an_error() {
        assert!(from_dynamic(Some(&dynamic(b"\xa1m", b"\"j\"")), "x") == Ok("m".into()));
        assert!(from_dynamic(Some(&dynamic(b"", b"\"j\"")), "x") == Ok("j".into()));
        for absent in [None, Some(&dynamic(b"", b""))] {
            let error = from_dynamic(absent, "prior state").unwrap_err();
            assert_eq!(error.summary, "Invalid prior state in the request");
        }
    }

    #[test]
    fn null_decodes_to_none() {
        assert_eq!(from_dynamic_object(Some(&dynamic(b"\xc0", b"")), &block(), "x"), Ok(None));
        let malformed = from_dynamic_object(Some(&dynamic(b"\x80", b"")), &block(), "state");
        assert!(malformed.unwrap_err().detail.contains("bucket is missing"));
    }

    #[test]
    fn stored_states_of_other_versions_are_decoded() {
        let raw = |json: &str| pb::RawState { json: json.into(), ..Default::default() };
        let expected = Object::new().with("bucket", "demo");
        let read = from_raw_object(
            Some(&raw(r#"{"bucket":"demo","gone":[1]}"#)),
            &block(),
            "stored state",
        );
        assert_eq!(read, Ok(Some(expected)));
        let read = from_raw_object(Some(&raw("{}")), &block(), "stored state");
        assert_eq!(read, Ok(Some(Object::new().with("bucket", Value::Null))));
        assert!(from_raw_object(Some(&raw("{")), &block(), "stored state").is_err());
        assert!(from_raw_object(Some(&raw("")), &block(), "stored state").is_err());
        assert!(from_raw_object(None, &block(), "stored state").is_err());
    }
}
