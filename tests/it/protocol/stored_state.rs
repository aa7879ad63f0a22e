//! Imports, and states as they are stored.

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::apply::calls;
use super::{NO_DIAGNOSTICS, kms};
use crate::support::{
    TYPE, TestClient, configured, diagnostics, emulator, from_dynamic, resource, unconfigured,
};

pub(super) async fn import(
    host: &mut TestClient<OssProvider>,
    id: &str,
) -> pb::import_resource_state::Response {
    let request = pb::import_resource_state::Request {
        type_name: TYPE.into(),
        id: id.into(),
        ..Default::default()
    };
    host.import_resource_state(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_import_id_is_a_bucket_with_or_without_region() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    let mut host = configured(&emulator).await;
    for (id, region) in [("demo", Json::from("")), ("demo@cn-hangzhou", Json::from("cn-hangzhou"))]
    {
        let answer = import(&mut host, id).await;
        assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
        let state = from_dynamic(answer.imported_resources[0].state.as_ref());
        let expected = resource(json!({ "bucket": "demo", "id": "demo", "region": region,
            "sse_algorithm": "SM4", "kms_master_key_id": "", "kms_data_encryption": "" }));
        assert_eq!(state, expected);
    }
    calls(&emulator);
    for id in ["", "Bad_Name", "demo@", "demo@CN", "acs:oss:demo", "a@b@c"] {
        let answer = import(&mut host, id).await;
        assert_eq!(diagnostics(&answer.diagnostics), ["error: Invalid import ID"], "{id}");
        assert_eq!(answer.imported_resources, []);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn importing_what_is_not_there_says_what_is_missing() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    for (id, expected) in [
        ("demo", "error: Bucket demo has no encryption to import"),
        ("no-such-bucket", "error: Bucket no-such-bucket does not exist"),
    ] {
        let answer = import(&mut host, id).await;
        assert_eq!(diagnostics(&answer.diagnostics), [expected]);
        assert_eq!(answer.imported_resources, []);
    }
}

#[tokio::test]
async fn stored_state_is_read_whatever_version_wrote_it() {
    let upgrade = |json: &str, version| {
        let raw_state = Some(pb::RawState { json: json.into(), ..Default::default() });
        let type_name = TYPE.into();
        pb::upgrade_resource_state::Request { type_name, version, raw_state }
    };
    let mut host = unconfigured();
    let stored = r#"{"bucket":"demo","id":"demo","sse_algorithm":"KMS","from_the_future":true}"#;
    let answer = host.upgrade_resource_state(upgrade(stored, 0)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    assert_eq!(from_dynamic(answer.upgraded_state.as_ref()), kms("demo"));
    let answer = host.upgrade_resource_state(upgrade(stored, 7)).await.unwrap().into_inner();
    assert_eq!(
        diagnostics(&answer.diagnostics),
        ["error: Resource instance managed by newer provider version"]
    );
    let answer = host.upgrade_resource_state(upgrade("{", 0)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: Invalid stored state"]);
}
