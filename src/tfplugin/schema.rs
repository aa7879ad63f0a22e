//! Schemas: attributes and nested blocks with their documentation, and the check of values against them.

use serde_json::Number;
use thiserror::Error;

use super::path::AttributePath;
use super::value::{Object, Value};

/// The schema of a provider block, resource, data source, list resource or identity.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The version that stored states are marked with.
    pub version: i64,
    /// The attributes and nested blocks at the root.
    pub block: Block,
}

/// Attributes and nested blocks.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Documentation in Markdown.
    pub description: &'static str,
    /// The attributes, in the order of the documentation.
    pub attributes: Vec<Attribute>,
    /// The nested blocks, of nesting mode single or list.
    pub blocks: Vec<NestedBlock>,
}

/// A nested block.
#[derive(Debug, Clone)]
pub struct NestedBlock {
    /// Name as written in the configuration.
    pub name: &'static str,
    /// Attributes and nested blocks in it.
    pub block: Block,
    /// Whether it can be set more than once; then its value is a list.
    pub is_repeatable: bool,
}

/// The attribute types that the schemas use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are Terraform's type names")]
pub enum AttributeType {
    Bool,
    Number,
    String,
    /// A list of objects with these attributes.
    ObjectList(Vec<Attribute>),
}

/// Whether the configuration or the provider sets an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configurability {
    /// The configuration must set it.
    Required,
    /// The configuration can set it.
    Optional,
    /// The configuration can set it; otherwise the provider does.
    OptionalComputed,
    /// Only the provider sets it.
    Computed,
}

/// An attribute of a block or of an object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Name as written in the configuration.
    pub name: &'static str,
    /// Type of its values.
    pub attribute_type: AttributeType,
    /// Documentation in Markdown.
    pub description: &'static str,
    /// Whether the configuration or the provider sets it.
    pub configurability: Configurability,
    /// Whether Terraform redacts its value in output.
    pub is_sensitive: bool,
}

impl Attribute {
    /// A string that the configuration must set.
    #[must_use]
    pub fn required(name: &'static str, description: &'static str) -> Self {
        Self { configurability: Configurability::Required, ..Self::optional(name, description) }
    }

    /// A string that the configuration can set.
    #[must_use]
    pub fn optional(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            attribute_type: AttributeType::String,
            description,
            configurability: Configurability::Optional,
            is_sensitive: false,
        }
    }

    /// A string that the configuration can set; otherwise the provider does.
    #[must_use]
    pub fn optional_computed(name: &'static str, description: &'static str) -> Self {
        Self {
            configurability: Configurability::OptionalComputed,
            ..Self::optional(name, description)
        }
    }

    /// A string that only the provider sets.
    #[must_use]
    pub fn computed(name: &'static str, description: &'static str) -> Self {
        Self { configurability: Configurability::Computed, ..Self::optional(name, description) }
    }

    /// Changes the type of values.
    #[must_use]
    pub fn of_type(mut self, attribute_type: AttributeType) -> Self {
        self.attribute_type = attribute_type;
        self
    }

    /// Makes Terraform redact the value in output.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }
}

/// Why a value does not conform to a schema, which is a bug in the caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaMismatch {
    /// The whole value is not an object.
    #[error("the value is not an object")]
    NotAnObject,
    /// An attribute or block is absent.
    #[error("{0} is missing")]
    Missing(AttributePath),
    /// The schema has no attribute or block with that name.
    #[error("{0} is not in the schema")]
    Undeclared(AttributePath),
    /// A value has another type than the one named.
    #[error("{0} is not a {1}")]
    Type(AttributePath, &'static str),
}

/// How to handle names that are only in the value or only in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Values in requests: both must have the same names.
    Exact,
    /// Stored states: missing names become null, others are dropped.
    Lenient,
}

impl Block {
    /// Checks that `value` is an object with exactly the attributes and nested blocks of this block.
    ///
    /// # Errors
    ///
    /// Names the first attribute or block that does not conform.
    pub fn conform(&self, value: Value) -> Result<Object, SchemaMismatch> {
        self.conform_with(value, Strictness::Exact)
    }

    pub(super) fn conform_with(
        &self,
        value: Value,
        strictness: Strictness,
    ) -> Result<Object, SchemaMismatch> {
        let Value::Object(mut object) = value else { return Err(SchemaMismatch::NotAnObject) };
        self.conform_object(&mut object, strictness, None)?;
        Ok(object)
    }

