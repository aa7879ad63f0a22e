//! A credential source in the provider block that another one in the environment takes precedence over: requests
//! may go to another account than that of the configuration.

use crate::oss::credentials::CredentialSource;
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics};

use super::access_keys::IN_BLOCK;
use super::environment;
use super::read::{ConfigValue, Reader};

/// Warns about the first source in the block if `used`, which is not assumed on top of another one, comes from
/// the environment.
pub(super) fn check(reader: Reader<'_>, used: Option<&CredentialSource>) -> Diagnostics {
    let (Some(used), Some(origin)) = (used, used.and_then(|used| environment_origin(reader, used)))
    else {
        return Diagnostics::new();
    };
    let is_static = matches!(used, CredentialSource::Static { .. });
    if let Some(profile) = reader.lookup("profile", &[]).value {
        let detail = format!(
            "The credentials come from {origin}, which takes precedence over `profile` ({:?}): only the \
             region of the profile is used. Unset the variable to use the profile.",
            profile.text,
        );
        return Diagnostic::warning("Profile is not used", detail).with_path(profile.path).into();
    }
    // A profile that the environment names is looked up in the file that the block names.
    let file = ["shared_credentials_file"].into_iter().filter(|_| is_static);
    let arguments = file.chain(["credentials_uri", "ecs_role_name"]);
    let mut found = arguments.filter_map(|name| Some((name, reader.lookup(name, &[]).value?.path)));
    let oidc = "assume_role_with_oidc";
    let has_oidc = matches!(reader.block.block(oidc), AttributeValue::Known(_));
    // Terraform shows no line for the path of a block.
    let role = || (oidc, AttributePath::root(oidc).attribute("role_arn"));
    let Some((name, path)) = found.next().or_else(|| has_oidc.then(role)) else {
        return Diagnostics::new();
    };
    let detail = format!(
        "The credentials come from {origin}, which takes precedence over `{name}`. Unset the variable to use \
         `{name}`."
    );
    Diagnostic::warning("Credential source is not used", detail).with_path(path).into()
}

/// The variable that configures a source; `None` if the block does.
fn environment_origin(reader: Reader<'_>, used: &CredentialSource) -> Option<String> {
    let (name, variables) = match used {
        CredentialSource::Static { origin, .. } => {
            return (origin != IN_BLOCK).then(|| origin.clone());
        }
        CredentialSource::Profile(_) => ("profile", environment::PROFILE),
        CredentialSource::CredentialsUri(_) => ("credentials_uri", environment::CREDENTIALS_URI),
        CredentialSource::EcsRole(_) => ("ecs_role_name", environment::ECS_ROLE_NAME),
        _ => return None,
    };
    let found = reader.lookup(name, variables).value;
    found.filter(ConfigValue::is_from_environment).map(|found| found.origin())
}
