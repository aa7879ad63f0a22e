//! Changes that OSS rejects because another setting of the bucket is being changed.

use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::{Emulator, Fault};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Credentials, EncryptionRule, Endpoint, Error,
    ErrorKind, Region, RetryPolicy, SseAlgorithm,
};

use super::support::{KEY_ID, KEY_SECRET, emulator};

/// A client without retries: conflicts do not count as such.
fn client(emulator: &Emulator, backoff: Duration) -> Client {
    let retry = RetryPolicy { initial_backoff: backoff, ..RetryPolicy::default() };
    Client::new(ClientConfig {
        region: Region::parse("cn-hangzhou").ok(),
        endpoint: Endpoint::parse(&emulator.url()).ok(),
        credentials: Some(Credentials::new(KEY_ID, KEY_SECRET).into()),
        retry: retry.with_max_retries(0),
        ..ClientConfig::default()
    })
}

async fn put(client: &Client, limit: Duration) -> Result<(), Error> {
    let rule = EncryptionRule {
        sse_algorithm: SseAlgorithm::Aes256,
        kms_master_key_id: None,
        kms_data_encryption: None,
    };
    let bucket = BucketName::parse("demo").unwrap();
    client.put_bucket_encryption(&bucket, &rule, &CallOptions::with_timeout(limit)).await.map(drop)
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn thirty_changes_of_one_bucket_at_once_succeed() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::conflicts(Duration::from_millis(10)));
    let client = client(&emulator, Duration::from_millis(100));
    for outcome in join_all((0..30).map(|_| put(&client, MINUTE))).await {
        outcome.unwrap();
    }
    let records = emulator.requests();
    let with = |status| records.iter().filter(|record| record.status == status).count();
    assert_eq!(with(200), 30);
    assert!(with(409) >= 20, "they met: {}", with(409));
    assert_eq!(with(200) + with(409), records.len());
}

#[tokio::test]
async fn conflicts_are_retried_more_often_than_other_failures() {
    let emulator = emulator(&["demo"]);
    for code in ["ConcurrentUpdateBucketFailed", "OperationAborted"] {
        emulator.inject(Fault::error_response(409, code).times(40));
        put(&client(&emulator, Duration::ZERO), MINUTE).await.unwrap();
        assert_eq!(emulator.requests().len(), 41, "{code}");
        emulator.clear_requests();
    }
}

#[tokio::test]
async fn the_deadline_ends_conflicts_that_never_end() {
    let emulator = emulator(&["demo"]);
    let fault = Fault::error_response(409, "ConcurrentUpdateBucketFailed").retry_after(3600);
    emulator.inject(fault.forever());
    let error = put(&client(&emulator, Duration::ZERO), MINUTE).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { last: Some(_) }), "{error}");
    assert!(error.to_string().contains("409 ConcurrentUpdateBucketFailed"), "{error}");
    assert!(!error.may_have_taken_effect, "OSS rejected it");
}

#[tokio::test]
async fn other_codes_with_the_same_status_are_final() {
    let emulator = emulator(&["demo"]);
    for code in ["BucketAlreadyExists", "FileAlreadyExists", "SomethingNew"] {
        emulator.inject(Fault::error_response(409, code));
        let error = put(&client(&emulator, Duration::ZERO), MINUTE).await.unwrap_err();
        assert_eq!(error.service_error().unwrap().code.as_str(), code);
        assert_eq!(emulator.requests().len(), 1, "{code}");
        emulator.clear_requests();
    }
}
