//! The protocol as Terraform speaks it, message by message, without a process around it.

use std::time::Duration;

use futures_util::StreamExt as _;
use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::{
    Attribute, Block, BoxFuture, BoxStream, ConfigureResponse, Context, Diagnostics, ImportTarget,
    ListEvent, ListResource, Object, Outcome, Plan, PlanRequest, Provider, Resource, Schema,
};

use super::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, UNKNOWN, client_for, configured,
    configured_without_retries, diagnostics, dynamic, emulator, from_dynamic, path,
    provider_config, resource, unconfigured,
};

const NO_DIAGNOSTICS: [&str; 0] = [];

// ---- calls, one helper each ------------------------------------------------------------------

async fn validate(attributes: Json) -> Vec<String> {
    let config = Some(dynamic(&resource(attributes)));
    let request = pb::validate_resource_config::Request {
        type_name: TYPE.into(),
        config,
        ..Default::default()
    };
    let answer = unconfigured().validate_resource_config(request).await.unwrap().into_inner();
    diagnostics(&answer.diagnostics)
}

async fn validate_provider(arguments: Json) -> Vec<String> {
    let request =
        pb::validate_provider_config::Request { config: Some(provider_config(arguments)) };
    let answer = unconfigured().validate_provider_config(request).await.unwrap().into_inner();
    diagnostics(&answer.diagnostics)
}

async fn configure(environment: &[(&str, &str)], arguments: Json) -> Vec<pb::Diagnostic> {
    let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
    let request = pb::configure_provider::Request {
        config: Some(provider_config(arguments)),
        ..Default::default()
    };
    let mut host = client_for(OssProvider::new(Environment::new(variables)));
    host.configure_provider(request).await.unwrap().into_inner().diagnostics
}

async fn plan(prior: Json, config: Json) -> pb::plan_resource_change::Response {
    let mut proposed = config.clone();
    if !config.is_null() && config["id"].is_null() {
        // Terraform proposes the prior value for a computed attribute, and unknown for a new one.
        proposed["id"] = if prior.is_null() { UNKNOWN.into() } else { prior["id"].clone() };
    }
    let request = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&prior)),
        proposed_new_state: Some(dynamic(&proposed)),
        config: Some(dynamic(&config)),
        ..Default::default()
    };
    let mut host = unconfigured();
    let once = host.plan_resource_change(request.clone()).await.unwrap().into_inner();
    let twice = host.plan_resource_change(request).await.unwrap().into_inner();
    assert_eq!(once, twice, "planned twice, the answer is the same");
    once
}

async fn apply<P: Provider>(
    host: &mut TestClient<P>,
    prior: &Json,
    planned: &Json,
) -> (Json, Vec<pb::Diagnostic>) {
    let request = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(prior)),
        planned_state: Some(dynamic(planned)),
        config: Some(dynamic(planned)),
        ..Default::default()
    };
    let answer = host.apply_resource_change(request).await.unwrap().into_inner();
    (from_dynamic(answer.new_state.as_ref()), answer.diagnostics)
}

async fn read(host: &mut TestClient<OssProvider>, state: &Json) -> (Json, Vec<pb::Diagnostic>) {
    let request = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(state)),
        ..Default::default()
    };
    let answer = host.read_resource(request).await.unwrap().into_inner();
    (from_dynamic(answer.new_state.as_ref()), answer.diagnostics)
}

fn kms(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "KMS" }))
}

fn aes256(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256" }))
}

// ---- schema ----------------------------------------------------------------------------------

