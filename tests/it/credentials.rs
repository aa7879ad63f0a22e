//! Where the client gets its keys from, and when it gets new ones: against the local endpoint, which is
//! STS, the metadata service of an instance, and a credentials URI as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use oss_emulator::{Config, Emulator, Fault, MetadataMode};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use terraform_provider_oss::oss::credentials::{
    CredentialSource, CredentialsErrorKind, CredentialsUri, EcsRole, OidcRole, OidcToken, Profile,
    Role, RoleArn, RoleSession, SourceDefaults, StsConfig,
};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Clock, Credentials, EncryptionRule, Endpoint,
    Error, ErrorKind, Region, RetryPolicy, SseAlgorithm, TransportError,
};
use time::OffsetDateTime;

use super::support::{KEY_ID, KEY_SECRET};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const SECOND_ROLE: &str = "acs:ram::1234567890123456:role/storage";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/pipeline";
const OIDC_TOKEN: &str = "first.oidc.token";

/// An endpoint that knows the test key, two roles, an identity provider and an instance.
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

fn keys() -> CredentialSource {
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

/// Why there were no keys.
fn problem(error: Error) -> CredentialsErrorKind {
    let ErrorKind::Credentials(error) = error.kind else { panic!("{error}") };
    error.kind
}

/// What was asked of the endpoint since the last look, as `AssumeRole 200`.
fn asked(emulator: &Emulator) -> Vec<String> {
    let exchanges = emulator.exchanges();
    emulator.clear_exchanges();
    exchanges
        .iter()
        .map(|exchange| {
            let operation = exchange.operation.as_deref().unwrap_or("?");
            format!("{operation} {}", exchange.status)
        })
        .collect()
}

const PUT: &str = "PutBucketEncryption 200";

/// A clock for both sides, that the test moves.
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

#[tokio::test]
async fn nothing_is_resolved_before_the_first_call() {
    let emulator = start();
    drop(client(&emulator, assume(&emulator, instance(&emulator, None))));
    assert_eq!(asked(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_is_assumed_with_keys() {
    let emulator = start();
    let mut source = assume(&emulator, keys());
    if let CredentialSource::AssumeRole { role, .. } = &mut source {
        let session = role.session.clone();
        role.session = session
            .with_name("pipeline-7")
            .and_then(|session| session.with_duration_seconds(900))
            .and_then(|session| session.with_policy("{\"Version\": \"1\", \"Statement\": []}"))
            .unwrap();
    }
    put(&client(&emulator, source)).await.unwrap();
    let [sts, oss] = &emulator.exchanges()[..] else { panic!() };
    assert_eq!(sts.access_key_id.as_deref(), Some(KEY_ID));
    assert_eq!(sts.method, "POST");
    let parameter = |name: &str| sts.parameters[name].as_str();
    assert_eq!(parameter("RoleArn"), ROLE);
    assert_eq!(parameter("RoleSessionName"), "pipeline-7");
    assert_eq!(parameter("DurationSeconds"), "900");
    assert_eq!(parameter("ExternalId"), "ticket-7");
    assert_eq!(parameter("Policy"), "{\"Version\": \"1\", \"Statement\": []}");
    assert_eq!(oss.access_key_id, sts.issued_access_key_id);
}

#[tokio::test]
async fn roles_are_chained() {
    let emulator = start();
    let source = CredentialSource::AssumeRole {
        base: Box::new(assume(&emulator, instance(&emulator, Some("instance-role")))),
        role: role(SECOND_ROLE),
        sts: defaults(&emulator).sts,
    };
    put(&client(&emulator, source)).await.unwrap();
    assert_eq!(
        asked(&emulator),
        [
            "EcsMetadataToken 200",
            "EcsMetadataCredentials 200",
            "AssumeRole 200",
            "AssumeRole 200",
            PUT
        ]
    );
}

#[tokio::test]
async fn a_role_is_assumed_with_a_token_or_a_file_that_is_read_each_time() {
    let emulator = start();
    put(&client(&emulator, oidc(&emulator, OidcToken::Value(OIDC_TOKEN.into())))).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRoleWithOIDC 200", PUT]);

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, format!("{OIDC_TOKEN}\n")).unwrap();
    let client = client(&emulator, oidc(&emulator, OidcToken::File(path.clone())));
    put(&client).await.unwrap();
    // The pipeline replaces the token, and the session ends.
    std::fs::write(&path, "second.oidc.token").unwrap();
    emulator.set_oidc_token(PROVIDER, "second.oidc.token");
    emulator.expire_sessions();
    put(&client).await.unwrap();
    assert_eq!(
        asked(&emulator),
        ["AssumeRoleWithOIDC 200", PUT, "PutBucketEncryption 403", "AssumeRoleWithOIDC 200", PUT]
    );

    std::fs::remove_file(&path).unwrap();
    emulator.expire_sessions();
    let error = put(&client).await.unwrap_err();
    assert!(!error.may_have_taken_effect);
    assert!(
        matches!(problem(error), CredentialsErrorKind::File { path: missing, .. } if missing == path)
    );
}

#[tokio::test]
async fn an_instance_gives_the_keys_of_its_role() {
    let token = "EcsMetadataToken 200";
    let keys = "EcsMetadataCredentials 200";
    for (mode, name, expected) in [
        (MetadataMode::Any, None, vec![token, "EcsMetadataRole 200", keys, PUT]),
        (MetadataMode::V2Required, Some("instance-role"), vec![token, keys, PUT]),
        (MetadataMode::V1Only, Some("instance-role"), vec!["EcsMetadataToken 404", keys, PUT]),
    ] {
        let emulator = start_with(|config| config.with_metadata_mode(mode));
        put(&client(&emulator, instance(&emulator, name))).await.unwrap();
        assert_eq!(asked(&emulator), expected, "{mode:?}");
    }
}

#[tokio::test]
async fn an_instance_without_version_2_is_refused_where_version_1_is_disabled() {
    let emulator = start_with(|config| config.with_metadata_mode(MetadataMode::V1Only));
    let defaults = SourceDefaults { is_metadata_v1_disabled: true, ..defaults(&emulator) };
    let source = CredentialSource::EcsRole(EcsRole { name: None, defaults });
    let error = put(&client(&emulator, source)).await.unwrap_err();
    assert!(
        matches!(problem(error), CredentialsErrorKind::Service(refusal) if refusal.status == 404)
    );
    assert_eq!(asked(&emulator), ["EcsMetadataToken 404"]);
}

#[tokio::test]
async fn a_name_that_is_no_role_is_not_put_into_a_url() {
    let emulator = start_with(|config| config.with_ecs_role("../../x?y"));
    let error = put(&client(&emulator, instance(&emulator, None))).await.unwrap_err();
    assert!(matches!(problem(error), CredentialsErrorKind::InvalidResponse { .. }));
    assert_eq!(asked(&emulator), ["EcsMetadataToken 200", "EcsMetadataRole 200"]);
}

#[tokio::test]
async fn a_credentials_uri_gives_keys() {
    let emulator = start();
    let uri = CredentialsUri::parse(&emulator.credentials_uri()).unwrap();
    put(&client(&emulator, CredentialSource::CredentialsUri(uri))).await.unwrap();
    assert_eq!(asked(&emulator), ["CredentialsUri 200", PUT]);
}

/// A client with a profile called `x`, of a file that also has one called `base`.
fn profile_client(emulator: &Emulator, directory: &TempDir, profile: &Json) -> Client {
    let path = directory.path().join("config.json");
    let mut named = profile.clone();
    named["name"] = json!("x");
    let base = json!({ "name": "base", "mode": "AK", "access_key_id": KEY_ID,
        "access_key_secret": KEY_SECRET });
    let file = json!({ "current": "base", "profiles": [named, base], "meta_path": "" });
    std::fs::write(&path, file.to_string()).unwrap();
    let name = Some("x".to_owned());
    let profile = Profile { path, name, defaults: defaults(emulator) };
    client(emulator, CredentialSource::Profile(profile))
}

#[tokio::test]
async fn every_mode_of_a_profile_gives_keys() {
    let emulator = start();
    emulator.add_credentials(
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret")
            .with_token("the-token", None),
    );
    let directory = TempDir::new().unwrap();
    let printed = directory.path().join("printed keys.json");
    let printing = json!({ "mode": "StsToken", "access_key_id": "STS.TEST",
        "access_key_secret": "temporary-secret", "sts_token": "the-token" });
    std::fs::write(&printed, printing.to_string()).unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, OIDC_TOKEN).unwrap();
    let keys = json!({ "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET,
        "ram_role_arn": SECOND_ROLE, "ram_session_name": "cli", "source_profile": "base" });
    let with = |mode: &str, more: Json| {
        let mut profile = keys.clone();
        profile["mode"] = json!(mode);
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile
    };
    let instance = ["EcsMetadataToken 200", "EcsMetadataRole 200", "EcsMetadataCredentials 200"];
    for (profile, expected) in [
        (with("AK", json!({})), vec![]),
        (
            with(
                "StsToken",
                json!({ "access_key_id": "STS.TEST",
                "access_key_secret": "temporary-secret", "sts_token": "the-token" }),
            ),
            vec![],
        ),
        (with("RamRoleArn", json!({})), vec!["AssumeRole 200"]),
        (with("EcsRamRole", json!({})), instance.to_vec()),
        (with("RamRoleArnWithRoleName", json!({})), [&instance[..], &["AssumeRole 200"]].concat()),
        (with("ChainableRamRoleArn", json!({})), vec!["AssumeRole 200"]),
        (
            with("OIDC", json!({ "oidc_provider_arn": PROVIDER, "oidc_token_file": token })),
            vec!["AssumeRoleWithOIDC 200"],
        ),
        (
            with("CredentialsURI", json!({ "credentials_uri": emulator.credentials_uri() })),
            vec!["CredentialsUri 200"],
        ),
        (
            with("External", json!({ "process_command": format!("cat '{}'", printed.display()) })),
            vec![],
        ),
    ] {
        put(&profile_client(&emulator, &directory, &profile)).await.unwrap();
        assert_eq!(asked(&emulator), [&expected[..], &[PUT]].concat(), "{}", profile["mode"]);
    }
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_says_why() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    for (profile, expected) in [
        (json!({ "mode": "CloudSSO" }), "has mode CloudSSO, which this provider cannot use"),
        (
            json!({ "mode": "External", "process_command": "false" }),
            "\"false\" failed (exit status: 1)",
        ),
        (
            json!({ "mode": "External", "process_command": "/no/such/program --secret" }),
            "\"/no/such/program\" cannot be run",
        ),
        (
            json!({ "mode": "External", "process_command": "KEY=--secret print-keys" }),
            "\"KEY\" cannot be run",
        ),
        (json!({ "mode": "External", "process_command": "echo 'hello" }), "quotes"),
        (json!({ "mode": "External", "process_command": " # echo" }), "names no program"),
        (json!({ "mode": "External", "process_command": "yes" }), "printed more than 65536 bytes"),
        (
            json!({ "mode": "External", "process_command": "echo hello" }),
            "printed no usable credentials",
        ),
    ] {
        let error = put(&profile_client(&emulator, &directory, &profile)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("profile \"x\" of"), "{error}");
        assert!(!error.to_string().contains("--secret"), "{error}");
    }
    assert_eq!(asked(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_profile_names_the_region_where_nothing_else_does() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let profile = json!({ "mode": "AK", "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET,
        "region_id": "cn-hangzhou" });
    drop(profile_client(&emulator, &directory, &profile));
    let path = directory.path().join("config.json");
    let of = |name: &str| Profile {
        path: path.clone(),
        name: Some(name.to_owned()),
        defaults: defaults(&emulator),
    };
    let with = |name: &str, region: Option<&str>| {
        Client::new(ClientConfig {
            region: region.map(|region| Region::parse(region).unwrap()),
            profile: Some(of(name)),
            ..config(&emulator, CredentialSource::Profile(of(name)))
        })
    };
    put(&with("x", None)).await.unwrap();
    let error = put(&with("x", Some("cn-beijing"))).await.unwrap_err();
    assert_eq!(error.region, "cn-beijing", "an explicit region wins");
    let error = put(&with("base", None)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoRegion);
    let error = put(&with("absent", None)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::RegionFromProfile(_)), "{error}");
    assert!(error.to_string().contains("no profile \"absent\""), "{error}");
}

#[tokio::test]
async fn one_session_serves_many_calls_however_many_wait_for_it() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
    assert_eq!(asked.iter().filter(|call| *call == PUT).count(), 50);
}

#[tokio::test]
async fn those_who_wait_share_a_failure_too() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    let client = client(&emulator, assume(&emulator, keys()));
    for outcome in join_all((0..50).map(|_| put(&client))).await {
        let CredentialsErrorKind::Service(refusal) = problem(outcome.unwrap_err()) else {
            panic!()
        };
        assert_eq!(refusal.code, "NoPermission");
        assert!(refusal.request_id.is_some());
    }
    assert_eq!(asked(&emulator), ["AssumeRole 403"]);
}

#[tokio::test]
async fn a_run_may_last_longer_than_its_sessions() {
    let emulator = start();
    emulator.set_session_seconds(Some(900));
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    for _ in 0..6 {
        put(&client).await.unwrap();
        time.pass(&emulator, 600);
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == PUT).count(), 6);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 3);
    assert_eq!(asked.len(), 9, "no session was used beyond its end: {asked:?}");
}

