//! Profiles of each mode, and what is wrong with others.

use std::path::Path;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::oss::Endpoint;
use crate::oss::credentials::{CredentialsUri, EcsRole, OidcToken};

fn file(profiles: &Value) -> ProfileFile {
    let text = json!({ "current": "default", "profiles": profiles, "meta_path": "" });
    ProfileFile::parse(text.to_string().as_bytes(), None).unwrap()
}

/// The source of profile `x`, which has these keys.
fn source(profile: Value) -> Result<CredentialSource, ProfileError> {
    let mut profile = profile;
    profile["name"] = json!("x");
    file(&json!([profile])).source(Some("x"), &SourceDefaults::default())
}

fn error(profile: Value) -> String {
    source(profile).expect_err("a profile that cannot be used").to_string()
}

fn role_profile(mode: &str) -> Value {
    json!({
        "mode": mode,
        "access_key_id": "id",
        "access_key_secret": "secret",
        "ram_role_name": "ecs",
        "ram_role_arn": "acs:ram::1:role/r",
        "ram_session_name": "session",
        "expired_seconds": 900,
        "external_id": "ext",
        "region_id": "cn-hangzhou",
    })
}

#[test]
fn key_pairs_with_and_without_a_token() {
    let keys = json!({ "mode": "AK", "access_key_id": "id", "access_key_secret": "secret",
        "sts_token": "ignored" });
    let Ok(CredentialSource::Static { credentials, origin }) = source(keys.clone()) else {
        panic!()
    };
    assert_eq!((credentials.access_key_id.as_str(), origin.as_str()), ("id", "profile \"x\""));
    assert!(credentials.security_token.is_none());

    let mut temporary = keys;
    temporary["mode"] = json!("ststoken");
    temporary["sts_token"] = json!("token");
    let Ok(CredentialSource::Static { credentials, .. }) = source(temporary) else { panic!() };
    assert_eq!(credentials.security_token.unwrap().expose_secret(), "token");
}

#[test]
fn a_profile_without_a_mode_is_recognized_by_its_keys() {
    let keys = json!({ "access_key_id": "id", "access_key_secret": "secret" });
    let word = |source: &CredentialSource| match source {
        CredentialSource::Static { credentials, .. } => {
            if credentials.security_token.is_some() { "session" } else { "keys" }.to_owned()
        }
        CredentialSource::EcsRole(_) => "instance".to_owned(),
        CredentialSource::AssumeRoleWithOidc(_) => "oidc".to_owned(),
        other => other.origin(),
    };
    let role = "role acs:ram::1:role/r, assumed with credentials from ";
    let arn = ("ram_role_arn", "acs:ram::1:role/r");
    for (has_keys, more, expected) in [
        (true, vec![], "keys".to_owned()),
        (true, vec![("sts_token", "t")], "session".to_owned()),
        (true, vec![arn], format!("{role}profile \"x\"")),
        (true, vec![arn, ("sts_token", "t")], format!("{role}profile \"x\"")),
        (false, vec![("ram_role_name", "r")], "instance".to_owned()),
        (
            false,
            vec![("ram_role_name", "r"), arn],
            format!("{role}role \"r\" of this ECS instance"),
        ),
        (false, vec![("process_command", "x")], "its external process".to_owned()),
        (
            false,
            vec![
                ("oidc_provider_arn", "acs:ram::1:oidc-provider/p"),
                ("oidc_token_file", "/t"),
                arn,
            ],
            "oidc".to_owned(),
        ),
        (
            false,
            vec![("credentials_uri", "http://127.0.0.1:1/x")],
            "the credentials URI at 127.0.0.1:1".to_owned(),
        ),
    ] {
        let mut profile = if has_keys { keys.clone() } else { json!({}) };
        for (key, value) in more {
            profile[key] = json!(value);
        }
        let found = source(profile.clone()).map(|source| word(&source));
        assert_eq!(found.unwrap(), expected, "{profile}");
    }
    assert!(error(json!({ "ram_role_arn": "acs:ram::1:role/r" })).contains("has mode RamRoleArn"));
}

#[test]
fn a_line_break_in_a_key_is_named() {
    for (key, mode) in [("access_key_secret", "AK"), ("sts_token", "StsToken")] {
        let mut profile = json!({ "mode": mode, "access_key_id": "id", "access_key_secret": "secret",
            "sts_token": "token" });
        profile[key] = json!("TOPSECRET\n");
        let expected =
            format!("`{key}` of profile \"x\" must not contain whitespace or a line break");
        assert_eq!(error(profile), expected);
    }
}