#[tokio::test]
async fn the_schema_has_every_attribute_as_documented() {
    let answer = unconfigured()
        .get_provider_schema(pb::get_provider_schema::Request {})
        .await
        .unwrap()
        .into_inner();
    let block = answer.resource_schemas[TYPE].block.as_ref().unwrap();
    let rule = |attribute: &pb::schema::Attribute| {
        let kind = match (attribute.required, attribute.optional, attribute.computed) {
            (true, false, false) => "required",
            (false, true, false) => "optional",
            (false, true, true) => "optional and computed",
            (false, false, true) => "computed",
            _ => "contradictory",
        };
        assert_eq!(attribute.r#type, b"\"string\"");
        assert!(!attribute.description.is_empty(), "{}", attribute.name);
        format!("{} {kind}", attribute.name)
    };
    let rules: Vec<String> = block.attributes.iter().map(rule).collect();
    let expected = [
        "bucket required",
        "sse_algorithm required",
        "kms_master_key_id optional and computed",
        "kms_data_encryption optional and computed",
        "region optional and computed",
        "id computed",
    ];
    assert_eq!(rules, expected);
    let timeouts = &block.block_types[0];
    assert_eq!(timeouts.type_name, "timeouts");
    assert_eq!(timeouts.nesting(), pb::schema::nested_block::NestingMode::Single);
    let names: Vec<String> = timeouts.block.as_ref().unwrap().attributes.iter().map(rule).collect();
    assert_eq!(names, ["create optional", "read optional", "update optional", "delete optional"]);

    let arguments = &answer.provider.unwrap().block.unwrap().attributes;
    let sensitive: Vec<&str> = arguments
        .iter()
        .filter(|attribute| attribute.sensitive)
        .map(|attribute| attribute.name.as_str())
        .collect();
    assert_eq!(sensitive, ["secret_key", "security_token"]);
    assert!(answer.server_capabilities.unwrap().get_provider_schema_optional);
}

// ---- validation ------------------------------------------------------------------------------

#[tokio::test]
async fn valid_configurations_pass() {
    for attributes in [
        json!({ "bucket": "demo", "sse_algorithm": "AES256" }),
        json!({ "bucket": "demo", "sse_algorithm": "SM4" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "kms_master_key_id": "9468da86" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "kms_data_encryption": "SM4" }),
        json!({ "bucket": "demo", "sse_algorithm": "AES256", "kms_master_key_id": "", "kms_data_encryption": "" }),
        json!({ "bucket": "demo", "sse_algorithm": "AES256", "region": "cn-shanghai" }),
        json!({ "bucket": "demo", "sse_algorithm": "AES256",
                "timeouts": { "create": "1h30m", "read": null, "update": null, "delete": null } }),
    ] {
        assert_eq!(validate(attributes.clone()).await, NO_DIAGNOSTICS, "{attributes}");
    }
}

#[tokio::test]
async fn each_mistake_is_one_error_at_its_attribute() {
    let cases = [
        (json!({ "bucket": null }), "error at bucket: Missing argument"),
        (json!({ "sse_algorithm": null }), "error at sse_algorithm: Missing argument"),
        (json!({ "bucket": "Bad_Name" }), "error at bucket: Invalid bucket name"),
        (json!({ "bucket": "ab" }), "error at bucket: Invalid bucket name"),
        (json!({ "bucket": "a.evil.example/" }), "error at bucket: Invalid bucket name"),
        (
            json!({ "sse_algorithm": "aes256" }),
            "error at sse_algorithm: Invalid encryption algorithm",
        ),
        (json!({ "sse_algorithm": "" }), "error at sse_algorithm: Invalid encryption algorithm"),
        (
            json!({ "kms_master_key_id": "9468da86" }),
            "error at kms_master_key_id: KMS argument without KMS",
        ),
        (
            json!({ "sse_algorithm": "SM4", "kms_data_encryption": "SM4" }),
            "error at kms_data_encryption: KMS argument without KMS",
        ),
        (
            json!({ "sse_algorithm": "KMS", "kms_master_key_id": "two words" }),
            "error at kms_master_key_id: Invalid KMS key id",
        ),
        (
            json!({ "sse_algorithm": "KMS", "kms_data_encryption": "AES256" }),
            "error at kms_data_encryption: Invalid data encryption",
        ),
        (json!({ "region": "cn.hangzhou" }), "error at region: Invalid region"),
        (json!({ "region": "oss-cn-hangzhou" }), "error at region: Invalid region"),
        (
            json!({ "timeouts": { "create": "1d", "read": null, "update": null, "delete": null } }),
            "error at timeouts.create: Invalid timeout",
        ),
        (
            json!({ "timeouts": { "create": null, "read": "5 minutes", "update": null, "delete": null } }),
            "error at timeouts.read: Invalid timeout",
        ),
        (
            json!({ "timeouts": { "create": null, "read": null, "update": "-5m", "delete": null } }),
            "error at timeouts.update: Invalid timeout",
        ),
        (
            json!({ "timeouts": { "create": null, "read": null, "update": null, "delete": "" } }),
            "error at timeouts.delete: Invalid timeout",
        ),
    ];
    for (mistake, expected) in cases {
        let mut attributes = json!({ "bucket": "demo", "sse_algorithm": "AES256" });
        attributes.as_object_mut().unwrap().extend(mistake.as_object().unwrap().clone());
        assert_eq!(validate(attributes).await, [expected], "{mistake}");
    }
}

#[tokio::test]
async fn unknown_values_are_never_an_error() {
    for attributes in [
        json!({ "bucket": UNKNOWN, "sse_algorithm": UNKNOWN, "kms_master_key_id": UNKNOWN,
                "kms_data_encryption": UNKNOWN, "region": UNKNOWN, "timeouts": UNKNOWN }),
        json!({ "bucket": "demo", "sse_algorithm": UNKNOWN, "kms_master_key_id": "9468da86" }),
        json!({ "bucket": "demo", "sse_algorithm": "AES256", "kms_master_key_id": UNKNOWN }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS",
                "timeouts": { "create": UNKNOWN, "read": null, "update": null, "delete": null } }),
    ] {
        assert_eq!(validate(attributes.clone()).await, NO_DIAGNOSTICS, "{attributes}");
    }
}

// ---- provider configuration ------------------------------------------------------------------

