//! How rules that exist already get under Terraform's care: identities, imports by them, moves from
//! another provider, searches, generated configuration. Newer hosts than those at hand ask for most of
//! this; the calls here are those that they make.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::StreamExt as _;
use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;
use tokio::io::AsyncWriteExt as _;

use super::hostile_service::{server, with_body};
use super::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, UNKNOWN, configured, configured_without_retries,
    diagnostics, dynamic, emulator, from_dynamic, provider_config, resource, unconfigured,
};
use terraform_provider_oss::provider::OssProvider;

const NO_DIAGNOSTICS: [&str; 0] = [];

fn identity(bucket: &str, region: Option<&str>) -> pb::ResourceIdentityData {
    let identity = json!({ "bucket": bucket, "region": region });
    pb::ResourceIdentityData { identity_data: Some(dynamic(&identity)) }
}

/// An identity as `bucket@region`.
fn shown(identity: Option<&pb::ResourceIdentityData>) -> String {
    let Some(identity) = identity else { return "none".to_owned() };
    let identity = from_dynamic(identity.identity_data.as_ref());
    let region = identity["region"].as_str().unwrap_or("-");
    format!("{}@{region}", identity["bucket"].as_str().unwrap())
}

fn aes256(bucket: &str, region: Option<&str>) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256", "region": region }))
}

// ---- identity --------------------------------------------------------------------------------

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
        ("{}", 1, "error: State of a newer provider version"),
        ("{", 0, "error: Unreadable stored identity"),
        ("", 0, "error: Unsupported stored identity"),
        (r#"{"bucket":1}"#, 0, "error: Unexpected stored identity"),
        ("[]", 0, "error: Unexpected stored identity"),
    ] {
        let answer = host.upgrade_resource_identity(upgrade(json, version)).await.unwrap();
        assert_eq!(diagnostics(&answer.into_inner().diagnostics), [expected]);
    }
}

// ---- moves -----------------------------------------------------------------------------------

fn move_request(
    provider: &str,
    source_type: &str,
    state: &str,
) -> pb::move_resource_state::Request {
    pb::move_resource_state::Request {
        source_provider_address: provider.into(),
        source_type_name: source_type.into(),
        source_state: Some(pb::RawState { json: state.into(), ..Default::default() }),
        source_private: b"timeouts of another provider".to_vec(),
        target_type_name: TYPE.into(),
        ..Default::default()
    }
}

const ALICLOUD: &str = "registry.terraform.io/aliyun/alicloud";
const ALICLOUD_TYPE: &str = "alicloud_oss_bucket_server_side_encryption";

#[tokio::test]
async fn a_rule_of_the_alicloud_provider_moves_without_a_configuration() {
    let mut host = unconfigured();
    let state = r#"{"bucket":"demo","id":"demo","kms_data_encryption":"SM4",
        "kms_master_key_id":"9468da86","sse_algorithm":"KMS","timeouts":{"create":"10m"}}"#;
    let request = move_request(ALICLOUD, ALICLOUD_TYPE, state);
    let answer = host.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    let timeouts = json!({ "create": "10m", "read": null, "update": null, "delete": null });
    let expected =
        resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS", "region": "",
        "kms_master_key_id": "9468da86", "kms_data_encryption": "SM4", "timeouts": timeouts }));
    assert_eq!(from_dynamic(answer.target_state.as_ref()), expected);
    assert_eq!(shown(answer.target_identity.as_ref()), "demo@-");
    assert!(answer.target_private.is_empty());
}

#[tokio::test]
async fn every_version_of_the_alicloud_provider_is_taken_over() {
    let mut host = unconfigured();
    for (provider, source_schema_version) in [
        (ALICLOUD, 1),
        ("registry.terraform.io/hashicorp/alicloud", 0),
        ("mirror.example.com/aliyun/alicloud", 3),
    ] {
        let state = r#"{"id":"demo","sse_algorithm":"AES256","of_that_version":[1]}"#;
        let request = move_request(provider, ALICLOUD_TYPE, state);
        let request = pb::move_resource_state::Request { source_schema_version, ..request };
        let answer = host.move_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
        let state = from_dynamic(answer.target_state.as_ref());
        assert_eq!((&state["bucket"], &state["sse_algorithm"]), (&json!("demo"), &json!("AES256")));
    }
}

