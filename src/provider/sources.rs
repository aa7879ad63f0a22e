//! Which source of credentials the configuration names: the first that is set, taken whole.
//!
//! The order is that of `aliyun/alicloud`: keys in the block, keys in the environment, a profile, a
//! credentials URI, the role of the ECS instance, an OIDC token; and a role to assume on top of what
//! was found.

use crate::oss::credentials::{
    CredentialsUri, EcsRole, OidcRole, OidcToken, Profile, Role, RoleArn, RoleError, Session,
    Source, StsPlace, Surroundings,
};
use crate::oss::{Credentials, Endpoint, Region};
use crate::tfplugin::{Attr, AttributePath, Diagnostic};

use super::environment::{self, KEYS};
use super::settings::{Found, Resolver};

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

impl<'a> Resolver<'a> {
    /// The source, or none where nothing is configured.
    pub(super) fn source(
        &mut self,
        profile: Option<Profile>,
        surroundings: Surroundings,
    ) -> Option<Source> {
        // All are read, so that a mistake shows even where another source is chosen.
        let candidates = [
            self.keys_of_block(),
            self.keys_of_environment(),
            profile.map(Source::Profile),
            self.credentials_uri(),
            self.ecs_role(&surroundings),
            self.oidc_role(&surroundings.sts),
        ];
        let base = candidates.into_iter().flatten().next();
        let role = self.role_to_assume();
        match (base, role) {
            (Some(base), Some(role)) => {
                let sts = surroundings.sts;
                Some(Source::AssumeRole { base: Box::new(base), role, sts })
            }
            (base, _) => base,
        }
    }

    /// What sources need to know beside their own arguments.
    pub(super) fn surroundings(
        &mut self,
        region: Option<Region>,
        is_internal: bool,
    ) -> Surroundings {
        let sts_region = self.variable(environment::STS_REGION, "region");
        let sts_region = self.parse(sts_region, "Invalid region", Region::parse);
        let metadata = self.variable(environment::METADATA_ENDPOINT, "ecs_role_name");
        let metadata = self.parse(metadata, "Invalid metadata endpoint", credentials_uri);
        let environment = self.environment;
        Surroundings {
            sts: StsPlace {
                endpoint: self.sts_endpoint(),
                region: sts_region.or(region),
                is_internal: is_internal || environment.is_true(environment::VPC_ENDPOINT_ENABLED),
            },
            metadata,
            is_metadata_v1_disabled: environment.is_true(environment::METADATA_V1_DISABLED),
            home: environment.home(),
        }
    }

    fn sts_endpoint(&mut self) -> Option<Endpoint> {
        let found = self.find("sts_endpoint", environment::STS_ENDPOINT);
        let endpoint = self.parse(found, "Invalid endpoint", Endpoint::parse)?;
        if endpoint.is_insecure() {
            // Unlike a rule, what comes back is a key.
            let detail = format!(
                "STS answers with keys, and everyone on the way to {endpoint} could read them. Use \
                 https://."
            );
            self.diagnostics.push(
                Diagnostic::error("Unencrypted STS endpoint", detail).at_attribute("sts_endpoint"),
            );
        }
        Some(endpoint)
    }

    fn keys_of_block(&mut self) -> Option<Source> {
        let names = ["access_key", "secret_key", "security_token"];
        let found = names.map(|name| self.find(name, &[]));
        let is_unknown = names.map(|name| self.unknown.iter().any(|unknown| unknown == name));
        for (name, found) in names.into_iter().zip(&found) {
            if let Some(found) = found {
                self.check_key(found.text, &found.label, name);
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
            .at_attribute(present)
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
            .at_attribute("security_token"),
            _ => return None,
        };
        self.diagnostics.push(problem);
        None
    }

    /// The first key family that is set, whole. Not looked at when the block has keys of its own.
    fn keys_of_environment(&mut self) -> Option<Source> {
        let is_set = |name: &str| !matches!(self.block.string(name), Attr::Null | Attr::Known(""));
        if ["access_key", "secret_key", "security_token"].into_iter().any(is_set) {
            return None;
        }
        let environment = self.environment;
        for [id_name, secret_name, token_name] in KEYS {
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
                .at_attribute(attribute),
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
                .push(Diagnostic::error("Invalid access key", detail).at_attribute(attribute));
        }
    }

    /// The profile that is named.
    pub(super) fn profile(&mut self, surroundings: &Surroundings) -> Option<Profile> {
        let name = self.find("profile", environment::PROFILE).map(|found| found.text.to_owned());
        let is_file_in_block = self.find("shared_credentials_file", &[]).is_some();
        let file = self.find("shared_credentials_file", environment::SHARED_CREDENTIALS_FILE);
        // Variables alone may be meant for other tools, which keep another format in that file.
        if name.is_none() && !is_file_in_block {
            return None;
        }
        let path = file.map_or("~/.aliyun/config.json", |found| found.text);
        let path = surroundings.path(path);
        Some(Profile { path, name, surroundings: surroundings.clone() })
    }

    fn credentials_uri(&mut self) -> Option<Source> {
        let found = self.find("credentials_uri", environment::CREDENTIALS_URI)?;
        let uri = CredentialsUri::parse(found.text);
        if uri.is_none() {
            // A URI may hold a key, so it is not repeated.
            let detail = format!("{} must be an http or https URL.", found.label);
            self.diagnostics
                .push(Diagnostic::error("Invalid credentials URI", detail).at(found.path));
        }
        uri.map(Source::Uri)
    }

    fn ecs_role(&mut self, surroundings: &Surroundings) -> Option<Source> {
        let found = self.find("ecs_role_name", environment::ECS_ROLE_NAME);
        let name = self.parse(found, "Invalid role name", |text| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if text.chars().all(is_allowed) {
                Ok(text.to_owned())
            } else {
                Err("must be the name of a RAM role: letters, digits and any of . _ -")
            }
        })?;
        let surroundings = surroundings.clone();
        Some(Source::EcsRole(EcsRole { name: Some(name), surroundings }))
    }

