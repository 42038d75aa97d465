//! Diallers that hold a trusted key and misbehave: bare QUIC against a node.

use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use peer_sender_core::{
    CloseCode, Lane, LinkError, MessageId, Outcome, StopMode, Time, UnknownReason,
};
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event, StreamId, VarInt,
};

use super::nodes::*;
use crate::node::{DatagramMeta, NodeEvent, NodeMachine, OutgoingMessage, Output, Source, Target};
use crate::{Trust, tls, transport};

/// OPEN with the flag `fresh`, lane 0, base 0.
const OPEN: &[u8] = &[
    1, 20, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0,
];

/// A bare QUIC client and a node, with nothing but a wire between them.
struct Duel {
    base: Instant,
    now: Time,
    node: NodeMachine<String>,
    turned_away: Vec<LinkError>,
    received: usize,
    source: Option<Source>,
    settled: Vec<Outcome>,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    client: Connection,
    closed: Option<String>,
}

impl Duel {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an origin to count from, never seen"
        )]
        let base = Instant::now();
        let node = NodeMachine::new(listener(2, Trust::Any), [2; 32], base, UNIX_EPOCH);
        let config = transport::endpoint_config(&identity(1), [1; 32]);
        let mut endpoint = Endpoint::new(config.into(), None, true, None);
        let (config, _) = transport::client_config(&dialler(1), identity(2).key(), false, [3; 32]);
        let connected = endpoint.connect(base, config, address(2), tls::SERVER_NAME);
        let (handle, client) = connected.unwrap();
        let mut duel = Self {
            base,
            now: Time::ZERO,
            node,
            turned_away: Vec::new(),
            received: 0,
            source: None,
            settled: Vec::new(),
            endpoint,
            handle,
            client,
            closed: None,
        };
        duel.exchange();
        assert_eq!(duel.node.stats().accepted, 1);
        duel
    }

    /// Lets both talk until they have nothing more to say.
    fn exchange(&mut self) {
        for _ in 0..50 {
            self.now = self.now + Duration::from_millis(1);
            let now = self.instant();
            self.client.handle_timeout(now);
            while let Some(event) = self.client.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                    self.client.handle_event(event);
                }
            }
            while let Some(event) = self.client.poll() {
                if let Event::ConnectionLost { reason } = event {
                    self.closed = Some(reason.to_string());
                }
            }
            self.flush_client(now);
            self.node.handle_timeout(self.now);
            self.drain_node(now);
        }
    }

    /// Hands the node what the client sends, without letting it act on it.
    fn flush_client(&mut self, now: Instant) {
        let mut buffer = Vec::new();
        while let Some(transmit) = self.client.poll_transmit(now, 1, &mut buffer) {
            let data = BytesMut::from(&buffer[..transmit.size]);
            let meta = DatagramMeta {
                remote: address(1),
                local_ip: None,
                ecn: None,
            };
            self.node.handle_datagram(self.now, meta, data);
            buffer.clear();
        }
    }

    fn instant(&self) -> Instant {
        self.base + self.now.saturating_since(Time::ZERO)
    }

    fn drain_node(&mut self, now: Instant) {
        let mut buffer = Vec::new();
        loop {
            match self.node.poll_output(self.now, &mut buffer) {
                Output::Transmit(transmit) => {
                    let data = BytesMut::from(&buffer[..transmit.size]);
                    let mut answer = Vec::new();
                    let from = address(2);
                    let event = self
                        .endpoint
                        .handle(now, from, None, None, data, &mut answer);
                    if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
                        self.client.handle_event(event);
                    }
                }
                Output::Event(NodeEvent::InboundRejected { error, key, .. }) => {
                    assert_eq!(key, Some(identity(1).key()));
                    self.turned_away.push(error);
                }
                Output::Event(NodeEvent::Incoming {
                    source, messages, ..
                }) => {
                    self.received += messages.len();
                    self.source = Some(source);
                }
                Output::Event(NodeEvent::Settled { settled, .. }) => {
                    let outcomes = settled.into_iter().map(|(_, outcome)| outcome);
                    self.settled.extend(outcomes);
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn open(&mut self) -> Option<StreamId> {
        self.client.streams().open(Dir::Bi)
    }

    fn write(&mut self, stream: StreamId, bytes: &[u8]) {
        let mut chunks = [Bytes::copy_from_slice(bytes)];
        let written = self
            .client
            .send_stream(stream)
            .write_chunks(&mut chunks)
            .unwrap();
        assert_eq!(written.bytes, bytes.len());
    }
}

#[test]
fn a_message_from_bare_quic_arrives() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    duel.write(stream, &[3, 2, b'h', b'i']);
    duel.exchange();
    assert_eq!((duel.received, duel.closed.as_deref()), (1, None));
}

#[test]
fn a_broken_frame_closes_the_connection_and_is_reported() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    duel.exchange();
    // Kind 0x3f is neither known nor an extension.
    duel.write(stream, &[0x3f, 0]);
    duel.exchange();
    let [
        LinkError::Closed {
            code: CloseCode::Protocol,
            reason,
        },
    ] = &duel.turned_away[..]
    else {
        panic!("{:?}", duel.turned_away);
    };
    assert!(!reason.is_empty());
    assert_eq!(duel.node.stats().protocol_errors, 1);
    assert!(
        duel.closed.is_some_and(|told| told.contains(reason)),
        "the dialler was told"
    );
}

