//! Converts states to rules, and responses, imports and states of other resource types to states. Pure.

use crate::oss::{BucketName, EncryptionRule, SseAlgorithm};
use crate::resources::bucket::{self, is_unset, non_empty_string};
use crate::tfplugin::{Diagnostic, Diagnostics, MoveSource, Object, Value};

/// The rule in a state without unknown values.
pub(super) fn rule_from_state(state: &Object) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: SseAlgorithm::from(
            non_empty_string(state, "sse_algorithm").unwrap_or_default(),
        ),
        kms_master_key_id: non_empty_string(state, "kms_master_key_id").map(str::to_owned),
        kms_data_encryption: non_empty_string(state, "kms_data_encryption").map(str::to_owned),
    }
}

/// Sets the rule that OSS returned. An argument that is not in the rule stays null or `""`, as it is.
pub(super) fn state_with_rule(mut state: Object, rule: &EncryptionRule) -> Object {
    state.set("sse_algorithm", rule.sse_algorithm.as_str());
    for (name, returned) in [
        ("kms_master_key_id", &rule.kms_master_key_id),
        ("kms_data_encryption", &rule.kms_data_encryption),
    ] {
        match returned {
            Some(returned) => state.set(name, returned.as_str()),
            // Fits configurations with and without the argument.
            None if !is_unset(state.get(name)) => state.set(name, ""),
            None => {}
        }
    }
    state
}

/// The state of a bucket whose rule is not known yet.
pub(super) fn bare_state(bucket: &str, region: Option<&str>) -> Object {
    without_rule(bucket::bare_state(bucket, region))
}

/// Without a rule, in a form that fits every configuration.
pub(super) fn without_rule(state: Object) -> Object {
    state
        .with("sse_algorithm", Value::Null)
        // Fits configurations with and without the arguments.
        .with("kms_master_key_id", "")
        .with("kms_data_encryption", "")
}

/// The providers whose states can be moved, without the host: mirrors and private registries have their own.
/// The provider was formerly published as `hashicorp/alicloud`.
const MOVABLE_PROVIDERS: [&str; 2] = ["aliyun/alicloud", "hashicorp/alicloud"];
const MOVABLE_TYPE: &str = "alicloud_oss_bucket_server_side_encryption";

