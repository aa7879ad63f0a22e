//! The official SDKs for Python, unchanged, against the local endpoint: it takes what they sign,
//! and what our client writes they read, and the other way round.
//!
//! `SDK_PYTHON` names a Python that has them (default `target/sdks/bin/python`, which `.ci/run`
//! installs). Where there is none these tests say so and pass; with `REQUIRE_SDKS=1` they fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod session;

use session::{KEY_ID, KEY_SECRET, Sdk, Session, name};
use terraform_provider_oss::emulator;
use terraform_provider_oss::oss::sign::SignatureVersion::{self, V1, V4};
use terraform_provider_oss::oss::{Credentials, EncryptionRule, SseAlgorithm};

/// With every character that base64 has and a URL or a header could get wrong.
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

/// Every kind of rule. No real key has the last name: it is what XML could get wrong.
fn rules() -> [EncryptionRule; 5] {
    [
        rule("AES256", None, None),
        rule("SM4", None, None),
        rule("KMS", None, None),
        rule("KMS", Some("9468da86-3509-4f8d-a61e-6eab1eac0000"), None),
        rule("KMS", Some("alias/<a>&\"é\""), Some("SM4")),
    ]
}

/// The SDK's own error: `oss2` has a class for each code it knows, the other SDK one for all.
fn raised(sdk: Sdk, status: u16, code: &str) -> String {
    let class = match sdk {
        Sdk::Oss2 => code,
        Sdk::OssV2 => "ServiceError",
    };
    format!("{class}: {status} {code}")
}

/// That the last call was the SDK's, as the test meant it.
#[track_caller]
fn expect_call_of(session: &Session, version: SignatureVersion) {
    let call = session.emulator.exchanges().pop().unwrap();
    assert!(call.user_agent.unwrap().starts_with(session.sdk.user_agent()));
    assert_eq!(call.signature_version.as_deref(), Some(name(version)));
    assert_eq!((call.path.as_str(), call.query_names), ("/demo/", vec!["encryption".to_owned()]));
}

async fn reads_what_we_write(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let ours = session.ours(version, &permanent());
        session.connect(version, &permanent()).await;
        for rule in rules() {
            ours.put(&rule).await;
            assert_eq!(session.get().await, Ok(rule), "{version:?}");
            expect_call_of(&session, version);
        }
    }
}

async fn writes_what_we_read(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let ours = session.ours(version, &permanent());
        session.connect(version, &permanent()).await;
        for rule in rules() {
            session.put(&rule).await.unwrap();
            expect_call_of(&session, version);
            assert_eq!(ours.get().await, Some(rule), "{version:?}");
        }
    }
}

async fn each_sees_what_the_other_deletes(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        let ours = session.ours(version, &permanent());
        session.connect(version, &permanent()).await;

        session.put(&rule("AES256", None, None)).await.unwrap();
        ours.delete().await;
        let missing = session.get().await.unwrap_err();
        assert_eq!(missing.to_string(), raised(sdk, 404, "NoSuchServerSideEncryptionRule"));

        ours.put(&rule("AES256", None, None)).await;
        session.delete().await.unwrap();
        expect_call_of(&session, version);
        assert_eq!(ours.get().await, None);
        session.delete().await.unwrap();
    }
}

async fn a_wrong_secret_is_told(sdk: Sdk) {
    let Some(mut session) = Session::new(sdk) else { return };
    for version in [V1, V4] {
        session.connect(version, &Credentials::new(KEY_ID, "wrong")).await;
        let expected = raised(sdk, 403, "SignatureDoesNotMatch");
        let rule = rule("KMS", None, None);
        assert_eq!(session.put(&rule).await.unwrap_err().to_string(), expected);
        assert_eq!(session.get().await.unwrap_err().to_string(), expected);
        assert_eq!(session.delete().await.unwrap_err().to_string(), expected);
        expect_call_of(&session, version);
        assert_eq!(session.ours(version, &permanent()).get().await, None);
    }
}

async fn temporary_keys_work(sdk: Sdk, versions: &[SignatureVersion]) {
    let Some(mut session) = Session::new(sdk) else { return };
    know_temporary_key(&session);
    for version in versions.iter().copied() {
        let ours = session.ours(version, &temporary(TOKEN));
        session.connect(version, &temporary(TOKEN)).await;
        for rule in [rule("KMS", None, None), rule("SM4", None, None)] {
            session.put(&rule).await.unwrap();
            expect_call_of(&session, version);
            assert_eq!(ours.get().await, Some(rule.clone()));
            assert_eq!(session.get().await, Ok(rule));
        }
        session.delete().await.unwrap();
        assert_eq!(ours.get().await, None);

        session.connect(version, &temporary("another")).await;
        let error = session.get().await.unwrap_err();
        assert!(error.to_string().ends_with(": 403 InvalidSecurityToken"), "{error}");
    }
}

fn know_temporary_key(session: &Session) {
    let key = emulator::Credentials::new("STS.TEST", "temporary-secret").with_token(TOKEN, None);
    session.emulator.add_credentials(key);
}

mod oss2 {
    use super::*;

    const SDK: Sdk = Sdk::Oss2;

    #[tokio::test]
    async fn reads_what_we_write() {
        super::reads_what_we_write(SDK).await;
    }

    #[tokio::test]
    async fn writes_what_we_read() {
        super::writes_what_we_read(SDK).await;
    }

    #[tokio::test]
    async fn each_sees_what_the_other_deletes() {
        super::each_sees_what_the_other_deletes(SDK).await;
    }

    #[tokio::test]
    async fn a_wrong_secret_is_told() {
        super::a_wrong_secret_is_told(SDK).await;
    }

    #[tokio::test]
    async fn temporary_keys_work() {
        super::temporary_keys_work(SDK, &[V1, V4]).await;
    }
}

mod oss_v2 {
    use super::*;

    const SDK: Sdk = Sdk::OssV2;

    #[tokio::test]
    async fn reads_what_we_write() {
        super::reads_what_we_write(SDK).await;
    }

    #[tokio::test]
    async fn writes_what_we_read() {
        super::writes_what_we_read(SDK).await;
    }

    #[tokio::test]
    async fn each_sees_what_the_other_deletes() {
        super::each_sees_what_the_other_deletes(SDK).await;
    }

    #[tokio::test]
    async fn a_wrong_secret_is_told() {
        super::a_wrong_secret_is_told(SDK).await;
    }

    #[tokio::test]
    async fn temporary_keys_work() {
        super::temporary_keys_work(SDK, &[V4]).await;
    }

    /// With V1 this version of the SDK sends the token in a header named `security-token`, which is
    /// the name of the query parameter; in a header it is `x-oss-security-token`. So the endpoint
    /// sees a temporary key without its token.
    #[tokio::test]
    async fn temporary_keys_are_refused_with_v1() {
        let Some(mut session) = Session::new(SDK) else { return };
        know_temporary_key(&session);
        session.connect(V1, &temporary(TOKEN)).await;
        let error = session.get().await.unwrap_err();
        assert_eq!(error.to_string(), raised(SDK, 403, "InvalidAccessKeyId"));
        let call = session.emulator.exchanges().pop().unwrap();
        let has = |name: &str| call.header_names.iter().any(|header| header == name);
        assert!(has("security-token") && !has("x-oss-security-token"), "{call:?}");
    }
}
