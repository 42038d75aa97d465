//! A handshake without cryptography, instead of TLS. Both ends tell their transport parameters,
//! their certificates and the protocol's name, and believe each other: whoever shows a certificate
//! is taken for its owner. Who is expected and who is trusted counts as with TLS.
//!
//! ```text
//! Initial    dialler   HELLO   parameters, protocol, name
//! Initial    listener  READY
//! Handshake  listener  SHOW    parameters, protocol, certificates
//! Handshake  dialler   SHOW    none,       none,     certificates
//! ```
//!
//! A message is its kind (one byte), its length (four) and parts, each of which has its length (four)
//! before it. The secret of all keys behind READY is a sum of HELLO and the listener's SHOW; READY
//! says what it is, and [`secret`] takes it from a connection.

mod messages;

use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;

use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::crypto::{
    ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};
use rustls::pki_types::CertificateDer;

use self::messages::{alert, all_parts, malformed, message, parts, put, put_part, take};
use super::sums::{initial_secret, packet_keys, sum, tag};
use crate::tls::{self, Offered};
use crate::trust::{Admission, Expectation};
use crate::{Identity, Naming};

pub use super::sums::{Level, SumKey, TAG_BYTES, keys};

/// The accepting side, for an endpoint of quinn-proto's own.
pub fn accepting(identity: &Identity, alpn: &[u8]) -> Arc<dyn ServerConfig> {
    Arc::new(Settings {
        chain: identity.certified().cert.clone(),
        alpn: alpn.to_vec(),
        demanded: None,
    })
}

/// The accepting side, which takes whom it admits.
pub(crate) fn admitting(
    identity: &Identity,
    alpn: &[u8],
    admission: Admission,
) -> (Arc<dyn ServerConfig>, Offered) {
    let offered = Offered::default();
    let settings = Settings {
        chain: identity.certified().cert.clone(),
        alpn: alpn.to_vec(),
        demanded: Some((Demand::Admission(admission), offered.clone())),
    };
    (Arc::new(settings), offered)
}

/// The dialling side of one dial, for an endpoint of quinn-proto's own: it takes whoever answers.
pub fn dialling(identity: &Identity, alpn: &[u8]) -> Arc<dyn ClientConfig> {
    Arc::new(Settings {
        chain: identity.certified().cert.clone(),
        alpn: alpn.to_vec(),
        demanded: None,
    })
}

/// The dialling side of one dial, which takes only whom it expects.
pub(crate) fn expecting(
    identity: &Identity,
    expected: Expectation,
    alpn: &[u8],
    _names: bool,
) -> (Arc<dyn ClientConfig>, Offered) {
    let offered = Offered::default();
    let settings = Settings {
        chain: identity.certified().cert.clone(),
        alpn: alpn.to_vec(),
        demanded: Some((Demand::Expectation(expected), offered.clone())),
    };
    (Arc::new(settings), offered)
}

/// What a connection's keys behind its first packets are made of; none before both ends know.
pub fn secret(connection: &quinn_proto::Connection) -> Option<u64> {
    let mut bytes = [0; 8];
    let session = connection.crypto_session();
    session
        .export_keying_material(&mut bytes, SECRET, &[])
        .ok()?;
    Some(u64::from_le_bytes(bytes))
}

const SECRET: &[u8] = b"secret";

/// What one end brings to a handshake.
struct Settings {
    chain: Vec<CertificateDer<'static>>,
    alpn: Vec<u8>,
    /// Who the other end must be, and where to note what was found; whoever comes, if there is none.
    demanded: Option<(Demand, Offered)>,
}

/// Who the other end must be.
enum Demand {
    Expectation(Expectation),
    Admission(Admission),
}

impl ClientConfig for Settings {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let mut hello = Vec::new();
        let parameters = bytes_of(params);
        put(
            &mut hello,
            HELLO,
            &[&parameters, &self.alpn, server_name.as_bytes()],
        );
        let mut session = NullSession::new(self, Side::Client, parameters);
        session.transcript = sum(0, &hello);
        session.hello = hello;
        Ok(Box::new(session))
    }
}

impl ServerConfig for Settings {
    fn initial_keys(
        &self,
        _version: u32,
        dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        Ok(keys(initial_secret(dst_cid), Level::Initial, Side::Server))
    }

