//! The emulator's TLS certificate, which is generated at each start and only kept in memory.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::{TlsAcceptor, rustls};

use super::login::OAUTH_HOSTS;
use super::regions;

/// The names of the loopback address.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The TLS acceptor of the server, and the certificate that clients must trust.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate_pem: String,
}

impl Identity {
    /// Generates a certificate for this machine, and for the endpoints of the regions, the acceleration
    /// endpoints, the services that issue credentials and the custom domains, which a proxy can route to the
    /// emulator.
    pub(super) fn new<'d>(
        regions: impl Iterator<Item = &'d str>,
        domains: impl Iterator<Item = &'d str>,
    ) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let endpoints = regions.flat_map(|region| {
            let location = regions::location_named(region);
            let sts = ["sts", "sts-vpc"]
                .map(|name| format!("{name}.{}.aliyuncs.com", regions::region_of(location)));
            let hosts = regions::hosts_of(location).into_iter();
            hosts.chain([regions::dual_stack_host_of(location)]).chain(sts)
        });
        let accelerate = ["oss-accelerate", "oss-accelerate-overseas"];
        let endpoints = endpoints.chain(accelerate.map(|label| format!("{label}.aliyuncs.com")));
        let endpoints = endpoints.flat_map(|host| [format!("*.{host}"), host]);
        let names = NAMES.into_iter().chain(domains).map(str::to_owned);
        let services = OAUTH_HOSTS.into_iter().chain(["sts.aliyuncs.com"]).map(str::to_owned);
        let names: Vec<String> = names.chain(services).chain(endpoints).collect();
        let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key).map_err(io::Error::other)?;
        let private_key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], private_key)
                .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, certificate_pem: to_pem(certificate.der()) })
    }
}

/// Encodes a certificate as PEM, in lines of 64 characters (RFC 7468).
fn to_pem(der: &[u8]) -> String {
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn pem_has_short_lines_and_can_be_parsed() {
        for length in [0, 1, 47, 48, 49, 96, 500] {
            let der = vec![7; length];
            let pem = to_pem(&der);
            assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
            assert!(!pem.contains("\n\n") || length == 0, "{pem}");
            assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().as_ref(), der);
        }
    }

    #[test]
    fn each_start_generates_a_certificate() {
        let [one, two] =
            [(); 2].map(|()| Identity::new(["r"].into_iter(), ["a.example"].into_iter()).unwrap());
        assert_ne!(one.certificate_pem, two.certificate_pem);
    }
}
