//! Terraform's values.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::zeroize::Zeroize as _;
use serde_json::Number;

/// A Terraform value of any type, including null and unknown.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are Terraform's kinds of values")]
pub enum Value {
    Null,
    /// Known only after an apply.
    Unknown,
    Bool(bool),
    Number(Number),
    /// A string in Unicode normalization form C, as sent by Terraform.
    String(String),
    /// A list, set or tuple.
    List(Vec<Value>),
    /// An object, map or block.
    Object(Object),
}

impl Value {
    fn zeroize(&mut self) {
        match self {
            Self::String(text) => text.zeroize(),
            Self::List(elements) => elements.iter_mut().for_each(Self::zeroize),
            Self::Object(object) => object.zeroize(),
            Self::Null | Self::Unknown | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl fmt::Debug for Value {
    /// Shows types only, because configurations contain secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("Null"),
            Self::Unknown => formatter.write_str("Unknown"),
            Self::Bool(_) => formatter.write_str("Bool"),
            Self::Number(_) => formatter.write_str("Number"),
            Self::String(_) => formatter.write_str("String"),
            Self::List(elements) => formatter.debug_list().entries(elements).finish(),
            Self::Object(object) => object.fmt(formatter),
        }
    }
}

/// The value of an attribute: null, unknown or known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeValue<T> {
    /// Not set.
    Null,
    /// Known only after an apply.
    Unknown,
    /// Set to this value.
    Known(T),
}

impl<T> AttributeValue<T> {
    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Null | Self::Unknown => None,
        }
    }

    /// Applies `convert` to a known value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> AttributeValue<U> {
        match self {
            Self::Known(value) => AttributeValue::Known(convert(value)),
            Self::Null => AttributeValue::Null,
            Self::Unknown => AttributeValue::Unknown,
        }
    }
}

/// Values by the names of attributes and blocks. [`Block::conform`](super::Block::conform) checks that it
/// conforms to a schema.
#[derive(Clone, Default, PartialEq)]
pub struct Object(BTreeMap<String, Value>);

impl Object {
    /// An object without attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of an attribute, or null if there is none with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0.get_mut(name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sets an attribute to null if there is none with that name.
    pub(super) fn set_default_null(&mut self, name: &str) {
        if !self.0.contains_key(name) {
            self.set(name, Value::Null);
        }
    }

    /// Removes the attributes for whose names `is_kept` returns false.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| is_kept(name));
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets an attribute and returns the object.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Overwrites all strings, because freed memory would still contain the secrets among them.
    pub(super) fn zeroize(&mut self) {
        self.0.values_mut().for_each(Value::zeroize);
    }

    /// A string attribute. A value of another type counts as null; objects that conform to a schema have none.
    #[must_use]
    pub fn string(&self, name: &str) -> AttributeValue<&str> {
        match self.get(name) {
            Value::String(text) => AttributeValue::Known(text),
            Value::Unknown => AttributeValue::Unknown,
            _ => AttributeValue::Null,
        }
    }

    /// A nested block.
    #[must_use]
    pub fn block(&self, name: &str) -> AttributeValue<&Object> {
        match self.get(name) {
            Value::Object(block) => AttributeValue::Known(block),
            Value::Unknown => AttributeValue::Unknown,
            _ => AttributeValue::Null,
        }
    }

    /// The nested blocks of a name that can be repeated; none is an empty list.
    #[must_use]
    pub fn blocks(&self, name: &str) -> AttributeValue<Vec<&Self>> {
        match self.get(name) {
            Value::List(elements) => {
                AttributeValue::Known(elements.iter().filter_map(Self::from_value).collect())
            }
            Value::Unknown => AttributeValue::Unknown,
            _ => AttributeValue::Known(Vec::new()),
        }
    }

    fn from_value(value: &Value) -> Option<&Self> {
        if let Value::Object(object) = value { Some(object) } else { None }
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl FromIterator<(String, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_strings_are_zeroized() {
        let text = || Value::from("the-secret");
        let mut object = Object::new()
            .with("secret_key", text())
            .with("block", Object::new().with("token", text()))
            .with("list", Value::List(vec![text()]));
        object.zeroize();
        let empty = || Value::from("");
        let zeroized = Object::new()
            .with("secret_key", empty())
            .with("block", Object::new().with("token", empty()))
            .with("list", Value::List(vec![empty()]));
        assert_eq!(object, zeroized);
    }

    #[test]
    fn debug_shows_types_only() {
        let object = Object::new().with("secret_key", "the-secret").with("region", Value::Unknown);
        assert_eq!(format!("{object:?}"), r#"{"region": Unknown, "secret_key": String}"#);
    }
}
