//! Certificates that are known by the SHA-256 of their key, and by nothing else.

use std::sync::Arc;

use aws_lc_rs::digest;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs::default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme, version,
};

pub type Failure = Box<dyn std::error::Error>;

/// A key with a certificate of its own.
pub struct Identity {
    certificate: CertificateDer<'static>,
    secret: PrivateKeyDer<'static>,
    /// As others know it.
    pub key: String,
}

impl Identity {
    pub fn new() -> Result<Self, Failure> {
        let pair = KeyPair::generate()?;
        let certificate = CertificateParams::new(["s2n-quic".to_owned()])?.self_signed(&pair)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            secret: PrivatePkcs8KeyDer::from(pair.serialize_der()).into(),
            key: hex_of_digest(&pair.subject_public_key_info()),
        })
    }

    /// The accepting side: whoever shows a certificate, of this key if one is given.
    pub fn server(&self, alpn: &str, peer: Option<String>) -> Result<ServerConfig, Failure> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13])?
            .with_client_cert_verifier(Arc::new(ByKey::new(peer)))
            .with_single_cert(vec![self.certificate.clone()], self.secret.clone_key())?;
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Ok(config)
    }

    /// The dialling side; with a certificate or without.
    pub fn client(
        &self,
        alpn: &str,
        peer: Option<String>,
        shows: bool,
    ) -> Result<ClientConfig, Failure> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ByKey::new(peer)));
        let mut config = match shows {
            true => builder
                .with_client_auth_cert(vec![self.certificate.clone()], self.secret.clone_key())?,
            false => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Ok(config)
    }
}

/// Takes a certificate of this key; with none, of any. That the other end holds the key is proven by its
/// signature in the handshake.
#[derive(Debug)]
struct ByKey {
    key: Option<String>,
    provider: CryptoProvider,
}

impl ByKey {
    fn new(key: Option<String>) -> Self {
        let provider = default_provider();
        Self { key, provider }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let found = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        match &self.key {
            Some(key) if *key != hex_of_digest(&found) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for ByKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

pub fn hex_of_digest(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
