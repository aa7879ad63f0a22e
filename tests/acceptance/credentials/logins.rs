//! Profiles of people who logged in with the CLI at a browser: modes `CloudSSO` and `OAuth`.

use std::fs;

use oss_emulator::{Config, Credentials, Fault};
use serde_json::{Value, json};

use super::{APPLY, CREATE, ROLE, apply, workspace_with};
use crate::tunnel::tunnels_to;
use crate::workspace::Workspace;

const PAST: i64 = 1_000_000_000;
const FUTURE: i64 = 4_102_444_800;

/// Whether the stored session and the login last.
#[derive(Clone, Copy)]
struct Lasts {
    session: bool,
    login: bool,
}

impl Lasts {
    fn end(lasts: bool) -> i64 {
        if lasts { FUTURE } else { PAST }
    }
}

/// A profile as the CLI writes it after a login, with the session of the login.
fn profile(mode: &str, url: &str, lasts: Lasts) -> Value {
    let (session, login) = (Lasts::end(lasts.session), Lasts::end(lasts.login));
    let mut profile = json!({
        "name": "sso", "mode": mode, "region_id": "cn-hangzhou",
        "access_key_id": "STS.CACHED", "access_key_secret": "cached-secret",
        "sts_token": "cached-token", "sts_expiration": session,
    });
    let keys = if mode == "CloudSSO" {
        json!({
            "cloud_sso_sign_in_url": format!("{url}/device/login"),
            "cloud_sso_access_config": "ac-1", "cloud_sso_account_id": "1234567890123456",
            "access_token": "access-token-1", "cloud_sso_access_token_expire": login,
        })
    } else {
        json!({
            "oauth_site_type": "CN", "oauth_access_token": "access-token-1",
            "oauth_refresh_token": "refresh-token-1", "oauth_access_token_expire": login,
        })
    };
    profile.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    profile
}

/// A workspace with this login, and with the profile `top` that assumes a role with it.
fn logged_in(
    mode: &str,
    lasts: Lasts,
    name: &str,
    change: impl FnOnce(Config) -> Config,
) -> Option<Workspace> {
    let change = |config: Config| {
        change(config)
            .with_cloud_sso("access-token-1", "1234567890123456", "ac-1")
            .with_oauth("access-token-1", "refresh-token-1")
    };
    let workspace = workspace_with(change, |workspace| {
        let login = profile(mode, &workspace.emulator.url(), lasts);
        let top = json!({ "name": "top", "mode": "ChainableRamRoleArn", "source_profile": "sso",
            "ram_role_arn": ROLE, "ram_session_name": "cli", "external_id": "ticket-7" });
        let file = json!({ "current": "sso", "profiles": [login, top] });
        let path = workspace.write("config.json", &file.to_string());
        format!("  profile = {name:?}\n  shared_credentials_file = {path:?}\n")
    })?;
    let session = Credentials::new("STS.CACHED", "cached-secret").with_token("cached-token", None);
    workspace.emulator.add_credentials(session);
    Some(workspace)
}

const RENEW: &str = "CreateCloudCredential";

#[test]
fn the_session_of_a_login_is_used_while_it_lasts() {
    for mode in ["CloudSSO", "OAuth"] {
        // The login itself may have ended before.
        let lasts = Lasts { session: true, login: false };
        let Some(workspace) = logged_in(mode, lasts, "sso", |config| config) else { return };
        assert_eq!(apply(&workspace, &[]), CREATE, "{mode}");
        let Some(workspace) = logged_in(mode, lasts, "top", |config| config) else { return };
        assert_eq!(
            apply(&workspace, &[]),
            ["AssumeRole", CREATE[0], CREATE[1], CREATE[2]],
            "{mode}"
        );
    }
}

#[test]
fn a_session_of_cloud_sso_that_has_ended_is_renewed() {
    let lasts = Lasts { session: false, login: true };
    for (name, expected) in [
        ("sso", &[RENEW, CREATE[0], CREATE[1], CREATE[2]][..]),
        ("top", &[RENEW, "AssumeRole", CREATE[0], CREATE[1], CREATE[2]]),
    ] {
        let Some(workspace) = logged_in("CloudSSO", lasts, name, |config| config) else { return };
        let before = fs::read(workspace.path("config.json")).unwrap();
        assert_eq!(apply(&workspace, &[]), expected);
        // The file is the CLI's own.
        assert_eq!(fs::read(workspace.path("config.json")).unwrap(), before);
    }
}