#[tokio::test]
async fn provider_arguments_are_validated_on_what_is_known() {
    let cases = [
        (json!({}), vec![]),
        (json!({ "region": UNKNOWN, "endpoint": UNKNOWN, "access_key": UNKNOWN }), vec![]),
        (json!({ "access_key": "id", "secret_key": UNKNOWN }), vec![]),
        (json!({ "access_key": "", "secret_key": "", "region": "" }), vec![]),
        (json!({ "region": "Hangzhou" }), vec!["error at region: Invalid region"]),
        (json!({ "endpoint": "not a url" }), vec!["error at endpoint: Invalid endpoint"]),
        (json!({ "endpoint": "https://h/path" }), vec!["error at endpoint: Invalid endpoint"]),
        (json!({ "address_style": "dns" }), vec!["error at address_style: Invalid address style"]),
        (
            json!({ "signature_version": "v2" }),
            vec!["error at signature_version: Invalid signature version"],
        ),
        (json!({ "access_key": "id" }), vec!["error at access_key: Incomplete access key"]),
        (json!({ "secret_key": "s" }), vec!["error at secret_key: Incomplete access key"]),
        (
            json!({ "access_key": "id\n", "secret_key": "s" }),
            vec!["error at access_key: Invalid access key"],
        ),
        (
            json!({ "access_key": "id", "secret_key": "s", "security_token": "t t" }),
            vec!["error at security_token: Invalid access key"],
        ),
        (
            json!({ "security_token": "t" }),
            vec!["error at security_token: Security token without access key"],
        ),
        (
            json!({ "endpoint": "http://127.0.0.1:1", "address_style": "virtual" }),
            vec!["error at address_style: Impossible address style"],
        ),
        (
            json!({ "endpoint": "oss-cn-hangzhou.aliyuncs.com", "address_style": "path" }),
            vec!["error at address_style: Impossible address style"],
        ),
        // The endpoint may come from the environment.
        (json!({ "region": "cn-hangzhou", "address_style": "path" }), vec![]),
        (json!({ "address_style": "cname" }), vec![]),
        (json!({ "endpoint": UNKNOWN, "address_style": "path" }), vec![]),
        (
            json!({ "endpoint": "oss-cn-hangzhou.aliyuncs.com", "region": "cn-beijing" }),
            vec!["warning at region: Region and endpoint disagree"],
        ),
        (
            json!({ "endpoint": "oss-cn-hangzhou.aliyuncs.com", "region": "cn-beijing",
                "signature_version": "v1" }),
            vec![],
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(validate_provider(arguments.clone()).await, expected, "{arguments}");
    }
}

#[tokio::test]
async fn a_region_is_found_in_three_places_or_missed_with_all_ways_named() {
    let endpoint = json!({ "endpoint": "oss-cn-shanghai-internal.aliyuncs.com" });
    for (environment, arguments) in [
        (vec![], json!({ "region": "cn-hangzhou" })),
        (vec![("ALICLOUD_REGION", "cn-hangzhou")], json!({})),
        (vec![("ALIBABA_CLOUD_REGION", "cn-hangzhou")], json!({})),
        (vec![], endpoint),
        (vec![("OSS_ENDPOINT", "oss-cn-shanghai.aliyuncs.com")], json!({})),
        (vec![], json!({ "endpoint": "127.0.0.1:1", "signature_version": "v1" })),
    ] {
        let found = configure(&environment, arguments.clone()).await;
        assert_eq!(diagnostics(&found), NO_DIAGNOSTICS, "{environment:?} {arguments}");
    }
    let found = configure(&[], json!({ "endpoint": "https://oss.example.com" })).await;
    assert_eq!(diagnostics(&found), ["error at region: Missing region"]);
    for way in
        ["`region`", "ALIBABA_CLOUD_REGION", "ALICLOUD_REGION", "oss-cn-hangzhou.aliyuncs.com"]
    {
        assert!(found[0].detail.contains(way), "{}", found[0].detail);
    }
}

#[tokio::test]
async fn half_a_key_pair_in_the_environment_names_both_halves() {
    let environment = [
        ("ALICLOUD_ACCESS_KEY", "id-from-one-family"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-of-another"),
    ];
    let found = configure(&environment, json!({ "region": "cn-hangzhou" })).await;
    assert_eq!(diagnostics(&found), ["error at access_key: Incomplete access key"]);
    let detail = &found[0].detail;
    assert!(
        detail.contains("ALICLOUD_ACCESS_KEY is set, but ALICLOUD_SECRET_KEY is not"),
        "{detail}"
    );
    assert!(!detail.contains("id-from-one-family") && !detail.contains("secret-of-another"));
}

#[tokio::test]
async fn plain_http_off_this_machine_is_a_warning() {
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": "http://oss.example.com" });
    let found = configure(&[], arguments).await;
    assert_eq!(diagnostics(&found), ["warning at endpoint: Unencrypted endpoint"]);
}

#[tokio::test]
async fn virtual_hosted_addressing_of_an_ip_address_is_refused() {
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": "http://127.0.0.1:1",
                            "address_style": "virtual" });
    let found = configure(&[], arguments).await;
    assert_eq!(diagnostics(&found), ["error at address_style: Impossible address style"]);
}

