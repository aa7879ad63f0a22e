//! Malformed values in every field of every RPC.

use oss_emulator::EncryptionRule;
use rmpv::Value as Wire;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::aes256;
use crate::support::{
    TYPE, TestClient, UNKNOWN, configured, diagnostics, dynamic, emulator, from_dynamic,
    unconfigured,
};

/// The RPCs with values, each with the value in all of its fields.
#[allow(clippy::too_many_lines, reason = "a table: one entry a call")]
pub(super) async fn call_with(
    client: &mut TestClient<OssProvider>,
    value: &pb::DynamicValue,
) -> Vec<(String, Vec<String>)> {
    let mut responses = Vec::new();
    let value = || Some(value.clone());
    let good = || Some(dynamic(&aes256("demo")));
    let type_name = || TYPE.to_owned();
    macro_rules! call {
        ($method:ident, $request:expr) => {
            let response = client.$method($request).await.expect(stringify!($method)).into_inner();
            let name = format!("{} {}", stringify!($method), responses.len());
            responses.push((name, diagnostics(&response.diagnostics)));
        };
    }
    call!(validate_provider_config, pb::validate_provider_config::Request { config: value() });
    call!(
        validate_resource_config,
        pb::validate_resource_config::Request {
            type_name: type_name(),
            config: value(),
            ..Default::default()
        }
    );
    call!(
        read_resource,
        pb::read_resource::Request {
            type_name: type_name(),
            current_state: value(),
            ..Default::default()
        }
    );
    for (prior, proposed, config) in
        [(value(), good(), good()), (good(), value(), good()), (good(), good(), value())]
    {
        call!(
            plan_resource_change,
            pb::plan_resource_change::Request {
                type_name: type_name(),
                prior_state: prior,
                proposed_new_state: proposed,
                config,
                ..Default::default()
            }
        );
    }
    for (prior, planned) in [(value(), good()), (good(), value()), (value(), value())] {
        call!(
            apply_resource_change,
            pb::apply_resource_change::Request {
                type_name: type_name(),
                prior_state: prior,
                planned_state: planned,
                ..Default::default()
            }
        );
    }
    call!(
        import_resource_state,
        pb::import_resource_state::Request {
            type_name: type_name(),
            identity: Some(pb::ResourceIdentityData { identity_data: value() }),
            ..Default::default()
        }
    );
    call!(
        generate_resource_config,
        pb::generate_resource_config::Request { type_name: type_name(), state: value() }
    );
    call!(
        validate_list_resource_config,
        pb::validate_list_resource_config::Request {
            type_name: type_name(),
            config: value(),
            ..Default::default()
        }
    );
    let request = pb::list_resource::Request {
        type_name: type_name(),
        config: value(),
        ..Default::default()
    };
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap_or_default();
    responses.push(("list_resource".to_owned(), diagnostics(&event.diagnostic)));
    let raw = Some(pb::RawState { json: value().unwrap().json, ..Default::default() });
    call!(
        upgrade_resource_state,
        pb::upgrade_resource_state::Request {
            type_name: type_name(),
            raw_state: raw.clone(),
            ..Default::default()
        }
    );
    call!(
        upgrade_resource_identity,
        pb::upgrade_resource_identity::Request {
            type_name: type_name(),
            raw_identity: raw.clone(),
            ..Default::default()
        }
    );
    call!(
        move_resource_state,
        pb::move_resource_state::Request {
            target_type_name: type_name(),
            source_state: raw,
            ..Default::default()
        }
    );
    // Last, because the provider is not configured afterwards.
    call!(
        configure_provider,
        pb::configure_provider::Request { config: value(), ..Default::default() }
    );
    responses
}

pub(super) fn msgpack(bytes: impl Into<Vec<u8>>) -> pb::DynamicValue {
    pb::DynamicValue { msgpack: bytes.into(), json: Vec::new() }
}

pub(super) fn json_value(bytes: impl Into<Vec<u8>>) -> pb::DynamicValue {
    pb::DynamicValue { msgpack: Vec::new(), json: bytes.into() }
}

/// A well-formed map with one entry.
fn entry(key: Wire, value: Wire) -> pb::DynamicValue {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Wire::Map(vec![(key, value)])).unwrap();
    msgpack(bytes)
}

fn malformed() -> Vec<(&'static str, pb::DynamicValue)> {
    let whole = dynamic(&aes256("demo")).msgpack;
    let trailing = [whole.as_slice(), b"\xc0"].concat();
    vec![
        ("absent", pb::DynamicValue::default()),
        ("cut off", msgpack(&whole[..whole.len() - 1])),
        ("trailing bytes", msgpack(trailing)),
        ("reserved byte", msgpack(*b"\xc1")),
        ("a string", msgpack(*b"\xa1x")),
        ("an array", msgpack(*b"\x90")),
        ("unknown as a whole", msgpack(*b"\xd4\x00\x00")),
        ("refined unknown as a whole", msgpack(*b"\xc7\x03\x0c\x81\x01\xc2")),
        ("another extension", msgpack(*b"\xd4\x63\x00")),
        ("an empty map", msgpack(*b"\x80")),
        ("a key that is no string", entry(Wire::from(1), Wire::Nil)),
        ("a name that is not declared", entry(Wire::from("nothing"), Wire::Nil)),
        ("a string that is not UTF-8", msgpack(*b"\x81\xa1\xff\xc0")),
        ("an endless array", msgpack(*b"\xdd\xff\xff\xff\xff")),
        ("an endless map", msgpack(*b"\xdf\xff\xff\xff\xff")),
        ("an endless string", msgpack(*b"\xdb\xff\xff\xff\xff")),
        ("endless bytes", msgpack(*b"\xc6\xff\xff\xff\xff")),
        ("an endless extension", msgpack(*b"\xc9\xff\xff\xff\xff\x00")),
        ("deep arrays", msgpack(vec![0x91; 10_000])),
        ("deep maps", msgpack(b"\x81\xa1x".repeat(10_000))),
        ("JSON cut off", json_value("{")),
        ("JSON of another type", json_value("[]")),
        ("JSON that is not UTF-8", json_value(*b"\"\xff\"")),
        ("deep JSON", json_value("[".repeat(100_000))),
        ("a huge number", json_value(format!("{{\"bucket\":1{}}}", "0".repeat(10_000)))),
    ]
}

