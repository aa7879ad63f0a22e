//! Plans.

use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::stored_state::import;
use super::{aes256, kms, plan};
use crate::support::{TYPE, UNKNOWN, configured, dynamic, emulator, from_dynamic, path, resource};

#[tokio::test]
async fn the_id_is_planned_if_the_bucket_is_known() {
    let config = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
    let response = plan(Json::Null, config).await;
    assert_eq!(from_dynamic(response.planned_state.as_ref()), aes256("demo"));
    assert_eq!(response.requires_replace, []);

    let config = resource(json!({ "bucket": UNKNOWN, "sse_algorithm": "AES256" }));
    let response = plan(Json::Null, config).await;
    assert_eq!(from_dynamic(response.planned_state.as_ref())["id"], UNKNOWN);
}

#[tokio::test]
async fn an_unchanged_configuration_plans_the_prior_state() {
    let mut config = aes256("demo");
    config["id"] = Json::Null;
    let response = plan(aes256("demo"), config).await;
    assert_eq!(from_dynamic(response.planned_state.as_ref()), aes256("demo"));
    assert_eq!(response.requires_replace, []);
}

#[tokio::test]
async fn an_unset_key_keeps_its_prior_value_if_terraform_allows_it() {
    let (null, empty) = (Json::Null, Json::from(""));
    for (prior, configured, planned) in [
        (&null, &null, &null),
        (&empty, &empty, &empty),
        (&empty, &null, &empty),
        // Terraform rejects a planned null here.
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
            let response = plan(prior_state, config).await;
            let planned_state = from_dynamic(response.planned_state.as_ref());
            assert_eq!(planned_state[name], *planned, "{name}: {prior} → {configured}");
        }
    }
}

#[tokio::test]
async fn another_or_unknown_bucket_requires_replacement() {
    for bucket in ["other", UNKNOWN] {
        let config = resource(json!({ "bucket": bucket, "sse_algorithm": "AES256" }));
        let response = plan(aes256("demo"), config).await;
        let replaced: Vec<String> = response.requires_replace.iter().map(path).collect();
        assert_eq!(replaced, ["bucket"]);
        assert_eq!(from_dynamic(response.planned_state.as_ref())["id"], bucket);
    }
    let config = resource(json!({ "bucket": "demo", "sse_algorithm": "KMS" }));
    assert_eq!(plan(aes256("demo"), config).await.requires_replace, []);
}

/// Private data identifies an object: it is stored by a create, and returned as it is by everything else.
#[tokio::test]
async fn private_data_is_new_for_each_created_object_and_returned_unchanged() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
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
    let planned = client.plan_resource_change(plan).await.unwrap().into_inner();
    assert_eq!(planned.planned_private, private());
    let apply = pb::apply_resource_change::Request {
        type_name: type_name(),
        prior_state: state(),
        planned_state: state(),
        planned_private: private(),
        ..Default::default()
    };
    let create = pb::apply_resource_change::Request {
        prior_state: Some(dynamic(&Json::Null)),
        ..apply.clone()
    };
    assert_eq!(client.apply_resource_change(apply).await.unwrap().into_inner().private, private());
    let mut created = Vec::new();
    for _ in 0..2 {
        let response = client.apply_resource_change(create.clone()).await.unwrap().into_inner();
        created.push(response.private);
    }
    assert!(created[0] != created[1] && !created.contains(&private()), "{created:?}");
    let read = pb::read_resource::Request {
        type_name: type_name(),
        current_state: state(),
        private: private(),
        ..Default::default()
    };
    assert_eq!(client.read_resource(read).await.unwrap().into_inner().private, private());
    assert!(import(&mut client, "demo").await.imported_resources[0].private.is_empty());
}

#[tokio::test]
async fn the_plan_of_a_deletion_is_null() {
    let response = plan(aes256("demo"), Json::Null).await;
    assert_eq!(from_dynamic(response.planned_state.as_ref()), Json::Null);
    assert_eq!(response.diagnostics, []);
}
