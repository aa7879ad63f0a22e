//! A setting that one address gives up and another one takes while a provider is configured, that is in one run.

use std::time::Duration;

use oss_emulator::{EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::apply::calls;
use super::{NO_DIAGNOSTICS, aes256, apply, kms};
use crate::support::{TYPE, configuration, configured, diagnostics, dynamic, emulator};

#[tokio::test]
async fn a_setting_that_was_created_is_not_deleted_for_another_address() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let mut client = configured(&emulator).await;
    let state = aes256("demo");
    let (new, found) = apply(&mut client, &Json::Null, &state).await;
    assert_eq!(
        (new, diagnostics(&found)),
        (state.clone(), NO_DIAGNOSTICS.map(String::from).into())
    );
    let (new, found) = apply(&mut client, &state, &Json::Null).await;
    assert_eq!(new, Json::Null);
    assert_eq!(diagnostics(&found), ["warning: The encryption of bucket demo was kept"]);
    assert_eq!(calls(&emulator), ["GET 200"]);

    // The next run.
    client.configure_provider(configuration(&emulator)).await.unwrap();
    let (new, found) = apply(&mut client, &state, &Json::Null).await;
    assert_eq!((new, diagnostics(&found)), (Json::Null, NO_DIAGNOSTICS.map(String::from).into()));
    assert_eq!(calls(&emulator), ["DELETE 204"]);
}

#[tokio::test]
async fn a_create_and_a_delete_at_once_leave_the_setting() {
    let emulator = emulator(&["demo"]);
    for is_create_first in [true, false] {
        emulator.set_rule("demo", EncryptionRule::new("AES256"));
        let client = configured(&emulator).await;
        let state = aes256("demo");
        let [mut one, mut other] = [client.clone(), client];
        let create = apply(&mut one, &Json::Null, &state);
        let delete = apply(&mut other, &state, &Json::Null);
        if is_create_first {
            tokio::join!(create, delete);
        } else {
            tokio::join!(delete, create);
        }
        assert_eq!(emulator.rule("demo"), Some(EncryptionRule::new("AES256")));
    }
}

/// A host may use one configured provider for several operations on an object.
#[tokio::test]
async fn an_object_that_was_created_can_be_deleted_and_created_again() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    for state in [aes256("demo"), kms("demo")] {
        let request = pb::apply_resource_change::Request {
            type_name: TYPE.into(),
            prior_state: Some(dynamic(&Json::Null)),
            planned_state: Some(dynamic(&state)),
            ..Default::default()
        };
        let created = client.apply_resource_change(request).await.unwrap().into_inner();
        assert_eq!(created.diagnostics, []);
        assert!(emulator.rule("demo").is_some());
        let request = pb::apply_resource_change::Request {
            type_name: TYPE.into(),
            prior_state: created.new_state,
            planned_state: Some(dynamic(&Json::Null)),
            planned_private: created.private,
            ..Default::default()
        };
        let deleted = client.apply_resource_change(request).await.unwrap().into_inner();
        assert_eq!(deleted.diagnostics, []);
        assert_eq!(emulator.rule("demo"), None);
    }
}

/// OSS is eventually consistent: a read may return what was deleted.
#[tokio::test]
async fn a_create_after_a_delete_does_not_trust_a_read() {
    let emulator = emulator(&["demo"]);
    for planned in [aes256("demo"), kms("demo")] {
        emulator.set_rule("demo", EncryptionRule::new("AES256"));
        let mut client = configured(&emulator).await;
        emulator.inject(Fault::stale_reads(2).method("DELETE"));
        apply(&mut client, &aes256("demo"), &Json::Null).await;
        let (new, found) = apply(&mut client, &Json::Null, &planned).await;
        assert_eq!(
            (&new, diagnostics(&found)),
            (&planned, NO_DIAGNOSTICS.map(String::from).into())
        );
        let rule = emulator.rule("demo").unwrap();
        assert_eq!(rule.sse_algorithm, planned["sse_algorithm"].as_str().unwrap());
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn a_setting_that_was_changed_is_not_deleted_for_another_address() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let mut client = configured(&emulator).await;
    apply(&mut client, &aes256("demo"), &kms("demo")).await;
    let (_, found) = apply(&mut client, &aes256("demo"), &Json::Null).await;
    assert_eq!(diagnostics(&found), ["warning: The encryption of bucket demo was kept"]);
    assert_eq!(emulator.rule("demo").unwrap().sse_algorithm, "KMS");
}

#[tokio::test]
async fn a_setting_whose_create_failed_after_the_write_is_not_deleted_either() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.inject(Fault::stale_reads(1_000_000).method("PUT"));
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (new, found) = apply(&mut client, &Json::Null, &planned).await;
    assert_eq!((new, found.len()), (Json::Null, 1));
    let (_, found) = apply(&mut client, &aes256("demo"), &Json::Null).await;
    assert_eq!(diagnostics(&found), ["warning: The encryption of bucket demo was kept"]);
    emulator.clear_faults();
    assert!(emulator.rule("demo").is_some());
}

#[tokio::test]
async fn an_operation_waits_for_another_one_until_its_deadline() {
    let emulator = emulator(&["demo"]);
    let client = configured(&emulator).await;
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("DELETE"));
    let (mut one, mut other) = (client.clone(), client);
    let delete = tokio::spawn(async move {
        apply(&mut one, &aes256("demo"), &Json::Null).await;
    });
    while emulator.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (new, found) = apply(&mut other, &Json::Null, &planned).await;
    assert_eq!(new, Json::Null);
    assert_eq!(diagnostics(&found), ["error: The encryption of bucket demo is being changed"]);
    delete.abort();
}

#[tokio::test]
async fn a_second_resource_with_another_setting_is_an_error() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    apply(&mut client, &Json::Null, &aes256("demo")).await;
    let (new, found) = apply(&mut client, &Json::Null, &kms("demo")).await;
    assert_eq!(new, Json::Null);
    let expected = ["error: Another resource sets the encryption of bucket demo"];
    assert_eq!(diagnostics(&found), expected);
    assert_eq!(emulator.rule("demo"), Some(EncryptionRule::new("AES256")));
}