/// What Terraform 0.11 and older stored.
#[tokio::test]
async fn a_flat_map_is_refused() {
    let mut host = unconfigured();
    let raw = || {
        let flatmap = [("bucket".to_owned(), "demo".to_owned())].into();
        Some(pb::RawState { flatmap, ..Default::default() })
    };
    let request = pb::move_resource_state::Request {
        source_state: raw(),
        ..move_request(ALICLOUD, ALICLOUD_TYPE, "")
    };
    let moved = host.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&moved.diagnostics), ["error: Unsupported source state"]);
    let type_name = TYPE.to_owned();
    let request = pb::upgrade_resource_state::Request { type_name, version: 0, raw_state: raw() };
    let upgraded = host.upgrade_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&upgraded.diagnostics), ["error: Unsupported stored state"]);
    let detail = &upgraded.diagnostics[0].detail;
    assert!(detail.contains("Terraform 0.11 or older"), "{detail}");
}

#[tokio::test]
async fn what_cannot_be_moved_is_told_what_can() {
    let mut host = unconfigured();
    for (provider, source_type, state, expected) in [
        (ALICLOUD, "alicloud_oss_bucket", "{}", "error: This resource cannot be moved"),
        (
            "registry.terraform.io/hashicorp/aws",
            "aws_s3_bucket_server_side_encryption_configuration",
            "{}",
            "error: This resource cannot be moved",
        ),
        (ALICLOUD, ALICLOUD_TYPE, "null", "error: This resource cannot be moved"),
        (ALICLOUD, ALICLOUD_TYPE, "{", "error: Unreadable source state"),
        (ALICLOUD, ALICLOUD_TYPE, "", "error: Unsupported source state"),
    ] {
        let request = move_request(provider, source_type, state);
        let answer = host.move_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), [expected]);
        assert_eq!(answer.target_state, None);
    }
    let absent =
        pb::move_resource_state::Request { target_type_name: TYPE.into(), ..Default::default() };
    let answer = host.move_resource_state(absent).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: Missing source state"]);
}

// ---- generated configuration -----------------------------------------------------------------

#[tokio::test]
async fn generated_configuration_has_neither_computed_nor_empty_values() {
    let mut host = unconfigured();
    let timeouts =
        |create| json!({ "create": create, "read": "5s", "update": null, "delete": null });
    let state = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
        "kms_master_key_id": "", "kms_data_encryption": "SM4", "timeouts": timeouts(json!("")) }));
    let request = pb::generate_resource_config::Request {
        type_name: TYPE.into(),
        state: Some(dynamic(&state)),
    };
    let answer = host.generate_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    let expected = resource(json!({ "bucket": "demo", "sse_algorithm": "KMS",
        "kms_data_encryption": "SM4", "timeouts": timeouts(Json::Null) }));
    assert_eq!(from_dynamic(answer.config.as_ref()), expected);
}

