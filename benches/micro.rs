//! Time and allocations of single operations: `cargo bench --bench micro`. With `-- --test` each runs
//! once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it fails by panicking"
)]

use divan::AllocProfiler;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// RPCs in memory, without a transport.
mod rpc {
    use std::cell::RefCell;

    use divan::Bencher;
    use rmpv::Value as Wire;
    use serde_json::json;
    use terraform_provider_oss::provider::{Environment, OssProvider};
    use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
    use terraform_provider_oss::tfplugin::pb::provider_server::ProviderServer;
    use terraform_provider_oss::tfplugin::{Server, pb};
    use tokio::runtime::{Builder, Runtime};
    use tokio_util::sync::CancellationToken;

    const TYPE: &str = "oss_bucket_encryption";

    pub(super) type Provider = ProviderClient<ProviderServer<Server<OssProvider>>>;

    pub(super) fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    pub(super) fn provider() -> Provider {
        let provider = OssProvider::new(Environment::default());
        ProviderClient::new(Server::new(provider, CancellationToken::new()).into_service())
    }

    /// An object in MessagePack, as Terraform sends it.
    pub(super) fn object(attributes: &[(&str, Option<&str>)]) -> pb::DynamicValue {
        let entries = attributes
            .iter()
            .map(|(name, value)| (Wire::from(*name), value.map_or(Wire::Nil, Wire::from)));
        let mut msgpack = Vec::new();
        rmpv::encode::write_value(&mut msgpack, &Wire::Map(entries.collect())).unwrap();
        pb::DynamicValue { msgpack, json: Vec::new() }
    }

    pub(super) fn resource(algorithm: &str, id: Option<&str>) -> pb::DynamicValue {
        object(&[
            ("bucket", Some("my-bucket")),
            ("sse_algorithm", Some(algorithm)),
            ("kms_master_key_id", None),
            ("kms_data_encryption", None),
            ("region", None),
            ("id", id),
            ("timeouts", None),
        ])
    }

    /// Measures repeated calls.
    fn bench<T>(bencher: Bencher<'_, '_>, call: &impl AsyncFn(&mut Provider) -> T) {
        let (runtime, provider) = (runtime(), RefCell::new(provider()));
        bencher.bench_local(|| runtime.block_on(call(&mut provider.borrow_mut())));
    }

    /// Terraform's first request.
    #[divan::bench]
    fn schema(bencher: Bencher<'_, '_>) {
        bench(bencher, &async |provider| {
            let request = pb::get_provider_schema::Request::default();
            let response = provider.get_provider_schema(request).await.unwrap().into_inner();
            assert!(response.resource_schemas.contains_key(TYPE));
        });
    }

    /// Decodes and validates an object.
    #[divan::bench]
    fn validate(bencher: Bencher<'_, '_>) {
        let config = resource("KMS", None);
        bench(bencher, &async |provider| {
            let request = pb::validate_resource_config::Request {
                type_name: TYPE.to_owned(),
                config: Some(config.clone()),
                ..Default::default()
            };
            let response = provider.validate_resource_config(request).await.unwrap().into_inner();
            assert!(response.diagnostics.is_empty(), "{response:?}");
        });
    }

    /// Converts JSON to MessagePack, as for each resource in a state.
    #[divan::bench]
    fn upgrade(bencher: Bencher<'_, '_>) {
        let state = json!({
            "bucket": "my-bucket", "sse_algorithm": "KMS", "kms_master_key_id": null,
            "kms_data_encryption": null, "region": null, "id": "my-bucket", "timeouts": null,
        });
        let json = state.to_string().into_bytes();
        bench(bencher, &async |provider| {
            let raw = pb::RawState { json: json.clone(), ..Default::default() };
            let request = pb::upgrade_resource_state::Request {
                type_name: TYPE.to_owned(),
                raw_state: Some(raw),
                ..Default::default()
            };
            let response = provider.upgrade_resource_state(request).await.unwrap().into_inner();
            assert!(response.diagnostics.is_empty(), "{response:?}");
        });
    }

    /// Decodes three objects and encodes one.
    #[divan::bench]
    fn plan(bencher: Bencher<'_, '_>) {
        let prior = resource("AES256", Some("my-bucket"));
        let proposed = resource("KMS", Some("my-bucket"));
        let config = resource("KMS", None);
        bench(bencher, &async |provider| {
            let request = pb::plan_resource_change::Request {
                type_name: TYPE.to_owned(),
                prior_state: Some(prior.clone()),
                proposed_new_state: Some(proposed.clone()),
                config: Some(config.clone()),
                ..Default::default()
            };
            let response = provider.plan_resource_change(request).await.unwrap().into_inner();
            assert!(response.diagnostics.is_empty(), "{response:?}");
        });
    }
}

/// Both signatures of OSS.
mod signature {
    use divan::black_box;
    use terraform_provider_oss::oss::Credentials;
    use terraform_provider_oss::oss::sign::{
        SignableRequest, Signature, SignatureVersion, SigningContext, sign,
    };
    use time::OffsetDateTime;

    fn of(version: SignatureVersion, credentials: &Credentials) -> Signature {
        let context = SigningContext {
            credentials,
            time: OffsetDateTime::UNIX_EPOCH,
            region: "cn-hangzhou",
            product: "oss",
        };
        let headers = [("Content-Type".to_owned(), "application/xml".to_owned())];
        let request = SignableRequest {
            method: "PUT",
            bucket: Some("my-bucket"),
            object_key: None,
            query: &[("encryption".to_owned(), String::new())],
            headers: &headers,
            sub_resources: &[],
            additional_headers: &[],
        };
        sign(version, black_box(&request), &context)
    }

