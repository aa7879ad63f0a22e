//! List queries.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;
use tokio::io::AsyncWriteExt as _;

use super::{NO_DIAGNOSTICS, shown};
use crate::hostile::service::{server, with_body};
use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, UNKNOWN, configured, configured_without_retries,
    diagnostics, dynamic, from_dynamic, provider_config, resource, unconfigured,
};

const LIMIT_REACHED: &str = "warning: Query ended at its limit";

/// The events of a list query, a line each.
async fn query(client: &mut TestClient<OssProvider>, config: Json, limit: i64) -> Vec<String> {
    let request = list_request(&config, limit);
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        // A result with a warning is both; a message alone is shown and skipped.
        if event.identity.is_some() {
            lines.push(format!("{} = {}", event.display_name, shown(event.identity.as_ref())));
        }
        lines.extend(diagnostics(&event.diagnostic));
    }
    lines
}

pub(super) fn list_request(config: &Json, limit: i64) -> pb::list_resource::Request {
    let mut whole = json!({ "prefix": null, "region": null });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    pb::list_resource::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&whole)),
        include_resource_object: true,
        limit,
    }
}

/// Buckets in two regions, all but one with a rule.
fn account() -> Emulator {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let config = ["app-a", "app-b", "app-plain"]
        .iter()
        .fold(config, |config, name| config.with_bucket(name))
        .with_bucket_in("app-far", "cn-beijing")
        .with_bucket("web");
    let emulator = Emulator::start(config).unwrap();
    for name in ["app-a", "app-b", "app-far", "web"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    emulator
}

#[tokio::test]
async fn a_list_query_reads_each_bucket_in_its_region() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    assert_eq!(
        query(&mut client, json!({}), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing", "web = web@-"]
    );
    assert_eq!(
        query(&mut client, json!({ "prefix": "app-" }), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing"]
    );
    assert_eq!(
        query(&mut client, json!({ "region": "cn-beijing" }), 100).await,
        ["app-far = app-far@cn-beijing"]
    );
    assert_eq!(query(&mut client, json!({ "prefix": "app-p" }), 100).await, NO_DIAGNOSTICS);
    assert_eq!(
        query(&mut client, json!({ "prefix": "none" }), 100).await,
        ["warning at config.prefix: No bucket with prefix none"]
    );
    assert_eq!(
        query(&mut client, json!({ "region": "cn-shanghai" }), 1).await,
        ["warning at config.region: No bucket in region cn-shanghai"]
    );
}

#[tokio::test]
async fn a_list_query_sends_no_requests_beyond_its_limit() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    assert_eq!(
        query(&mut client, json!({}), 2).await,
        ["app-a = app-a@-", "app-b = app-b@-", LIMIT_REACHED]
    );
    let many: Vec<String> = (0..40).map(|number| format!("many-{number:02}")).collect();
    for name in &many {
        emulator.set_rule(name, EncryptionRule::new("SM4"));
    }
    emulator.clear_requests();
    assert_eq!(query(&mut client, json!({ "prefix": "many-" }), 3).await.len(), 3 + 1);
    let requests = emulator.requests().len();
    assert!(
        requests <= 1 + 4 + 8,
        "{requests} calls: a list, the results, the next, and those under way"
    );
}

#[tokio::test]
async fn the_last_result_does_not_wait_for_a_bucket_beyond_the_limit() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let hour = Duration::from_hours(1);
    emulator.inject(Fault::delay(hour).bucket("app-far").forever());
    // Less than the timeout of the request for that bucket.
    let query = tokio::time::timeout(Duration::from_secs(30), query(&mut client, json!({}), 2));
    let lines = query.await.expect("the query has not ended");
    assert_eq!(lines, ["app-a = app-a@-", "app-b = app-b@-", LIMIT_REACHED]);
}