    fn oidc_role(&mut self, sts: &StsPlace) -> Option<Source> {
        let is_in_block = !matches!(self.block.block(WITH_OIDC), Attr::Null);
        // Pods and pipelines have all three variables; a single one may be there for other reasons.
        let names = [
            environment::OIDC_PROVIDER_ARN,
            environment::OIDC_ROLE_ARN,
            environment::OIDC_TOKEN_FILE,
        ];
        if !is_in_block && names.iter().any(|names| self.environment.first(names).is_none()) {
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
        let home = Surroundings { home: self.environment.home(), ..Surroundings::default() };
        let mut file = |names| {
            self.find_nested(WITH_OIDC, "oidc_token_file", names)
                .map(|found| OidcToken::File(home.path(found.text)))
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
        Some(Source::AssumeRoleWithOidc(OidcRole { role, provider_arn, token, sts: sts.clone() }))
    }

    fn role_to_assume(&mut self) -> Option<Role> {
        if matches!(self.block.block(ASSUME_ROLE), Attr::Null) || self.is_unknown_block(ASSUME_ROLE)
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
    fn variable(&self, names: &[&'static str], attribute: &str) -> Option<Found<'a>> {
        let (name, text) = self.environment.first(names)?;
        let label = format!("The environment variable {name}");
        Some(Found { text, label, path: AttributePath::root(attribute) })
    }

    fn is_unknown_block(&mut self, name: &str) -> bool {
        let is_unknown = matches!(self.block.block(name), Attr::Unknown);
        if is_unknown {
            self.remember_unknown(&AttributePath::root(name));
        }
        is_unknown
    }

    fn session(&mut self, described: &SessionBlock) -> Session {
        let block = described.block;
        let mut session = Session::default();
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
        if let Some(seconds) = self.number(&path) {
            match session.clone().with_seconds(seconds) {
                Ok(longer) => session = longer,
                Err(error) => {
                    let detail = format!("`{path}` {error}; got {seconds}.");
                    let problem = Diagnostic::error("Invalid session length", detail).at(path);
                    self.diagnostics.push(problem);
                }
            }
        } else if !self.unknown.contains(&path.to_string()) {
            let found = self.variable(described.expiration_variables, block);
            let seconds = self.parse(found, "Invalid session length", |text| {
                let seconds = text.parse().map_err(|_| RoleError::SessionSeconds)?;
                session.clone().with_seconds(seconds)
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
            let is_there = !matches!(self.block.block(block), Attr::Null);
            if is_there && self.find_nested(block, name, variables).is_none() {
                self.missing(block, name, variables, what);
            }
        }
        let is_there = !matches!(self.block.block(WITH_OIDC), Attr::Null);
        let places = [
            ("oidc_token", environment::OIDC_TOKEN),
            ("oidc_token_file", environment::OIDC_TOKEN_FILE),
        ];
        if is_there
            && places.iter().all(|(name, names)| self.find_nested(WITH_OIDC, name, names).is_none())
        {
            self.missing(WITH_OIDC, "oidc_token_file", environment::OIDC_TOKEN_FILE, "a token");
        }
    }

    fn missing(&mut self, block: &str, name: &str, variables: &[&str], what: &str) {
        let detail = format!(
            "The block `{block}` names no `{name}`, and so not {what}. Set it, or the environment \
             variable {}, or remove the block.",
            variables.join(" or "),
        );
        let path = AttributePath::root(block).attribute(name);
        self.diagnostics.push(Diagnostic::error("Incomplete role", detail).at(path));
    }
}

fn keys(id: &str, secret: &str, token: Option<&str>, origin: &str) -> Source {
    let credentials = Credentials::new(id, secret);
    let credentials = match token {
        Some(token) => credentials.with_security_token(token),
        None => credentials,
    };
    Source::Keys { credentials, origin: origin.to_owned() }
}

fn credentials_uri(text: &str) -> Result<CredentialsUri, &'static str> {
    CredentialsUri::parse(text).ok_or("must be an http or https URL")
}
