//! Endpoints, regions and bucket names: what works without a warning, and what is explained.

use oss_emulator::{Config, Fault};

use super::workspace::{KEYS, Run, Workspace};

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];

/// A resource for each of these buckets.
fn rules(buckets: &[&str]) -> String {
    let rule = |(number, bucket)| {
        format!(
            "resource \"oss_bucket_encryption\" \"b{number}\" {{\n  bucket = {bucket:?}\n  sse_algorithm = \
             \"AES256\"\n}}\n"
        )
    };
    buckets.iter().enumerate().map(rule).collect()
}

/// Runs terraform with the emulator as a proxy for requests to OSS hosts.
fn through_a_proxy(workspace: &Workspace, arguments: &[&str]) -> Run {
    let url = workspace.emulator.url();
    workspace.terraform_in(&[KEYS[0], KEYS[1], ("HTTP_PROXY", url.as_str())], arguments)
}

#[track_caller]
fn assert_explains(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_second_bucket_behind_a_custom_domain_does_not_blame_the_secret_alone() {
    let workspace = Workspace::with(|mut config: Config| {
        let domain = ("assets.example.com".to_owned(), "assets".to_owned());
        config.custom_domains.extend([domain]);
        config.with_bucket("assets").with_bucket("logs")
    });
    let Some(workspace) = workspace else { return };
    let provider = "provider \"oss\" {\n  region = \"cn-hangzhou\"\n  endpoint = \
                    \"http://assets.example.com\"\n  address_style = \"cname\"\n}\n";
    workspace.configure_with(provider, &rules(&["assets", "logs"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert!(workspace.emulator.rule("assets").is_some(), "{run}");
    assert_explains(
        &run,
        &[
            "Cannot set the encryption of bucket logs",
            "403 SignatureDoesNotMatch",
            "a custom domain is bound to one bucket",
            "manage logs with another provider configuration",
        ],
    );
}

#[test]
fn a_host_that_oss_does_not_know_is_explained() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let provider = "provider \"oss\" {\n  region = \"cn-hangzhou\"\n  endpoint = \
                    \"http://files.example.com\"\n}\n";
    workspace.configure_with(provider, &rules(&["demo"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert_explains(
        &run,
        &[
            "403 NonStandardHostForbidden",
            "neither an endpoint of a region nor a custom domain",
            "set `region` and remove `endpoint`",
        ],
    );
}

#[test]
fn no_explanation_advises_less_security() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(
        "resource \"oss_bucket_encryption\" \"b\" {\n  bucket = \"demo\"\n  sse_algorithm = \"KMS\"\n}\n",
    );
    for (status, code, ec, expected) in [
        (403, "KmsServiceNotEnabled", "0005-00000218", "Activate it in the KMS console"),
        (400, "InvalidEncryptionAlgorithmError", "0005-00000003", "Ask Alibaba Cloud to enable it"),
        (403, "UserDisable", "0003-00000001", "usually because of an overdue payment"),
        (403, "AccessDenied", "0002-00000080", "so that requests are signed with V4"),
        (400, "InvalidArgument", "0002-00000227", "belongs to a CloudBox"),
    ] {
        workspace.emulator.clear_faults();
        workspace.emulator.inject(Fault::error_response(status, code).ec(ec).method("PUT"));
        let run = workspace.terraform(&APPLY).fails();
        assert_explains(&run, &[code, ec, expected]);
        assert!(!run.stderr.contains("AES256"), "{run}");
    }
}