#[tokio::test]
async fn an_unknown_provider_argument_fails_only_the_call_that_needs_it() {
    let mut host = unconfigured();
    let config =
        provider_config(json!({ "region": UNKNOWN, "access_key": "a", "secret_key": "b" }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    let answer = host.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);

    let state = kms("demo");
    let (kept, found) = read(&mut host, &state).await;
    assert_eq!(diagnostics(&found), ["error: The provider configuration is not known yet"]);
    assert!(found[0].detail.contains("`region`"), "{}", found[0].detail);
    assert_eq!(kept, state);
}

// ---- plan ------------------------------------------------------------------------------------

#[tokio::test]
async fn the_id_is_known_at_plan_time_whenever_the_bucket_is() {
    let config = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
    let answer = plan(Json::Null, config).await;
    assert_eq!(from_dynamic(answer.planned_state.as_ref()), aes256("demo"));
    assert_eq!(answer.requires_replace, []);

    let config = resource(json!({ "bucket": UNKNOWN, "sse_algorithm": "AES256" }));
    let answer = plan(Json::Null, config).await;
    assert_eq!(from_dynamic(answer.planned_state.as_ref())["id"], UNKNOWN);
}

#[tokio::test]
async fn an_unchanged_configuration_plans_the_prior_state() {
    let mut config = aes256("demo");
    config["id"] = Json::Null;
    let answer = plan(aes256("demo"), config).await;
    assert_eq!(from_dynamic(answer.planned_state.as_ref()), aes256("demo"));
    assert_eq!(answer.requires_replace, []);
}

#[tokio::test]
async fn no_key_is_spelled_as_before_as_far_as_terraform_allows() {
    let (null, empty) = (Json::Null, Json::from(""));
    for (prior, configured, planned) in [
        (&null, &null, &null),
        (&empty, &empty, &empty),
        (&empty, &null, &empty),
        // Terraform refuses a planned null here.
        (&null, &empty, &empty),
        (&Json::from("k"), &null, &null),
        (&Json::from("k"), &empty, &empty),
    ] {
        for name in ["kms_master_key_id", "kms_data_encryption"] {
            let mut prior_state = kms("demo");
            prior_state[name] = prior.clone();
            let mut config = kms("demo");
            config["id"] = Json::Null;
            config[name] = configured.clone();
            let answer = plan(prior_state, config).await;
            let planned_state = from_dynamic(answer.planned_state.as_ref());
            assert_eq!(planned_state[name], *planned, "{name}: {prior} → {configured}");
        }
    }
}

#[tokio::test]
async fn another_bucket_replaces_also_when_it_is_not_known_yet() {
    for bucket in ["other", UNKNOWN] {
        let config = resource(json!({ "bucket": bucket, "sse_algorithm": "AES256" }));
        let answer = plan(aes256("demo"), config).await;
        let replaced: Vec<String> = answer.requires_replace.iter().map(path).collect();
        assert_eq!(replaced, ["bucket"]);
        assert_eq!(from_dynamic(answer.planned_state.as_ref())["id"], bucket);
    }
    let config = resource(json!({ "bucket": "demo", "sse_algorithm": "KMS" }));
    assert_eq!(plan(aes256("demo"), config).await.requires_replace, []);
}

/// Nothing is kept there, but what a host hands over it gets back.
#[tokio::test]
async fn private_bytes_are_passed_through_untouched() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let state = || Some(dynamic(&aes256("demo")));
    let (type_name, private) = (|| TYPE.to_owned(), || b"\x00private".to_vec());
    let plan = pb::plan_resource_change::Request {
        type_name: type_name(),
        prior_state: state(),
        proposed_new_state: state(),
        config: state(),
        prior_private: private(),
        ..Default::default()
    };
    let planned = host.plan_resource_change(plan).await.unwrap().into_inner();
    assert_eq!(planned.planned_private, private());
    let apply = pb::apply_resource_change::Request {
        type_name: type_name(),
        prior_state: Some(dynamic(&Json::Null)),
        planned_state: state(),
        planned_private: private(),
        ..Default::default()
    };
    assert_eq!(host.apply_resource_change(apply).await.unwrap().into_inner().private, private());
    let read = pb::read_resource::Request {
        type_name: type_name(),
        current_state: state(),
        private: private(),
        ..Default::default()
    };
    assert_eq!(host.read_resource(read).await.unwrap().into_inner().private, private());
    assert!(import(&mut host, "demo").await.imported_resources[0].private.is_empty());
}

#[tokio::test]
async fn destroying_plans_nothing() {
    let answer = plan(aes256("demo"), Json::Null).await;
    assert_eq!(from_dynamic(answer.planned_state.as_ref()), Json::Null);
    assert_eq!(answer.diagnostics, []);
}

// ---- apply and read --------------------------------------------------------------------------

/// What OSS saw, as `PUT 200`.
fn calls(emulator: &Emulator) -> Vec<String> {
    let calls = emulator.exchanges();
    emulator.clear_exchanges();
    calls.iter().map(|exchange| format!("{} {}", exchange.method, exchange.status)).collect()
}

#[tokio::test]
async fn the_life_of_a_rule_takes_the_fewest_calls() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;

    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);

    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["GET 200"]);

    let (state, found) = apply(&mut host, &aes256("demo"), &kms("demo")).await;
    assert_eq!((state, found), (kms("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);

    let (state, found) = apply(&mut host, &kms("demo"), &Json::Null).await;
    assert_eq!((state, found), (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 204"]);
    assert_eq!(emulator.rule("demo"), None);
    assert_eq!(emulator.connections(), 1, "connections are reused");
}

#[tokio::test]
async fn a_change_that_means_nothing_to_oss_sends_nothing() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut planned = kms("demo");
    planned["kms_master_key_id"] = "".into();
    planned["timeouts"] = json!({ "create": "9m", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &kms("demo"), &planned).await;
    assert_eq!((state, found), (planned, vec![]));
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn reading_keeps_the_spelling_of_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut state = kms("demo");
    state["kms_master_key_id"] = "".into();
    apply(&mut host, &Json::Null, &state).await;
    assert_eq!(read(&mut host, &state).await, (state.clone(), vec![]));
    state["kms_master_key_id"] = Json::Null;
    assert_eq!(read(&mut host, &state).await, (state, vec![]));
}

#[tokio::test]
async fn reading_shows_what_someone_else_changed() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let theirs = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
                                  "kms_master_key_id": "k", "kms_data_encryption": "SM4" }));
    apply(&mut host, &Json::Null, &theirs).await;
    assert_eq!(read(&mut host, &aes256("demo")).await, (theirs, vec![]));
}

#[tokio::test]
async fn a_missing_rule_or_bucket_is_gone_and_a_refusal_is_not() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    assert_eq!(read(&mut host, &aes256("demo")).await, (Json::Null, vec![]));
    assert_eq!(read(&mut host, &aes256("no-such-bucket")).await, (Json::Null, vec![]));

    emulator.inject(Fault::error_response(403, "AccessDenied").message("404 NoSuchBucket, or so"));
    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"), "a refusal leaves the state alone");
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of bucket demo"]);
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
}

#[tokio::test]
async fn deleting_what_is_gone_is_a_success_and_a_refusal_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    for bucket in ["demo", "no-such-bucket"] {
        let (state, found) = apply(&mut host, &aes256(bucket), &Json::Null).await;
        assert_eq!((state, found), (Json::Null, vec![]));
    }
    emulator.inject(Fault::error_response(403, "AccessDenied").message("request 404"));
    let (state, found) = apply(&mut host, &aes256("demo"), &Json::Null).await;
    assert_eq!(state, aes256("demo"));
    assert_eq!(diagnostics(&found), ["error: Cannot remove the encryption of bucket demo"]);
}

