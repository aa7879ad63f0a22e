//! A list query of many buckets and the data source of an account, compared with a loop that sends requests for as many
//! buckets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Instant;

use rmpv::Value as Wire;
use terraform_provider_oss::oss::Credentials;
use terraform_provider_oss::oss::sign::{SignableRequest, SignatureVersion, SigningContext, sign};
use terraform_provider_oss::tfplugin::pb;
use time::OffsetDateTime;

use super::host::{Connected, Host};
use super::results::{List, Spread};
use super::service::{KEY_ID, KEY_SECRET, Service, bucket};

const REGION: &str = "cn-hangzhou";
/// The number of requests that this provider sends at once.
const AT_ONCE: usize = 8;
const ROUNDS: usize = 3;

/// Returns the number of buckets in the response of a configured provider.
type Scan = fn(&Connected<'_>) -> usize;

/// Both, one after the other, on the same service.
pub(crate) fn measure(host: &Host, binary: &Path, buckets: usize) -> Vec<List> {
    let service = Service::start(buckets);
    service.set_rules(buckets, "AES256");
    let scans: [(&str, Scan); 2] = [("list query", list), ("data source", read)];
    let measured = scans.map(|(what, scan)| {
        eprintln!("{what} of {buckets} buckets …");
        alternate(host, binary, buckets, &service, what, scan)
    });
    measured.into()
}

/// Alternates between the provider, a new process each time, and the loop.
fn alternate(
    host: &Host,
    binary: &Path,
    buckets: usize,
    service: &Service,
    what: &str,
    scan: Scan,
) -> List {
    let (mut requests, mut connections, mut peak_memory_kib) = (0, 0, 0);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
            .env("ALIBABA_CLOUD_REGION", REGION)
            .env("ALIBABA_CLOUD_ENDPOINT_OSS", service.emulator.url());
        let connected = host.connect(host.start_command(&mut command));
        configure(&connected);
        service.take_calls();
        let before = service.emulator.connections();
        let since = Instant::now();
        let listed = scan(&connected);
        let seconds = since.elapsed().as_secs_f64();
        assert_eq!(listed, buckets);
        requests = service.take_calls().values().sum();
        connections = service.emulator.connections() - before;
        peak_memory_kib = peak_memory_kib.max(peak_memory(connected.id()));
        times.push((seconds, bare(service.emulator.port(), buckets)));
    }
    let (seconds, bare_seconds): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    let (seconds, bare_seconds) = (Spread::of(seconds), Spread::of(bare_seconds));
    List {
        what: what.to_owned(),
        buckets,
        seconds,
        bare_seconds,
        requests,
        connections,
        peak_memory_kib,
    }
}

fn configure(connected: &Connected<'_>) {
    let config = null_object(connected.schema.provider.as_ref());
    connected.call(async |mut client| {
        let request = pb::configure_provider::Request {
            terraform_version: "1.14.0".to_owned(),
            config: Some(config),
            ..Default::default()
        };
        let response = client.configure_provider(request).await.unwrap().into_inner();
        assert!(response.diagnostics.is_empty(), "{response:?}");
    });
}

/// The number of objects that the provider lists.
fn list(connected: &Connected<'_>) -> usize {
    let resource_type = "oss_bucket_encryption";
    let config = null_object(connected.schema.list_resource_schemas.get(resource_type));
    connected.call(async |mut client| {
        let request = pb::list_resource::Request {
            type_name: resource_type.to_owned(),
            config: Some(config),
            include_resource_object: true,
            limit: 1_000_000,
        };
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        let mut listed = 0;
        while let Some(event) = events.message().await.unwrap() {
            assert!(event.diagnostic.is_empty(), "{event:?}");
            listed += 1;
        }
        listed
    })
}

/// The number of buckets that the data source of the account returns.
fn read(connected: &Connected<'_>) -> usize {
    let type_name = "oss_bucket_encryptions";
    let config = null_object(connected.schema.data_source_schemas.get(type_name));
    connected.call(async |client| {
        let mut client = client.max_decoding_message_size(usize::MAX);
        let request = pb::read_data_source::Request {
            type_name: type_name.to_owned(),
            config: Some(config),
            ..Default::default()
        };
        let response = client.read_data_source(request).await.unwrap().into_inner();
        assert!(response.diagnostics.is_empty(), "{:?}", response.diagnostics);
        let state = response.state.unwrap().msgpack;
        let state = rmpv::decode::read_value(&mut state.as_slice()).unwrap();
        let buckets = state.as_map().unwrap().iter().find(|(name, _)| *name == "buckets".into());
        buckets.unwrap().1.as_array().unwrap().len()
    })
}

/// A block without arguments.
fn null_object(schema: Option<&pb::Schema>) -> pb::DynamicValue {
    let block = schema.and_then(|schema| schema.block.as_ref()).unwrap();
    let attributes = block.attributes.iter().map(|attribute| (&attribute.name, Wire::Nil));
    let nested = block.block_types.iter().map(|nested| {
        let is_single = nested.nesting() == pb::schema::nested_block::NestingMode::Single;
        (&nested.type_name, if is_single { Wire::Nil } else { Wire::Array(Vec::new()) })
    });
    let entries = attributes.chain(nested).map(|(name, value)| (name.as_str().into(), value));
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, &Wire::Map(entries.collect())).unwrap();
    pb::DynamicValue { msgpack, json: Vec::new() }
}

/// Peak memory of a process in KiB; 0 where the system has no `/proc`.
fn peak_memory(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Sends as many `GetBucketEncryption` requests, as many at once. Returns the seconds, without those for signing.
fn bare(port: u16, buckets: usize) -> f64 {
    let requests = (0..AT_ONCE).map(|first| {
        let numbers = (first..buckets).step_by(AT_ONCE);
        numbers.map(|number| signed_get(&bucket(number), port)).collect()
    });
    let requests: Vec<Vec<String>> = requests.collect();
    let since = Instant::now();
    thread::scope(|scope| {
        for requests in &requests {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut response = [0; 8192];
                for request in requests {
                    stream.write_all(request.as_bytes()).unwrap();
                    let length = stream.read(&mut response).unwrap();
                    assert!(response[..length].starts_with(b"HTTP/1.1 200"));
                    assert!(response[..length].ends_with(b"</ServerSideEncryptionRule>"));
                }
            });
        }
    });
    since.elapsed().as_secs_f64()
}

/// `GetBucketEncryption` as HTTP/1.1 text.
fn signed_get(bucket: &str, port: u16) -> String {
    let credentials = Credentials::new(KEY_ID, KEY_SECRET);
    let context = SigningContext {
        credentials: &credentials,
        time: OffsetDateTime::now_utc(),
        region: REGION,
        product: "oss",
    };
    let request = SignableRequest {
        method: "GET",
        bucket: Some(bucket),
        object_key: None,
        query: &[("encryption".to_owned(), String::new())],
        headers: &[],
        sub_resources: &[],
        additional_headers: &[],
    };
    let signature = sign(SignatureVersion::V4, &request, &context);
    let mut text = format!("GET /{bucket}/?encryption HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n");
    for (name, value) in &signature.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n"
}
