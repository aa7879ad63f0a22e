//! Validation of resource configurations.

use serde_json::json;

use super::{NO_DIAGNOSTICS, validate};
use crate::support::UNKNOWN;

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
async fn each_mistake_is_one_error_at_the_offending_attribute() {
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
            "error at kms_master_key_id: Invalid argument combination",
        ),
        (
            json!({ "sse_algorithm": "SM4", "kms_data_encryption": "SM4" }),
            "error at kms_data_encryption: Invalid argument combination",
        ),
        (
            json!({ "sse_algorithm": "KMS", "kms_master_key_id": "two words" }),
            "error at kms_master_key_id: Invalid KMS key ID",
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
