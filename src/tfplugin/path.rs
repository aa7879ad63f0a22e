//! Paths of attributes and blocks in a configuration.

use std::fmt;

/// Attribute and block names from the root of a resource or provider block, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath(Vec<String>);

impl AttributePath {
    /// The path of an attribute or block at the root.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The path of an attribute in the block at this path.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    /// The names, outermost first.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}
