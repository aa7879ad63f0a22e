//! A host that sends nonsense: every RPC answers with a message, nothing crashes, hangs or is sent to OSS,
//! and no state is lost.

use futures_util::future::join_all;
use oss_emulator::{Emulator, EncryptionRule};
use proptest::prelude::*;
use rmpv::Value as Wire;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::support::{
    TYPE, TestClient, UNKNOWN, configuration, configured, diagnostics, dynamic, emulator,
    from_dynamic, provider_config, resource, unconfigured,
};

fn aes256(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256" }))
}

// ---- every RPC with an empty request ---------------------------------------------------------

/// Calls every RPC with a request that says nothing; returns the summaries of what each answered.
async fn call_every_rpc(host: &mut TestClient<OssProvider>) -> Vec<(&'static str, Vec<String>)> {
    let mut answers = Vec::new();
    macro_rules! unary {
        ($($method:ident: $message:ident),* $(,)?) => {
            $(
                let request = pb::$message::Request::default();
                let answer = host.$method(request).await.expect(stringify!($method)).into_inner();
                answers.push((stringify!($method), diagnostics(&answer.diagnostics)));
            )*
        };
    }
    unary!(
        get_metadata: get_metadata,
        get_provider_schema: get_provider_schema,
        validate_provider_config: validate_provider_config,
        configure_provider: configure_provider,
        validate_resource_config: validate_resource_config,
        upgrade_resource_state: upgrade_resource_state,
        read_resource: read_resource,
        plan_resource_change: plan_resource_change,
        apply_resource_change: apply_resource_change,
        import_resource_state: import_resource_state,
        generate_resource_config: generate_resource_config,
        move_resource_state: move_resource_state,
        get_resource_identity_schemas: get_resource_identity_schemas,
        upgrade_resource_identity: upgrade_resource_identity,
        validate_list_resource_config: validate_list_resource_config,
        validate_data_resource_config: validate_data_resource_config,
        read_data_source: read_data_source,
        validate_ephemeral_resource_config: validate_ephemeral_resource_config,
        open_ephemeral_resource: open_ephemeral_resource,
        renew_ephemeral_resource: renew_ephemeral_resource,
        close_ephemeral_resource: close_ephemeral_resource,
        get_functions: get_functions,
        validate_action_config: validate_action_config,
        plan_action: plan_action,
        validate_state_store_config: validate_state_store,
        configure_state_store: configure_state_store,
        lock_state: lock_state,
        unlock_state: unlock_state,
        get_states: get_states,
        delete_state: delete_state,
    );
    let stopped = host.stop_provider(pb::stop_provider::Request::default()).await.unwrap();
    answers.push(("stop_provider", vec![stopped.into_inner().error]));
    let called = host.call_function(pb::call_function::Request::default()).await.unwrap();
    let error = called.into_inner().error.unwrap();
    answers.push(("call_function", vec![error.text]));
    let mut listed =
        host.list_resource(pb::list_resource::Request::default()).await.unwrap().into_inner();
    let event = listed.message().await.unwrap().unwrap();
    answers.push(("list_resource", diagnostics(&event.diagnostic)));
    let mut invoked =
        host.invoke_action(pb::invoke_action::Request::default()).await.unwrap().into_inner();
    let event = invoked.message().await.unwrap().unwrap();
    let Some(pb::invoke_action::event::Type::Completed(completed)) = event.r#type else { panic!() };
    answers.push(("invoke_action", diagnostics(&completed.diagnostics)));
    let request = pb::read_state_bytes::Request::default();
    let mut chunks = host.read_state_bytes(request).await.unwrap().into_inner();
    let chunk = chunks.message().await.unwrap().unwrap();
    answers.push(("read_state_bytes", diagnostics(&chunk.diagnostics)));
    let nothing = futures_util::stream::empty::<pb::write_state_bytes::RequestChunk>();
    let written = host.write_state_bytes(nothing).await.unwrap().into_inner();
    answers.push(("write_state_bytes", diagnostics(&written.diagnostics)));
    answers
}

