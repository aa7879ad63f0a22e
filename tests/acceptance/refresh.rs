//! Credential sources that fail while many resources need them.

use oss_emulator::{Config, Fault, Role};

use super::workspace::{KEYS, Workspace};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
/// Four retries wait three seconds at most.
const MAX_RETRIES: u32 = 4;
const MAX_ATTEMPTS: usize = 5;

/// A workspace with this many resources, whose credentials come from a role or a credentials URI.
fn workspace(resources: usize, uses_sts: bool) -> Option<(Workspace, &'static str)> {
    let workspace = Workspace::with(|config: Config| {
        let config = config.with_role(Role::new(ROLE)).with_credentials_uri();
        (0..resources).fold(config, |config, index| config.with_bucket(&format!("demo-{index}")))
    })?;
    let url = workspace.emulator.url();
    let (operation, source) = if uses_sts {
        ("AssumeRole", format!("  assume_role {{\n    role_arn = {ROLE:?}\n  }}\n"))
    } else {
        let uri = workspace.emulator.credentials_uri();
        ("CredentialsUri", format!("  credentials_uri = {uri:?}\n"))
    };
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n  \
         sts_endpoint = {url:?}\n  max_retries = {MAX_RETRIES}\n{source}}}\n"
    );
    workspace.configure_with(
        &provider,
        &format!(
            "resource \"oss_bucket_encryption\" \"this\" {{\n  count = {resources}\n  bucket = \
             \"demo-${{count.index}}\"\n  sse_algorithm = \"AES256\"\n}}\n"
        ),
    );
    Some((workspace, operation))
}

/// The environment for a source: a role needs the keys of its caller, and a URI must not be overridden.
fn environment(uses_sts: bool) -> &'static [(&'static str, &'static str)] {
    if uses_sts { &KEYS } else { &[] }
}

/// How often an operation was requested, and how many other requests there were.
fn count(workspace: &Workspace, operation: &str) -> (usize, usize) {
    let records = workspace.emulator.requests();
    workspace.emulator.clear_requests();
    let is_operation = |name: &Option<String>| name.as_deref() == Some(operation);
    let calls = records.iter().filter(|record| is_operation(&record.operation)).count();
    (calls, records.len() - calls)
}

#[test]
fn a_failing_source_gets_the_requests_of_one_resource_only() {
    for (resources, uses_sts, status) in [(20, true, 500), (60, false, 503)] {
        let Some((workspace, operation)) = workspace(resources, uses_sts) else { return };
        let fault = || Fault::error_response(status, "InternalError").operation(operation);
        workspace.emulator.inject(fault().forever());
        let run = workspace.terraform_in(environment(uses_sts), &APPLY).fails();
        let errors = run.stderr.matches("Error: Cannot set the encryption of bucket").count();
        assert_eq!(errors, resources, "{run}");
        assert!(run.stderr.contains(&format!("returned {status} InternalError")), "{run}");
        assert_eq!(count(&workspace, operation), (MAX_ATTEMPTS, 0), "{operation}");
        assert!(workspace.state().is_empty());

        workspace.emulator.clear_faults();
        workspace.emulator.inject(fault().times(MAX_RETRIES));
        workspace.terraform_in(environment(uses_sts), &APPLY).succeeds();
        let (calls, others) = count(&workspace, operation);
        assert_eq!(calls, MAX_ATTEMPTS, "{operation}");
        assert!(others >= 2 * resources, "{others}");
        assert_eq!(workspace.state().len(), resources);
    }
}

#[test]
fn a_rejection_by_sts_is_final_for_all_resources() {
    let Some((workspace, operation)) = workspace(20, true) else { return };
    workspace
        .emulator
        .inject(Fault::error_response(403, "NoPermission").operation(operation).forever());
    let run = workspace.terraform_in(environment(true), &APPLY).fails();
    assert_eq!(run.stderr.matches("403 NoPermission").count(), 20, "{run}");
    assert_eq!(count(&workspace, operation), (1, 0));
}

#[test]
fn clocks_of_oss_and_sts_that_differ_by_a_day_are_both_corrected() {
    for day in [86_400, -86_400] {
        let Some((workspace, _)) = workspace(3, true) else { return };
        workspace.emulator.set_sts_clock_offset(day);
        workspace.terraform_in(environment(true), &APPLY).succeeds();
        let plan = ["plan", "-detailed-exitcode", "-no-color"];
        workspace.terraform_in(environment(true), &plan).succeeds();
        assert_eq!(workspace.state().len(), 3);
    }
}
