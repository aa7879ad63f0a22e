//! Credential services that fail, are slow, or return something else.

use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::Fault;
use serde_json::json;
use tempfile::TempDir;
use terraform_provider_oss::oss::{BucketName, CallOptions, Client, ClientConfig, ErrorKind};

use super::profiles::profile_client;
use super::{PUT, Time, assume, client, config, put, requests, start, static_credentials};

#[tokio::test]
async fn transient_sts_errors_are_retried() {
    let emulator = start();
    for fault in [
        Fault::error_response(500, "InternalError"),
        Fault::error_response(400, "Throttling.User"),
        Fault::reset_before(),
        Fault::truncate_body(),
    ] {
        emulator.inject(fault.operation("AssumeRole").times(2));
        put(&client(&emulator, assume(&emulator, static_credentials()))).await.unwrap();
        let requests = requests(&emulator);
        assert_eq!(requests.len(), 4, "{requests:?}");
    }
    emulator.inject(Fault::error_response(500, "InternalError").operation("AssumeRole").forever());
    let error = put(&client(&emulator, assume(&emulator, static_credentials()))).await.unwrap_err();
    assert!(!error.may_have_taken_effect, "nothing was sent to OSS");
    assert_eq!(error.attempts, 0);
    assert_eq!(requests(&emulator).len(), 12);
}

#[tokio::test]
async fn retry_after_of_sts_is_respected() {
    let emulator = start();
    emulator.inject(Fault::error_response(503, "Busy").operation("AssumeRole").retry_after(3600));
    let error = put(&client(&emulator, assume(&emulator, static_credentials()))).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { last: Some(_) }), "{error}");
    assert_eq!(requests(&emulator), ["AssumeRole 503"], "the wait is beyond the deadline");
}

#[tokio::test]
async fn a_response_that_is_not_from_the_service_is_reported() {
    let emulator = start();
    emulator.inject(
        Fault::raw_response("text/html", "<html>log in: the-secret</html>").operation("AssumeRole"),
    );
    let error = put(&client(&emulator, assume(&emulator, static_credentials()))).await.unwrap_err();
    assert!(error.to_string().contains("returned no usable credentials"), "{error}");
    assert!(!error.to_string().contains("the-secret"), "{error}");
    assert_eq!(requests(&emulator).len(), 1);
}

#[tokio::test]
async fn clock_skew_is_corrected_for_sts_too() {
    let emulator = start();
    emulator.set_clock_offset(7200);
    let client = client(&emulator, assume(&emulator, static_credentials()));
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 400", "AssumeRole 200", PUT]);
}

#[tokio::test]
async fn the_clocks_of_oss_and_sts_may_differ() {
    let skewed = "PutBucketEncryption 403";
    for day in [86_400, -86_400] {
        let emulator = start();
        emulator.set_session_seconds(Some(900));
        emulator.set_sts_clock_offset(day);
        let (time, clock) = Time::start();
        let client = Client::new(ClientConfig {
            clock,
            ..config(&emulator, assume(&emulator, static_credentials()))
        });
        put(&client).await.unwrap();
        assert_eq!(requests(&emulator), ["AssumeRole 400", "AssumeRole 200", skewed, PUT], "{day}");
        time.pass(&emulator, 600);
        put(&client).await.unwrap();
        assert_eq!(requests(&emulator), [PUT], "the session has five minutes left");
        time.pass(&emulator, 301);
        put(&client).await.unwrap();
        assert_eq!(requests(&emulator), ["AssumeRole 200", PUT], "each clock is known");

        let emulator = start();
        emulator.set_clock_offset(day);
        emulator.set_sts_clock_offset(-day);
        let client = self::client(&emulator, assume(&emulator, static_credentials()));
        put(&client).await.unwrap();
        assert_eq!(requests(&emulator), ["AssumeRole 200", skewed, PUT], "{day}");
        emulator.expire_sessions();
        put(&client).await.unwrap();
        assert_eq!(requests(&emulator), [skewed, "AssumeRole 200", PUT], "{day}");
    }
}