#[test]
fn programs_and_uris_can_be_disabled() {
    let mut profile = json!({ "name": "x", "mode": "External", "process_command": "x",
        "credentials_uri": "http://127.0.0.1:1/x" });
    let defaults =
        SourceDefaults { are_external_sources_disabled: true, ..SourceDefaults::default() };
    for mode in ["External", "CredentialsURI"] {
        profile["mode"] = json!(mode);
        let error = file(&json!([profile])).source(Some("x"), &defaults).unwrap_err();
        assert!(error.to_string().contains("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS"), "{error}");
    }
}

#[test]
fn an_empty_credentials_uri_is_that_of_the_environment() {
    let uri = CredentialsUri::parse("http://127.0.0.1:1/x");
    let defaults = SourceDefaults { credentials_uri: uri, ..SourceDefaults::default() };
    let profile = json!({ "name": "x", "mode": "CredentialsURI", "credentials_uri": "" });
    let source = file(&json!([profile.clone()])).source(Some("x"), &defaults).unwrap();
    assert_eq!(source.origin(), "the credentials URI at 127.0.0.1:1");
    assert!(error(profile).contains("needs `credentials_uri`"));
}

#[test]
fn roles_are_assumed_with_any_base_credentials() {
    let Ok(CredentialSource::AssumeRole { base, role, sts }) = source(role_profile("RamRoleArn"))
    else {
        panic!()
    };
    assert!(matches!(*base, CredentialSource::Static { .. }));
    assert_eq!(
        (role.arn.as_str(), role.session.name.as_str(), role.session.duration_seconds),
        ("acs:ram::1:role/r", "session", 900)
    );
    assert_eq!(role.session.external_id.as_deref(), Some("ext"));
    // Where nothing was chosen the CLI writes 0.
    let mut unchosen = role_profile("RamRoleArn");
    unchosen["expired_seconds"] = json!(0);
    assert!(matches!(
        source(unchosen),
        Ok(CredentialSource::AssumeRole { role, .. }) if role.session.duration_seconds == 3600
    ));
    assert_eq!(sts.resolve_endpoint().to_string(), "https://sts.cn-hangzhou.aliyuncs.com");

    let Ok(CredentialSource::AssumeRole { base, .. }) =
        source(role_profile("RamRoleArnWithRoleName"))
    else {
        panic!()
    };
    assert!(
        matches!(*base, CredentialSource::EcsRole(EcsRole { name: Some(name), .. }) if name == "ecs")
    );

    let mut chained = role_profile("ChainableRamRoleArn");
    chained["name"] = json!("top");
    chained["source_profile"] = json!("base");
    chained["sts_region"] = json!("cn-beijing");
    chained["enable_vpc"] = json!(true);
    let mut base = role_profile("EcsRamRole");
    base["name"] = json!("base");
    let file = file(&json!([chained, base]));
    let Ok(CredentialSource::AssumeRole { base, sts, .. }) =
        file.source(Some("top"), &SourceDefaults::default())
    else {
        panic!()
    };
    assert!(matches!(*base, CredentialSource::EcsRole(_)));
    assert_eq!(sts.resolve_endpoint().to_string(), "https://sts-vpc.cn-beijing.aliyuncs.com");
    assert_eq!(file.region(Some("top")).unwrap().unwrap().as_str(), "cn-hangzhou");
}

#[test]
fn tokens_uris_and_processes() {
    let mut oidc = role_profile("OIDC");
    oidc["oidc_provider_arn"] = json!("acs:ram::1:oidc-provider/gh");
    oidc["oidc_token_file"] = json!("/var/run/token");
    let Ok(CredentialSource::AssumeRoleWithOidc(in_pod)) = source(oidc.clone()) else { panic!() };
    assert!(matches!(&in_pod.token, OidcToken::File(path) if path == Path::new("/var/run/token")));
    oidc["oidc_token_file"] = json!("~/token");
    oidc["name"] = json!("x");
    let defaults = SourceDefaults { home: Some("/home/me".into()), ..SourceDefaults::default() };
    let Ok(CredentialSource::AssumeRoleWithOidc(at_home)) =
        file(&json!([oidc])).source(Some("x"), &defaults)
    else {
        panic!()
    };
    assert!(matches!(&at_home.token, OidcToken::File(path) if path == Path::new("/home/me/token")));

    let uri = json!({ "mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:1/x" });
    assert!(
        matches!(source(uri), Ok(CredentialSource::CredentialsUri(uri)) if uri.host() == "127.0.0.1:1")
    );
    let process = json!({ "mode": "External", "process_command": "print-keys --all" });
    assert!(
        matches!(source(process), Ok(CredentialSource::Process(line)) if line.expose_secret() == "print-keys --all")
    );
}

