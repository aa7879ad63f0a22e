//! Hosts of this machine and of the metadata service, in every spelling of their addresses.

use std::net::Ipv4Addr;

use url::Host;

/// The metadata service of every ECS instance.
const METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// The IPv4 address that a host is, also in the form of an IPv6 address (`::ffff:127.0.0.1`).
pub(super) fn ipv4_address<S: AsRef<str>>(host: &Host<S>) -> Option<Ipv4Addr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(*address),
        Host::Ipv6(address) => address.to_ipv4_mapped(),
    }
}

/// Whether a host is this machine: `localhost` and the names below it, which are never looked up, and loopback
/// addresses.
pub(super) fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match (host, ipv4_address(host)) {
        (_, Some(address)) => address.is_loopback(),
        (Host::Ipv6(address), None) => address.is_loopback(),
        (Host::Domain(domain), None) => {
            let domain = domain.as_ref();
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            domain == "localhost" || domain.ends_with(".localhost")
        }
        (Host::Ipv4(_), None) => false,
    }
}

/// Whether a host is this machine, or at a link-local address, which clouds give to a machine's own
/// services: no proxy can reach it.
pub(super) fn is_loopback_or_link_local<S: AsRef<str>>(host: &Host<S>) -> bool {
    let is_link_local = match (host, ipv4_address(host)) {
        (_, Some(address)) => address.is_link_local(),
        (Host::Ipv6(address), None) => address.is_unicast_link_local(),
        _ => false,
    };
    is_link_local || is_loopback(host)
}

/// Whether a host is the fixed address of the metadata service, in any spelling.
pub(super) fn is_metadata_address<S: AsRef<str>>(host: &Host<S>) -> bool {
    ipv4_address(host) == Some(METADATA)
}
