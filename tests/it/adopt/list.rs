//! List queries.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::StreamExt as _;
use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;
use tokio::io::AsyncWriteExt as _;

use super::{NO_DIAGNOSTICS, shown};
use crate::hostile_service::{server, with_body};
use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, UNKNOWN, configured, configured_without_retries,
    diagnostics, dynamic, from_dynamic, provider_config, resource, unconfigured,
};

/// What a search finds, an event a line.
async fn search(host: &mut TestClient<OssProvider>, config: Json, limit: i64) -> Vec<String> {
    let request = list_request(&config, limit);
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        lines.push(match diagnostics(&event.diagnostic).first() {
            Some(message) => {
                assert_eq!(event.identity, None, "a message alone is shown and skipped");
                message.clone()
            }
            None => format!("{} = {}", event.display_name, shown(event.identity.as_ref())),
        });
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
async fn a_search_finds_every_bucket_with_a_rule_at_its_own_region() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    assert_eq!(
        search(&mut host, json!({}), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing", "web = web@-"]
    );
    assert_eq!(
        search(&mut host, json!({ "prefix": "app-" }), 100).await,
        ["app-a = app-a@-", "app-b = app-b@-", "app-far = app-far@cn-beijing"]
    );
    assert_eq!(
        search(&mut host, json!({ "region": "cn-beijing" }), 100).await,
        ["app-far = app-far@cn-beijing"]
    );
    assert_eq!(search(&mut host, json!({ "prefix": "none" }), 100).await, NO_DIAGNOSTICS);
}

#[tokio::test]
async fn a_search_ends_at_its_limit_without_asking_for_more() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    assert_eq!(search(&mut host, json!({}), 2).await, ["app-a = app-a@-", "app-b = app-b@-"]);
    let many: Vec<String> = (0..40).map(|number| format!("many-{number:02}")).collect();
    for name in &many {
        emulator.set_rule(name, EncryptionRule::new("SM4"));
    }
    emulator.clear_requests();
    assert_eq!(search(&mut host, json!({ "prefix": "many-" }), 3).await.len(), 3);
    let asked = emulator.requests().len();
    assert!(asked <= 1 + 3 + 8, "{asked} calls: a list, the results, and those under way");
}

#[tokio::test]
async fn a_search_gives_the_object_when_it_is_asked_for() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    let request = list_request(&json!({ "prefix": "app-far" }), 100);
    for include_resource_object in [true, false] {
        let request = pb::list_resource::Request { include_resource_object, ..request.clone() };
        let mut events = host.list_resource(request).await.unwrap().into_inner();
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
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(403, "AccessDenied").bucket("app-b"));
    assert_eq!(
        search(&mut host, json!({ "prefix": "app-" }), 100).await,
        ["app-a = app-a@-", "warning: Bucket app-b was skipped", "app-far = app-far@cn-beijing"]
    );
}

