//! Configuring the provider.

use serde_json::json;
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, configure, kms, read, validate_provider};
use crate::support::{UNKNOWN, diagnostics, provider_config, unconfigured};

#[tokio::test]
async fn known_provider_arguments_are_validated() {
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
        (json!({ "access_key": "id" }), vec!["error at access_key: Incomplete AccessKey pair"]),
        (json!({ "secret_key": "s" }), vec!["error at secret_key: Incomplete AccessKey pair"]),
        (
            json!({ "access_key": "id\n", "secret_key": "s" }),
            vec!["error at access_key: Invalid credentials"],
        ),
        (
            json!({ "access_key": "id", "secret_key": "s", "security_token": "t t" }),
            vec!["error at security_token: Invalid credentials"],
        ),
        (
            json!({ "security_token": "t" }),
            vec!["error at security_token: Security token without AccessKey pair"],
        ),
        (
            json!({ "endpoint": "http://127.0.0.1:1", "address_style": "virtual" }),
            vec!["error at address_style: Unsupported address style"],
        ),
        (
            json!({ "endpoint": "oss-cn-hangzhou.aliyuncs.com", "address_style": "path" }),
            vec!["error at address_style: Unsupported address style"],
        ),
        // The endpoint may come from the environment.
        (json!({ "region": "cn-hangzhou", "address_style": "path" }), vec![]),
        (json!({ "address_style": "cname" }), vec![]),
        (json!({ "endpoint": UNKNOWN, "address_style": "path" }), vec![]),
        (
            json!({ "endpoint": "oss-cn-hangzhou.aliyuncs.com", "region": "cn-beijing" }),
            vec!["warning at region: Region does not match endpoint"],
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
async fn the_region_has_three_sources_and_a_missing_one_names_them() {
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
async fn an_incomplete_access_key_pair_names_both_variables() {
    let environment = [
        ("ALICLOUD_ACCESS_KEY", "id-from-one-family"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-of-another"),
    ];
    let found = configure(&environment, json!({ "region": "cn-hangzhou" })).await;
    assert_eq!(diagnostics(&found), ["error at access_key: Incomplete AccessKey pair"]);
    let detail = &found[0].detail;
    assert!(
        detail.contains("ALICLOUD_ACCESS_KEY is set, but ALICLOUD_SECRET_KEY is not"),
        "{detail}"
    );
    assert!(!detail.contains("id-from-one-family") && !detail.contains("secret-of-another"));
}

#[tokio::test]
async fn plain_http_to_another_machine_is_a_warning() {
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": "http://oss.example.com" });
    let found = configure(&[], arguments).await;
    assert_eq!(diagnostics(&found), ["warning at endpoint: Unencrypted endpoint"]);
}

#[tokio::test]
async fn virtual_hosted_addressing_of_an_ip_address_is_rejected() {
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": "http://127.0.0.1:1",
                            "address_style": "virtual" });
    let found = configure(&[], arguments).await;
    assert_eq!(diagnostics(&found), ["error at address_style: Unsupported address style"]);
}

#[tokio::test]
async fn an_unknown_provider_argument_fails_only_the_call_that_needs_it() {
    let mut client = unconfigured();
    let config =
        provider_config(json!({ "region": UNKNOWN, "access_key": "a", "secret_key": "b" }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    let response = client.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);

    let state = kms("demo");
    let (kept, found) = read(&mut client, &state).await;
    assert_eq!(diagnostics(&found), ["error: Unknown provider configuration"]);
    assert!(found[0].detail.contains("`region`"), "{}", found[0].detail);
    assert_eq!(kept, state);
}
