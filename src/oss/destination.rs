//! Where a request goes: its region and its endpoint.

use super::call::CallOptions;
use super::client::Client;
use super::credentials::profile_region;
use super::endpoint::{AddressStyle, Endpoint};
use super::error::ErrorKind;
use super::names::Region;
use super::regions::EndpointType;
use super::request::Request;
use super::sign::SignatureVersion;

impl Client {
    /// The region of a call: its own, the configured one, the profile's, the endpoint's.
    pub(super) async fn region(&self, call: &CallOptions) -> Result<Option<Region>, ErrorKind> {
        if let Some(region) = call.region.as_ref().or(self.config.region.as_ref()) {
            return Ok(Some(region.clone()));
        }
        let of_endpoint = self.config.endpoint.as_ref().and_then(Endpoint::region);
        let Some(profile) = &self.config.profile else { return Ok(of_endpoint) };
        if let Some(region) = self.profile_region.get() {
            return Ok(region.clone().or(of_endpoint));
        }
        match profile_region(profile, &self.current_profiles).await {
            Ok(region) => Ok(self.profile_region.get_or_init(|| region).clone().or(of_endpoint)),
            // If the credentials are in the profile as well, they report the same error.
            Err(_) if of_endpoint.is_some() || self.needs_no_region() => Ok(of_endpoint),
            Err(error) => Err(ErrorKind::RegionFromProfile(Box::new(error))),
        }
    }

    /// Whether no region is needed: V1 does not sign it, and the endpoint is configured.
    fn needs_no_region(&self) -> bool {
        self.config.signature_version == SignatureVersion::V1 && self.config.endpoint.is_some()
    }

    /// The endpoint for a request: the configured one, the one of the list that the bucket is in, that of the
    /// region.
    pub(super) fn endpoint(
        &self,
        request: &Request,
        call: &CallOptions,
        region: Option<&Region>,
    ) -> Option<Endpoint> {
        let endpoint_type = self.config.endpoint_type;
        let listed = || call.endpoints.get(endpoint_type).cloned();
        let of_region = || region.map(|region| Endpoint::for_region(region, endpoint_type));
        let endpoint = self.config.endpoint.clone().or_else(listed).or_else(of_region)?;
        // Acceleration endpoints have no list of buckets.
        match region {
            Some(region) if request.bucket.is_none() && endpoint.is_acceleration() => {
                Some(endpoint.at_host_of(region, EndpointType::Public))
            }
            _ => Some(endpoint),
        }
    }

    /// Checks the configured endpoint against the bucket of a request.
    pub(super) fn check_endpoint(&self, request: &Request) -> Option<ErrorKind> {
        let (endpoint, bucket) = (self.config.endpoint.as_ref()?, request.bucket.as_ref()?);
        match (endpoint.resolve_style(self.config.address_style), endpoint.split_bucket()) {
            (AddressStyle::Cname, Some((bound, _))) if bound != bucket.as_str() => {
                Some(ErrorKind::EndpointOfOtherBucket { bucket: bound.to_owned() })
            }
            (AddressStyle::Virtual, Some((_, endpoint))) => {
                Some(ErrorKind::EndpointContainsBucket { endpoint })
            }
            (AddressStyle::Virtual, None) => {
                let endpoint = endpoint.without_bucket(bucket)?;
                Some(ErrorKind::EndpointContainsBucket { endpoint })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oss::client::ClientConfig;
    use crate::oss::credentials::{Profile, SourceDefaults};

    #[tokio::test]
    async fn an_unreadable_profile_is_an_error_only_without_another_region() {
        let profile = Profile {
            path: "/no/such/file".into(),
            name: Some("ci".to_owned()),
            defaults: SourceDefaults::default(),
            last_resort: None,
        };
        let region = async |endpoint: Option<&str>, signature_version| {
            let profile = Some(profile.clone());
            let endpoint = endpoint.map(|endpoint| Endpoint::parse(endpoint).unwrap());
            let config =
                ClientConfig { endpoint, signature_version, profile, ..ClientConfig::default() };
            Client::new(config).region(&CallOptions::with_timeout(Duration::ZERO)).await
        };
        let hangzhou = region(Some("oss-cn-hangzhou.aliyuncs.com"), SignatureVersion::V4).await;
        assert_eq!(hangzhou, Ok(Region::parse("cn-hangzhou").ok()));
        assert_eq!(region(Some("oss.example.com"), SignatureVersion::V1).await, Ok(None));
        for (endpoint, version) in
            [(Some("oss.example.com"), SignatureVersion::V4), (None, SignatureVersion::V1)]
        {
            let error = region(endpoint, version).await.unwrap_err();
            assert!(matches!(error, ErrorKind::RegionFromProfile(_)), "{error}");
        }
    }
}
