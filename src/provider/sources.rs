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
use crate::tfplugin::{Attr, AttributePath, Diagnostic, Diagnostics};

use super::environment::{self, KEYS};
use super::settings::{Found, Resolver};

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
pub(super) struct Problems {
    sts: Diagnostics,
    metadata: Diagnostics,
}

/// Whether a source may need STS, and the metadata service.
fn needs(source: Option<&Source>) -> (bool, bool) {
    match source {
        None | Some(Source::Keys { .. } | Source::Uri(_) | Source::Process(_)) => (false, false),
        // Its mode is only known when it is read.
        Some(Source::Profile(_)) => (true, true),
        Some(Source::EcsRole(_)) => (false, true),
        Some(Source::AssumeRoleWithOidc(_)) => (true, false),
        Some(Source::AssumeRole { base, .. }) => (true, needs(Some(base)).1),
    }
}

impl<'a> Resolver<'a> {
    /// The source, or none where nothing is configured. `problems` are those of the variables that
    /// `surroundings` come from: they count where the source needs these.
    pub(super) fn source(
        &mut self,
        profile: Option<Profile>,
        surroundings: Surroundings,
        problems: Problems,
        has_region: bool,
    ) -> Option<Source> {
        let keys = self.keys_of_block().or_else(|| self.keys_of_environment());
        let has_keys = keys.is_some();
        let mut base = keys.or(profile.map(Source::Profile));
        // Keys that are not known yet are chosen as well.
        let are_keys_unknown =
            self.unknown.iter().any(|name| KEY_ARGUMENTS.contains(&name.as_str()));
        // All blocks are read, so that a mistake shows even where another source is chosen; the
        // variables of a source that is not chosen are other tools' business, and what is unknown
        // about it does not matter.
        let others: [fn(&mut Self, &Surroundings) -> Option<Source>; 3] =
            [Self::credentials_uri, Self::ecs_role, Self::oidc_role];
        for other in others {
            let known = self.unknown.len();
            let has_base = base.is_some() || are_keys_unknown;
            self.reads_variables = !has_base;
            let source = other(self, &surroundings);
            self.reads_variables = true;
            if base.is_some() {
                self.unknown.truncate(known);
            } else {
                base = source;
            }
        }
        let role = self.role_to_assume();
        let source = match (base, role) {
            (Some(base), Some(role)) => {
                let sts = surroundings.sts;
                Some(Source::AssumeRole { base: Box::new(base), role, sts })
            }
            (base, _) => base,
        };
        let (needs_sts, needs_metadata) = needs(source.as_ref());
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
    pub(super) fn surroundings(
        &mut self,
        region: Option<Region>,
        is_internal: bool,
    ) -> (Surroundings, Problems) {
        let in_block = self.find("sts_endpoint", &[]);
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
        let surroundings = Surroundings {
            sts: StsPlace {
                endpoint,
                region: sts_region.or(region),
                is_internal: is_internal || environment.is_true(environment::VPC_ENDPOINT_ENABLED),
            },
            metadata,
            is_metadata_v1_disabled: environment.is_true(environment::METADATA_V1_DISABLED),
            home: environment.home(),
        };
        let metadata = std::mem::replace(&mut self.diagnostics, before);
        (surroundings, Problems { sts, metadata })
    }

    fn sts_endpoint(&mut self, found: Option<Found<'_>>) -> Option<Endpoint> {
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
        let names = KEY_ARGUMENTS;
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
        if KEY_ARGUMENTS.into_iter().any(is_set) {
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

    fn credentials_uri(&mut self, _: &Surroundings) -> Option<Source> {
        let found = self.find("credentials_uri", environment::CREDENTIALS_URI)?;
        // A URI may hold a key, so it is not repeated.
        let problem = match CredentialsUri::parse(found.text) {
            None => {
                let detail = format!("{} must be an http or https URL.", found.label);
                Diagnostic::error("Invalid credentials URI", detail)
            }
            Some(uri) if uri.is_insecure() && self.reads_variables => {
                let detail = format!(
                    "{} answers with keys, and everyone on the way to {} can read them. Use https://.",
                    found.label,
                    uri.host(),
                );
                self.diagnostics.push(
                    Diagnostic::warning("Unencrypted credentials URI", detail).at(found.path),
                );
                return Some(Source::Uri(uri));
            }
            Some(uri) => return Some(Source::Uri(uri)),
        };
        self.diagnostics.push(problem.at(found.path));
        None
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

    fn oidc_role(&mut self, surroundings: &Surroundings) -> Option<Source> {
        let is_in_block = !matches!(self.block.block(WITH_OIDC), Attr::Null);
        // Pods and pipelines have all three variables; a single one may be there for other reasons.
        let is_set = |names| self.environment.first(names).is_some();
        let has_token = is_set(environment::OIDC_TOKEN_FILE) || is_set(environment::OIDC_TOKEN);
        let is_in_environment = self.reads_variables
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
                .map(|found| OidcToken::File(surroundings.path(found.text)))
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
        let sts = surroundings.sts.clone();
        Some(Source::AssumeRoleWithOidc(OidcRole { role, provider_arn, token, sts }))
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
        if !self.reads_variables {
            return None;
        }
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
        let expected = RoleError::SessionSeconds.to_string();
        if let Some(seconds) = self.number(&path, &expected) {
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
            if self.lacks(block, name, variables) {
                self.missing(block, name, variables, what);
            }
        }
        let places = [
            ("oidc_token", environment::OIDC_TOKEN),
            ("oidc_token_file", environment::OIDC_TOKEN_FILE),
        ];
        if places.iter().all(|(name, names)| self.lacks(WITH_OIDC, name, names)) {
            let variables = [environment::OIDC_TOKEN_FILE, environment::OIDC_TOKEN].concat();
            let detail = format!(
                "The block `{WITH_OIDC}` names neither `oidc_token_file` nor `oidc_token`, and so no \
                 token. Set one of them, or the environment variable {}, or remove the block.",
                variables.join(" or "),
            );
            self.incomplete(WITH_OIDC, "oidc_token_file", detail);
        }
    }

    /// Whether a block is there, and says nothing where it should; what is not known yet may say it.
    fn lacks(
        &mut self,
        block: &'static str,
        name: &'static str,
        variables: &[&'static str],
    ) -> bool {
        match self.block.block(block) {
            Attr::Null | Attr::Unknown => false,
            Attr::Known(known) if matches!(known.string(name), Attr::Unknown) => false,
            Attr::Known(_) => self.find_nested(block, name, variables).is_none(),
        }
    }

    fn missing(&mut self, block: &str, name: &str, variables: &[&str], what: &str) {
        let detail = format!(
            "The block `{block}` names no `{name}`, and so not {what}. Set it, or the environment \
             variable {}, or remove the block.",
            variables.join(" or "),
        );
        self.incomplete(block, name, detail);
    }

    fn incomplete(&mut self, block: &str, name: &str, detail: String) {
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
