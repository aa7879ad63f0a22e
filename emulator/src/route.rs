//! Which service a request is for: one port stands for several hosts.

use std::collections::BTreeMap;

use super::address::Address;
use super::metadata;
use super::request::Request;
use super::sts::Parameters;

/// Where the credentials URI is.
const CREDENTIALS_URI: &str = "/-/credentials";

/// Who is to answer.
pub(super) enum Route<'r> {
    Oss,
    Sts(Parameters),
    Metadata(metadata::Call),
    CredentialsUri,
    /// What follows `/-/`.
    Control(&'r str),
}

/// The controls, see `service/control.rs`.
const CONTROL_PATHS: [&str; 5] = ["faults", "sessions/", "master-keys/", "clock", "objects/"];

impl<'r> Route<'r> {
    /// A host or a path that names a bucket is OSS's, whatever the query says; any other, known to
    /// OSS or not, may be STS's. No bucket can be called `-`: below it is what has a host of its
    /// own elsewhere.
    pub(super) fn of(request: &'r Request, custom_domains: &BTreeMap<String, String>) -> Self {
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

    /// Its name in an exchange.
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::Oss => "oss",
            Self::Sts(_) => "sts",
            Self::Metadata(_) => "ecs-metadata",
            Self::CredentialsUri => "credentials-uri",
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
    fn one_port_stands_for_several_hosts() {
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
