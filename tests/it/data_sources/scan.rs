//! `Client::scan_bucket_encryption` against the emulator.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oss_emulator::{Emulator, Fault};
use terraform_provider_oss::oss::{
    Client, ClientConfig, Credentials, Endpoint, ErrorKind, Region, RetryPolicy, ScanError,
    ScanRequest, ScannedBucket,
};

use super::{account, large_account};
use crate::support::{KEY_ID, KEY_SECRET};

fn client(emulator: &Emulator) -> Arc<Client> {
    Arc::new(Client::new(ClientConfig {
        region: Some(Region::parse("cn-hangzhou").unwrap()),
        endpoint: Some(Endpoint::parse(&emulator.url()).unwrap()),
        credentials: Some(Credentials::new(KEY_ID, KEY_SECRET).into()),
        retry: RetryPolicy { initial_backoff: Duration::ZERO, ..RetryPolicy::default() },
        ..ClientConfig::default()
    }))
}

fn line(scanned: &ScannedBucket) -> String {
    let rule = match &scanned.rule {
        Ok(Some(rule)) => rule.sse_algorithm.to_string(),
        Ok(None) => "none".to_owned(),
        Err(ScanError::Call(error)) => error.service_error().unwrap().code.to_string(),
        Err(error) => error.to_string(),
    };
    format!("{} {rule}", scanned.bucket.name)
}

#[tokio::test]
async fn each_bucket_is_read_in_its_region_in_the_order_of_the_list() {
    let emulator = account();
    emulator.inject(Fault::error_response(403, "AccessDenied").bucket("app-a"));
    let scanned = client(&emulator).scan_bucket_encryption(ScanRequest::default());
    let buckets: Vec<ScannedBucket> = scanned.try_collect().await.unwrap();
    let lines: Vec<String> = buckets.iter().map(line).collect();
    assert_eq!(lines, ["app-a AccessDenied", "app-far KMS", "app-plain none", "web SM4"]);
}

#[tokio::test]
async fn a_scan_sends_requests_only_while_it_is_polled() {
    let emulator = large_account(3000);
    let mut scanned = pin!(client(&emulator).scan_bucket_encryption(ScanRequest::default()));
    assert_eq!(emulator.requests().len(), 0);
    for _ in 0..100 {
        scanned.next().await.unwrap().unwrap();
    }
    let sent = emulator.requests().len();
    assert!(sent <= 1 + 100 + 8, "a page, the results, and those in flight: {sent}");
}

#[tokio::test]
async fn an_error_ends_a_scan() {
    let emulator = large_account(40);
    emulator
        .inject(Fault::error_response(403, "InvalidAccessKeyId").bucket("many-00003").forever());
    let mut scanned = pin!(client(&emulator).scan_bucket_encryption(ScanRequest::default()));
    for _ in 0..3 {
        scanned.next().await.unwrap().unwrap();
    }
    let error = scanned.next().await.unwrap().unwrap_err();
    assert!(error.affects_all_buckets(), "{error}");
    assert!(scanned.next().await.is_none());
}

#[tokio::test]
async fn a_cancelled_scan_ends_with_an_error() {
    let emulator = large_account(40);
    let request = ScanRequest::default();
    request.cancellation.cancel();
    let mut scanned = pin!(client(&emulator).scan_bucket_encryption(request));
    assert_eq!(scanned.next().await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
    assert!(scanned.next().await.is_none());
    assert_eq!(emulator.requests().len(), 0);
}
