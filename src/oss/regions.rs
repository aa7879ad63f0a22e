//! The endpoints of a region, and the region of an endpoint.
//!
//! Most endpoints contain the region ID, so new regions work on the day they open. [`ZONES`] has the
//! exceptions: in the finance and government clouds, the ID and the host name differ, and a region can have
//! several endpoints that serve different buckets.

use super::names::Region;

/// The endpoints that OSS has for a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndpointType {
    /// `oss-{region}.aliyuncs.com`, from everywhere.
    #[default]
    Public,
    /// `oss-{region}-internal.aliyuncs.com`, from inside the region only.
    Internal,
    /// `oss-accelerate.aliyuncs.com`, for buckets with transfer acceleration.
    Accelerate,
    /// `oss-accelerate-overseas.aliyuncs.com`, the same from outside the Chinese mainland.
    AccelerateOverseas,
    /// `{region}.oss.aliyuncs.com`, over IPv4 and IPv6.
    DualStack,
}

/// The domain of every endpoint of OSS.
const DOMAIN: &str = ".aliyuncs.com";

/// A row of the table: endpoints, without [`DOMAIN`], that serve the same buckets.
struct Zone {
    /// The region ID, which requests are signed for.
    region: &'static str,
    /// What `ListBuckets` and `GetBucketLocation` call it.
    location: &'static str,
    public: Option<&'static str>,
    internal: &'static [&'static str],
    dual_stack: Option<&'static str>,
}

/// The regions whose endpoints do not follow the pattern.
///
/// Source: OSS documentation, "Regions and endpoints" (February 2026), sections "Finance cloud" and
/// "Government cloud". The locations are those of the Alibaba Cloud CSI driver for Kubernetes
/// (`location2region`); that of `cn-shanghai-finance-1`, `cn-shenzhen-finance-1` and
/// `cn-beijing-finance-1` without public endpoint is not confirmed. OSS documents no signing region other
/// than the region ID, and the SDKs sign for the ID that they are configured with.
const ZONES: [Zone; 9] = [
    Zone {
        region: "cn-hangzhou-finance",
        location: "oss-cn-hzfinance",
        public: Some("oss-cn-hzfinance"),
        internal: &["oss-cn-hzfinance-internal"],
        dual_stack: Some("cn-hangzhou-finance.oss"),
    },
    Zone {
        region: "cn-hangzhou-finance",
        location: "oss-cn-hzjbp",
        public: None,
        internal: &["oss-cn-hzjbp-a-internal", "oss-cn-hzjbp-b-internal"],
        dual_stack: None,
    },
    Zone {
        region: "cn-shanghai-finance-1",
        location: "oss-cn-shanghai-finance-1-pub",
        public: Some("oss-cn-shanghai-finance-1-pub"),
        internal: &["oss-cn-shanghai-finance-1-pub-internal"],
        dual_stack: Some("cn-shanghai-finance.oss"),
    },
    Zone {
        region: "cn-shanghai-finance-1",
        location: "oss-cn-shanghai-finance-1",
        public: None,
        internal: &["oss-cn-shanghai-finance-1-internal"],
        dual_stack: None,
    },
    Zone {
        region: "cn-shenzhen-finance-1",
        location: "oss-cn-szfinance",
        public: Some("oss-cn-szfinance"),
        internal: &["oss-cn-szfinance-internal"],
        dual_stack: Some("cn-shenzhen-finance.oss"),
    },
    Zone {
        region: "cn-shenzhen-finance-1",
        location: "oss-cn-shenzhen-finance-1",
        public: None,
        internal: &["oss-cn-shenzhen-finance-1-internal"],
        dual_stack: None,
    },
    Zone {
        region: "cn-beijing-finance-1",
        location: "oss-cn-beijing-finance-1-pub",
        public: Some("oss-cn-beijing-finance-1-pub"),
        internal: &["oss-cn-beijing-finance-1-pub-internal"],
        dual_stack: None,
    },
    Zone {
        region: "cn-beijing-finance-1",
        location: "oss-cn-beijing-finance-1",
        public: None,
        internal: &["oss-cn-beijing-finance-1-internal"],
        dual_stack: None,
    },
    Zone {
        region: "cn-north-2-gov-1",
        location: "oss-cn-north-2-gov-1",
        public: Some("oss-cn-north-2-gov-1"),
        internal: &["oss-cn-north-2-gov-1-internal"],
        dual_stack: Some("cn-north-2-gov-1.oss"),
    },
];