    fn retry_tag(&self, _version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        tag(initial_secret(orig_dst_cid), packet)
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        let parameters = bytes_of(params);
        Box::new(NullSession::new(self, Side::Server, parameters))
    }
}

fn bytes_of(params: &TransportParameters) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write(&mut bytes);
    bytes
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The dialler: HELLO is to be written.
    Greet,
    /// The dialler awaits READY; the listener awaits HELLO.
    Await,
    /// Handshake keys are to be handed out: by the listener with READY.
    Ready,
    /// The dialler awaits SHOW.
    AwaitShow,
    /// SHOW is to be written, and the last keys handed out.
    Show,
    /// The listener awaits SHOW.
    AwaitLast,
    /// Nothing is left to say.
    Done,
}

struct NullSession {
    settings: Arc<Settings>,
    side: Side,
    stage: Stage,
    parameters: Vec<u8>,
    /// HELLO until it is written.
    hello: Vec<u8>,
    /// What came and is no whole message yet.
    incoming: Vec<u8>,
    transcript: u64,
    updates: u64,
    told: bool,
    peer_parameters: Option<TransportParameters>,
    peer_name: Option<String>,
    peer_chain: Option<Vec<CertificateDer<'static>>>,
}

impl NullSession {
    fn new(settings: Arc<Settings>, side: Side, parameters: Vec<u8>) -> Self {
        Self {
            settings,
            side,
            stage: match side {
                Side::Client => Stage::Greet,
                Side::Server => Stage::Await,
            },
            parameters,
            hello: Vec::new(),
            incoming: Vec::new(),
            transcript: 0,
            updates: 0,
            told: false,
            peer_parameters: None,
            peer_name: None,
            peer_chain: None,
        }
    }

    fn hear(&mut self, kind: u8, body: &[u8]) -> Result<(), TransportError> {
        match (kind, self.stage, self.side) {
            (HELLO, Stage::Await, Side::Server) => {
                let [parameters, alpn, name] = parts(body)?;
                self.transcript = sum(0, &message(HELLO, body));
                self.agree(alpn)?;
                self.learn(parameters)?;
                self.peer_name = std::str::from_utf8(name).ok().map(str::to_owned);
                self.stage = Stage::Ready;
            }
            (READY, Stage::Await, Side::Client) => {
                let [secret] = parts(body)?;
                let secret = secret.try_into().map_err(|_| malformed())?;
                self.transcript = u64::from_le_bytes(secret);
                self.stage = Stage::Ready;
            }
            (SHOW, Stage::AwaitShow, Side::Client) => {
                let [parameters, alpn, chain] = parts(body)?;
                self.agree(alpn)?;
                self.learn(parameters)?;
                self.look_at(chain)?;
                self.stage = Stage::Show;
            }
            (SHOW, Stage::AwaitLast, Side::Server) => {
                let [_, _, chain] = parts(body)?;
                self.look_at(chain)?;
                self.stage = Stage::Done;
            }
            _ => return Err(alert(UNEXPECTED_MESSAGE, "unexpected message")),
        }
        Ok(())
    }

    fn agree(&self, alpn: &[u8]) -> Result<(), TransportError> {
        match alpn == self.settings.alpn {
            true => Ok(()),
            false => Err(alert(NO_APPLICATION_PROTOCOL, "no common protocol")),
        }
    }

    fn learn(&mut self, parameters: &[u8]) -> Result<(), TransportError> {
        let parameters = TransportParameters::read(self.side, &mut Cursor::new(parameters))?;
        self.peer_parameters = Some(parameters);
        Ok(())
    }

    fn look_at(&mut self, chain: &[u8]) -> Result<(), TransportError> {
        let chain: Vec<_> = all_parts(chain)?
            .into_iter()
            .map(|one| CertificateDer::from(one.to_vec()))
            .collect();
        let Some((own, above)) = chain.split_first() else {
            return Err(alert(CERTIFICATE_REQUIRED, "no certificate"));
        };
        if !tls::is_small(own, above) && self.side == Side::Server {
            return Err(alert(ACCESS_DENIED, "certificates too large"));
        }
        match &self.settings.demanded {
            Some((Demand::Expectation(expected), offered)) => match expected.judge(own, above) {
                Ok(key) => offered.set(Some(key), None),
                Err(error) => {
                    offered.set(expected.key_of(own), Some(error));
                    return Err(alert(ACCESS_DENIED, "certificate refused"));
                }
            },
            Some((Demand::Admission(admission), offered)) => match admission.judge(own, above) {
                Ok(key) => offered.set(Some(key), None),
                Err(error) => {
                    offered.set(None, Some(error));
                    return Err(alert(BAD_CERTIFICATE, "certificate refused"));
                }
            },
            None => {
                let key = Naming::Key.key_of(own);
                key.map_err(|_| alert(BAD_CERTIFICATE, "malformed certificate"))?;
            }
        }
        self.peer_chain = Some(chain);
        Ok(())
    }

