//! When temporary credentials are requested, refreshed and replaced.

use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::Fault;
use terraform_provider_oss::oss::credentials::CredentialsErrorKind;
use terraform_provider_oss::oss::{BucketName, CallOptions, Client, ClientConfig, ErrorKind};

use super::{PUT, Time, asked, assume, client, config, keys, problem, put, start};

#[tokio::test]
async fn one_session_serves_many_calls_however_many_wait_for_it() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
    assert_eq!(asked.iter().filter(|call| *call == PUT).count(), 50);
}

#[tokio::test]
async fn those_who_wait_share_a_failure_too() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    let client = client(&emulator, assume(&emulator, keys()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        let CredentialsErrorKind::Service(refusal) = problem(outcome.unwrap_err()) else {
            panic!()
        };
        assert_eq!(refusal.code, "NoPermission");
        assert!(refusal.request_id.is_some());
    }
    assert_eq!(asked(&emulator), ["AssumeRole 403"]);
}

#[tokio::test]
async fn a_run_may_last_longer_than_its_sessions() {
    let emulator = start();
    emulator.set_session_seconds(Some(900));
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    for _ in 0..6 {
        put(&client).await.unwrap();
        time.pass(&emulator, 600);
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == PUT).count(), 6);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 3);
    assert_eq!(asked.len(), 9, "no session was used beyond its end: {asked:?}");
}

#[tokio::test]
async fn sessions_are_renewed_before_they_end() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 200", PUT]);
    time.pass(&emulator, 3600 - 310);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT]);
    time.pass(&emulator, 15);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 200", PUT]);
}

#[tokio::test]
async fn nobody_waits_for_a_renewal_while_the_session_still_holds() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    asked(&emulator);
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
async fn a_renewal_that_hangs_costs_one_caller_at_most() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole").forever());
    let bucket = BucketName::parse("demo").unwrap();
    let short = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.get_bucket_encryption(&bucket, &short).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    asked(&emulator);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT], "the session at hand is used");
}

#[tokio::test]
async fn a_session_is_used_to_its_end_when_there_is_no_new_one() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    let down = || Fault::error_response(403, "NoPermission").operation("AssumeRole").forever();
    emulator.inject(down());
    time.pass(&emulator, 3600 - 200);
    asked(&emulator);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 403", PUT]);
    // The next calls do not all try again.
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT]);
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 403", PUT]);
    time.pass(&emulator, 200);
    assert!(matches!(problem(put(&client).await.unwrap_err()), CredentialsErrorKind::Service(_)));
    emulator.clear_faults();
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
}

#[tokio::test]
async fn a_session_that_oss_refuses_is_replaced_once() {
    for code in ["SecurityTokenExpired", "InvalidSecurityToken"] {
        let emulator = start();
        let client = client(&emulator, assume(&emulator, keys()));
        put(&client).await.unwrap();
        asked(&emulator);
        emulator.inject(Fault::error_response(403, code));
        put(&client).await.unwrap();
        let refused = "PutBucketEncryption 403";
        assert_eq!(asked(&emulator), [refused, "AssumeRole 200", PUT], "{code}");
        // The new session is refused as well: it is not the session.
        emulator.inject(Fault::error_response(403, code).forever());
        let error = put(&client).await.unwrap_err();
        assert_eq!(error.service_error().unwrap().code.as_str(), code);
        assert_eq!(asked(&emulator), [refused, "AssumeRole 200", refused], "{code}");
    }
}

#[tokio::test]
async fn many_calls_with_a_refused_session_obtain_one_new_session() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    asked(&emulator);
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
}

#[tokio::test]
async fn many_calls_with_a_refused_session_share_a_failure_too() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    asked(&emulator);
    // All are refused before the first asks for a new session.
    emulator
        .inject(Fault::delay(Duration::from_millis(20)).operation("PutBucketEncryption").times(20));
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        assert!(matches!(problem(outcome.unwrap_err()), CredentialsErrorKind::Service(_)));
    }
    let asked = asked(&emulator);
    let sessions = asked.iter().filter(|call| *call == "AssumeRole 403").count();
    assert_eq!(sessions, 1, "{asked:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_renewed_are_refused_after_one_attempt() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "SecurityTokenExpired"));
    let error = put(&client(&emulator, keys())).await.unwrap_err();
    assert_eq!(error.service_error().unwrap().code.as_str(), "SecurityTokenExpired");
    assert_eq!(asked(&emulator), ["PutBucketEncryption 403"]);
}