impl Zone {
    fn labels(&self, endpoint_type: EndpointType) -> impl Iterator<Item = &'static str> {
        let (one, several): (_, &[_]) = match endpoint_type {
            EndpointType::Public => (self.public, &[]),
            EndpointType::Internal => (None, self.internal),
            EndpointType::DualStack => (self.dual_stack, &[]),
            EndpointType::Accelerate | EndpointType::AccelerateOverseas => (None, &[]),
        };
        one.into_iter().chain(several.iter().copied())
    }
}

/// The host of a region's endpoint: the one that the SDKs derive from the region ID, or the first one of the
/// table if it has others only.
pub(super) fn host(region: &Region, endpoint_type: EndpointType) -> String {
    let derived = match endpoint_type {
        EndpointType::Public => format!("oss-{region}"),
        EndpointType::Internal => format!("oss-{region}-internal"),
        EndpointType::DualStack => format!("{region}.oss"),
        EndpointType::Accelerate => "oss-accelerate".to_owned(),
        EndpointType::AccelerateOverseas => "oss-accelerate-overseas".to_owned(),
    };
    let labels = || {
        let zones = ZONES.iter().filter(|zone| zone.region == region.as_str());
        zones.flat_map(|zone| zone.labels(endpoint_type))
    };
    let label = labels().find(|label| *label == derived).or_else(|| labels().next());
    format!("{}{DOMAIN}", label.unwrap_or(&derived))
}

/// The region of an endpoint of OSS; none if it is no endpoint, or serves all regions.
pub(super) fn region_of_host(host: &str) -> Option<Region> {
    let label = host.strip_suffix(DOMAIN)?;
    let has_label = |zone: &&Zone| {
        [EndpointType::Public, EndpointType::Internal, EndpointType::DualStack]
            .into_iter()
            .any(|endpoint_type| zone.labels(endpoint_type).any(|known| known == label))
    };
    if let Some(zone) = ZONES.iter().find(has_label) {
        return Region::parse(zone.region).ok();
    }
    if let Some(region) = label.strip_suffix(".oss") {
        return Region::parse(region).ok();
    }
    if is_acceleration(host) {
        return None;
    }
    let label = label.strip_prefix("oss-")?;
    Region::parse(label.strip_suffix("-internal").unwrap_or(label)).ok()
}

/// Whether it is an acceleration endpoint, which serves the buckets of all regions.
pub(super) fn is_acceleration(host: &str) -> bool {
    matches!(host.strip_suffix(DOMAIN), Some("oss-accelerate" | "oss-accelerate-overseas"))
}

/// The region of a location such as `oss-cn-hangzhou`, or of a region ID.
pub(super) fn region_of_location(location: &str) -> Option<Region> {
    let name = location.strip_prefix("oss-").unwrap_or(location);
    let is_known = |zone: &&Zone| zone.location.strip_prefix("oss-") == Some(name);
    let region = ZONES.iter().find(is_known).map_or(name, |zone| zone.region);
    Region::parse(region).ok()
}

#[cfg(test)]
mod tests {
    use EndpointType::{Accelerate, AccelerateOverseas, DualStack, Internal, Public};

    use super::*;

    fn region(id: &str) -> Region {
        Region::parse(id).unwrap()
    }

    /// The table of the documentation: region, public, internal and dual-stack endpoint; `-` for one that
    /// does not exist.
    const DOCUMENTED: &str = "
        cn-hangzhou            oss-cn-hangzhou               oss-cn-hangzhou-internal               cn-hangzhou.oss
        ap-southeast-1         oss-ap-southeast-1            oss-ap-southeast-1-internal            -
        rg-china-mainland      oss-rg-china-mainland         -                                      -
        cn-hangzhou-finance    -                             oss-cn-hzjbp-a-internal                -
        cn-hangzhou-finance    -                             oss-cn-hzjbp-b-internal                -
        cn-shanghai-finance-1  -                             oss-cn-shanghai-finance-1-internal     -
        cn-shenzhen-finance-1  -                             oss-cn-shenzhen-finance-1-internal     -
        cn-beijing-finance-1   -                             oss-cn-beijing-finance-1-internal      -
        cn-hangzhou-finance    oss-cn-hzfinance              oss-cn-hzfinance-internal              cn-hangzhou-finance.oss
        cn-shanghai-finance-1  oss-cn-shanghai-finance-1-pub oss-cn-shanghai-finance-1-pub-internal cn-shanghai-finance.oss
        cn-shenzhen-finance-1  oss-cn-szfinance              oss-cn-szfinance-internal              cn-shenzhen-finance.oss
        cn-beijing-finance-1   oss-cn-beijing-finance-1-pub  oss-cn-beijing-finance-1-pub-internal  -
        cn-north-2-gov-1       oss-cn-north-2-gov-1          oss-cn-north-2-gov-1-internal          cn-north-2-gov-1.oss";