#[tokio::test]
async fn a_list_that_is_refused_is_an_error() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    let mut events = host.list_resource(list_request(&json!({}), 1)).await.unwrap().into_inner();
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
async fn a_search_asks_eight_buckets_at_once_and_ends_with_its_caller() {
    let emulator = account();
    for number in 0..40 {
        emulator.set_rule(&format!("many-{number:02}"), EncryptionRule::new("SM4"));
    }
    let slow = Fault::delay(std::time::Duration::from_mins(5));
    emulator.inject(slow.operation("GetBucketEncryption").forever());
    let mut host = configured(&emulator).await;
    let events = host.list_resource(list_request(&json!({}), 100)).await.unwrap().into_inner();
    let mut events = Box::pin(events);
    // Polled until all that can be asked was asked; none is answered.
    let first = events.next();
    let asked = async {
        while emulator.requests().len() < 1 + 8 {
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::select(Box::pin(first), Box::pin(asked)).await;
    drop(events);
    assert_eq!(emulator.requests().len(), 1 + 8);
}

#[tokio::test]
async fn a_search_goes_through_all_pages() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    for name in ["many-0000", "many-0999", "many-1002"] {
        emulator.set_rule(name, EncryptionRule::new("AES256"));
    }
    let mut host = configured(&emulator).await;
    assert_eq!(
        search(&mut host, json!({}), 0).await,
        ["many-0000 = many-0000@-", "many-0999 = many-0999@-", "many-1002 = many-1002@-"]
    );
    let lists = emulator.requests().into_iter();
    let lists = lists.filter(|exchange| exchange.operation.as_deref() == Some("ListBuckets"));
    assert_eq!(lists.count(), 2);
}

#[tokio::test]
async fn a_page_that_fails_ends_a_search_after_what_was_found_before() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let names: Vec<String> = (0..1003).map(|number| format!("many-{number:04}")).collect();
    let emulator =
        Emulator::start(names.iter().fold(config, |config, name| config.with_bucket(name)))
            .unwrap();
    emulator.set_rule("many-0000", EncryptionRule::new("AES256"));
    emulator.set_rule("many-0999", EncryptionRule::new("AES256"));
    let mut host = configured(&emulator).await;
    let second_fails = || {
        emulator.inject(Fault::delay(std::time::Duration::ZERO).operation("ListBuckets"));
        emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    };
    let found = ["many-0000 = many-0000@-", "many-0999 = many-0999@-"];
    second_fails();
    let [first, last] = found;
    assert_eq!(search(&mut host, json!({}), 0).await, [first, last, "error: Cannot list buckets"]);
    // Who wants no more does not hear of it.
    emulator.clear_faults();
    second_fails();
    assert_eq!(search(&mut host, json!({}), 1).await, [first]);
    assert_eq!(
        search(&mut host, json!({ "prefix": "many-0000" }), 0).await,
        ["error: Cannot list buckets"]
    );
}

/// A service whose buckets all have a rule, and that answers these pages, the last one again and again:
/// buckets as XML, and where the list goes on. Its host.
async fn host_of(pages: &[(&str, Option<&str>)]) -> TestClient<OssProvider> {
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
        let answer = if request.starts_with("GET /?") {
            pages.lock().unwrap().pop_front().unwrap_or_else(|| last.clone())
        } else {
            with_body(rule)
        };
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let mut host = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": format!("http://{}", address.await),
        "max_retries": 0, "access_key": KEY_ID, "secret_key": KEY_SECRET });
    let config = Some(provider_config(arguments));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    host.configure_provider(request).await.unwrap();
    host
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error() {
    let bucket = "<Bucket><Name>b-1</Name><Region>cn-hangzhou</Region></Bucket>";
    for next in ["b-1", "a"] {
        let mut host = host_of(&[(bucket, Some("b-1")), (bucket, Some(next))]).await;
        let found = search(&mut host, json!({}), 0).await;
        assert_eq!(found, ["b-1 = b-1@-", "error: Cannot list buckets"]);
    }
}

#[tokio::test]
async fn buckets_with_odd_names_or_places_are_not_lost_silently() {
    let odd = "<Bucket><Name>Old_Name</Name><Region>cn-hangzhou</Region></Bucket>\
               <Bucket><Name>nowhere</Name><Location>elsewhere</Location></Bucket>\
               <Bucket><Name>far</Name><Location>oss-cn-beijing</Location></Bucket>";
    let mut host = host_of(&[(odd, None)]).await;
    let warning = "warning: Bucket Old_Name was skipped";
    // Where a place is not told, the provider's region is asked.
    let (nowhere, far) = ("nowhere = nowhere@-", "far = far@cn-beijing");
    assert_eq!(search(&mut host, json!({}), 0).await, [warning, nowhere, far]);
    assert_eq!(search(&mut host, json!({ "region": "cn-beijing" }), 0).await, [far]);
    assert_eq!(search(&mut host, json!({ "region": "cn-hangzhou" }), 0).await, [warning]);
}

