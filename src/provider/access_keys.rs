//! AccessKey pairs in the provider block and in environment variables.

use crate::oss::Credentials;
use crate::oss::credentials::{CredentialSource, TokenMismatch};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics};

use super::environment::{self, ACCESS_KEY_VARS, Environment};
use super::read::{Read, Reader};

/// The origin of credentials in the provider block.
pub(super) const IN_BLOCK: &str = "the provider block";

const CREDENTIAL_ARGUMENTS: [&str; 3] = ["access_key", "secret_key", "security_token"];

/// Reads the arguments of the provider block.
pub(super) fn block_credentials(reader: Reader<'_>) -> Read<Option<CredentialSource>> {
    let mut read = Read::new(());
    let arguments = CREDENTIAL_ARGUMENTS.map(|name| {
        let argument = reader.lookup(name, &[]);
        let is_unknown = !argument.unknown.is_empty();
        (read.take(argument), is_unknown)
    });
    for (argument, _) in &arguments {
        if let Some(argument) = argument {
            let name = argument.path.clone();
            read.diagnostics.extend(check_characters(
                argument.text,
                &argument.subject(),
                name,
                BLOCK_ADVICE,
            ));
        }
    }
    let is_unknown = arguments.each_ref().map(|(_, is_unknown)| *is_unknown);
    let [id, secret, token] = arguments.map(|(argument, _)| argument.map(|found| found.text));
    let incomplete = |missing: &str, present: &'static str| {
        let present_in_block = format!("`{present}` is set in the provider block");
        incomplete_pair(&present_in_block, &format!("`{missing}`"), present)
    };
    let error = match (id, secret, token, is_unknown) {
        (Some(id), Some(secret), token, [.., is_token_unknown]) => {
            let names = [("access_key", "access_key"), ("security_token", "security_token")]
                .map(|(name, path)| (format!("`{name}`"), path));
            let credentials = key_pair(id, secret, token);
            if !is_token_unknown {
                let environment = reader.environment();
                let unused = environment
                    .and_then(|environment| environment.first_set(environment::SECURITY_TOKEN))
                    .map(|(name, _)| name);
                read.diagnostics.extend(check_token(&credentials, names, unused));
            }
            return read.with(Some(static_source(credentials, IN_BLOCK)));
        }
        (Some(_), None, _, [_, false, _]) => incomplete("secret_key", "access_key"),
        (None, Some(_), _, [false, ..]) => incomplete("access_key", "secret_key"),
        (None, None, Some(_), [false, false, _]) => Diagnostic::error(
            "Security token without AccessKey pair",
            "`security_token` is set in the provider block, but `access_key` and `secret_key` are not. A \
             security token belongs to one AccessKey pair: set all three, or none to use another source.",
        )
        .with_attribute("security_token"),
        _ => return read.with(None),
    };
    read.diagnostics.push(error);
    read.with(None)
}

/// Reads the first set of variables that is set. Ignored if the block has any credentials.
pub(super) fn env_credentials(reader: Reader<'_>) -> Read<Option<CredentialSource>> {
    let is_set = |name: &str| {
        !matches!(reader.block.string(name), AttributeValue::Null | AttributeValue::Known(""))
    };
    let mut read = Read::new(None);
    let Some(environment) = reader.environment() else { return read };
    if CREDENTIAL_ARGUMENTS.into_iter().any(is_set) {
        return read;
    }
    for names in ACCESS_KEY_VARS {
        let [id_name, secret_name, _] = names;
        let (missing, present, argument) =
            match (environment.get(id_name), environment.get(secret_name)) {
                (None, None) => continue,
                (Some(id), Some(secret)) => return env_key_pair(environment, names, id, secret),
                (Some(_), None) => (secret_name, id_name, "access_key"),
                (None, Some(_)) => (id_name, secret_name, "secret_key"),
            };
        let present = format!("The environment variable {present} is set");
        read.diagnostics.push(incomplete_pair(&present, missing, argument));
        return read;
    }
    read
}

