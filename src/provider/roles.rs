//! The blocks `assume_role` and `assume_role_with_oidc`.

use crate::oss::credentials::{
    CredentialSource, OidcRole, OidcToken, Role, RoleArn, RoleError, RoleSession, SourceDefaults,
};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics, Object};

use super::environment::{self, Environment};
use super::read::{ConfigValue, Read, Reader};

const ASSUME_ROLE: &str = "assume_role";
const WITH_OIDC: &str = "assume_role_with_oidc";

/// One of the blocks.
#[derive(Clone)]
struct RoleBlock<'a> {
    reader: Reader<'a>,
    block: AttributeValue<&'a Object>,
    path: AttributePath,
}

impl<'a> RoleBlock<'a> {
    fn lookup(&self, name: &str, variables: &[&'static str]) -> Read<Option<ConfigValue<'a>>> {
        self.reader.lookup_in(self.block, self.path.attribute(name), name, variables)
    }

    /// Whether an argument is null, and none of its variables is set.
    fn is_missing(&self, name: &str, variables: &[&'static str]) -> bool {
        let argument = self.lookup(name, variables);
        argument.value.is_none() && argument.unknown.is_empty()
    }
}

/// The blocks `assume_role`, in order, and the variables of their roles; unknown blocks are none.
fn assume_role_blocks(reader: Reader<'_>) -> (Vec<RoleBlock<'_>>, &'static [&'static str]) {
    let root = AttributePath::root(ASSUME_ROLE);
    let blocks = reader.block.blocks(ASSUME_ROLE).known().unwrap_or_default();
    // A variable names one role, so with several blocks it is not clear which.
    let variables = if blocks.len() > 1 { &[] } else { environment::ASSUME_ROLE_ARN };
    let block = |(index, block)| RoleBlock {
        reader,
        block: AttributeValue::Known(block),
        path: root.index(index),
    };
    (blocks.into_iter().enumerate().map(block).collect(), variables)
}

fn oidc_block(reader: Reader<'_>) -> RoleBlock<'_> {
    RoleBlock { reader, block: reader.block.block(WITH_OIDC), path: AttributePath::root(WITH_OIDC) }
}

/// What differs between the sessions of the two kinds of blocks.
struct SessionArguments {
    name: &'static str,
    name_variables: &'static [&'static str],
    expiration_variables: &'static [&'static str],
    /// `None` if the session has no external ID.
    external_id_variables: Option<&'static [&'static str]>,
}

/// Reads the roles to assume one after the other, the first with the credentials of another source. None for
/// a role that is incomplete or not known yet.
pub(super) fn roles_to_assume(reader: Reader<'_>) -> Read<Vec<Option<Role>>> {
    if matches!(reader.block.blocks(ASSUME_ROLE), AttributeValue::Unknown) {
        let unknown: Read<Option<Role>> = Read::unknown(&AttributePath::root(ASSUME_ROLE));
        return unknown.with(Vec::new());
    }
    let mut read = Read::new(());
    let mut roles = Vec::new();
    let (blocks, variables) = assume_role_blocks(reader);
    let external_id_variables =
        if blocks.len() > 1 { &[] } else { environment::ASSUME_ROLE_EXTERNAL_ID };
    for block in blocks {
        let session = read.take(read_session(
            &block,
            &SessionArguments {
                name: "session_name",
                name_variables: environment::ASSUME_ROLE_SESSION_NAME,
                expiration_variables: environment::ASSUME_ROLE_SESSION_EXPIRATION,
                external_id_variables: Some(external_id_variables),
            },
        ));
        let arn = block.lookup("role_arn", variables);
        let arn = read.take(arn.parse("Invalid role ARN", RoleArn::parse));
        roles.push(arn.map(|arn| Role { arn, session }));
    }
    read.with(roles)
}