#[tokio::test]
async fn sessions_are_renewed_before_they_end() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 200", PUT]);
    time.pass(&emulator, 3600 - 310);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT]);
    time.pass(&emulator, 15);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 200", PUT]);
}

#[tokio::test]
async fn nobody_waits_for_a_renewal_while_the_session_still_holds() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    asked(&emulator);
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let renewing = Box::pin(put(&client));
    let other = Box::pin(async {
        while emulator.exchanges().is_empty() {
            tokio::task::yield_now().await;
        }
        put(&client).await.unwrap();
    });
    let first = futures_util::future::select(renewing, other).await;
    assert!(matches!(first, futures_util::future::Either::Right(_)), "the other one went on");
}

#[tokio::test]
async fn a_renewal_that_hangs_costs_one_caller_at_most() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    time.pass(&emulator, 3600 - 200);
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole").forever());
    let bucket = BucketName::parse("demo").unwrap();
    let short = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.get_bucket_encryption(&bucket, &short).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    asked(&emulator);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT], "the session at hand is used");
}

#[tokio::test]
async fn a_session_is_used_to_its_end_when_there_is_no_new_one() {
    let emulator = start();
    let (time, clock) = Time::start();
    let config = ClientConfig { clock, ..config(&emulator, assume(&emulator, keys())) };
    let client = Client::new(config);
    put(&client).await.unwrap();
    let down = || Fault::error_response(403, "NoPermission").operation("AssumeRole").forever();
    emulator.inject(down());
    time.pass(&emulator, 3600 - 200);
    asked(&emulator);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 403", PUT]);
    // The next calls do not all try again.
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), [PUT]);
    time.pass(&emulator, 31);
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 403", PUT]);
    time.pass(&emulator, 200);
    assert!(matches!(problem(put(&client).await.unwrap_err()), CredentialsErrorKind::Service(_)));
    emulator.clear_faults();
    put(&client).await.unwrap();
}