/// Converts the state of the alicloud provider's resource. Its attributes have the same names and meanings
/// in every version of that provider.
pub(super) fn state_from_move(source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
    let unsupported = |reason: String| {
        let advice = match source.type_name {
            "alicloud_oss_bucket" => {
                "Keep the resource of the bucket, add `ignore_changes = [server_side_encryption_rule]` to its \
                 `lifecycle` block, and import the rule by the name of the bucket."
            }
            _ => {
                "For another resource that manages the encryption of a bucket, remove it from the state with a \
                 `removed` block or `terraform state rm`, then import the rule by the name of the bucket."
            }
        };
        let detail = format!(
            "{reason}\n\nOnly {MOVABLE_TYPE} from {}, and oss_bucket_encryption of this provider at another \
             address, can be moved to oss_bucket_encryption. {advice}",
            MOVABLE_PROVIDERS.join(" or "),
        );
        Diagnostics::from(Diagnostic::error("Unsupported resource move", detail))
    };
    // OpenTofu 1.10.0 to 1.11.11 and 1.12.0 to 1.12.3 send only the name of the provider.
    let is_known_provider = match source.provider_address.split_once('/') {
        Some((_, provider)) => MOVABLE_PROVIDERS.contains(&provider),
        None => source.provider_address == "alicloud",
    };
    if !is_known_provider || source.type_name != MOVABLE_TYPE {
        return Err(unsupported(format!("The resource to move is {source}.")));
    }
    let Value::Object(state) = source.state else {
        return Err(unsupported("The stored state is not an object.".to_owned()));
    };
    // Its ID is the bucket name, too.
    let bucket = non_empty_string(state, "bucket")
        .or_else(|| non_empty_string(state, "id"))
        .unwrap_or_default();
    if let Err(error) = BucketName::parse(bucket) {
        return Err(unsupported(format!("The bucket {bucket:?} in the stored state {error}.")));
    }
    let mut moved = bare_state(bucket, None);
    for name in ["sse_algorithm", "kms_master_key_id", "kms_data_encryption"] {
        let value = non_empty_string(state, name);
        // Unset arguments stay `""`.
        if value.is_some() || name == "sse_algorithm" {
            moved.set(name, value);
        }
    }
    if let Value::Object(timeouts) = state.get("timeouts") {
        let timeout = |operation| non_empty_string(timeouts, operation);
        let names = bucket::Operation::ALL.map(bucket::Operation::name);
        if names.iter().any(|name| timeout(name).is_some()) {
            let block = names
                .into_iter()
                .fold(Object::new(), |block, name| block.with(name, timeout(name)));
            moved.set("timeouts", block);
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resources::bucket::{Operation, identity, state_from_import, timeout};
    use crate::tfplugin::ImportTarget;

    #[test]
    fn an_identity_is_complete_or_absent() {
        let state = bare_state("demo", Some("cn-beijing"));
        let expected = Object::new().with("bucket", "demo").with("region", "cn-beijing");
        assert_eq!(identity(&state), Some(expected));
        let without_region = Object::new().with("bucket", "demo").with("region", Value::Null);
        assert_eq!(identity(&bare_state("demo", None)), Some(without_region));
        assert_eq!(identity(&state.clone().with("bucket", Value::Unknown)), None);
        assert_eq!(identity(&state.with("region", Value::Unknown)), None);
    }

    #[test]
    fn an_import_id_is_a_bucket_with_an_optional_region() {
        let id = |id| state_from_import(ImportTarget::Id(id)).map(|state| identity(&state));
        let identity_of = |bucket: &str, region: Option<&str>| {
            Ok(Some(Object::new().with("bucket", bucket).with("region", region)))
        };
        assert_eq!(id("demo"), identity_of("demo", None));
        assert_eq!(id("demo@cn-beijing"), identity_of("demo", Some("cn-beijing")));
        for invalid in ["", "Demo", "demo@", "demo@CN", "demo/x", "a.evil.example/", "demo@cn@x"] {
            assert_eq!(id(invalid).unwrap_err().summary, "Invalid import ID", "{invalid:?}");
        }
        let named = Object::new().with("bucket", "demo").with("region", "cn-beijing");
        let state = state_from_import(ImportTarget::Identity(&named)).unwrap();
        assert_eq!(identity(&state), Some(named.clone()));
        for (name, value) in [("bucket", ""), ("bucket", "a.evil.example/"), ("region", "c/n")] {
            let invalid = named.clone().with(name, value);
            let error = state_from_import(ImportTarget::Identity(&invalid)).unwrap_err();
            assert_eq!(error.summary, "Invalid identity");
        }
    }

    fn alicloud(state: &Object) -> Result<Object, Diagnostics> {
        state_from_move(&MoveSource {
            provider_address: "registry.terraform.io/aliyun/alicloud",
            type_name: MOVABLE_TYPE,
            schema_version: 0,
            state: &Value::Object(state.clone()),
        })
    }

    #[test]
    fn states_of_the_alicloud_provider_are_moved() {
        let timeouts = Object::new().with("create", "10m").with("delete", Value::Null);
        let state = Object::new()
            .with("bucket", "demo")
            .with("id", "demo")
            .with("sse_algorithm", "KMS")
            .with("kms_master_key_id", "9468da86")
            .with("kms_data_encryption", "")
            .with("timeouts", timeouts);
        let moved = alicloud(&state).unwrap();
        for (name, value) in [
            ("bucket", "demo"),
            ("id", "demo"),
            ("sse_algorithm", "KMS"),
            ("kms_master_key_id", "9468da86"),
            ("kms_data_encryption", ""),
        ] {
            assert!(*moved.get(name) == Value::from(value), "{name}");
        }
        assert_eq!(timeout(&moved, Operation::Create), Duration::from_mins(10));
        assert_eq!(timeout(&moved, Operation::Delete), Duration::from_mins(5));
        let no_timeouts = alicloud(&state.with("timeouts", Value::Null)).unwrap();
        assert!(*no_timeouts.get("timeouts") == Value::Null);
    }

    #[test]
    fn other_resources_and_providers_are_not_moved() {
        let state = Value::Object(Object::new().with("bucket", "demo"));
        let move_from = |provider_address: &str, type_name: &str, state: &Value| {
            let source = MoveSource { provider_address, type_name, schema_version: 3, state };
            state_from_move(&source).map(|_| ()).map_err(|diagnostics| {
                let detail = diagnostics.into_iter().next().unwrap().detail;
                assert!(detail.contains("Only alicloud_oss_bucket_server_side_encryption from"));
                detail
            })
        };
        for provider in [
            "registry.terraform.io/aliyun/alicloud",
            "mirror.example/hashicorp/alicloud",
            "alicloud",
        ] {
            assert_eq!(move_from(provider, MOVABLE_TYPE, &state), Ok(()), "{provider}");
            assert!(move_from(provider, "alicloud_oss_bucket", &state).is_err());
        }
        for provider in ["registry.terraform.io/evil/alicloud", "aliyun/alicloud", "oss", ""] {
            assert!(move_from(provider, MOVABLE_TYPE, &state).is_err(), "{provider}");
        }
        let official = "registry.terraform.io/aliyun/alicloud";
        assert!(move_from(official, MOVABLE_TYPE, &Value::Null).is_err());
        let odd = Value::Object(Object::new().with("bucket", "a.evil.example/"));
        assert!(move_from(official, MOVABLE_TYPE, &odd).unwrap_err().contains("must consist of"));
    }
}