/// Those that have nothing to complain about when they are asked for nothing.
const CONTENT: [&str; 5] = [
    "get_metadata",
    "get_provider_schema",
    "get_resource_identity_schemas",
    "get_functions",
    "stop_provider",
];

#[tokio::test]
async fn every_rpc_answers_an_empty_request_with_a_message() {
    let proto = include_str!("../../proto/tfplugin6.proto");
    let rpcs = proto.lines().filter(|line| line.trim_start().starts_with("rpc ")).count();
    let mut host = unconfigured();
    let once = call_every_rpc(&mut host).await;
    assert_eq!(once.len(), rpcs, "an RPC is missing in the table");
    for (method, summaries) in &once {
        let text = summaries.join("; ");
        assert!(!text.contains("crashed"), "{method}: {text}");
        assert_eq!(text.is_empty(), CONTENT.contains(method), "{method}: {text}");
    }
    assert_eq!(call_every_rpc(&mut host).await, once, "asked twice, the answer is the same");
}

// ---- malformed values ------------------------------------------------------------------------

/// The RPCs that take a value, each with the value in every place that it has for one.
#[allow(clippy::too_many_lines, reason = "a table: one entry a call")]
async fn call_with(
    host: &mut TestClient<OssProvider>,
    value: &pb::DynamicValue,
) -> Vec<(String, Vec<String>)> {
    let mut answers = Vec::new();
    let value = || Some(value.clone());
    let good = || Some(dynamic(&aes256("demo")));
    let type_name = || TYPE.to_owned();
    macro_rules! call {
        ($method:ident, $request:expr) => {
            let answer = host.$method($request).await.expect(stringify!($method)).into_inner();
            let name = format!("{} {}", stringify!($method), answers.len());
            answers.push((name, diagnostics(&answer.diagnostics)));
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
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap_or_default();
    answers.push(("list_resource".to_owned(), diagnostics(&event.diagnostic)));
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
    // Last: what is configured by nonsense answers nothing afterwards.
    call!(
        configure_provider,
        pb::configure_provider::Request { config: value(), ..Default::default() }
    );
    answers
}

fn msgpack(bytes: impl Into<Vec<u8>>) -> pb::DynamicValue {
    pb::DynamicValue { msgpack: bytes.into(), json: Vec::new() }
}

fn json_value(bytes: impl Into<Vec<u8>>) -> pb::DynamicValue {
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

/// RPCs for which JSON alone is a stored value: there, other shapes than an object are what is wrong.
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
        let mut host = configured(&emulator).await;
        let answers = call_with(&mut host, &value).await;
        assert_eq!(answers.len(), 17);
        for (method, summaries) in answers {
            let text = summaries.join("; ");
            assert!(text.starts_with("error"), "{what}: {method}: {text:?}");
            assert!(!text.contains("crashed"), "{what}: {method}: {text}");
            assert!(
                takes_json_only(&method) || !text.contains("stored"),
                "{what}: {method}: {text}"
            );
        }
    }
    assert!(emulator.exchanges().is_empty(), "nothing is sent");
    assert_eq!(emulator.rule("demo"), Some(EncryptionRule::new("SM4")));
}

#[tokio::test]
async fn values_of_other_types_are_errors_at_each_attribute() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
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
            let answer = host.apply_resource_change(request).await.unwrap().into_inner();
            assert_eq!(
                diagnostics(&answer.diagnostics),
                ["error: Unexpected planned state"],
                "{name}"
            );
        }
    }
    assert!(emulator.exchanges().is_empty());
}

