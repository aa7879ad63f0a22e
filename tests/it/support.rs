//! Shared by the tests: an emulator, and a client of the plugin protocol.

use oss_emulator::{Config, Emulator};
use rmpv::Value as Msgpack;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use terraform_provider_oss::tfplugin::pb::provider_server::ProviderServer;
use terraform_provider_oss::tfplugin::{Block, Provider, Server};
use tokio_util::sync::CancellationToken;

/// An unknown value in the JSON of the tests.
pub(crate) const UNKNOWN: &str = "(unknown)";

pub(crate) const TYPE: &str = "oss_bucket_encryption";

/// The test credentials, which are not valid anywhere else.
pub(crate) const KEY_ID: &str = "LTAI5tTESTTESTTESTTEST01";
pub(crate) const KEY_SECRET: &str = "TestSecretTestSecretTestSecret";

/// An emulator with these buckets and the test credentials.
pub(crate) fn emulator(buckets: &[&str]) -> Emulator {
    let mut config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    for bucket in buckets {
        config = config.with_bucket(bucket);
    }
    Emulator::start(config).unwrap()
}

/// A listener that accepts no connections and whose backlog is full, so that connecting takes forever.
/// Other operating systems handle a full backlog differently.
#[cfg(target_os = "linux")]
pub(crate) struct UnresponsiveListener {
    pub(crate) address: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _queue: Vec<tokio::net::TcpStream>,
}

#[cfg(target_os = "linux")]
impl UnresponsiveListener {
    pub(crate) async fn start() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let limit = std::time::Duration::from_millis(50);
        let connect = || tokio::time::timeout(limit, tokio::net::TcpStream::connect(address));
        let queue = futures_util::future::join_all((0..4).map(|_| connect())).await;
        let queue = queue.into_iter().filter_map(|stream| stream.ok()?.ok()).collect();
        Self { address, _listener: listener, _queue: queue }
    }
}

/// The generated client, which calls the service without a transport.
pub(crate) type TestClient<P> = ProviderClient<ProviderServer<Server<P>>>;

pub(crate) fn client_for<P: Provider>(provider: P) -> TestClient<P> {
    ProviderClient::new(Server::new(provider, CancellationToken::new()).into_service())
}

/// This provider with an empty environment, not configured.
pub(crate) fn unconfigured() -> TestClient<OssProvider> {
    client_for(OssProvider::new(Environment::default()))
}

/// A provider configuration for the emulator.
pub(crate) fn configuration(emulator: &Emulator) -> pb::configure_provider::Request {
    let config = provider_config(json!({
        "region": "cn-hangzhou",
        "endpoint": emulator.url(),
        "access_key": KEY_ID,
        "secret_key": KEY_SECRET,
    }));
    pb::configure_provider::Request { config: Some(config), ..Default::default() }
}

/// This provider, configured for the emulator.
pub(crate) async fn configured(emulator: &Emulator) -> TestClient<OssProvider> {
    let mut client = unconfigured();
    let request = configuration(emulator);
    let response = client.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), Vec::<String>::new());
    client
}

/// This provider, configured for the emulator and without retries.
pub(crate) async fn configured_without_retries(emulator: &Emulator) -> TestClient<OssProvider> {
    let mut client = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": emulator.url(), "max_retries": 0,
        "access_key": KEY_ID, "secret_key": KEY_SECRET });
    let config = Some(provider_config(arguments));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    client.configure_provider(request).await.unwrap();
    client
}

/// A provider block with these arguments, and null for the others.
pub(crate) fn provider_config(arguments: Json) -> pb::DynamicValue {
    let block = OssProvider::new(Environment::default()).schema().block;
    dynamic(&conform(&block, arguments))
}

/// Adds null for all missing names of a block.
fn conform(block: &Block, given: Json) -> Json {
    let names: Vec<&str> = block
        .attributes
        .iter()
        .map(|attribute| attribute.name)
        .chain(block.blocks.iter().map(|nested| nested.name))
        .collect();
    let mut value = complete(&names, given);
    for nested in &block.blocks {
        if value[nested.name].is_object() {
            let block = conform(&nested.block, value[nested.name].take());
            value[nested.name] = if nested.is_repeatable { json!([block]) } else { block };
        } else if let Some(blocks) = value[nested.name].as_array_mut() {
            for block in blocks {
                *block = conform(&nested.block, block.take());
            }
        }
    }
    value
}

