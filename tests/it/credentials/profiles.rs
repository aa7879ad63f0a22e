//! Profiles of the Alibaba Cloud CLI.

use oss_emulator::{Emulator, Fault};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use terraform_provider_oss::oss::credentials::{CredentialSource, Profile};
use terraform_provider_oss::oss::{Client, ClientConfig, ErrorKind, Region};

use super::{
    OIDC_TOKEN, PROVIDER, PUT, SECOND_ROLE, client, config, defaults, put, requests, start,
};
use crate::support::{KEY_ID, KEY_SECRET};

/// A client with a profile called `x`, of a file that also has one called `base`.
pub(super) fn profile_client(emulator: &Emulator, directory: &TempDir, profile: &Json) -> Client {
    let path = directory.path().join("config.json");
    let mut named = profile.clone();
    named["name"] = json!("x");
    let base = json!({ "name": "base", "mode": "AK", "access_key_id": KEY_ID,
        "access_key_secret": KEY_SECRET });
    let file = json!({ "current": "base", "profiles": [named, base], "meta_path": "" });
    std::fs::write(&path, file.to_string()).unwrap();
    let name = Some("x".to_owned());
    let profile = Profile { path, name, defaults: defaults(emulator), last_resort: None };
    client(emulator, CredentialSource::Profile(profile))
}

#[tokio::test]
async fn every_mode_of_a_profile_returns_credentials() {
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
        assert_eq!(requests(&emulator), [&expected[..], &[PUT]].concat(), "{}", profile["mode"]);
    }
}

#[tokio::test]
async fn the_error_describes_an_unusable_profile() {
    let emulator = start();
    let directory = TempDir::new().unwrap();
    for (profile, expected) in [
        (json!({ "mode": "RsaKeyPair" }), "has mode RsaKeyPair, which this provider cannot use"),
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
        (json!({ "mode": "External", "process_command": "echo 'hello" }), "quotation mark"),
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
    assert_eq!(requests(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn the_region_of_a_profile_is_used_if_no_other_is_configured() {
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
        last_resort: None,
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
    assert!(error.to_string().contains("profile \"absent\" not found"), "{error}");
}

#[tokio::test]
async fn the_current_profile_is_chosen_once() {
    let emulator = start();
    let session = |id: &str, profile: &str| {
        emulator.add_credentials(
            oss_emulator::Credentials::new(id, "temporary-secret").with_token("the-token", None),
        );
        json!({ "name": profile, "mode": "StsToken", "access_key_id": id,
            "access_key_secret": "temporary-secret", "sts_token": "the-token" })
    };
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.json");
    let write = |current: &str, profiles: &[Json]| {
        let file = json!({ "current": current, "profiles": profiles });
        std::fs::write(&path, file.to_string()).unwrap();
    };
    let other = session("STS.OTHER", "other");
    write("ci", &[session("STS.FIRST", "ci"), other.clone()]);
    let profile = Profile {
        path: path.clone(),
        name: None,
        defaults: defaults(&emulator),
        last_resort: None,
    };
    let client = client(&emulator, CredentialSource::Profile(profile));
    put(&client).await.unwrap();
    // Another account becomes the current one, and the first one gets a new session.
    write("other", &[session("STS.SECOND", "ci"), other.clone()]);
    emulator.inject(Fault::expired_token());
    put(&client).await.unwrap();
    let records = emulator.requests();
    let used: Vec<&str> =
        records.iter().filter_map(|record| record.access_key_id.as_deref()).collect();
    assert_eq!(used, ["STS.FIRST", "STS.FIRST", "STS.SECOND"]);
    // The profile is removed.
    write("other", &[other]);
    emulator.inject(Fault::expired_token());
    let error = put(&client).await.unwrap_err();
    assert!(error.to_string().contains("\"ci\""), "{error}");
}