#[tokio::test]
async fn unknown_values_in_states_are_errors_and_nothing_is_sent() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
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
            let answer = host.apply_resource_change(request).await.unwrap().into_inner();
            let text = diagnostics(&answer.diagnostics).join("; ");
            assert!(text.starts_with("error"), "{name}: {text:?}");
            let kept = from_dynamic(answer.new_state.as_ref());
            assert_eq!(kept, from_dynamic(Some(prior)), "{name}: the state before is kept");
        }
        let request = pb::read_resource::Request {
            type_name: TYPE.into(),
            current_state: Some(partial),
            ..Default::default()
        };
        let answer = host.read_resource(request).await.unwrap().into_inner();
        assert!(diagnostics(&answer.diagnostics).join("").starts_with("error"), "{name}");
    }
    assert!(emulator.exchanges().is_empty());
}

#[tokio::test]
async fn unknown_values_in_searches_and_identities_are_errors_and_nothing_is_sent() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    let mut host = configured(&emulator).await;
    for name in ["prefix", "region"] {
        let mut config = json!({ "prefix": null, "region": null });
        config[name] = json!(UNKNOWN);
        let request = pb::list_resource::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&config)),
            ..Default::default()
        };
        let mut events = host.list_resource(request).await.unwrap().into_inner();
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(diagnostics(&event.diagnostic), [format!("error at {name}: Unknown value")]);
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
        let answer = host.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), [format!("error at {name}: Unknown value")]);
        assert_eq!(answer.imported_resources, []);
    }
    assert!(emulator.exchanges().is_empty());
}

#[tokio::test]
async fn odd_type_names_are_told_back() {
    let mut host = unconfigured();
    for name in ["", "oss_nothing", "oss_bucket_encryption ", "\u{1f512}", &"x".repeat(100_000)] {
        let request = pb::read_resource::Request { type_name: name.into(), ..Default::default() };
        let answer = host.read_resource(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), ["error: Unknown resource type"]);
    }
}

// ---- order and concurrency -------------------------------------------------------------------

async fn read(mut host: TestClient<OssProvider>) -> (Json, Vec<String>) {
    let request = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(&aes256("demo"))),
        ..Default::default()
    };
    let answer = host.read_resource(request).await.unwrap().into_inner();
    (from_dynamic(answer.new_state.as_ref()), diagnostics(&answer.diagnostics))
}

#[tokio::test]
async fn the_last_configuration_counts() {
    let (first, second) = (emulator(&["demo"]), emulator(&["demo"]));
    first.set_rule("demo", EncryptionRule::new("SM4"));
    second.set_rule("demo", EncryptionRule::new("KMS"));
    let mut host = configured(&first).await;
    assert_eq!(read(host.clone()).await.0["sse_algorithm"], "SM4");
    host.configure_provider(configuration(&second)).await.unwrap();
    assert_eq!(read(host.clone()).await.0["sse_algorithm"], "KMS");
    // One that is refused leaves nothing to work with, instead of the one before.
    let config = Some(provider_config(json!({ "region": "c/n" })));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    host.configure_provider(request).await.unwrap();
    assert_eq!(read(host).await.1, ["error: Provider not configured"]);
}

#[tokio::test]
async fn fifty_calls_at_once_answer_rightly_while_a_stop_comes_between() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let host = configured(&emulator).await;
    let calls = (0..50).map(|number| {
        let mut host = host.clone();
        async move {
            if number == 25 {
                host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
            }
            if number % 2 == 0 {
                let request = pb::validate_resource_config::Request {
                    type_name: TYPE.into(),
                    config: Some(dynamic(&aes256("demo"))),
                    ..Default::default()
                };
                let answer = host.validate_resource_config(request).await.unwrap().into_inner();
                assert_eq!(answer.diagnostics, []);
                return;
            }
            let (state, messages) = read(host).await;
            // Either it was read, or it was stopped and says so; never a state that is gone.
            if messages.is_empty() {
                assert_eq!(state, aes256("demo"));
            } else {
                assert_eq!(messages, ["error: Cannot read the encryption of bucket demo"]);
                assert_eq!(state, aes256("demo"));
            }
        }
    });
    join_all(calls).await;
    assert_eq!(read(host).await, (aes256("demo"), vec![]), "later calls work");
}

// ---- properties ------------------------------------------------------------------------------

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Nothing listens there; nothing is to be sent either.
fn nowhere() -> Emulator {
    emulator(&[])
}

