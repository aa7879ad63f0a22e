//! Which source of credentials the configuration names: the first that is set, taken whole.
//!
//! The order is that of `aliyun/alicloud`: keys in the block, keys in the environment, a profile, a
//! credentials URI, the role of the ECS instance, an OIDC token; and a role to assume on top of what
//! was found.

use crate::oss::credentials::{
    CredentialSource, CredentialsUri, EcsRole, OidcRole, OidcToken, Profile, Role, RoleArn,
    RoleError, RoleSession, SourceDefaults, StsConfig,
};
use crate::oss::{Credentials, Endpoint, Region};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics};

use super::environment::{self, ACCESS_KEY_VARS};
use super::settings::{ConfigValue, Resolver};

const KEY_ARGUMENTS: [&str; 3] = ["access_key", "secret_key", "security_token"];
const ASSUME_ROLE: &str = "assume_role";
const WITH_OIDC: &str = "assume_role_with_oidc";

/// A block that describes a session: its name, the name of its attribute for the session's name, and
/// the variables that stand in for its attributes.
struct SessionBlock {
    block: &'static str,
    session_name: &'static str,
    session_name_variables: &'static [&'static str],
    expiration_variables: &'static [&'static str],
    has_external_id: bool,
}

/// What is wrong with variables that sources share. It counts where the source needs them.
pub(super) struct PendingDiagnostics {
    sts: Diagnostics,
    metadata: Diagnostics,
}

/// Whether a source may need STS, and the metadata service.
fn required_services(source: Option<&CredentialSource>) -> (bool, bool) {
    match source {
        None
        | Some(
            CredentialSource::Static { .. }
            | CredentialSource::CredentialsUri(_)
            | CredentialSource::Process(_),
        ) => (false, false),
        // Its mode is only known when it is read.
        Some(CredentialSource::Profile(_)) => (true, true),
        Some(CredentialSource::EcsRole(_)) => (false, true),
        Some(CredentialSource::AssumeRoleWithOidc(_)) => (true, false),
        Some(CredentialSource::AssumeRole { base, .. }) => (true, required_services(Some(base)).1),
    }
}

impl<'a> Resolver<'a> {
    /// The source, or none where nothing is configured. `problems` are those of the variables that
    /// `defaults` come from: they count where the source needs these.
    pub(super) fn source(
        &mut self,
        profile: Option<Profile>,
        defaults: SourceDefaults,
        problems: PendingDiagnostics,
        has_region: bool,
    ) -> Option<CredentialSource> {
        let keys = self.block_credentials().or_else(|| self.env_credentials());
        let has_keys = keys.is_some();
        let mut base = keys.or(profile.map(CredentialSource::Profile));
        // Keys that are not known yet are chosen as well.
        let are_keys_unknown =
            self.unknown.iter().any(|name| KEY_ARGUMENTS.contains(&name.as_str()));
        // All blocks are read, so that a mistake shows even where another source is chosen; the
        // variables of a source that is not chosen are other tools' business, and what is unknown
        // about it does not matter.
        let others: [fn(&mut Self, &SourceDefaults) -> Option<CredentialSource>; 3] =
            [Self::credentials_uri, Self::ecs_role, Self::oidc_role];
        for other in others {
            let known = self.unknown.len();
            let has_base = base.is_some() || are_keys_unknown;
            self.use_env = !has_base;
            let source = other(self, &defaults);
            self.use_env = true;
            if base.is_some() {
                self.unknown.truncate(known);
            } else {
                base = source;
            }
        }
        let role = self.role_to_assume();
        let source = match (base, role) {
            (Some(base), Some(role)) => {
                let sts = defaults.sts;
                Some(CredentialSource::AssumeRole { base: Box::new(base), role, sts })
            }
            (base, _) => base,
        };
        let (needs_sts, needs_metadata) = required_services(source.as_ref());
        if needs_sts {
            self.diagnostics.extend(problems.sts);
        } else if source.is_some() {
            self.unknown.retain(|name| name != "sts_endpoint");
        }
        if needs_metadata {
            self.diagnostics.extend(problems.metadata);
        }
        if has_keys && has_region {
            // Both would only be asked for the region.
            let of_profile = ["profile", "shared_credentials_file"];
            self.unknown.retain(|name| !of_profile.contains(&name.as_str()));
        }
        source
    }

