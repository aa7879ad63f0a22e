//! Operations on objects. The requests are unsigned: signatures have their own tests.

use super::*;
use crate::Config;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const TEXT: &str = "the quick brown fox";

fn service() -> Service {
    Service::new(&Config::default().with_bucket("demo").with_bucket("other"))
}

/// Executes an operation, and returns the response and its encryption headers, or status and code.
fn execute(
    service: &mut Service,
    operation: Operation,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Response, String), String> {
    let (bucket, key) = path.split_once('/').unwrap();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = Request {
        headers: headers.collect(),
        body: if operation == Operation::PutObject { TEXT.into() } else { Vec::new() },
        ..Request::default()
    };
    let mut record = RecordedRequest {
        bucket: Some(bucket.to_owned()),
        object_key: Some(key.to_owned()),
        ..RecordedRequest::default()
    };
    let response = service
        .execute_on_object(operation, &request, NOW, &mut record)
        .map_err(|error| format!("{} {}", error.status, error.code))?;
    let metadata: Vec<&str> = response
        .headers
        .iter()
        .filter(|(name, _)| name.contains("encryption"))
        .map(|(_, value)| value.as_str())
        .collect();
    let metadata = metadata.join(" ");
    Ok((response, metadata))
}

/// Uploads with these headers, and returns the encryption.
fn put(service: &mut Service, path: &str, headers: &[(&str, &str)]) -> Result<String, String> {
    execute(service, Operation::PutObject, path, headers).map(|(_, metadata)| metadata)
}

/// Downloads, and returns the content and the encryption.
fn get(service: &mut Service, path: &str) -> Result<(String, String), String> {
    let (response, metadata) = execute(service, Operation::GetObject, path, &[])?;
    Ok((String::from_utf8(response.body).unwrap(), metadata))
}

fn kms(key: &str) -> EncryptionRule {
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_master_key_id = Some(key.to_owned());
    rule
}

#[test]
fn an_upload_is_encrypted_by_its_headers_or_else_the_buckets_rule() {
    let mut service = service();
    assert_eq!(put(&mut service, "demo/plain", &[]), Ok(String::new()));
    service.set_rule("demo", kms("key-1"));
    for (key, headers, expected) in [
        ("default", &[][..], "KMS key-1"),
        ("own", &[("x-oss-server-side-encryption", "AES256")], "AES256"),
        ("sm4", &[("x-oss-server-side-encryption", "SM4")], "SM4"),
        (
            "own-key",
            &[
                ("x-oss-server-side-encryption", "KMS"),
                ("x-oss-server-side-encryption-key-id", "key-2"),
                ("x-oss-server-side-data-encryption", "SM4"),
            ],
            "KMS key-2 SM4",
        ),
        // The default CMK, not that of the bucket: headers replace the whole rule.
        ("own-kms", &[("x-oss-server-side-encryption", "KMS")], "KMS"),
    ] {
        let path = format!("demo/{key}");
        assert_eq!(put(&mut service, &path, headers).as_deref(), Ok(expected));
        assert_eq!(get(&mut service, &path), Ok((TEXT.to_owned(), expected.to_owned())));
        let (head, metadata) = execute(&mut service, Operation::HeadObject, &path, &[]).unwrap();
        let length = ("Content-Length".into(), TEXT.len().to_string());
        assert!(head.body.is_empty() && head.headers.contains(&length));
        assert_eq!(metadata, expected);
        assert_ne!(service.store.object("demo", key).unwrap().stored_bytes(), TEXT.as_bytes());
    }
    assert_eq!(get(&mut service, "demo/plain"), Ok((TEXT.to_owned(), String::new())));
}

#[test]
fn changing_the_rule_does_not_affect_existing_objects() {
    let mut service = service();
    service.set_rule("demo", EncryptionRule::new("SM4"));
    put(&mut service, "demo/old", &[]).unwrap();
    service.master_keys.rotate();
    service.store.delete_encryption("demo").unwrap();
    assert_eq!(put(&mut service, "demo/new", &[]), Ok(String::new()));
    assert_eq!(service.store.object("demo", "new").unwrap().stored_bytes(), TEXT.as_bytes());
    assert_eq!(get(&mut service, "demo/old"), Ok((TEXT.to_owned(), "SM4".to_owned())));
}