#[test]
fn a_session_of_cloud_sso_that_is_rejected_is_renewed() {
    let lasts = Lasts { session: true, login: true };
    let Some(workspace) = logged_in("CloudSSO", lasts, "sso", |config| config) else { return };
    workspace.emulator.inject(Fault::error_response(403, "SecurityTokenExpired").method("GET"));
    assert_eq!(apply(&workspace, &[]), [CREATE[0], RENEW, CREATE[0], CREATE[1], CREATE[2]]);
}

#[test]
fn a_session_of_oauth_that_has_ended_is_renewed() {
    let exchange = "OAuthExchange";
    for (login, expected) in [
        // The login in the file is left as it is, as long as its access token lasts.
        (true, &[exchange, CREATE[0], exchange, CREATE[0], CREATE[1], CREATE[2]][..]),
        (false, &["OAuthToken", exchange, CREATE[0], exchange, CREATE[0], CREATE[1], CREATE[2]]),
    ] {
        let lasts = Lasts { session: false, login };
        let Some(workspace) = logged_in("OAuth", lasts, "sso", Config::with_tls) else { return };
        let certificate = workspace.emulator.certificate_pem().unwrap().to_owned();
        let certificate = workspace.write("ca.pem", &certificate);
        let (proxy, asked) = tunnels_to(workspace.emulator.port());
        let environment =
            [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", certificate.as_str())];
        // The next session needs the access token that came with the refresh.
        workspace.emulator.inject(Fault::error_response(403, "SecurityTokenExpired").method("GET"));
        assert_eq!(apply(&workspace, &environment), expected);
        let asked = asked.lock().unwrap().clone();
        assert!(
            !asked.is_empty()
                && asked.iter().all(|r| r.starts_with("CONNECT oauth.aliyun.com:443 ")),
            "{asked:?}"
        );
        if !login {
            // The refresh token in the file was used up, and the file is the CLI's own.
            let run = workspace.terraform_in(&environment, &["plan", "-no-color"]).fails();
            let advice = "`aliyun sts GetCallerIdentity --profile sso` before";
            assert!(run.stderr.replace('\n', " ").contains(advice), "{run}");
        }
    }
}

#[test]
fn the_error_for_a_login_that_has_ended_names_the_command() {
    for mode in ["CloudSSO", "OAuth"] {
        let lasts = Lasts { session: false, login: false };
        let Some(workspace) = logged_in(mode, lasts, "top", |config| config) else { return };
        if mode == "OAuth" {
            let path = workspace.path("config.json");
            let file = fs::read_to_string(&path).unwrap().replace("oauth_refresh_token", "other");
            workspace.write("config.json", &file);
        }
        let run = workspace.terraform_in(&[], &APPLY).fails();
        for part in [
            &format!("The {mode} login of profile \"sso\" has ended."),
            &format!("Log in again with `aliyun configure --mode {mode} --profile sso`"),
        ] {
            assert!(run.stderr.contains(part.as_str()), "{part:?} is missing:\n{run}");
        }
        assert!(workspace.emulator.requests().is_empty());
    }
}

#[test]
fn the_error_for_a_login_that_is_not_accepted_has_the_reason() {
    let lasts = Lasts { session: false, login: true };
    let change = |config: Config| config;
    let Some(workspace) = logged_in("CloudSSO", lasts, "sso", change) else { return };
    let file = fs::read_to_string(workspace.path("config.json")).unwrap();
    for (from, to, response) in [
        ("access-token-1", "access-token-revoked", "returned 401 InvalidAccessToken"),
        // A new login also selects the account and the access configuration.
        ("\"ac-1\"", "\"ac-removed\"", "returned 404 EntityNotExists.AccessConfiguration"),
    ] {
        workspace.write("config.json", &file.replace(from, to));
        let run = workspace.terraform_in(&[], &APPLY).fails();
        for part in [
            "The CloudSSO login of profile \"sso\" is no longer accepted",
            response,
            "Log in again with `aliyun configure --mode CloudSSO --profile sso`",
        ] {
            assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        }
        assert_eq!(workspace.secrets_in(&run, &["access-token-revoked"]), Vec::<String>::new());
    }
}