    /// What sources need to know beside their own arguments, and what is wrong with the variables
    /// that say it.
    pub(super) fn source_defaults(
        &mut self,
        region: Option<Region>,
        is_internal: bool,
    ) -> (SourceDefaults, PendingDiagnostics) {
        let in_block = self.lookup("sts_endpoint", &[]);
        let in_block = self.sts_endpoint(in_block);
        let before = std::mem::take(&mut self.diagnostics);
        let endpoint = in_block.or_else(|| {
            let found = self.variable(environment::STS_ENDPOINT, "sts_endpoint");
            self.sts_endpoint(found)
        });
        let sts_region = self.variable(environment::STS_REGION, "region");
        let sts_region = self.parse(sts_region, "Invalid region", Region::parse);
        let sts = std::mem::take(&mut self.diagnostics);
        let metadata = self.variable(environment::METADATA_ENDPOINT, "ecs_role_name");
        let metadata = self.parse(metadata, "Invalid metadata endpoint", credentials_uri);
        let environment = self.environment;
        let defaults = SourceDefaults {
            sts: StsConfig {
                endpoint,
                region: sts_region.or(region),
                use_vpc_endpoint: is_internal
                    || environment.is_enabled(environment::VPC_ENDPOINT_ENABLED),
            },
            metadata,
            is_metadata_v1_disabled: environment.is_enabled(environment::METADATA_V1_DISABLED),
            home: environment.home(),
        };
        let metadata = std::mem::replace(&mut self.diagnostics, before);
        (defaults, PendingDiagnostics { sts, metadata })
    }

    fn sts_endpoint(&mut self, found: Option<ConfigValue<'_>>) -> Option<Endpoint> {
        let endpoint = self.parse(found, "Invalid endpoint", Endpoint::parse)?;
        if endpoint.is_insecure() {
            // Unlike a rule, what comes back is a key.
            let detail = format!(
                "STS answers with keys, and everyone on the way to {endpoint} could read them. Use \
                 https://."
            );
            self.diagnostics.push(
                Diagnostic::error("Unencrypted STS endpoint", detail)
                    .with_attribute("sts_endpoint"),
            );
        }
        Some(endpoint)
    }

