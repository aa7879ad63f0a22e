//! Reading one argument: from its block, otherwise from its environment variables.
//!
//! A reader returns what it found and what is wrong with it, and changes nothing: its caller decides which
//! of the findings count.

use std::fmt::Display;
use std::time::Duration;

use crate::tfplugin::{
    AttributePath, AttributeValue, Diagnostic, Diagnostics, Object, Severity, Value, join_names,
    parse_duration,
};

use super::environment::{self, Environment};

/// What was read, and the findings.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    /// Paths of arguments that are known only after apply.
    pub(super) unknown: Vec<String>,
    pub(super) diagnostics: Diagnostics,
}

impl<T> Read<T> {
    /// A value without findings.
    pub(super) fn new(value: T) -> Self {
        Self { value, unknown: Vec::new(), diagnostics: Diagnostics::new() }
    }

    /// The same findings with another value.
    pub(super) fn with<U>(self, value: U) -> Read<U> {
        Read { value, unknown: self.unknown, diagnostics: self.diagnostics }
    }

    /// Adds the findings of `other`, and returns its value.
    pub(super) fn take<U>(&mut self, other: Read<U>) -> U {
        for path in other.unknown {
            if !self.unknown.contains(&path) {
                self.unknown.push(path);
            }
        }
        self.diagnostics.extend(other.diagnostics);
        other.value
    }

    /// Drops the warnings.
    pub(super) fn without_warnings(mut self) -> Self {
        let mut errors = Diagnostics::new();
        for diagnostic in std::mem::take(&mut self.diagnostics) {
            if diagnostic.severity == Severity::Error {
                errors.push(diagnostic);
            }
        }
        Self { diagnostics: errors, ..self }
    }
}

impl<T> Read<Option<T>> {
    /// No value, because the argument is unknown.
    pub(super) fn unknown(path: &AttributePath) -> Self {
        Self { unknown: vec![path.to_string()], ..Self::new(None) }
    }

    /// No value, because of an error.
    pub(super) fn error(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: diagnostic.into(), ..Self::new(None) }
    }

    /// Without a value, reads another one; the findings of both are kept.
    pub(super) fn or_else(mut self, other: impl FnOnce() -> Self) -> Self {
        if self.value.is_none() {
            self.value = self.take(other());
        }
        self
    }

    pub(super) fn map<U>(mut self, convert: impl FnOnce(T) -> U) -> Read<Option<U>> {
        let value = self.value.take().map(convert);
        self.with(value)
    }
}

/// A string that was found.
#[derive(Debug, Clone)]
pub(super) struct ConfigValue<'a> {
    pub(super) text: &'a str,
    /// The argument that diagnostics point to.
    pub(super) path: AttributePath,
    /// The environment variable that was read instead of the argument.
    variable: Option<&'static str>,
}

impl ConfigValue<'_> {
    /// Where the value comes from, as a noun phrase.
    pub(super) fn origin(&self) -> String {
        match self.variable {
            Some(name) => environment::describe(name),
            None => format!("`{}`", self.path),
        }
    }

    /// The origin at the beginning of a sentence.
    pub(super) fn subject(&self) -> String {
        match self.variable {
            Some(name) => format!("The environment variable {name}"),
            None => self.origin(),
        }
    }

    pub(super) fn is_from_environment(&self) -> bool {
        self.variable.is_some()
    }
}

impl Read<Option<ConfigValue<'_>>> {
    /// Parses the value. The text of an error completes the sentence "`region` must …".
    pub(super) fn parse<T, E: Display>(
        mut self,
        summary: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Read<Option<T>> {
        let Some(found) = self.value.take() else { return self.with(None) };
        let text = found.text;
        match parse(text) {
            Ok(value) => self.with(Some(value)),
            Err(error) => {
                // The user or the query of a URL may be a secret; some arguments are confidential.
                let is_private = text.contains(['@', '?', '#'])
                    || matches!(found.path.name(), "external_id" | "policy");
                let got = if is_private { String::new() } else { format!("; got {text:?}") };
                let detail = format!("{} {error}{got}.", found.subject());
                self.diagnostics.push(Diagnostic::error(summary, detail).with_path(found.path));
                self.with(None)
            }
        }
    }
}

