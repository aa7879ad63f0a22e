//! The official SDKs for Python and Node.js against the local OSS emulator: the emulator accepts their
//! signatures, the SDKs and the provider's client read each other's rules, and uploads are encrypted by
//! the bucket's rule.
//!
//! `SDK_PYTHON` is a Python interpreter with the SDKs (default `target/sdks/bin/python`),
//! `SDK_NODE_MODULES` the directory with the Node.js packages (default
//! `target/node-sdks/node_modules`); `.ci/run` installs both. If they are missing, these tests print a
//! notice and pass; with `REQUIRE_SDKS=1` they fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod session;
// The real terraform, as the acceptance tests run it.
#[expect(dead_code, reason = "only some of it is needed here")]
#[path = "../acceptance/workspace.rs"]
mod workspace;

use serde_json::{Value as Json, json};
use session::{KEY_ID, KEY_SECRET, Sdk, Session, name};
use terraform_provider_oss::oss::sign::SignatureVersion::{self, V1, V4};
use terraform_provider_oss::oss::{Credentials, EncryptionRule, SseAlgorithm};
use workspace::Workspace;

/// With all base64 characters that must be encoded in a URL or a form.
const TOKEN: &str = "CAISxwJ1q6Ft5B2yfSjIr5/+wZ==";

fn permanent() -> Credentials {
    Credentials::new(KEY_ID, KEY_SECRET)
}

fn temporary(token: &str) -> Credentials {
    Credentials::new("STS.TEST", "temporary-secret").with_security_token(token)
}

fn rule(algorithm: &str, key: Option<&str>, cipher: Option<&str>) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: SseAlgorithm::from(algorithm),
        kms_master_key_id: key.map(str::to_owned),
        kms_data_encryption: cipher.map(str::to_owned),
    }
}

/// Every kind of rule. The last key ID contains characters that must be escaped in XML.
fn rules() -> [EncryptionRule; 5] {
    [
        rule("AES256", None, None),
        rule("SM4", None, None),
        rule("KMS", None, None),
        rule("KMS", Some("9468da86-3509-4f8d-a61e-6eab1eac0000"), None),
        rule("KMS", Some("alias/<a>&\"é\""), Some("SM4")),
    ]
}

/// The rules that an SDK can set.
fn rules_of(sdk: Sdk) -> Vec<EncryptionRule> {
    // ali-oss cannot set the data encryption.
    let is_supported =
        |rule: &EncryptionRule| sdk != Sdk::AliOss || rule.kms_data_encryption.is_none();
    rules().into_iter().filter(is_supported).collect()
}

/// The SDK's error: `oss2` has a class for each known code, `alibabacloud-oss-v2` has a common class, and
/// `ali-oss` derives a name from the code.
fn sdk_error(sdk: Sdk, status: u16, code: &str) -> String {
    let class = match sdk {
        Sdk::Oss2 => code.to_owned(),
        Sdk::OssV2 => "ServiceError".to_owned(),
        Sdk::AliOss => format!("{code}Error"),
    };
    format!("{class}: {status} {code}")
}

/// Checks that the last request came from the SDK, with this signature version.
#[track_caller]
fn expect_call_of(session: &Session, version: SignatureVersion) {
    let call = session.emulator().requests().pop().unwrap();
    assert!(call.user_agent.unwrap().starts_with(session.sdk.user_agent()));
    assert_eq!(call.signature_version.as_deref(), Some(name(version)));
    // ali-oss sends virtual-hosted-style requests even to an IP address.
    let path = if session.sdk == Sdk::AliOss { "/" } else { "/demo/" };
    assert_eq!((call.path.as_str(), call.query_names), (path, vec!["encryption".to_owned()]));
    assert_eq!(call.bucket.as_deref(), Some("demo"));
}

async fn sdk_reads_rules_of_the_client(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let client = session.client(version, &permanent());
        session.connect(version, &permanent()).await;
        for rule in rules() {
            client.put(&rule).await;
            assert_eq!(session.get().await, Ok(rule), "{version:?}");
            expect_call_of(&session, version);
        }
    }
}