/// Reads the role to assume with an OIDC token.
pub(super) fn oidc_role(
    reader: Reader<'_>,
    defaults: &SourceDefaults,
) -> Read<Option<CredentialSource>> {
    let block = oidc_block(reader);
    match block.block {
        AttributeValue::Known(_) => {}
        AttributeValue::Unknown => return Read::unknown(&block.path),
        AttributeValue::Null if has_oidc_variables(reader) => {}
        AttributeValue::Null => return Read::new(None),
    }
    let mut read = Read::new(());
    let session = read.take(read_session(
        &block,
        &SessionArguments {
            name: "role_session_name",
            name_variables: environment::OIDC_SESSION_NAME,
            expiration_variables: &[],
            external_id_variables: None,
        },
    ));
    let provider_arn = block.lookup("oidc_provider_arn", environment::OIDC_PROVIDER_ARN);
    let provider_arn = provider_arn.parse("Invalid identity provider ARN", |text| {
        OidcRole::check_provider_arn(text).map(|()| text.to_owned())
    });
    let provider_arn = read.take(provider_arn);
    let arn = block.lookup("role_arn", environment::OIDC_ROLE_ARN);
    let arn = read.take(arn.parse("Invalid role ARN", RoleArn::parse));
    let token = read.take(read_oidc_token(&block, defaults));
    let (Some(arn), Some(provider_arn), Some(token)) = (arn, provider_arn, token) else {
        return read.with(None);
    };
    let (role, sts) = (Role { arn, session }, defaults.sts.clone());
    read.with(Some(CredentialSource::AssumeRoleWithOidc(OidcRole {
        role,
        provider_arn,
        token,
        sts,
    })))
}

/// Whether the environment describes a whole OIDC role, as in pods and pipelines. A single variable may be
/// set for other reasons.
fn has_oidc_variables(reader: Reader<'_>) -> bool {
    let Some(environment) = reader.environment() else { return false };
    let is_set = |variables| environment.first_set(variables).is_some();
    is_set(environment::OIDC_PROVIDER_ARN)
        && is_set(environment::OIDC_ROLE_ARN)
        && (is_set(environment::OIDC_TOKEN_FILE) || is_set(environment::OIDC_TOKEN))
}

/// Describes the variables of an OIDC role if only one of them is missing: a pod or pipeline that is
/// meant to use it.
pub(super) fn incomplete_oidc(environment: &Environment) -> Option<String> {
    let tokens = [environment::OIDC_TOKEN_FILE, environment::OIDC_TOKEN].concat();
    let settings = [environment::OIDC_ROLE_ARN, environment::OIDC_PROVIDER_ARN, &tokens];
    let (set, missing): (Vec<_>, Vec<_>) = settings
        .into_iter()
        .map(|names| (names, environment.first_set(names)))
        .partition(|(_, found)| found.is_some());
    let ([(_, Some((first, _))), (_, Some((second, _)))], [(missing, None)]) =
        (set.as_slice(), missing.as_slice())
    else {
        return None;
    };
    let missing = missing.first()?;
    Some(format!(
        "The environment variables {first} and {second} are set, but {missing} is not. Set it to assume the \
         role with an OIDC token."
    ))
}

/// Reads the token: both arguments of the block take precedence over the environment.
fn read_oidc_token(block: &RoleBlock<'_>, defaults: &SourceDefaults) -> Read<Option<OidcToken>> {
    let value = |variables| {
        let found = block.lookup("oidc_token", variables);
        found.map(|found| OidcToken::Value(found.text.trim().into()))
    };
    let file = |variables| {
        let found = block.lookup("oidc_token_file", variables);
        found.map(|found| OidcToken::File(defaults.expand_home(found.text)))
    };
    let mut token = value(&[]).or_else(|| file(&[])).or_else(|| value(environment::OIDC_TOKEN));
    let from_file = token.take(file(environment::OIDC_TOKEN_FILE));
    token.value = token.value.or(from_file);
    token
}

