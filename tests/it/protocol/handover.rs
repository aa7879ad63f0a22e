//! A setting that one address gives up and another one takes while a provider is configured, that is in one run.

use oss_emulator::EncryptionRule;
use serde_json::Value as Json;

use super::apply::calls;
use super::{NO_DIAGNOSTICS, aes256, apply, kms};
use crate::support::{configuration, configured, diagnostics, emulator};

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
