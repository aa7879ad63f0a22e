//! Endpoints, regions and bucket names: what works without a warning, and what is explained.

use oss_emulator::{Config, EncryptionRule, Fault};

use super::tunnel::tunnels_to;
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

/// A provider block with these arguments.
fn provider(arguments: &str) -> String {
    format!("provider \"oss\" {{\n  {arguments}\n}}\n")
}

#[test]
fn a_region_of_the_finance_cloud_is_enough() {
    for (region, location, host, dual_stack) in [
        ("cn-hangzhou-finance", "cn-hzfinance", "oss-cn-hzfinance", "cn-hangzhou-finance.oss"),
        ("cn-shenzhen-finance-1", "cn-szfinance", "oss-cn-szfinance", "cn-shenzhen-finance.oss"),
        (
            "cn-shanghai-finance-1",
            "cn-shanghai-finance-1-pub",
            "oss-cn-shanghai-finance-1-pub",
            "cn-shanghai-finance.oss",
        ),
        ("cn-north-2-gov-1", "cn-north-2-gov-1", "oss-cn-north-2-gov-1", "cn-north-2-gov-1.oss"),
    ] {
        let config = |config: Config| config.with_bucket_in("demo", location).with_tls();
        let Some(workspace) = Workspace::with(config) else { return };
        let certificate = workspace.write("oss.pem", workspace.emulator.certificate_pem().unwrap());
        let (proxy, tunnels) = tunnels_to(workspace.emulator.port());
        let environment = [
            KEYS[0],
            KEYS[1],
            ("HTTPS_PROXY", proxy.as_str()),
            ("SSL_CERT_FILE", certificate.as_str()),
        ];
        // With the region alone, and with the endpoints that the documentation pairs with it.
        for (arguments, host) in [
            (format!("region = {region:?}"), host),
            (format!("region = {region:?}\n  endpoint = \"{host}.aliyuncs.com\""), host),
            (format!("endpoint = \"{host}.aliyuncs.com\""), host),
            (format!("region = {region:?}\n  endpoint_type = \"dual_stack\""), dual_stack),
        ] {
            workspace.configure_with(&provider(&arguments), &rules(&["demo"]));
            let run = workspace.terraform_in(&environment, &APPLY).succeeds();
            assert!(!format!("{run}").contains("Warning: Region"), "{run}");
            workspace.terraform_in(&environment, &["destroy", "-auto-approve"]).succeeds();
            let expected = format!("CONNECT demo.{host}.aliyuncs.com:443 HTTP/1.1");
            let tunnels = std::mem::take(&mut *tunnels.lock().unwrap());
            assert!(tunnels.iter().all(|request| request.starts_with(&expected)), "{tunnels:?}");
        }
    }
}

