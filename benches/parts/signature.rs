//! Both signatures of OSS.

use std::hint::black_box;

use terraform_provider_oss::oss::Credentials;
use terraform_provider_oss::oss::sign::{SignableRequest, SignatureVersion, SigningContext, sign};
use time::OffsetDateTime;

use super::Call;

fn of(version: SignatureVersion) -> Call {
    let credentials = Credentials::new("LTAI5tBENCHBENCHBENCHBEN", "BenchBenchBenchBench");
    let headers = [("Content-Type".to_owned(), "application/xml".to_owned())];
    let query = [("encryption".to_owned(), String::new())];
    Box::new(move || {
        let context = SigningContext {
            credentials: &credentials,
            time: OffsetDateTime::UNIX_EPOCH,
            region: "cn-hangzhou",
            product: "oss",
        };
        let request = SignableRequest {
            method: "PUT",
            bucket: Some("my-bucket"),
            object_key: None,
            query: &query,
            headers: &headers,
            sub_resources: &[],
            additional_headers: &[],
        };
        black_box(sign(version, black_box(&request), &context));
    })
}

pub(super) fn v1() -> Call {
    of(SignatureVersion::V1)
}

pub(super) fn v4() -> Call {
    of(SignatureVersion::V4)
}
