//! Mutual TLS with the host: each side trusts only the certificate that it got in the handshake.
//!
//! The host's client certificate is self-signed, has the CA flag and a P-521 key (go-plugin, `mtls.go`). rustls'
//! own client verifier rejects a CA as an end entity, so this one compares the certificate byte for byte and
//! uses rustls only for the proof of possession. It uses the `aws-lc-rs` provider because `ring` does not
//! support P-521.

use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use thiserror::Error;
use tokio_rustls::{TlsAcceptor, rustls};

/// Why mutual TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// `PLUGIN_CLIENT_CERT` is not exactly one PEM certificate.
    #[error("PLUGIN_CLIENT_CERT is not a PEM certificate")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    /// The PEM block is not an X.509 certificate.
    #[error("PLUGIN_CLIENT_CERT is not an X.509 certificate")]
    InvalidCertificate(#[source] rustls::Error),
    /// The server certificate could not be generated.
    #[error("could not generate a certificate")]
    ServerCertificate(#[from] rcgen::Error),
    /// rustls rejected the configuration.
    #[error("could not configure TLS")]
    Setup(#[from] rustls::Error),
}

/// A TLS acceptor for one client certificate, and its own ephemeral certificate in DER.
pub(super) fn acceptor(client_certificate_pem: &str) -> Result<(TlsAcceptor, Vec<u8>), TlsError> {
    let pinned = CertificateDer::from_pem_slice(client_certificate_pem.as_bytes())
        .map_err(TlsError::ClientCertificate)?;
    // No client could prove possession of an invalid certificate.
    ParsedCertificate::try_from(&pinned).map_err(TlsError::InvalidCertificate)?;
    let provider = Arc::new(aws_lc_rs::default_provider());

    // P-256 is the fastest key type.
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(["localhost".to_owned()])?;
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = parameters.self_signed(&key)?;
    let private_key = PrivateKeyDer::Pkcs8(key.serialize_der().into());

    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(PinnedClientVerifier { pinned, provider }))
        .with_single_cert(vec![certificate.der().clone()], private_key)?;
    // grpc-go 1.67 and later reject servers that do not select it.
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A process has only one connection, so there are no sessions to resume.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.der().to_vec()))
}

/// Accepts exactly one certificate, with proof of possession of its key.
#[derive(Debug)]
struct PinnedClientVerifier {
    pinned: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PinnedClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if end_entity.as_ref() == self.pinned.as_ref() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