#[test]
fn a_bucket_of_another_location_of_the_region_names_the_endpoint() {
    let config = |config: Config| config.with_bucket_in("demo", "cn-hzjbp");
    let Some(workspace) = Workspace::with(config) else { return };
    let arguments = "endpoint = \"http://oss-cn-hzfinance.aliyuncs.com\"";
    workspace.configure_with(&provider(arguments), &rules(&["demo"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert_explains(&run, &["Set `endpoint = \"oss-cn-hzjbp-a-internal.aliyuncs.com\"`"]);
}

#[test]
fn an_endpoint_that_cannot_be_right_is_rejected_by_validate() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    for (endpoint, expected) in [
        ("cn-hangzhou", "write `region = \"cn-hangzhou\"` instead"),
        ("oss-cn-hangzhou", "write `endpoint = \"oss-cn-hangzhou.aliyuncs.com\"`"),
        ("//oss-cn-hangzhou.aliyuncs.com", "write `oss-cn-hangzhou.aliyuncs.com`"),
        (
            "demo.oss-cn-hangzhou.aliyuncs.com",
            "already contains the bucket demo, which is added to the endpoint. Write `endpoint = \
             \"oss-cn-hangzhou.aliyuncs.com\"`, or only `region = \"cn-hangzhou\"`",
        ),
        (
            "s3.oss-cn-hangzhou.aliyuncs.com",
            "is for S3-compatible tools; this provider uses the API of OSS. Write `endpoint = \
             \"oss-cn-hangzhou.aliyuncs.com\"`",
        ),
        (
            "cn-hangzhou-internal",
            "write `region = \"cn-hangzhou\"` and `endpoint_type = \"internal\"`",
        ),
        (
            "https://demo.oss-accelerate.aliyuncs.com",
            "`endpoint = \"oss-accelerate.aliyuncs.com\"`",
        ),
    ] {
        workspace.configure_with(&provider(&format!("endpoint = {endpoint:?}")), &rules(&["demo"]));
        let run = workspace.terraform(&["validate", "-no-color"]).fails();
        assert_explains(&run, &["Invalid endpoint", expected]);
        // From the environment, it is rejected before anything is sent.
        workspace.configure_with(&provider("region = \"cn-hangzhou\""), &rules(&["demo"]));
        let environment = [KEYS[0], KEYS[1], ("OSS_ENDPOINT", endpoint)];
        let run = workspace.terraform_in(&environment, &["plan", "-no-color"]).fails();
        assert_explains(&run, &["Invalid endpoint", expected]);
    }
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

#[test]
fn regions_and_hosts_that_are_mistaken_for_each_other_are_rejected_by_validate() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    for (arguments, expected) in [
        (
            "region = \"cn-hangzhou-internal\"",
            "`region` must not end with `-internal` (use for example cn-hangzhou)",
        ),
        (
            "region = \"cn-hangzhou\"\n  sts_endpoint = \"cn-hangzhou\"",
            "`sts_endpoint` must be a host name, not a region: write `sts.cn-hangzhou.aliyuncs.com`",
        ),
    ] {
        workspace.configure_with(&provider(arguments), &rules(&["demo"]));
        let run = workspace.terraform(&["validate", "-no-color"]).fails();
        assert_explains(&run, &[expected]);
    }
}

#[test]
fn an_endpoint_that_contains_the_bucket_is_rejected_before_anything_is_sent() {
    let Some(workspace) = Workspace::new(&["demo", "logs"]) else { return };
    // A private endpoint: only the bucket shows it.
    let arguments = "region = \"cn-hangzhou\"\n  endpoint = \"http://demo.oss.example.com\"";
    workspace.configure_with(&provider(arguments), &rules(&["demo"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert_explains(
        &run,
        &["already contains the bucket", "Write `endpoint = \"http://oss.example.com\"`"],
    );
    // As a custom domain, the host of a bucket serves that bucket only.
    let arguments = "region = \"cn-hangzhou\"\n  endpoint = \
                     \"http://demo.oss-cn-hangzhou.aliyuncs.com\"\n  address_style = \"cname\"";
    workspace.configure_with(&provider(arguments), &rules(&["logs"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert_explains(&run, &["is the host of bucket demo", "Manage logs with another provider"]);
    assert_eq!(workspace.calls(), Vec::<String>::new());
    workspace.configure_with(&provider(arguments), &rules(&["demo"]));
    through_a_proxy(&workspace, &APPLY).succeeds();
}

#[test]
fn an_old_bucket_name_has_underscores() {
    let Some(workspace) = Workspace::new(&["old_bucket", "_older"]) else { return };
    workspace.emulator.set_rule("old_bucket", EncryptionRule::new("AES256"));
    workspace.emulator.set_rule("_older", EncryptionRule::new("AES256"));
    let arguments = "endpoint = \"http://oss-cn-hangzhou.aliyuncs.com\"";
    workspace.configure_with(&provider(arguments), &rules(&["old_bucket", "_older"]));
    for (number, bucket) in ["old_bucket", "_older"].iter().enumerate() {
        let address = format!("oss_bucket_encryption.b{number}");
        through_a_proxy(&workspace, &["import", &address, bucket]).succeeds();
    }
    let plan = through_a_proxy(&workspace, &["plan", "-detailed-exitcode", "-no-color"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    // The data sources read it, too.
    let read = r#"
        data "oss_bucket_encryption" "old" {
          bucket = "old_bucket"
        }
        data "oss_bucket_encryptions" "all" {}
        output "read" {
          value = "${data.oss_bucket_encryption.old.bucket} ${data.oss_bucket_encryption.old.sse_algorithm}"
        }
        output "listed" {
          value = join(" ", data.oss_bucket_encryptions.all.buckets[*].bucket)
        }"#;
    workspace.configure_with(
        &provider(arguments),
        &format!("{}{read}", rules(&["old_bucket", "_older"])),
    );
    let run = through_a_proxy(&workspace, &APPLY).succeeds();
    for output in ["read = \"old_bucket AES256\"", "listed = \"_older old_bucket\""] {
        assert!(run.stdout.contains(output), "{run}");
    }
    through_a_proxy(&workspace, &["destroy", "-auto-approve"]).succeeds();
    assert_eq!(workspace.emulator.rule("old_bucket"), None);

    // No new bucket has such a name.
    workspace.configure_with(&provider(arguments), &rules(&["my_bucket"]));
    let run = through_a_proxy(&workspace, &APPLY).fails();
    assert_explains(
        &run,
        &["404 NoSuchBucket", "OSS creates no new bucket with an underscore in its name"],
    );
}
