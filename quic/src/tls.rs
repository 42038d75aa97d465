//! TLS 1.3 (RFC 8446) between two ends that both show a certificate.
//!
//! The dialling end knows what it expects, a key, an owner, or a name that an authority vouches for,
//! and takes nobody else. The accepting end only makes sure that the dialler holds the key that it
//! shows; whether it is let in is the node's decision, which it takes right after the handshake. Only
//! what owners have signed is judged at once, as nodes of the Acki Nacki network do.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use peer_sender_core::{CertificateProblem, LinkError, PeerKey};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, KeyLog,
    NoKeyLog, PeerIncompatible, ServerConfig, SignatureScheme, version,
};

use crate::Identity;
use crate::trust::{Admission, Expectation};

/// The name of the protocol of lanes (RFC 7301).
pub(crate) const ALPN: &[u8] = b"peer-sender/1";

/// The name to dial by where the peer's configuration has none. TLS wants one; it is neither sent nor
/// checked. Where a name is expected of a peer, the check has it from the peer's configuration.
pub(crate) const SERVER_NAME: &str = "peer-sender";

/// The most bytes of certificates that are taken from the other end. They are kept for as long as
/// the connection, whoever sent them. A chain of RSA certificates rarely has a third of it.
pub(crate) const CHAIN_BYTES_MAX: usize = 16 << 10;

/// What the other end of a connection has shown, its own certificate first; none before it came.
pub(crate) fn peer_chain(
    connection: &quinn_proto::Connection,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain = connection.crypto_session().peer_identity()?;
    let chain = chain.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Some(*chain)
}

/// What the other end offered, and what was found of it: known once it has shown its certificate,
/// whether or not it has proven to hold the key. All clones tell the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offered(Arc<OnceLock<Finding>>);

#[derive(Debug)]
struct Finding {
    key: Option<PeerKey>,
    refused: Option<LinkError>,
}

impl Offered {
    /// The key of the certificate, if it could be read.
    pub(crate) fn key(&self) -> Option<PeerKey> {
        self.0.get()?.key
    }

    /// Why the certificate was refused, if it was.
    pub(crate) fn refused(&self) -> Option<&LinkError> {
        self.0.get()?.refused.as_ref()
    }

    /// Whether a certificate was shown, and none of it was refused.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.get().is_some_and(|found| found.refused.is_none())
    }

    pub(crate) fn set(&self, key: Option<PeerKey>, refused: Option<LinkError>) {
        // One dial sees one certificate; a second one would not change what the first said.
        let _ = self.0.set(Finding { key, refused });
    }
}

/// What TLS computes with, and whom it tells its secrets.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) key_log: Arc<dyn KeyLog>,
}

/// Ring, and nobody.
impl Default for Tls {
    fn default() -> Self {
        Self {
            provider: PROVIDER.clone(),
            key_log: Arc::new(NoKeyLog),
        }
    }
}

impl Tls {
    /// The accepting side of the protocol of this name; and where to read what was offered to it,
    /// where it is for one connection only.
    pub(crate) fn accepting(
        &self,
        identity: &Identity,
        alpn: &[u8],
        admission: Admission,
    ) -> (ServerConfig, Offered) {
        let offered = Offered::default();
        let verifier = Admitted {
            admission,
            offered: offered.clone(),
            algorithms: self.provider.signature_verification_algorithms,
        };
        let mut config =
            ServerConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
                .with_protocol_versions(&[&version::TLS13])
                .expect("the provider has TLS 1.3 cipher suites")
                .with_client_cert_verifier(Arc::new(verifier))
                .with_cert_resolver(certificate(identity));
        config.alpn_protocols = vec![alpn.to_vec()];
        // No resumption: each connection proves both identities anew, and 0-RTT data, which can be
        // replayed, has nothing to stand on.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        config.key_log = self.key_log.clone();
        (config, offered)
    }

    /// The dialling side of one dial, which takes only whom it expects.
    pub(crate) fn dialling(
        &self,
        identity: &Identity,
        expected: impl Into<Expectation>,
        alpn: &[u8],
    ) -> (ClientConfig, Offered) {
        let offered = Offered::default();
        let verifier = Expected {
            expected: expected.into(),
            offered: offered.clone(),
            algorithms: self.provider.signature_verification_algorithms,
        };
        let mut config =
            ClientConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
                .with_protocol_versions(&[&version::TLS13])
                .expect("the provider has TLS 1.3 cipher suites")
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(certificate(identity));
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        config.key_log = self.key_log.clone();
        (config, offered)
    }
}

/// Named wherever TLS is configured, so that no other part of a program can change what it is.
pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(crypto::ring::default_provider()));

fn certificate(identity: &Identity) -> Arc<SingleCertAndKey> {
    Arc::new(SingleCertAndKey::from(identity.certified().clone()))
}

/// Stands for the wall clock. Nothing that TLS itself does here depends on the date, since no
/// ticket is ever issued; where certificates are judged by it, it comes with the expectation.
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

/// Takes only whom the dial expects, and notes what was offered.
#[derive(Debug)]
struct Expected {
    expected: Expectation,
    offered: Offered,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.expected.judge(end_entity, intermediates) {
            Ok(key) => {
                self.offered.set(Some(key), None);
                Ok(ServerCertVerified::assertion())
            }
            Err(error) => {
                let alert = alert_for(&error);
                self.offered
                    .set(self.expected.key_of(end_entity), Some(error));
                Err(alert)
            }
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
        // The one proof that the other end holds the key of its certificate (CertificateVerify,
        // RFC 8446 section 4.4.3).
        crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes any key that the dialler proves to hold, as far as the admission goes, and notes what was
/// offered; without a certificate there is no connection.
#[derive(Debug)]
struct Admitted {
    admission: Admission,
    offered: Offered,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Admitted {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.admission.judge(end_entity, intermediates) {
            Ok(key) => {
                self.offered.set(Some(key), None);
                Ok(ClientCertVerified::assertion())
            }
            Err(error) => {
                let alert = alert_for(&error);
                self.offered.set(None, Some(error));
                Err(alert)
            }
        }
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
        // The one proof that the other end holds the key of its certificate (CertificateVerify,
        // RFC 8446 section 4.4.3).
        crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a chain is small enough to be looked at.
pub(crate) fn is_small(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> bool {
    let above: usize = intermediates.iter().map(|one| one.len()).sum();
    end_entity.len().saturating_add(above) <= CHAIN_BYTES_MAX
}

/// The alert by which the other end learns that its certificate was refused (RFC 8446 section 6.2).
fn alert_for(refused: &LinkError) -> Error {
    let LinkError::CertificateRefused { why } = refused else {
        return CertificateError::ApplicationVerificationFailure.into();
    };
    let error = match why {
        CertificateProblem::UnknownAuthority => CertificateError::UnknownIssuer,
        CertificateProblem::Expired => CertificateError::Expired,
        CertificateProblem::NotYetValid => CertificateError::NotValidYet,
        CertificateProblem::WrongPurpose => CertificateError::InvalidPurpose,
        // The alert that stands for signatures as well.
        CertificateProblem::WrongName
        | CertificateProblem::BadSignature
        | CertificateProblem::Malformed
        | CertificateProblem::OwnersMalformed
        | CertificateProblem::OwnersMissing
        | CertificateProblem::OwnerSignature
        | CertificateProblem::OwnerNotTrusted => CertificateError::BadEncoding,
        CertificateProblem::TooLarge
        | CertificateProblem::NotProven
        | CertificateProblem::Missing => CertificateError::ApplicationVerificationFailure,
    };
    error.into()
}
