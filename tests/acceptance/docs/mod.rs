//! The documentation works: every configuration is formatted and valid, and every guide is run from its
//! first command to its last, against the local OSS emulator.
//!
//! How a guide is run: a configuration whose first line is a comment with a file name is written to
//! that file; commands are run in a shell that keeps its variables and its directory; a block of
//! `text` after commands must be part of their output, where `…` stands for any text.

mod commands;
mod configurations;
mod guides;
mod player;

/// Commands that are not run: the page, the beginning of the line, and the reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("CONTRIBUTING.md", "cargo build", "`.ci/run` does it"),
    ("CONTRIBUTING.md", "cargo test", "that is this"),
    ("CONTRIBUTING.md", "export ALIBABA_CLOUD_REGION=", "for the next line"),
    ("CONTRIBUTING.md", "OSS_ACC=1", "needs an account; `cargo test` runs it on the emulator"),
    ("CONTRIBUTING.md", "cargo run -- --debug", "tests/it/process.rs serves for long"),
    (
        "CONTRIBUTING.md",
        "cargo run --example quickstart |",
        "`.ci/run` runs it; the rest needs a tool",
    ),
    ("CONTRIBUTING.md", "  term-transcript", "a tool that only makes the picture"),
    ("CONTRIBUTING.md", "    --scroll-len", "a tool that only makes the picture"),
    ("README.md", "cargo run --example bucket_encryption", "tests/it/examples.rs runs it"),
    ("README.md", "cargo run -p oss-emulator", "serves until Ctrl-C; emulator/tests runs it"),
    ("README.md", "cargo run --example package", "tests/acceptance/packages.rs runs it"),
    ("README.md", "cargo run --example quickstart", "builds the provider; `.ci/run` runs it"),
    ("README.md", "cargo run --example sign_request", "tests/it/examples.rs runs it"),
    ("README.md", "cargo test", "that is this"),
    ("README.md", "curl -X POST {endpoint}/-/faults", "emulator/tests sends such faults"),
    ("README.md", "export ALIBABA_CLOUD_ACCESS_KEY_", "the guide to getting started is played"),
    ("README.md", "terraform init", "the guide to getting started is played"),
    ("README.md", "terraform apply", "the guide to getting started is played"),
    (AUTHENTICATION, "aliyun configure", "a login at a browser; the test writes what it writes"),
    (GETTING_STARTED, "cargo build --release", "takes minutes; `.ci/run` does it"),
    (GETTING_STARTED, "cargo run -p oss-emulator", "emulator/tests runs it"),
    (PIPELINES, "cargo run --example package", "tests/acceptance/packages.rs runs it"),
    (PIPELINES, "tar -czf", "tests/acceptance/pipelines.rs runs it"),
    (OTHER_PROGRAMS, "", "no part of the tests; the guide says which versions ran it"),
    (POLICIES, "terraform plan -out=plan", "tests/acceptance/policies.rs makes such plans"),
    (POLICIES, "terraform show -json", "tests/acceptance/policies.rs makes such plans"),
    (POLICIES, "conftest", "tests/acceptance/policies.rs evaluates the policy"),
    ("docs/performance.md", "cargo bench", "takes minutes; `.ci/run` runs short forms"),
    ("docs/performance.md", "PEERS=", "takes minutes; `.ci/run` runs short forms"),
    ("docs/reliability.md", "mkdir -p fuzz/corpus/codec", "for the next line"),
    (
        "docs/reliability.md",
        "cargo +nightly fuzz",
        "needs a nightly compiler; `cargo test` runs the seeds",
    ),
    (MODULE, "cargo run -p oss-emulator", "tests/acceptance/modules.rs starts its own emulator"),
    (MODULE, "terraform test", "tests/acceptance/modules.rs runs it"),
    (RELEASE, "", "tests/acceptance/packages.rs takes them from there"),
];

const GETTING_STARTED: &str = "docs/guides/getting-started.md";
const AUTHENTICATION: &str = "docs/guides/authentication.md";
const MOVING: &str = "docs/guides/moving-from-alicloud.md";
const DISCOVERING: &str = "docs/guides/discovering-unencrypted-buckets.md";
const PIPELINES: &str = "docs/guides/pipelines.md";
const OTHER_PROGRAMS: &str = "docs/guides/pulumi-and-cdktf.md";
const POLICIES: &str = "docs/guides/policies.md";
const CHOOSING: &str = "docs/guides/choosing-an-algorithm.md";
const RELEASE: &str = "docs/guides/release.md";
const TROUBLESHOOTING: &str = "docs/guides/troubleshooting.md";
const UPGRADING: &str = "docs/guides/upgrading.md";
const MODULE: &str = "examples/modules/encrypted-buckets/README.md";
const RESOURCE: &str = "docs/resources/bucket_encryption.md";

/// The sections that the tests run: the page, and the beginning of the section's title.
const PLAYED: &[(&str, &[&str])] = &[
    (GETTING_STARTED, &[""]),
    (AUTHENTICATION, &guides::SOURCES),
    (MOVING, &["The resource", "The inline rule"]),
    (
        DISCOVERING,
        &[
            "List them",
            "Warn about them",
            "Encrypt them all",
            // With a host that has queries; `tests/it/docs.rs` always makes their calls to the provider.
            "Terraform 1.14 and later",
            "Before Terraform 1.14",
        ],
    ),
    (POLICIES, &["Reject a weaker rule"]),
    (CHOOSING, &[""]),
    (UPGRADING, &[""]),
    (TROUBLESHOOTING, &["Logs and support"]),
    (RESOURCE, &["Import"]),
];

/// The AccessKey pair in the documentation.
const KEY_ID: &str = "LTAI5tEXAMPLEEXAMPLE0001";
const KEY_SECRET: &str = "ExampleSecretThatOpensNothing1";
/// The default hosts of provider source addresses.
const TERRAFORM_REGISTRY: &str = "registry.terraform.io";
const OPENTOFU_REGISTRY: &str = "registry.opentofu.org";
const ACCOUNT: &str = "acs:ram::1234567890123456";
