//! Parses the pages of the documentation, so that tests can run their code blocks.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

/// A page.
pub(crate) struct Page {
    /// The path, relative to the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

/// A code block.
#[derive(Clone)]
pub(crate) struct Block {
    /// `docs/index.md:12`.
    pub(crate) place: String,
    /// The heading of level 2 above it.
    pub(crate) section: String,
    /// The nearest heading above it.
    pub(crate) heading: String,
    /// The info string of the fence: `terraform`, `shell`, `text` and so on.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page in `docs/`, and those at the root of the repository.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(&root().join("docs"), &mut paths);
    for name in ["CONTRIBUTING.md", "README.md", "README.zh-CN.md"] {
        paths.extend(Some(root().join(name)).filter(|path| path.exists()));
    }
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}

/// The page at this path, relative to the root of the repository.
pub(crate) fn page_at(path: &str) -> Page {
    page(&root().join(path))
}

/// Collects the Markdown files below a directory.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

fn page(file: &Path) -> Page {
    let path = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let blocks = blocks(&path, &text);
    Page { path, text, blocks }
}

fn blocks(path: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let (mut section, mut heading) = (String::new(), String::new());
    for (index, line) in text.lines().enumerate() {
        if let Some(mut block) = open.take() {
            if line.trim_end() == "```" {
                blocks.push(block);
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
        } else if let Some(language) = line.strip_prefix("```") {
            open = Some(Block {
                place: format!("{path}:{}", index + 2),
                section: section.clone(),
                heading: heading.clone(),
                language: language.trim().to_owned(),
                text: String::new(),
            });
        } else if line.starts_with('#') {
            let (level, title) = line.split_once(' ').unwrap_or((line, ""));
            title.clone_into(&mut heading);
            match level.len() {
                1 => section.clear(),
                2 => title.clone_into(&mut section),
                _ => {}
            }
        } else {
            // Tests would not see an indented block.
            assert!(!line.contains("```"), "{path}:{}: a fence must start the line", index + 1);
        }
    }
    assert!(open.is_none(), "{path}: the last block is not closed");
    blocks
}

impl Block {
    /// Whether this is a Terraform configuration.
    pub(crate) fn is_terraform(&self) -> bool {
        matches!(self.language.as_str(), "terraform" | "hcl")
    }

    /// Whether these are shell commands.
    pub(crate) fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "shell" | "sh")
    }

    /// Whether the configuration has a top-level block of this type.
    pub(crate) fn has_top_level(&self, name: &str) -> bool {
        let starts_with =
            |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        self.text.lines().any(starts_with)
    }
}

/// Whether `text` contains `excerpt`, where all whitespace is equal and `…` stands for any text.
pub(crate) fn contains(text: &str, excerpt: &str) -> bool {
    let fold = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = fold(text);
    let excerpt = fold(excerpt);
    let mut rest = text.as_str();
    for part in excerpt.split('…').map(str::trim) {
        let Some(start) = rest.find(part) else { return false };
        rest = &rest[start + part.len()..];
    }
    true
}
