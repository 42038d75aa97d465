//! The works done by plain quinn, as somebody would who knows it well: on the same runtime, with
//! the same socket buffers, TLS provider and cipher suites as a node of ours.

mod ordered;
mod single;

use std::collections::VecDeque;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, Connecting, Connection, Endpoint, EndpointConfig, Runtime,
    ServerConfig, TokioRuntime, TransportConfig,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::failed;
use super::plan::{Contender, STREAMS_OPEN_MAX, Work};
use crate::failure::Failure;
use crate::runtime::{self, Name};

pub(super) use ordered::Ordered;
pub(super) use single::{Acknowledged, Request, Streams};

/// As our nodes ask for.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// As our nodes have by default.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// As our nodes ask for under the plain protocol.
const ACK_DELAY: Duration = Duration::from_millis(1);
/// More handshakes at a time lose datagrams, which costs more than it gains.
const HANDSHAKES_AT_ONCE: usize = 50;
/// The largest message that a receiver takes.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
const SERVER_NAME: &str = "peer";

/// A certificate and its key, both in DER. Both ends have the same and trust nothing else, so that
/// TLS is mutual as it is with ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Credentials {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Credentials {
    pub(super) fn new() -> Result<Self, Failure> {
        let make = || {
            let key = KeyPair::generate_for(&PKCS_ED25519)?;
            let params = CertificateParams::new([SERVER_NAME.to_owned()])?;
            let certificate = params.self_signed(&key)?.der().to_vec();
            let key = key.serialize_der();
            Ok(Self { certificate, key })
        };
        make().map_err(|error: rcgen::Error| failed("quinn's certificate", error))
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone().into()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate())?;
        Ok(roots)
    }

    fn client(&self) -> Result<rustls::ClientConfig, rustls::Error> {
        rustls::ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(vec![self.certificate()], self.key())
    }

    fn server(&self) -> Result<rustls::ServerConfig, rustls::Error> {
        let provider = Arc::new(provider());
        let roots = Arc::new(self.roots()?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate()], self.key())
    }
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The dialling end.
pub(super) struct Dialler {
    endpoint: Endpoint,
}

impl Dialler {
    pub(super) fn bind(
        contender: Contender,
        work: &Work,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        let crypto = credentials
            .client()
            .map_err(|error| failed("quinn's TLS", error))?;
        let crypto =
            QuicClientConfig::try_from(crypto).map_err(|error| failed("quinn's TLS", error))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = transport(contender)?;
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(Arc::new(transport));
        let mut endpoint = endpoint(work.runtime, None)?;
        endpoint.set_default_client_config(config);
        Ok(Self { endpoint })
    }

    /// Connects to as many peers as the work wants, spread over the addresses.
    pub(super) async fn dial(
        &self,
        work: &Work,
        addresses: &[SocketAddr],
    ) -> Result<Vec<Connection>, Failure> {
        let mut connected = Vec::new();
        // Each is a task of the runtime by itself.
        let mut dialled: VecDeque<Connecting> = VecDeque::new();
        let refused = |error: &dyn Display| failed("quinn's dialling", error);
        for (_, &address) in (0..work.peers).zip(addresses.iter().cycle()) {
            if dialled.len() == HANDSHAKES_AT_ONCE
                && let Some(first) = dialled.pop_front()
            {
                connected.push(first.await.map_err(|error| refused(&error))?);
            }
            let connecting = self.endpoint.connect(address, SERVER_NAME);
            dialled.push_back(connecting.map_err(|error| refused(&error))?);
        }
        for connecting in dialled {
            connected.push(connecting.await.map_err(|error| refused(&error))?);
        }
        Ok(connected)
    }
}

/// The accepting end: takes every message, counts it and says so.
pub(super) fn listen(
    work: &Work,
    contender: Contender,
    credentials: &Credentials,
) -> Result<Vec<SocketAddr>, Failure> {
    let crypto = credentials
        .server()
        .map_err(|error| failed("quinn's TLS", error))?;
    let crypto =
        QuicServerConfig::try_from(crypto).map_err(|error| failed("quinn's TLS", error))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = transport(contender)?;
    if matches!(contender, Contender::Streams | Contender::Acknowledged) {
        transport.max_concurrent_uni_streams((STREAMS_OPEN_MAX as u32).into());
    }
    config.transport_config(Arc::new(transport));
    let mut addresses = Vec::new();
    for _ in 0..work.listeners {
        let endpoint = endpoint(work.runtime, Some(config.clone()))?;
        let address = endpoint.local_addr();
        addresses.push(address.map_err(|error| failed("quinn's socket", error))?);
        let name = work.runtime;
        runtime::spawn(name, async move {
            while let Some(incoming) = endpoint.accept().await {
                runtime::spawn(name, async move {
                    // A connection ends with an error when the dialling process does.
                    if let Ok(connection) = incoming.await {
                        let _ = serve(connection, contender).await;
                    }
                });
            }
        });
    }
    Ok(addresses)
}

async fn serve(connection: Connection, contender: Contender) -> Result<(), Failure> {
    match contender {
        Contender::Ordered => ordered::serve(&connection).await,
        Contender::Streams => single::serve_streams(&connection).await,
        Contender::Acknowledged => single::serve_acknowledged(&connection).await,
        Contender::Request => single::serve_requests(&connection).await,
        Contender::Ours
        | Contender::Plain
        | Contender::Framed
        | Contender::Flight
        | Contender::File => Ok(()),
    }
}

/// Quinn's defaults, but for the idle timeout; and where acknowledgements are waited for they are asked
/// for as soon as our nodes ask for them.
fn transport(contender: Contender) -> Result<TransportConfig, Failure> {
    let mut transport = TransportConfig::default();
    let timeout = IDLE_TIMEOUT.try_into();
    transport.max_idle_timeout(Some(
        timeout.map_err(|error| failed("quinn's timeout", error))?,
    ));
    if contender == Contender::Acknowledged {
        let mut acknowledgements = AckFrequencyConfig::default();
        acknowledgements.max_ack_delay(Some(ACK_DELAY));
        transport.ack_frequency_config(Some(acknowledgements));
    }
    Ok(transport)
}

fn endpoint(name: Name, server: Option<ServerConfig>) -> Result<Endpoint, Failure> {
    let open = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let asked = SockRef::from(&socket);
        // A system may refuse to give as much; ours then gets no more.
        let _ = asked.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = asked.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        Endpoint::new(EndpointConfig::default(), server, socket, runtime_of(name))
    };
    open().map_err(|error: std::io::Error| failed("quinn's socket", error))
}

/// Quinn's own, of each.
fn runtime_of(name: Name) -> Arc<dyn Runtime> {
    match name {
        Name::Tokio => Arc::new(TokioRuntime),
        #[cfg(feature = "runtimes")]
        Name::Smol => Arc::new(quinn::SmolRuntime),
        #[cfg(feature = "runtimes")]
        Name::AsyncStd => Arc::new(quinn::AsyncStdRuntime),
    }
}