#[tokio::test]
async fn a_deadline_while_waiting_for_credentials_has_a_known_outcome() {
    let emulator = start();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let client = client(&emulator, assume(&emulator, static_credentials()));
    let bucket = BucketName::parse("demo").unwrap();
    let call = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.delete_bucket_encryption(&bucket, &call).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    assert!(error.to_string().contains("did not respond in time"), "{error}");
    assert!(!error.may_have_taken_effect);
    // The next call does not wait for the cancelled one.
    put(&client).await.unwrap();
}

#[tokio::test]
async fn a_deadline_while_waiting_for_new_credentials_has_a_known_outcome() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, static_credentials()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let bucket = BucketName::parse("demo").unwrap();
    let call = CallOptions::with_timeout(Duration::from_millis(500));
    let error = client.delete_bucket_encryption(&bucket, &call).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    assert!(error.to_string().contains("did not respond in time"), "{error}");
    assert!(error.affects_all_buckets());
    assert!(!error.may_have_taken_effect);
}

#[tokio::test]
async fn a_failed_refresh_is_retried() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, static_credentials()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    requests(&emulator);
    emulator.inject(Fault::error_response(500, "InternalError").operation("AssumeRole").times(2));
    put(&client).await.unwrap();
    let failed = "AssumeRole 500";
    assert_eq!(
        requests(&emulator),
        ["PutBucketEncryption 403", failed, failed, "AssumeRole 200", PUT]
    );
}

#[tokio::test]
async fn refreshes_do_not_count_as_attempts() {
    let emulator = start();
    emulator.set_clock_offset(7200);
    let config = config(&emulator, assume(&emulator, static_credentials()));
    let retry = config.retry.with_max_retries(1);
    let client = Client::new(ClientConfig { retry, ..config });
    // The clock is corrected, and one retry is left for a later failure.
    emulator.inject(Fault::error_response(500, "InternalError"));
    put(&client).await.unwrap();
    let second = "PutBucketEncryption 500";
    requests(&emulator);
    emulator.inject(Fault::error_response(403, "SecurityTokenExpired"));
    emulator.inject(Fault::error_response(500, "InternalError"));
    put(&client).await.unwrap();
    let rejected = "PutBucketEncryption 403";
    assert_eq!(requests(&emulator), [rejected, "AssumeRole 200", second, PUT]);
}

#[tokio::test]
async fn rejected_credentials_without_a_replacement_are_not_sent_again() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let temporary = |token: &str| {
        json!({ "mode": "StsToken", "access_key_id": "STS.TEST",
            "access_key_secret": "temporary-secret", "sts_token": token })
    };
    let known = |token: &str| {
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret").with_token(token, None)
    };
    emulator.add_credentials(known("first"));
    let client = profile_client(&emulator, &directory, &temporary("first"));
    put(&client).await.unwrap();
    emulator.add_credentials(known("second"));
    requests(&emulator);
    let rejected = "PutBucketEncryption 403";
    for outcome in join_all((0..10).map(|_| put(&client))).await {
        assert_eq!(
            outcome.unwrap_err().service_error().unwrap().code.as_str(),
            "InvalidSecurityToken"
        );
    }
    assert_eq!(requests(&emulator), [rejected; 10]);
    // The file is read again: it may contain a new login.
    drop(profile_client(&emulator, &directory, &temporary("second")));
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator).last().unwrap(), PUT);

    emulator.inject(Fault::error_response(403, "SecurityTokenExpired").forever());
    let client = self::client(&emulator, static_credentials());
    for outcome in join_all((0..10).map(|_| put(&client))).await {
        outcome.unwrap_err();
    }
    assert_eq!(requests(&emulator), [rejected; 10]);
}

#[tokio::test]
async fn credentials_that_are_already_expired_are_requested_once_for_all_calls() {
    let emulator = start();
    emulator.set_session_seconds(Some(0));
    let (time, clock) = Time::start();
    let client = Client::new(ClientConfig {
        clock,
        ..config(&emulator, assume(&emulator, static_credentials()))
    });
    // The failure no longer counts after the retry delay.
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole"));
    put(&client).await.unwrap_err();
    time.pass(&emulator, 31);
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        assert_eq!(
            outcome.unwrap_err().service_error().unwrap().code.as_str(),
            "SecurityTokenExpired"
        );
    }
    let requests = requests(&emulator);
    let sessions = requests.iter().filter(|call| *call == "AssumeRole 200").count();
    assert!((2..20).contains(&sessions), "{requests:?}");
}
