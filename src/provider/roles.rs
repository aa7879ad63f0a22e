//! The blocks `assume_role` and `assume_role_with_oidc`.

use crate::oss::credentials::{
    CredentialSource, OidcRole, OidcToken, Role, RoleArn, RoleError, RoleSession, SourceDefaults,
};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics};

use super::environment;
use super::read::{Read, Reader};

const ASSUME_ROLE: &str = "assume_role";
const WITH_OIDC: &str = "assume_role_with_oidc";

/// What differs between the sessions of the two blocks.
struct SessionBlock {
    block: &'static str,
    session_name: &'static str,
    session_name_variables: &'static [&'static str],
    expiration_variables: &'static [&'static str],
    has_external_id: bool,
}

/// Reads the role to assume with the credentials of another source.
pub(super) fn role_to_assume(reader: Reader<'_>) -> Read<Option<Role>> {
    match reader.block.block(ASSUME_ROLE) {
        AttributeValue::Known(_) => {}
        AttributeValue::Unknown => return Read::unknown(&AttributePath::root(ASSUME_ROLE)),
        AttributeValue::Null => return Read::new(None),
    }
    let mut read = Read::new(());
    let session = read.take(read_session(
        reader,
        &SessionBlock {
            block: ASSUME_ROLE,
            session_name: "session_name",
            session_name_variables: environment::ASSUME_ROLE_SESSION_NAME,
            expiration_variables: environment::ASSUME_ROLE_SESSION_EXPIRATION,
            has_external_id: true,
        },
    ));
    let arn = reader.lookup_nested(ASSUME_ROLE, "role_arn", environment::ASSUME_ROLE_ARN);
    let arn = read.take(arn.parse("Invalid role ARN", RoleArn::parse));
    read.with(arn.map(|arn| Role { arn, session }))
}

/// Reads the role to assume with an OIDC token.
pub(super) fn oidc_role(
    reader: Reader<'_>,
    defaults: &SourceDefaults,
) -> Read<Option<CredentialSource>> {
    match reader.block.block(WITH_OIDC) {
        AttributeValue::Known(_) => {}
        AttributeValue::Unknown => return Read::unknown(&AttributePath::root(WITH_OIDC)),
        AttributeValue::Null if has_oidc_variables(reader) => {}
        AttributeValue::Null => return Read::new(None),
    }
    let mut read = Read::new(());
    let session = read.take(read_session(
        reader,
        &SessionBlock {
            block: WITH_OIDC,
            session_name: "role_session_name",
            session_name_variables: environment::OIDC_SESSION_NAME,
            expiration_variables: &[],
            has_external_id: false,
        },
    ));
    let provider_arn =
        reader.lookup_nested(WITH_OIDC, "oidc_provider_arn", environment::OIDC_PROVIDER_ARN);
    let provider_arn = provider_arn.parse("Invalid identity provider ARN", |text| {
        OidcRole::check_provider_arn(text).map(|()| text.to_owned())
    });
    let provider_arn = read.take(provider_arn);
    let arn = reader.lookup_nested(WITH_OIDC, "role_arn", environment::OIDC_ROLE_ARN);
    let arn = read.take(arn.parse("Invalid role ARN", RoleArn::parse));
    let token = read.take(read_oidc_token(reader, defaults));
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

/// Reads the token: both arguments of the block take precedence over the environment.
fn read_oidc_token(reader: Reader<'_>, defaults: &SourceDefaults) -> Read<Option<OidcToken>> {
    let value = |variables| {
        let found = reader.lookup_nested(WITH_OIDC, "oidc_token", variables);
        found.map(|found| OidcToken::Value(found.text.trim().into()))
    };
    let file = |variables| {
        let found = reader.lookup_nested(WITH_OIDC, "oidc_token_file", variables);
        found.map(|found| OidcToken::File(defaults.expand_home(found.text)))
    };
    let mut token = value(&[]).or_else(|| file(&[])).or_else(|| value(environment::OIDC_TOKEN));
    let from_file = token.take(file(environment::OIDC_TOKEN_FILE));
    token.value = token.value.or(from_file);
    token
}

fn read_session(reader: Reader<'_>, described: &SessionBlock) -> Read<RoleSession> {
    let block = described.block;
    let mut read = Read::new(());
    let mut session = RoleSession::default();

    let name =
        reader.lookup_nested(block, described.session_name, described.session_name_variables);
    let name = name.parse("Invalid session name", |text| session.clone().with_name(text));
    session = read.take(name).unwrap_or(session);

    let policy = reader.lookup_nested(block, "policy", &[]);
    let policy = policy.parse("Invalid policy", |text| session.clone().with_policy(text));
    session = read.take(policy).unwrap_or(session);

    if described.has_external_id {
        let id = reader.lookup_nested(block, "external_id", &[]);
        let id = id.parse("Invalid external ID", |text| session.clone().with_external_id(text));
        session = read.take(id).unwrap_or(session);
    }

    let duration = read_session_duration(reader, described, &session);
    session = read.take(duration).unwrap_or(session);
    read.with(session)
}

fn read_session_duration(
    reader: Reader<'_>,
    described: &SessionBlock,
    session: &RoleSession,
) -> Read<Option<RoleSession>> {
    const SUMMARY: &str = "Invalid session duration";
    let root = AttributePath::root(described.block);
    let path = root.attribute("session_expiration");
    let mut seconds = reader.number(&path, &RoleError::SessionDuration.to_string());
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
            reader.variable(described.expiration_variables, root).parse(SUMMARY, |text| {
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
    for (block, name, variables) in [
        (ASSUME_ROLE, "role_arn", environment::ASSUME_ROLE_ARN),
        (WITH_OIDC, "role_arn", environment::OIDC_ROLE_ARN),
        (WITH_OIDC, "oidc_provider_arn", environment::OIDC_PROVIDER_ARN),
    ] {
        if is_missing(reader, block, name, variables) {
            let detail = format!(
                "`{name}` is required in the `{block}` block. Set it or the environment variable {}, or \
                 remove the block.",
                variables.join(" or "),
            );
            diagnostics.push(incomplete(block, name, detail));
        }
    }
    let tokens = [
        ("oidc_token", environment::OIDC_TOKEN),
        ("oidc_token_file", environment::OIDC_TOKEN_FILE),
    ];
    if tokens.iter().all(|(name, variables)| is_missing(reader, WITH_OIDC, name, variables)) {
        let variables = [environment::OIDC_TOKEN_FILE, environment::OIDC_TOKEN].concat();
        let detail = format!(
            "`oidc_token_file` or `oidc_token` is required in the `{WITH_OIDC}` block. Set one of them or \
             the environment variable {}, or remove the block.",
            variables.join(" or "),
        );
        diagnostics.push(incomplete(WITH_OIDC, "oidc_token_file", detail));
    }
    diagnostics
}

/// Whether a block is present without this argument, and no variable stands in for it.
fn is_missing(reader: Reader<'_>, block: &str, name: &str, variables: &[&'static str]) -> bool {
    if !matches!(reader.block.block(block), AttributeValue::Known(_)) {
        return false;
    }
    let argument = reader.lookup_nested(block, name, variables);
    argument.value.is_none() && argument.unknown.is_empty()
}

fn incomplete(block: &str, name: &str, detail: String) -> Diagnostic {
    let path = AttributePath::root(block).attribute(name);
    Diagnostic::error("Incomplete role", detail).with_path(path)
}