    /// A configuration that leads to this state. Attributes that only the provider sets and empty strings
    /// become null.
    pub(super) fn config_from_state(&self, state: &Object) -> Object {
        let mut config = Object::new();
        for attribute in &self.attributes {
            let value = match state.get(attribute.name) {
                Value::String(text) if text.is_empty() => &Value::Null,
                _ if attribute.configurability == Configurability::Computed => &Value::Null,
                value => value,
            };
            config.set(attribute.name, value.clone());
        }
        for nested in &self.blocks {
            let value = match state.get(nested.name) {
                Value::Object(block) => nested.block.config_from_state(block).into(),
                // No resource has a block that can be repeated.
                value => value.clone(),
            };
            config.set(nested.name, value);
        }
        config
    }

    /// The attributes with a value in this configuration that only the provider can set.
    pub(super) fn configured_read_only<'a>(
        &'a self,
        config: &'a Object,
    ) -> impl Iterator<Item = &'static str> + 'a {
        let read_only = self.attributes.iter().filter(|attribute| {
            attribute.configurability == Configurability::Computed
                && *config.get(attribute.name) != Value::Null
        });
        read_only.map(|attribute| attribute.name)
    }

    fn conform_object(
        &self,
        object: &mut Object,
        strictness: Strictness,
        parent: Option<&AttributePath>,
    ) -> Result<(), SchemaMismatch> {
        let path_of = |name: &str| {
            parent.map_or_else(|| AttributePath::root(name), |parent| parent.attribute(name))
        };
        if strictness == Strictness::Lenient {
            for name in self.names() {
                object.set_default_null(name);
            }
        }
        for Attribute { name, attribute_type, .. } in &self.attributes {
            let value = object.get_mut(name);
            let value = value.ok_or_else(|| SchemaMismatch::Missing(path_of(name)))?;
            attribute_type.conform(value, strictness, &path_of(name))?;
        }
        for NestedBlock { name, block, is_repeatable } in &self.blocks {
            let value = object.get_mut(name);
            match value.ok_or_else(|| SchemaMismatch::Missing(path_of(name)))? {
                Value::Object(nested) if !is_repeatable => {
                    block.conform_object(nested, strictness, Some(&path_of(name)))?;
                }
                Value::List(elements) if *is_repeatable => {
                    for (index, element) in elements.iter_mut().enumerate() {
                        let path = path_of(name).index(index);
                        let Value::Object(nested) = element else {
                            return Err(SchemaMismatch::Type(path, "block"));
                        };
                        block.conform_object(nested, strictness, Some(&path))?;
                    }
                }
                Value::Null | Value::Unknown => {}
                _ => return Err(SchemaMismatch::Type(path_of(name), "block")),
            }
        }
        let is_declared = |name: &str| self.names().any(|declared| declared == name);
        match strictness {
            Strictness::Lenient => object.retain(is_declared),
            // All declared names are present at this point.
            Strictness::Exact if object.len() > self.names().count() => {
                let mut names = object.iter().map(|(name, _)| name);
                if let Some(name) = names.find(|name| !is_declared(name)) {
                    return Err(SchemaMismatch::Undeclared(path_of(name)));
                }
            }
            Strictness::Exact => {}
        }
        Ok(())
    }

    /// The names of attributes and nested blocks.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let attributes = self.attributes.iter().map(|attribute| attribute.name);
        attributes.chain(self.blocks.iter().map(|nested| nested.name))
    }
}

/// The integer that a number such as `3.0` is equal to, or else the number itself.
fn canonical(number: &Number) -> Number {
    let integer = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
    let digits = integer.map(|float| format!("{float:.0}"));
    digits
        .and_then(|digits| digits.parse::<i64>().ok())
        .map_or_else(|| number.clone(), Number::from)
}

