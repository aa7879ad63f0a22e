//! The parameters of a request to STS, and the operation that they name.

use std::collections::BTreeMap;

use crate::error::ServiceError;
use crate::request::Request;

/// The parameters that may be recorded: none of them is secret.
const LOGGED_PARAMETERS: [&str; 6] =
    ["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId", "OIDCProviderArn"];

/// The operations of STS that the emulator implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    AssumeRole,
    AssumeRoleWithOidc,
}

impl Call {
    pub(super) fn of(parameters: &Parameters) -> Result<Self, ServiceError> {
        match parameters.get("Action") {
            Some("AssumeRole") => Ok(Self::AssumeRole),
            Some("AssumeRoleWithOIDC") => Ok(Self::AssumeRoleWithOidc),
            _ => {
                let message = "Specified api is not found, please check your url and method.";
                Err(ServiceError::new(404, "InvalidAction.NotFound", message))
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithOidc => "AssumeRoleWithOIDC",
        }
    }
}

/// The parameters of a request, from query and form. No `Debug`, because they may contain tokens.
pub(crate) struct Parameters(pub(super) Vec<(String, String)>);

impl Parameters {
    /// The parameters, if the request has an `Action`.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let is_call = matches!(request.method.as_str(), "GET" | "POST") && request.path == "/";
        let all = || request.query.iter().cloned().chain(request.form()).collect();
        Some(())
            .filter(|()| is_call)
            .map(|()| Self(all()))
            .filter(|all| all.find("Action").is_some())
    }

    /// A value; `None` if it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ServiceError> {
        self.get(name).ok_or_else(|| {
            let message = format!("{name} is mandatory for this action.");
            ServiceError::new(400, format!("Missing{name}"), message)
        })
    }

    /// The operation, if the emulator implements it.
    pub(crate) fn call(&self) -> Option<Call> {
        Call::of(self).ok()
    }

    pub(crate) fn access_key_id(&self) -> Option<&str> {
        self.get("AccessKeyId")
    }

    /// The parameters that may be recorded.
    pub(crate) fn public(&self) -> BTreeMap<String, String> {
        let is_public = |(name, _): &&(String, String)| LOGGED_PARAMETERS.contains(&name.as_str());
        self.0.iter().filter(is_public).cloned().collect()
    }
}
