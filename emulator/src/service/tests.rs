//! The whole emulator without sockets. The requests are signing vectors, sent at their own time to
//! the bucket `examplebucket`, so that their signatures are valid.

use super::*;
use crate::Fault;
use crate::auth::vectors::Case;

const PUT_AES256: &str = "v4-put-encryption-aes256";
const PUT_SM4: &str = "v4-put-encryption-sm4";
const GET: &str = "v4-get-encryption-no-content-headers";
const DELETE: &str = "v4-delete-encryption";
const REQUEST_ID: &str = "5C3D9175B6FC201293AD0000";

/// A service with the bucket and the credentials of the vectors.
fn service() -> Service {
    let config = Config::default().with_bucket("examplebucket");
    let mut service = Service::new(&config);
    service.keys.add(Case::named(GET).credentials);
    service
}

/// Serves a changed vector.
fn serve(service: &mut Service, id: &str, change: impl FnOnce(&mut Request)) -> Handled {
    let mut case = Case::named(id);
    change(&mut case.request);
    service.serve(&case.request, case.now, REQUEST_ID)
}

/// Serves a vector, and returns its outcome.
fn send(service: &mut Service, id: &str) -> String {
    outcome(&serve(service, id, |_| {}))
}

/// Status and code, such as `200` or `404 NoSuchBucket`.
fn outcome(handled: &Handled) -> String {
    let RecordedRequest { status, code, .. } = &*handled.record;
    code.as_ref().map_or_else(|| status.to_string(), |code| format!("{status} {code}"))
}

fn response(handled: &Handled) -> (&Response, String) {
    let (Delivery::Complete { response, .. } | Delivery::Truncated(response)) = &handled.delivery
    else {
        panic!("no response: {handled:?}");
    };
    (response, String::from_utf8(response.body.clone()).unwrap())
}

#[test]
fn a_rule_is_set_read_and_deleted() {
    let mut service = service();
    assert_eq!(send(&mut service, GET), "404 NoSuchServerSideEncryptionRule");
    assert_eq!(send(&mut service, PUT_AES256), "200");
    let read = serve(&mut service, GET, |_| {});
    assert_eq!(
        response(&read).1,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServerSideEncryptionRule>\
         <ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>"
    );
    assert_eq!(send(&mut service, DELETE), "204");
    assert_eq!(send(&mut service, DELETE), "204");
    assert_eq!(service.store.rule("examplebucket"), None);

    let lines: Vec<String> = service.requests().iter().map(ToString::to_string).collect();
    assert_eq!(lines[1], "PUT    examplebucket  PutBucketEncryption  200  none → AES256");
    assert_eq!(lines[3], "DELETE examplebucket  DeleteBucketEncryption  204  AES256 → none");
    let record = &service.requests()[1];
    assert_eq!(record.access_key_id.as_deref(), Some("LTAI5tFAKEFAKEFAKEFAKE01"));
    assert_eq!(record.signature_version.as_deref(), Some("v4"));
}

#[test]
fn every_response_has_the_headers_of_oss() {
    let mut service = service();
    let handled = serve(&mut service, GET, |_| {});
    for expected in [
        ("Server", "AliyunOSS"),
        ("Date", "Wed, 28 Dec 2022 10:27:41 GMT"),
        ("x-oss-request-id", REQUEST_ID),
        ("Content-Type", "application/xml"),
        ("x-oss-ec", "0005-00000004"),
    ] {
        let expected = (expected.0.into(), expected.1.to_owned());
        assert!(response(&handled).0.headers.contains(&expected), "{expected:?}: {handled:?}");
    }
}

