//! Credential sources and refreshes of the client, against the emulator, which also emulates STS, the metadata
//! service of an instance, and a credentials URI.

mod failures;
mod profiles;
mod sessions;
mod shared;
mod sources;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use oss_emulator::{Config, Emulator};
use terraform_provider_oss::oss::credentials::{
    CredentialSource, CredentialsErrorKind, CredentialsUri, EcsRole, OidcRole, OidcToken, Role,
    RoleArn, RoleSession, SourceDefaults, StsConfig,
};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Clock, Credentials, EncryptionRule, Endpoint,
    Error, ErrorKind, Region, RetryPolicy, SseAlgorithm,
};
use time::OffsetDateTime;

use super::support::{KEY_ID, KEY_SECRET};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const SECOND_ROLE: &str = "acs:ram::1234567890123456:role/storage";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/pipeline";
const OIDC_TOKEN: &str = "first.oidc.token";

/// An emulator with an AccessKey pair, two roles, an OIDC provider and an instance.
fn start() -> Emulator {
    start_with(|config| config)
}

fn start_with(change: impl FnOnce(Config) -> Config) -> Emulator {
    let config = Config::default()
        .with_credentials(KEY_ID, KEY_SECRET)
        .with_bucket("demo")
        .with_role(oss_emulator::Role::new(ROLE).with_external_id("ticket-7"))
        .with_role(oss_emulator::Role::new(SECOND_ROLE))
        .with_oidc_provider(PROVIDER, OIDC_TOKEN)
        .with_ecs_role("instance-role")
        .with_credentials_uri();
    Emulator::start(change(config)).unwrap()
}

fn endpoint(emulator: &Emulator) -> Endpoint {
    Endpoint::parse(&emulator.url()).unwrap()
}

fn defaults(emulator: &Emulator) -> SourceDefaults {
    SourceDefaults {
        sts: StsConfig { endpoint: Some(endpoint(emulator)), ..StsConfig::default() },
        metadata: CredentialsUri::parse(&emulator.metadata_url()),
        ..SourceDefaults::default()
    }
}

fn config(emulator: &Emulator, source: CredentialSource) -> ClientConfig {
    ClientConfig {
        region: Some(Region::parse("cn-hangzhou").unwrap()),
        endpoint: Some(endpoint(emulator)),
        credentials: Some(source),
        retry: RetryPolicy { initial_backoff: Duration::ZERO, ..RetryPolicy::default() },
        ..ClientConfig::default()
    }
}

fn client(emulator: &Emulator, source: CredentialSource) -> Client {
    Client::new(config(emulator, source))
}

fn static_credentials() -> CredentialSource {
    Credentials::new(KEY_ID, KEY_SECRET).into()
}

fn role(arn: &str) -> Role {
    Role { arn: RoleArn::parse(arn).unwrap(), session: RoleSession::default() }
}

fn assume(emulator: &Emulator, base: CredentialSource) -> CredentialSource {
    let mut role = role(ROLE);
    role.session = role.session.with_external_id("ticket-7").unwrap();
    CredentialSource::AssumeRole { base: Box::new(base), role, sts: defaults(emulator).sts }
}

fn oidc(emulator: &Emulator, token: OidcToken) -> CredentialSource {
    CredentialSource::AssumeRoleWithOidc(OidcRole {
        role: role(SECOND_ROLE),
        provider_arn: PROVIDER.to_owned(),
        token,
        sts: defaults(emulator).sts,
    })
}

fn instance(emulator: &Emulator, name: Option<&str>) -> CredentialSource {
    let name = name.map(str::to_owned);
    CredentialSource::EcsRole(EcsRole { name, defaults: defaults(emulator) })
}

async fn put(client: &Client) -> Result<(), Error> {
    let rule = EncryptionRule {
        sse_algorithm: SseAlgorithm::Aes256,
        kms_master_key_id: None,
        kms_data_encryption: None,
    };
    let bucket = BucketName::parse("demo").unwrap();
    client
        .put_bucket_encryption(&bucket, &rule, &CallOptions::with_timeout(Duration::from_mins(1)))
        .await
        .map(drop)
}

/// The reason why there are no credentials.
fn credentials_error(error: Error) -> CredentialsErrorKind {
    let ErrorKind::Credentials(error) = error.kind else { panic!("{error}") };
    error.kind
}

/// The requests since the last call of this function, as `AssumeRole 200`.
fn requests(emulator: &Emulator) -> Vec<String> {
    let exchanges = emulator.requests();
    emulator.clear_requests();
    exchanges
        .iter()
        .map(|exchange| {
            let operation = exchange.operation.as_deref().unwrap_or("?");
            format!("{operation} {}", exchange.status)
        })
        .collect()
}

const PUT: &str = "PutBucketEncryption 200";

/// A clock for client and emulator that the test sets.
struct Time(Arc<AtomicI64>);

impl Time {
    fn start() -> (Self, Clock) {
        let ahead = Arc::new(AtomicI64::new(0));
        let seconds = Arc::clone(&ahead);
        let clock = Clock::new(move || {
            OffsetDateTime::now_utc() + time::Duration::seconds(seconds.load(Ordering::SeqCst))
        });
        (Self(ahead), clock)
    }

    fn pass(&self, emulator: &Emulator, seconds: i64) {
        let ahead = self.0.fetch_add(seconds, Ordering::SeqCst) + seconds;
        emulator.set_clock_offset(ahead);
    }
}
