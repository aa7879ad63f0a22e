//! Every configuration in the documentation is valid.

use std::fs;
use std::path::Path;

use super::player::{link, put, stand_in};
use crate::markdown::{Block, pages, root};
use crate::workspace::Workspace;

/// The consumer of a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Terraform's CLI configuration file.
    CommandLine,
    /// `terraform test`.
    Tests,
    /// A newer Terraform than the installed one; `tests/it/docs.rs` makes its calls to the provider.
    Newer,
    /// Terraform.
    Terraform,
}

impl Reader {
    fn of(block: &Block) -> Self {
        if block.has_top_level("provider_installation") {
            Self::CommandLine
        } else if block.has_top_level("mock_provider") || block.has_top_level("run") {
            Self::Tests
        } else if block.has_top_level("list")
            || (block.has_top_level("import") && block.text.contains("identity = {"))
        {
            Self::Newer
        } else {
            Self::Terraform
        }
    }
}

fn configurations() -> impl Iterator<Item = Block> {
    pages().into_iter().flat_map(|page| page.blocks).filter(Block::is_terraform)
}

#[test]
fn every_configuration_is_formatted() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    fs::create_dir(workspace.path("formatted")).unwrap();
    for (number, block) in configurations().enumerate() {
        // `terraform fmt` rejects the quoted names in CLI configurations.
        if Reader::of(&block) != Reader::CommandLine {
            let place = block.place.replace(['/', ':', '.'], "-");
            workspace.write(&format!("formatted/{number}-{place}.tf"), &block.text);
        }
    }
    workspace
        .terraform(&["fmt", "-check", "-diff", "-no-color", "-recursive", "formatted"])
        .succeeds();
}

#[test]
fn every_configuration_is_valid() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let directory = workspace.path("alicloud");
    fs::create_dir(&directory).unwrap();
    link(&stand_in(), &directory.join("terraform-provider-alicloud"));
    let installed =
        [("oss-tools/oss", provider.parent().unwrap()), ("aliyun/alicloud", &directory)];
    workspace.install(&installed);
    let mut numbers = [0; 4];
    for (number, block) in configurations().enumerate() {
        let reader = Reader::of(&block);
        numbers[reader as usize] += 1;
        let case = format!("case-{number}");
        fs::create_dir(workspace.path(&case)).unwrap();
        let write = |name: &str, text: &str| workspace.write(&format!("{case}/{name}"), text);
        match reader {
            Reader::Newer => continue,
            Reader::Terraform => write("main.tf", &block.text),
            Reader::Tests => write("main.tftest.hcl", &block.text),
            Reader::CommandLine => {
                workspace.write("cli.tfrc", &with_paths_of(&workspace, &block));
                write("main.tf", "provider \"oss\" {}\n")
            }
        };
        if !block.text.contains("required_providers") {
            write("terraform.tf", &required_providers(&block.text));
        }
        let directory = format!("-chdir={case}");
        if block.has_top_level("module") {
            copy_module(&workspace, &case);
            workspace.terraform(&[&directory, "get", "-no-color"]).succeeds();
        }
        if block.text.contains("filesystem_mirror") {
            workspace.terraform(&[&directory, "init", "-no-color"]).succeeds();
        }
        let run = workspace.terraform(&[&directory, "validate", "-no-color"]);
        assert_eq!(run.code, Some(0), "{}:\n{}\n{run}", block.place, block.text);
        workspace.install(&installed);
    }
    assert!(numbers.iter().all(|number| *number > 0), "every kind is there: {numbers:?}");
}

/// Copies the module where the documentation tells users to copy it.
fn copy_module(workspace: &Workspace, case: &str) {
    let name = "modules/encrypted-buckets";
    let source = root().join("examples").join(name);
    let copy = workspace.path(&format!("{case}/{name}"));
    fs::create_dir_all(&copy).unwrap();
    for file in ["main.tf", "outputs.tf", "variables.tf", "versions.tf"] {
        fs::copy(source.join(file), copy.join(file)).unwrap();
    }
}

/// A CLI configuration with the provider's directory on this machine.
fn with_paths_of(workspace: &Workspace, block: &Block) -> String {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let mirror = workspace.path("mirror");
    if !mirror.exists() {
        put(&mirror, "oss-tools/oss", provider);
    }
    let shown = "/srv/terraform/mirror";
    assert!(block.text.contains(shown), "{}: no path of the provider", block.place);
    block.text.replace(shown, mirror.to_str().unwrap())
}

/// The `terraform` block that an excerpt omits.
pub(super) fn required_providers(text: &str) -> String {
    let alicloud = if text.contains("\"alicloud") {
        "    alicloud = {\n      source = \"aliyun/alicloud\"\n    }\n"
    } else {
        ""
    };
    format!(
        "terraform {{\n  required_providers {{\n    oss = {{\n      source = \"oss-tools/oss\"\n    }}\n\
         {alicloud}  }}\n}}\n"
    )
}