    #[test]
    fn every_documented_endpoint_belongs_to_its_region() {
        let mut endpoints = 0;
        for row in DOCUMENTED.trim().lines() {
            let mut cells = row.split_whitespace();
            let id = cells.next().unwrap();
            for label in cells.filter(|label| *label != "-") {
                endpoints += 1;
                let host = format!("{label}.aliyuncs.com");
                assert_eq!(region_of_host(&host), Some(region(id)), "{host}");
            }
        }
        assert_eq!(endpoints, 25);
    }

    #[test]
    fn a_region_id_alone_leads_to_a_documented_endpoint() {
        for row in DOCUMENTED.trim().lines() {
            let id = row.split_whitespace().next().unwrap();
            for (column, endpoint_type) in [(1, Public), (2, Internal), (3, DualStack)] {
                let rows = DOCUMENTED.trim().lines().map(|row| row.split_whitespace());
                let documented: Vec<String> = rows
                    .filter(|row| row.clone().next() == Some(id))
                    .filter_map(|mut row| row.nth(column).filter(|label| *label != "-"))
                    .map(|label| format!("{label}.aliyuncs.com"))
                    .collect();
                let host = host(&region(id), endpoint_type);
                assert!(documented.is_empty() || documented.contains(&host), "{id}: {host}");
            }
        }
        for (id, endpoint_type, expected) in [
            ("cn-hangzhou-finance", Public, "oss-cn-hzfinance"),
            ("cn-hangzhou-finance", Internal, "oss-cn-hzfinance-internal"),
            ("cn-shenzhen-finance-1", Public, "oss-cn-szfinance"),
            // The SDKs derive it from the ID.
            ("cn-shenzhen-finance-1", Internal, "oss-cn-shenzhen-finance-1-internal"),
            ("cn-shanghai-finance-1", Public, "oss-cn-shanghai-finance-1-pub"),
            ("cn-shanghai-finance-1", DualStack, "cn-shanghai-finance.oss"),
            ("cn-hangzhou-finance", Accelerate, "oss-accelerate"),
            ("cn-hangzhou-finance", AccelerateOverseas, "oss-accelerate-overseas"),
            ("xx-new-1", Internal, "oss-xx-new-1-internal"),
        ] {
            assert_eq!(
                host(&region(id), endpoint_type),
                format!("{expected}.aliyuncs.com"),
                "{id}"
            );
        }
    }

    #[test]
    fn other_hosts_have_no_region() {
        for host in [
            "oss-accelerate.aliyuncs.com",
            "oss-accelerate-overseas.aliyuncs.com",
            "oss.aliyuncs.com",
            "demo.oss-cn-hangzhou.aliyuncs.com",
            "demo.cn-hangzhou.oss.aliyuncs.com",
            "oss-cn-hzfinance.aliyuncs.com.evil.example",
            "oss-cn-hzfinance",
        ] {
            assert_eq!(region_of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_location_is_not_always_the_region_id() {
        for (location, expected) in [
            ("oss-cn-hangzhou", Some("cn-hangzhou")),
            ("cn-hangzhou", Some("cn-hangzhou")),
            ("oss-cn-hzfinance", Some("cn-hangzhou-finance")),
            ("cn-hzfinance", Some("cn-hangzhou-finance")),
            ("oss-cn-hzjbp", Some("cn-hangzhou-finance")),
            ("oss-cn-shanghai-finance-1-pub", Some("cn-shanghai-finance-1")),
            ("oss-cn-szfinance", Some("cn-shenzhen-finance-1")),
            ("oss-cn-beijing-finance-1-pub", Some("cn-beijing-finance-1")),
            ("oss-evil.example", None),
            ("", None),
        ] {
            assert_eq!(region_of_location(location), expected.map(region), "{location}");
        }
    }
}