/// The calls of `terraform query -generate-config-out` and of the plan that takes over what it found.
#[tokio::test]
async fn what_a_search_finds_is_imported_as_generated_and_plans_no_change() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names = ["b-aes256", "b-kms", "b-kms-with-key", "b-sm4"];
    let config = names.iter().fold(config, |config, name| config.with_bucket(name));
    let emulator = Emulator::start(config.with_bucket_in("c-far", "cn-beijing")).unwrap();
    let mut with_key = EncryptionRule::new("KMS");
    with_key.kms_master_key_id = Some("9468da86".to_owned());
    with_key.kms_data_encryption = Some("SM4".to_owned());
    emulator.set_rule("b-aes256", EncryptionRule::new("AES256"));
    emulator.set_rule("b-kms", EncryptionRule::new("KMS"));
    emulator.set_rule("b-kms-with-key", with_key);
    emulator.set_rule("b-sm4", EncryptionRule::new("SM4"));
    emulator.set_rule("c-far", EncryptionRule::new("SM4"));
    let mut host = configured(&emulator).await;
    let type_name = || TYPE.to_owned();

    let mut found = host.list_resource(list_request(&json!({}), 100)).await.unwrap().into_inner();
    let mut taken_over = Vec::new();
    while let Some(event) = found.message().await.unwrap() {
        assert_eq!(diagnostics(&event.diagnostic), NO_DIAGNOSTICS);
        let generate = pb::generate_resource_config::Request {
            type_name: type_name(),
            state: event.resource_object,
        };
        let generated = host.generate_resource_config(generate).await.unwrap().into_inner().config;
        let validate = pb::validate_resource_config::Request {
            type_name: type_name(),
            config: generated.clone(),
            ..Default::default()
        };
        let valid = host.validate_resource_config(validate).await.unwrap().into_inner();
        assert_eq!(diagnostics(&valid.diagnostics), NO_DIAGNOSTICS);

        let import = pb::import_resource_state::Request {
            type_name: type_name(),
            identity: event.identity.clone(),
            ..Default::default()
        };
        let imported = host.import_resource_state(import).await.unwrap().into_inner();
        let imported = imported.imported_resources.into_iter().next().unwrap();
        let read = pb::read_resource::Request {
            type_name: type_name(),
            current_state: imported.state,
            current_identity: imported.identity,
            ..Default::default()
        };
        let read = host.read_resource(read).await.unwrap().into_inner();
        let plan = pb::plan_resource_change::Request {
            type_name: type_name(),
            prior_state: read.new_state.clone(),
            // Terraform proposes prior values for what is computed and not configured.
            proposed_new_state: read.new_state.clone(),
            config: generated,
            prior_identity: read.new_identity.clone(),
            ..Default::default()
        };
        let planned = host.plan_resource_change(plan).await.unwrap().into_inner();
        assert_eq!(
            from_dynamic(planned.planned_state.as_ref()),
            from_dynamic(read.new_state.as_ref())
        );
        assert_eq!(planned.requires_replace, []);
        assert_eq!(planned.planned_identity, event.identity, "the same object all the way");
        taken_over.push(shown(planned.planned_identity.as_ref()));
    }
    let expected = ["b-aes256@-", "b-kms@-", "b-kms-with-key@-", "b-sm4@-", "c-far@cn-beijing"];
    assert_eq!(taken_over, expected);
}

// ---- searches --------------------------------------------------------------------------------

/// What a search finds, an event a line.
async fn search(host: &mut TestClient<OssProvider>, config: Json, limit: i64) -> Vec<String> {
    let request = list_request(&config, limit);
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        lines.push(match diagnostics(&event.diagnostic).first() {
            Some(message) => {
                assert_eq!(event.identity, None, "a message alone is shown and skipped");
                message.clone()
            }
            None => format!("{} = {}", event.display_name, shown(event.identity.as_ref())),
        });
    }
    lines
}

fn list_request(config: &Json, limit: i64) -> pb::list_resource::Request {
    let mut whole = json!({ "prefix": null, "region": null });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    pb::list_resource::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&whole)),
        include_resource_object: true,
        limit,
    }
}

