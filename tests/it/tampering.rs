//! Requests that the client signed and that were changed in transit: the emulator rejects them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use oss_emulator::{Credentials, Emulator};
use terraform_provider_oss::oss;
use terraform_provider_oss::oss::sign::{SignableRequest, SignatureVersion, SigningContext, sign};
use time::OffsetDateTime;

use super::support::emulator;

/// A signed upload that can be changed before it is sent.
struct Upload {
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Upload {
    fn signed(emulator: &Emulator, version: SignatureVersion, region: &str) -> Self {
        let body = b"some content".to_vec();
        let md5 = STANDARD.encode(Md5::digest(&body));
        let headers = vec![
            ("Content-MD5".to_owned(), md5),
            ("x-oss-server-side-encryption".to_owned(), "SM4".to_owned()),
        ];
        let credentials =
            oss::Credentials::new("STS.TEST", "temporary-secret").with_security_token("the-token");
        let context = SigningContext {
            credentials: &credentials,
            time: OffsetDateTime::now_utc(),
            region,
            product: "oss",
        };
        let request = SignableRequest {
            method: "PUT",
            bucket: Some("demo"),
            object_key: Some("a b/ü"),
            query: &[],
            headers: &headers,
            sub_resources: &[],
            additional_headers: &[],
        };
        let signature = sign(version, &request, &context);
        let headers = headers.into_iter().chain(signature.headers).collect();
        Self { url: format!("{}/demo/a%20b/%C3%BC", emulator.url()), headers, body }
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(found, _)| found.eq_ignore_ascii_case(name)).unwrap().1
    }

    /// Sends the upload. Returns the status and the code.
    async fn send(self, http: &reqwest::Client) -> String {
        let mut request = http.put(&self.url).body(self.body);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        let code = body.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
        format!("{status} {}", code.unwrap_or_default())
    }
}

type Change = fn(&mut Upload);

#[tokio::test]
async fn modified_and_replayed_requests_are_rejected() {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for version in [SignatureVersion::V4, SignatureVersion::V1] {
        let emulator = emulator(&["demo"]);
        let key = Credentials::new("STS.TEST", "temporary-secret");
        emulator.add_credentials(key.with_token("the-token", None));
        let upload = |region| Upload::signed(&emulator, version, region);
        let changes: [(Change, &str); 8] = [
            (
                |upload| {
                    // The last digit of V4, and a digit of V1's base64.
                    let signature = upload.header("authorization");
                    let index = signature.len() - 3;
                    let other = if signature[index..].starts_with('a') { "b" } else { "a" };
                    signature.replace_range(index..=index, other);
                },
                "403 SignatureDoesNotMatch",
            ),
            (|upload| upload.body = b"other content".to_vec(), "400 InvalidDigest"),
            (
                |upload| {
                    upload.body = b"other content".to_vec();
                    *upload.header("content-md5") = STANDARD.encode(Md5::digest(b"other content"));
                },
                "403 SignatureDoesNotMatch",
            ),
            (
                |upload| *upload.header("x-oss-server-side-encryption") = "KMS".to_owned(),
                "403 SignatureDoesNotMatch",
            ),
            (
                |upload| *upload.header("x-oss-security-token") = "another".to_owned(),
                "403 InvalidSecurityToken",
            ),
            (
                |upload| upload.headers.retain(|(name, _)| name != "x-oss-security-token"),
                "403 InvalidAccessKeyId",
            ),
            (|upload| upload.url.push('x'), "403 SignatureDoesNotMatch"),
            (
                |upload| upload.headers.retain(|(name, _)| name != "Authorization"),
                "403 AccessDenied",
            ),
        ];
        for (index, (change, expected)) in changes.into_iter().enumerate() {
            let mut tampered = upload("cn-hangzhou");
            change(&mut tampered);
            assert_eq!(tampered.send(&http).await, expected, "{version:?} {index}");
        }
        if version == SignatureVersion::V4 {
            assert_eq!(upload("cn-beijing").send(&http).await, "400 InvalidArgument");
        }
        // A replay of the same request at a later time.
        let recorded = upload("cn-hangzhou");
        emulator.set_clock_offset(20 * 60);
        assert_eq!(recorded.send(&http).await, "403 RequestTimeTooSkewed");
        assert_eq!(emulator.stored_object("demo", "a b/ü"), None);
        emulator.set_clock_offset(0);
        assert_eq!(upload("cn-hangzhou").send(&http).await, "200 ");
        assert!(emulator.stored_object("demo", "a b/ü").is_some());
    }
}
