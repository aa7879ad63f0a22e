//! A provider with a second setting of a bucket: one file, `bucket_setting.rs`, and one line in the list of
//! resources.

use oss_emulator::{Emulator, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::resources::ProviderData;
use terraform_provider_oss::resources::bucket::SettingResource;
use terraform_provider_oss::tfplugin::{
    ConfigureResponse, Diagnostics, Object, Provider, Resource, Schema, pb,
};

use super::bucket_setting::Cipher;
use super::{apply_type, read_type};
use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, client_for, diagnostics, dynamic, emulator, from_dynamic,
    provider_config,
};

const CIPHER: &str = "oss_bucket_cipher";

/// This provider with one more resource.
struct ExtendedProvider(OssProvider);

impl Provider for ExtendedProvider {
    type Data = ProviderData;

    fn schema(&self) -> Schema {
        self.0.schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        self.0.validate(config)
    }

    fn configure(&self, config: &Object, version: &str) -> ConfigureResponse<ProviderData> {
        self.0.configure(config, version)
    }

    fn resources(&self) -> Vec<Box<dyn Resource<ProviderData>>> {
        let mut resources = self.0.resources();
        resources.push(Box::new(SettingResource::<Cipher>::default()));
        resources
    }
}

/// Without retries, and with signatures that the emulator accepts for every region.
async fn configured(emulator: &Emulator) -> TestClient<ExtendedProvider> {
    let mut client = client_for(ExtendedProvider(OssProvider::new(Environment::default())));
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url(),
        "signature_version": "v1", "access_key": KEY_ID, "secret_key": KEY_SECRET, "max_retries": 0 }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    client
}

fn cipher(bucket: &str, cipher: &str) -> Json {
    json!({ "bucket": bucket, "cipher": cipher, "region": null, "id": bucket, "timeouts": null })
}

#[test]
fn a_second_setting_takes_at_most_80_lines_beside_its_schema() {
    let lines: Vec<&str> = include_str!("bucket_setting.rs").lines().collect();
    let start = lines.iter().position(|line| line.contains("fn schema()")).unwrap();
    let end = start + lines[start..].iter().position(|line| *line == "    }").unwrap();
    let others = lines.len() - (end - start + 1);
    assert!(others <= 80, "{others} lines");
}

#[tokio::test]
async fn both_resources_are_registered() {
    let mut client = client_for(ExtendedProvider(OssProvider::new(Environment::default())));
    let response = client.get_provider_schema(pb::get_provider_schema::Request {}).await.unwrap();
    let mut names: Vec<String> = response.into_inner().resource_schemas.into_keys().collect();
    names.sort();
    assert_eq!(names, [CIPHER, TYPE]);
}

#[tokio::test]
async fn a_second_setting_is_created_read_updated_and_deleted() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let (aes256, sm4) = (cipher("demo", "AES256"), cipher("demo", "SM4"));
    assert_eq!(read_type(&mut client, CIPHER, &aes256).await, (Json::Null, vec![]));
    let applied = apply_type(&mut client, CIPHER, &Json::Null, &aes256).await;
    assert_eq!(applied, (aes256.clone(), vec![]));
    assert_eq!(apply_type(&mut client, CIPHER, &aes256, &sm4).await, (sm4.clone(), vec![]));
    assert_eq!(read_type(&mut client, CIPHER, &aes256).await, (sm4.clone(), vec![]));
    let mut client = configured(&emulator).await;
    assert_eq!(apply_type(&mut client, CIPHER, &sm4, &Json::Null).await, (Json::Null, vec![]));
    assert_eq!(emulator.rule("demo"), None);
}

