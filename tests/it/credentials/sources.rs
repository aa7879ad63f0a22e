//! Each credential source but profiles.

use std::time::Duration;

use oss_emulator::{Fault, MetadataMode};
use serde_json::json;
use tempfile::TempDir;
use terraform_provider_oss::oss::credentials::{
    CredentialSource, CredentialsErrorKind, CredentialsUri, EcsRole, OidcToken, SourceDefaults,
};
use terraform_provider_oss::oss::{Client, ClientConfig, TransportError};

use super::profiles::profile_client;
use super::{
    OIDC_TOKEN, PROVIDER, PUT, ROLE, SECOND_ROLE, assume, client, config, credentials_error,
    defaults, instance, oidc, put, requests, role, start, start_with, static_credentials,
};
use crate::support::{KEY_ID, KEY_SECRET};

#[tokio::test]
async fn nothing_is_resolved_before_the_first_call() {
    let emulator = start();
    drop(client(&emulator, assume(&emulator, instance(&emulator, None))));
    assert_eq!(requests(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_is_assumed_with_static_credentials() {
    let emulator = start();
    let mut source = assume(&emulator, static_credentials());
    if let CredentialSource::AssumeRole { role, .. } = &mut source {
        let session = role.session.clone();
        role.session = session
            .with_name("pipeline-7")
            .and_then(|session| session.with_duration_seconds(900))
            .and_then(|session| session.with_policy("{\"Version\": \"1\", \"Statement\": []}"))
            .unwrap();
    }
    put(&client(&emulator, source)).await.unwrap();
    let [sts, oss] = &emulator.requests()[..] else { panic!() };
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
        requests(&emulator),
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
    assert_eq!(requests(&emulator), ["AssumeRoleWithOIDC 200", PUT]);

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
        requests(&emulator),
        ["AssumeRoleWithOIDC 200", PUT, "PutBucketEncryption 403", "AssumeRoleWithOIDC 200", PUT]
    );

    std::fs::remove_file(&path).unwrap();
    emulator.expire_sessions();
    let error = put(&client).await.unwrap_err();
    assert!(!error.may_have_taken_effect);
    assert!(
        matches!(credentials_error(error), CredentialsErrorKind::File { path: missing, .. } if missing == path)
    );
}

#[tokio::test]
async fn the_metadata_service_returns_the_credentials_of_the_role() {
    let token = "EcsMetadataToken 200";
    let keys = "EcsMetadataCredentials 200";
    for (mode, name, expected) in [
        (MetadataMode::Any, None, vec![token, "EcsMetadataRole 200", keys, PUT]),
        (MetadataMode::V2Required, Some("instance-role"), vec![token, keys, PUT]),
        (MetadataMode::V1Only, Some("instance-role"), vec!["EcsMetadataToken 404", keys, PUT]),
    ] {
        let emulator = start_with(|config| config.with_metadata_mode(mode));
        put(&client(&emulator, instance(&emulator, name))).await.unwrap();
        assert_eq!(requests(&emulator), expected, "{mode:?}");
    }
}

#[tokio::test]
async fn an_instance_without_version_2_is_rejected_if_version_1_is_disabled() {
    let emulator = start_with(|config| config.with_metadata_mode(MetadataMode::V1Only));
    let defaults = SourceDefaults { is_metadata_v1_disabled: true, ..defaults(&emulator) };
    let source = CredentialSource::EcsRole(EcsRole { name: None, defaults });
    let error = put(&client(&emulator, source)).await.unwrap_err();
    assert!(
        matches!(credentials_error(error), CredentialsErrorKind::Service(error) if error.status == 404)
    );
    assert_eq!(requests(&emulator), ["EcsMetadataToken 404"]);
}

#[tokio::test]
async fn a_name_that_is_no_role_is_not_put_into_a_url() {
    let emulator = start_with(|config| config.with_ecs_role("../../x?y"));
    let error = put(&client(&emulator, instance(&emulator, None))).await.unwrap_err();
    assert!(matches!(credentials_error(error), CredentialsErrorKind::InvalidResponse { .. }));
    let role = "EcsMetadataRole 200";
    assert_eq!(requests(&emulator), ["EcsMetadataToken 200", role, role]);
}

#[tokio::test]
async fn version_1_is_used_after_any_failure_of_version_2() {
    let token = "EcsMetadataToken";
    for fault in [
        Fault::error_response(500, "InternalError").operation(token),
        Fault::raw_response("text/html", "<html>a portal</html>").status(200).operation(token),
        Fault::error_response(500, "InternalError").operation("EcsMetadataCredentials"),
        Fault::raw_response("text/html", "<html>").status(200).operation("EcsMetadataCredentials"),
    ] {
        let emulator = start();
        emulator.inject(fault);
        put(&client(&emulator, instance(&emulator, Some("instance-role")))).await.unwrap();
        let requests = requests(&emulator);
        assert_eq!(
            requests[requests.len() - 2..],
            ["EcsMetadataCredentials 200", PUT],
            "{requests:?}"
        );
        assert_eq!(
            requests.iter().filter(|call| call.starts_with(token)).count(),
            1,
            "{requests:?}"
        );
    }
}

#[tokio::test]
async fn a_credentials_uri_returns_credentials() {
    let emulator = start();
    let uri = CredentialsUri::parse(&emulator.credentials_uri()).unwrap();
    put(&client(&emulator, CredentialSource::CredentialsUri(uri))).await.unwrap();
    assert_eq!(requests(&emulator), ["CredentialsUri 200", PUT]);
}

#[tokio::test]
async fn version_1_is_used_if_the_request_for_a_token_is_interrupted() {
    let emulator = start();
    emulator.inject(Fault::reset_before().operation("EcsMetadataToken").forever());
    put(&client(&emulator, instance(&emulator, Some("instance-role")))).await.unwrap();
    assert_eq!(requests(&emulator)[1..], ["EcsMetadataCredentials 200", PUT]);

    let defaults = SourceDefaults { is_metadata_v1_disabled: true, ..defaults(&emulator) };
    let source =
        CredentialSource::EcsRole(EcsRole { name: Some("instance-role".to_owned()), defaults });
    let error = put(&client(&emulator, source)).await.unwrap_err();
    assert!(matches!(credentials_error(error), CredentialsErrorKind::Transport { .. }));
    assert!(requests(&emulator).iter().all(|call| call.starts_with("EcsMetadataToken")));
}

#[tokio::test]
async fn version_1_is_used_if_the_request_for_a_token_gets_no_response() {
    let emulator = start();
    emulator.inject(Fault::delay(Duration::from_mins(5)).operation("EcsMetadataToken").forever());
    let source = instance(&emulator, Some("instance-role"));
    let read_timeout = Duration::from_millis(500);
    let config = ClientConfig { read_timeout, ..config(&emulator, source) };
    put(&Client::new(config)).await.unwrap();
    assert_eq!(requests(&emulator)[1..], ["EcsMetadataCredentials 200", PUT]);
}

/// Outside an instance, packets to the address of the service are dropped: connections time out. Few attempts
/// are made, unlike for a server that is slow to respond.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn metadata_lookup_fails_fast_off_ecs() {
    let deaf = crate::support::UnresponsiveListener::start().await;
    let emulator = start();
    let metadata = CredentialsUri::parse(&format!("http://{}", deaf.address));
    let defaults = SourceDefaults { metadata, ..defaults(&emulator) };
    let source =
        CredentialSource::EcsRole(EcsRole { name: Some("instance-role".to_owned()), defaults });
    let config = config(&emulator, source);
    let retry = config.retry.with_max_retries(0);
    let error = put(&Client::new(ClientConfig { retry, ..config })).await.unwrap_err();
    let CredentialsErrorKind::Transport { error, .. } = credentials_error(error) else { panic!() };
    assert!(matches!(error, TransportError::Connect(_)), "{error}");
}

/// A server that responds to one request after the other with these bodies, and returns the requests.
async fn responding_with(bodies: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for body in bodies {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut request).await.unwrap() > 0);
            }
            requests.push(request);
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n");
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        requests
    });
    (url, served)
}

