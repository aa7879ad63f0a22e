//! The endpoints of STS.
//!
//! Source: RAM documentation, "Endpoints" of STS; the endpoint map of the official STS SDKs
//! (`aliyun-python-sdk-sts`, `endpoint.py`) for regions without a host of their own.

use thiserror::Error;

use crate::oss::endpoint::EndpointError;
use crate::oss::{Endpoint, Region};

/// The endpoint that serves every region.
const GLOBAL: &str = "sts.aliyuncs.com";

/// Regions of customers that have no `sts.{region}.aliyuncs.com`, and the hosts that serve them.
const EXCEPTIONS: [(&str, &str); 16] = [
    ("ap-northeast-2-pop", GLOBAL),
    ("cn-beijing-finance-1", GLOBAL),
    ("cn-beijing-finance-pop", GLOBAL),
    ("cn-beijing-gov-1", GLOBAL),
    ("cn-edge-1", GLOBAL),
    ("cn-fujian", GLOBAL),
    ("cn-hangzhou-finance", GLOBAL),
    ("cn-hongkong-finance-pop", GLOBAL),
    ("cn-huhehaote-nebula-1", GLOBAL),
    ("cn-north-2-gov-1", "sts-vpc.cn-north-2-gov-1.aliyuncs.com"),
    ("cn-qingdao-nebula", GLOBAL),
    ("cn-shenzhen-finance-1", "sts-vpc.cn-shenzhen-finance-1.aliyuncs.com"),
    ("cn-wuhan", GLOBAL),
    ("cn-zhangbei", GLOBAL),
    ("cn-zhengzhou-nebula-1", GLOBAL),
    ("rus-west-1-pop", GLOBAL),
];

/// Why a string is not an endpoint of STS. The text completes the sentence "… must".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StsEndpointError {
    /// Not an endpoint at all.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A region instead of a host.
    #[error("must be a host name, not a region: write `{0}`")]
    Region(String),
}

/// How to reach STS.
#[derive(Debug, Clone, Default)]
pub struct StsConfig {
    /// An explicit endpoint.
    pub endpoint: Option<Endpoint>,
    /// Else the endpoint of this region; none means the global one.
    pub region: Option<Region>,
    /// The endpoint inside the VPC, which needs a region.
    pub use_vpc_endpoint: bool,
}

impl StsConfig {
    /// Parses an explicit endpoint.
    ///
    /// # Errors
    ///
    /// It is not an endpoint, or it is a region, which could be a host only on a local network.
    pub fn parse_endpoint(text: &str) -> Result<Endpoint, StsEndpointError> {
        let endpoint = Endpoint::parse(text)?;
        match endpoint.single_label().map(Region::parse) {
            Some(Ok(region)) if region.has_geography() => {
                let config = Self { region: Some(region), ..Self::default() };
                Err(StsEndpointError::Region(config.resolve_endpoint().to_config()))
            }
            _ => Ok(endpoint),
        }
    }

    /// The endpoint: `sts[-vpc].{region}.aliyuncs.com` with few exceptions, or `sts.aliyuncs.com` without a
    /// region.
    #[must_use]
    pub fn resolve_endpoint(&self) -> Endpoint {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.clone();
        }
        let Some(region) = &self.region else { return Endpoint::https(GLOBAL.to_owned()) };
        if self.use_vpc_endpoint {
            return Endpoint::https(format!("sts-vpc.{region}.aliyuncs.com"));
        }
        let exception = EXCEPTIONS.iter().find(|(name, _)| *name == region.as_str());
        let host = exception.map(|(_, host)| (*host).to_owned());
        Endpoint::https(host.unwrap_or_else(|| format!("sts.{region}.aliyuncs.com")))
    }

    /// The global endpoint, for a region whose own one does not exist. An explicit endpoint is not
    /// replaced.
    pub(super) fn fallback_endpoint(&self) -> Option<Endpoint> {
        let is_chosen = self.endpoint.is_some() || self.use_vpc_endpoint;
        let global = Endpoint::https(GLOBAL.to_owned());
        (!is_chosen && self.resolve_endpoint() != global).then_some(global)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(region: &str) -> StsConfig {
        StsConfig { region: Region::parse(region).ok(), ..StsConfig::default() }
    }

    #[test]
    fn every_region_has_an_endpoint() {
        let vpc = |region| StsConfig { use_vpc_endpoint: true, ..config(region) };
        let endpoint = Endpoint::parse("https://sts.example.com").ok();
        for (config, expected) in [
            (StsConfig::default(), "https://sts.aliyuncs.com"),
            (config("cn-hangzhou"), "https://sts.cn-hangzhou.aliyuncs.com"),
            (vpc("cn-hangzhou"), "https://sts-vpc.cn-hangzhou.aliyuncs.com"),
            (
                StsConfig { use_vpc_endpoint: true, ..StsConfig::default() },
                "https://sts.aliyuncs.com",
            ),
            (StsConfig { endpoint, ..vpc("cn-hangzhou") }, "https://sts.example.com"),
            (config("cn-hangzhou-finance"), "https://sts.aliyuncs.com"),
            (config("cn-beijing-finance-1"), "https://sts.aliyuncs.com"),
            (config("cn-beijing-gov-1"), "https://sts.aliyuncs.com"),
            (config("cn-shenzhen-finance-1"), "https://sts-vpc.cn-shenzhen-finance-1.aliyuncs.com"),
            (config("cn-north-2-gov-1"), "https://sts-vpc.cn-north-2-gov-1.aliyuncs.com"),
            (vpc("cn-hangzhou-finance"), "https://sts-vpc.cn-hangzhou-finance.aliyuncs.com"),
        ] {
            assert_eq!(config.resolve_endpoint().to_string(), expected, "{config:?}");
        }
        assert!(EXCEPTIONS.is_sorted(), "each region once");
    }

    #[test]
    fn a_region_is_no_endpoint_of_sts() {
        for (text, expected) in [
            ("cn-hangzhou", "write `sts.cn-hangzhou.aliyuncs.com`"),
            ("https://cn-hangzhou-finance", "write `sts.aliyuncs.com`"),
            ("ftp://sts.aliyuncs.com", "must begin with https://"),
        ] {
            let error = StsConfig::parse_endpoint(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["sts.cn-hangzhou.aliyuncs.com", "localhost", "cn-hangzhou:8443"] {
            assert!(StsConfig::parse_endpoint(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn only_a_derived_regional_endpoint_is_replaced() {
        let fallback = |config: &StsConfig| config.fallback_endpoint().map(|e| e.to_string());
        for region in ["rg-china-mainland", "cn-hzfinance", "cn-hangzhou"] {
            let global = Some("https://sts.aliyuncs.com".to_owned());
            assert_eq!(fallback(&config(region)), global, "{region}");
        }
        assert_eq!(fallback(&config("cn-hangzhou-finance")), None, "it is the global one");
        assert_eq!(fallback(&StsConfig::default()), None);
        assert_eq!(fallback(&StsConfig { use_vpc_endpoint: true, ..config("cn-hangzhou") }), None);
        let endpoint = Endpoint::parse("sts.example.com").ok();
        assert_eq!(fallback(&StsConfig { endpoint, ..config("cn-hangzhou") }), None);
    }
}
