//! The metadata service of an ECS instance, reduced to the credentials of the instance's RAM role.
//! The path `/-/ecs` stands for its address, `http://100.100.100.200`.
//!
//! Follows "Instance metadata" of the ECS documentation and the providers of the official
//! credentials libraries. Guesses: that any request with `X-Forwarded-For` is rejected (documented
//! for tokens, by another cloud), 401 for an unknown or expired token, 400 for an invalid TTL, 405
//! for another method, and that errors are JSON (HTML and XML occur in practice; clients only use
//! the status).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use super::config::MetadataMode;
use super::error::ServiceError;
use super::key_store;
use super::request::{Request, decode};

/// Base path of the metadata service.
pub(super) const PREFIX: &str = "/-/ecs";

/// Session duration of an instance's credentials: about six hours.
pub(super) const SESSION_SECONDS: u64 = 21_600;

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// The resource that a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Token,
    /// The name of the instance's RAM role.
    Role,
    /// The credentials of a role.
    Credentials(String),
    Unknown,
}

impl Call {
    /// Parses a path below [`PREFIX`].
    pub(super) fn of(path: &str) -> Self {
        match (path, path.strip_prefix(ROLES)) {
            ("/latest/api/token", _) => Self::Token,
            (_, Some("")) => Self::Role,
            (_, Some(role)) => Self::Credentials(decode(role)),
            _ => Self::Unknown,
        }
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Token => Some("EcsMetadataToken"),
            Self::Role => Some("EcsMetadataRole"),
            Self::Credentials(_) => Some("EcsMetadataCredentials"),
            Self::Unknown => None,
        }
    }
}

/// The state of the service. No `Debug`, because the tokens are secret.
pub(super) struct Metadata {
    role: Option<String>,
    mode: MetadataMode,
    /// Tokens and their expiry.
    tokens: BTreeMap<String, OffsetDateTime>,
}

impl Metadata {
    pub(super) fn new(role: Option<String>, mode: MetadataMode) -> Self {
        Self { role, mode, tokens: BTreeMap::new() }
    }

    /// Checks method, headers and token.
    pub(super) fn admit(
        &self,
        call: &Call,
        request: &Request,
        now: OffsetDateTime,
    ) -> Result<(), ServiceError> {
        if request.header("x-forwarded-for").is_some() {
            let message = "Metadata is not served through a proxy.";
            return Err(ServiceError::new(403, "Forbidden", message));
        }
        let method = match call {
            Call::Unknown => return Err(not_found()),
            Call::Token if self.mode == MetadataMode::V1Only => return Err(not_found()),
            Call::Token => "PUT",
            Call::Role | Call::Credentials(_) => "GET",
        };
        if request.method != method {
            let message = "The method is not allowed.";
            return Err(ServiceError::new(405, "MethodNotAllowed", message));
        }
        if *call == Call::Token {
            return Ok(());
        }
        match (self.mode, request.header("x-aliyun-ecs-metadata-token")) {
            // A service without tokens does not know the header.
            (MetadataMode::V1Only, _) | (MetadataMode::Any, None) => Ok(()),
            (MetadataMode::V2Required, None) => {
                let message = "A token is required.";
                Err(ServiceError::new(403, "Forbidden", message))
            }
            (_, Some(token)) if self.tokens.get(&token).is_some_and(|expiry| now < *expiry) => {
                Ok(())
            }
            (_, Some(_)) => {
                let message = "The token is unknown or has expired.";
                Err(ServiceError::new(401, "Unauthorized", message))
            }
        }
    }

    /// Issues a token with the requested TTL.
    pub(super) fn issue_token(
        &mut self,
        request: &Request,
        request_id: &str,
        now: OffsetDateTime,
    ) -> Result<String, ServiceError> {
        let seconds = request
            .header("x-aliyun-ecs-metadata-token-ttl-seconds")
            .and_then(|text| text.parse().ok())
            .filter(|seconds| (1..=21_600).contains(seconds))
            .ok_or_else(|| {
                let message =
                    "X-aliyun-ecs-metadata-token-ttl-seconds must be between 1 and 21600.";
                ServiceError::new(400, "BadRequest", message)
            })?;
        let token = URL_SAFE_NO_PAD.encode(key_store::derive("metadata token", request_id));
        self.tokens.insert(token.clone(), key_store::after(now, seconds));
        Ok(token)
    }

    /// The name of the instance's RAM role.
    pub(super) fn role(&self) -> Result<&str, ServiceError> {
        self.role.as_deref().ok_or_else(not_found)
    }

