//! Mutual TLS with the host: each side trusts exactly the one certificate that it was told of.
//!
//! The host's client certificate is self-signed, marks itself as an authority and has a P-521 key
//! (go-plugin, `mtls.go`). rustls' own client verifier refuses an authority as an end entity, so
//! this one compares the certificate byte for byte and leaves only the proof of possession to
//! rustls. The `aws-lc-rs` provider is named everywhere because `ring` has no P-521.

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

/// Why no TLS server could be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// `PLUGIN_CLIENT_CERT` holds something else than one PEM certificate.
    #[error("PLUGIN_CLIENT_CERT is not a PEM certificate")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    /// The PEM block holds no X.509 certificate.
    #[error("PLUGIN_CLIENT_CERT holds no X.509 certificate")]
    UnreadableCertificate(#[source] rustls::Error),
    /// The certificate of this process could not be made.
    #[error("no certificate could be made")]
    ServerCertificate(#[from] rcgen::Error),
    /// rustls refused the settings.
    #[error("TLS could not be set up")]
    Setup(#[from] rustls::Error),
}

/// A TLS server that accepts one client certificate, and its own throwaway certificate in DER.
pub(super) fn acceptor(client_certificate_pem: &str) -> Result<(TlsAcceptor, Vec<u8>), TlsError> {
    let pinned = CertificateDer::from_pem_slice(client_certificate_pem.as_bytes())
        .map_err(TlsError::ClientCertificate)?;
    // Nobody could ever prove to be the owner of something that is no certificate.
    ParsedCertificate::try_from(&pinned).map_err(TlsError::UnreadableCertificate)?;
    let provider = Arc::new(aws_lc_rs::default_provider());

    // P-256: the key type that is made and used fastest.
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
    // grpc-go from 1.67 on refuses a server that does not choose it.
    config.alpn_protocols = vec![b"h2".to_vec()];
    // There is one connection in the life of the process: nothing to resume.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.der().to_vec()))
}

/// Accepts exactly one certificate, with proof of its key.
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