#[test]
fn the_current_profile_is_taken_when_none_is_named() {
    let keys = json!({ "name": "default", "access_key_id": "id", "access_key_secret": "s" });
    let Ok(CredentialSource::Static { origin, .. }) =
        file(&json!([keys])).source(None, &SourceDefaults::default())
    else {
        panic!()
    };
    assert_eq!(origin, "profile \"default\"");
    let nameless = ProfileFile::parse(b"{\"profiles\":[]}", None).unwrap();
    assert_eq!(
        nameless.source(None, &SourceDefaults::default()).err(),
        Some(ProfileError::NoCurrent)
    );
}

#[test]
fn the_error_describes_an_invalid_profile() {
    for (profile, expected) in [
        (
            json!({ "mode": "AK", "access_key_id": "id" }),
            "has mode AK, which needs `access_key_secret`",
        ),
        (json!({ "mode": "OIDC" }), "has mode OIDC, which needs `oidc_provider_arn`"),
        (
            json!({ "oidc_token_file": "/t", "ram_role_arn": "acs:ram::1:role/r" }),
            "has mode OIDC, which needs `oidc_provider_arn`",
        ),
        (json!({ "access_key_id": "id" }), "has mode AK, which needs `access_key_secret`"),
        (json!({ "region_id": "cn-hangzhou" }), "has no credentials: it has neither a `mode` nor"),
        (
            json!({ "private_key": "/x", "key_pair_name": "x" }),
            "has mode RsaKeyPair, which this provider cannot use",
        ),
        (json!({ "bearer_token": "x" }), "has mode BearerToken, which this provider cannot use"),
        (json!({ "mode": "A\nB\u{1b}" }), "has mode AB, which this provider cannot use"),
        (json!({ "mode": "External" }), "has mode External, which needs `process_command`"),
        (json!({ "mode": "ChainableRamRoleArn" }), "needs `source_profile`"),
        (
            json!({ "mode": "CredentialsURI", "credentials_uri": "nothing" }),
            "`credentials_uri` of profile \"x\" must be an http or https URL",
        ),
    ] {
        let error = error(profile);
        assert!(error.contains(expected), "{error}");
    }
    for mode in ["RsaKeyPair", "BearerToken", "Anonymous", "New"] {
        let error = error(json!({ "mode": mode }));
        assert!(
            error.contains(&format!("has mode {mode}, which this provider cannot use. Use ")),
            "{error}"
        );
    }
    let mut role = role_profile("RamRoleArn");
    role["ram_role_arn"] = json!("deploy");
    assert!(error(role).contains("`ram_role_arn` of profile \"x\" must have the form"));
}

#[test]
fn a_current_profile_without_credentials_is_not_used_unless_named() {
    for (profile, expected) in [
        (json!({ "mode": "AK", "access_key_id": "", "region_id": "" }), false),
        (json!({ "mode": "", "access_key_id": null }), false),
        (json!({}), false),
        (json!({ "mode": "AK", "access_key_id": "id" }), true),
        (json!({ "mode": "EcsRamRole" }), true),
        (json!({ "mode": "External" }), true),
        (json!({ "process_command": "x" }), true),
        (json!({ "bearer_token": "x" }), true),
    ] {
        let mut profile = profile;
        profile["name"] = json!("default");
        assert_eq!(file(&json!([profile])).has_current(), expected, "{profile}");
    }
    let other = json!({ "name": "other" });
    assert!(file(&json!([other])).has_current(), "the error names the missing profile");
}

#[test]
fn cycles_and_unknown_names_are_reported() {
    let chained = |name: &str, source: &str| {
        json!({ "name": name, "mode": "ChainableRamRoleArn", "source_profile": source,
            "ram_role_arn": "acs:ram::1:role/r" })
    };
    let file = file(&json!([chained("a", "b"), chained("b", "a"), chained("c", "d")]));
    let error =
        |name: &str| file.source(Some(name), &SourceDefaults::default()).unwrap_err().to_string();
    assert!(error("a").ends_with("in a cycle: a → b → a"), "{}", error("a"));
    let expected =
        "`source_profile` of profile \"c\" must name a profile of the file, which has no \"d\"";
    assert_eq!(error("c"), expected);
}

#[test]
fn unused_profiles_are_not_validated() {
    let keys = json!({ "name": "x", "access_key_id": "id", "access_key_secret": "s",
        "expired_seconds": "not needed" });
    let odd = json!({ "name": 7, "mode": [], "expired_seconds": -1 });
    let file = file(&json!([odd, "nothing", null, keys]));
    assert!(file.source(Some("x"), &SourceDefaults::default()).is_ok());
    assert_eq!(
        file.source(Some("y"), &SourceDefaults::default()).unwrap_err().to_string(),
        "profile \"y\" not found; available profiles: x"
    );
    let none = ProfileFile::parse(b"{\"current\":\"x\",\"profiles\":null}", None).unwrap();
    assert_eq!(
        none.source(None, &SourceDefaults::default()).unwrap_err().to_string(),
        "profile \"x\" not found; available profiles: none"
    );
    assert!(ProfileFile::parse(b"{\"profiles\":{}}", None).is_err());
}