/// Buckets in two regions, all but one with a rule.
fn account() -> Emulator {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let config = ["app-a", "app-b", "app-plain"]
        .iter()
        .fold(config, |config, name| config.with_bucket(name))
        .with_bucket_in("app-far", "cn-beijing")
        .with_bucket("web");
    let emulator = Emulator::start(config).unwrap();
    for name in ["app-a", "app-b", "app-far", "web"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    emulator
}

#[tokio::test]
async fn a_search_finds_every_bucket_with_a_rule_at_its_own_region() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    assert_eq!(
        search(&mut host, json!({}), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing", "web = web@-"]
    );
    assert_eq!(
        search(&mut host, json!({ "prefix": "app-" }), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing"]
    );
    assert_eq!(
        search(&mut host, json!({ "region": "cn-beijing" }), 100).await,
        ["app-far = app-far@cn-beijing"]
    );
    assert_eq!(search(&mut host, json!({ "prefix": "none" }), 100).await, NO_DIAGNOSTICS);
}

#[tokio::test]
async fn a_search_ends_at_its_limit_without_asking_for_more() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    assert_eq!(search(&mut host, json!({}), 2).await, ["app-a = app-a@-", "app-b = app-b@-"]);
    let many: Vec<String> = (0..40).map(|number| format!("many-{number:02}")).collect();
    for name in &many {
        emulator.set_rule(name, EncryptionRule::new("SM4"));
    }
    emulator.clear_exchanges();
    assert_eq!(search(&mut host, json!({ "prefix": "many-" }), 3).await.len(), 3);
    let asked = emulator.exchanges().len();
    assert!(asked <= 1 + 3 + 8, "{asked} calls: a list, the results, and those under way");
}

#[tokio::test]
async fn a_search_gives_the_object_when_it_is_asked_for() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    let request = list_request(&json!({ "prefix": "app-far" }), 100);
    for include_resource_object in [true, false] {
        let request = pb::list_resource::Request { include_resource_object, ..request.clone() };
        let mut events = host.list_resource(request).await.unwrap().into_inner();
        let event = events.message().await.unwrap().unwrap();
        let expected =
            resource(json!({ "bucket": "app-far", "id": "app-far", "region": "cn-beijing",
            "sse_algorithm": "AES256", "kms_master_key_id": "", "kms_data_encryption": "" }));
        let object = event.resource_object.map(|object| from_dynamic(Some(&object)));
        assert_eq!(object, include_resource_object.then_some(expected));
    }
}

#[tokio::test]
async fn one_bucket_that_cannot_be_read_is_a_warning() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(403, "AccessDenied").bucket("app-b"));
    assert_eq!(
        search(&mut host, json!({ "prefix": "app-" }), 100).await,
        ["app-a = app-a@-", "warning: Bucket app-b was skipped", "app-far = app-far@cn-beijing"]
    );
}