    #[divan::bench]
    fn v1(bencher: divan::Bencher<'_, '_>) {
        let credentials = Credentials::new("LTAI5tBENCHBENCHBENCHBEN", "BenchBenchBenchBench");
        bencher.bench_local(|| of(SignatureVersion::V1, &credentials));
    }

    #[divan::bench]
    fn v4(bencher: divan::Bencher<'_, '_>) {
        let credentials = Credentials::new("LTAI5tBENCHBENCHBENCHBEN", "BenchBenchBenchBench");
        bencher.bench_local(|| of(SignatureVersion::V4, &credentials));
    }
}

/// The XML of an encryption rule.
mod xml {
    use divan::black_box;
    use terraform_provider_oss::oss::EncryptionRule;

    const RULE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServerSideEncryptionRule>\
        <ApplyServerSideEncryptionByDefault><SSEAlgorithm>KMS</SSEAlgorithm>\
        <KMSMasterKeyID>9468da86-3509-4f8d-a61e-6eab1eac0001</KMSMasterKeyID>\
        </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";

    #[divan::bench]
    fn read() -> EncryptionRule {
        EncryptionRule::from_xml(black_box(RULE.as_bytes())).unwrap()
    }

    #[divan::bench]
    fn write(bencher: divan::Bencher<'_, '_>) {
        let rule = EncryptionRule::from_xml(RULE.as_bytes()).unwrap();
        bencher.bench_local(|| rule.to_xml());
    }
}

/// Selecting the credential source from a provider block and an environment.
mod credentials {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use terraform_provider_oss::provider::{Environment, OssProvider};
    use terraform_provider_oss::resources::ProviderData;
    use terraform_provider_oss::tfplugin::{ConfigureResponse, Object, Provider as _};

    fn lookup(bencher: divan::Bencher<'_, '_>, variables: &[(&str, &str)]) {
        let variable = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        let variables: BTreeMap<OsString, OsString> = variables.iter().map(variable).collect();
        let oss = OssProvider::new(Environment::new(variables));
        let block = Object::new();
        bencher.bench_local(|| -> ConfigureResponse<ProviderData> {
            let configured = oss.configure(&block, "1.11.4");
            assert!(configured.client.is_some());
            configured
        });
    }

    /// The first pair of variables.
    #[divan::bench]
    fn first(bencher: divan::Bencher<'_, '_>) {
        let keys = [("ALICLOUD_ACCESS_KEY", "id"), ("ALICLOUD_SECRET_KEY", "secret")];
        lookup(bencher, &[keys[0], keys[1], ("ALICLOUD_REGION", "cn-hangzhou")]);
    }

    /// The source with the lowest precedence: an OIDC token file.
    #[divan::bench]
    fn last(bencher: divan::Bencher<'_, '_>) {
        let variables = [
            ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1234567890123456:oidc-provider/pipeline"),
            ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/deploy"),
            ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/secrets/oidc-token"),
            ("ALICLOUD_REGION", "cn-hangzhou"),
        ];
        lookup(bencher, &variables);
    }
}

/// Requests to the emulator over one connection.
mod client {
    use std::time::Duration;

    use oss_emulator::{Config, Emulator, EncryptionRule};
    use terraform_provider_oss::oss::{
        BucketName, CallOptions, Client, ClientConfig, Credentials, Endpoint, Region,
    };

    const KEYS: (&str, &str) = ("LTAI5tBENCHBENCHBENCHBEN", "BenchBenchBenchBench");

    /// Includes the time of the emulator, which runs on its own thread.
    #[divan::bench]
    fn get(bencher: divan::Bencher<'_, '_>) {
        let config = Config::default().with_credentials(KEYS.0, KEYS.1).with_bucket("my-bucket");
        let emulator = Emulator::start(config).unwrap();
        emulator.set_rule("my-bucket", EncryptionRule::new("AES256"));
        let client = Client::new(ClientConfig {
            region: Some(Region::parse("cn-hangzhou").unwrap()),
            endpoint: Some(Endpoint::parse(&emulator.url()).unwrap()),
            credentials: Some(Credentials::new(KEYS.0, KEYS.1).into()),
            ..ClientConfig::default()
        });
        let bucket = BucketName::parse("my-bucket").unwrap();
        let runtime = super::rpc::runtime();
        bencher.bench_local(|| {
            let call = CallOptions::with_timeout(Duration::from_mins(1));
            runtime.block_on(client.get_bucket_encryption(&bucket, &call)).unwrap()
        });
        assert_eq!(emulator.connections(), 1);
    }
}

/// The shipped binary as a process.
#[cfg(unix)]
mod process {
    use super::host::{Host, shipped_provider};

    #[divan::bench(max_time = 2)]
    fn start_to_line(bencher: divan::Bencher<'_, '_>) {
        let (host, binary) = (Host::new(), shipped_provider());
        bencher.bench_local(|| host.start(&binary));
    }

    /// TLS with both certificates, HTTP/2, and the schema.
    #[divan::bench(max_time = 2)]
    fn line_to_first_response(bencher: divan::Bencher<'_, '_>) {
        let (host, binary) = (Host::new(), shipped_provider());
        bencher
            .with_inputs(|| host.start(&binary))
            .bench_local_values(|started| host.connect(started));
    }
}

#[cfg(unix)]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod host;
