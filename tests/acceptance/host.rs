//! What the host under test can do. Features are tried, not derived from versions, so that a build with other
//! features is tested with what it has.

use std::io::Write as _;

use super::workspace::{Run, Workspace};

/// A feature that not every Terraform and OpenTofu has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// `import` blocks with `identity`.
    IdentityImports,
    /// `terraform query`, and `list` blocks.
    Queries,
    /// `terraform plan -allow-deferral`, which only experimental builds have.
    Deferral,
}

impl Feature {
    const fn description(self) -> &'static str {
        match self {
            Self::IdentityImports => "`identity` in `import` blocks",
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
            Self::Queries => &["query", "-help"],
            Self::Deferral => &["plan", "-allow-deferral", "-no-color"],
        };
        workspace.terraform_in(&[], arguments)
    }

    /// What a host without the feature prints.
    const fn refusals(self) -> &'static [&'static str] {
        match self {
            Self::IdentityImports => &["argument named \"identity\" is not expected"],
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
    let is_refused = |refusal: &&str| run.stderr.contains(refusal) || run.stdout.contains(refusal);
    if !feature.refusals().iter().any(|refusal| is_refused(&refusal)) {
        return true;
    }
    let version = workspace.terraform_in(&[], &["version"]).succeeds().stdout;
    let version = version.lines().next().unwrap_or_default();
    // Not with the macro, whose output is hidden if the test passes.
    let message = format!("{version} does not have {}: {what} did NOT run", feature.description());
    let _ = writeln!(std::io::stderr(), "\n*** {message} ***");
    false
}
