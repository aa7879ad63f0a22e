//! Selects the service for a request: one port serves several services.

use std::collections::BTreeMap;

use super::address::Address;
use super::request::Request;
use super::sts::Parameters;
use super::{login, metadata};

/// Path of the credentials URI.
const CREDENTIALS_URI: &str = "/-/credentials";

/// The service for a request.
pub(super) enum Route<'r> {
    Oss,
    Sts(Parameters),
    Metadata(metadata::Call),
    CredentialsUri,
    Login(login::Call),
    /// With the path after `/-/`.
    Control(&'r str),
}

/// See `service/control.rs`.
const CONTROL_PATHS: [&str; 5] = ["faults", "sessions/", "master-keys/", "clock", "objects/"];

impl<'r> Route<'r> {
    /// A request whose host or path contains a bucket is for OSS, whatever its query is; any other
    /// request may be for STS. The path `/-/`, which cannot be a bucket, is for services that have
    /// their own host in reality.
    pub(super) fn of(request: &'r Request, custom_domains: &BTreeMap<String, String>) -> Self {
        if let Some(call) = login::Call::of(request) {
            return Self::Login(call);
        }
        let address = Address::resolve(&request.host, &request.path, custom_domains);
        match address.as_ref().map(|address| address.bucket.as_deref()) {
            Ok(Some("-")) if request.path == CREDENTIALS_URI => return Self::CredentialsUri,
            Ok(Some("-")) => {
                let below = request.path.strip_prefix(metadata::PREFIX);
                if let Some(path) = below.filter(|path| path.starts_with('/')) {
                    return Self::Metadata(metadata::Call::of(path));
                }
                let below = request.path.strip_prefix("/-/").unwrap_or_default();
                let is_control = CONTROL_PATHS.iter().any(|control| below.starts_with(control));
                return if is_control { Self::Control(below) } else { Self::Oss };
            }
            Ok(Some(_)) => return Self::Oss,
            _ => {}
        }
        Parameters::of(request).map_or(Self::Oss, Self::Sts)
    }

    /// The name of the service in a [`RecordedRequest`](super::RecordedRequest).
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::Oss => "oss",
            Self::Sts(_) => "sts",
            Self::Metadata(_) => "ecs-metadata",
            Self::CredentialsUri => "credentials-uri",
            Self::Login(_) => "login",
            Self::Control(_) => "control",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::parse_query;

    fn service(host: &str, path: &str, query: &str) -> &'static str {
        let request = Request {
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: parse_query(query),
            ..Request::default()
        };
        let domains = BTreeMap::from([("assets.example.com".to_owned(), "demo".to_owned())]);
        Route::of(&request, &domains).service()
    }

    #[test]
    fn logins_are_recognized_by_host_and_path() {
        let service = |method: &str, host: &str, path: &str| {
            let [method, host, path] = [method, host, path].map(str::to_owned);
            let request = Request { method, host, path, ..Request::default() };
            Route::of(&request, &BTreeMap::new()).service()
        };
        assert_eq!(service("POST", "127.0.0.1:8080", "/cloud-credentials"), "login");
        assert_eq!(service("POST", "signin.example.com", "/cloud-credentials"), "login");
        assert_eq!(service("PUT", "127.0.0.1:8080", "/cloud-credentials"), "oss");
        for host in login::OAUTH_HOSTS {
            assert_eq!(service("POST", host, "/v1/token"), "login");
            assert_eq!(service("POST", host, "/v1/exchange"), "login");
        }
        assert_eq!(service("POST", "127.0.0.1:8080", "/v1/token"), "oss");
    }

    #[test]
    fn one_port_serves_several_services() {
        let call = "Action=AssumeRole";
        assert_eq!(service("127.0.0.1:8080", "/", ""), "oss");
        assert_eq!(service("127.0.0.1:8080", "/", call), "sts");
        assert_eq!(service("sts.cn-hangzhou.aliyuncs.com", "/", call), "sts");
        assert_eq!(service("127.0.0.1:8080", "/-/ecs/latest/api/token", ""), "ecs-metadata");
        assert_eq!(service("127.0.0.1:8080", "/-/ecs/", call), "ecs-metadata");
        assert_eq!(service("127.0.0.1:8080", "/-/credentials", "a=b"), "credentials-uri");
        assert_eq!(service("127.0.0.1:8080", "/-/credentials/", ""), "oss");
        assert_eq!(service("127.0.0.1:8080", "/-/ecstasy", ""), "oss");
        assert_eq!(service("127.0.0.1:8080", "/-/", call), "oss");
        assert_eq!(service("127.0.0.1:8080", "/-/faults", ""), "control");
        assert_eq!(service("127.0.0.1:8080", "/-/objects/demo/a", ""), "control");
        assert_eq!(service("demo.localhost", "/-/faults", ""), "oss");
        assert_eq!(service("demo.localhost", "/-/credentials", ""), "oss");
        assert_eq!(service("demo.localhost", "/-/ecs/latest/api/token", ""), "oss");
        assert_eq!(service("127.0.0.1:8080", "/demo/", call), "oss");
        assert_eq!(service("demo.localhost", "/", call), "oss");
        assert_eq!(service("assets.example.com", "/", call), "oss");
    }
}