    fn block_credentials(&mut self) -> Option<CredentialSource> {
        let names = KEY_ARGUMENTS;
        let found = names.map(|name| self.lookup(name, &[]));
        let is_unknown = names.map(|name| self.unknown.iter().any(|unknown| unknown == name));
        for (name, found) in names.into_iter().zip(&found) {
            if let Some(found) = found {
                self.check_key(found.text, &found.origin, name);
            }
        }
        let [id, secret, token] = found.map(|found| found.map(|found| found.text));
        let half = |missing: &str, present: &'static str| {
            Diagnostic::error(
                "Incomplete access key",
                format!(
                    "`{present}` is set in the provider block, but `{missing}` is not. An access \
                     key is taken whole from one place: set both, or neither to use another source."
                ),
            )
            .with_attribute(present)
        };
        let problem = match (id, secret, token, is_unknown) {
            (Some(id), Some(secret), token, _) => {
                return Some(keys(id, secret, token, "the provider block"));
            }
            (Some(_), None, _, [_, false, _]) => half("secret_key", "access_key"),
            (None, Some(_), _, [false, ..]) => half("access_key", "secret_key"),
            (None, None, Some(_), [false, false, _]) => Diagnostic::error(
                "Security token without access key",
                "`security_token` is set in the provider block, but `access_key` and \
                 `secret_key` are not. A token belongs to one key pair: set all three, or \
                 none to use another source.",
            )
            .with_attribute("security_token"),
            _ => return None,
        };
        self.diagnostics.push(problem);
        None
    }

    /// The first key family that is set, whole. Not looked at when the block has keys of its own.
    fn env_credentials(&mut self) -> Option<CredentialSource> {
        let is_set = |name: &str| {
            !matches!(self.block.string(name), AttributeValue::Null | AttributeValue::Known(""))
        };
        if KEY_ARGUMENTS.into_iter().any(is_set) {
            return None;
        }
        let environment = self.environment;
        for [id_name, secret_name, token_name] in ACCESS_KEY_VARS {
            let (missing, present) = match (environment.get(id_name), environment.get(secret_name))
            {
                (None, None) => continue,
                (Some(id), Some(secret)) => {
                    let token = environment.get(token_name);
                    for (name, key, attribute) in [
                        (id_name, Some(id), "access_key"),
                        (secret_name, Some(secret), "secret_key"),
                        (token_name, token, "security_token"),
                    ] {
                        if let Some(key) = key {
                            self.check_key(key, name, attribute);
                        }
                    }
                    let origin = format!("the environment variable {id_name}");
                    return Some(keys(id, secret, token, &origin));
                }
                (Some(_), None) => (secret_name, id_name),
                (None, Some(_)) => (id_name, secret_name),
            };
            let attribute = if present == id_name { "access_key" } else { "secret_key" };
            self.diagnostics.push(
                Diagnostic::error(
                    "Incomplete access key",
                    format!(
                        "The environment variable {present} is set, but {missing} is not. An \
                         access key is taken whole from one place: set both, or neither."
                    ),
                )
                .with_attribute(attribute),
            );
            return None;
        }
        None
    }

    /// A key with white space or control characters is a copying mistake that OSS would only call a
    /// wrong signature. The key itself is not repeated.
    fn check_key(&mut self, key: &str, label: &str, attribute: &'static str) {
        if key.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let detail = format!(
                "{label} contains white space or a line break, which no key has. A value that is \
                 read from a file often ends in a line break: `trimspace(file(…))` removes it."
            );
            self.diagnostics
                .push(Diagnostic::error("Invalid access key", detail).with_attribute(attribute));
        }
    }

    /// The profile that is named.
    pub(super) fn profile(&mut self, defaults: &SourceDefaults) -> Option<Profile> {
        let name = self.lookup("profile", environment::PROFILE).map(|found| found.text.to_owned());
        let is_file_in_block = self.lookup("shared_credentials_file", &[]).is_some();
        let file = self.lookup("shared_credentials_file", environment::SHARED_CREDENTIALS_FILE);
        // Variables alone may be meant for other tools, which keep another format in that file.
        if name.is_none() && !is_file_in_block {
            return None;
        }
        let path = file.map_or("~/.aliyun/config.json", |found| found.text);
        let path = defaults.expand_home(path);
        Some(Profile { path, name, defaults: defaults.clone() })
    }

    fn credentials_uri(&mut self, _: &SourceDefaults) -> Option<CredentialSource> {
        let found = self.lookup("credentials_uri", environment::CREDENTIALS_URI)?;
        // A URI may hold a key, so it is not repeated.
        let problem = match CredentialsUri::parse(found.text) {
            None => {
                let detail = format!("{} must be an http or https URL.", found.origin);
                Diagnostic::error("Invalid credentials URI", detail)
            }
            Some(uri) if uri.is_insecure() && self.use_env => {
                let detail = format!(
                    "{} answers with keys, and everyone on the way to {} can read them. Use https://.",
                    found.origin,
                    uri.host(),
                );
                self.diagnostics.push(
                    Diagnostic::warning("Unencrypted credentials URI", detail)
                        .with_path(found.path),
                );
                return Some(CredentialSource::CredentialsUri(uri));
            }
            Some(uri) => return Some(CredentialSource::CredentialsUri(uri)),
        };
        self.diagnostics.push(problem.with_path(found.path));
        None
    }

    fn ecs_role(&mut self, defaults: &SourceDefaults) -> Option<CredentialSource> {
        let found = self.lookup("ecs_role_name", environment::ECS_ROLE_NAME);
        let name = self.parse(found, "Invalid role name", |text| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if text.chars().all(is_allowed) {
                Ok(text.to_owned())
            } else {
                Err("must be the name of a RAM role: letters, digits and any of . _ -")
            }
        })?;
        let defaults = defaults.clone();
        Some(CredentialSource::EcsRole(EcsRole { name: Some(name), defaults }))
    }

    fn oidc_role(&mut self, defaults: &SourceDefaults) -> Option<CredentialSource> {
        let is_in_block = !matches!(self.block.block(WITH_OIDC), AttributeValue::Null);
        // Pods and pipelines have all three variables; a single one may be there for other reasons.
        let is_set = |names| self.environment.first_set(names).is_some();
        let has_token = is_set(environment::OIDC_TOKEN_FILE) || is_set(environment::OIDC_TOKEN);
        let is_in_environment = self.use_env
            && is_set(environment::OIDC_PROVIDER_ARN)
            && is_set(environment::OIDC_ROLE_ARN)
            && has_token;
        if !is_in_block && !is_in_environment {
            return None;
        }
        if self.is_unknown_block(WITH_OIDC) {
            return None;
        }
        let session = self.session(&SessionBlock {
            block: WITH_OIDC,
            session_name: "role_session_name",
            session_name_variables: environment::OIDC_SESSION_NAME,
            expiration_variables: &[],
            has_external_id: false,
        });
        let provider_arn =
            self.find_nested(WITH_OIDC, "oidc_provider_arn", environment::OIDC_PROVIDER_ARN);
        let provider_arn = self.parse(provider_arn, "Invalid identity provider ARN", |text| {
            OidcRole::check_provider_arn(text).map(|()| text.to_owned())
        });
        let role_arn = self.find_nested(WITH_OIDC, "role_arn", environment::OIDC_ROLE_ARN);
        let role_arn = self.parse(role_arn, "Invalid role ARN", RoleArn::parse);
        // What the block says wins over the environment, in either form.
        let token = self
            .find_nested(WITH_OIDC, "oidc_token", &[])
            .map(|found| OidcToken::Value(found.text.trim().into()));
        let mut file = |names| {
            self.find_nested(WITH_OIDC, "oidc_token_file", names)
                .map(|found| OidcToken::File(defaults.expand_home(found.text)))
        };
        let in_block = token.or_else(|| file(&[]));
        let in_file = file(environment::OIDC_TOKEN_FILE);
        let token = in_block
            .or_else(|| {
                self.find_nested(WITH_OIDC, "oidc_token", environment::OIDC_TOKEN)
                    .map(|found| OidcToken::Value(found.text.trim().into()))
            })
            .or(in_file);
        let (arn, provider_arn, token) = (role_arn?, provider_arn?, token?);
        let role = Role { arn, session };
        let sts = defaults.sts.clone();
        Some(CredentialSource::AssumeRoleWithOidc(OidcRole { role, provider_arn, token, sts }))
    }

    fn role_to_assume(&mut self) -> Option<Role> {
        if matches!(self.block.block(ASSUME_ROLE), AttributeValue::Null)
            || self.is_unknown_block(ASSUME_ROLE)
        {
            return None;
        }
        let session = self.session(&SessionBlock {
            block: ASSUME_ROLE,
            session_name: "session_name",
            session_name_variables: environment::ASSUME_ROLE_SESSION_NAME,
            expiration_variables: environment::ASSUME_ROLE_SESSION_EXPIRATION,
            has_external_id: true,
        });
        let arn = self.find_nested(ASSUME_ROLE, "role_arn", environment::ASSUME_ROLE_ARN);
        let arn = self.parse(arn, "Invalid role ARN", RoleArn::parse)?;
        Some(Role { arn, session })
    }

    /// A variable that has no argument of its own; `attribute` is blamed for it.
    fn variable(&self, names: &[&'static str], attribute: &str) -> Option<ConfigValue<'a>> {
        if !self.use_env {
            return None;
        }
        let (name, text) = self.environment.first_set(names)?;
        let label = format!("The environment variable {name}");
        Some(ConfigValue { text, origin: label, path: AttributePath::root(attribute) })
    }

    fn is_unknown_block(&mut self, name: &str) -> bool {
        let is_unknown = matches!(self.block.block(name), AttributeValue::Unknown);
        if is_unknown {
            self.mark_unknown(&AttributePath::root(name));
        }
        is_unknown
    }

    fn session(&mut self, described: &SessionBlock) -> RoleSession {
        let block = described.block;
        let mut session = RoleSession::default();
        let name =
            self.find_nested(block, described.session_name, described.session_name_variables);
        let name = self.parse(name, "Invalid session name", |text| session.clone().with_name(text));
        session = name.unwrap_or(session);

        let policy = self.find_nested(block, "policy", &[]);
        let policy = self.parse(policy, "Invalid policy", |text| session.clone().with_policy(text));
        session = policy.unwrap_or(session);

        if described.has_external_id {
            let id = self.find_nested(block, "external_id", &[]);
            let id = self
                .parse(id, "Invalid external id", |text| session.clone().with_external_id(text));
            session = id.unwrap_or(session);
        }

        let path = AttributePath::root(block).attribute("session_expiration");
        let expected = RoleError::SessionDuration.to_string();
        if let Some(seconds) = self.number(&path, &expected) {
            match session.clone().with_duration_seconds(seconds) {
                Ok(longer) => session = longer,
                Err(error) => {
                    let detail = format!("`{path}` {error}; got {seconds}.");
                    let problem =
                        Diagnostic::error("Invalid session length", detail).with_path(path);
                    self.diagnostics.push(problem);
                }
            }
        } else if !self.unknown.contains(&path.to_string()) {
            let found = self.variable(described.expiration_variables, block);
            let seconds = self.parse(found, "Invalid session length", |text| {
                let seconds = text.parse().map_err(|_| RoleError::SessionDuration)?;
                session.clone().with_duration_seconds(seconds)
            });
            session = seconds.unwrap_or(session);
        }
        session
    }

    /// A block without a role would silently mean no role: both blocks need one in the end, from
    /// wherever it comes.
    pub(super) fn check_roles(&mut self) {
        let mut needs =
            vec![(ASSUME_ROLE, "role_arn", environment::ASSUME_ROLE_ARN, "a role to assume")];
        needs.extend([
            (WITH_OIDC, "role_arn", environment::OIDC_ROLE_ARN, "a role to assume"),
            (
                WITH_OIDC,
                "oidc_provider_arn",
                environment::OIDC_PROVIDER_ARN,
                "an identity provider",
            ),
        ]);
        for (block, name, variables, what) in needs {
            if self.is_missing(block, name, variables) {
                self.report_missing(block, name, variables, what);
            }
        }
        let places = [
            ("oidc_token", environment::OIDC_TOKEN),
            ("oidc_token_file", environment::OIDC_TOKEN_FILE),
        ];
        if places.iter().all(|(name, names)| self.is_missing(WITH_OIDC, name, names)) {
            let variables = [environment::OIDC_TOKEN_FILE, environment::OIDC_TOKEN].concat();
            let detail = format!(
                "The block `{WITH_OIDC}` names neither `oidc_token_file` nor `oidc_token`, and so no \
                 token. Set one of them, or the environment variable {}, or remove the block.",
                variables.join(" or "),
            );
            self.report_incomplete(WITH_OIDC, "oidc_token_file", detail);
        }
    }

    /// Whether a block is there, and says nothing where it should; what is not known yet may say it.
    fn is_missing(
        &mut self,
        block: &'static str,
        name: &'static str,
        variables: &[&'static str],
    ) -> bool {
        match self.block.block(block) {
            AttributeValue::Null | AttributeValue::Unknown => false,
            AttributeValue::Known(known)
                if matches!(known.string(name), AttributeValue::Unknown) =>
            {
                false
            }
            AttributeValue::Known(_) => self.find_nested(block, name, variables).is_none(),
        }
    }

    fn report_missing(&mut self, block: &str, name: &str, variables: &[&str], what: &str) {
        let detail = format!(
            "The block `{block}` names no `{name}`, and so not {what}. Set it, or the environment \
             variable {}, or remove the block.",
            variables.join(" or "),
        );
        self.report_incomplete(block, name, detail);
    }

    fn report_incomplete(&mut self, block: &str, name: &str, detail: String) {
        let path = AttributePath::root(block).attribute(name);
        self.diagnostics.push(Diagnostic::error("Incomplete role", detail).with_path(path));
    }
}

fn keys(id: &str, secret: &str, token: Option<&str>, origin: &str) -> CredentialSource {
    let credentials = Credentials::new(id, secret);
    let credentials = match token {
        Some(token) => credentials.with_security_token(token),
        None => credentials,
    };
    CredentialSource::Static { credentials, origin: origin.to_owned() }
}

fn credentials_uri(text: &str) -> Result<CredentialsUri, &'static str> {
    CredentialsUri::parse(text).ok_or("must be an http or https URL")
}