#[tokio::test]
async fn a_session_that_oss_refuses_is_replaced_once() {
    for code in ["SecurityTokenExpired", "InvalidSecurityToken"] {
        let emulator = start();
        let client = client(&emulator, assume(&emulator, keys()));
        put(&client).await.unwrap();
        asked(&emulator);
        emulator.inject(Fault::error_response(403, code));
        put(&client).await.unwrap();
        let refused = "PutBucketEncryption 403";
        assert_eq!(asked(&emulator), [refused, "AssumeRole 200", PUT], "{code}");
        // The new session is refused as well: it is not the session.
        emulator.inject(Fault::error_response(403, code).forever());
        let error = put(&client).await.unwrap_err();
        assert_eq!(error.service_error().unwrap().code, code);
        assert_eq!(asked(&emulator), [refused, "AssumeRole 200", refused], "{code}");
    }
}

#[tokio::test]
async fn many_calls_with_a_refused_session_obtain_one_new_session() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    asked(&emulator);
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        outcome.unwrap();
    }
    let asked = asked(&emulator);
    assert_eq!(asked.iter().filter(|call| *call == "AssumeRole 200").count(), 1);
}

#[tokio::test]
async fn many_calls_with_a_refused_session_share_a_failure_too() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole").forever());
    asked(&emulator);
    // All are refused before the first asks for a new session.
    emulator
        .inject(Fault::delay(Duration::from_millis(20)).operation("PutBucketEncryption").times(20));
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        assert!(matches!(problem(outcome.unwrap_err()), CredentialsErrorKind::Service(_)));
    }
    let asked = asked(&emulator);
    let sessions = asked.iter().filter(|call| *call == "AssumeRole 403").count();
    assert!((1..20).contains(&sessions), "{asked:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_renewed_are_refused_after_one_attempt() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "SecurityTokenExpired"));
    let error = put(&client(&emulator, keys())).await.unwrap_err();
    assert_eq!(error.service_error().unwrap().code, "SecurityTokenExpired");
    assert_eq!(asked(&emulator), ["PutBucketEncryption 403"]);
}

