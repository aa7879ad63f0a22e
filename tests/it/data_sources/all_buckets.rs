//! `data "oss_bucket_encryptions"`.

use std::time::Duration;

use oss_emulator::Fault;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::{ALL, NO_DIAGNOSTICS, account, config, large_account, shown_all, timeouts};
use crate::adopt::list::client_for_pages;
use crate::support::{TestClient, UNKNOWN, configured, configured_without_retries, diagnostics};

fn filter(given: Json) -> pb::DynamicValue {
    config(&["prefix", "region", "buckets", "timeouts"], given)
}

async fn read(client: &mut TestClient<OssProvider>, given: Json) -> (Json, Vec<pb::Diagnostic>) {
    super::read(client, ALL, filter(given)).await
}

const A: &str = "app-a@cn-hangzhou: AES256 - -";
const FAR: &str = "app-far@cn-beijing: KMS 9468da86 SM4";
const PLAIN: &str = "app-plain@cn-hangzhou: - - -";
const WEB: &str = "web@cn-hangzhou: SM4 - -";

#[tokio::test]
async fn every_bucket_is_returned_with_or_without_a_rule() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for (given, expected) in [
        (json!({}), vec![A, FAR, PLAIN, WEB]),
        (json!({ "prefix": "app-" }), vec![A, FAR, PLAIN]),
        (json!({ "region": "cn-beijing" }), vec![FAR]),
        (json!({ "prefix": "", "region": "" }), vec![A, FAR, PLAIN, WEB]),
    ] {
        let (state, found) = read(&mut client, given.clone()).await;
        assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
        assert_eq!(shown_all(&state), expected, "{given}");
        for (name, value) in given.as_object().unwrap() {
            assert_eq!(state[name], *value, "a configured value stays as it is");
        }
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_read_is_a_warning_and_never_looks_unencrypted() {
    let emulator = account();
    let mut client = configured_without_retries(&emulator).await;
    let deny = |bucket: &str| Fault::error_response(403, "AccessDenied").bucket(bucket).forever();
    emulator.inject(deny("app-plain"));
    emulator.inject(Fault::error_response(500, "InternalError").bucket("web").forever());
    let (state, found) = read(&mut client, json!({})).await;
    assert_eq!(
        diagnostics(&found),
        ["warning: The encryption of 2 of 4 buckets could not be read"]
    );
    let action = "oss:GetBucketEncryption on acs:oss:*:*:app-plain";
    for part in ["do not take them for unencrypted", action, "request ID", "Bucket web: "] {
        assert!(found[0].detail.contains(part), "{part} is missing: {}", found[0].detail);
    }
    let buckets = shown_all(&state);
    assert_eq!(buckets[..2], [A, FAR]);
    let denied = "app-plain@cn-hangzhou: error: OSS returned 403 AccessDenied. The credentials";
    assert!(buckets[2].starts_with(denied), "{}", buckets[2]);
    assert!(buckets[2].contains(action), "{}", buckets[2]);
    assert!(buckets[3].starts_with("web@cn-hangzhou: error: OSS returned 500"), "{}", buckets[3]);
    let (again, _) = read(&mut client, json!({})).await;
    assert_eq!(again, state, "no request ID in the data, which would differ in each run");
}

#[tokio::test]
async fn a_listed_bucket_that_is_not_found_is_a_warning_and_stays_in_the_result() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let not_found = Fault::error_response(404, "NoSuchBucket").operation("GetBucketEncryption");
    emulator.inject(not_found.bucket("app-plain").forever());
    let (state, found) = read(&mut client, json!({})).await;
    assert_eq!(
        diagnostics(&found),
        ["warning: The encryption of 1 of 4 buckets could not be read"]
    );
    let buckets = shown_all(&state);
    assert_eq!([&buckets[0], &buckets[1], &buckets[3]], [A, FAR, WEB]);
    let error =
        "app-plain@cn-hangzhou: error: OSS returned 404 NoSuchBucket. OSS listed the bucket";
    assert!(buckets[2].starts_with(error), "{}", buckets[2]);
}