#[tokio::test]
async fn a_refused_create_leaves_no_state_and_a_doubtful_one_does() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let (state, found) = apply(&mut host, &Json::Null, &aes256("no-such-bucket")).await;
    assert_eq!(state, Json::Null);
    assert_eq!(
        diagnostics(&found),
        ["error at bucket: Cannot set the encryption of bucket no-such-bucket"]
    );

    // The rule is set, but the answer never comes: the state must not forget it.
    emulator.inject(Fault::reset_after().method("PUT").forever());
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &Json::Null, &planned).await;
    assert_eq!(state, planned);
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("`timeouts`"), "{}", found[0].detail);
    assert!(emulator.rule("demo").is_some());
}

#[tokio::test]
async fn a_doubtful_update_or_delete_keeps_the_state_before_and_says_so() {
    let doubt = "OSS may have done it all the same";
    for (planned, method, rule) in
        [(kms("demo"), "PUT", Some(EncryptionRule::new("KMS"))), (Json::Null, "DELETE", None)]
    {
        let emulator = emulator(&["demo"]);
        emulator.set_rule("demo", EncryptionRule::new("AES256"));
        let mut host = configured_without_retries(&emulator).await;
        for (fault, is_doubtful) in [
            (Fault::error_response(403, "AccessDenied"), false),
            (Fault::error_response(500, "InternalError"), true),
            (Fault::reset_after(), true),
        ] {
            emulator.inject(fault.method(method));
            let (state, found) = apply(&mut host, &aes256("demo"), &planned).await;
            assert_eq!(state, aes256("demo"));
            let detail = &found[0].detail;
            assert_eq!(detail.contains(doubt), is_doubtful, "{method}: {detail}");
        }
        assert_eq!(emulator.rule("demo"), rule, "it has been done");
    }
}

#[tokio::test]
async fn a_doubtful_attempt_is_not_forgotten_when_a_later_one_is_refused() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::reset_after().method("PUT"));
    emulator.inject(Fault::error_response(403, "AccessDenied").method("PUT"));
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"));
    assert!(found[0].detail.contains("403 AccessDenied"), "{}", found[0].detail);
    assert!(emulator.rule("demo").is_some());
}

#[tokio::test]
async fn a_broken_state_says_what_to_do_about_it() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    for (name, value) in
        [("bucket", json!("Demo/")), ("bucket", Json::Null), ("region", json!("c/n"))]
    {
        let mut state = aes256("demo");
        state[name] = value;
        let (kept, found) = read(&mut host, &state).await;
        assert_eq!(kept, state);
        assert_eq!(diagnostics(&found), [format!("error at {name}: Invalid {name}")]);
        assert!(found[0].detail.contains("`terraform state rm`"), "{}", found[0].detail);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_is_not_visible_yet_is_waited_for() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::stale_reads(2));
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 404", "GET 404", "GET 200"]);
}

#[tokio::test]
async fn a_write_that_never_becomes_visible_keeps_the_state_and_says_both_rules() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    apply(&mut host, &Json::Null, &aes256("demo")).await;
    emulator.inject(Fault::stale_reads(1_000_000));
    let mut planned = kms("demo");
    planned["timeouts"] = json!({ "create": null, "read": null, "update": "1s", "delete": null });
    let (state, found) = apply(&mut host, &aes256("demo"), &planned).await;
    assert_eq!(state, planned);
    let expected = "error: The encryption of bucket demo does not read back as written";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("accepted KMS, but reading the rule back still gives AES256"));
}

#[tokio::test]
async fn stopping_ends_a_retried_call_at_once_and_later_calls_work() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(503, "ServiceUnavailable").retry_after(60).forever());
    let mut applying = host.clone();
    let apply_future =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    // The first refusal has been answered: the provider takes it in, or waits for its retry already.
    while emulator.exchanges().is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = host.stop_provider(pb::stop_provider::Request {}).await.unwrap().into_inner();
    assert_eq!(answer.error, "");
    let (_, found) = apply_future.await.unwrap();
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("stopped"), "{}", found[0].detail);

    emulator.clear_faults();
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
}

/// Starts creating, stops the provider once `calls` calls have come in, and returns the result.
async fn stopped_after(calls: usize, emulator: &Emulator) -> (Json, Vec<pb::Diagnostic>) {
    let mut host = configured(emulator).await;
    let mut applying = host.clone();
    let applied =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    while emulator.exchanges().len() < calls {
        tokio::task::yield_now().await;
    }
    host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    applied.await.unwrap()
}

#[tokio::test]
async fn stopping_in_the_middle_of_a_write_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("PUT"));
    let (state, found) = stopped_after(1, &emulator).await;
    assert_eq!(state, aes256("demo"), "OSS has set the rule, and nobody knows");
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("stopped on request"), "{}", found[0].detail);
    assert!(found[0].detail.contains("terraform untaint"), "{}", found[0].detail);
}

#[tokio::test]
async fn stopping_while_a_write_is_not_visible_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::stale_reads(1_000_000));
    let (state, found) = stopped_after(2, &emulator).await;
    assert_eq!(state, aes256("demo"));
    let expected = "error: The encryption of bucket demo was set, but not verified";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("stopped on request"), "{}", found[0].detail);
}

#[tokio::test]
async fn every_time_limit_is_respected_and_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    // Without the limit the answer would come.
    emulator.inject(Fault::delay(Duration::from_secs(2)).forever());
    let state = |operation: &str, attributes: &Json| {
        let mut limits = json!({ "create": "9m", "read": "9m", "update": "9m", "delete": "9m" });
        limits[operation] = "20ms".into();
        let mut state = attributes.clone();
        state["timeouts"] = limits;
        state
    };
    let (aes256, kms) = (aes256("demo"), kms("demo"));
    let of = |operation| state(operation, &aes256);
    for (operation, (kept, found)) in [
        ("read", read(&mut host, &of("read")).await),
        ("create", apply(&mut host, &Json::Null, &of("create")).await),
        ("update", apply(&mut host, &of("update"), &state("update", &kms)).await),
        ("delete", apply(&mut host, &of("delete"), &Json::Null).await),
    ] {
        assert_eq!(kept, of(operation));
        assert!(found[0].detail.contains("`timeouts`"), "{operation}: {}", found[0].detail);
    }
}