#[tokio::test]
async fn sts_is_asked_again_when_that_may_help() {
    let emulator = start();
    for fault in [
        Fault::error_response(500, "InternalError"),
        Fault::error_response(400, "Throttling.User"),
        Fault::reset_before(),
        Fault::truncate_body(),
    ] {
        emulator.inject(fault.operation("AssumeRole").times(2));
        put(&client(&emulator, assume(&emulator, keys()))).await.unwrap();
        let asked = asked(&emulator);
        assert_eq!(asked.len(), 4, "{asked:?}");
    }
    emulator.inject(Fault::error_response(500, "InternalError").operation("AssumeRole").forever());
    let error = put(&client(&emulator, assume(&emulator, keys()))).await.unwrap_err();
    assert!(!error.may_have_taken_effect, "nothing was sent to OSS");
    assert_eq!(error.attempts, 0);
    assert_eq!(asked(&emulator).len(), 12);
}

#[tokio::test]
async fn sts_is_asked_again_when_it_says() {
    let emulator = start();
    emulator.inject(Fault::error_response(503, "Busy").operation("AssumeRole").retry_after(3600));
    let error = put(&client(&emulator, assume(&emulator, keys()))).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { last: Some(_) }), "{error}");
    assert_eq!(asked(&emulator), ["AssumeRole 503"], "the wait is beyond the deadline");
}

