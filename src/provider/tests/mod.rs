//! Where each argument comes from and which mistakes are reported, in tables: one file a subject.

mod arguments;
mod credentials;
mod roles;

use crate::oss::ClientConfig;
use crate::oss::credentials::CredentialSource;
use crate::tfplugin::{Diagnostic, Severity, Value};

use super::read::Reader;
use super::settings::{read_config, resolve};
use super::*;

/// The variables of an AccessKey pair.
const PAIR: [(&str, &str); 2] = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];

fn block(arguments: &[(&str, &str)]) -> Object {
    arguments.iter().fold(Object::new(), |block, (name, value)| block.with(name, *value))
}

/// A block that can be repeated, once.
fn repeated(block: Object) -> Value {
    Value::List(vec![block.into()])
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// The configuration of the client; a missing region is no error here.
fn config(block: &Object, variables: &[(&str, &str)]) -> ClientConfig {
    let environment = environment(variables);
    let read = read_config(Reader::new(block, &environment));
    assert!(!read.diagnostics.has_errors(), "{:?}", read.diagnostics);
    read.value
}

/// Errors as `path: summary`.
fn errors(block: &Object, variables: &[(&str, &str)]) -> Vec<String> {
    let (_, diagnostics) = resolve(block, &environment(variables));
    diagnostics
        .into_iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|Diagnostic { attribute, summary, .. }| {
            let path = attribute.map(|path| path.to_string()).unwrap_or_default();
            format!("{path}: {summary}")
        })
        .collect()
}

/// The selected source, as one word.
fn source(block: &Object, variables: &[(&str, &str)]) -> String {
    fn word(source: &CredentialSource) -> String {
        match source {
            CredentialSource::Static { credentials, .. } => {
                format!("static:{}", credentials.access_key_id)
            }
            CredentialSource::Profile(profile) if profile.path.as_os_str().is_empty() => {
                String::new()
            }
            CredentialSource::Profile(profile) => {
                let name = profile.name.as_deref().unwrap_or("current");
                format!("profile:{name}:{}", profile.path.display())
            }
            CredentialSource::EcsRole(role) => {
                format!("ecs:{}", role.name.as_deref().unwrap_or("?"))
            }
            CredentialSource::CredentialsUri(uri) => format!("uri:{}", uri.host()),
            CredentialSource::Process(_) => "process".to_owned(),
            CredentialSource::Login(_) => "login".to_owned(),
            CredentialSource::AssumeRole { base, role, sts } => {
                format!("{}+{}@{}", word(base), role.arn, sts.resolve_endpoint())
            }
            CredentialSource::AssumeRoleWithOidc(oidc) => {
                format!("oidc:{}:{:?}@{}", oidc.role.arn, oidc.token, oidc.sts.resolve_endpoint())
            }
        }
    }
    config(block, variables).credentials.as_ref().map(word).unwrap_or_default()
}

#[test]
fn the_user_agent_has_only_printable_ascii() {
    let appended = ("TF_APPEND_USER_AGENT".into(), "ci/7 é\r\n(a: b)".into());
    let user_agent = OssProvider::new(Environment::new([appended])).user_agent("1.11.4\n");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let provider = concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION"));
    assert_eq!(user_agent, format!("{provider} Terraform/1.11.4 ({os}; {arch}) ci/7 (a: b)"));
    let plain = OssProvider::new(Environment::default()).user_agent("1.11.4");
    assert_eq!(plain, format!("{provider} Terraform/1.11.4 ({os}; {arch})"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_with_its_name() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::environment::ACCESS_KEY_VARS;

    let names = ACCESS_KEY_VARS.into_iter().flatten().chain([
        "ALICLOUD_REGION",
        "ALIBABA_CLOUD_PROFILE",
        "ALIBABA_CLOUD_CREDENTIALS_URI",
        "OSS_ENDPOINT",
    ]);
    for name in names {
        // Another family that would be used instead.
        let variables = PAIR.into_iter().filter(|(other, _)| *other != name);
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let not_text = OsString::from_vec(b"the-secret\xff".to_vec());
        let environment = Environment::new(variables.chain([(name.into(), not_text)]));
        let (settings, diagnostics) = resolve(&block(&[("region", "cn-hangzhou")]), &environment);
        assert!(settings.is_none(), "{name}");
        let diagnostics: Vec<Diagnostic> = diagnostics.into_iter().collect();
        let [Diagnostic { severity: Severity::Error, detail, .. }] = diagnostics.as_slice() else {
            panic!("{name}: {diagnostics:?}")
        };
        let expected =
            format!("The environment variable {name} is set, but its value is not valid UTF-8.");
        assert!(detail.starts_with(&expected) && !detail.contains("the-secret"), "{detail}");
    }
}
