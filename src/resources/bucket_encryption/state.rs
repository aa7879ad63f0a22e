//! States: what they say about the rule, and how answers, imports and other resource types become one.
//! Pure.

use crate::oss::{BucketName, EncryptionRule, SseAlgorithm};
use crate::resources::bucket::{non_empty_string, parse_import};
use crate::tfplugin::{Diagnostic, Diagnostics, ImportTarget, MoveSource, Object, Value};

/// The rule that a known state describes.
pub(super) fn rule_from_state(state: &Object) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: SseAlgorithm::from(
            non_empty_string(state, "sse_algorithm").unwrap_or_default(),
        ),
        kms_master_key_id: non_empty_string(state, "kms_master_key_id").map(str::to_owned),
        kms_data_encryption: non_empty_string(state, "kms_data_encryption").map(str::to_owned),
    }
}

/// The state with what OSS answered. Where that means the same, the state's spelling stays.
pub(super) fn state_with_rule(
    mut state: Object,
    bucket: &BucketName,
    rule: &EncryptionRule,
) -> Object {
    state.set("id", bucket.as_str());
    state.set("sse_algorithm", rule.sse_algorithm.as_str());
    for (name, answered) in [
        ("kms_master_key_id", &rule.kms_master_key_id),
        ("kms_data_encryption", &rule.kms_data_encryption),
    ] {
        match answered {
            Some(answered) => state.set(name, answered.as_str()),
            // The spelling that fits both ways.
            None if !is_unset(state.get(name)) => state.set(name, ""),
            None => {}
        }
    }
    state
}

/// Absent and empty are the same to OSS.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether the prior value means the same as the configured one, and may stay so that the plan shows
/// no difference. Terraform takes a planned null for nothing that is configured, not even for `""`.
pub(super) fn keeps_prior_unset(prior: &Value, configured: &Value) -> bool {
    let may_stay = *prior != Value::Null || *configured == Value::Null;
    may_stay && is_unset(prior) && is_unset(configured)
}

/// The state of a bucket about which only its place is known.
pub(super) fn bare_state(bucket: &str, region: Option<&str>) -> Object {
    Object::new()
        .with("bucket", bucket)
        .with("sse_algorithm", Value::Null)
        // How the configuration spells "not set" is not known, and this fits both ways.
        .with("kms_master_key_id", "")
        .with("kms_data_encryption", "")
        .with("region", region.unwrap_or_default())
        .with("id", bucket)
        .with("timeouts", Value::Null)
}

/// The state of the bucket that an import names; the read that follows fills in the rule.
pub(super) fn state_from_import(target: ImportTarget<'_>) -> Result<Object, Diagnostic> {
    let (bucket, region) = parse_import(target)?;
    Ok(bare_state(bucket, region))
}

/// The provider and the resource type whose states can be taken over. Mirrors and private registries
/// have hosts of their own, and the provider was `hashicorp/alicloud` once.
const MOVABLE_PROVIDERS: [&str; 2] = ["aliyun/alicloud", "hashicorp/alicloud"];
const MOVABLE_TYPE: &str = "alicloud_oss_bucket_server_side_encryption";

/// The state of a rule that another provider managed so far. Its attributes have the same names and
/// meanings in every version of that provider.
pub(super) fn state_from_move(source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
    let refused = |reason: String| {
        let detail = format!(
            "{reason}\n\nOnly {MOVABLE_TYPE} of {} can be moved to oss_bucket_encryption. Anything else \
             can be imported: remove it from the state with `removed` or `terraform state rm`, then \
             import it by the name of the bucket.",
            MOVABLE_PROVIDERS.join(" or "),
        );
        Diagnostics::from(Diagnostic::error("This resource cannot be moved", detail))
    };
    // OpenTofu 1.10.0 to 1.11.11 and 1.12.0 to 1.12.3 send only the name of the provider.
    let is_known_provider = match source.provider_address.split_once('/') {
        Some((_, provider)) => MOVABLE_PROVIDERS.contains(&provider),
        None => source.provider_address == "alicloud",
    };
    if !is_known_provider || source.type_name != MOVABLE_TYPE {
        return Err(refused(format!("The resource to move is {source}.")));
    }
    let Value::Object(state) = source.state else {
        return Err(refused("The stored state is not an object.".to_owned()));
    };
    // Its id is the name of the bucket as well.
    let bucket = non_empty_string(state, "bucket")
        .or_else(|| non_empty_string(state, "id"))
        .unwrap_or_default();
    if let Err(error) = BucketName::parse(bucket) {
        return Err(refused(format!("The bucket {bucket:?} in the stored state {error}.")));
    }
    let mut moved = bare_state(bucket, None);
    for name in ["sse_algorithm", "kms_master_key_id", "kms_data_encryption"] {
        let value = non_empty_string(state, name);
        // What is not set stays in the spelling that fits both ways.
        if value.is_some() || name == "sse_algorithm" {
            moved.set(name, value);
        }
    }
    if let Value::Object(timeouts) = state.get("timeouts") {
        let timeout = |operation| non_empty_string(timeouts, operation);
        let names = ["create", "read", "update", "delete"];
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
    use crate::resources::bucket::{identity, timeout};

    #[test]
    fn an_identity_is_whole_or_absent() {
        let state = bare_state("demo", Some("cn-beijing"));
        let expected = Object::new().with("bucket", "demo").with("region", "cn-beijing");
        assert_eq!(identity(&state), Some(expected));
        let nowhere = Object::new().with("bucket", "demo").with("region", Value::Null);
        assert_eq!(identity(&bare_state("demo", None)), Some(nowhere));
        assert_eq!(identity(&state.clone().with("bucket", Value::Unknown)), None);
        assert_eq!(identity(&state.with("region", Value::Unknown)), None);
    }

    #[test]
    fn an_import_names_a_bucket_and_maybe_its_region() {
        let id = |id| state_from_import(ImportTarget::Id(id)).map(|state| identity(&state));
        let place = |bucket: &str, region: Option<&str>| {
            Ok(Some(Object::new().with("bucket", bucket).with("region", region)))
        };
        assert_eq!(id("demo"), place("demo", None));
        assert_eq!(id("demo@cn-beijing"), place("demo", Some("cn-beijing")));
        for invalid in ["", "Demo", "demo@", "demo@CN", "demo/x", "a.evil.example/", "demo@cn@x"] {
            assert_eq!(id(invalid).unwrap_err().summary, "Invalid import id", "{invalid:?}");
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
    fn the_state_of_the_alicloud_provider_is_taken_over() {
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
        assert_eq!(timeout(&moved, "create"), Duration::from_mins(10));
        assert_eq!(timeout(&moved, "delete"), Duration::from_mins(5));
        let no_timeouts = alicloud(&state.with("timeouts", Value::Null)).unwrap();
        assert!(*no_timeouts.get("timeouts") == Value::Null);
    }

    #[test]
    fn only_that_resource_of_that_provider_can_be_moved() {
        let state = Value::Object(Object::new().with("bucket", "demo"));
        let move_from = |provider_address: &str, type_name: &str, state: &Value| {
            let source = MoveSource { provider_address, type_name, schema_version: 3, state };
            state_from_move(&source).map(|_| ()).map_err(|diagnostics| {
                let detail = diagnostics.into_iter().next().unwrap().detail;
                assert!(detail.contains("Only alicloud_oss_bucket_server_side_encryption of"));
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
