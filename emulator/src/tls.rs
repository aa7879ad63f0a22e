//! TLS for the endpoint: a certificate of its own for this machine's names, made at each start and
//! never written down.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::{TlsAcceptor, rustls};

/// Whoever listens on the loopback address may call itself one of these.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What a server needs, and what its clients have to trust.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate_pem: String,
}

impl Identity {
    /// A certificate for this machine, and for the host names that the endpoint knows beside: those of its
    /// region, and custom domains. They are reached by whoever sends them here, such as a proxy.
    pub(super) fn new<'d>(
        region: &str,
        domains: impl Iterator<Item = &'d str>,
    ) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let of_region = format!("oss-{region}.aliyuncs.com");
        let buckets = format!("*.{of_region}");
        let names = NAMES.into_iter().chain(domains).map(str::to_owned);
        let names: Vec<String> = names.chain([of_region, buckets]).collect();
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

/// The text form, in lines of 64 characters (RFC 7468).
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
    fn the_text_form_reads_back_in_lines_that_every_tool_takes() {
        for length in [0, 1, 47, 48, 49, 96, 500] {
            let der = vec![7; length];
            let pem = to_pem(&der);
            assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
            assert!(!pem.contains("\n\n") || length == 0, "{pem}");
            assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().as_ref(), der);
        }
    }

    #[test]
    fn each_start_has_a_certificate_of_its_own() {
        let [one, two] = [(); 2].map(|()| Identity::new("r", ["a.example"].into_iter()).unwrap());
        assert_ne!(one.certificate_pem, two.certificate_pem);
    }
}