#[tokio::test]
async fn what_is_no_answer_of_the_service_is_told() {
    let emulator = start();
    emulator.inject(
        Fault::raw_response("text/html", "<html>log in: the-secret</html>").operation("AssumeRole"),
    );
    let error = put(&client(&emulator, assume(&emulator, keys()))).await.unwrap_err();
    assert!(error.to_string().contains("gave no usable credentials"), "{error}");
    assert!(!error.to_string().contains("the-secret"), "{error}");
    assert_eq!(asked(&emulator).len(), 1);
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_for_sts_too() {
    let emulator = start();
    emulator.set_clock_offset(7200);
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator), ["AssumeRole 400", "AssumeRole 200", PUT]);
}

#[tokio::test]
async fn a_deadline_while_waiting_for_keys_leaves_no_doubt() {
    let emulator = start();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let client = client(&emulator, assume(&emulator, keys()));
    let bucket = BucketName::parse("demo").unwrap();
    let call = CallOptions::with_timeout(Duration::from_millis(50));
    let error = client.delete_bucket_encryption(&bucket, &call).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    assert!(error.to_string().contains("had not answered yet"), "{error}");
    assert!(!error.may_have_taken_effect);
    // And the next call is not held up by the one that was given up.
    put(&client).await.unwrap();
}

#[tokio::test]
async fn a_deadline_while_waiting_for_other_keys_leaves_no_doubt() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("AssumeRole"));
    let bucket = BucketName::parse("demo").unwrap();
    let call = CallOptions::with_timeout(Duration::from_millis(500));
    let error = client.delete_bucket_encryption(&bucket, &call).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    assert!(error.to_string().contains("had not answered yet"), "{error}");
    assert!(error.affects_all_buckets());
    assert!(!error.may_have_taken_effect);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again() {
    let emulator = start();
    let client = client(&emulator, assume(&emulator, keys()));
    put(&client).await.unwrap();
    emulator.expire_sessions();
    asked(&emulator);
    emulator.inject(Fault::error_response(500, "InternalError").operation("AssumeRole").times(2));
    put(&client).await.unwrap();
    let failed = "AssumeRole 500";
    assert_eq!(
        asked(&emulator),
        ["PutBucketEncryption 403", failed, failed, "AssumeRole 200", PUT]
    );
}

