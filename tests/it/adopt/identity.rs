//! Resource identities, and imports by identity.

use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, aes256, identity, shown};
use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, UNKNOWN, configured, diagnostics, dynamic, emulator, from_dynamic,
    unconfigured,
};

#[tokio::test]
async fn the_identity_is_bucket_and_region() {
    let request = pb::get_resource_identity_schemas::Request {};
    let mut client = unconfigured();
    let response = client.get_resource_identity_schemas(request).await.unwrap().into_inner();
    let schema = &response.identity_schemas[TYPE];
    let attributes: Vec<_> = schema
        .identity_attributes
        .iter()
        .map(|attribute| {
            assert_eq!(attribute.r#type, b"\"string\"");
            let (required, optional) =
                (attribute.required_for_import, attribute.optional_for_import);
            (attribute.name.as_str(), required, optional)
        })
        .collect();
    assert_eq!(attributes, [("bucket", true, false), ("region", false, true)]);
}

#[tokio::test]
async fn read_plan_and_apply_return_the_identity() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let state = aes256("demo", Some("cn-hangzhou"));
    let plan = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        proposed_new_state: Some(dynamic(&state)),
        config: Some(dynamic(&state)),
        ..Default::default()
    };
    let planned = client.plan_resource_change(plan.clone()).await.unwrap().into_inner();
    assert_eq!(shown(planned.planned_identity.as_ref()), "demo@cn-hangzhou");

    let apply = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        planned_state: planned.planned_state,
        config: Some(dynamic(&state)),
        planned_identity: planned.planned_identity,
        ..Default::default()
    };
    let applied = client.apply_resource_change(apply).await.unwrap().into_inner();
    assert_eq!(shown(applied.new_identity.as_ref()), "demo@cn-hangzhou");

    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: applied.new_state,
        ..Default::default()
    };
    let response = client.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(shown(response.new_identity.as_ref()), "demo@cn-hangzhou");

    // After an error, the identity is kept.
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let current_identity = Some(identity("demo", Some("cn-hangzhou")));
    let invalid = pb::read_resource::Request { current_identity, ..read };
    let response = client.read_resource(invalid).await.unwrap().into_inner();
    assert_eq!(shown(response.new_identity.as_ref()), "demo@cn-hangzhou");

    // An unknown bucket has no identity yet.
    let unknown = dynamic(&aes256(UNKNOWN, None));
    let plan = pb::plan_resource_change::Request {
        proposed_new_state: Some(unknown.clone()),
        config: Some(unknown),
        ..plan
    };
    let planned = client.plan_resource_change(plan).await.unwrap().into_inner();
    assert_eq!(shown(planned.planned_identity.as_ref()), "none");
}

#[tokio::test]
async fn an_object_keeps_its_identity_until_a_read_corrects_it() {
    let mut client = unconfigured();
    let plan = |bucket: &str, region: &str| pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&aes256("demo", None))),
        proposed_new_state: Some(dynamic(&aes256(bucket, Some(region)))),
        config: Some(dynamic(&aes256(bucket, Some(region)))),
        prior_identity: Some(identity("demo", None)),
        ..Default::default()
    };
    let moved = client.plan_resource_change(plan("demo", "cn-beijing")).await.unwrap().into_inner();
    assert_eq!(shown(moved.planned_identity.as_ref()), "demo@-");
    let replaced =
        client.plan_resource_change(plan("other", "cn-beijing")).await.unwrap().into_inner();
    assert_eq!(shown(replaced.planned_identity.as_ref()), "other@cn-beijing");
    let destroy = pb::plan_resource_change::Request {
        proposed_new_state: Some(dynamic(&Json::Null)),
        config: Some(dynamic(&Json::Null)),
        ..plan("demo", "cn-beijing")
    };
    let destroyed = client.plan_resource_change(destroy).await.unwrap().into_inner();
    assert_eq!(shown(destroyed.planned_identity.as_ref()), "demo@-");

    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let apply = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&aes256("demo", None))),
        planned_state: Some(dynamic(&aes256("demo", Some("cn-hangzhou")))),
        planned_identity: moved.planned_identity,
        ..Default::default()
    };
    let applied = client.apply_resource_change(apply).await.unwrap().into_inner();
    assert_eq!(diagnostics(&applied.diagnostics), NO_DIAGNOSTICS);
    assert_eq!(shown(applied.new_identity.as_ref()), "demo@-");
    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: applied.new_state,
        current_identity: applied.new_identity,
        ..Default::default()
    };
    let response = client.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(shown(response.new_identity.as_ref()), "demo@cn-hangzhou");
    // A deleted object keeps its identity.
    emulator.remove_rule("demo");
    let response = client.read_resource(read).await.unwrap().into_inner();
    assert_eq!(from_dynamic(response.new_state.as_ref()), Json::Null);
    assert_eq!(shown(response.new_identity.as_ref()), "demo@-");
}

#[tokio::test]
async fn an_import_by_identity_reads_the_bucket_in_its_region() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let config = config.with_bucket("demo").with_bucket_in("far", "cn-beijing");
    let emulator = Emulator::start(config).unwrap();
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.set_rule("far", EncryptionRule::new("KMS"));
    let mut client = configured(&emulator).await;
    let import = |identity| pb::import_resource_state::Request {
        type_name: TYPE.into(),
        identity: Some(identity),
        ..Default::default()
    };
    for (bucket, region, algorithm) in [("demo", None, "SM4"), ("far", Some("cn-beijing"), "KMS")] {
        let request = import(identity(bucket, region));
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
        let imported = &response.imported_resources[0];
        let state = from_dynamic(imported.state.as_ref());
        // Fits configurations with and without the arguments.
        let place = (&json!(bucket), &json!(region.unwrap_or_default()));
        assert_eq!((&state["bucket"], &state["region"]), place);
        assert_eq!(state["sse_algorithm"], algorithm);
        assert_eq!(imported.identity, Some(identity(bucket, region)));
    }
    for (bucket, region) in [("a.evil.example/", None), ("demo", Some("c/n"))] {
        let request = import(identity(bucket, region));
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), ["error: Invalid identity"]);
    }
    let malformed = pb::ResourceIdentityData { identity_data: Some(dynamic(&json!({ "x": 1 }))) };
    let response = client.import_resource_state(import(malformed)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), ["error: Unexpected identity"]);
}

#[tokio::test]
async fn stored_identities_of_other_versions_are_read() {
    let mut client = unconfigured();
    let upgrade = |json: &str, version| pb::upgrade_resource_identity::Request {
        type_name: TYPE.into(),
        version,
        raw_identity: Some(pb::RawState { json: json.into(), ..Default::default() }),
    };
    let stored = upgrade(r#"{"bucket":"demo","from_the_future":true}"#, 0);
    let response = client.upgrade_resource_identity(stored).await.unwrap().into_inner();
    assert_eq!(shown(response.upgraded_identity.as_ref()), "demo@-");
    for (json, version, expected) in [
        ("{}", 1, "error: Resource instance managed by newer provider version"),
        ("{", 0, "error: Invalid stored identity"),
        ("", 0, "error: Unsupported stored identity"),
        (r#"{"bucket":1}"#, 0, "error: Unexpected stored identity"),
        ("[]", 0, "error: Unexpected stored identity"),
    ] {
        let response = client.upgrade_resource_identity(upgrade(json, version)).await.unwrap();
        assert_eq!(diagnostics(&response.into_inner().diagnostics), [expected]);
    }
}