fn text_or_nothing(texts: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        Just(json!(UNKNOWN)),
        proptest::sample::select(texts).prop_map(|text| json!(text)),
    ]
}

fn configurations() -> impl Strategy<Value = Json> {
    let bucket = prop_oneof![Just(json!(UNKNOWN)), Just(json!("demo")), Just(json!("other"))];
    (
        bucket,
        text_or_nothing(&["", "9468da86", "alias/x"]),
        text_or_nothing(&["", "SM4"]),
        text_or_nothing(&["", "cn-hangzhou", "cn-beijing"]),
    )
        .prop_map(|(bucket, key, cipher, region)| {
            resource(json!({ "bucket": bucket, "sse_algorithm": "KMS", "kms_master_key_id": key,
                "kms_data_encryption": cipher, "region": region }))
        })
}

/// A state that a configuration may have led to: everything known.
fn states() -> impl Strategy<Value = Json> {
    configurations().prop_map(|mut state| {
        for value in state.as_object_mut().unwrap().values_mut() {
            if *value == json!(UNKNOWN) {
                *value = json!("demo");
            }
        }
        // No cipher but this is valid.
        if state["kms_data_encryption"] == "demo" {
            state["kms_data_encryption"] = json!("SM4");
        }
        state["id"] = state["bucket"].clone();
        state
    })
}

async fn plan(prior: &Json, config: &Json) -> pb::plan_resource_change::Response {
    let request = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(prior)),
        proposed_new_state: Some(dynamic(config)),
        config: Some(dynamic(config)),
        ..Default::default()
    };
    let mut host = unconfigured();
    let once = host.plan_resource_change(request.clone()).await.unwrap().into_inner();
    assert_eq!(host.plan_resource_change(request).await.unwrap().into_inner(), once);
    once
}

/// The configuration that leads to a state.
fn config_of(state: &Json) -> Json {
    let mut config = state.clone();
    config["id"] = Json::Null;
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_crash_an_rpc(bytes: Vec<u8>, is_json: bool) {
        let value = if is_json { json_value(bytes) } else { msgpack(bytes) };
        let emulator = nowhere();
        for (method, summaries) in block_on(async {
            let mut host = configured(&emulator).await;
            call_with(&mut host, &value).await
        }) {
            prop_assert!(!summaries.join("").contains("crashed"), "{method}");
        }
        prop_assert!(emulator.exchanges().is_empty());
    }

    #[test]
    fn a_plan_keeps_what_is_configured(prior in states(), config in configurations()) {
        let answer = block_on(plan(&prior, &config));
        let planned = from_dynamic(answer.planned_state.as_ref());
        prop_assert_eq!(&planned["id"], &config["bucket"], "the id follows the bucket");
        for (name, value) in config.as_object().unwrap() {
            let kept_spelling = (name.starts_with("kms_") || name == "region") && planned[name] == prior[name]
                && [value, &prior[name]].iter().all(|value| value.is_null() || **value == json!(""));
            prop_assert!(
                name == "id" || planned[name] == *value || kept_spelling,
                "{name}: {value} became {}", planned[name]
            );
        }
        let replaces = answer.requires_replace.len();
        prop_assert_eq!(replaces, usize::from(prior["bucket"] != config["bucket"]));
    }

    #[test]
    fn an_unchanged_configuration_plans_no_change(state in states()) {
        let answer = block_on(plan(&state, &config_of(&state)));
        prop_assert_eq!(from_dynamic(answer.planned_state.as_ref()), state);
        prop_assert!(answer.requires_replace.is_empty());
    }

    #[test]
    fn what_is_unknown_is_never_an_error(config in configurations()) {
        let request = pb::validate_resource_config::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&config)),
            ..Default::default()
        };
        let answer = block_on(async {
            unconfigured().validate_resource_config(request).await.unwrap().into_inner()
        });
        prop_assert_eq!(diagnostics(&answer.diagnostics), Vec::<String>::new());
    }
}
