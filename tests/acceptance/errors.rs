//! Invalid input produces one error at the offending argument, and no requests are sent.

use oss_emulator::{Credentials, Fault};

use super::workspace::{KEY_ID, KEY_SECRET, Workspace};

const VALID: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"AES256\"\n}\n";

/// Runs `command`, and expects one error that contains all `parts`, and no requests.
#[track_caller]
fn check(workspace: &Workspace, environment: &[(&str, &str)], command: &str, parts: &[&str]) {
    let run = workspace.terraform_in(environment, &[command, "-no-color"]).fails();
    assert_eq!(run.stderr.matches("Error: ").count(), 1, "{run}");
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

#[test]
fn invalid_resource_arguments() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    for (find, replace, parts) in [
        (
            "\"demo\"",
            "\"Demo_Bucket\"",
            ["Invalid bucket name", "main.tf", "bucket = \"Demo_Bucket\""],
        ),
        (
            "\"AES256\"",
            "\"aes256\"",
            [
                "Invalid encryption algorithm",
                "sse_algorithm = \"aes256\"",
                "Use uppercase: `AES256`",
            ],
        ),
        (
            "\"AES256\"",
            "\"AES256\"\n  kms_master_key_id = \"k\"",
            ["Invalid argument combination", "kms_master_key_id = \"k\"", "Remove it, or use KMS"],
        ),
    ] {
        workspace.configure(&VALID.replace(find, replace));
        check(&workspace, &[], "validate", &parts);
    }
}

#[test]
fn invalid_provider_arguments() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let url = workspace.emulator.url();
    let endpoint = format!("endpoint = {url:?}\n");
    let region = "region = \"cn-hangzhou\"\n";
    let cases = [
        (
            format!("{region}endpoint = \"not a url\"\n"),
            ["Invalid endpoint", "endpoint = \"not a url\"", "host:port or URL"],
        ),
        (
            format!("{region}{endpoint}access_key = \"only-half\"\n"),
            ["Incomplete AccessKey pair", "access_key = \"only-half\"", "`secret_key` is not"],
        ),
        // Without credentials, the current profile of the CLI may name the region.
        (
            format!("{endpoint}access_key = \"id\"\nsecret_key = \"secret\"\n"),
            ["Missing region", "provider \"oss\"", "ALIBABA_CLOUD_REGION"],
        ),
    ];
    for (arguments, parts) in cases {
        workspace.configure_with(&format!("provider \"oss\" {{\n{arguments}}}\n"), VALID);
        check(&workspace, &[], "plan", &parts);
    }
}

#[test]
fn incomplete_access_key_pair_in_the_environment() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(VALID);
    let environment = [("ALICLOUD_SECRET_KEY", "only-half")];
    let parts =
        ["Incomplete AccessKey pair", "ALICLOUD_SECRET_KEY is set, but ALICLOUD_ACCESS_KEY is not"];
    check(&workspace, &environment, "plan", &parts);
}

#[test]
fn error_responses_are_explained() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&VALID.replace("\"demo\"", "\"no-such-bucket\""));
    let run = workspace.terraform(&["apply", "-auto-approve", "-no-color"]).fails();
    for part in [
        "404 NoSuchBucket",
        "request ID",
        "The bucket does not exist",
        "bucket = \"no-such-bucket\"",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.state(), []);

    workspace.configure(VALID);
    let keys = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "another-secret"),
    ];
    let run = workspace.terraform_in(&keys, &["apply", "-auto-approve", "-no-color"]).fails();
    assert!(run.stderr.contains("403 SignatureDoesNotMatch"), "{run}");
    assert!(!run.stderr.contains("another-secret"), "{run}");
}

#[test]
fn no_log_level_shows_a_secret() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(VALID);
    let token = "TestTokenTestTokenTestToken";
    workspace.emulator.add_credentials(
        Credentials::new("STS.TESTTESTTESTTEST", KEY_SECRET).with_token(token, None),
    );
    let environment = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.TESTTESTTESTTEST"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", token),
    ];
    // A truncated response that repeats the string to sign.
    let echo = format!("<Error><StringToSign>PUT\nx-oss-security-token:{token}\n{KEY_SECRET}");
    let apply = ["apply", "-auto-approve"];
    let mut runs = Vec::new();
    for method in ["GET", "PUT"] {
        let fault = Fault::raw_response("application/xml", echo.clone()).status(403);
        workspace.emulator.inject(fault.method(method));
        runs.push(workspace.terraform_in(&environment, &apply).fails());
    }
    runs.push(workspace.terraform_in(&environment, &apply).succeeds());
    // The logs of every run are searched for secrets; this proves that the search reads the log.
    for run in runs {
        assert!(run.log.contains("called OSS"), "the provider's log is there:\n{run}");
        assert_eq!(workspace.secrets_in(&run, &[token, "called OSS"]), ["called OSS"]);
    }
}