fn read_session(block: &RoleBlock<'_>, arguments: &SessionArguments) -> Read<RoleSession> {
    let mut read = Read::new(());
    let mut session = RoleSession::default();

    let name = block.lookup(arguments.name, arguments.name_variables);
    let name = name.parse("Invalid session name", |text| session.clone().with_name(text));
    session = read.take(name).unwrap_or(session);

    let policy = block.lookup("policy", &[]);
    let policy = policy.parse("Invalid policy", |text| session.clone().with_policy(text));
    session = read.take(policy).unwrap_or(session);

    if let Some(variables) = arguments.external_id_variables {
        let id = block.lookup("external_id", variables);
        let id = id.parse("Invalid external ID", |text| session.clone().with_external_id(text));
        session = read.take(id).unwrap_or(session);
    }

    let duration = read_session_duration(block, arguments, &session);
    session = read.take(duration).unwrap_or(session);
    read.with(session)
}

fn read_session_duration(
    block: &RoleBlock<'_>,
    arguments: &SessionArguments,
    session: &RoleSession,
) -> Read<Option<RoleSession>> {
    const SUMMARY: &str = "Invalid session duration";
    let path = block.path.attribute("session_expiration");
    let mut seconds = Reader::number(block.block, &path, &RoleError::SessionDuration.to_string());
    match seconds.value.take() {
        Some(seconds) => match session.clone().with_duration_seconds(seconds) {
            Ok(longer) => Read::new(Some(longer)),
            Err(error) => {
                let detail = format!("`{path}` {error}; got {seconds}.");
                Read::error(Diagnostic::error(SUMMARY, detail).with_path(path))
            }
        },
        None if !seconds.unknown.is_empty() => seconds.with(None),
        None => seconds.with(None).or_else(|| {
            let variables = arguments.expiration_variables;
            block.reader.variable(variables, block.path.clone()).parse(SUMMARY, |text| {
                let seconds = text.parse().map_err(|_| RoleError::SessionDuration)?;
                session.clone().with_duration_seconds(seconds)
            })
        }),
    }
}

/// Checks that the blocks are complete, together with the environment: without a role, a block would
/// silently have no effect.
pub(super) fn check_required(reader: Reader<'_>) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let (blocks, variables) = assume_role_blocks(reader);
    let mut required: Vec<(&RoleBlock<'_>, &str, &[&'static str])> =
        blocks.iter().map(|block| (block, "role_arn", variables)).collect();
    let oidc = oidc_block(reader);
    let has_oidc = matches!(oidc.block, AttributeValue::Known(_));
    if has_oidc {
        required.push((&oidc, "role_arn", environment::OIDC_ROLE_ARN));
        required.push((&oidc, "oidc_provider_arn", environment::OIDC_PROVIDER_ARN));
    }
    for (block, name, variables) in required {
        if block.is_missing(name, variables) {
            let variables = match variables {
                [] => String::new(),
                variables => format!(" or the environment variable {}", variables.join(" or ")),
            };
            let detail = format!(
                "`{name}` is required in the `{}` block. Set it{variables}, or remove the block.",
                block.path,
            );
            diagnostics.push(incomplete(block, name, detail));
        }
    }
    let tokens = [
        ("oidc_token", environment::OIDC_TOKEN),
        ("oidc_token_file", environment::OIDC_TOKEN_FILE),
    ];
    if has_oidc && tokens.iter().all(|(name, variables)| oidc.is_missing(name, variables)) {
        let variables = [environment::OIDC_TOKEN_FILE, environment::OIDC_TOKEN].concat();
        let detail = format!(
            "`oidc_token_file` or `oidc_token` is required in the `{WITH_OIDC}` block. Set one of them or \
             the environment variable {}, or remove the block.",
            variables.join(" or "),
        );
        diagnostics.push(incomplete(&oidc, "oidc_token_file", detail));
    }
    diagnostics
}

fn incomplete(block: &RoleBlock<'_>, name: &str, detail: String) -> Diagnostic {
    Diagnostic::error("Incomplete role", detail).with_path(block.path.attribute(name))
}
