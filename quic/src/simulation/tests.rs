use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use peer_sender_core::{Lane, LinkError, MessageId, Outcome, PeerEvent, PeerKey, Time};

use super::Security;
use crate::{
    DatagramMeta, Identity, NodeConfig, NodeEvent, NodeMachine, OutgoingMessage, Output,
    PeerConfig, Target, Trust,
};

const DELAY: Duration = Duration::from_millis(5);

/// A dialler and a listener without protection, a message that is sent, and what came of it.
#[derive(Debug, Default, PartialEq)]
struct Run {
    settled: Vec<Outcome>,
    received: Vec<Bytes>,
    lost: Vec<LinkError>,
    turned_away: Vec<LinkError>,
    datagrams: Vec<Vec<u8>>,
}

/// Who takes part, and what happens to datagrams on the way.
struct Setup {
    dialled: PeerKey,
    trust: Trust,
    protocol: Option<&'static str>,
    damage: fn(usize, &mut Vec<u8>),
}

fn identity(number: u8) -> Identity {
    Identity::from_secret([number; 32])
}

fn setup() -> Setup {
    Setup {
        dialled: identity(2).key(),
        trust: Trust::Keys(BTreeSet::from([identity(1).key()])),
        protocol: None,
        damage: |_, _| {},
    }
}

fn run(setup: Setup) -> Run {
    #[expect(clippy::disallowed_methods, reason = "any base will do")]
    let base = Instant::now();
    let addresses = [1, 2].map(|n| SocketAddr::from(([10, 0, 0, n], 4433)));
    let date = SystemTime::UNIX_EPOCH;
    let config = NodeConfig::builder(identity(1)).security(Security::null());
    let mut dialler = NodeMachine::new(config.build().unwrap(), [1; 32], base, date);
    let mut config = NodeConfig::builder(identity(2))
        .security(Security::null())
        .accept(setup.trust);
    if let Some(protocol) = setup.protocol {
        config = config.plain(protocol);
    }
    let listener = NodeMachine::new(config.build().unwrap(), [2; 32], base, date);
    let peer = PeerConfig::new(setup.dialled, addresses[1]).unwrap();
    let peer = dialler.add_peer(Time::ZERO, 7, peer).unwrap();
    let message = OutgoingMessage::new(MessageId(0), Lane(0), Bytes::from_static(b"hello"));
    dialler.queue(Time::ZERO, Target::Peer(peer), [message]);

    let mut nodes = [dialler, listener];
    let mut run = Run::default();
    let mut wire: VecDeque<(Time, usize, Vec<u8>)> = VecDeque::new();
    let mut now = Time::ZERO;
    let mut buffer = Vec::new();
    while now < Time::from_secs(2) {
        let mut next = wire.front().map(|&(at, ..)| at);
        for (place, node) in nodes.iter_mut().enumerate() {
            loop {
                match node.poll_output(now, &mut buffer) {
                    Output::Transmit(_) => {
                        let mut datagram = buffer.clone();
                        (setup.damage)(run.datagrams.len(), &mut datagram);
                        run.datagrams.push(datagram.clone());
                        wire.push_back((now + DELAY, 1 - place, datagram));
                    }
                    Output::Event(event) => run.hear(event),
                    Output::Timeout(until) => {
                        next = [next, until].into_iter().flatten().min();
                        break;
                    }
                }
            }
        }
        next = [next, wire.front().map(|&(at, ..)| at)]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else { break };
        now = next;
        while wire.front().is_some_and(|&(at, ..)| at <= now) {
            let (_, to, datagram) = wire.pop_front().unwrap();
            let meta = DatagramMeta {
                remote: addresses[1 - to],
                local_ip: None,
                ecn: None,
            };
            nodes[to].handle_datagram(now, meta, BytesMut::from(&datagram[..]));
        }
        nodes.iter_mut().for_each(|node| node.handle_timeout(now));
    }
    run
}

impl Run {
    fn hear(&mut self, event: NodeEvent<i32>) {
        match event {
            NodeEvent::Settled { settled, .. } => {
                self.settled
                    .extend(settled.into_iter().map(|(_, outcome)| outcome));
            }
            NodeEvent::Incoming { messages, .. } => {
                self.received
                    .extend(messages.into_iter().map(|it| it.payload));
            }
            NodeEvent::Peer {
                event: PeerEvent::Disconnected { error, .. },
                ..
            } => self.lost.push(error),
            NodeEvent::InboundRejected { error, .. } => self.turned_away.push(error),
            _ => {}
        }
    }
}

#[test]
fn a_message_arrives_without_encryption_and_is_seen_on_the_wire() {
    let run = run(setup());
    assert_eq!(run.received, [Bytes::from_static(b"hello")]);
    assert_eq!(run.lost, []);
    let seen = |datagram: &Vec<u8>| datagram.windows(5).any(|five| five == b"hello");
    assert!(run.datagrams.iter().any(seen));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(run(setup()), run(setup()));
}

#[test]
fn a_damaged_datagram_is_not_believed() {
    let whole = run(setup());
    // Each datagram once, so that at least one of the others carries what it did.
    for damaged in 0..whole.datagrams.len() {
        DAMAGED.set(damaged);
        let run = run(Setup {
            damage: |number, bytes| {
                if number == DAMAGED.get() {
                    let place = bytes.len() - 20;
                    bytes[place] ^= 1;
                }
            },
            ..setup()
        });
        assert_eq!(run.received, whole.received, "datagram {damaged}");
        assert_eq!(run.lost, []);
    }
}

thread_local! {
    static DAMAGED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[test]
fn whoever_is_not_expected_is_not_taken() {
    let run = run(Setup {
        dialled: identity(3).key(),
        ..setup()
    });
    let wrong = LinkError::WrongIdentity {
        expected: identity(3).key(),
        offered: identity(2).key(),
    };
    assert_eq!(run.lost.first(), Some(&wrong));
    assert_eq!(run.turned_away.first(), Some(&LinkError::NotExpected));
    assert!(run.received.is_empty());
}

#[test]
fn whoever_is_not_trusted_is_not_let_in() {
    let run = run(Setup {
        trust: Trust::Keys(BTreeSet::from([identity(3).key()])),
        ..setup()
    });
    let ours = identity(1).key();
    assert_eq!(run.lost.first(), Some(&LinkError::IdentityRefused { ours }));
    let offered = ours;
    assert_eq!(
        run.turned_away.first(),
        Some(&LinkError::NotAllowed { offered })
    );
}

#[test]
fn whoever_speaks_something_else_is_told_so() {
    let run = run(Setup {
        protocol: Some("other"),
        ..setup()
    });
    let error = LinkError::AlpnMismatch {
        offered: "peer-sender/1".into(),
    };
    assert_eq!(run.lost.first(), Some(&error));
}