#[tokio::test]
async fn an_algorithm_of_the_future_is_stored_as_oss_says_it() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("AES512"));
    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!((&state["sse_algorithm"], found), (&Json::from("AES512"), vec![]));
}

#[tokio::test]
async fn missing_credentials_are_named_by_the_first_call_that_needs_them() {
    let emulator = emulator(&["demo"]);
    let mut host = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url() }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    let answer = host.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, Json::Null);
    assert!(found[0].detail.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn another_region_on_the_resource_is_signed_for() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-shanghai".into();
    let (_, found) = apply(&mut host, &Json::Null, &planned).await;
    assert!(found[0].detail.contains("signed for region \"cn-shanghai\""), "{}", found[0].detail);
}

#[tokio::test]
async fn a_state_whose_region_was_the_providers_is_read_and_deleted_where_the_bucket_is() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let emulator = Emulator::start(config.with_bucket_in("far", "cn-beijing")).unwrap();
    emulator.set_rule("far", EncryptionRule::new("AES256"));
    // V1 signs no region, so the endpoint takes both calls; that they differ is for the fault to say.
    let mut host = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url(),
        "signature_version": "v1", "access_key": KEY_ID, "secret_key": KEY_SECRET, "max_retries": 0 }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    host.configure_provider(request).await.unwrap();
    let elsewhere =
        || Fault::error_response(403, "AccessDenied").endpoint("oss-cn-beijing.aliyuncs.com");
    for region in [Json::Null, Json::from("")] {
        let mut state = aes256("far");
        state["region"] = region;
        emulator.inject(elsewhere());
        assert_eq!(read(&mut host, &state).await, (state.clone(), vec![]));
        assert_eq!(calls(&emulator), ["GET 403", "GET 200"]);
    }
    // A region that the state itself names is what the user wants to hear about.
    let mut state = aes256("far");
    state["region"] = "cn-shanghai".into();
    emulator.inject(elsewhere());
    let (kept, found) = read(&mut host, &state).await;
    assert_eq!(kept, state);
    assert!(found[0].detail.contains("its endpoint is oss-cn-beijing"), "{}", found[0].detail);
    // What is refused there is told.
    emulator.inject(elsewhere());
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let (_, found) = read(&mut host, &aes256("far")).await;
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
    calls(&emulator);
    // Where nobody answers there, the first answer is told.
    let mut hasty = aes256("far");
    hasty["timeouts"] = json!({ "create": null, "read": "1s", "update": null, "delete": null });
    for silence in [Fault::reset_before(), Fault::delay(Duration::from_mins(5))] {
        emulator.inject(elsewhere());
        emulator.inject(silence);
        let (_, found) = read(&mut host, &hasty).await;
        assert!(found[0].detail.contains("its endpoint is oss-cn-beijing"), "{}", found[0].detail);
        assert_eq!(calls(&emulator)[0], "GET 403");
    }

    emulator.inject(elsewhere());
    assert_eq!(apply(&mut host, &aes256("far"), &Json::Null).await, (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 403", "DELETE 204"]);
    assert_eq!(emulator.rule("far"), None);
    // And a rule that is gone there is gone.
    emulator.inject(elsewhere());
    assert_eq!(read(&mut host, &aes256("far")).await, (Json::Null, vec![]));
}

#[tokio::test]
async fn another_region_or_bucket_is_written_to() {
    let emulator = emulator(&["demo", "other"]);
    let mut host = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-hangzhou".into();
    assert_eq!(apply(&mut host, &aes256("demo"), &planned).await, (planned, vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);
    let other = aes256("other");
    assert_eq!(apply(&mut host, &aes256("demo"), &other).await, (other, vec![]));
    assert!(emulator.rule("other").is_some());
}

#[tokio::test]
async fn nothing_is_sent_for_a_plan_that_is_not_whole() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut unknown_limit = aes256("demo");
    unknown_limit["timeouts"] =
        json!({ "create": UNKNOWN, "read": null, "update": null, "delete": null });
    let mut no_algorithm = aes256("demo");
    no_algorithm["sse_algorithm"] = Json::Null;
    for (planned, expected) in [
        (unknown_limit, "error at timeouts: Unknown value"),
        (no_algorithm, "error at sse_algorithm: Missing value"),
    ] {
        let (state, found) = apply(&mut host, &Json::Null, &planned).await;
        assert_eq!((state, diagnostics(&found)), (Json::Null, vec![expected.to_owned()]));
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_read_last_is_told_when_the_time_is_up_in_the_middle_of_a_read() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.inject(Fault::stale_reads(1_000_000));
    emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &Json::Null, &planned).await;
    assert_eq!(state, planned);
    let expected = "error: The encryption of bucket demo does not read back as written";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("still gives SM4"), "{}", found[0].detail);

    emulator.clear_faults();
    emulator.clear_exchanges();
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.inject(Fault::stale_reads(1_000_000));
    emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let (state, found) = stopped_after(3, &emulator).await;
    assert_eq!(state, aes256("demo"));
    assert!(found[0].detail.contains("still gave SM4"), "{}", found[0].detail);
}

