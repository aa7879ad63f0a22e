//! Which service a request is for: one port stands for several hosts.

use std::collections::BTreeMap;

use super::address::Address;
use super::request::Request;
use super::sts::Parameters;

/// Who is to answer.
pub(super) enum Route {
    Oss,
    Sts(Parameters),
}

impl Route {
    /// A host or a path that names a bucket is OSS's, whatever the query says; any other, known to
    /// OSS or not, may be STS's.
    pub(super) fn of(request: &Request, custom_domains: &BTreeMap<String, String>) -> Self {
        let address = Address::resolve(&request.host, &request.path, custom_domains);
        if address.is_ok_and(|address| address.bucket.is_some()) {
            return Self::Oss;
        }
        Parameters::of(request).map_or(Self::Oss, Self::Sts)
    }

    /// Its name in an exchange.
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::Oss => "oss",
            Self::Sts(_) => "sts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::request::parse_query;

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
        assert_eq!(service("127.0.0.1:8080", "/demo/", call), "oss");
        assert_eq!(service("demo.localhost", "/", call), "oss");
        assert_eq!(service("assets.example.com", "/", call), "oss");
    }
}
