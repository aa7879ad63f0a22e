//! The order, filters and repetition of faults.

use time::OffsetDateTime;

use super::*;
use crate::operation::Operation;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn take(faults: &mut Faults, method: &str, bucket: &str) -> Option<String> {
    let operation = match method {
        "PUT" => Operation::PutBucketEncryption,
        _ => Operation::GetBucketEncryption,
    };
    let target = Target::oss(method, Some(bucket), operation);
    faults.take(&target, NOW).map(|action| action.to_string())
}

#[test]
fn other_services_are_affected_only_by_faults_that_name_their_operation() {
    let mut faults = Faults::default();
    faults.push(Fault::reset_before());
    faults.push(Fault::error_response(429, "Throttling").operation("AssumeRole"));
    faults.push(Fault::truncate_body().operation("GetBucketEncryption"));
    let assume_role = Target::other_service("POST", "AssumeRole");
    assert!(faults.take(&Target::other_service("POST", "AssumeRoleWithOIDC"), NOW).is_none());
    assert_eq!(
        faults.take(&assume_role, NOW).unwrap().to_string(),
        "error response 429 Throttling"
    );
    assert!(faults.take(&assume_role, NOW).is_none());
    assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("reset before the change"));
    assert_eq!(take(&mut faults, "PUT", "demo"), None);
    assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("truncated body"));
}

#[test]
fn an_algorithm_limits_a_fault_to_rules_that_have_it() {
    let mut faults = Faults::default();
    faults.push(Fault::reset_before().algorithm("KMS"));
    let target = Target::oss("PUT", Some("demo"), Operation::PutBucketEncryption);
    assert!(faults.take(&target.sets(Some("AES256")), NOW).is_none());
    assert!(faults.take(&target.sets(None), NOW).is_none());
    assert_eq!(take(&mut faults, "GET", "demo"), None);
    assert!(faults.take(&target.sets(Some("KMS")), NOW).is_some());
}

#[test]
fn a_bucket_accepts_one_change_in_a_window() {
    let mut faults = Faults::default();
    faults.push(Fault::conflicts(Duration::from_millis(500)));
    let mut put = |bucket, milliseconds| {
        let target = Target::oss("PUT", Some(bucket), Operation::PutBucketEncryption);
        let now = NOW + time::Duration::milliseconds(milliseconds);
        faults.take(&target, now).map(|action| action.error().unwrap().code.into_owned())
    };
    let conflict = || Some("ConcurrentUpdateBucketFailed".to_owned());
    assert_eq!(put("demo", 0), None);
    assert_eq!(put("demo", 499), conflict());
    assert_eq!(put("other", 499), None, "each bucket has its own window");
    assert_eq!(put("demo", 500), None, "a rejected change does not extend the window");
    assert_eq!(put("demo", 501), conflict());
    assert_eq!(take(&mut faults, "GET", "demo"), None, "reads do not conflict");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let header = |fault: Fault| {
        let response = fault.action.error().unwrap().to_response("", "");
        response.headers.into_iter().find(|(name, _)| *name == "Retry-After").unwrap().1
    };
    let fault = || Fault::error_response(503, "ServiceUnavailable");
    assert_eq!(header(fault().retry_after(7)), "7");
    let date = "Wed, 28 Dec 2022 10:27:41 GMT";
    assert_eq!(header(fault().retry_after_text(date)), date);
}

#[test]
fn faults_apply_in_order_and_only_to_matching_requests() {
    let mut faults = Faults::default();
    faults.push(Fault::error_response(500, "InternalError").method("PUT").times(2));
    faults.push(Fault::reset_before().bucket("other"));
    faults.push(Fault::truncate_body());
    faults.push(Fault::reset_after().times(0));
    assert_eq!(
        take(&mut faults, "PUT", "demo").as_deref(),
        Some("error response 500 InternalError")
    );
    assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("truncated body"));
    assert_eq!(take(&mut faults, "GET", "demo"), None);
    assert_eq!(
        take(&mut faults, "PUT", "other").as_deref(),
        Some("error response 500 InternalError")
    );
    assert_eq!(take(&mut faults, "PUT", "other").as_deref(), Some("reset before the change"));
    assert_eq!(take(&mut faults, "PUT", "other"), None);
}

#[test]
fn forever_lasts_until_the_faults_are_cleared() {
    let mut faults = Faults::default();
    faults.push(Fault::reset_after().forever());
    for _ in 0..3 {
        assert!(take(&mut faults, "GET", "demo").is_some());
    }
    faults.clear();
    assert_eq!(take(&mut faults, "GET", "demo"), None);
}

#[test]
fn stale_reads_wait_for_a_write() {
    let mut faults = Faults::default();
    faults.push(Fault::stale_reads(2));
    assert_eq!(take(&mut faults, "GET", "demo"), None);
    assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("2 stale reads"));
}

#[test]
fn a_throttle_counts_requests_per_second() {
    let mut faults = Faults::default();
    faults.push(Fault::throttle(2).method("GET"));
    faults.push(Fault::truncate_body().bucket("other"));
    let mut take = |bucket: &str, milliseconds: i64| {
        let target = Target::oss("GET", Some(bucket), Operation::GetBucketEncryption);
        let action = faults.take(&target, NOW + time::Duration::milliseconds(milliseconds));
        action.map(|action| action.error().map_or(0, |error| error.status))
    };
    // A request within the limit is checked against the next fault.
    assert_eq!([take("demo", 0), take("other", 999)], [None, Some(0)]);
    assert_eq!([take("demo", 999), take("demo", 999)], [Some(503); 2]);
    assert_eq!([take("demo", 1000), take("demo", 1001)], [None; 2]);
    assert_eq!(take("demo", 1999), Some(503));
}

#[test]
fn random_faults_keep_their_percentage_and_repeat_for_the_same_seed() {
    let outcomes = |seed| -> Vec<String> {
        let mut faults = Faults::default();
        faults.push(Fault::random(seed, 30));
        (0..1000).map(|_| take(&mut faults, "PUT", "demo").unwrap_or_default()).collect()
    };
    let (one, other) = (outcomes(1), outcomes(2));
    assert_eq!(one, outcomes(1));
    assert_ne!(one, other);
    let faults = one.iter().filter(|outcome| !outcome.is_empty()).count();
    assert!((250..350).contains(&faults), "{faults}");
    let kinds: std::collections::BTreeSet<&String> = one.iter().collect();
    assert_eq!(kinds.len(), 9, "eight kinds of fault and none: {kinds:?}");
}
