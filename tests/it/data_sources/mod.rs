//! The data sources, with the RPCs that Terraform calls, and the scan of an account that they share with the
//! list resource.

mod all_buckets;
mod one_bucket;
mod scan;

use oss_emulator::{Config, Emulator, EncryptionRule};
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::support::{
    KEY_ID, KEY_SECRET, TestClient, diagnostics, dynamic, from_dynamic, unconfigured,
};

const NO_DIAGNOSTICS: [&str; 0] = [];
const ALL: &str = "oss_bucket_encryptions";

/// A configuration: null for each name that is not in `given`.
fn config(names: &[&str], given: Json) -> pb::DynamicValue {
    let mut all: serde_json::Map<String, Json> =
        names.iter().map(|name| ((*name).to_owned(), Json::Null)).collect();
    let Json::Object(given) = given else { panic!("{given} is not an object") };
    all.extend(given);
    dynamic(&all.into())
}

async fn validate(type_name: &str, config: pb::DynamicValue) -> Vec<String> {
    let request = pb::validate_data_resource_config::Request {
        type_name: type_name.into(),
        config: Some(config),
    };
    let response =
        unconfigured().validate_data_resource_config(request).await.unwrap().into_inner();
    diagnostics(&response.diagnostics)
}

async fn read(
    client: &mut TestClient<OssProvider>,
    type_name: &str,
    config: pb::DynamicValue,
) -> (Json, Vec<pb::Diagnostic>) {
    let request = pb::read_data_source::Request {
        type_name: type_name.into(),
        config: Some(config),
        ..Default::default()
    };
    let response = client.read_data_source(request).await.unwrap().into_inner();
    (from_dynamic(response.state.as_ref()), response.diagnostics)
}

/// Four buckets in two regions, one of them without a rule.
fn account() -> Emulator {
    let config = Config::default()
        .with_credentials(KEY_ID, KEY_SECRET)
        .with_bucket("app-a")
        .with_bucket_in("app-far", "cn-beijing")
        .with_bucket("app-plain")
        .with_bucket("web");
    let emulator = Emulator::start(config).unwrap();
    let mut kms = EncryptionRule::new("KMS");
    kms.kms_master_key_id = Some("9468da86".to_owned());
    kms.kms_data_encryption = Some("SM4".to_owned());
    emulator.set_rule("app-a", EncryptionRule::new("AES256"));
    emulator.set_rule("app-far", kms);
    emulator.set_rule("web", EncryptionRule::new("SM4"));
    emulator
}

/// An account with this many buckets without a rule.
fn large_account(buckets: usize) -> Emulator {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names = (0..buckets).map(|number| format!("many-{number:05}"));
    Emulator::start(names.fold(config, |config, name| config.with_bucket(&name))).unwrap()
}

/// A bucket as `app-a@cn-hangzhou: AES256 - -`, or with its error.
fn shown(bucket: &Json) -> String {
    let text = |name: &str| bucket[name].as_str().unwrap_or("-").to_owned();
    let (name, region) = (text("bucket"), text("region"));
    let rule = ["sse_algorithm", "kms_master_key_id", "kms_data_encryption"].map(text).join(" ");
    match bucket["error"].as_str() {
        None => format!("{name}@{region}: {rule}"),
        Some(error) => {
            assert_eq!(rule, "- - -", "a bucket that was not read has no rule");
            format!("{name}@{region}: error: {error}")
        }
    }
}

fn shown_all(state: &Json) -> Vec<String> {
    state["buckets"].as_array().unwrap().iter().map(shown).collect()
}

fn timeouts(read: &str) -> Json {
    json!({ "timeouts": { "read": read } })
}
