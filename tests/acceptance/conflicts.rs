//! Several settings of one bucket are changed at once.

use std::time::Duration;

use oss_emulator::Fault;

use super::workspace::Workspace;

const CODES: [&str; 2] = ["ConcurrentUpdateBucketFailed", "OperationAborted"];

fn resource(algorithm: &str) -> String {
    format!(
        "resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  sse_algorithm = {algorithm:?}\n}}\n"
    )
}

/// The writes among the requests since the last call of this function.
fn writes(workspace: &Workspace) -> Vec<String> {
    workspace.calls().into_iter().filter(|call| !call.starts_with("GET")).collect()
}

#[test]
fn a_conflict_does_not_fail_a_create_an_update_or_a_delete() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    for code in CODES {
        let conflict = |method| Fault::error_response(409, code).method(method).times(2);
        for algorithm in ["AES256", "KMS"] {
            workspace.configure(&resource(algorithm));
            workspace.emulator.inject(conflict("PUT"));
            workspace.apply();
            assert_eq!(writes(&workspace), ["PUT demo 409", "PUT demo 409", "PUT demo 200"]);
        }
        workspace.emulator.inject(conflict("DELETE"));
        workspace.terraform(&["destroy", "-auto-approve", "-no-color"]).succeeds();
        assert_eq!(writes(&workspace), ["DELETE demo 409", "DELETE demo 409", "DELETE demo 204"]);
        assert!(workspace.emulator.rule("demo").is_none());
    }
}

#[test]
fn thirty_settings_of_one_bucket_are_applied_at_once() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let settings = (0..30)
        .map(|index| resource("AES256").replace("\"this\"", &format!("\"setting_{index}\"")));
    workspace.configure(&settings.collect::<String>());
    workspace.emulator.inject(Fault::conflicts(Duration::from_millis(20)));
    let parallel = ["-auto-approve", "-no-color", "-parallelism=30"];
    workspace.terraform(&[&["apply"], &parallel[..]].concat()).succeeds();
    assert_eq!(workspace.state().len(), 30);
    workspace.terraform(&[&["destroy"], &parallel[..]].concat()).succeeds();
    let writes = writes(&workspace);
    assert!(writes.iter().any(|call| call == "DELETE demo 409"), "they met: {writes:?}");
    assert_eq!(writes.iter().filter(|call| *call == "DELETE demo 204").count(), 30, "{writes:?}");
    assert!(workspace.emulator.rule("demo").is_none());
}