#[tokio::test]
async fn no_region_is_spelled_as_before() {
    for (prior, config, expected) in [("", None, ""), ("", Some(""), "")] {
        let mut state = aes256("demo");
        state["region"] = prior.into();
        let mut configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
        configured["region"] = config.into();
        let planned = plan(state.clone(), configured).await;
        assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], expected);
    }
    // One that was named and is named no longer is a change.
    let mut state = aes256("demo");
    state["region"] = "cn-beijing".into();
    let configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
    let planned = plan(state, configured).await;
    assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], Json::Null);
}

#[tokio::test]
async fn a_key_that_oss_no_longer_tells_is_not_set() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("KMS"));
    let mut state = kms("demo");
    state["kms_master_key_id"] = "9468da86".into();
    let (found, messages) = read(&mut host, &state).await;
    assert_eq!((&found["kms_master_key_id"], messages), (&json!(""), vec![]));
    // What is absent means AES-256 data keys, so a bucket that says so has the same rule.
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_data_encryption = Some("AES256".to_owned());
    emulator.set_rule("demo", rule);
    assert_eq!(read(&mut host, &kms("demo")).await, (kms("demo"), vec![]));
}

// ---- import, stored state --------------------------------------------------------------------

async fn import(
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
        assert_eq!(diagnostics(&answer.diagnostics), ["error: Invalid import id"], "{id}");
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
        ("no-such-bucket", "error: There is no bucket no-such-bucket to import"),
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
    assert_eq!(diagnostics(&answer.diagnostics), ["error: State of a newer provider version"]);
    let answer = host.upgrade_resource_state(upgrade("{", 0)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: Unreadable stored state"]);
}

// ---- every RPC answers -----------------------------------------------------------------------

#[tokio::test]
async fn what_the_provider_does_not_have_is_named() {
    let mut host = unconfigured();
    let name = || "oss_nothing".to_owned();
    macro_rules! check {
        ($method:ident, $request:expr, $summary:literal) => {
            let answer = host.$method($request).await.unwrap().into_inner();
            assert_eq!(diagnostics(&answer.diagnostics), [concat!("error: ", $summary)]);
            assert!(answer.diagnostics[0].detail.contains("oss_nothing"), stringify!($method));
        };
    }
    macro_rules! check_type {
        ($($method:ident: $message:ident { $field:ident } => $summary:literal;)*) => {
            $(check!($method, pb::$message::Request { $field: name(), ..Default::default() }, $summary);)*
        };
    }
    check_type! {
        validate_resource_config: validate_resource_config { type_name } => "Unknown resource type";
        upgrade_resource_state: upgrade_resource_state { type_name } => "Unknown resource type";
        read_resource: read_resource { type_name } => "Unknown resource type";
        plan_resource_change: plan_resource_change { type_name } => "Unknown resource type";
        apply_resource_change: apply_resource_change { type_name } => "Unknown resource type";
        import_resource_state: import_resource_state { type_name } => "Unknown resource type";
        generate_resource_config: generate_resource_config { type_name } => "Unknown resource type";
        move_resource_state: move_resource_state { target_type_name } => "Unknown resource type";
        upgrade_resource_identity: upgrade_resource_identity { type_name } => "Unknown resource type";
        validate_list_resource_config: validate_list_resource_config { type_name } => "Unknown list resource";
        validate_data_resource_config: validate_data_resource_config { type_name } => "Unknown data source";
        read_data_source: read_data_source { type_name } => "Unknown data source";
        validate_ephemeral_resource_config: validate_ephemeral_resource_config { type_name } => "Unknown ephemeral resource";
        open_ephemeral_resource: open_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        renew_ephemeral_resource: renew_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        close_ephemeral_resource: close_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        validate_action_config: validate_action_config { type_name } => "Unknown action";
        plan_action: plan_action { action_type } => "Unknown action";
        validate_state_store_config: validate_state_store { type_name } => "Unknown state store";
        configure_state_store: configure_state_store { type_name } => "Unknown state store";
        lock_state: lock_state { type_name } => "Unknown state store";
        unlock_state: unlock_state { type_name } => "Unknown state store";
        delete_state: delete_state { type_name } => "Unknown state store";
    }
    check!(get_states, pb::get_states::Request { type_name: name() }, "Unknown state store");
    let meta = pb::RequestChunkMeta { type_name: name(), state_id: String::new() };
    let chunk = pb::write_state_bytes::RequestChunk { meta: Some(meta), ..Default::default() };
    check!(write_state_bytes, futures_util::stream::iter([chunk]), "Unknown state store");

    let request = pb::call_function::Request { name: name(), ..Default::default() };
    let answer = host.call_function(request).await.unwrap().into_inner();
    assert!(answer.error.unwrap().text.contains("oss_nothing"));

    let request = pb::list_resource::Request { type_name: name(), ..Default::default() };
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: Unknown list resource"]);
    assert_eq!(events.message().await.unwrap(), None);

    let request = pb::invoke_action::Request { action_type: name(), ..Default::default() };
    let mut events = host.invoke_action(request).await.unwrap().into_inner();
    let Some(pb::invoke_action::event::Type::Completed(completed)) =
        events.message().await.unwrap().unwrap().r#type
    else {
        panic!("the action did not complete");
    };
    assert_eq!(diagnostics(&completed.diagnostics), ["error: Unknown action"]);

    let request = pb::read_state_bytes::Request { type_name: name(), ..Default::default() };
    let mut chunks = host.read_state_bytes(request).await.unwrap().into_inner();
    let chunk = chunks.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&chunk.diagnostics), ["error: Unknown state store"]);
}

