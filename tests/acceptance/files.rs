//! Reads and parses files of the repository.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::markdown::page_at;

/// Reads a file; `path` is relative to the root of the repository.
pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn yaml(path: &str) -> Json {
    yaml_serde::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The code blocks of one language in a Markdown file. Fails if there are none.
pub(crate) fn blocks(path: &str, language: &str) -> Vec<String> {
    let blocks = page_at(path).blocks.into_iter().filter(|block| block.language == language);
    let blocks: Vec<String> = blocks.map(|block| block.text).collect();
    assert!(!blocks.is_empty(), "{path} has no block of {language}");
    blocks
}