#[tokio::test]
async fn refreshes_do_not_count_as_attempts() {
    let emulator = start();
    emulator.set_clock_offset(7200);
    let config = config(&emulator, assume(&emulator, keys()));
    let retry = config.retry.with_max_retries(1);
    let client = Client::new(ClientConfig { retry, ..config });
    // The clock is mended, and one retry is left for what fails after that.
    emulator.inject(Fault::error_response(500, "InternalError"));
    put(&client).await.unwrap();
    let second = "PutBucketEncryption 500";
    asked(&emulator);
    emulator.inject(Fault::error_response(403, "SecurityTokenExpired"));
    emulator.inject(Fault::error_response(500, "InternalError"));
    put(&client).await.unwrap();
    let refused = "PutBucketEncryption 403";
    assert_eq!(asked(&emulator), [refused, "AssumeRole 200", second, PUT]);
}

#[tokio::test]
async fn keys_that_have_no_successor_are_not_sent_again() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let temporary = |token: &str| {
        json!({ "mode": "StsToken", "access_key_id": "STS.TEST",
            "access_key_secret": "temporary-secret", "sts_token": token })
    };
    let known = |token: &str| {
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret").with_token(token, None)
    };
    emulator.add_credentials(known("first"));
    let client = profile_client(&emulator, &directory, &temporary("first"));
    put(&client).await.unwrap();
    emulator.add_credentials(known("second"));
    asked(&emulator);
    let refused = "PutBucketEncryption 403";
    for outcome in join_all((0..10).map(|_| put(&client))).await {
        assert_eq!(outcome.unwrap_err().service_error().unwrap().code, "InvalidSecurityToken");
    }
    assert_eq!(asked(&emulator), [refused; 10]);
    // The file is read again: someone may have logged in meanwhile.
    drop(profile_client(&emulator, &directory, &temporary("second")));
    put(&client).await.unwrap();
    assert_eq!(asked(&emulator).last().unwrap(), PUT);

    emulator.inject(Fault::error_response(403, "SecurityTokenExpired").forever());
    let client = self::client(&emulator, keys());
    for outcome in join_all((0..10).map(|_| put(&client))).await {
        outcome.unwrap_err();
    }
    assert_eq!(asked(&emulator), [refused; 10]);
}

#[tokio::test]
async fn keys_that_are_expired_when_they_come_are_asked_for_once_by_all() {
    let emulator = start();
    emulator.set_session_seconds(Some(0));
    let client = client(&emulator, assume(&emulator, keys()));
    // What failed before is forgotten.
    emulator.inject(Fault::error_response(403, "NoPermission").operation("AssumeRole"));
    put(&client).await.unwrap_err();
    for outcome in join_all((0..20).map(|_| put(&client))).await {
        assert_eq!(outcome.unwrap_err().service_error().unwrap().code, "SecurityTokenExpired");
    }
    let asked = asked(&emulator);
    let sessions = asked.iter().filter(|call| *call == "AssumeRole 200").count();
    assert!((2..20).contains(&sessions), "{asked:?}");
}

#[tokio::test]
async fn version_1_serves_where_the_request_for_a_token_breaks() {
    let emulator = start();
    emulator.inject(Fault::reset_before().operation("EcsMetadataToken").forever());
    put(&client(&emulator, instance(&emulator, Some("instance-role")))).await.unwrap();
    assert_eq!(asked(&emulator)[1..], ["EcsMetadataCredentials 200", PUT]);

    let defaults = SourceDefaults { is_metadata_v1_disabled: true, ..defaults(&emulator) };
    let source =
        CredentialSource::EcsRole(EcsRole { name: Some("instance-role".to_owned()), defaults });
    let error = put(&client(&emulator, source)).await.unwrap_err();
    assert!(matches!(problem(error), CredentialsErrorKind::Transport { .. }));
    assert!(asked(&emulator).iter().all(|call| call.starts_with("EcsMetadataToken")));
}

#[tokio::test]
async fn version_1_serves_where_the_request_for_a_token_is_not_answered() {
    let emulator = start();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("EcsMetadataToken").forever());
    let source = instance(&emulator, Some("instance-role"));
    let read_timeout = Duration::from_millis(500);
    let config = ClientConfig { read_timeout, ..config(&emulator, source) };
    put(&Client::new(config)).await.unwrap();
    assert_eq!(asked(&emulator)[1..], ["EcsMetadataCredentials 200", PUT]);
}