#[tokio::test]
async fn a_search_without_a_limit_finds_all_and_one_with_a_limit_of_one_finds_one() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    for (limit, expected) in [(0, 4), (-1, 4), (1, 1), (3, 3), (4, 4), (i64::MAX, 4)] {
        assert_eq!(search(&mut host, json!({}), limit).await.len(), expected, "{limit}");
    }
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
async fn what_is_wrong_with_every_bucket_ends_a_search_with_one_error() {
    for (fault, expected) in [
        ("SecurityTokenExpired", "The temporary credentials have expired"),
        ("InvalidAccessKeyId", "The AccessKey ID does not exist"),
    ] {
        let emulator = wide_account();
        let mut host = configured(&emulator).await;
        let fault = Fault::error_response(403, fault).operation("GetBucketEncryption");
        emulator.inject(fault.bucket("far-03").forever());
        let request = list_request(&json!({}), 0);
        let mut events = host.list_resource(request).await.unwrap().into_inner();
        assert_eq!(events.message().await.unwrap().unwrap().display_name, "a-near");
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(
            diagnostics(&event.diagnostic),
            ["error: Cannot read the encryption of bucket far-03"]
        );
        assert!(event.diagnostic[0].detail.contains(expected), "{}", event.diagnostic[0].detail);
        assert!(events.message().await.unwrap().is_none(), "nothing comes after an error");
        assert!(emulator.requests().len() < 20, "the others are not asked");
    }
}

#[tokio::test]
async fn a_search_that_is_stopped_says_so_once() {
    let emulator = wide_account();
    let mut host = configured(&emulator).await;
    let slow = Fault::delay(std::time::Duration::from_mins(5)).operation("GetBucketEncryption");
    emulator.inject(slow.bucket("far-03").forever());
    let mut searching = host.clone();
    let found = tokio::spawn(async move { search(&mut searching, json!({}), 0).await });
    // The one that hangs, and as many behind it as are asked at once.
    while emulator.requests().len() < 2 + 4 + 7 {
        tokio::task::yield_now().await;
    }
    host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    assert_eq!(
        found.await.unwrap(),
        ["a-near = a-near@-", "error: Cannot read the encryption of bucket far-03"]
    );
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_not_waited_for_again_and_again() {
    let emulator = wide_account();
    let mut host = configured_without_retries(&emulator).await;
    for number in 0..40 {
        emulator.inject(Fault::reset_before().bucket(&format!("far-{number:02}")).forever());
    }
    let found = search(&mut host, json!({}), 0).await;
    assert_eq!(found.len(), 42);
    assert_eq!((found[0].as_str(), found[41].as_str()), ("a-near = a-near@-", "z-near = z-near@-"));
    assert_eq!(found[40], "warning: Bucket far-39 was skipped");
    let asked = emulator.requests().len();
    assert!(
        asked <= 1 + 2 + 8,
        "a list, two buckets that answer, and those asked at once: {asked}"
    );
}

#[tokio::test]
async fn a_search_without_a_config_block_searches_everywhere() {
    let emulator = account();
    let mut host = configured(&emulator).await;
    let request = pb::list_resource::Request {
        config: Some(dynamic(&Json::Null)),
        ..list_request(&json!({}), 1)
    };
    let mut events = host.list_resource(request).await.unwrap().into_inner();
    assert_eq!(events.message().await.unwrap().unwrap().display_name, "app-a");
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&Json::Null)),
        ..Default::default()
    };
    let answer = host.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
}

#[tokio::test]
async fn the_configuration_of_a_search_is_validated() {
    let mut host = unconfigured();
    for (config, expected) in [
        (json!({ "prefix": "app-", "region": "cn-hangzhou" }), vec![]),
        (json!({ "prefix": UNKNOWN }), vec![]),
        (json!({ "prefix": "App_" }), vec!["error at prefix: Invalid prefix"]),
        (json!({ "region": "c/n" }), vec!["error at region: Invalid region"]),
    ] {
        let request = pb::validate_list_resource_config::Request {
            type_name: TYPE.into(),
            config: list_request(&config, 1).config,
            ..Default::default()
        };
        let answer = host.validate_list_resource_config(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&answer.diagnostics), expected);
    }
}

#[tokio::test]
async fn a_search_before_the_configuration_is_a_message() {
    let mut host = unconfigured();
    assert_eq!(search(&mut host, json!({}), 1).await, ["error: Provider not configured"]);
}