async fn client_reads_rules_of_the_sdk(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let client = session.client(version, &permanent());
        session.connect(version, &permanent()).await;
        for rule in rules_of(sdk) {
            session.put(&rule).await.unwrap();
            expect_call_of(&session, version);
            assert_eq!(client.get().await, Some(rule), "{version:?}");
        }
    }
}

async fn client_and_sdk_see_each_others_deletions(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let client = session.client(version, &permanent());
        session.connect(version, &permanent()).await;

        session.put(&rule("AES256", None, None)).await.unwrap();
        client.delete().await;
        let missing = session.get().await.unwrap_err();
        assert_eq!(missing.to_string(), sdk_error(sdk, 404, "NoSuchServerSideEncryptionRule"));

        client.put(&rule("AES256", None, None)).await;
        session.delete().await.unwrap();
        expect_call_of(&session, version);
        assert_eq!(client.get().await, None);
        session.delete().await.unwrap();
    }
}

async fn a_wrong_secret_is_rejected(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        session.connect(version, &Credentials::new(KEY_ID, "wrong")).await;
        let expected = sdk_error(sdk, 403, "SignatureDoesNotMatch");
        let rule = rule("KMS", None, None);
        assert_eq!(session.put(&rule).await.unwrap_err().to_string(), expected);
        assert_eq!(session.get().await.unwrap_err().to_string(), expected);
        assert_eq!(session.delete().await.unwrap_err().to_string(), expected);
        expect_call_of(&session, version);
        assert_eq!(session.client(version, &permanent()).get().await, None);
    }
}

async fn temporary_credentials_work(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    add_temporary_credentials(&session);
    // V1 of alibabacloud-oss-v2 has its own test below.
    let versions = if sdk == Sdk::OssV2 { vec![V4] } else { vec![V1, V4] };
    for version in versions {
        let client = session.client(version, &temporary(TOKEN));
        session.connect(version, &temporary(TOKEN)).await;
        for rule in [rule("KMS", None, None), rule("SM4", None, None)] {
            session.put(&rule).await.unwrap();
            expect_call_of(&session, version);
            assert_eq!(client.get().await, Some(rule.clone()));
            assert_eq!(session.get().await, Ok(rule));
        }
        session.delete().await.unwrap();
        assert_eq!(client.get().await, None);

        session.connect(version, &temporary("another")).await;
        let error = session.get().await.unwrap_err();
        assert!(error.to_string().ends_with(": 403 InvalidSecurityToken"), "{error}");
    }
}

async fn buckets_are_created_and_deleted(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        session.connect(version, &permanent()).await;
        let name = |name: &str| json!({ "name": name });
        session.call("create_bucket", name("made-here")).await.unwrap();
        let none = json!({});
        assert_eq!(
            session.call("buckets", none.clone()).await.unwrap(),
            json!(["demo", "made-here"])
        );
        session.put(&rule("SM4", None, None)).await.unwrap();
        assert_eq!(
            session.call("about_bucket", none.clone()).await.unwrap(),
            json!({ "location": "oss-cn-hangzhou", "sse_algorithm": "SM4" })
        );
        session.delete().await.unwrap();
        let about = session.call("about_bucket", none.clone()).await.unwrap();
        assert_eq!(about["sse_algorithm"], Json::Null);
        session.call("remove_bucket", name("made-here")).await.unwrap();
        assert_eq!(session.call("buckets", none).await.unwrap(), json!(["demo"]));
        let missing = session.call("remove_bucket", name("made-here")).await.unwrap_err();
        assert_eq!(missing.to_string(), sdk_error(sdk, 404, "NoSuchBucket"));
    }
}

