//! The works done by nodes of this library, with their defaults.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;

use bytes::Bytes;
use peer_sender_tokio::trace::RecorderConfig;
use peer_sender_tokio::{
    FlightRecorder, Identity, MessageId, NodeConfig, NodeConfigBuilder, Outcome, Outcomes,
    PeerConfig, PeerEvent, PeerSender, RejectReason, Rejected, TraceFile, Trust,
};

use super::courier::{Courier, at_once};
use super::failed;
use super::plan::{Contender, Work};
use crate::failure::Failure;
use crate::keys;
use crate::recording::{FLIGHT_BYTES, Recording};
use crate::runtime::{self, Node};

/// The name of the plain protocol, and of the framed one.
const ALPN: &str = "bench";
/// Messages that the receiving application takes at once.
const BATCH: usize = 256;

/// The dialling end.
pub(super) struct Dialler {
    node: Node<usize>,
    contender: Contender,
    _recording: Recording,
}

/// A peer's sender, and what became of its messages.
pub(super) struct Ours {
    peer: PeerSender,
    outcomes: Outcomes,
    /// Delivered, and not told yet.
    settled: u64,
}

impl Dialler {
    pub(super) async fn bind(contender: Contender) -> Result<Self, Failure> {
        let recording = record(contender)?;
        let config = recording.of(builder(keys::make()?, contender));
        Ok(Self {
            node: bind(config.build()?).await?,
            contender,
            _recording: recording,
        })
    }

    /// Connects to as many peers as the work wants, spread over the addresses.
    pub(super) async fn dial(
        &mut self,
        work: &Work,
        key: &str,
        addresses: &[SocketAddr],
    ) -> Result<Vec<Ours>, Failure> {
        let key = key
            .parse()
            .map_err(|error| failed("the peer's key", error))?;
        let mut dialled = Vec::new();
        for (id, &address) in (0..work.peers).zip(addresses.iter().cycle()) {
            let peer = self.node.peer(id, PeerConfig::new(key, address)?)?;
            // Before the node's first turn, so that nothing is missed.
            dialled.push((peer.events(), peer));
        }
        let mut connected = Vec::new();
        for (mut events, peer) in dialled {
            loop {
                match events.next().await {
                    Some(PeerEvent::Connected { .. }) => break,
                    Some(PeerEvent::Disconnected { error, .. }) => {
                        return Err(failed("dialling", error));
                    }
                    Some(_) => {}
                    None => return Err(failed("dialling", "the node has stopped")),
                }
            }
            let mut outcomes = peer.outcomes();
            if self.contender == Contender::Framed {
                // The first outcome comes once the connection can be trusted.
                let posted = peer.post(&b"begin"[..]).await;
                posted.map_err(|rejected| failed("sending", rejected))?;
                delivered(outcomes.next().await)?;
            }
            connected.push(Ours {
                peer,
                outcomes,
                settled: 0,
            });
        }
        Ok(connected)
    }
}

impl Courier for Ours {
    /// Outcomes are read meanwhile: a lane that is full of messages whose outcomes nobody reads
    /// takes no more.
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let payload = match self.peer.try_post(payload.clone()) {
            Ok(_) => return Ok(()),
            Err(Rejected {
                reason: RejectReason::QueueFull | RejectReason::OutcomesUnread { .. },
                payload,
            }) => payload,
            Err(rejected) => return Err(failed("sending", rejected)),
        };
        let mut posting = pin!(self.peer.post(payload));
        loop {
            tokio::select! {
                biased;
                posted = &mut posting => {
                    return posted.map(drop).map_err(|rejected| failed("sending", rejected));
                }
                next = self.outcomes.next() => self.settled += delivered(next)?,
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn settled(&mut self) -> Result<u64, Failure> {
        if self.settled == 0 {
            self.settled += delivered(self.outcomes.next().await)?;
        }
        while let Some(next) = at_once(self.outcomes.next()).await {
            self.settled += delivered(next)?;
        }
        Ok(std::mem::take(&mut self.settled))
    }
}

/// One message more is delivered, or the measurement is worth nothing.
fn delivered(next: Option<(MessageId, Outcome)>) -> Result<u64, Failure> {
    match next {
        Some((_, Outcome::Delivered(_) | Outcome::Written)) => Ok(1),
        Some((_, outcome)) => Err(failed("a message", format!("{outcome:?}"))),
        None => Err(failed("a message", "the sender has stopped")),
    }
}

/// The accepting end: nodes that accept every message when the next one is asked for. Their key
/// and addresses.
pub(super) async fn listen(
    work: &Work,
    contender: Contender,
) -> Result<(String, Vec<SocketAddr>), Failure> {
    let identity = keys::make()?;
    let recording = record(contender)?;
    let mut addresses = Vec::new();
    for _ in 0..work.listeners {
        // All peers come from one host and have one key, which is why shares are larger than by
        // default.
        let config = builder(identity.clone(), contender)
            .accept(Trust::Any)
            .handshakes_max(4 * work.peers.max(16))
            .sessions_per_key_max(work.peers.max(16));
        let node = bind(recording.of(config).build()?).await?;
        addresses.push(node.local_addr());
        runtime::spawn(work.runtime, async move {
            let mut incoming = node.incoming().auto();
            while incoming.next_batch(BATCH).await.is_some() {}
        });
    }
    // The end records for as long as its process lives.
    std::mem::forget(recording);
    Ok((identity.key().to_string(), addresses))
}

/// A node as this contender speaks.
fn builder(identity: Identity, contender: Contender) -> NodeConfigBuilder {
    let builder = NodeConfig::builder(identity);
    match contender {
        Contender::Plain => builder.plain(ALPN),
        Contender::Framed => builder.framed(ALPN),
        _ => builder,
    }
}

/// Records as this contender does. A file has no name: it is gone with the process.
fn record(contender: Contender) -> Result<Recording, Failure> {
    Ok(match contender {
        Contender::Flight => Recording::Flight(FlightRecorder::new(FLIGHT_BYTES)),
        Contender::File => {
            let name = format!("peer-sender-bench-{}.trace", std::process::id());
            let path = std::env::temp_dir().join(name);
            let file = TraceFile::create(&path, RecorderConfig::default())?;
            fs::remove_file(&path).map_err(|error| failed("the file of a trace", error))?;
            Recording::File(file)
        }
        Contender::Ours
        | Contender::Plain
        | Contender::Framed
        | Contender::Ordered
        | Contender::Streams
        | Contender::Acknowledged
        | Contender::Request => Recording::Nothing,
    })
}

async fn bind(config: NodeConfig) -> Result<Node<usize>, Failure> {
    Node::bind((Ipv4Addr::LOCALHOST, 0), config)
        .await
        .map_err(|error| Failure::Bind {
            argument: "a socket on loopback".to_owned(),
            error,
        })
}