    /// Checks that the instance has this RAM role.
    pub(super) fn check_role(&self, name: &str) -> Result<(), ServiceError> {
        self.role().and_then(|role| if role == name { Ok(()) } else { Err(not_found()) })
    }
}

fn not_found() -> ServiceError {
    ServiceError::new(404, "NotFound", "Not found.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
    const TOKEN: &str = "x-aliyun-ecs-metadata-token";

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap()
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Request { method: method.to_owned(), headers: headers.collect(), ..Request::default() }
    }

    fn metadata(mode: MetadataMode) -> Metadata {
        let mut metadata = Metadata::new(Some("the-role".to_owned()), mode);
        metadata.tokens.insert("right".to_owned(), now() + time::Duration::seconds(1));
        metadata.tokens.insert("old".to_owned(), now());
        metadata
    }

    fn status<T>(result: Result<T, ServiceError>) -> u16 {
        result.map_or_else(|error| error.status, |_| 200)
    }

    #[test]
    fn paths_are_parsed() {
        let credentials = Call::Credentials("a b".to_owned());
        for (path, expected) in [
            ("/latest/api/token", Call::Token),
            ("/latest/meta-data/ram/security-credentials/", Call::Role),
            ("/latest/meta-data/ram/security-credentials/a%20b", credentials),
            ("/latest/meta-data/ram/security-credentials", Call::Unknown),
            ("/latest/meta-data/instance-id", Call::Unknown),
            ("", Call::Unknown),
        ] {
            assert_eq!(Call::of(path), expected, "{path}");
        }
    }

    #[test]
    fn the_mode_decides_whether_a_token_is_required() {
        use MetadataMode::{Any, V1Only, V2Required};
        let put = request("PUT", &[]);
        let get = |token: Option<&str>| {
            request("GET", &token.map(|token| (TOKEN, token)).into_iter().collect::<Vec<_>>())
        };
        for (mode, expected) in [
            // A token; then the role without a token, with a valid, an expired and an unknown one.
            (Any, [200, 200, 200, 401, 401]),
            (V2Required, [200, 403, 200, 401, 401]),
            (V1Only, [404, 200, 200, 200, 200]),
        ] {
            let metadata = metadata(mode);
            let mut found = vec![status(metadata.admit(&Call::Token, &put, now()))];
            for token in [None, Some("right"), Some("old"), Some("other")] {
                found.push(status(metadata.admit(&Call::Role, &get(token), now())));
            }
            assert_eq!(found, expected, "{mode:?}");
        }
    }

    #[test]
    fn proxies_other_methods_and_other_paths_are_rejected() {
        let metadata = metadata(MetadataMode::Any);
        let admit = |call: &Call, request: &Request| status(metadata.admit(call, request, now()));
        assert_eq!(admit(&Call::Token, &request("GET", &[])), 405);
        assert_eq!(admit(&Call::Role, &request("PUT", &[])), 405);
        assert_eq!(admit(&Call::Unknown, &request("GET", &[])), 404);
        let proxied = [("x-forwarded-for", "10.0.0.1")];
        assert_eq!(admit(&Call::Token, &request("PUT", &proxied)), 403);
        assert_eq!(admit(&Call::Role, &request("GET", &proxied)), 403);
    }

    #[test]
    fn a_token_expires_after_the_requested_ttl() {
        let mut metadata = Metadata::new(None, MetadataMode::V2Required);
        let mut issue = |headers: &[(&str, &str)], id| {
            metadata.issue_token(&request("PUT", headers), id, now()).map_err(|error| error.status)
        };
        for text in ["0", "21601", "-1", "", "1h"] {
            assert_eq!(issue(&[(TTL, text)], "ID"), Err(400), "{text}");
        }
        assert_eq!(issue(&[], "ID"), Err(400));
        assert!(issue(&[(TTL, "21600")], "ONE").is_ok());
        let token = issue(&[(TTL, "1")], "TWO").unwrap();
        assert_ne!(issue(&[(TTL, "1")], "THREE").unwrap(), token);
        let get = request("GET", &[(TOKEN, &token)]);
        let call = Call::Role;
        assert_eq!(status(metadata.admit(&call, &get, now())), 200);
        assert_eq!(status(metadata.admit(&call, &get, now() + time::Duration::SECOND)), 401);
    }

    #[test]
    fn an_instance_has_at_most_one_role() {
        let with = metadata(MetadataMode::Any);
        assert_eq!(with.role().unwrap(), "the-role");
        assert_eq!(status(with.check_role("the-role")), 200);
        assert_eq!(status(with.check_role("another")), 404);
        let without = Metadata::new(None, MetadataMode::Any);
        assert_eq!((status(without.role()), status(without.check_role(""))), (404, 404));
    }
}
