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
