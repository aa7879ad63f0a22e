//! The output of the emulator command, as text and as JSON.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::support::Key;

/// The emulator as a process, which is killed when the value is dropped.
struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_oss-emulator"))
            .env_clear()
            .args(["--port", "0", "--bucket", "mine"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        Self { process, lines: BufReader::new(stdout).lines() }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// What it prints before the first request.
    fn introduction(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.starts_with("# Requests")) {
            lines.push(self.line());
        }
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sets, reads and deletes the rule of the bucket `mine`.
async fn set_and_delete_a_rule(endpoint: &str, id: &str, secret: &str) {
    const RULE: &str = "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>\
        <SSEAlgorithm>AES256</SSEAlgorithm>\
        </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";
    let key = Key { id: id.to_owned(), secret: secret.to_owned(), token: None };
    let http = reqwest::Client::builder().no_proxy().user_agent("tests/1.0").build().unwrap();
    for (method, body, expected) in
        [(Method::PUT, RULE, "200 "), (Method::GET, "", "200 "), (Method::DELETE, "", "204 ")]
    {
        let resource = "/mine/?encryption";
        let url = format!("{endpoint}{resource}");
        assert_eq!(key.send(&http, method, &url, resource, body).await, expected);
    }
}

#[tokio::test]
async fn prints_a_configuration_and_a_line_for_each_request() {
    let mut emulator = Running::start(&[]);
    let introduction = emulator.introduction();
    let exported = |name: &str| {
        let start = format!("export {name}=");
        let found = introduction.iter().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name} is missing: {introduction:?}")).to_owned()
    };
    let key_id = exported("ALIBABA_CLOUD_ACCESS_KEY_ID");
    let secret = exported("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    set_and_delete_a_rule(&exported("ALIBABA_CLOUD_ENDPOINT_OSS"), &key_id, &secret).await;
    for expected in [
        "PUT    mine  PutBucketEncryption  200  none → AES256  by LTAI5tEM… with tests/1.0",
        "GET    mine  GetBucketEncryption  200  AES256  by LTAI5tEM… with tests/1.0",
        "DELETE mine  DeleteBucketEncryption  204  AES256 → none  by LTAI5tEM… with tests/1.0",
    ] {
        let line = emulator.line();
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn prints_a_provider_block_that_uses_the_oidc_token_if_there_is_one() {
    let role = ["--role", "acs:ram::1:role/deploy"];
    let provider = ["--oidc-provider", "acs:ram::1:oidc-provider/gh=the-token"];
    for (arguments, has_keys) in [([&role[..], &provider].concat(), false), (role.to_vec(), true)] {
        let introduction = Running::start(&arguments).introduction().join("\n");
        let (block, environment) = introduction.split_once("\n}\n\n# ").unwrap();
        assert!(block.contains("version = \"~> 0.1\""), "{block}");
        assert_eq!(block.contains("access_key"), has_keys, "{block}");
        assert_eq!(block.contains("the-token"), !has_keys, "{block}");
        assert!(environment.contains("\nexport ALIBABA_CLOUD_ROLE_ARN=acs:ram::1:role/deploy\n"));
        for line in [
            "export ALIBABA_CLOUD_OIDC_PROVIDER_ARN=acs:ram::1:oidc-provider/gh",
            "export ALIBABA_CLOUD_OIDC_TOKEN=the-token",
        ] {
            assert_eq!(environment.contains(line), !has_keys, "{environment}");
        }
    }
}

#[test]
fn serves_the_custom_domain_of_a_bucket() {
    let mut emulator = Running::start(&["--domain", "Assets.example.com=mine", "--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let address = introduction["endpoint"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        "GET /?encryption HTTP/1.1\r\nHost: assets.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    let record: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&record["bucket"], &record["operation"]),
        (&json!("mine"), &json!("GetBucketEncryption"))
    );
}

/// Sends a login's request for a session, which then reads the rule of the bucket `mine`.
async fn use_session(http: &reqwest::Client, endpoint: &str, request: reqwest::RequestBuilder) {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Json = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    // CloudSSO nests it, with other names than OAuth.
    let session = if body["CloudCredential"].is_null() { &body } else { &body["CloudCredential"] };
    let text = |names: [&str; 2]| {
        let value = names.into_iter().find_map(|name| session[name].as_str());
        value.unwrap_or_else(|| panic!("{names:?} is missing: {body}")).to_owned()
    };
    let key = Key {
        id: text(["AccessKeyId", "accessKeyId"]),
        secret: text(["AccessKeySecret", "accessKeySecret"]),
        token: Some(text(["SecurityToken", "securityToken"])),
    };
    let resource = "/mine/?encryption";
    let url = format!("{endpoint}{resource}");
    let status = key.send(http, Method::GET, &url, resource, "").await;
    assert_eq!(status, "404 NoSuchServerSideEncryptionRule");
}

/// The request of the CLI and the SDKs for a session of CloudSSO.
fn cloud_sso_request(http: &reqwest::Client, profile: &Json) -> reqwest::RequestBuilder {
    let text = |name: &str| profile[name].as_str().unwrap();
    let sign_in = url::Url::parse(text("cloud_sso_sign_in_url")).unwrap();
    let body = json!({
        "AccountId": text("cloud_sso_account_id"),
        "AccessConfigurationId": text("cloud_sso_access_config"),
    });
    let url = sign_in.join("/cloud-credentials").unwrap();
    http.post(url).bearer_auth(text("access_token")).body(body.to_string())
}

#[tokio::test]
async fn prints_a_profile_with_a_login_to_cloud_sso() {
    let introduction = Running::start(&["--cloud-sso"]).introduction().join("\n");
    let (_, rest) = introduction.split_once("<<'END'\n").unwrap();
    let (file, rest) = rest.split_once("\nEND\n").unwrap();
    let file: Json = serde_json::from_str(file).unwrap();
    assert_eq!(file["profiles"][0]["name"], file["current"]);
    assert!(rest.contains("\nexport ALIBABA_CLOUD_PROFILE=cloud-sso\n"), "{rest}");
    assert!(!introduction.contains("PROXY") && !introduction.contains("OAuth"), "{introduction}");

    let mut emulator = Running::start(&["--cloud-sso", "--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let profile = &introduction["profile_file"]["profiles"][0];
    let endpoint = introduction["endpoint"].as_str().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    use_session(&http, endpoint, cloud_sso_request(&http, profile)).await;
    let record: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(record["operation"], "CreateCloudCredential");
}

#[tokio::test]
async fn prints_a_profile_with_a_login_with_oauth_and_is_a_proxy_for_its_hosts() {
    let introduction = Running::start(&["--oauth"]).introduction().join("\n");
    for expected in ["https://127.0.0.1:", "HTTPS_PROXY=http://127.0.0.1:", "PROFILE=oauth\n"] {
        assert!(introduction.contains(expected), "{introduction}");
    }

    let mut emulator = Running::start(&["--oauth", "--cloud-sso", "--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let text = |name: &str| introduction[name].as_str().unwrap();
    let certificate = std::fs::read(text("certificate_file")).unwrap();
    let certificate = reqwest::Certificate::from_pem(&certificate).unwrap();
    let client = || reqwest::Client::builder().tls_certs_only([certificate.clone()]);
    let direct = client().no_proxy().build().unwrap();
    let proxy = reqwest::Proxy::https(text("proxy")).unwrap();
    let http = client().proxy(proxy).build().unwrap();
    let profiles = &introduction["profile_file"]["profiles"];
    use_session(&direct, text("endpoint"), cloud_sso_request(&direct, &profiles[0])).await;
    let token = profiles[1]["oauth_access_token"].as_str().unwrap();
    let exchange = http.post("https://oauth.aliyun.com/v1/exchange").bearer_auth(token);
    use_session(&direct, text("endpoint"), exchange).await;
    let operations: Vec<Json> = (0..4)
        .map(|_| serde_json::from_str::<Json>(&emulator.line()).unwrap()["operation"].take())
        .collect();
    let read = "GetBucketEncryption";
    assert_eq!(operations, ["CreateCloudCredential", read, "OAuthExchange", read]);

    // Requests to any other host would silently end at the emulator.
    let other = http.get("https://oss-cn-hangzhou.aliyuncs.com/").send().await.unwrap_err();
    assert!(other.is_connect(), "{other:?}");
}

#[tokio::test]
async fn prints_json() {
    let mut emulator = Running::start(&["--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let text = |name: &str| introduction[name].as_str().unwrap();
    set_and_delete_a_rule(text("endpoint"), text("access_key_id"), text("access_key_secret")).await;
    let record: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&record["operation"], &record["status"]),
        (&json!("PutBucketEncryption"), &json!(200))
    );
    assert_eq!(record["rule_after"]["sse_algorithm"], "AES256");
}