#[tokio::test]
async fn a_list_that_is_refused_is_an_error() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    let mut events = host.list_resource(list_request(&json!({}), 1)).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: Cannot list buckets"]);
    assert!(
        event.diagnostic[0].detail.contains("oss:ListBuckets"),
        "{}",
        event.diagnostic[0].detail
    );
    assert!(events.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_search_asks_eight_buckets_at_once_and_ends_with_its_caller() {
    let emulator = account();
    for number in 0..40 {
        emulator.set_rule(&format!("many-{number:02}"), EncryptionRule::new("SM4"));
    }
    let slow = Fault::delay(std::time::Duration::from_mins(5));
    emulator.inject(slow.operation("GetBucketEncryption").forever());
    let mut host = configured(&emulator).await;
    let events = host.list_resource(list_request(&json!({}), 100)).await.unwrap().into_inner();
    let mut events = Box::pin(events);
    // Polled until all that can be asked was asked; none is answered.
    let first = events.next();
    let asked = async {
        while emulator.exchanges().len() < 1 + 8 {
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::select(Box::pin(first), Box::pin(asked)).await;
    drop(events);
    assert_eq!(emulator.exchanges().len(), 1 + 8);
}

#[tokio::test]
async fn a_search_goes_through_all_pages() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    for name in ["many-0000", "many-0999", "many-1002"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    let mut host = configured(&emulator).await;
    assert_eq!(
        search(&mut host, json!({}), 0).await,
        ["many-0000 = many-0000@-", "many-0999 = many-0999@-", "many-1002 = many-1002@-"]
    );
    let lists = emulator.exchanges().into_iter();
    let lists = lists.filter(|exchange| exchange.operation.as_deref() == Some("ListBuckets"));
    assert_eq!(lists.count(), 2);
}

#[tokio::test]
async fn a_page_that_fails_ends_a_search_after_what_was_found_before() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    emulator.set_rule("many-0000", EncryptionRule::new("AES256"));
    emulator.set_rule("many-0999", EncryptionRule::new("AES256"));
    let mut host = configured(&emulator).await;
    let second_fails = || {
        emulator.inject(Fault::delay(std::time::Duration::ZERO).operation("ListBuckets"));
        emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    };
    let found = ["many-0000 = many-0000@-", "many-0999 = many-0999@-"];
    second_fails();
    let [first, last] = found;
    assert_eq!(search(&mut host, json!({}), 0).await, [first, last, "error: Cannot list buckets"]);
    // Who wants no more does not hear of it.
    emulator.clear_faults();
    second_fails();
    assert_eq!(search(&mut host, json!({}), 1).await, [first]);
    assert_eq!(
        search(&mut host, json!({ "prefix": "many-0000" }), 0).await,
        ["error: Cannot list buckets"]
    );
}

/// A service whose buckets all have a rule, and that answers these pages, the last one again and again:
/// buckets as XML, and where the list goes on. Its host.
async fn host_of(pages: &[(&str, Option<&str>)]) -> TestClient<OssProvider> {
    let page = |(buckets, next): &(&str, Option<&str>)| {
        let next = next.map_or_else(String::new, |marker| {
            format!("<IsTruncated>true</IsTruncated><NextMarker>{marker}</NextMarker>")
        });
        let buckets = format!("<Buckets>{buckets}</Buckets>");
        with_body(&format!("<ListAllMyBucketsResult>{next}{buckets}</ListAllMyBucketsResult>"))
    };
    let mut pages: VecDeque<String> = pages.iter().map(page).collect();
    let last = pages.pop_back().unwrap();
    let pages = Mutex::new(pages);
    let rule = "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>\
                <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                </ServerSideEncryptionRule>";
    let address = server(move |request, mut stream| {
        let answer = if request.starts_with("GET /?") {
            pages.lock().unwrap().pop_front().unwrap_or_else(|| last.clone())
        } else {
            with_body(rule)
        };
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let mut host = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": format!("http://{}", address.await),
        "max_retries": 0, "access_key": KEY_ID, "secret_key": KEY_SECRET });
    let config = Some(provider_config(arguments));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    host.configure_provider(request).await.unwrap();
    host
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error() {
    let bucket = "<Bucket><Name>b-1</Name><Region>cn-hangzhou</Region></Bucket>";
    for next in ["b-1", "a"] {
        let mut host = host_of(&[(bucket, Some("b-1")), (bucket, Some(next))]).await;
        let found = search(&mut host, json!({}), 0).await;
        assert_eq!(found, ["b-1 = b-1@-", "error: Cannot list buckets"]);
    }
}

#[tokio::test]
async fn buckets_with_odd_names_or_places_are_not_lost_silently() {
    let odd = "<Bucket><Name>Old_Name</Name><Region>cn-hangzhou</Region></Bucket>\
               <Bucket><Name>nowhere</Name><Location>elsewhere</Location></Bucket>\
               <Bucket><Name>far</Name><Location>oss-cn-beijing</Location></Bucket>";
    let mut host = host_of(&[(odd, None)]).await;
    let warning = "warning: Bucket Old_Name was skipped";
    // Where a place is not told, the provider's region is asked.
    let (nowhere, far) = ("nowhere = nowhere@-", "far = far@cn-beijing");
    assert_eq!(search(&mut host, json!({}), 0).await, [warning, nowhere, far]);
    assert_eq!(search(&mut host, json!({ "region": "cn-beijing" }), 0).await, [far]);
    assert_eq!(search(&mut host, json!({ "region": "cn-hangzhou" }), 0).await, [warning]);
}

#[tokio::test]
async fn a_search_without_a_limit_finds_all_and_one_with_a_limit_of_one_finds_one() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    for (limit, expected) in [(0, 4), (-1, 4), (1, 1), (3, 3), (4, 4), (i64::MAX, 4)] {
        assert_eq!(search(&mut host, json!({}), limit).await.len(), expected, "{limit}");
    }
}

/// An account with forty buckets in a second region.
fn wide_account() -> Emulator {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket("a-near");
    let far =
        |config: Config, number| config.with_bucket_in(&format!("far-{number:02}"), "cn-beijing");
    let emulator = Emulator::start((0..40).fold(config, far).with_bucket("z-near")).unwrap();
    for name in ["a-near", "z-near"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    emulator
}

#[tokio::test]
async fn what_is_wrong_with_every_bucket_ends_a_search_with_one_error() {
    for (fault, expected) in [
        ("SecurityTokenExpired", "The temporary credentials have expired"),
        ("InvalidAccessKeyId", "OSS does not know the access key id"),
    ] {
        let emulator = wide_account();
        let mut host = configured(&emulator).await;
        let fault = Fault::error_response(403, fault).operation("GetBucketEncryption");
        emulator.inject(fault.bucket("far-03").forever());
        let request = list_request(&json!({}), 0);
        let mut events = host.list_resource(request).await.unwrap().into_inner();
        assert_eq!(events.message().await.unwrap().unwrap().display_name, "a-near");
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(
            diagnostics(&event.diagnostic),
            ["error: Cannot read the encryption of bucket far-03"]
        );
        assert!(event.diagnostic[0].detail.contains(expected), "{}", event.diagnostic[0].detail);
        assert!(events.message().await.unwrap().is_none(), "nothing comes after an error");
        assert!(emulator.exchanges().len() < 20, "the others are not asked");
    }
}

#[tokio::test]
async fn a_search_that_is_stopped_says_so_once() {
    let emulator = wide_account();
    let mut host = configured(&emulator).await;
    let slow = Fault::delay(std::time::Duration::from_mins(5)).operation("GetBucketEncryption");
    emulator.inject(slow.bucket("far-03").forever());
    let mut searching = host.clone();
    let found = tokio::spawn(async move { search(&mut searching, json!({}), 0).await });
    // The one that hangs, and as many behind it as are asked at once.
    while emulator.exchanges().len() < 2 + 4 + 7 {
        tokio::task::yield_now().await;
    }
    host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    assert_eq!(
        found.await.unwrap(),
        ["a-near = a-near@-", "error: Cannot read the encryption of bucket far-03"]
    );
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_not_waited_for_again_and_again() {
    let emulator = wide_account();
    let mut host = configured_without_retries(&emulator).await;
    for number in 0..40 {
        emulator.inject(Fault::reset_before().bucket(&format!("far-{number:02}")).forever());
    }
    let found = search(&mut host, json!({}), 0).await;
    assert_eq!(found.len(), 42);
    assert_eq!((found[0].as_str(), found[41].as_str()), ("a-near = a-near@-", "z-near = z-near@-"));
    assert_eq!(found[40], "warning: Bucket far-39 was skipped");
    let asked = emulator.exchanges().len();
    assert!(
        asked <= 1 + 2 + 8,
        "a list, two buckets that answer, and those asked at once: {asked}"
    );
}

#[tokio::test]
async fn a_search_without_a_config_block_searches_everywhere() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    let request = pb::list_resource::Request {
        config: Some(dynamic(&Json::Null)),
        ..list_request(&json!({}), 1)
    };
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    assert_eq!(events.message().await.unwrap().unwrap().display_name, "app-a");
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&Json::Null)),
        ..Default::default()
    };
    let answer = host.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
}