#[tokio::test]
async fn lists_of_what_exists_are_answered() {
    let mut host = unconfigured();
    let metadata = host.get_metadata(pb::get_metadata::Request {}).await.unwrap().into_inner();
    let names: Vec<&str> =
        metadata.resources.iter().map(|resource| resource.type_name.as_str()).collect();
    assert_eq!(names, [TYPE]);
    assert_eq!(metadata.data_sources, []);
    let functions = host.get_functions(pb::get_functions::Request {}).await.unwrap().into_inner();
    assert!(functions.functions.is_empty() && functions.diagnostics.is_empty());
    let identities = host
        .get_resource_identity_schemas(pb::get_resource_identity_schemas::Request {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(identities.diagnostics, []);
}

#[tokio::test]
async fn absent_and_malformed_values_are_errors_and_change_nothing() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let malformed =
        |msgpack: &[u8]| Some(pb::DynamicValue { msgpack: msgpack.to_vec(), json: Vec::new() });
    for value in [None, malformed(b""), malformed(b"\xc1"), malformed(b"\x80"), malformed(b"\xa1")]
    {
        let request = pb::apply_resource_change::Request {
            type_name: TYPE.into(),
            prior_state: Some(dynamic(&aes256("demo"))),
            planned_state: value.clone(),
            config: value.clone(),
            ..Default::default()
        };
        let answer = host.apply_resource_change(request).await.unwrap().into_inner();
        assert_eq!(answer.diagnostics.len(), 1, "{value:?}");
        let request = pb::read_resource::Request {
            type_name: TYPE.into(),
            current_state: value.clone(),
            ..Default::default()
        };
        let answer = host.read_resource(request).await.unwrap().into_inner();
        assert_eq!(answer.diagnostics.len(), 1, "{value:?}");
        let request = pb::validate_provider_config::Request { config: value };
        let answer = host.validate_provider_config(request).await.unwrap().into_inner();
        assert_eq!(answer.diagnostics.len(), 1);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn calls_before_the_configuration_are_refused() {
    let mut host = unconfigured();
    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!(diagnostics(&found), ["error: Provider not configured"]);
    assert_eq!(state, Json::Null);
    let (state, found) = apply(&mut host, &aes256("demo"), &Json::Null).await;
    assert_eq!(diagnostics(&found), ["error: Provider not configured"]);
    assert_eq!(state, aes256("demo"), "what could not be deleted stays in the state");
}

// ---- a second resource -----------------------------------------------------------------------

/// A provider with another resource, which panics: what it costs to add one, and that a panic in
/// one call is a message to the user and not the end of the process.
struct Toy;

struct Fragile;

impl Provider for Toy {
    type Client = ();

    fn schema(&self) -> Schema {
        Schema { version: 0, block: Block::default() }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn configure(&self, _: &Object, _: &str) -> ConfigureResponse<()> {
        ConfigureResponse {
            client: Some(()),
            has_unknown_values: false,
            diagnostics: Diagnostics::new(),
        }
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        vec![Box::new(Fragile)]
    }
}

impl Resource<()> for Fragile {
    fn type_name(&self) -> &'static str {
        TYPE
    }

    fn schema(&self) -> Schema {
        let attributes = vec![Attribute::required("name", "A name.")];
        Schema { version: 0, block: Block { attributes, ..Block::default() } }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        panic!("fragile")
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        Plan { planned_state: request.config.clone(), requires_replace: Vec::new() }
    }

    fn create<'a>(&'a self, _: &'a Context<()>, _: Object) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("fragile") })
    }

    fn read<'a>(&'a self, _: &'a Context<()>, _: Object) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("fragile") })
    }

    fn update<'a>(&'a self, _: &'a Context<()>, _: Object, _: Object) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("fragile") })
    }

    fn delete<'a>(&'a self, _: &'a Context<()>, _: Object) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::removed() })
    }

    fn import<'a>(&'a self, _: &'a Context<()>, _: ImportTarget<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("fragile") })
    }

    fn list_resource(&self) -> Option<Box<dyn ListResource<()>>> {
        Some(Box::new(Fragile))
    }
}

impl ListResource<()> for Fragile {
    fn schema(&self) -> Schema {
        Schema { version: 0, block: Block::default() }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        panic!("fragile")
    }

    fn list(&self, _: Context<()>, _: &Object) -> BoxStream<ListEvent> {
        let fall = |()| -> ListEvent { panic!("fragile") };
        Box::pin(futures_util::stream::iter([()]).map(fall))
    }
}

#[tokio::test]
async fn a_panic_in_a_search_ends_it_with_a_message() {
    let mut host = client_for(Toy);
    let config = || Some(dynamic(&json!({})));
    let request = pb::configure_provider::Request { config: config(), ..Default::default() };
    host.configure_provider(request).await.unwrap();
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: config(),
        ..Default::default()
    };
    let answer = host.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: The provider crashed"]);
    let request = pb::list_resource::Request {
        type_name: TYPE.into(),
        config: config(),
        ..Default::default()
    };
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: The provider crashed"]);
    assert_eq!(events.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_panic_is_a_diagnostic_and_loses_no_state() {
    let mut host = client_for(Toy);
    let config = dynamic(&json!({}));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    host.configure_provider(request).await.unwrap();

    let request = pb::validate_resource_config::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&json!({ "name": "x" }))),
        ..Default::default()
    };
    let answer = host.validate_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), ["error: The provider crashed"]);

    let (before, after) = (json!({ "name": "before" }), json!({ "name": "after" }));
    let (state, found) = apply(&mut host, &Json::Null, &after).await;
    assert_eq!(diagnostics(&found), ["error: The provider crashed"]);
    assert_eq!(state, after, "it may have been created");
    let (state, _) = apply(&mut host, &before, &after).await;
    assert_eq!(state, before);
    let (state, found) = apply(&mut host, &before, &Json::Null).await;
    assert_eq!((state, found), (Json::Null, vec![]), "the next call works");
}