#[test]
fn requests_without_a_valid_signature_change_nothing() {
    let mut service = service();
    service.set_rule("examplebucket", EncryptionRule::new("KMS"));
    let no_header =
        |request: &mut Request| request.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(outcome(&serve(&mut service, DELETE, no_header)), "403 AccessDenied");
    let another_method = |request: &mut Request| request.method = "DELETE".to_owned();
    assert_eq!(outcome(&serve(&mut service, GET, another_method)), "403 SignatureDoesNotMatch");
    let another_body = |request: &mut Request| request.body.push(b' ');
    assert_eq!(outcome(&serve(&mut service, PUT_AES256, another_body)), "400 InvalidDigest");
    service.clock_offset_seconds = 901;
    assert_eq!(send(&mut service, DELETE), "403 RequestTimeTooSkewed");
    assert_eq!(service.store.rule("examplebucket"), Some(&EncryptionRule::new("KMS")));
}

#[test]
fn errors_have_the_documented_ec_codes() {
    type Change = fn(&mut Request);
    let cases: [(&str, Change, &str); 6] = [
        (
            GET,
            |request| request.headers.push(("x-oss-security-token".to_owned(), "x".to_owned())),
            "403 InvalidAccessKeyId 0002-00000002",
        ),
        (
            GET,
            |request| request.headers.retain(|(name, _)| !name.ends_with("date")),
            "403 AccessDenied 0002-00000503",
        ),
        (
            "v1-get-encryption",
            |request| request.method = "DELETE".to_owned(),
            "403 SignatureDoesNotMatch 0002-00000040",
        ),
        (
            GET,
            |request| "examplebucket.oss-cn-beijing.aliyuncs.com".clone_into(&mut request.host),
            "400 InvalidArgument 0002-00000226",
        ),
        (GET, |_| {}, "404 NoSuchServerSideEncryptionRule 0005-00000004"),
        (
            GET,
            |request| request.headers.push(("x-oss-added".to_owned(), "x".to_owned())),
            "403 SignatureDoesNotMatch",
        ),
    ];
    let with_ec = |handled: &Handled| {
        let headers = &response(handled).0.headers;
        let ec = headers.iter().find(|(name, _)| name == "x-oss-ec");
        ec.map_or_else(|| outcome(handled), |(_, ec)| format!("{} {ec}", outcome(handled)))
    };
    let mut service = service();
    for (id, change, expected) in cases {
        assert_eq!(with_ec(&serve(&mut service, id, change)), expected, "{id}");
    }
    service.clock_offset_seconds = 901;
    let late = serve(&mut service, GET, |_| {});
    assert_eq!(with_ec(&late), "403 RequestTimeTooSkewed 0002-00000504");
}

#[test]
fn a_bucket_requires_the_signature_and_the_endpoint_of_its_region() {
    let mut service = service();
    service.store.delete_bucket("examplebucket").unwrap();
    service.store.put_bucket("examplebucket", "cn-beijing").unwrap();
    // The vector is signed for cn-hangzhou and sent to the endpoint there.
    let handled = serve(&mut service, GET, |_| {});
    assert_eq!(outcome(&handled), "403 AccessDenied");
    let body = response(&handled).1;
    assert!(body.contains("<Bucket>examplebucket</Bucket>"), "{body}");
    assert!(body.contains("<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>"), "{body}");
    // A host without a region serves buckets of all regions, each signed for its own.
    let path_style = |request: &mut Request| {
        "127.0.0.1:80".clone_into(&mut request.host);
        "/examplebucket/".clone_into(&mut request.path);
    };
    assert_eq!(outcome(&serve(&mut service, GET, path_style)), "400 InvalidArgument");
    service.store.delete_bucket("examplebucket").unwrap();
    assert_eq!(outcome(&serve(&mut service, GET, path_style)), "404 NoSuchBucket");
}