#[tokio::test]
async fn the_configuration_of_a_search_is_validated() {
    let mut host = unconfigured();
    for (config, expected) in [
        (json!({ "prefix": "app-", "region": "cn-hangzhou" }), vec![]),
        (json!({ "prefix": UNKNOWN }), vec![]),
        (json!({ "prefix": "App_" }), vec!["error at prefix: Invalid prefix"]),
        (json!({ "region": "c/n" }), vec!["error at region: Invalid region"]),
    ] {
        let request = pb::validate_list_resource_config::Request {
            type_name: TYPE.into(),
            config: list_request(&config, 1).config,
            ..Default::default()
        };
        let answer = host.validate_list_resource_config(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), expected);
    }
}

#[tokio::test]
async fn a_search_before_the_configuration_is_a_message() {
    let mut host = unconfigured();
    assert_eq!(search(&mut host, json!({}), 1).await, ["error: Provider not configured"]);
}

// ---- deferral --------------------------------------------------------------------------------

/// A host whose provider block is not known yet.
async fn partial(terraform_version: &str) -> TestClient<OssProvider> {
    let mut host = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": UNKNOWN });
    let request = pb::configure_provider::Request {
        config: Some(provider_config(arguments)),
        terraform_version: terraform_version.into(),
        ..Default::default()
    };
    let answer = host.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    host
}

