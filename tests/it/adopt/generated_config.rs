//! Generated configuration.

use oss_emulator::{Config, Emulator, EncryptionRule};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::list::list_request;
use super::{NO_DIAGNOSTICS, shown};
use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, configured, diagnostics, dynamic, from_dynamic, resource,
    unconfigured,
};

#[tokio::test]
async fn generated_configuration_contains_no_computed_or_empty_values() {
    let mut client = unconfigured();
    let timeouts =
        |create| json!({ "create": create, "read": "5s", "update": null, "delete": null });
    let state = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
        "kms_master_key_id": "", "kms_data_encryption": "SM4", "timeouts": timeouts(json!("")) }));
    let request = pb::generate_resource_config::Request {
        type_name: TYPE.into(),
        state: Some(dynamic(&state)),
    };
    let response = client.generate_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
    let expected = resource(json!({ "bucket": "demo", "sse_algorithm": "KMS",
        "kms_data_encryption": "SM4", "timeouts": timeouts(Json::Null) }));
    assert_eq!(from_dynamic(response.config.as_ref()), expected);
}

/// The RPCs of `terraform query -generate-config-out` and of the plan that imports the results.
#[tokio::test]
async fn results_of_a_list_query_are_imported_with_generated_configuration_and_no_changes() {
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
    let mut client = configured(&emulator).await;
    let type_name = || TYPE.to_owned();

    let mut found = client.list_resource(list_request(&json!({}), 100)).await.unwrap().into_inner();
    let mut taken_over = Vec::new();
    while let Some(event) = found.message().await.unwrap() {
        assert_eq!(diagnostics(&event.diagnostic), NO_DIAGNOSTICS);
        let generate = pb::generate_resource_config::Request {
            type_name: type_name(),
            state: event.resource_object,
        };
        let generated =
            client.generate_resource_config(generate).await.unwrap().into_inner().config;
        let validate = pb::validate_resource_config::Request {
            type_name: type_name(),
            config: generated.clone(),
            ..Default::default()
        };
        let valid = client.validate_resource_config(validate).await.unwrap().into_inner();
        assert_eq!(diagnostics(&valid.diagnostics), NO_DIAGNOSTICS);

        let import = pb::import_resource_state::Request {
            type_name: type_name(),
            identity: event.identity.clone(),
            ..Default::default()
        };
        let imported = client.import_resource_state(import).await.unwrap().into_inner();
        let imported = imported.imported_resources.into_iter().next().unwrap();
        let read = pb::read_resource::Request {
            type_name: type_name(),
            current_state: imported.state,
            current_identity: imported.identity,
            ..Default::default()
        };
        let read = client.read_resource(read).await.unwrap().into_inner();
        let plan = pb::plan_resource_change::Request {
            type_name: type_name(),
            prior_state: read.new_state.clone(),
            // Terraform proposes prior values for computed attributes that are not configured.
            proposed_new_state: read.new_state.clone(),
            config: generated,
            prior_identity: read.new_identity.clone(),
            ..Default::default()
        };
        let planned = client.plan_resource_change(plan).await.unwrap().into_inner();
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
