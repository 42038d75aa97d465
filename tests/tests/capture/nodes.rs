//! Two nodes in virtual time, and a capture of all that they sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use peer_sender_core::{Config, Lane, MessageId, Outcome, Time};
use peer_sender_quic::simulation::Security;
use peer_sender_quic::simulation::rustls::KeyLog;
use peer_sender_quic::simulation::rustls::crypto::ring;
use peer_sender_quic::{
    DatagramMeta, Identity, NodeConfig, NodeEvent, NodeMachine, OutgoingMessage, Output,
    PeerConfig, Target, Trust,
};
use peer_sender_sim::pcapng::{Capture, Datagram};

/// How long a datagram is under way.
const ONE_WAY: Duration = Duration::from_millis(5);
/// 2026-01-01.
const DATE: Duration = Duration::from_secs(1_767_225_600);
/// Far longer than anything takes that does not hang, in virtual time.
const PATIENCE: Time = Time::from_secs(60);

/// What went on between two nodes.
pub(crate) struct Run {
    /// Without secrets.
    pub(crate) capture: Capture,
    /// The secrets of TLS.
    pub(crate) key_log: String,
    /// As many as are in the capture.
    pub(crate) datagrams: usize,
    pub(crate) took: Duration,
}

/// A datagram that arrives.
struct UnderWay {
    at: Time,
    to: usize,
    bytes: BytesMut,
}

/// Messages that are sent, each on its lane, from the first to the second address, until all are
/// delivered.
pub(crate) fn run(addresses: [SocketAddr; 2], messages: &[(Lane, Bytes)]) -> Run {
    let secrets = Arc::new(Secrets::default());
    let mut nodes = nodes(&secrets);
    let listener = Identity::from_secret([2; 32]).key();
    let config = Config::new(addresses[1]).unwrap();
    let peer = nodes[0].add_peer(
        Time::ZERO,
        "listener".to_owned(),
        PeerConfig::with(listener, config),
    );
    let target = Target::Peer(peer.unwrap());
    let outgoing = messages
        .iter()
        .zip(0..)
        .map(|((lane, payload), id)| OutgoingMessage::new(MessageId(id), *lane, payload.clone()));
    nodes[0].queue(Time::ZERO, target, outgoing);

    let mut capture = Capture::new(DATE);
    let mut wire = VecDeque::<UnderWay>::new();
    let (mut now, mut datagrams, mut delivered) = (Time::ZERO, 0, 0);
    while delivered < messages.len() {
        let mut timeouts = [None; 2];
        let mut buffer = Vec::new();
        for (at, node) in nodes.iter_mut().enumerate() {
            timeouts[at] = loop {
                match node.poll_output(now, &mut buffer) {
                    Output::Timeout(timeout) => break timeout,
                    Output::Transmit(transmit) => {
                        let segment = transmit.segment_size.unwrap_or(transmit.size);
                        for bytes in buffer[..transmit.size].chunks(segment) {
                            capture.datagram(&Datagram {
                                at: now,
                                from: addresses[at],
                                to: transmit.destination,
                                ecn: 2,
                                bytes,
                                note: "",
                            });
                            datagrams += 1;
                            wire.push_back(UnderWay {
                                at: now + ONE_WAY,
                                to: 1 - at,
                                bytes: bytes.into(),
                            });
                        }
                    }
                    Output::Event(NodeEvent::Incoming {
                        source, messages, ..
                    }) => messages.iter().for_each(|message| {
                        node.consumed(now, source, message.lane, message.number + 1);
                    }),
                    Output::Event(NodeEvent::Settled { settled, .. }) => {
                        let all = settled.iter();
                        assert!(
                            all.clone()
                                .all(|(_, it)| matches!(it, Outcome::Delivered(_)))
                        );
                        delivered += all.len();
                    }
                    Output::Event(_) => {}
                }
            };
        }
        let arrives = wire.front().map(|datagram| datagram.at);
        let next = timeouts.into_iter().chain([arrives]).flatten().min();
        now = now.max(next.expect("something is awaited"));
        assert!(now < PATIENCE, "{delivered} were delivered");
        while wire.front().is_some_and(|datagram| datagram.at <= now) {
            let UnderWay { to, bytes, .. } = wire.pop_front().unwrap();
            let meta = DatagramMeta {
                remote: addresses[1 - to],
                local_ip: None,
                ecn: None,
            };
            nodes[to].handle_datagram(now, meta, bytes);
        }
        nodes.iter_mut().for_each(|node| node.handle_timeout(now));
    }
    let key_log = secrets.0.lock().unwrap().clone();
    Run {
        capture,
        key_log,
        datagrams,
        took: now.saturating_since(Time::ZERO),
    }
}

/// The one that dials, and the one that listens.
fn nodes(secrets: &Arc<Secrets>) -> [NodeMachine<String>; 2] {
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin to count from, never seen"
    )]
    let base = Instant::now();
    let date = SystemTime::UNIX_EPOCH + DATE;
    [1, 2].map(|number| {
        let key_log: Arc<dyn KeyLog> = secrets.clone();
        let provider = Arc::new(ring::default_provider());
        let config = NodeConfig::builder(Identity::from_secret([number; 32]))
            .security(Security::with_provider(provider).with_key_log(key_log));
        let config = match number {
            1 => config,
            _ => config.accept(Trust::Any),
        };
        NodeMachine::new(config.build().unwrap(), [number; 32], base, date)
    })
}

/// What TLS tells of its secrets, as lines.
#[derive(Debug, Default)]
struct Secrets(Mutex<String>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().unwrap().push_str(&line);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
