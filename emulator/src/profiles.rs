//! The logins of the command, as profiles of the CLI's configuration file.

use oss_emulator::Config;
use serde_json::{Value, json};

/// What the logins consist of. None of it is valid anywhere else.
const CLOUD_SSO_TOKEN: &str = "EmulatorCloudSsoAccessToken";
const ACCOUNT: &str = "1234567890123456";
const ACCESS_CONFIGURATION: &str = "ac-emulator";
const OAUTH_TOKEN: &str = "EmulatorOAuthAccessToken";
const OAUTH_REFRESH_TOKEN: &str = "EmulatorOAuthRefreshToken";

/// Both logins last until 2100.
const EXPIRATION: i64 = 4_102_444_800;

/// The logins that the emulator accepts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Logins {
    pub(crate) cloud_sso: bool,
    pub(crate) oauth: bool,
}

impl Logins {
    pub(crate) fn add_to(self, mut config: Config) -> Config {
        if self.cloud_sso {
            config = config.with_cloud_sso(CLOUD_SSO_TOKEN, ACCOUNT, ACCESS_CONFIGURATION);
        }
        if self.oauth {
            // OAuth has fixed hosts, which clients use with TLS only.
            config = config.with_oauth(OAUTH_TOKEN, OAUTH_REFRESH_TOKEN).with_tls();
        }
        config
    }

    /// The configuration file of a user who logged in with the CLI, before the first session.
    pub(crate) fn file(self, url: &str, region: &str) -> Option<Value> {
        let cloud_sso = json!({
            "name": "cloud-sso",
            "mode": "CloudSSO",
            "region_id": region,
            "cloud_sso_sign_in_url": format!("{url}/device/login"),
            "cloud_sso_account_id": ACCOUNT,
            "cloud_sso_access_config": ACCESS_CONFIGURATION,
            "access_token": CLOUD_SSO_TOKEN,
            "cloud_sso_access_token_expire": EXPIRATION,
        });
        let oauth = json!({
            "name": "oauth",
            "mode": "OAuth",
            "region_id": region,
            "oauth_site_type": "CN",
            "oauth_access_token": OAUTH_TOKEN,
            "oauth_access_token_expire": EXPIRATION,
            "oauth_refresh_token": OAUTH_REFRESH_TOKEN,
        });
        let profiles = [(self.cloud_sso, cloud_sso), (self.oauth, oauth)];
        let profiles: Vec<Value> = profiles
            .into_iter()
            .filter_map(|(is_used, profile)| is_used.then_some(profile))
            .collect();
        let current = profiles.first()?["name"].clone();
        Some(json!({ "current": current, "profiles": profiles }))
    }
}