fn deferral_allowed() -> pb::ClientCapabilities {
    pb::ClientCapabilities { deferral_allowed: true, ..Default::default() }
}

#[tokio::test]
async fn changes_wait_for_the_configuration_where_the_host_copes_with_that() {
    let mut host = partial("1.14.0-alpha").await;
    let state = dynamic(&aes256("demo", None));
    let reason = |deferred: Option<pb::Deferred>| {
        deferred.map(|deferred| deferred.reason().as_str_name().to_owned())
    };
    let expected = Some("PROVIDER_CONFIG_UNKNOWN".to_owned());

    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(state.clone()),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let answer = host.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(reason(answer.deferred), expected);
    assert_eq!(answer.new_state, Some(state.clone()));
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);

    let plan = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        proposed_new_state: Some(state.clone()),
        config: Some(state.clone()),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let answer = host.plan_resource_change(plan.clone()).await.unwrap().into_inner();
    assert_eq!(reason(answer.deferred), expected);
    assert_eq!(answer.planned_state, Some(state));

    let import = pb::import_resource_state::Request {
        type_name: TYPE.into(),
        id: "demo".into(),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let answer = host.import_resource_state(import.clone()).await.unwrap().into_inner();
    assert_eq!(reason(answer.deferred), expected);
    assert_eq!(from_dynamic(answer.imported_resources[0].state.as_ref()), UNKNOWN);

    // Without the host's consent, and with OpenTofu's that is a mistake, never.
    let mut hosts = vec![(host, None)];
    for version in ["1.11.0", "1.11.1", "1.11.2", "1.11.3"] {
        hosts.push((partial(version).await, Some(deferral_allowed())));
    }
    for (mut host, capabilities) in hosts {
        let read = pb::read_resource::Request { client_capabilities: capabilities, ..read.clone() };
        let answer = host.read_resource(read).await.unwrap().into_inner();
        assert_eq!(answer.deferred, None);
        assert_eq!(
            diagnostics(&answer.diagnostics),
            ["error: The provider configuration is not known yet"]
        );
        let plan =
            pb::plan_resource_change::Request { client_capabilities: capabilities, ..plan.clone() };
        assert_eq!(host.plan_resource_change(plan).await.unwrap().into_inner().deferred, None);
    }
}

#[tokio::test]
async fn nothing_is_deferred_when_everything_is_known() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(&aes256("demo", None))),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let answer = host.read_resource(read).await.unwrap().into_inner();
    assert_eq!(answer.deferred, None);
    assert_eq!(emulator.exchanges().len(), 1);
}
