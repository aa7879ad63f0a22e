//! Shared by the tests: an emulator, an HTTP client, and requests signed without the provider's code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oss_emulator::{Config, Emulator, Role};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sha1::Sha1;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// Not valid anywhere else.
pub(crate) const KEY_ID: &str = "LTAI5tTESTTESTTESTTEST01";
pub(crate) const KEY_SECRET: &str = "TestSecretTestSecretTestSecret";

pub(crate) const ROLE: &str = "acs:ram::1:role/deployer";
pub(crate) const PROVIDER: &str = "acs:ram::1:oidc-provider/gh";

pub(crate) fn start(config: Config) -> Emulator {
    let config = config
        .with_credentials(KEY_ID, KEY_SECRET)
        .with_bucket("demo")
        .with_role(Role::new(ROLE))
        .with_oidc_provider(PROVIDER, "the-oidc-token");
    Emulator::start(config).unwrap()
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An AccessKey pair, for a session with its token.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Key {
    pub(crate) fn permanent() -> Self {
        Self { id: KEY_ID.to_owned(), secret: KEY_SECRET.to_owned(), token: None }
    }

    /// The credentials in a response of STS, the metadata service or a credentials URI.
    pub(crate) fn of(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            id: text("AccessKeyId"),
            secret: text("AccessKeySecret"),
            token: Some(text("SecurityToken")),
        }
    }

    fn sign(&self, suffix: &str, string_to_sign: &str) -> String {
        let key = format!("{}{suffix}", self.secret);
        let mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
        STANDARD.encode(mac.chain_update(string_to_sign).finalize().into_bytes())
    }

    /// Sends `GetBucketEncryption`. Returns the status and the code.
    pub(crate) async fn get_rule(&self, http: &reqwest::Client, emulator: &Emulator) -> String {
        let resource = "/demo/?encryption";
        let url = format!("{}{resource}", emulator.url());
        self.send(http, Method::GET, &url, resource, "").await
    }

    /// Sends a request signed with V1 for the canonical resource `resource`. Returns the status and
    /// the code.
    pub(crate) async fn send(
        &self,
        http: &reqwest::Client,
        method: Method,
        url: &str,
        resource: &str,
        body: &str,
    ) -> String {
        let date = OffsetDateTime::now_utc().format(&Rfc2822).unwrap().replace("+0000", "GMT");
        let token = self.token.iter().map(|token| format!("x-oss-security-token:{token}\n"));
        let token: String = token.collect();
        let signature = self.sign("", &format!("{method}\n\n\n{date}\n{token}{resource}"));
        let mut request = http
            .request(method, url)
            .header("date", date)
            .header("authorization", format!("OSS {}:{signature}", self.id))
            .body(body.to_owned());
        if let Some(token) = &self.token {
            request = request.header("x-oss-security-token", token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        let code = body.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
        format!("{status} {}", code.unwrap_or_default())
    }

    /// `AssumeRole` with everything in the query.
    pub(crate) fn assume_role(
        &self,
        http: &reqwest::Client,
        emulator: &Emulator,
        nonce: &str,
    ) -> RequestBuilder {
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let timestamp = now.format(&Rfc3339).unwrap();
        let mut parameters = vec![
            ("AccessKeyId", self.id.as_str()),
            ("Action", "AssumeRole"),
            ("Format", "JSON"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "terraform"),
        ];
        parameters.extend(self.token.as_deref().map(|token| ("SecurityToken", token)));
        parameters.extend([
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &timestamp),
            ("Version", "2015-04-01"),
        ]);
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let query = pairs.join("&");
        let signature = self.sign("&", &format!("POST&%2F&{}", encode(&query)));
        let url = format!("{}/?{query}&Signature={}", emulator.url(), encode(&signature));
        http.request(Method::POST, url)
    }
}