/// The AccessKey pair of one set of variables, with the token of the set, or else of another one: a pipeline may
/// set the token by the name of another tool.
fn env_key_pair(
    environment: &Environment,
    [id_name, secret_name, own_token_name]: [&'static str; 3],
    id: &str,
    secret: &str,
) -> Read<Option<CredentialSource>> {
    let own_token = environment.get(own_token_name).map(|token| (own_token_name, token));
    let (token_name, token) = own_token.or_else(|| environment.stray_token(own_token_name)).unzip();
    let token_name = token_name.unwrap_or(own_token_name);
    let mut diagnostics = Diagnostics::new();
    for (name, text, argument) in [
        (id_name, id, "access_key"),
        (secret_name, secret, "secret_key"),
        (token_name, token.unwrap_or_default(), "security_token"),
    ] {
        let subject = format!("The environment variable {name}");
        let path = AttributePath::root(argument);
        diagnostics.extend(check_characters(text, &subject, path, VARIABLE_ADVICE));
    }
    let credentials = key_pair(id, secret, token);
    let names = [(id_name, "access_key"), (token_name, "security_token")]
        .map(|(name, path)| (environment::describe(name), path));
    diagnostics.extend(check_token(&credentials, names, None));
    let mut origin = environment::describe(id_name);
    if token_name != own_token_name {
        origin = format!("{origin} (security token: {token_name})");
    }
    Read { diagnostics, ..Read::new(Some(static_source(credentials, &origin))) }
}

fn incomplete_pair(present: &str, missing: &str, argument: &str) -> Diagnostic {
    let detail = format!(
        "{present}, but {missing} is not. ID and secret must come from the same source: set both, or neither \
         to use another source."
    );
    Diagnostic::error("Incomplete AccessKey pair", detail).with_attribute(argument)
}

const BLOCK_ADVICE: &str = "If the value is read from a file that ends with a line break, remove it with \
    `trimspace(file(…))`.";
const VARIABLE_ADVICE: &str = "Set the variable to the value alone.";

/// Finds copying mistakes, for which OSS would only report a wrong signature. The value is a secret and not
/// shown.
fn check_characters(text: &str, subject: &str, path: AttributePath, advice: &str) -> Diagnostics {
    if !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Diagnostics::new();
    }
    let detail =
        format!("{subject} contains whitespace, a line break or a control character. {advice}");
    Diagnostic::error("Invalid credentials", detail).with_path(path).into()
}

/// Checks that ID and token belong together; both have a name and the argument that they stand for. `unused` is a
/// variable with a token that is not used.
fn check_token(
    credentials: &Credentials,
    [(id, id_path), (token, token_path)]: [(String, &str); 2],
    unused: Option<&str>,
) -> Diagnostics {
    let diagnostic = match credentials.check_token() {
        Ok(()) => return Diagnostics::new(),
        Err(TokenMismatch::Missing) => {
            let detail = format!(
                "The AccessKey ID in {id} is temporary, because it begins with STS., but {token} is not set. \
                 Set it to the security token that was issued with the AccessKey pair.{}",
                unused.map_or_else(String::new, |name| format!(
                    " The environment variable {name} is not used, because the AccessKey pair comes from \
                     another source."
                )),
            );
            Diagnostic::error("Missing security token", detail).with_attribute(id_path)
        }
        Err(TokenMismatch::Unexpected) => {
            let detail = format!(
                "The AccessKey ID in {id} is permanent, because it begins with LTAI, but {token} is set. The \
                 token belongs to another AccessKey pair: remove it, or set the AccessKey pair that it was \
                 issued with."
            );
            Diagnostic::error("Unexpected security token", detail).with_attribute(token_path)
        }
    };
    diagnostic.into()
}

fn key_pair(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    let credentials = Credentials::new(id, secret);
    match token {
        Some(token) => credentials.with_security_token(token),
        None => credentials,
    }
}

fn static_source(credentials: Credentials, origin: &str) -> CredentialSource {
    CredentialSource::Static { credentials, origin: origin.to_owned() }
}