#[test]
fn a_copy_is_encrypted_by_the_rule_of_its_bucket() {
    let mut service = service();
    service.set_rule("demo", EncryptionRule::new("SM4"));
    put(&mut service, "demo/a b", &[("x-oss-meta-owner", "me")]).unwrap();
    let source = ("x-oss-copy-source", "/demo/a%20b");
    let copy = |service: &mut Service, path: &str, headers: &[(&str, &str)]| {
        execute(service, Operation::CopyObject, path, headers).map(|(_, metadata)| metadata)
    };
    assert_eq!(copy(&mut service, "other/plain", &[source]), Ok(String::new()));
    service.set_rule("other", EncryptionRule::new("AES256"));
    assert_eq!(copy(&mut service, "other/default", &[source]).as_deref(), Ok("AES256"));
    let own = ("x-oss-server-side-encryption", "KMS");
    assert_eq!(copy(&mut service, "other/own", &[source, own]).as_deref(), Ok("KMS"));
    for key in ["plain", "default", "own"] {
        let path = format!("other/{key}");
        let (response, _) = execute(&mut service, Operation::GetObject, &path, &[]).unwrap();
        assert_eq!(response.body, TEXT.as_bytes());
        assert!(response.headers.contains(&("x-oss-meta-owner".into(), "me".to_owned())), "{key}");
    }
    let replaced = [source, ("x-oss-metadata-directive", "REPLACE"), ("x-oss-meta-owner", "you")];
    copy(&mut service, "other/replaced", &replaced).unwrap();
    let (response, _) = execute(&mut service, Operation::GetObject, "other/replaced", &[]).unwrap();
    assert!(response.headers.contains(&("x-oss-meta-owner".into(), "you".to_owned())));
    for (headers, expected) in [
        (&[("x-oss-copy-source", "/demo/none")][..], "404 NoSuchKey"),
        (&[("x-oss-copy-source", "/none/a")], "404 NoSuchBucket"),
        (&[("x-oss-copy-source", "demo")], "400 InvalidArgument"),
        (&[source, ("x-oss-metadata-directive", "MERGE")], "400 InvalidArgument"),
    ] {
        assert_eq!(copy(&mut service, "other/x", headers), Err(expected.to_owned()));
    }
}

#[test]
fn rejected_requests_change_nothing() {
    let mut service = service();
    for (headers, expected) in [
        (&[("x-oss-server-side-encryption", "DES")][..], "400 InvalidEncryptionAlgorithmError"),
        (
            &[
                ("x-oss-server-side-encryption", "AES256"),
                ("x-oss-server-side-encryption-key-id", "key"),
            ],
            "400 InvalidArgument",
        ),
        (
            &[
                ("x-oss-server-side-encryption", "KMS"),
                ("x-oss-server-side-data-encryption", "AES"),
            ],
            "400 InvalidDataEncryptionAlgorithmError",
        ),
        (&[("x-oss-server-side-encryption-key-id", "key")], "400 InvalidArgument"),
    ] {
        assert_eq!(put(&mut service, "demo/x", headers), Err(expected.to_owned()));
    }
    assert_eq!(put(&mut service, "none/x", &[]), Err("404 NoSuchBucket".to_owned()));
    assert_eq!(get(&mut service, "demo/x"), Err("404 NoSuchKey".to_owned()));
    assert_eq!(service.store.object("demo", "x").unwrap_err().ec.as_deref(), Some("0026-00000001"));
    assert!(service.store.objects("demo").unwrap().is_empty());
}

#[test]
fn only_an_empty_bucket_can_be_deleted() {
    let mut service = service();
    put(&mut service, "demo/x", &[]).unwrap();
    let error = service.store.delete_bucket("demo").unwrap_err();
    assert_eq!(
        (error.status, &*error.code, error.ec.as_deref()),
        (409, "BucketNotEmpty", Some("0015-00000301"))
    );
    for _ in 0..2 {
        let (response, _) = execute(&mut service, Operation::DeleteObject, "demo/x", &[]).unwrap();
        assert_eq!(response, Response::empty(204));
    }
    service.store.delete_bucket("demo").unwrap();
}

#[test]
fn at_most_a_thousand_objects_are_deleted_at_once() {
    let mut service = service();
    put(&mut service, "demo/0", &[]).unwrap();
    let mut delete = |count: usize| {
        let keys: Vec<String> =
            (0..count).map(|number| format!("<Object><Key>{number}</Key></Object>")).collect();
        let body = format!("<Delete>{}</Delete>", keys.concat()).into();
        let request = Request { body, ..Request::default() };
        service.delete_objects("demo", &request).map_err(|error| error.code)
    };
    assert_eq!(delete(1001), Err("MalformedXML".into()));
    assert!(delete(1000).is_ok());
    assert!(service.store.objects("demo").unwrap().is_empty());
}
