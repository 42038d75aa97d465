//! TLS 1.3 (RFC 8446) that trusts keys: no authorities, no names, no dates.
//!
//! Both ends show a certificate. The dialling end knows which key it expects and takes no other.
//! The accepting end only makes sure that the dialler holds the key that it shows; whether that
//! key is let in is the node's decision, which it takes right after the handshake.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use peer_sender_core::PeerKey;
use ring::digest;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme, version,
};

use crate::Identity;

/// The protocol's name (RFC 7301).
pub(crate) const ALPN: &[u8] = b"peer-sender/1";

/// The name to dial by. TLS wants one; it is neither sent nor checked, since the key is.
pub(crate) const SERVER_NAME: &str = "peer-sender";

/// The key that the other end of a connection has proven to hold; none before its certificate came.
pub(crate) fn peer_key(connection: &quinn_proto::Connection) -> Option<PeerKey> {
    let chain = connection.crypto_session().peer_identity()?;
    let chain = chain.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    key_of(chain.first()?).ok()
}

/// The key of a certificate.
pub(crate) fn key_of(certificate: &CertificateDer<'_>) -> Result<PeerKey, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &key).as_ref());
    Ok(PeerKey(hash))
}

/// Which key the dialled peer offered, known once it has shown its certificate: also when that
/// ended the attempt, and whether or not it has proven to hold the key. All clones tell the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfferedKey(Arc<OnceLock<PeerKey>>);

impl OfferedKey {
    pub(crate) fn get(&self) -> Option<PeerKey> {
        self.0.get().copied()
    }

    pub(crate) fn set(&self, key: PeerKey) {
        // One dial sees one certificate; a second one would not change what the first said.
        let _ = self.0.set(key);
    }
}

/// The accepting side.
pub(crate) fn accepting(identity: &Identity) -> ServerConfig {
    let mut config = ServerConfig::builder_with_details(PROVIDER.clone(), Arc::new(NoClock))
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has TLS 1.3 cipher suites")
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(certificate(identity));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: each connection proves both identities anew, and 0-RTT data, which can be
    // replayed, has nothing to stand on.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config
}

/// The dialling side of one dial, which takes only the holder of the key `pin`.
pub(crate) fn dialling(identity: &Identity, pin: PeerKey) -> (ClientConfig, OfferedKey) {
    let offered = OfferedKey::default();
    let verifier = PinnedKey {
        pin,
        offered: offered.clone(),
    };
    let mut config = ClientConfig::builder_with_details(PROVIDER.clone(), Arc::new(NoClock))
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has TLS 1.3 cipher suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(certificate(identity));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    (config, offered)
}

/// Named wherever TLS is configured, so that no other part of a program can change what it is.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(crypto::ring::default_provider()));

fn certificate(identity: &Identity) -> Arc<SingleCertAndKey> {
    Arc::new(SingleCertAndKey::from(identity.certified().clone()))
}

/// Stands for the wall clock. Nothing here depends on the date: certificates are taken for their
/// keys, and no ticket is ever issued.
#[derive(Debug)]
pub(crate) struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

impl quinn_proto::TimeSource for NoClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH
    }
}

/// Takes the one key, and notes what was offered.
#[derive(Debug)]
struct PinnedKey {
    pin: PeerKey,
    offered: OfferedKey,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let offered = key_of(end_entity)?;
        self.offered.set(offered);
        if offered == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_possession(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        verify_schemes()
    }
}

/// Takes any key that the dialler proves to hold; without a certificate there is no connection.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        key_of(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_possession(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        verify_schemes()
    }
}

/// The signature in CertificateVerify (RFC 8446 section 4.4.3): the one proof that the other end
/// holds the key of its certificate.
fn verify_possession(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = &PROVIDER.signature_verification_algorithms;
    crypto::verify_tls13_signature(message, certificate, signed, algorithms)
}

fn verify_schemes() -> Vec<SignatureScheme> {
    PROVIDER
        .signature_verification_algorithms
        .supported_schemes()
}
