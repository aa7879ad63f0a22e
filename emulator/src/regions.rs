//! Regions, and the locations of the finance cloud, which are not named like their region.
//!
//! A location is what `ListBuckets` calls `Location`, without `oss-`: endpoints of another location of the
//! same region do not serve the bucket. Follows "Regions and endpoints" of the OSS documentation, and for
//! `cn-hzjbp` the Alibaba Cloud CSI driver for Kubernetes. That locations of one region do not serve each
//! other's buckets is a guess from the table, which lists them separately.

/// Location, region ID, public host and internal hosts, each without `oss-` and the domain.
const FINANCE: [(&str, &str, Option<&str>, &[&str]); 8] = [
    ("cn-hzfinance", "cn-hangzhou-finance", Some("cn-hzfinance"), &["cn-hzfinance-internal"]),
    ("cn-hzjbp", "cn-hangzhou-finance", None, &["cn-hzjbp-a-internal", "cn-hzjbp-b-internal"]),
    (
        "cn-shanghai-finance-1-pub",
        "cn-shanghai-finance-1",
        Some("cn-shanghai-finance-1-pub"),
        &["cn-shanghai-finance-1-pub-internal"],
    ),
    ("cn-shanghai-finance-1", "cn-shanghai-finance-1", None, &["cn-shanghai-finance-1-internal"]),
    ("cn-szfinance", "cn-shenzhen-finance-1", Some("cn-szfinance"), &["cn-szfinance-internal"]),
    ("cn-shenzhen-finance-1", "cn-shenzhen-finance-1", None, &["cn-shenzhen-finance-1-internal"]),
    (
        "cn-beijing-finance-1-pub",
        "cn-beijing-finance-1",
        Some("cn-beijing-finance-1-pub"),
        &["cn-beijing-finance-1-pub-internal"],
    ),
    ("cn-beijing-finance-1", "cn-beijing-finance-1", None, &["cn-beijing-finance-1-internal"]),
];

/// The region ID of a location, which requests are signed for.
pub(super) fn region_of(location: &str) -> &str {
    let row = FINANCE.iter().find(|(known, ..)| *known == location);
    row.map_or(location, |(_, region, ..)| region)
}

/// The location with this name, which may be a region ID. For an ID with several locations, it is the one
/// with a public endpoint, unless a location has the same name.
pub(super) fn location_named(name: &str) -> &str {
    let is_location = FINANCE.iter().any(|(location, ..)| *location == name);
    let row = FINANCE.iter().find(|(_, region, ..)| !is_location && *region == name);
    row.map_or(name, |(location, ..)| location)
}

/// The location of a host `oss-{name}.aliyuncs.com`; none if there is no such endpoint.
pub(super) fn location_of_host(name: &str) -> Option<&str> {
    let is_host = |hosts: &&(&str, &str, Option<&str>, &[&str])| {
        hosts.2 == Some(name) || hosts.3.contains(&name)
    };
    if let Some((location, ..)) = FINANCE.iter().find(is_host) {
        return Some(location);
    }
    let name = name.strip_suffix("-internal").unwrap_or(name);
    // Other hosts that look like one of a finance region do not exist.
    let is_finance =
        FINANCE.iter().any(|(location, region, ..)| [*location, *region].contains(&name));
    (!is_finance).then_some(name)
}

/// Dual-stack hosts `{name}.oss.aliyuncs.com` that are not named like their location, and that.
const DUAL_STACK: [(&str, &str); 3] = [
    ("cn-hangzhou-finance", "cn-hzfinance"),
    ("cn-shanghai-finance", "cn-shanghai-finance-1-pub"),
    ("cn-shenzhen-finance", "cn-szfinance"),
];

/// The location of a host `{name}.oss.aliyuncs.com`.
pub(super) fn location_of_dual_stack_host(name: &str) -> &str {
    DUAL_STACK.iter().find(|(host, _)| *host == name).map_or(name, |(_, location)| location)
}

/// The dual-stack host of a location.
pub(super) fn dual_stack_host_of(location: &str) -> String {
    let name = DUAL_STACK.iter().find(|(_, known)| *known == location);
    format!("{}.oss.aliyuncs.com", name.map_or(location, |(host, _)| host))
}

/// The public and the internal host of a location. A location without a public endpoint shows the internal
/// one in both places, which is a guess.
pub(super) fn hosts_of(location: &str) -> [String; 2] {
    let row = FINANCE.iter().find(|(known, ..)| *known == location);
    let names = row.map_or_else(
        || [location.to_owned(), format!("{location}-internal")],
        |(_, _, public, internal)| {
            let internal = internal.first().copied().unwrap_or_default();
            [public.unwrap_or(internal).to_owned(), internal.to_owned()]
        },
    );
    names.map(|name| format!("oss-{name}.aliyuncs.com"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_belongs_to_a_location_and_a_region() {
        for (host, location, region) in [
            ("cn-hangzhou", "cn-hangzhou", "cn-hangzhou"),
            ("cn-hangzhou-internal", "cn-hangzhou", "cn-hangzhou"),
            ("cn-hzfinance", "cn-hzfinance", "cn-hangzhou-finance"),
            ("cn-hzfinance-internal", "cn-hzfinance", "cn-hangzhou-finance"),
            ("cn-hzjbp-b-internal", "cn-hzjbp", "cn-hangzhou-finance"),
            ("cn-szfinance", "cn-szfinance", "cn-shenzhen-finance-1"),
            ("cn-shenzhen-finance-1-internal", "cn-shenzhen-finance-1", "cn-shenzhen-finance-1"),
            ("cn-shanghai-finance-1-pub", "cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"),
            ("cn-north-2-gov-1", "cn-north-2-gov-1", "cn-north-2-gov-1"),
        ] {
            assert_eq!(location_of_host(host), Some(location), "{host}");
            assert_eq!(region_of(location), region, "{host}");
        }
        for host in ["cn-hangzhou-finance", "cn-hzjbp", "cn-shenzhen-finance-1"] {
            assert_eq!(location_of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_location_has_two_hosts() {
        let hosts =
            |one: &str, other: &str| [one, other].map(|name| format!("{name}.aliyuncs.com"));
        for (location, expected) in [
            ("cn-hangzhou", hosts("oss-cn-hangzhou", "oss-cn-hangzhou-internal")),
            ("cn-hzfinance", hosts("oss-cn-hzfinance", "oss-cn-hzfinance-internal")),
            ("cn-hzjbp", hosts("oss-cn-hzjbp-a-internal", "oss-cn-hzjbp-a-internal")),
        ] {
            assert_eq!(hosts_of(location), expected);
        }
        assert_eq!(dual_stack_host_of("cn-hangzhou"), "cn-hangzhou.oss.aliyuncs.com");
        assert_eq!(dual_stack_host_of("cn-szfinance"), "cn-shenzhen-finance.oss.aliyuncs.com");
    }
}
