//! Selecting the credential source from a provider block and an environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::{Object, Provider as _};

use super::Call;

fn lookup(variables: &[(&str, &str)]) -> Call {
    let variable = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    let variables: BTreeMap<OsString, OsString> = variables.iter().map(variable).collect();
    let oss = OssProvider::new(Environment::new(variables));
    let block = Object::new();
    Box::new(move || assert!(oss.configure(&block, "1.11.4").provider_data.is_some()))
}

/// The first pair of variables.
pub(super) fn first() -> Call {
    lookup(&[
        ("ALICLOUD_ACCESS_KEY", "id"),
        ("ALICLOUD_SECRET_KEY", "secret"),
        ("ALICLOUD_REGION", "cn-hangzhou"),
    ])
}

/// The source with the lowest precedence: an OIDC token file.
pub(super) fn last() -> Call {
    lookup(&[
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1234567890123456:oidc-provider/pipeline"),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/deploy"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/secrets/oidc-token"),
        ("ALICLOUD_REGION", "cn-hangzhou"),
    ])
}