#[tokio::test]
async fn responses_of_the_metadata_service_may_end_with_a_line_break() {
    let emulator = start();
    emulator.add_credentials(
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret")
            .with_token("the-token", None),
    );
    let keys = json!({ "Code": "Success", "AccessKeyId": "STS.TEST",
        "AccessKeySecret": "temporary-secret", "SecurityToken": "the-token",
        "Expiration": "2100-01-31T12:00:00Z" });
    let (url, served) = responding_with(vec![
        "t0ken\n".to_owned(),
        "some-role\r\n".to_owned(),
        format!("{keys}\n"),
    ])
    .await;
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
async fn the_error_describes_an_unusable_token_file() {
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
    assert_eq!(requests(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_response_of_a_credentials_uri_is_reported() {
    let emulator = start();
    emulator.inject(Fault::error_response(403, "Forbidden").operation("CredentialsUri"));
    let uri = CredentialsUri::parse(&emulator.credentials_uri()).unwrap();
    let error = put(&client(&emulator, CredentialSource::CredentialsUri(uri))).await.unwrap_err();
    assert!(
        matches!(credentials_error(error), CredentialsErrorKind::Service(error) if error.status == 403)
    );
}

/// A process that a program leaves behind may keep its output open.
#[cfg(unix)]
#[tokio::test]
async fn output_is_complete_when_the_program_ends() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    let printed = directory.path().join("keys.json");
    let keys = json!({ "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET });
    std::fs::write(&printed, keys.to_string()).unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It blocks until the other end of the pipe is opened.
    let command = format!("sh -c 'cat <{} & cat {}'", pipe.display(), printed.display());
    let profile = json!({ "mode": "External", "process_command": command });
    put(&profile_client(&emulator, &directory, &profile)).await.unwrap();
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
}