impl AttributeType {
    /// Checks the type of the value at `path`.
    fn conform(
        &self,
        value: &mut Value,
        strictness: Strictness,
        path: &AttributePath,
    ) -> Result<(), SchemaMismatch> {
        let mismatch = |expected| SchemaMismatch::Type(path.clone(), expected);
        match (self, &mut *value) {
            (_, Value::Null | Value::Unknown)
            | (Self::Bool, Value::Bool(_))
            | (Self::String, Value::String(_)) => Ok(()),
            (Self::Number, Value::Number(number)) => {
                *number = canonical(number);
                Ok(())
            }
            // Terraform sends numbers that fit no machine type as decimal strings; other hosts may send any.
            (Self::Number, Value::String(digits)) => {
                let integer = digits.parse::<i64>().ok().map(Number::from);
                let number = || digits.parse::<f64>().ok().and_then(Number::from_f64);
                let number = integer.or_else(number).ok_or_else(|| mismatch("number"))?;
                *value = Value::Number(canonical(&number));
                Ok(())
            }
            (Self::ObjectList(attributes), Value::List(elements)) => {
                let block = Block { attributes: attributes.clone(), ..Block::default() };
                elements.iter_mut().try_for_each(|element| match element {
                    Value::Object(object) => block.conform_object(object, strictness, Some(path)),
                    _ => Err(mismatch("list of objects")),
                })
            }
            (Self::Bool, _) => Err(mismatch("bool")),
            (Self::Number, _) => Err(mismatch("number")),
            (Self::String, _) => Err(mismatch("string")),
            (Self::ObjectList(_), _) => Err(mismatch("list of objects")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block {
            description: "",
            attributes: vec![
                Attribute::required("name", ""),
                number("size"),
                Attribute::computed("parts", "")
                    .of_type(AttributeType::ObjectList(vec![Attribute::computed("kind", "")])),
            ],
            blocks: vec![NestedBlock {
                name: "timeouts",
                block: Block {
                    attributes: vec![Attribute::optional("create", "")],
                    ..Block::default()
                },
                is_repeatable: false,
            }],
        }
    }

    #[test]
    fn repeatable_blocks_are_lists() {
        let mut block = block();
        block.blocks[0].is_repeatable = true;
        let timeouts = |create: Value| Value::from(Object::new().with("create", create));
        let with = |elements| valid().with("timeouts", Value::List(elements));
        for elements in [vec![], vec![timeouts("1m".into()), timeouts(Value::Unknown)]] {
            assert_eq!(block.conform(with(elements.clone()).into()), Ok(with(elements)));
        }
        assert!(block.conform(valid().with("timeouts", Value::Unknown).into()).is_ok());
        for (value, expected) in [
            (timeouts("1m".into()), "timeouts is not a block"),
            (Value::List(vec![Value::Null]), "timeouts[0] is not a block"),
            (
                Value::List(vec![timeouts("1m".into()), timeouts(Value::Bool(true))]),
                "timeouts[1].create is not a string",
            ),
        ] {
            let error = block.conform(valid().with("timeouts", value).into()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    fn number(name: &'static str) -> Attribute {
        Attribute::optional(name, "").of_type(AttributeType::Number)
    }

    fn valid() -> Object {
        ["size", "parts", "timeouts"]
            .into_iter()
            .fold(Object::new().with("name", "x"), |object, name| object.with(name, Value::Null))
    }

    fn check(object: Object, expected: &str) {
        let error = block().conform(object.into()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn accepts_declared_attributes() {
        let timeouts = Object::new().with("create", "5m");
        for object in [
            valid(),
            valid().with("name", Value::Unknown),
            valid().with("size", Value::Number(3.into())),
            valid().with("timeouts", timeouts),
            valid().with("parts", Value::List(vec![Object::new().with("kind", "x").into()])),
        ] {
            assert_eq!(block().conform(object.clone().into()), Ok(object));
        }
        let decimal = block().conform(valid().with("size", "1.5").into()).unwrap();
        assert!(*decimal.get("size") == Value::Number(Number::from_f64(1.5).unwrap()));
        let three = Value::Number(3.into());
        for spelling in ["3", "3.0", "3e0"] {
            let float = Number::from_f64(spelling.parse().unwrap()).unwrap();
            for sent in [Value::from(spelling), Value::Number(float)] {
                let read = block().conform(valid().with("size", sent).into()).unwrap();
                assert!(*read.get("size") == three, "{spelling}");
            }
        }
    }

    #[test]
    fn reports_the_first_mismatch() {
        check(Object::new(), "name is missing");
        check(valid().with("name", Value::Bool(true)), "name is not a string");
        check(valid().with("size", "many"), "size is not a number");
        check(valid().with("other", "x"), "other is not in the schema");
        check(valid().with("parts", "x"), "parts is not a list of objects");
        let parts = |element| Value::List(vec![element]);
        check(valid().with("parts", parts("x".into())), "parts is not a list of objects");
        let part = Object::new().with("kind", Value::Bool(true));
        check(valid().with("parts", parts(part.into())), "parts.kind is not a string");
        check(valid().with("parts", parts(Object::new().into())), "parts.kind is missing");
        check(valid().with("timeouts", "x"), "timeouts is not a block");
        let timeouts = Object::new().with("create", Value::Bool(true));
        check(valid().with("timeouts", timeouts), "timeouts.create is not a string");
        assert_eq!(block().conform(Value::Null), Err(SchemaMismatch::NotAnObject));
    }

    #[test]
    fn stored_states_can_have_missing_and_unknown_names() {
        let stored = Object::new().with("name", "x").with("dropped_since", "y");
        assert_eq!(block().conform_with(stored.into(), Strictness::Lenient), Ok(valid()));
        let stored = Object::new().with("timeouts", Object::new().with("dropped_since", "y"));
        let timeouts = Object::new().with("create", Value::Null);
        let expected = valid().with("name", Value::Null).with("timeouts", timeouts);
        assert_eq!(block().conform_with(stored.into(), Strictness::Lenient), Ok(expected));
    }
}
