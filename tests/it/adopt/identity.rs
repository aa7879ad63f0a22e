//! Resource identities, and imports by them.

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
    let mut host = unconfigured();
    let answer = host.get_resource_identity_schemas(request).await.unwrap().into_inner();
    let schema = &answer.identity_schemas[TYPE];
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
async fn read_plan_and_apply_answer_the_identity() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let state = aes256("demo", Some("cn-hangzhou"));
    let plan = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        proposed_new_state: Some(dynamic(&state)),
        config: Some(dynamic(&state)),
        ..Default::default()
    };
    let planned = host.plan_resource_change(plan.clone()).await.unwrap().into_inner();
    assert_eq!(shown(planned.planned_identity.as_ref()), "demo@cn-hangzhou");

    let apply = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        planned_state: planned.planned_state,
        config: Some(dynamic(&state)),
        planned_identity: planned.planned_identity,
        ..Default::default()
    };
    let applied = host.apply_resource_change(apply).await.unwrap().into_inner();
    assert_eq!(shown(applied.new_identity.as_ref()), "demo@cn-hangzhou");

    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: applied.new_state,
        ..Default::default()
    };
    let answer = host.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(shown(answer.new_identity.as_ref()), "demo@cn-hangzhou");

    // What cannot be read keeps the identity that is known.
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let current_identity = Some(identity("demo", Some("cn-hangzhou")));
    let refused = pb::read_resource::Request { current_identity, ..read };
    let answer = host.read_resource(refused).await.unwrap().into_inner();
    assert_eq!(shown(answer.new_identity.as_ref()), "demo@cn-hangzhou");

    // A bucket that is not known yet has no identity yet.
    let unknown = dynamic(&aes256(UNKNOWN, None));
    let plan = pb::plan_resource_change::Request {
        proposed_new_state: Some(unknown.clone()),
        config: Some(unknown),
        ..plan
    };
    let planned = host.plan_resource_change(plan).await.unwrap().into_inner();
    assert_eq!(shown(planned.planned_identity.as_ref()), "none");
}

#[tokio::test]
async fn an_object_keeps_its_identity_until_a_read_corrects_it() {
    let mut host = unconfigured();
    let plan = |bucket: &str, region: &str| pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&aes256("demo", None))),
        proposed_new_state: Some(dynamic(&aes256(bucket, Some(region)))),
        config: Some(dynamic(&aes256(bucket, Some(region)))),
        prior_identity: Some(identity("demo", None)),
        ..Default::default()
    };
    let moved = host.plan_resource_change(plan("demo", "cn-beijing")).await.unwrap().into_inner();
    assert_eq!(shown(moved.planned_identity.as_ref()), "demo@-");
    let replaced =
        host.plan_resource_change(plan("other", "cn-beijing")).await.unwrap().into_inner();
    assert_eq!(shown(replaced.planned_identity.as_ref()), "other@cn-beijing");
    let destroy = pb::plan_resource_change::Request {
        proposed_new_state: Some(dynamic(&Json::Null)),
        config: Some(dynamic(&Json::Null)),
        ..plan("demo", "cn-beijing")
    };
    let destroyed = host.plan_resource_change(destroy).await.unwrap().into_inner();
    assert_eq!(shown(destroyed.planned_identity.as_ref()), "demo@-");

    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let apply = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&aes256("demo", None))),
        planned_state: Some(dynamic(&aes256("demo", Some("cn-hangzhou")))),
        planned_identity: moved.planned_identity,
        ..Default::default()
    };
    let applied = host.apply_resource_change(apply).await.unwrap().into_inner();
    assert_eq!(diagnostics(&applied.diagnostics), NO_DIAGNOSTICS);
    assert_eq!(shown(applied.new_identity.as_ref()), "demo@-");
    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: applied.new_state,
        current_identity: applied.new_identity,
        ..Default::default()
    };
    let answer = host.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(shown(answer.new_identity.as_ref()), "demo@cn-hangzhou");
    // What is gone was what it was.
    emulator.remove_rule("demo");
    let answer = host.read_resource(read).await.unwrap().into_inner();
    assert_eq!(from_dynamic(answer.new_state.as_ref()), Json::Null);
    assert_eq!(shown(answer.new_identity.as_ref()), "demo@-");
}

#[tokio::test]
async fn an_import_by_identity_reads_the_bucket_at_its_region() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let config = config.with_bucket("demo").with_bucket_in("far", "cn-beijing");
    let emulator = Emulator::start(config).unwrap();
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.set_rule("far", EncryptionRule::new("KMS"));
    let mut host = configured(&emulator).await;
    let import = |identity| pb::import_resource_state::Request {
        type_name: TYPE.into(),
        identity: Some(identity),
        ..Default::default()
    };
    for (bucket, region, algorithm) in [("demo", None, "SM4"), ("far", Some("cn-beijing"), "KMS")] {
        let request = import(identity(bucket, region));
        let answer = host.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
        let imported = &answer.imported_resources[0];
        let state = from_dynamic(imported.state.as_ref());
        // How the configuration spells "not set" is not known, and `""` fits both ways.
        let place = (&json!(bucket), &json!(region.unwrap_or_default()));
        assert_eq!((&state["bucket"], &state["region"]), place);
        assert_eq!(state["sse_algorithm"], algorithm);
        assert_eq!(imported.identity, Some(identity(bucket, region)));
    }
    for (bucket, region) in [("a.evil.example/", None), ("demo", Some("c/n"))] {
        let request = import(identity(bucket, region));
        let answer = host.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), ["error: Invalid identity"]);
    }
    let malformed = pb::ResourceIdentityData { identity_data: Some(dynamic(&json!({ "x": 1 }))) };
    let answer = host.import_resource_state(import(malformed)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: Unexpected identity"]);
}

#[tokio::test]
async fn stored_identities_are_read_whatever_version_wrote_them() {
    let mut host = unconfigured();
    let upgrade = |json: &str, version| pb::upgrade_resource_identity::Request {
        type_name: TYPE.into(),
        version,
        raw_identity: Some(pb::RawState { json: json.into(), ..Default::default() }),
    };
    let stored = upgrade(r#"{"bucket":"demo","from_the_future":true}"#, 0);
    let answer = host.upgrade_resource_identity(stored).await.unwrap().into_inner();
    assert_eq!(shown(answer.upgraded_identity.as_ref()), "demo@-");
    for (json, version, expected) in [
        ("{}", 1, "error: Resource instance managed by newer provider version"),
        ("{", 0, "error: Invalid stored identity"),
        ("", 0, "error: Unsupported stored identity"),
        (r#"{"bucket":1}"#, 0, "error: Unexpected stored identity"),
        ("[]", 0, "error: Unexpected stored identity"),
    ] {
        let answer = host.upgrade_resource_identity(upgrade(json, version)).await.unwrap();
        assert_eq!(diagnostics(&answer.into_inner().diagnostics), [expected]);
    }
}