#[tokio::test]
async fn no_page_and_no_spelling_hides_a_bucket() {
    let bucket = |name: &str, place: &str| format!("<Bucket><Name>{name}</Name>{place}</Bucket>");
    let region = |name: &str| bucket(name, "<Region>cn-hangzhou</Region>");
    let first = region("app-a") + &region("app-b");
    // Repeats a bucket of the page before it.
    let second = region("app-b") + &bucket("app-c", "<Location>cn-hangzhou</Location>");
    let third = bucket("app-d", "<Region>CN-HANGZHOU</Region>")
        + &bucket("app-e", "<Location>oss-cn-hangzhou-internal</Location>")
        + &bucket("app-f", "")
        + &bucket("app-g", "<Location>oss-cn-hangzhou</Location>")
        + &bucket("other", "<Location>oss-cn-beijing</Location>");
    let pages = [
        (first.as_str(), Some("app-b")),
        ("", Some("app-bb")),
        (&second, Some("app-c")),
        (&third, None),
    ];
    let mut client = client_for_pages(&pages).await;
    let (state, found) = read(&mut client, json!({ "region": "cn-hangzhou" })).await;
    assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
    let rule = |bucket: &str| format!("{bucket}: AES256 - -");
    let expected = [
        "app-a@cn-hangzhou",
        "app-b@cn-hangzhou",
        "app-c@-",
        "app-d@-",
        "app-e@-",
        "app-f@-",
        "app-g@cn-hangzhou",
    ];
    assert_eq!(shown_all(&state), expected.map(rule));
}

#[tokio::test]
async fn a_region_without_buckets_is_a_warning_if_other_regions_have_some() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, json!({ "region": "cn-hangzou" })).await;
    assert_eq!(state["buckets"], json!([]));
    assert_eq!(diagnostics(&found), ["warning at region: No bucket in region cn-hangzou"]);
    let others = "there are buckets in cn-beijing and cn-hangzhou.";
    assert!(found[0].detail.contains(others), "{}", found[0].detail);
}

#[tokio::test]
async fn a_prefix_without_buckets_is_a_warning() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (prefix, region) = (
        "warning at prefix: No bucket with prefix other",
        "warning at region: No bucket in region cn-shanghai",
    );
    for (given, expected) in [
        (json!({ "prefix": "other" }), prefix),
        (json!({ "prefix": "other", "region": "cn-beijing" }), prefix),
        (json!({ "prefix": "app-", "region": "cn-shanghai" }), region),
    ] {
        let (state, found) = read(&mut client, given).await;
        assert_eq!(state["buckets"], json!([]));
        assert_eq!(diagnostics(&found), [expected]);
    }
    let emulator = large_account(0);
    let mut client = configured(&emulator).await;
    for given in [json!({}), json!({ "region": "cn-beijing" })] {
        let (state, found) = read(&mut client, given).await;
        assert_eq!(state["buckets"], json!([]));
        assert_eq!(diagnostics(&found), NO_DIAGNOSTICS, "the account has no buckets");
    }
}