/// Off an instance nobody answers at the address of the service, not even with a refusal. That is no
/// silence of somebody who is there: it is given up after few attempts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn metadata_lookup_fails_fast_off_ecs() {
    let deaf = super::support::UnresponsiveListener::start().await;
    let emulator = start();
    let metadata = CredentialsUri::parse(&format!("http://{}", deaf.address));
    let defaults = SourceDefaults { metadata, ..defaults(&emulator) };
    let source =
        CredentialSource::EcsRole(EcsRole { name: Some("instance-role".to_owned()), defaults });
    let config = config(&emulator, source);
    let retry = config.retry.with_max_retries(0);
    let error = put(&Client::new(ClientConfig { retry, ..config })).await.unwrap_err();
    let CredentialsErrorKind::Transport { error, .. } = problem(error) else { panic!() };
    assert!(matches!(error, TransportError::Connect(_)), "{error}");
}

/// A server that answers one request after the other with these bodies; it returns what was asked.
async fn saying(bodies: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for body in bodies {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut request).await.unwrap() > 0);
            }
            asked.push(request);
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n");
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        asked
    });
    (url, served)
}

#[tokio::test]
async fn what_the_metadata_service_says_may_end_in_a_line_break() {
    let emulator = start();
    emulator.add_credentials(
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret")
            .with_token("the-token", None),
    );
    let keys = json!({ "Code": "Success", "AccessKeyId": "STS.TEST",
        "AccessKeySecret": "temporary-secret", "SecurityToken": "the-token",
        "Expiration": "2100-01-31T12:00:00Z" });
    let (url, served) =
        saying(vec!["t0ken\n".to_owned(), "some-role\r\n".to_owned(), format!("{keys}\n")]).await;
    let defaults = SourceDefaults { metadata: CredentialsUri::parse(&url), ..defaults(&emulator) };
    let source = CredentialSource::EcsRole(EcsRole { name: None, defaults });
    put(&client(&emulator, source)).await.unwrap();
    let [token, role, keys] = &served.await.unwrap()[..] else { panic!() };
    assert!(token.starts_with("PUT /latest/api/token "), "{token}");
    assert!(role.starts_with("GET /latest/meta-data/ram/security-credentials/ "), "{role}");
    assert!(
        keys.starts_with("GET /latest/meta-data/ram/security-credentials/some-role "),
        "{keys}"
    );
    for request in [role, keys] {
        assert!(request.contains("x-aliyun-ecs-metadata-token: t0ken\r\n"), "{request}");
    }
}

#[tokio::test]
async fn files_that_hold_no_token_say_why() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("token");
    let large = vec![b'x'; 1024 * 1024 + 1];
    for (content, expected) in [
        (&b" \n"[..], "cannot be read: it is empty"),
        (b"\xff", "cannot be read: it is not text"),
        (&large, "cannot be read: it is larger than 1048576 bytes"),
    ] {
        std::fs::write(&path, content).unwrap();
        let client = client(&emulator, oidc(&emulator, OidcToken::File(path.clone())));
        let error = put(&client).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(asked(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_credentials_uri_may_refuse() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "Forbidden").operation("CredentialsUri"));
    let uri = CredentialsUri::parse(&emulator.credentials_uri()).unwrap();
    let error = put(&client(&emulator, CredentialSource::CredentialsUri(uri))).await.unwrap_err();
    assert!(
        matches!(problem(error), CredentialsErrorKind::Service(refusal) if refusal.status == 403)
    );
}

/// What a program leaves behind may keep its output open for as long as it likes.
#[cfg(unix)]
#[tokio::test]
async fn a_process_is_done_when_it_ends() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let printed = directory.path().join("keys.json");
    let keys = json!({ "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET });
    std::fs::write(&printed, keys.to_string()).unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It waits for somebody to open the other end of the pipe.
    let command = format!("sh -c 'cat <{} & cat {}'", pipe.display(), printed.display());
    let profile = json!({ "mode": "External", "process_command": command });
    put(&profile_client(&emulator, &directory, &profile)).await.unwrap();
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
}