#[test]
fn a_message_above_the_limit_closes_the_connection_and_is_counted() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    // 16 MiB and one byte are announced.
    duel.write(stream, &[3, 0x81, 0, 0, 1]);
    duel.exchange();
    let [LinkError::Closed { code, reason }] = &duel.turned_away[..] else {
        panic!("{:?}", duel.turned_away);
    };
    assert_eq!(*code, CloseCode::MessageTooLarge);
    assert!(duel.closed.is_some_and(|told| told.contains(reason)));
    let stats = duel.node.stats();
    assert_eq!((stats.refused, stats.protocol_errors), (1, 0));
}

#[test]
fn datagrams_of_nobody_are_counted() {
    let mut duel = Duel::new();
    let meta = DatagramMeta {
        remote: address(3),
        local_ip: None,
        ecn: None,
    };
    // A version that nobody speaks is answered; a header without its fixed bit is not.
    let mut unknown = vec![0; 1_200];
    unknown[..5].copy_from_slice(&[0xc0, 1, 2, 3, 4]);
    for bytes in [&unknown[..], &[0; 30], &[]] {
        let data = BytesMut::from(bytes);
        duel.node.handle_datagram(duel.now, meta, data);
    }
    let before = duel.node.stats();
    assert_eq!((before.strays, before.connections), (3, 1));
    duel.exchange();
    assert_eq!(duel.node.stats().strays, 3);
}

#[test]
fn streams_beyond_the_limit_cannot_be_opened() {
    let mut duel = Duel::new();
    let opened = std::iter::from_fn(|| duel.open()).count();
    assert_eq!(opened, 8);
    assert_eq!(duel.client.streams().open(Dir::Uni), None);
}

/// Opens a stream and cuts both of its halves.
fn open_and_cut(duel: &mut Duel) {
    let stream = duel.open().expect("credit comes back");
    let (reset, stop) = (VarInt::from_u32(5), VarInt::from_u32(6));
    duel.client.send_stream(stream).reset(reset).unwrap();
    duel.client.recv_stream(stream).stop(stop).unwrap();
}

/// Cuts this many streams, as fast as is allowed, and then sends a message.
fn cut_and_go_on(streams: usize) {
    let mut duel = Duel::new();
    // Four halves in 50 ms, of a thousand in 10 s.
    for _ in 0..streams.div_ceil(2) {
        open_and_cut(&mut duel);
        open_and_cut(&mut duel);
        duel.exchange();
    }
    let links = duel.node.net.links();
    let kept = links.map(|link| link.streams.len()).sum::<usize>();
    assert!(kept <= 8, "{kept} streams are kept");
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    duel.write(stream, &[3, 2, b'h', b'i']);
    duel.exchange();
    assert_eq!((duel.received, duel.closed.as_deref()), (1, None));
    assert_eq!(duel.node.stats().overloads, 0);
}

#[test]
fn streams_that_are_cut_leave_nothing_behind_and_others_go_on() {
    cut_and_go_on(4_000);
}

