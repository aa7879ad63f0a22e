//! When temporary credentials are requested, refreshed and replaced.

use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::Fault;
use terraform_provider_oss::oss::credentials::CredentialsErrorKind;
use terraform_provider_oss::oss::{BucketName, CallOptions, Client, ClientConfig, ErrorKind};

use super::{
    PUT, Time, assume, client, config, credentials_error, put, requests, start, static_credentials,
};

#[tokio::test]
async fn concurrent_calls_share_one_session() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, static_credentials()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let requests = requests(&emulator);
    assert_eq!(requests.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
    assert_eq!(requests.iter().filter(|call| *call == PUT).count(), 50);
}

#[tokio::test]
async fn concurrent_calls_share_a_failure() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    let client = client(&emulator, assume(&emulator, static_credentials()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        let CredentialsErrorKind::Service(error) = credentials_error(outcome.unwrap_err()) else {
            panic!()
        };
        assert_eq!(error.code, "NoPermission");
        assert!(error.request_id.is_some());
    }
    assert_eq!(requests(&emulator), ["AssumeRole 403"]);
}

#[tokio::test]
async fn a_run_may_last_longer_than_its_sessions() {
    let emulator = start();
    emulator.set_session_seconds(Some(900));
    let (time, clock) = Time::start();
    let config =
        ClientConfig { clock, ..config(&emulator, assume(&emulator, static_credentials())) };
    let client = Client::new(config);
    for _ in 0..6 {
        put(&client).await.unwrap();
        time.pass(&emulator, 600);
    }
    let requests = requests(&emulator);
    assert_eq!(requests.iter().filter(|call| *call == PUT).count(), 6);
    assert_eq!(requests.iter().filter(|call| *call == "AssumeRole 200").count(), 3);
    assert_eq!(requests.len(), 9, "no session was used beyond its end: {requests:?}");
}

#[tokio::test]
async fn sessions_are_refreshed_before_they_expire() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config =
        ClientConfig { clock, ..config(&emulator, assume(&emulator, static_credentials())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 200", PUT]);
    time.pass(&emulator, 3600 - 310);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), [PUT]);
    time.pass(&emulator, 15);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 200", PUT]);
}

#[tokio::test]
async fn no_call_waits_for_a_refresh_while_the_session_is_valid() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config =
        ClientConfig { clock, ..config(&emulator, assume(&emulator, static_credentials())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    requests(&emulator);
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let renewing = Box::pin(put(&client));
    let other = Box::pin(async {
        while emulator.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        put(&client).await.unwrap();
    });
    let first = futures_util::future::select(renewing, other).await;
    assert!(matches!(first, futures_util::future::Either::Right(_)), "the other one went on");
}

#[tokio::test]
async fn a_refresh_that_hangs_delays_one_call_at_most() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config =
        ClientConfig { clock, ..config(&emulator, assume(&emulator, static_credentials())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole").forever());
    let bucket = BucketName::parse("demo").unwrap();
    let short = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.get_bucket_encryption(&bucket, &short).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    requests(&emulator);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), [PUT], "the cached session is used");
}

#[tokio::test]
async fn a_session_is_used_until_it_expires_if_the_refresh_fails() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config =
        ClientConfig { clock, ..config(&emulator, assume(&emulator, static_credentials())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    let down = || Fault::error_response(403, "NoPermission").operation("AssumeRole").forever();
    emulator.inject(down());
    time.pass(&emulator, 3600 - 200);
    requests(&emulator);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 403", PUT]);
    // The next calls do not all retry.
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), [PUT]);
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 403", PUT]);
    time.pass(&emulator, 200);
    assert!(matches!(
        credentials_error(put(&client).await.unwrap_err()),
        CredentialsErrorKind::Service(_)
    ));
    emulator.clear_faults();
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
}

#[tokio::test]
async fn a_session_that_oss_rejects_is_replaced_once() {
    for code in ["SecurityTokenExpired", "InvalidSecurityToken"] {
        let emulator = start();
        let client = client(&emulator, assume(&emulator, static_credentials()));
        put(&client).await.unwrap();
        requests(&emulator);
        emulator.inject(Fault::error_response(403, code));
        put(&client).await.unwrap();
        let rejected = "PutBucketEncryption 403";
        assert_eq!(requests(&emulator), [rejected, "AssumeRole 200", PUT], "{code}");
        // The new session is rejected as well, so the session is not the cause.
        emulator.inject(Fault::error_response(403, code).forever());
        let error = put(&client).await.unwrap_err();
        assert_eq!(error.service_error().unwrap().code.as_str(), code);
        assert_eq!(requests(&emulator), [rejected, "AssumeRole 200", rejected], "{code}");
    }
}

#[tokio::test]
async fn many_calls_with_a_rejected_session_get_one_new_session() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, static_credentials()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    requests(&emulator);
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let requests = requests(&emulator);
    assert_eq!(requests.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
}

#[tokio::test]
async fn many_calls_with_a_rejected_session_share_a_failure() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, static_credentials()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    requests(&emulator);
    // All are rejected before the first requests a new session.
    emulator
        .inject(Fault::delay(Duration::from_millis(20)).operation("PutBucketEncryption").times(20));
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        assert!(matches!(
            credentials_error(outcome.unwrap_err()),
            CredentialsErrorKind::Service(_)
        ));
    }
    let requests = requests(&emulator);
    let sessions = requests.iter().filter(|call| *call == "AssumeRole 403").count();
    assert_eq!(sessions, 1, "{requests:?}");
}

#[tokio::test]
async fn static_credentials_that_are_rejected_fail_after_one_attempt() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "SecurityTokenExpired"));
    let error = put(&client(&emulator, static_credentials())).await.unwrap_err();
    assert_eq!(error.service_error().unwrap().code.as_str(), "SecurityTokenExpired");
    assert_eq!(requests(&emulator), ["PutBucketEncryption 403"]);
}