/// The bucket's rule encrypts uploads without encryption headers; headers take precedence.
async fn uploads_are_encrypted(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let client = session.client(version, &permanent());
        session.connect(version, &permanent()).await;
        let kms = rule("KMS", Some("9468da86-3509-4f8d-a61e-6eab1eac0000"), Some("SM4"));
        let as_json = |rule: &EncryptionRule| {
            json!({ "sse_algorithm": rule.sse_algorithm.as_str(),
                "kms_master_key_id": rule.kms_master_key_id,
                "kms_data_encryption": rule.kms_data_encryption })
        };
        let none = json!({ "sse_algorithm": null, "kms_master_key_id": null,
            "kms_data_encryption": null });
        let upload =
            |key: &str, rule: Json| json!({ "key": key, "content": "Grüße ✓", "rule": rule });
        let key = |key: &str| json!({ "key": key });
        client.put(&kms).await;
        let aes256 = rule("AES256", None, None);
        for (name, own, expected) in [
            ("a b/ü+default", Json::Null, as_json(&kms)),
            ("own", as_json(&aes256), as_json(&aes256)),
            ("own-kms", as_json(&kms), as_json(&kms)),
        ] {
            assert_eq!(session.call("upload", upload(name, own)).await.unwrap(), expected);
            assert_eq!(session.call("head", key(name)).await.unwrap(), expected);
            let mut whole = expected.clone();
            whole["content"] = json!("Grüße ✓");
            assert_eq!(session.call("download", key(name)).await.unwrap(), whole);
            let stored = session.emulator().stored_object("demo", name).unwrap();
            assert!(!stored.windows(4).any(|bytes| bytes == "Grü".as_bytes()), "{name}");
        }
        // Without a rule new uploads are not encrypted, and existing objects stay readable.
        client.delete().await;
        session.emulator().rotate_master_keys();
        assert_eq!(session.call("upload", upload("plain", Json::Null)).await.unwrap(), none);
        assert_eq!(
            session.emulator().stored_object("demo", "plain").unwrap(),
            "Grüße ✓".as_bytes()
        );
        let old = session.call("download", key("a b/ü+default")).await.unwrap();
        assert_eq!((&old["content"], &old["sse_algorithm"]), (&json!("Grüße ✓"), &json!("KMS")));
        // A copy is encrypted by the current rule.
        let copy = json!({ "source": "a b/ü+default", "key": "copy" });
        assert_eq!(session.call("copy", copy.clone()).await.unwrap(), none);
        client.put(&aes256).await;
        assert_eq!(session.call("copy", copy).await.unwrap(), as_json(&aes256));

        let own = json!({ "prefix": "own" });
        assert_eq!(session.call("keys", own).await.unwrap(), json!(["own", "own-kms"]));
        let all = json!(["a b/ü+default", "copy", "own", "own-kms", "plain"]);
        assert_eq!(session.call("keys", json!({ "prefix": "" })).await.unwrap(), all);
        for name in all.as_array().unwrap() {
            session.call("remove", json!({ "key": name })).await.unwrap();
        }
        assert_eq!(session.call("keys", json!({ "prefix": "" })).await.unwrap(), json!([]));
        let gone = session.call("download", key("own")).await.unwrap_err();
        assert_eq!(gone.to_string(), sdk_error(sdk, 404, "NoSuchKey"));
        let gone = session.call("head", key("own")).await.unwrap_err();
        assert!(gone.to_string().ends_with("404 NoSuchKey"), "{gone}");
        client.delete().await;
    }
}

/// Other common operations on objects.
async fn other_object_operations_work(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        session.connect(version, &permanent()).await;
        session.put(&rule("KMS", None, None)).await.unwrap();
        for (key, content) in [("empty", ""), ("a", "0123456789"), ("b", "x"), ("c d+ü", "y")] {
            let upload = json!({ "key": key, "content": content, "rule": null });
            session.call("upload", upload).await.unwrap();
        }
        let exists = async |session: &mut Session, key: &str| {
            session.call("exists", json!({ "key": key })).await.unwrap()
        };
        let expected = |size: Json| json!({ "bucket": true, "other": false, "size": size });
        assert_eq!(exists(&mut session, "empty").await, expected(json!(0)));
        assert_eq!(exists(&mut session, "a").await, expected(json!(10)));
        assert_eq!(exists(&mut session, "none").await, expected(Json::Null));
        let part = json!({ "key": "a", "first": 2, "last": 4 });
        assert_eq!(session.call("part", part).await.unwrap(), "234");
        let all = json!({ "prefix": "" });
        let keys = json!(["a", "b", "c d+ü", "empty"]);
        assert_eq!(session.call("keys_v1", all.clone()).await.unwrap(), keys);
        let removed = session.call("remove_all", json!({ "keys": keys.clone() })).await.unwrap();
        assert_eq!(removed, keys);
        assert_eq!(session.call("keys_v1", all).await.unwrap(), json!([]));
    }
}