/// RPCs whose stored values are JSON. For them, the malformed values are not objects.
fn takes_json_only(method: &str) -> bool {
    ["upgrade_resource_state", "upgrade_resource_identity", "move_resource_state"]
        .iter()
        .any(|name| method.starts_with(name))
}

#[tokio::test]
async fn malformed_values_are_errors_and_nothing_is_sent() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    for (what, value) in malformed() {
        let mut client = configured(&emulator).await;
        let responses = call_with(&mut client, &value).await;
        assert_eq!(responses.len(), 17);
        for (method, summaries) in responses {
            let text = summaries.join("; ");
            assert!(text.starts_with("error"), "{what}: {method}: {text:?}");
            assert!(!text.contains("crashed"), "{what}: {method}: {text}");
            assert!(
                takes_json_only(&method) || !text.contains("stored"),
                "{what}: {method}: {text}"
            );
        }
    }
    assert!(emulator.requests().is_empty(), "nothing is sent");
    assert_eq!(emulator.rule("demo"), Some(EncryptionRule::new("SM4")));
}

#[tokio::test]
async fn values_of_other_types_are_errors_at_each_attribute() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let names: Vec<String> = aes256("demo").as_object().unwrap().keys().cloned().collect();
    for name in names {
        for odd in [json!(true), json!(1), json!([]), json!(["x"])] {
            let mut state = aes256("demo");
            state[&name] = odd;
            let request = pb::apply_resource_change::Request {
                type_name: TYPE.into(),
                prior_state: Some(dynamic(&Json::Null)),
                planned_state: Some(dynamic(&state)),
                ..Default::default()
            };
            let response = client.apply_resource_change(request).await.unwrap().into_inner();
            assert_eq!(
                diagnostics(&response.diagnostics),
                ["error: Unexpected planned state"],
                "{name}"
            );
        }
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn unknown_values_in_states_are_errors_and_nothing_is_sent() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    for name in ["bucket", "sse_algorithm", "kms_master_key_id", "kms_data_encryption", "region"] {
        let mut partial = aes256("demo");
        partial[name] = json!(UNKNOWN);
        let partial = dynamic(&partial);
        let (none, whole) = (dynamic(&Json::Null), dynamic(&aes256("demo")));
        for (prior, planned) in [(&none, &partial), (&whole, &partial), (&partial, &none)] {
            let request = pb::apply_resource_change::Request {
                type_name: TYPE.into(),
                prior_state: Some(prior.clone()),
                planned_state: Some(planned.clone()),
                ..Default::default()
            };
            let response = client.apply_resource_change(request).await.unwrap().into_inner();
            let text = diagnostics(&response.diagnostics).join("; ");
            assert!(text.starts_with("error"), "{name}: {text:?}");
            let kept = from_dynamic(response.new_state.as_ref());
            assert_eq!(kept, from_dynamic(Some(prior)), "{name}: the state before is kept");
        }
        let request = pb::read_resource::Request {
            type_name: TYPE.into(),
            current_state: Some(partial),
            ..Default::default()
        };
        let response = client.read_resource(request).await.unwrap().into_inner();
        assert!(diagnostics(&response.diagnostics).join("").starts_with("error"), "{name}");
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn unknown_values_in_list_queries_and_identities_are_errors_and_nothing_is_sent() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    let mut client = configured(&emulator).await;
    for name in ["prefix", "region"] {
        let mut config = json!({ "prefix": null, "region": null });
        config[name] = json!(UNKNOWN);
        let request = pb::list_resource::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&config)),
            ..Default::default()
        };
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        let event = events.message().await.unwrap().unwrap();
        let expected = format!("error at config.{name}: Unknown value");
        assert_eq!(diagnostics(&event.diagnostic), [expected]);
        assert!(events.message().await.unwrap().is_none());
    }
    for name in ["bucket", "region"] {
        let mut identity = json!({ "bucket": "demo", "region": null });
        identity[name] = json!(UNKNOWN);
        let request = pb::import_resource_state::Request {
            type_name: TYPE.into(),
            identity: Some(pb::ResourceIdentityData { identity_data: Some(dynamic(&identity)) }),
            ..Default::default()
        };
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), [format!("error at {name}: Unknown value")]);
        assert_eq!(response.imported_resources, []);
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn unknown_type_names_are_repeated_in_the_error() {
    let mut client = unconfigured();
    for name in ["", "oss_nothing", "oss_bucket_encryption ", "\u{1f512}", &"x".repeat(100_000)] {
        let request = pb::read_resource::Request { type_name: name.into(), ..Default::default() };
        let response = client.read_resource(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), ["error: Unknown resource type"]);
    }
}