    /// What this end shows: READY's secret stands for all that was said.
    fn showing(&self) -> Vec<u8> {
        let mut chain = Vec::new();
        for certificate in &self.settings.chain {
            put_part(&mut chain, certificate);
        }
        let mut message = Vec::new();
        let parts: [&[u8]; 3] = match self.side {
            Side::Server => [&self.parameters, &self.settings.alpn, &chain],
            Side::Client => [&[], &[], &chain],
        };
        put(&mut message, SHOW, &parts);
        message
    }
}

impl Session for NullSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        keys(initial_secret(dst_cid), Level::Initial, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.peer_parameters.as_ref()?;
        Some(Box::new(HandshakeData {
            protocol: Some(self.settings.alpn.clone()),
            server_name: self.peer_name.clone(),
        }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        let chain = self.peer_chain.clone()?;
        Some(Box::new(chain))
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        Some(false)
    }

    fn is_handshaking(&self) -> bool {
        match self.side {
            Side::Client => !matches!(self.stage, Stage::Show | Stage::Done),
            Side::Server => self.stage != Stage::Done,
        }
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.incoming.extend_from_slice(buf);
        while let Some((kind, body, rest)) = take(&self.incoming)? {
            self.hear(kind, &body)?;
            self.incoming = rest;
        }
        let news = self.peer_parameters.is_some() && !self.told;
        self.told |= news;
        Ok(news)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.peer_parameters)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        match (self.stage, self.side) {
            (Stage::Greet, _) => {
                buf.append(&mut self.hello);
                self.stage = Stage::Await;
                None
            }
            (Stage::Ready, Side::Server) => {
                self.transcript = sum(self.transcript, &self.showing());
                put(buf, READY, &[&self.transcript.to_le_bytes()]);
                self.stage = Stage::Show;
                Some(keys(self.transcript, Level::Handshake, self.side))
            }
            (Stage::Ready, Side::Client) => {
                self.stage = Stage::AwaitShow;
                Some(keys(self.transcript, Level::Handshake, self.side))
            }
            (Stage::Show, side) => {
                *buf = self.showing();
                self.stage = match side {
                    Side::Client => Stage::Done,
                    Side::Server => Stage::AwaitLast,
                };
                Some(keys(self.transcript, Level::Data(0), self.side))
            }
            (Stage::Await | Stage::AwaitShow | Stage::AwaitLast | Stage::Done, _) => None,
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.updates += 1;
        let level = Level::Data(self.updates);
        Some(packet_keys(self.transcript, level, self.side))
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        let Some((token, shown)) = payload.split_last_chunk::<16>() else {
            return false;
        };
        let whole = [header, token].concat();
        tag(initial_secret(orig_dst_cid), &whole) == *shown
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        if matches!(self.stage, Stage::Greet | Stage::Await) {
            return Err(ExportKeyingMaterialError);
        }
        let material = match label {
            SECRET => self.transcript,
            _ => sum(sum(self.transcript, label), context),
        };
        let bytes = material.to_le_bytes();
        output
            .iter_mut()
            .zip(bytes.into_iter().cycle())
            .for_each(|(to, byte)| *to = byte);
        Ok(())
    }
}

const HELLO: u8 = 1;
const READY: u8 = 2;
const SHOW: u8 = 3;

/// The largest message, as in TLS with rustls.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

// RFC 8446 section 6.2, RFC 7301 section 3.2.
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_CERTIFICATE: u8 = 42;
const ACCESS_DENIED: u8 = 49;
const DECODE_ERROR: u8 = 50;
const CERTIFICATE_REQUIRED: u8 = 116;
const NO_APPLICATION_PROTOCOL: u8 = 120;
