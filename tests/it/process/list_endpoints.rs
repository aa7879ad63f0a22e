//! Where the requests of a list query go, with the default endpoints: a proxy leads all of them to the emulator.

use std::sync::{Arc, Mutex};

use oss_emulator::{Config, Emulator, EncryptionRule};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Channel;

use super::{Plugin, Start, plaintext, within};
use crate::support::{KEY_ID, KEY_SECRET, TYPE, diagnostics, dynamic, provider_config};

/// Part of the hosts that the proxy cannot reach.
const UNREACHABLE: &str = "oss-cn-shanghai-finance-1-internal";

/// A proxy that connects all tunnels to one port of this machine, except those to [`UNREACHABLE`] hosts. Returns
/// its URL and the hosts of the tunnels.
async fn tunnels_to(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let known = Arc::clone(&hosts);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let known = Arc::clone(&known);
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut line = String::new();
                client.read_line(&mut line).await.unwrap();
                let target = line.split(' ').nth(1).unwrap().to_owned();
                known.lock().unwrap().push(target.strip_suffix(":443").unwrap().to_owned());
                while line != "\r\n" {
                    line.clear();
                    client.read_line(&mut line).await.unwrap();
                }
                if target.contains(UNREACHABLE) {
                    client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
                    return;
                }
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, hosts)
}

/// An account with buckets, and the provider; every host is the emulator.
struct Account {
    emulator: Emulator,
    provider: ProviderClient<Channel>,
    hosts: Arc<Mutex<Vec<String>>>,
    /// Ends with the test.
    _plugin: Plugin,
    _certificate: tempfile::TempDir,
}

impl Account {
    /// Every bucket has a rule.
    async fn with(arguments: Json, buckets: &[(&str, &str)]) -> Self {
        let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_tls();
        let config = buckets
            .iter()
            .fold(config, |config, (name, region)| config.with_bucket_in(name, region));
        let emulator = Emulator::start(config).unwrap();
        for (name, _) in buckets {
            emulator.set_rule(name, EncryptionRule::new("AES256"));
        }
        let directory = tempfile::tempdir().unwrap();
        let certificate = directory.path().join("oss.pem");
        std::fs::write(&certificate, emulator.certificate_pem().unwrap()).unwrap();
        let (proxy, hosts) = tunnels_to(emulator.port()).await;
        let plugin = Start::by_host()
            .with("HTTPS_PROXY", proxy)
            .with("SSL_CERT_FILE", &certificate)
            .with("OSS_ACCESS_KEY_ID", KEY_ID)
            .with("OSS_ACCESS_KEY_SECRET", KEY_SECRET)
            .serve()
            .await;
        let mut provider = ProviderClient::new(plaintext(&plugin).await);
        let config = Some(provider_config(arguments));
        let request = pb::configure_provider::Request { config, ..Default::default() };
        let response = within(provider.configure_provider(request)).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), Vec::<String>::new());
        Self { emulator, provider, hosts, _plugin: plugin, _certificate: directory }
    }

    /// The names, or messages, of a list query.
    async fn query(&mut self) -> Vec<String> {
        let config = Some(dynamic(&json!({ "prefix": null, "region": null })));
        let request = pb::list_resource::Request {
            type_name: TYPE.into(),
            config,
            include_resource_object: true,
            limit: 100,
        };
        let mut events = within(self.provider.list_resource(request)).await.unwrap().into_inner();
        let mut lines = Vec::new();
        while let Some(event) = within(events.message()).await.unwrap() {
            let message = event.diagnostic.first();
            let message = message.map(|message| format!("{}: {}", message.summary, message.detail));
            lines.push(message.unwrap_or(event.display_name));
        }
        lines
    }

    /// The hosts of all requests, sorted.
    fn hosts(&self) -> Vec<String> {
        let mut hosts = self.hosts.lock().unwrap().clone();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

#[tokio::test]
async fn a_listed_bucket_is_reached_at_the_endpoint_that_the_list_names() {
    let buckets = [
        ("far", "ap-southeast-1"),
        ("jbp", "cn-hzjbp"),
        ("pub", "cn-hzfinance"),
        ("szf", "cn-szfinance"),
        ("two_names", "cn-szfinance"),
    ];
    let mut account = Account::with(json!({ "region": "cn-hangzhou-finance" }), &buckets).await;
    assert_eq!(account.query().await, ["far", "jbp", "pub", "szf", "two_names"]);
    let expected = [
        "far.oss-ap-southeast-1.aliyuncs.com",
        "jbp.oss-cn-hzjbp-a-internal.aliyuncs.com",
        "oss-cn-hzfinance.aliyuncs.com",
        "pub.oss-cn-hzfinance.aliyuncs.com",
        "szf.oss-cn-szfinance.aliyuncs.com",
        "two_names.oss-cn-szfinance.aliyuncs.com",
    ];
    assert_eq!(account.hosts(), expected);

    let internal = json!({ "region": "cn-shenzhen-finance-1", "endpoint_type": "internal" });
    let mut account =
        Account::with(internal, &[("own", "cn-shenzhen-finance-1"), ("szf", "cn-szfinance")]).await;
    assert_eq!(account.query().await, ["own", "szf"]);
    let expected = [
        "oss-cn-shenzhen-finance-1-internal.aliyuncs.com",
        "own.oss-cn-shenzhen-finance-1-internal.aliyuncs.com",
        "szf.oss-cn-szfinance-internal.aliyuncs.com",
    ];
    assert_eq!(account.hosts(), expected);
}

#[tokio::test]
async fn buckets_are_not_listed_at_an_acceleration_endpoint() {
    for (arguments, host) in [
        (json!({ "endpoint_type": "accelerate" }), "oss-accelerate"),
        (json!({ "endpoint_type": "accelerate_overseas" }), "oss-accelerate-overseas"),
        (json!({ "endpoint": "oss-accelerate.aliyuncs.com" }), "oss-accelerate"),
    ] {
        let mut arguments = arguments;
        arguments["region"] = "cn-hangzhou".into();
        let mut account = Account::with(arguments, &[("demo", "cn-hangzhou")]).await;
        assert_eq!(account.query().await, ["demo"]);
        let bucket = format!("demo.{host}.aliyuncs.com");
        assert_eq!(account.hosts(), [bucket.as_str(), "oss-cn-hangzhou.aliyuncs.com"]);
        let signed_for_another_region =
            account.emulator.requests().iter().filter(|request| request.status != 200).count();
        assert_eq!(signed_for_another_region, 0);
    }
}

#[tokio::test]
async fn an_unreachable_endpoint_does_not_hide_the_others_of_its_region() {
    // More than the scan reads at once, so that the last ones are read after the first one failed.
    let others: Vec<String> = (0..12).map(|number| format!("b-{number:02}")).collect();
    let inner = ["a-1", "z-1"].map(|name| (name, "cn-shanghai-finance-1"));
    let buckets: Vec<(&str, &str)> = others
        .iter()
        .map(|name| (name.as_str(), "cn-shanghai-finance-1-pub"))
        .chain(inner)
        .collect();
    let arguments = json!({ "region": "cn-shanghai-finance-1", "max_retries": 0 });
    let mut account = Account::with(arguments, &buckets).await;
    let found = account.query().await;
    let (first, rest) = found.split_first().unwrap();
    assert!(first.starts_with("Bucket a-1 was skipped: GetBucketEncryption to"), "{first}");
    let (last, rest) = rest.split_last().unwrap();
    assert!(last.starts_with("Bucket z-1 was skipped: No request was sent"), "{last}");
    assert_eq!(rest, others);
}