#[tokio::test]
async fn a_list_query_includes_the_object_on_request() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let request = list_request(&json!({ "prefix": "app-far" }), 100);
    for include_resource_object in [true, false] {
        let request = pb::list_resource::Request { include_resource_object, ..request.clone() };
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        let event = events.message().await.unwrap().unwrap();
        let expected =
            resource(json!({ "bucket": "app-far", "id": "app-far", "region": "cn-beijing",
            "sse_algorithm": "AES256", "kms_master_key_id": "", "kms_data_encryption": "" }));
        let object = event.resource_object.map(|object| from_dynamic(Some(&object)));
        assert_eq!(object, include_resource_object.then_some(expected));
    }
}

#[tokio::test]
async fn one_bucket_that_cannot_be_read_is_a_warning() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (404, "NoSuchKey")] {
        emulator.inject(Fault::error_response(status, code).bucket("app-b"));
        assert_eq!(
            query(&mut client, json!({ "prefix": "app-" }), 100).await,
            [
                "app-a = app-a@-",
                "warning: Bucket app-b was skipped",
                "app-far = app-far@cn-beijing"
            ]
        );
    }
}

#[tokio::test]
async fn a_rejected_list_request_is_an_error() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    let mut events = client.list_resource(list_request(&json!({}), 1)).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: Cannot list buckets"]);
    assert!(
        event.diagnostic[0].detail.contains("oss:ListBuckets"),
        "{}",
        event.diagnostic[0].detail
    );
    assert!(events.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_query_sends_eight_requests_at_once_and_ends_with_its_caller() {
    let emulator = account();
    for number in 0..40 {
        emulator.set_rule(&format!("many-{number:02}"), EncryptionRule::new("SM4"));
    }
    let slow = Fault::delay(std::time::Duration::from_mins(5));
    emulator.inject(slow.operation("GetBucketEncryption").forever());
    let mut client = configured(&emulator).await;
    let events = client.list_resource(list_request(&json!({}), 100)).await.unwrap().into_inner();
    let mut events = Box::pin(events);
    // Polled until all concurrent requests are sent; none gets a response.
    let first = events.next();
    let requests = async {
        while emulator.requests().len() < 1 + 8 {
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::select(Box::pin(first), Box::pin(requests)).await;
    drop(events);
    assert_eq!(emulator.requests().len(), 1 + 8);
}

#[tokio::test]
async fn a_list_query_reads_all_pages() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    for name in ["many-0000", "many-0999", "many-1002"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    let mut client = configured(&emulator).await;
    assert_eq!(
        query(&mut client, json!({}), 0).await,
        ["many-0000 = many-0000@-", "many-0999 = many-0999@-", "many-1002 = many-1002@-"]
    );
    let lists = emulator.requests().into_iter();
    let lists = lists.filter(|exchange| exchange.operation.as_deref() == Some("ListBuckets"));
    assert_eq!(lists.count(), 2);
}

#[tokio::test]
async fn a_failed_page_ends_a_list_query_after_the_results_before_it() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    emulator.set_rule("many-0000", EncryptionRule::new("AES256"));
    emulator.set_rule("many-0999", EncryptionRule::new("AES256"));
    let mut client = configured(&emulator).await;
    let second_fails = || {
        emulator.inject(Fault::delay(std::time::Duration::ZERO).operation("ListBuckets"));
        emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    };
    let found = ["many-0000 = many-0000@-", "many-0999 = many-0999@-"];
    second_fails();
    let [first, last] = found;
    assert_eq!(query(&mut client, json!({}), 0).await, [first, last, "error: Cannot list buckets"]);
    // Not reported if the limit is reached before.
    emulator.clear_faults();
    second_fails();
    assert_eq!(query(&mut client, json!({}), 1).await, [first, LIMIT_REACHED]);
    emulator.clear_faults();
    second_fails();
    assert_eq!(query(&mut client, json!({}), 2).await, [first, last, LIMIT_REACHED]);
    emulator.clear_faults();
    emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    assert_eq!(
        query(&mut client, json!({ "prefix": "many-0000" }), 0).await,
        ["error: Cannot list buckets"]
    );
}

/// A client for a fake service whose buckets all have a rule. It returns these pages, the last one repeatedly;
/// each is the XML of buckets and the next marker.
pub(crate) async fn client_for_pages(pages: &[(&str, Option<&str>)]) -> TestClient<OssProvider> {
    let page = |(buckets, next): &(&str, Option<&str>)| {
        let next = next.map_or_else(String::new, |marker| {
            format!("<IsTruncated>true</IsTruncated><NextMarker>{marker}</NextMarker>")
        });
        let buckets = format!("<Buckets>{buckets}</Buckets>");
        with_body(&format!("<ListAllMyBucketsResult>{next}{buckets}</ListAllMyBucketsResult>"))
    };
    let mut pages: VecDeque<String> = pages.iter().map(page).collect();
    let last = pages.pop_back().unwrap();
    let pages = Mutex::new(pages);
    let rule = "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>\
                <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                </ServerSideEncryptionRule>";
    let address = server(move |request, mut stream| {
        let response = if request.starts_with("GET /?") {
            pages.lock().unwrap().pop_front().unwrap_or_else(|| last.clone())
        } else {
            with_body(rule)
        };
        async move {
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let mut client = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": format!("http://{}", address.await),
        "max_retries": 0, "access_key": KEY_ID, "secret_key": KEY_SECRET });
    let config = Some(provider_config(arguments));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    client.configure_provider(request).await.unwrap();
    client
}

#[tokio::test]
async fn an_endless_list_of_buckets_is_an_error() {
    let bucket = "<Bucket><Name>b-1</Name><Region>cn-hangzhou</Region></Bucket>";
    for next in ["b-1", "a"] {
        let mut client = client_for_pages(&[(bucket, Some("b-1")), (bucket, Some(next))]).await;
        let found = query(&mut client, json!({}), 0).await;
        assert_eq!(found, ["b-1 = b-1@-", "error: Cannot list buckets"]);
    }
}

#[tokio::test]
async fn buckets_with_invalid_names_or_locations_are_reported() {
    let odd = "<Bucket><Name>Old_Name</Name><Region>cn-hangzhou</Region></Bucket>\
               <Bucket><Name>nowhere</Name><Location>elsewhere</Location></Bucket>\
               <Bucket><Name>far</Name><Location>oss-cn-beijing</Location></Bucket>";
    let mut client = client_for_pages(&[(odd, None)]).await;
    let warning = "warning: Bucket Old_Name was skipped";
    // Without a location, the provider's region is used.
    let (nowhere, far) = ("nowhere = nowhere@-", "far = far@cn-beijing");
    assert_eq!(query(&mut client, json!({}), 0).await, [warning, nowhere, far]);
    assert_eq!(query(&mut client, json!({ "region": "cn-beijing" }), 0).await, [nowhere, far]);
    assert_eq!(query(&mut client, json!({ "region": "cn-hangzhou" }), 0).await, [warning, nowhere]);
}

#[tokio::test]
async fn the_limit_of_a_list_query_is_optional() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for (limit, expected, is_cut_off) in [
        (0, 4, false),
        (-1, 4, false),
        (1, 1, true),
        (3, 3, true),
        (4, 4, false),
        (i64::MAX, 4, false),
    ] {
        let mut found = query(&mut client, json!({}), limit).await;
        let warned = found.last().is_some_and(|line| line == LIMIT_REACHED);
        assert_eq!(warned, is_cut_off, "{limit}: {found:?}");
        found.retain(|line| line != LIMIT_REACHED);
        assert_eq!(found.len(), expected, "{limit}");
    }
    // Buckets that were not examined may have a rule.
    let found = query(&mut client, json!({ "prefix": "app-" }), 3).await;
    assert_eq!(found.last().unwrap(), LIMIT_REACHED);
    let found = query(&mut client, json!({ "prefix": "app-far" }), 1).await;
    assert_eq!(found, ["app-far = app-far@cn-beijing"]);
}

/// An account with forty buckets in a second region.
fn wide_account() -> Emulator {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket("a-near");
    let far =
        |config: Config, number| config.with_bucket_in(&format!("far-{number:02}"), "cn-beijing");
    let emulator = Emulator::start((0..40).fold(config, far).with_bucket("z-near")).unwrap();
    for name in ["a-near", "z-near"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    emulator
}

#[tokio::test]
async fn an_error_that_affects_all_buckets_ends_a_list_query() {
    for (fault, expected) in [
        ("SecurityTokenExpired", "The temporary credentials have expired"),
        ("InvalidAccessKeyId", "The AccessKey ID does not exist"),
        ("UserDisable", "OSS has disabled the account"),
    ] {
        let emulator = wide_account();
        let mut client = configured(&emulator).await;
        let fault = Fault::error_response(403, fault).operation("GetBucketEncryption");
        emulator.inject(fault.bucket("far-03").forever());
        let request = list_request(&json!({}), 0);
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        assert_eq!(events.message().await.unwrap().unwrap().display_name, "a-near");
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(
            diagnostics(&event.diagnostic),
            ["error: Cannot read the encryption of bucket far-03"]
        );
        assert!(event.diagnostic[0].detail.contains(expected), "{}", event.diagnostic[0].detail);
        assert!(events.message().await.unwrap().is_none(), "nothing comes after an error");
        assert!(emulator.requests().len() < 20, "the others are not requests");
    }
}

#[tokio::test]
async fn a_cancelled_list_query_reports_it_once() {
    let emulator = wide_account();
    let mut client = configured(&emulator).await;
    let slow = Fault::delay(std::time::Duration::from_mins(5)).operation("GetBucketEncryption");
    emulator.inject(slow.bucket("far-03").forever());
    let mut searching = client.clone();
    let found = tokio::spawn(async move { query(&mut searching, json!({}), 0).await });
    // The request that hangs, and the concurrent ones after it.
    while emulator.requests().len() < 2 + 4 + 7 {
        tokio::task::yield_now().await;
    }
    client.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    assert_eq!(
        found.await.unwrap(),
        ["a-near = a-near@-", "error: Cannot read the encryption of all buckets"]
    );
}

#[tokio::test]
async fn an_unresponsive_region_is_skipped_after_the_first_timeouts() {
    let emulator = wide_account();
    let mut client = configured_without_retries(&emulator).await;
    for number in 0..40 {
        emulator.inject(Fault::reset_before().bucket(&format!("far-{number:02}")).forever());
    }
    let found = query(&mut client, json!({}), 0).await;
    assert_eq!(found.len(), 42);
    assert_eq!((found[0].as_str(), found[41].as_str()), ("a-near = a-near@-", "z-near = z-near@-"));
    assert_eq!(found[40], "warning: Bucket far-39 was skipped");
    let requests = emulator.requests().len();
    assert!(
        requests <= 1 + 2 + 8,
        "a list, two buckets that response, and those requests at once: {requests}"
    );
}

#[tokio::test]
async fn a_list_query_without_a_config_block_has_no_filter() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let request = pb::list_resource::Request {
        config: Some(dynamic(&Json::Null)),
        ..list_request(&json!({}), 1)
    };
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    assert_eq!(events.message().await.unwrap().unwrap().display_name, "app-a");
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&Json::Null)),
        ..Default::default()
    };
    let response = client.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
}

#[tokio::test]
async fn the_configuration_of_a_list_query_is_validated() {
    let mut client = unconfigured();
    for (config, expected) in [
        (json!({ "prefix": "app-", "region": "cn-hangzhou" }), vec![]),
        (json!({ "prefix": UNKNOWN }), vec![]),
        (json!({ "prefix": "App_" }), vec!["error at config.prefix: Invalid prefix"]),
        (json!({ "prefix": "-x" }), vec!["error at config.prefix: Invalid prefix"]),
        (json!({ "prefix": "x".repeat(70) }), vec!["error at config.prefix: Invalid prefix"]),
        (json!({ "region": "c/n" }), vec!["error at config.region: Invalid region"]),
    ] {
        let request = pb::validate_list_resource_config::Request {
            type_name: TYPE.into(),
            config: list_request(&config, 1).config,
            ..Default::default()
        };
        let response = client.validate_list_resource_config(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), expected);
    }
}

#[tokio::test]
async fn a_list_query_before_configure_is_a_diagnostic() {
    let mut client = unconfigured();
    assert_eq!(query(&mut client, json!({}), 1).await, ["error: Provider not configured"]);
}