#[test]
fn long_chains_end() {
    let chained = |number: usize| {
        json!({ "name": format!("p{number}"), "mode": "ChainableRamRoleArn",
            "source_profile": format!("p{}", number + 1), "ram_role_arn": "acs:ram::1:role/r" })
    };
    let mut profiles: Vec<Value> = (0..20_000).map(chained).collect();
    profiles.push(json!({ "name": "p20000", "access_key_id": "i", "access_key_secret": "s" }));
    let file = file(&json!(profiles));
    let source = |name| file.source(Some(name), &SourceDefaults::default());
    assert_eq!(source("p0").unwrap_err(), ProfileError::ChainTooLong("p0".to_owned()));
    assert!(source("p19985").is_ok(), "15 roles on top of keys");
    assert!(source("p19984").is_err());
}

#[test]
fn a_profile_configures_sts_and_the_session() {
    let mut profile = role_profile("RamRoleArn");
    profile["sts_endpoint"] = json!("sts.example.com");
    profile["sts_token"] = json!("token");
    profile["policy"] = json!("{}");
    let Ok(CredentialSource::AssumeRole { base, role, sts }) = source(profile.clone()) else {
        panic!()
    };
    assert_eq!(sts.resolve_endpoint().to_string(), "https://sts.example.com");
    assert_eq!(role.session.policy.as_deref(), Some("{}"));
    assert!(matches!(*base, CredentialSource::Static { credentials, .. }
        if credentials.security_token.as_ref().is_some_and(|t| t.expose_secret() == "token")));
    // What the provider block says wins.
    let mut defaults = SourceDefaults::default();
    defaults.sts.endpoint = Endpoint::parse("other.example.com").ok();
    profile["name"] = json!("x");
    let Ok(CredentialSource::AssumeRole { sts, .. }) =
        file(&json!([profile])).source(Some("x"), &defaults)
    else {
        panic!()
    };
    assert_eq!(sts.resolve_endpoint().to_string(), "https://other.example.com");
    // Its own region is the last resort.
    let mut defaults = SourceDefaults::default();
    defaults.sts.region = Region::parse("cn-beijing").ok();
    for (sts_region, expected) in [
        (None, "https://sts.cn-beijing.aliyuncs.com"),
        (Some("cn-shanghai"), "https://sts.cn-shanghai.aliyuncs.com"),
    ] {
        let mut profile = role_profile("RamRoleArn");
        profile["name"] = json!("x");
        profile["sts_region"] = json!(sts_region);
        let Ok(CredentialSource::AssumeRole { sts, .. }) =
            file(&json!([profile])).source(Some("x"), &defaults)
        else {
            panic!()
        };
        assert_eq!(sts.resolve_endpoint().to_string(), expected);
    }
    for (key, value, expected) in [
        ("sts_endpoint", json!("http://sts.example.com"), "must begin with https://"),
        ("sts_endpoint", json!("ftp://x"), "must begin with https://"),
        ("policy", json!("[]"), "must be a policy in JSON"),
        ("expired_seconds", json!(10), "must be between 900 and 43200 seconds"),
        ("expired_seconds", json!("900"), "must be a number of seconds"),
        ("ram_session_name", json!("a b"), "must have 2 to 64 characters"),
        ("external_id", json!("a b"), "must have 2 to 1224 characters"),
        ("sts_region", json!("cn hangzhou"), "must"),
    ] {
        let mut profile = role_profile("RamRoleArn");
        profile[key] = value;
        let error = error(profile);
        assert!(error.starts_with(&format!("`{key}` of profile \"x\" {expected}")), "{error}");
    }
}

#[test]
fn no_value_of_the_file_gets_into_an_error() {
    for text in ["[\"TOPSECRET\"]", "TOPSECRET", "{"] {
        let Err(ProfileError::Syntax(reason)) = ProfileFile::parse(text.as_bytes(), None) else {
            panic!("{text}")
        };
        assert!(reason.contains("line 1") && !reason.contains("TOPSECRET"), "{reason}");
    }
    let error = error(json!({ "access_key_id": "id", "access_key_secret": ["TOPSECRET"] }));
    assert_eq!(error, "`access_key_secret` of profile \"x\" must be a string");
    assert!(ProfileFile::parse(b"\xef\xbb\xbf{}", None).is_ok(), "a byte order mark is fine");
}