#[test]
fn unsupported_styles_and_operations_are_rejected() {
    let mut service = service();
    assert_eq!(
        send(&mut service, "v4-get-encryption-path-style"),
        "403 SecondLevelDomainForbidden"
    );
    assert_eq!(send(&mut service, "v4-list-buckets-tag"), "400 NotImplemented");
    assert_eq!(send(&mut service, "v4-list-buckets-tagging"), "400 NotImplemented");
    assert_eq!(send(&mut service, "v4-list-buckets-resource-group"), "400 NotImplemented");
    let other_host = |request: &mut Request| "example.com".clone_into(&mut request.host);
    assert_eq!(outcome(&serve(&mut service, GET, other_host)), "403 NonStandardHostForbidden");
    let handled = serve(&mut service, "v4-get-bucket-location", |_| {});
    let body = response(&handled).1;
    assert!(body.ends_with("<LocationConstraint>oss-cn-hangzhou</LocationConstraint>"), "{body}");
}

#[test]
fn buckets_of_all_regions_are_listed_from_any_endpoint() {
    let mut service = service();
    service.store.put_bucket("tf-one", "cn-beijing").unwrap();
    for id in ["v4-list-buckets", "v1-list-buckets"] {
        let handled = serve(&mut service, id, |_| {});
        let body = response(&handled).1;
        assert!(body.contains("<Name>examplebucket</Name>"), "{body}");
        assert!(body.contains("<Name>tf-one</Name><Location>oss-cn-beijing<"), "{body}");
        assert_eq!(handled.record.to_string(), "GET    -  ListBuckets  200");
        assert_eq!(handled.record.bucket, None);
    }
    let handled = serve(&mut service, "v1-list-buckets-paged", |_| {});
    let body = response(&handled).1;
    assert!(body.contains("<Marker>tf-acc-bucket-7</Marker><MaxKeys>100</MaxKeys>"), "{body}");
    assert!(body.contains("<Name>tf-one</Name>") && !body.contains("examplebucket"), "{body}");
    assert_eq!(send(&mut service, "v4-list-buckets-special-chars"), "200");
    let no_header =
        |request: &mut Request| request.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(outcome(&serve(&mut service, "v4-list-buckets", no_header)), "403 AccessDenied");
    service.faults.push(Fault::error_response(503, "ServiceUnavailable"));
    assert_eq!(send(&mut service, "v4-list-buckets"), "503 ServiceUnavailable");
}

#[test]
fn bucket_info_contains_the_rule() {
    let mut service = service();
    for id in ["v4-get-bucket-info", "v1-get-bucket-info"] {
        let body = response(&serve(&mut service, id, |_| {})).1;
        assert!(body.contains("<SSEAlgorithm>None</SSEAlgorithm>"), "{body}");
    }
    service.set_rule("examplebucket", EncryptionRule::new("SM4"));
    let body = response(&serve(&mut service, "v4-get-bucket-info", |_| {})).1;
    assert!(body.contains("<SSEAlgorithm>SM4</SSEAlgorithm>"), "{body}");
    assert!(body.contains("<ExtranetEndpoint>oss-cn-hangzhou.aliyuncs.com<"), "{body}");
    service.store.delete_bucket("examplebucket").unwrap();
    assert_eq!(send(&mut service, "v4-get-bucket-info"), "404 NoSuchBucket");
}

#[test]
fn faults_instead_of_the_operation() {
    let mut service = service();
    service
        .faults
        .push(Fault::error_response(503, "ServiceUnavailable").message("busy").retry_after(7));
    service.faults.push(Fault::raw_response("text/html", "<html>"));
    service.faults.push(Fault::reset_before());

    let handled = serve(&mut service, PUT_AES256, |_| {});
    assert_eq!(outcome(&handled), "503 ServiceUnavailable");
    assert!(response(&handled).0.headers.contains(&("Retry-After".into(), "7".to_owned())));
    assert!(response(&handled).1.contains("<Message>busy</Message>"));
    assert_eq!(handled.record.fault.as_deref(), Some("error response 503 ServiceUnavailable"));

    let handled = serve(&mut service, PUT_AES256, |_| {});
    let raw = Response::raw(200, "text/html", b"<html>".to_vec());
    assert_eq!(response(&handled).0, &raw, "without the headers of OSS");

    let handled = serve(&mut service, PUT_AES256, |_| {});
    assert_eq!(handled.delivery, Delivery::Reset);
    assert_eq!(handled.record.status, 0);
    assert_eq!(service.store.rule("examplebucket"), None, "none of them changed the rule");
    assert_eq!(send(&mut service, PUT_AES256), "200", "each fault applied once");
}