#[tokio::test]
async fn a_second_setting_is_planned_and_checked_like_the_first() {
    let emulator = emulator(&[]);
    let mut client = configured(&emulator).await;
    let mut prior = cipher("demo", "SM4");
    prior["region"] = "".into();
    let mut config = cipher("other", "SM4");
    config["id"] = Json::Null;
    let request = pb::plan_resource_change::Request {
        type_name: CIPHER.into(),
        prior_state: Some(dynamic(&prior)),
        proposed_new_state: Some(dynamic(&config)),
        config: Some(dynamic(&config)),
        ..Default::default()
    };
    let response = client.plan_resource_change(request).await.unwrap().into_inner();
    let mut expected = cipher("other", "SM4");
    expected["region"] = "".into();
    assert_eq!(from_dynamic(response.planned_state.as_ref()), expected);
    assert_eq!(response.requires_replace.len(), 1);

    config["bucket"] = "Other".into();
    config["cipher"] = Json::Null;
    let request = pb::validate_resource_config::Request {
        type_name: CIPHER.into(),
        config: Some(dynamic(&config)),
        ..Default::default()
    };
    let response = client.validate_resource_config(request).await.unwrap().into_inner();
    let expected = ["error at cipher: Missing argument", "error at bucket: Invalid bucket name"];
    assert_eq!(diagnostics(&response.diagnostics), expected);
}

#[tokio::test]
async fn a_second_setting_is_imported_with_its_identity() {
    let emulator = emulator(&["demo", "empty"]);
    let mut client = configured(&emulator).await;
    apply_type(&mut client, CIPHER, &Json::Null, &cipher("demo", "SM4")).await;
    for (id, region, expected) in [
        ("demo", "", vec![]),
        ("demo@cn-hangzhou", "cn-hangzhou", vec![]),
        ("empty", "", vec!["error: Bucket empty has no encryption to import"]),
        ("Demo", "", vec!["error: Invalid import ID"]),
    ] {
        let request = pb::import_resource_state::Request {
            type_name: CIPHER.into(),
            id: id.into(),
            ..Default::default()
        };
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), expected, "{id}");
        assert_eq!(response.imported_resources.len(), usize::from(expected.is_empty()), "{id}");
        if let [imported] = response.imported_resources.as_slice() {
            let mut state = cipher("demo", "SM4");
            state["region"] = region.into();
            assert_eq!(from_dynamic(imported.state.as_ref()), state);
            let identity = imported.identity.clone().unwrap().identity_data;
            let region = if region.is_empty() { Json::Null } else { region.into() };
            let expected = json!({ "bucket": "demo", "region": region });
            assert_eq!(from_dynamic(identity.as_ref()), expected);
        }
    }
}

#[tokio::test]
async fn a_second_setting_keeps_its_state_after_an_unknown_outcome() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let (aes256, sm4) = (cipher("demo", "AES256"), cipher("demo", "SM4"));
    emulator.inject(Fault::reset_after().method("PUT"));
    let (state, found) = apply_type(&mut client, CIPHER, &Json::Null, &aes256).await;
    assert_eq!(state, aes256);
    assert!(found[0].detail.contains("The bucket has AES256, as planned"), "{}", found[0].detail);
    for (planned, method) in [(&sm4, "PUT"), (&Json::Null, "DELETE")] {
        emulator.inject(Fault::reset_after().method(method));
        let mut client = configured(&emulator).await;
        let (state, found) = apply_type(&mut client, CIPHER, &aes256, planned).await;
        assert_eq!(state, aes256);
        assert!(found[0].detail.contains("OSS may have applied the change anyway"), "{method}");
    }
}

#[tokio::test]
async fn a_second_setting_follows_a_redirect_to_the_region_of_its_bucket() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let sm4 = cipher("demo", "SM4");
    apply_type(&mut client, CIPHER, &Json::Null, &sm4).await;
    let redirect =
        || Fault::error_response(403, "AccessDenied").endpoint("oss-cn-beijing.aliyuncs.com");
    emulator.inject(redirect());
    assert_eq!(read_type(&mut client, CIPHER, &sm4).await, (sm4.clone(), vec![]));
    emulator.inject(redirect());
    let mut client = configured(&emulator).await;
    assert_eq!(apply_type(&mut client, CIPHER, &sm4, &Json::Null).await, (Json::Null, vec![]));
    assert_eq!(emulator.rule("demo"), None);

    // A state with a region is not redirected.
    let mut in_region = sm4;
    in_region["region"] = "cn-shanghai".into();
    emulator.inject(redirect());
    let (state, found) = read_type(&mut client, CIPHER, &in_region).await;
    assert_eq!(state, in_region);
    assert!(found[0].detail.contains("must be accessed at oss-cn-beijing"), "{}", found[0].detail);
}