/// A resource with these attributes, and null for the others.
pub(crate) fn resource(attributes: Json) -> Json {
    let names = [
        "bucket",
        "sse_algorithm",
        "kms_master_key_id",
        "kms_data_encryption",
        "region",
        "id",
        "timeouts",
    ];
    complete(&names, attributes)
}

fn complete(names: &[&str], given: Json) -> Json {
    let mut all: serde_json::Map<String, Json> =
        names.iter().map(|name| ((*name).to_owned(), Json::Null)).collect();
    let Json::Object(given) = given else { panic!("{given} is not an object") };
    all.extend(given);
    Json::Object(all)
}

/// A value as Terraform sends it.
pub(crate) fn dynamic(json: &Json) -> pb::DynamicValue {
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, &to_msgpack(json)).unwrap();
    pb::DynamicValue { msgpack, json: Vec::new() }
}

/// Decodes a value from the provider.
pub(crate) fn from_dynamic(value: Option<&pb::DynamicValue>) -> Json {
    // An absent value and a null one mean the same to Terraform.
    let Some(value) = value else { return Json::Null };
    from_msgpack(rmpv::decode::read_value(&mut value.msgpack.as_slice()).unwrap())
}

fn to_msgpack(json: &Json) -> Msgpack {
    match json {
        Json::Null => Msgpack::Nil,
        Json::Bool(value) => Msgpack::from(*value),
        Json::Number(number) => Msgpack::from(number.as_i64().unwrap()),
        Json::String(text) if text == UNKNOWN => Msgpack::Ext(0, vec![0]),
        Json::String(text) => Msgpack::from(text.as_str()),
        Json::Array(elements) => Msgpack::Array(elements.iter().map(to_msgpack).collect()),
        Json::Object(members) => Msgpack::Map(
            members
                .iter()
                .map(|(name, value)| (Msgpack::from(name.as_str()), to_msgpack(value)))
                .collect(),
        ),
    }
}

fn from_msgpack(value: Msgpack) -> Json {
    match value {
        Msgpack::Nil => Json::Null,
        Msgpack::Boolean(value) => Json::from(value),
        Msgpack::Integer(value) => Json::from(value.as_i64().unwrap()),
        Msgpack::String(text) => Json::from(text.into_str().unwrap()),
        Msgpack::Ext(..) => Json::from(UNKNOWN),
        Msgpack::Array(elements) => elements.into_iter().map(from_msgpack).collect(),
        Msgpack::Map(members) => members
            .into_iter()
            .map(|(name, value)| (name.as_str().unwrap().to_owned(), from_msgpack(value)))
            .collect(),
        other => panic!("{other} is not a Terraform value"),
    }
}

/// Formats diagnostics as `error at bucket: Invalid bucket name`, without details.
pub(crate) fn diagnostics(diagnostics: &[pb::Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let severity = match diagnostic.severity() {
                pb::diagnostic::Severity::Error => "error",
                pb::diagnostic::Severity::Warning => "warning",
                pb::diagnostic::Severity::Invalid => "invalid",
            };
            let path = diagnostic.attribute.as_ref().map(path).unwrap_or_default();
            let path = if path.is_empty() { path } else { format!(" at {path}") };
            format!("{severity}{path}: {}", diagnostic.summary)
        })
        .collect()
}

/// Formats a path as `timeouts.create` or `assume_role[0].role_arn`.
pub(crate) fn path(path: &pb::AttributePath) -> String {
    use pb::attribute_path::step::Selector;
    let steps = path.steps.iter().map(|step| match &step.selector {
        Some(Selector::AttributeName(name)) => format!(".{name}"),
        Some(Selector::ElementKeyInt(index)) => format!("[{index}]"),
        other => panic!("unexpected step {other:?}"),
    });
    let steps: String = steps.collect();
    steps.strip_prefix('.').unwrap_or_default().to_owned()
}