#[tokio::test]
async fn a_timeout_of_the_scan_is_about_the_whole_account() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for operation in ["ListBuckets", "GetBucketEncryption"] {
        let throttled = Fault::error_response(503, "TotalQpsLimitExceeded").operation(operation);
        emulator.inject(throttled.forever());
        let (state, found) = read(&mut client, timeouts("1s")).await;
        assert_eq!(state, Json::Null);
        assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of all buckets"]);
        for part in ["At least 0 buckets were read", "longer timeout in the data source's"] {
            assert!(found[0].detail.contains(part), "{part} is missing: {}", found[0].detail);
        }
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn the_warning_about_many_buckets_is_short() {
    let emulator = large_account(40);
    let mut client = configured(&emulator).await;
    emulator.inject(
        Fault::error_response(403, "AccessDenied").operation("GetBucketEncryption").forever(),
    );
    let (state, found) = read(&mut client, json!({})).await;
    assert_eq!(
        diagnostics(&found),
        ["warning: The encryption of 40 of 40 buckets could not be read"]
    );
    let detail = &found[0].detail;
    assert_eq!(detail.matches("OSS returned 403 AccessDenied").count(), 10);
    assert!(
        detail
            .ends_with("30 more buckets could not be read; `error` in `buckets` has the reasons.")
    );
    assert_eq!(state["buckets"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn a_failed_list_or_rejected_credentials_are_errors() {
    for (operation, code, summary, part) in [
        ("ListBuckets", "AccessDenied", "error: Cannot list buckets", "oss:ListBuckets"),
        (
            "GetBucketEncryption",
            "SecurityTokenExpired",
            "error: Cannot read the encryption of bucket app-a",
            "have expired",
        ),
    ] {
        let emulator = account();
        let mut client = configured(&emulator).await;
        emulator.inject(Fault::error_response(403, code).operation(operation).forever());
        let (state, found) = read(&mut client, json!({})).await;
        assert_eq!(diagnostics(&found), [summary]);
        assert!(found[0].detail.contains(part), "{}", found[0].detail);
        assert_eq!(state, Json::Null, "a part of the buckets would look like all of them");
    }
}

#[tokio::test]
async fn an_unresponsive_region_is_reported_for_each_of_its_buckets() {
    let emulator = account();
    let mut client = configured_without_retries(&emulator).await;
    emulator.inject(Fault::reset_before().bucket("app-far").forever());
    let (state, found) = read(&mut client, json!({})).await;
    assert_eq!(
        diagnostics(&found),
        ["warning: The encryption of 1 of 4 buckets could not be read"]
    );
    let buckets = shown_all(&state);
    assert_eq!([&buckets[0], &buckets[2], &buckets[3]], [A, PLAIN, WEB]);
    assert!(buckets[1].starts_with("app-far@cn-beijing: error: "), "{}", buckets[1]);
}

#[tokio::test]
async fn all_pages_are_read_with_a_request_for_each_bucket() {
    let emulator = large_account(2500);
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, json!({})).await;
    assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
    let buckets = shown_all(&state);
    assert_eq!(buckets.len(), 2500);
    assert!(buckets.is_sorted());
    assert_eq!(emulator.requests().len(), 3 + 2500);
}

#[tokio::test]
async fn the_timeout_ends_the_whole_read() {
    let emulator = large_account(40);
    emulator
        .inject(Fault::delay(Duration::from_mins(5)).operation("GetBucketEncryption").forever());
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, timeouts("2s")).await;
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of all buckets"]);
    assert!(found[0].detail.contains("the data source's `timeouts` block"), "{}", found[0].detail);
    assert_eq!(state, Json::Null);
    assert!(emulator.requests().len() <= 1 + 8, "the others are not asked");
}

#[tokio::test]
async fn a_read_is_cancelled_at_once() {
    let emulator = large_account(40);
    emulator
        .inject(Fault::delay(Duration::from_mins(5)).operation("GetBucketEncryption").forever());
    let mut client = configured(&emulator).await;
    let mut reading = client.clone();
    let read = tokio::spawn(async move { read(&mut reading, json!({})).await });
    while emulator.requests().len() < 1 + 8 {
        tokio::task::yield_now().await;
    }
    client.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    let (state, found) = read.await.unwrap();
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of all buckets"]);
    assert!(found[0].detail.contains("cancelled after 0 buckets"), "{}", found[0].detail);
    assert_eq!(state, Json::Null);
    assert_eq!(emulator.requests().len(), 1 + 8);
}

#[tokio::test]
async fn impossible_filters_are_reported_at_their_attribute() {
    for (given, expected) in [
        (json!({}), vec![]),
        (json!({ "prefix": "old_", "region": "cn-hangzhou" }), vec![]),
        (json!({ "prefix": UNKNOWN, "region": UNKNOWN }), vec![]),
        (json!({ "prefix": "App" }), vec!["error at prefix: Invalid prefix"]),
        (json!({ "prefix": "-x" }), vec!["error at prefix: Invalid prefix"]),
        (json!({ "prefix": "x".repeat(70) }), vec!["error at prefix: Invalid prefix"]),
        (json!({ "region": "c/n" }), vec!["error at region: Invalid region"]),
        (timeouts("0s"), vec!["error at timeouts.read: Invalid timeout"]),
    ] {
        assert_eq!(super::validate(ALL, filter(given.clone())).await, expected, "{given}");
    }
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (_, found) = read(&mut client, json!({ "region": "c/n" })).await;
    assert_eq!(diagnostics(&found), ["error at region: Invalid region"]);
    let (_, found) = read(&mut client, json!({ "prefix": UNKNOWN })).await;
    assert_eq!(diagnostics(&found), ["error at prefix: Unknown value"]);
    assert_eq!(emulator.requests().len(), 0);
}