/// Uploads are encrypted by the rule that `terraform apply` sets.
async fn uploads_follow_terraform(sdk: Sdk) {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let Some(mut session) = Session::at(sdk, &workspace.emulator.url()) else { return };
    session.connect(V4, &permanent()).await;
    let configure = |rule: &str| {
        workspace.configure(&format!(
            "resource \"oss_bucket_encryption\" \"demo\" {{\n  bucket = \"demo\"\n  {rule}\n}}\n"
        ));
    };
    let mut upload = async |key: &str| {
        let upload = json!({ "key": key, "content": "some content", "rule": null });
        let response = session.call("upload", upload).await.unwrap();
        ["sse_algorithm", "kms_master_key_id"].map(|name| response[name].clone())
    };
    let stored = |key: &str| workspace.emulator.stored_object("demo", key).unwrap();
    configure("sse_algorithm = \"KMS\"\n  kms_master_key_id = \"9468da86\"");
    workspace.apply();
    assert_eq!(upload("kms").await, [json!("KMS"), json!("9468da86")]);
    configure("sse_algorithm = \"AES256\"");
    workspace.apply();
    assert_eq!(upload("aes256").await, [json!("AES256"), Json::Null]);
    assert_ne!(stored("aes256"), b"some content");
    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    assert_eq!(upload("plain").await, [Json::Null, Json::Null]);
    assert_eq!(stored("plain"), b"some content");
    for key in ["kms", "aes256", "plain"] {
        let found = session.call("download", json!({ "key": key })).await.unwrap();
        assert_eq!(found["content"], "some content", "{key}");
    }
}

fn add_temporary_credentials(session: &Session) {
    let key =
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret").with_token(TOKEN, None);
    session.emulator().add_credentials(key);
}

/// All tests above with one SDK.
macro_rules! tests_with {
    ($sdk:expr) => {
        tests_with! { $sdk;
            sdk_reads_rules_of_the_client
            client_reads_rules_of_the_sdk
            client_and_sdk_see_each_others_deletions
            a_wrong_secret_is_rejected
            buckets_are_created_and_deleted
            uploads_are_encrypted
            other_object_operations_work
            uploads_follow_terraform
            temporary_credentials_work
        }
    };
    ($sdk:expr; $($test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                super::$test($sdk).await;
            }
        )*
    };
}

mod oss2 {
    tests_with!(super::Sdk::Oss2);
}

mod ali_oss {
    tests_with!(super::Sdk::AliOss);
}

mod oss_v2 {
    use super::*;

    const SDK: Sdk = Sdk::OssV2;

    tests_with!(SDK);

    /// With V1 this version of the SDK sends the token in the header `security-token`, which is the
    /// name of the query parameter; the header is `x-oss-security-token`. So OSS receives temporary
    /// credentials without their token.
    #[tokio::test]
    async fn temporary_credentials_are_rejected_with_v1() {
        let Some(mut session) = Session::new(SDK) else { return };
        add_temporary_credentials(&session);
        session.connect(V1, &temporary(TOKEN)).await;
        let error = session.get().await.unwrap_err();
        assert_eq!(error.to_string(), sdk_error(SDK, 403, "InvalidAccessKeyId"));
        let call = session.emulator().requests().pop().unwrap();
        let has = |name: &str| call.header_names.iter().any(|header| header == name);
        assert!(has("security-token") && !has("x-oss-security-token"), "{call:?}");
    }
}
