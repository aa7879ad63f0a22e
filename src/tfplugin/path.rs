//! Paths of attributes and blocks in a configuration.

use std::fmt;

/// The steps from the root of a resource or provider block to an attribute or block, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath(Vec<PathStep>);

/// A step into a block or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// The name of an attribute or block.
    Name(String),
    /// The position in a list of blocks.
    Index(usize),
}

impl AttributePath {
    /// The path of an attribute or block at the root.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self(vec![PathStep::Name(name.to_owned())])
    }

    /// The path of an attribute in the block at this path.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Self {
        self.step(PathStep::Name(name.to_owned()))
    }

    /// The path of one of the blocks at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(PathStep::Index(index))
    }

    /// The same path from the block `outer`, which contains the root.
    #[must_use]
    pub(super) fn within(self, outer: &str) -> Self {
        let Self(mut steps) = self;
        steps.insert(0, PathStep::Name(outer.to_owned()));
        Self(steps)
    }

    fn step(&self, step: PathStep) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// The innermost name.
    #[must_use]
    pub fn name(&self) -> &str {
        let names = self.0.iter().rev().find_map(|step| match step {
            PathStep::Name(name) => Some(name.as_str()),
            PathStep::Index(_) => None,
        });
        names.unwrap_or_default()
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Name(name) if position == 0 => formatter.write_str(name)?,
                PathStep::Name(name) => write!(formatter, ".{name}")?,
                PathStep::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}
