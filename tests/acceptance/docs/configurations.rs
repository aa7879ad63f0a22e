//! Every configuration in the documentation is valid.

use std::fs;
use std::path::Path;

use super::player::{link, put, stand_in};
use crate::host::{Feature, has};
use crate::markdown::{Block, pages, root};
use crate::workspace::Workspace;

/// The consumer of a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Terraform's CLI configuration file.
    CommandLine,
    /// `terraform test`.
    Tests,
    /// `terraform query`. Where it does not exist, `tests/it/docs.rs` makes its calls to the provider.
    Queries,
    /// A Terraform that imports by identity. Here, too, `tests/it/docs.rs` makes the calls.
    IdentityImports,
    /// Terraform.
    Terraform,
}

impl Reader {
    fn of(block: &Block) -> Self {
        if block.has_top_level("provider_installation") {
            Self::CommandLine
        } else if block.has_top_level("mock_provider") || block.has_top_level("run") {
            Self::Tests
        } else if block.has_top_level("list") {
            Self::Queries
        } else if block.has_top_level("import") && block.text.contains("identity = {") {
            Self::IdentityImports
        } else {
            Self::Terraform
        }
    }

    /// What the host needs.
    const fn feature(self) -> Option<Feature> {
        match self {
            Self::Queries => Some(Feature::Queries),
            Self::IdentityImports => Some(Feature::IdentityImports),
            Self::CommandLine | Self::Tests | Self::Terraform => None,
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
    let mut numbers = [0; 5];
    let lacking: Vec<Feature> = [Feature::Queries, Feature::IdentityImports]
        .into_iter()
        .filter(|feature| {
            let needs_it = |block: &Block| Reader::of(block).feature() == Some(*feature);
            let number = configurations().filter(needs_it).count();
            !has(
                *feature,
                &format!("the validation of configurations in the documentation ({number})"),
            )
        })
        .collect();
    let infers_providers =
        has(Feature::InferredProviders, "the validation of documented imports without `provider`");
    for (number, block) in configurations().enumerate() {
        let reader = Reader::of(&block);
        numbers[reader as usize] += 1;
        if reader.feature().is_some_and(|feature| lacking.contains(&feature)) {
            continue;
        }
        let case = format!("case-{number}");
        fs::create_dir(workspace.path(&case)).unwrap();
        let write = |name: &str, text: &str| workspace.write(&format!("{case}/{name}"), text);
        match reader {
            Reader::Terraform | Reader::IdentityImports if infers_providers => {
                write("main.tf", &block.text)
            }
            Reader::Terraform | Reader::IdentityImports => {
                write("main.tf", &with_providers_of_imports(&block))
            }
            Reader::Queries => {
                write("main.tf", "provider \"oss\" {}\n");
                write("main.tfquery.hcl", &block.text)
            }
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
        let mut arguments = vec![directory.as_str(), "validate", "-no-color"];
        arguments.extend((reader == Reader::Queries).then_some("-query"));
        let run = workspace.terraform(&arguments);
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

/// The configuration, with `provider` in `import` blocks if it has no `resource` block.
fn with_providers_of_imports(block: &Block) -> String {
    if block.has_top_level("resource") {
        return block.text.clone();
    }
    block.text.replace("import {\n", "import {\n  provider = oss\n")
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