#[test]
#[ignore = "takes a minute: a million streams"]
fn a_million_streams_that_are_cut_leave_room_for_another() {
    cut_and_go_on(1_000_000);
}

#[test]
fn a_dialler_that_cuts_every_reply_harms_only_its_own() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    duel.write(stream, &[3, 1, b'a']);
    duel.exchange();
    let back = duel.source.expect("the message arrived").target();
    let replies = (0..8).map(|lane| {
        let payload = Bytes::from("reply");
        OutgoingMessage::new(MessageId(lane), Lane(lane as u8), payload)
    });
    duel.node.queue(duel.now, back, replies);
    duel.exchange();
    let mut cut = 0;
    while let Some(lane) = duel.client.streams().accept(Dir::Bi) {
        let (reset, stop) = (VarInt::from_u32(5), VarInt::from_u32(6));
        duel.client.send_stream(lane).reset(reset).unwrap();
        duel.client.recv_stream(lane).stop(stop).unwrap();
        cut += 1;
    }
    assert_eq!(cut, 8);
    duel.exchange();
    assert_eq!(
        duel.settled,
        [],
        "nobody has answered, and they may still be"
    );
    duel.write(stream, &[3, 1, b'b']);
    duel.exchange();
    assert_eq!((duel.received, duel.closed.as_deref()), (2, None));
    let links = duel.node.net.links();
    assert_eq!(links.map(|link| link.streams.len()).sum::<usize>(), 1);

    let Target::Session(session) = back else {
        unreachable!()
    };
    duel.node.stop_session(duel.now, session, StopMode::Abort);
    duel.exchange();
    let unknown = Outcome::Unknown(UnknownReason::Stopped);
    assert_eq!(duel.settled, vec![unknown; 8]);
}

#[test]
fn who_cuts_streams_at_full_speed_is_turned_away() {
    let mut duel = Duel::new();
    let mut cut = 0;
    while duel.closed.is_none() {
        for _ in 0..8 {
            open_and_cut(&mut duel);
            cut += 1;
        }
        duel.exchange();
        assert!(
            cut < 1_100,
            "the limit of 1,000 is passed without an answer"
        );
    }
    let [LinkError::Closed { code, reason }] = &duel.turned_away[..] else {
        panic!("{:?}", duel.turned_away);
    };
    assert_eq!(*code, CloseCode::ExcessiveLoad);
    assert!(
        duel.closed
            .as_ref()
            .is_some_and(|told| told.contains(reason))
    );
    assert_eq!(duel.node.stats().overloads, 1);
    assert_eq!(duel.node.stats().sessions, 0);
}

#[test]
fn a_dialler_that_goes_silent_in_a_message_is_forgotten() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    duel.write(stream, &[3, 0x80, 0x01, 0, 0, 1, 2, 3]);
    duel.exchange();
    duel.now = duel.now + Duration::from_secs(30);
    let now = duel.instant();
    duel.node.handle_timeout(duel.now);
    duel.drain_node(now);
    assert_eq!(duel.node.stats().connections, 0);
    assert_eq!(duel.node.stats().sessions, 1);
}

#[test]
fn everything_that_came_before_a_close_is_read_first() {
    let mut duel = Duel::new();
    let stream = duel.open().unwrap();
    duel.write(stream, OPEN);
    let mut message = vec![3, 0x80, 0, 0x40, 0];
    message.resize(5 + (16 << 10), 7);
    // Enough to widen the congestion window beyond what a connection reads in one turn.
    let mut sent = 0;
    for _ in 0..20 {
        for _ in 0..24 {
            duel.write(stream, &message);
            sent += 1;
        }
        duel.exchange();
    }
    assert_eq!((duel.received, duel.closed.as_deref()), (sent, None));

    for _ in 0..26 {
        duel.write(stream, &message);
        sent += 1;
    }
    // All of it and the close reach the node before it acts on any.
    let now = duel.instant();
    for _ in 0..100 {
        duel.now = duel.now + Duration::from_millis(5);
        let now = duel.instant();
        duel.client.handle_timeout(now);
        duel.flush_client(now);
    }
    duel.client.close(now, VarInt::from_u32(0), Bytes::new());
    duel.flush_client(now);
    duel.drain_node(now);
    assert_eq!(duel.received, sent);
}
