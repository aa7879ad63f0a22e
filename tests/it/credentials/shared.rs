//! A credential source that fails while many calls need it: one refresh for all of them.

use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::{Emulator, Fault};
use terraform_provider_oss::oss::credentials::{
    CredentialSource, CredentialsErrorKind, CredentialsUri,
};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, ErrorKind, RetryPolicy,
};

use super::{
    PUT, Time, assume, client, config, credentials_error, put, requests, start, static_credentials,
};

/// Two sources, with the operation and a transient error of each.
fn sources(emulator: &Emulator) -> [(CredentialSource, &'static str, Fault); 2] {
    let uri = CredentialsUri::parse(&emulator.credentials_uri()).unwrap();
    let sts = ("AssumeRole", Fault::error_response(500, "InternalError"));
    let service = ("CredentialsUri", Fault::error_response(503, "Busy"));
    [
        (assume(emulator, static_credentials()), sts.0, sts.1.operation(sts.0)),
        (CredentialSource::CredentialsUri(uri), service.0, service.1.operation(service.0)),
    ]
}

#[tokio::test]
async fn a_source_that_never_recovers_costs_the_attempts_of_one_call() {
    let emulator = start();
    for (source, operation, fault) in sources(&emulator) {
        emulator.inject(fault.forever());
        let client = client(&emulator, source);
        // As many calls as Terraform makes at once, several times.
        for _ in 0..6 {
            for outcome in join_all((0..10).map(|_| put(&client))).await {
                let error = outcome.unwrap_err();
                assert!(!error.may_have_taken_effect);
                let kind = credentials_error(error);
                assert!(matches!(kind, CredentialsErrorKind::Service(_)), "{kind}");
            }
        }
        let requests = requests(&emulator);
        assert!(requests.iter().all(|call| call.starts_with(operation)), "{requests:?}");
        assert_eq!(requests.len(), 12, "{operation}");
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn all_calls_succeed_when_the_source_recovers() {
    let emulator = start();
    for (source, operation, fault) in sources(&emulator) {
        emulator.inject(fault.times(11));
        let client = client(&emulator, source);
        for outcome in join_all((0..60).map(|_| put(&client))).await {
            outcome.unwrap();
        }
        let requests = requests(&emulator);
        assert_eq!(requests.iter().filter(|call| *call == PUT).count(), 60);
        assert_eq!(requests.len(), 72, "{operation}");
    }
}

#[tokio::test]
async fn a_final_failure_counts_for_later_calls_until_the_retry_delay_ends() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole"));
    let (time, clock) = Time::start();
    let client = Client::new(ClientConfig {
        clock,
        ..config(&emulator, assume(&emulator, static_credentials()))
    });
    for _ in 0..20 {
        put(&client).await.unwrap_err();
    }
    assert_eq!(requests(&emulator), ["AssumeRole 403"]);
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
    assert_eq!(requests(&emulator), ["AssumeRole 200", PUT]);
}

/// A client with this maximum backoff.
fn with_max_backoff(emulator: &Emulator, backoff: Duration) -> Client {
    let retry =
        RetryPolicy { initial_backoff: backoff, max_backoff: backoff, ..RetryPolicy::default() };
    Client::new(ClientConfig { retry, ..config(emulator, assume(emulator, static_credentials())) })
}

#[tokio::test]
async fn a_call_continues_the_refresh_of_a_cancelled_one() {
    let emulator = start();
    let client = with_max_backoff(&emulator, Duration::ZERO);
    // The first call is cancelled while it waits for the response.
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    emulator.inject(Fault::error_response(500, "InternalError").operation("AssumeRole").forever());
    let bucket = BucketName::parse("demo").unwrap();
    let short = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.get_bucket_encryption(&bucket, &short).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    put(&client).await.unwrap_err();
    assert_eq!(requests(&emulator).len(), 12, "the attempt that was given up counts");
}

#[tokio::test]
async fn a_call_that_cannot_wait_for_the_next_attempt_reports_the_last_failure() {
    let emulator = start();
    emulator.inject(
        Fault::error_response(503, "Busy").operation("AssumeRole").retry_after(90).forever(),
    );
    let client = with_max_backoff(&emulator, Duration::ZERO);
    for _ in 0..3 {
        let error = put(&client).await.unwrap_err();
        assert!(error.to_string().contains("503 Busy"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
        let needed = error.needed_timeout.unwrap();
        assert!((80..=91).contains(&needed.as_secs()), "{needed:?}");
    }
    assert_eq!(requests(&emulator), ["AssumeRole 503"], "the others wait for the same attempt");
}