/// Reads the arguments of a provider block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) block: &'a Object,
    environment: Option<&'a Environment>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a Object, environment: &'a Environment) -> Self {
        Self { block, environment: Some(environment) }
    }

    /// Reads the block only.
    pub(super) fn without_environment(block: &'a Object) -> Self {
        Self { block, environment: None }
    }

    /// The environment variables that may be read instead of arguments.
    pub(super) fn environment(self) -> Option<&'a Environment> {
        self.environment
    }

    /// Whether an environment variable that is a switch is on.
    pub(super) fn is_enabled(self, variables: &[&'static str]) -> bool {
        self.environment.is_some_and(|environment| environment.is_enabled(variables))
    }

    /// Reads an argument; if it is not set, the first of `variables` that is.
    pub(super) fn lookup(
        self,
        name: &str,
        variables: &[&'static str],
    ) -> Read<Option<ConfigValue<'a>>> {
        let block = AttributeValue::Known(self.block);
        self.lookup_in(block, AttributePath::root(name), name, variables)
    }

    /// The same for an argument of a nested block.
    pub(super) fn lookup_in(
        self,
        block: AttributeValue<&'a Object>,
        path: AttributePath,
        name: &str,
        variables: &[&'static str],
    ) -> Read<Option<ConfigValue<'a>>> {
        match block.known().map_or(AttributeValue::Null, |block| block.string(name)) {
            AttributeValue::Unknown => Read::unknown(&path),
            AttributeValue::Known(text) if !text.is_empty() => {
                Read::new(Some(ConfigValue { text, path, variable: None }))
            }
            // Modules pass an empty string on for an argument that they were not given.
            AttributeValue::Known(_) | AttributeValue::Null => self.variable(variables, path),
        }
    }

    /// Reads the first of `variables` that is set; diagnostics point to `path`.
    pub(super) fn variable(
        self,
        variables: &[&'static str],
        path: AttributePath,
    ) -> Read<Option<ConfigValue<'a>>> {
        let found = self.environment.and_then(|environment| environment.first_set(variables));
        Read::new(found.map(|(name, text)| ConfigValue { text, path, variable: Some(name) }))
    }

    /// Reads an integer of the block or of a nested one, by the last name of its path. `expected` completes
    /// the sentence "`max_retries` must …".
    pub(super) fn number(
        block: AttributeValue<&Object>,
        path: &AttributePath,
        expected: &str,
    ) -> Read<Option<u32>> {
        let value = block.known().map_or(&Value::Null, |block| block.get(path.name()));
        let number = match value {
            Value::Number(number) => number,
            Value::Unknown => return Read::unknown(path),
            _ => return Read::new(None),
        };
        let integer = number.as_u64().and_then(|number| u32::try_from(number).ok());
        if integer.is_some() {
            return Read::new(integer);
        }
        let detail = format!("`{path}` {expected}; got {number}.");
        Read::error(Diagnostic::error("Invalid number", detail).with_path(path.clone()))
    }

    /// Reads one of several fixed values.
    pub(super) fn parse_enum<T: Copy>(
        self,
        name: &str,
        summary: &str,
        choices: &[(&str, T)],
    ) -> Read<Option<T>> {
        self.lookup(name, &[]).parse(summary, |text| {
            let chosen = choices.iter().find(|(choice, _)| *choice == text);
            let names: Vec<String> =
                choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
            chosen
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("must be {}", join_names(&names, "or")))
        })
    }

    pub(super) fn duration(self, name: &str) -> Read<Option<Duration>> {
        self.lookup(name, &[]).parse("Invalid duration", |text| {
            parse_duration(text)
                .ok_or("must be a positive duration such as `10s` or `1m30s`, at most a year")
        })
    }
}