#[test]
fn faults_after_the_operation() {
    let mut service = service();
    service.faults.push(Fault::reset_after().times(2));
    service.faults.push(Fault::truncate_body());
    service.faults.push(Fault::delay(Duration::from_secs(3)));

    let handled = serve(&mut service, GET, |_| {});
    assert_eq!(handled.delivery, Delivery::Reset);
    assert_eq!(outcome(&handled), "0", "no code, because the error was not sent");
    assert_eq!(serve(&mut service, PUT_AES256, |_| {}).delivery, Delivery::Reset);
    assert_eq!(service.store.rule("examplebucket"), Some(&EncryptionRule::new("AES256")));
    let handled = serve(&mut service, GET, |_| {});
    assert!(matches!(handled.delivery, Delivery::Truncated(_)), "{handled:?}");
    let handled = serve(&mut service, PUT_SM4, |_| {});
    let Delivery::Complete { delay, .. } = handled.delivery else { panic!("{handled:?}") };
    assert_eq!(delay, Duration::from_secs(3));
    assert_eq!(service.store.rule("examplebucket"), Some(&EncryptionRule::new("SM4")));
}

#[test]
fn a_fault_never_hides_a_wrong_signature() {
    let mut service = service();
    service.faults.push(Fault::error_response(500, "InternalError"));
    let another_method = |request: &mut Request| request.method = "DELETE".to_owned();
    assert_eq!(outcome(&serve(&mut service, GET, another_method)), "403 SignatureDoesNotMatch");
    assert_eq!(send(&mut service, GET), "500 InternalError");
}

#[test]
fn reads_are_stale_until_the_count_or_a_clear() {
    let mut service = service();
    assert_eq!(send(&mut service, PUT_AES256), "200");
    service.faults.push(Fault::stale_reads(1));
    assert_eq!(send(&mut service, PUT_SM4), "200");
    let reads: Vec<bool> =
        (0..2).map(|_| response(&serve(&mut service, GET, |_| {})).1.contains("AES256")).collect();
    assert_eq!(reads, [true, false]);

    service.faults.push(Fault::stale_reads(9));
    assert_eq!(send(&mut service, DELETE), "204");
    assert_eq!(send(&mut service, GET), "200");
    service.clear_faults();
    assert_eq!(send(&mut service, GET), "404 NoSuchServerSideEncryptionRule");
}

#[test]
fn the_oldest_records_are_dropped() {
    let mut service = service();
    for number in 0..=MAX_RECORDED_REQUESTS {
        let record =
            RecordedRequest { request_id: number.to_string(), ..RecordedRequest::default() };
        service.add_record(record);
    }
    let requests = service.requests();
    assert_eq!((requests.len(), requests[0].request_id.as_str()), (MAX_RECORDED_REQUESTS, "1"));
    service.clear_requests();
    assert_eq!(service.requests(), []);
}

#[test]
fn bodies_that_may_contain_an_object_or_a_token_are_not_recorded() {
    let mut service = service();
    for (method, path) in
        [("POST", "/examplebucket/"), ("POST", "/sts"), ("PUT", "/examplebucket/a")]
    {
        let request = Request {
            method: method.to_owned(),
            host: "127.0.0.1".to_owned(),
            path: path.to_owned(),
            body: b"Action=AssumeRoleWithOIDC&OIDCToken=the-token".to_vec(),
            ..Request::default()
        };
        let handled = service.serve(&request, OffsetDateTime::UNIX_EPOCH, REQUEST_ID);
        assert_eq!(handled.record.body, "", "{method} {path}");
    }
}
