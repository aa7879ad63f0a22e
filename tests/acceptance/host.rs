//! What the host under test can do. Features are tried, not derived from versions, so that a build with other
//! features is tested with what it has.

use std::io::Write as _;

use super::workspace::{Run, Workspace};

/// A feature that not every Terraform and OpenTofu has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// `import` blocks with `identity`.
    IdentityImports,
    /// `import` blocks without a `resource` block and without `provider`. Terraform 1.16 looks for a provider of
    /// another name (hashicorp/terraform#39144).
    InferredProviders,
    /// `terraform query`, and `list` blocks.
    Queries,
    /// `terraform plan -allow-deferral`, which only experimental builds have.
    Deferral,
}

impl Feature {
    const fn description(self) -> &'static str {
        match self {
            Self::IdentityImports => "`identity` in `import` blocks",
            Self::InferredProviders => {
                "the right provider for `import` blocks without a `resource` block"
            }
            Self::Queries => "the command `query`",
            Self::Deferral => "`plan -allow-deferral`",
        }
    }

    /// Runs a command of the feature in an empty directory.
    fn try_with(self, workspace: &Workspace) -> Run {
        let arguments: &[&str] = match self {
            Self::IdentityImports => {
                let import = "import {\n  to       = oss_bucket_encryption.this\n  identity = { bucket = \"demo\" }\n}\n";
                workspace.configure(
                    &(import.to_owned()
                        + "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  \
                           sse_algorithm = \"SM4\"\n}\n"),
                );
                &["validate", "-no-color"]
            }
            Self::InferredProviders => {
                workspace
                    .configure("import {\n  to = oss_bucket_encryption.this\n  id = \"demo\"\n}\n");
                &["validate", "-no-color"]
            }
            Self::Queries => &["query", "-help"],
            Self::Deferral => &["plan", "-allow-deferral", "-no-color"],
        };
        workspace.terraform_in(&[], arguments)
    }

    /// What a host without the feature prints.
    const fn rejections(self) -> &'static [&'static str] {
        match self {
            Self::IdentityImports => &["argument named \"identity\" is not expected"],
            Self::InferredProviders => {
                &["unavailable provider \"registry.terraform.io/hashicorp/oss\""]
            }
            Self::Queries => &["no command named \"query\""],
            Self::Deferral => {
                &["only valid in experimental builds", "not defined: -allow-deferral"]
            }
        }
    }
}

/// Whether the host has a feature. If not, prints what does not run because of that.
pub(crate) fn has(feature: Feature, what: &str) -> bool {
    let Some(workspace) = Workspace::new(&[]) else { return false };
    let run = feature.try_with(&workspace);
    let is_rejected = |text: &&str| run.stderr.contains(*text) || run.stdout.contains(*text);
    if !feature.rejections().iter().any(is_rejected) {
        return true;
    }
    let version = workspace.terraform_in(&[], &["version"]).succeeds().stdout;
    let version = version.lines().next().unwrap_or_default();
    // Not with the macro, whose output is hidden if the test passes.
    let message = format!("{version} does not have {}: {what} did NOT run", feature.description());
    let _ = writeln!(std::io::stderr(), "\n*** {message} ***");
    false
}

/// An `import` block without a `resource` block, and what it becomes when its configuration has been generated.
/// `provider` is only allowed in the first, and only there if the host does not find the provider without it.
pub(crate) fn generating_import(name: &str, id: &str) -> (String, String) {
    let block = |provider: &str| {
        format!("import {{\n  to = oss_bucket_encryption.{name}\n  id = \"{id}\"\n{provider}}}\n")
    };
    let is_inferred = has(Feature::InferredProviders, "an import without `provider`");
    (block(if is_inferred { "" } else { "  provider = oss\n" }), block(""))
}
