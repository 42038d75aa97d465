//! The plain protocol: a stream per message, settled by what the other end's transport holds.

mod credit;
mod ends;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    CloseCode, Config, ConfigBuilder, FailReason, Lane, Level, LinkError, MessageId, Outcome,
    PeerEvent, Protocol, Redelivery, RefuseCode, SendLimits, StopMode, StopReason, UnknownReason,
};

use quinn_proto::TransportConfig;
use quinn_proto::crypto::rustls::HandshakeData;

use super::nodes::*;
use super::world::World;
use crate::node::{PeerConfig, PeerHandle, Source, Target};
use crate::{NodeConfig, NodeConfigBuilder, Trust, transport};

const DELIVERED: Outcome = Outcome::Delivered(Level::Transport);
const ALPN: &str = "test/1";
const SECOND: Duration = Duration::from_secs(1);

fn plain_dialler() -> NodeConfig {
    NodeConfig::builder(identity(1))
        .plain(ALPN)
        .build()
        .unwrap()
}

fn plain_listener(set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder) -> NodeConfig {
    let builder = NodeConfig::builder(identity(2))
        .accept(Trust::Any)
        .plain(ALPN);
    set(builder).build().unwrap()
}

/// A world with a dialler at 1 and a listener at 2, and the peer.
fn pair(seed: u64) -> (World, PeerHandle) {
    let mut world = World::new(seed);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let peer = world.dial(1, 2, identity(2).key());
    (world, peer)
}

fn configured(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Config {
    set(Config::builder(address(2))).build().unwrap()
}

/// What came at a place, in any order.
fn sorted(world: &mut World, place: Place) -> Vec<Bytes> {
    let received = world.end(place).received.iter();
    let mut payloads: Vec<Bytes> = received.map(|(_, _, payload)| payload.clone()).collect();
    payloads.sort_unstable();
    payloads
}

fn expected(count: u64) -> Vec<Bytes> {
    let mut payloads: Vec<Bytes> = messages(0, count).map(|(_, payload)| payload).collect();
    payloads.sort_unstable();
    payloads
}

fn all_delivered(world: &mut World, peer: PeerHandle) -> bool {
    let settled = world.end(1).settled(peer).iter();
    settled
        .map(|(_, outcome)| outcome)
        .all(|it| *it == DELIVERED)
}

/// What was just sent arrives; the connection is cut, and no acknowledgement comes back.
fn cut_before_it_is_acknowledged(world: &mut World) {
    world.run(Duration::from_millis(6));
    let now = world.now;
    world.end(2).node.cut_accepted(now);
    world.silent.insert(1);
    world.run(Duration::from_millis(10));
    world.silent.clear();
}

#[test]
fn messages_are_delivered_when_the_transport_has_them() {
    let (mut world, peer) = pair(1);
    world.end(2).consumes = false;
    world.queue(1, peer, messages(0, 50));
    world.run(SECOND);
    assert_eq!(sorted(&mut world, 2), expected(50));
    assert_eq!(world.end(1).settled(peer).len(), 50, "nobody has answered");
    assert!(all_delivered(&mut world, peer));
    let numbers: Vec<u64> = world.end(2).received.iter().map(|it| it.1).collect();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "a running count");
}

/// Its transport would acknowledge what comes on a connection that it is about to close.
#[test]
fn whoever_finds_no_room_is_told_so_before_it_sends() {
    for (framed, same_key) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut world = World::new(7);
        let speaking = |builder: NodeConfigBuilder| match framed {
            true => builder.framed(ALPN),
            false => builder.plain(ALPN),
        };
        let listener = NodeConfig::builder(identity(9)).accept(Trust::Any);
        // One connection leaves no place where sessions are short, and one key has no other session.
        let listener = match same_key {
            true => listener.sessions_per_key_max(1),
            false => listener.sessions_max(1),
        };
        let listener = speaking(listener).build().unwrap();
        world.place(9, listener, 9);
        let peers = [1, 2].map(|place: u8| {
            let who = if same_key { 1 } else { place };
            let dialler = speaking(NodeConfig::builder(identity(who)));
            let place = Place::from(place);
            world.place(place, dialler.build().unwrap(), place as u8);
            let peer = world.dial(place, 9, identity(9).key());
            world.run(SECOND);
            (place, peer)
        });
        let [(first, wanted), (second, late)] = peers;
        world.queue(first, wanted, messages(0, 1));
        world.queue(second, late, messages(1, 1));
        world.run(SECOND);
        assert_eq!(world.end(first).settled(wanted).len(), 1);
        assert_eq!(world.end(second).settled(late), [], "nobody has it");
        assert_eq!(world.end(second).connected(late), 0);
        let errors = world.end(second).errors(late);
        let busy = |error: &LinkError| match error {
            LinkError::Closed { code, .. } => same_key && *code == CloseCode::ExcessiveLoad,
            error => !same_key && *error == LinkError::Busy,
        };
        assert!(!errors.is_empty() && errors.iter().all(busy), "{errors:?}");

        // There is room once the first has gone.
        let now = world.now;
        world
            .end(first)
            .node
            .stop_peer(now, wanted, StopMode::Abort);
        let done = world.wait(20 * SECOND, |world| {
            !world.end(second).settled(late).is_empty()
        });
        assert!(done);
        assert_eq!(world.end(9).received.len(), 2);
    }
}

#[test]
fn the_credit_of_streams_comes_back() {
    let (mut world, peer) = pair(2);
    let (mut sent, count) = (0, 5_000);
    let done = world.wait(60 * SECOND, |world| {
        let capacity = world.end(1).node.capacity(Target::Peer(peer), Lane(0));
        let more = (capacity.messages as u64).min(count - sent);
        world.queue(1, peer, messages(sent, more));
        sent += more;
        world.end(1).settled(peer).len() as u64 == count
    });
    assert!(done);
    assert!(all_delivered(&mut world, peer));
    assert_eq!(sorted(&mut world, 2), expected(count));
}

#[test]
fn loss_and_disorder_lose_and_double_nothing_while_the_connection_stands() {
    for seed in 0..5 {
        let (mut world, peer) = pair(seed);
        world.loss = 20;
        world.jitter = Duration::from_millis(10);
        world.queue(1, peer, messages(0, 500));
        let all = |world: &mut World| world.end(1).settled(peer).len() == 500;
        assert!(world.wait(120 * SECOND, all), "seed {seed}");
        assert!(all_delivered(&mut world, peer));
        assert_eq!(world.end(1).connected(peer), 1, "seed {seed}");
        assert_eq!(sorted(&mut world, 2), expected(500), "seed {seed}");
    }
}

#[test]
fn messages_above_every_window_and_many_at_once_come_whole() {
    let (mut world, peer) = pair(3);
    let large: Vec<Bytes> = (0..12).map(|n| Bytes::from(vec![n; 3 << 20])).collect();
    world.queue(1, peer, (0..5).zip(large.iter().take(5).cloned()));
    world.queue(1, peer, messages(5, 1));
    let five = |world: &mut World| world.end(1).settled(peer).len() == 6;
    assert!(world.wait(60 * SECOND, five));
    world.queue(1, peer, (6..11).zip(large.iter().skip(5).take(5).cloned()));
    let all = |world: &mut World| world.end(1).settled(peer).len() == 11;
    assert!(world.wait(60 * SECOND, all));
    assert!(all_delivered(&mut world, peer));
    let received = sorted(&mut world, 2);
    assert_eq!(received.len(), 11);
    let large_received: Vec<&Bytes> = received.iter().filter(|it| it.len() == 3 << 20).collect();
    assert!(
        large_received
            .iter()
            .zip(&large)
            .all(|(one, other)| *one == other)
    );
}

#[test]
fn a_small_message_overtakes_a_large_one() {
    let (mut world, peer) = pair(4);
    let large = Bytes::from(vec![7; 3 << 20]);
    world.queue(1, peer, [(0, large), (1, payload(1))]);
    let one = |world: &mut World| !world.end(1).settled(peer).is_empty();
    assert!(world.wait(60 * SECOND, one));
    assert_eq!(world.end(1).settled(peer), [(MessageId(1), DELIVERED)]);
    let both = |world: &mut World| world.end(1).settled(peer).len() == 2;
    assert!(world.wait(60 * SECOND, both));
}

#[test]
fn an_empty_message_is_one() {
    let (mut world, peer) = pair(5);
    world.queue(1, peer, [(0, Bytes::new())]);
    world.run(SECOND);
    assert_eq!(world.end(1).settled(peer), [(MessageId(0), DELIVERED)]);
    assert_eq!(world.end(2).received[0].2, Bytes::new());
}

#[test]
fn one_that_is_too_large_is_refused_and_the_others_go_on() {
    let mut world = World::new(6);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it.message_bytes_max(50_000)), 2);
    let peer = world.dial(1, 2, identity(2).key());
    let too_large = Bytes::from(vec![1; 400_000]);
    world.queue(1, peer, [(0, payload(0)), (1, too_large), (2, payload(2))]);
    let all = |world: &mut World| world.end(1).settled(peer).len() == 3;
    assert!(world.wait(10 * SECOND, all));
    let refused = world
        .end(1)
        .settled(peer)
        .iter()
        .find(|it| it.0 == MessageId(1));
    assert_eq!(refused.unwrap().1, Outcome::Refused(RefuseCode::Other(5)));
    assert_eq!(world.end(2).received.len(), 2);
    assert_eq!(world.end(1).connected(peer), 1, "one connection");
    assert_eq!(world.end(1).errors(peer), []);
}

#[test]
fn a_slow_application_holds_the_sender_back_and_nothing_is_dropped() {
    let mut world = World::new(7);
    world.place(1, plain_dialler(), 1);
    let limits = |it: NodeConfigBuilder| it.message_bytes_max(50_000).inbound_bytes_max(200_000);
    world.place(2, plain_listener(limits), 2).consumes = false;
    let peer = world.dial(1, 2, identity(2).key());
    let large = |n: u64| (n, Bytes::from(vec![n as u8; 40_000]));
    // What lies in QUIC's own windows counts as received, so there must be more than these.
    world.queue(1, peer, (0..390).map(large));
    world.run(30 * SECOND);
    let held = world.end(2).received.len();
    assert!((4..=5).contains(&held), "{held} of 40,000 bytes in 200,000");
    assert_eq!(world.end(1).errors(peer), []);
    assert!(world.wait(300 * SECOND, |world| {
        let now = world.now;
        world.end(2).consume(now);
        world.end(2).received.len() == 390 && world.end(1).settled(peer).len() == 390
    }));
    assert!(all_delivered(&mut world, peer));
    assert_eq!(world.end(1).connected(peer), 1);
}

#[test]
fn one_that_is_cancelled_or_expires_too_late_ends_by_what_shows() {
    let mut world = World::new(10);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let config = configured(|it| it.streams_max(2).flight_bytes_max(16 << 20));
    let peer = world.dial_with(1, identity(2).key(), config);
    world.run(SECOND);
    let large = Bytes::from(vec![7; 12 << 20]);
    world.queue(1, peer, [(0, payload(0)), (1, large), (2, payload(2))]);
    let now = world.now;
    for id in 0..3 {
        world
            .end(1)
            .node
            .cancel(now, Target::Peer(peer), MessageId(id));
    }
    world.run(Duration::from_millis(1));
    let cancelled = (MessageId(2), Outcome::Cancelled);
    assert_eq!(world.end(1).settled(peer), [cancelled], "it had not begun");
    world.run(Duration::from_millis(15));
    assert!(
        world
            .end(1)
            .settled(peer)
            .contains(&(MessageId(0), DELIVERED))
    );
    let now = world.now;
    world.end(2).node.cut_accepted(now);
    world.run(5 * SECOND);
    // QUIC had not been given its end, so nobody can have it whole.
    assert!(
        world
            .end(1)
            .settled(peer)
            .contains(&(MessageId(1), Outcome::Cancelled))
    );
    assert_eq!(world.end(2).received.len(), 1);
}

#[test]
fn both_ends_send() {
    let (mut world, peer) = pair(11);
    world.queue(1, peer, messages(0, 1));
    world.run(SECOND);
    let session = world.end(2).session();
    let to = Target::Session(session);
    world.send_on(2, to, Lane(0), messages(0, 300));
    world.queue(1, peer, messages(1, 299));
    let done = |world: &mut World| {
        world.end(1).settled(peer).len() == 300 && world.end(2).settled_to(to).len() == 300
    };
    assert!(world.wait(30 * SECOND, done));
    assert_eq!(sorted(&mut world, 1), expected(300));
    assert_eq!(sorted(&mut world, 2), expected(300));
    let settled = world.end(2).settled_to(to).iter();
    assert!(settled.map(|it| &it.1).all(|it| *it == DELIVERED));
}

/// The name by which a listener was told that it is dialled.
fn name_told(peer: impl FnOnce(PeerConfig) -> PeerConfig) -> Option<String> {
    let mut world = World::new(23);
    world.place(1, plain_dialler(), 1);
    world.place(2, plain_listener(|it| it), 2);
    world.dial_as(
        1,
        peer(PeerConfig::with(identity(2).key(), configured(|it| it))),
    );
    world.run(SECOND);
    let link = world.end(2).node.net.links().next().unwrap();
    let told = link.connection.crypto_session().handshake_data().unwrap();
    told.downcast::<HandshakeData>().unwrap().server_name
}

#[test]
fn a_peer_is_told_its_name_only_if_it_has_one() {
    assert_eq!(name_told(|peer| peer), None);
    let named = |peer: PeerConfig| peer.with_server_name("app.example").unwrap();
    assert_eq!(name_told(named).as_deref(), Some("app.example"));
    for wrong in ["", "not a name", "192.0.2.1", "::1"] {
        let config = PeerConfig::with(identity(2).key(), configured(|it| it));
        let error = config.with_server_name(wrong).unwrap_err();
        assert_eq!(error.field, "server_name", "{wrong}");
    }
}

#[test]
fn another_name_is_another_protocol() {
    let mut world = World::new(17);
    let other = NodeConfig::builder(identity(1)).plain("test/2").build();
    world.place(1, other.unwrap(), 1);
    world.place(2, plain_listener(|it| it), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, messages(0, 1));
    world.run(SECOND);
    let mismatch = LinkError::AlpnMismatch {
        offered: "test/2".into(),
    };
    assert_eq!(world.end(1).errors(peer), [mismatch]);
    let turned_away = world.end(2).turned_away.first().unwrap();
    let mismatch = LinkError::AlpnMismatch {
        offered: ALPN.into(),
    };
    assert_eq!(turned_away.1, mismatch);
    assert_eq!(world.end(1).settled(peer), []);
}

#[test]
fn lanes_of_a_peer_are_one_under_the_plain_protocol() {
    let mut world = World::new(20);
    let node = &mut world.place(1, plain_dialler(), 1).node;
    let capacity = |node: &mut crate::NodeMachine<String>, config| {
        let config = PeerConfig::with(identity(2).key(), config);
        let peer = node.add_peer(peer_sender_core::Time::ZERO, "it".into(), config)?;
        let capacity = node.capacity(Target::Peer(peer), Lane(1)).messages;
        node.remove_peer(peer);
        Ok::<_, crate::AddPeerError>(capacity)
    };
    assert_eq!(capacity(node, configured(|it| it)), Ok(0));
    assert_eq!(
        capacity(node, configured(|it| it.protocol(Protocol::Plain))),
        Ok(0)
    );
    let error = capacity(node, configured(|it| it.lanes(2))).unwrap_err();
    assert!(error.to_string().contains("lanes: must be 1"), "{error}");

    let lanes = &mut world.place(2, dialler(2), 2).node;
    assert_eq!(capacity(lanes, configured(|it| it)), Ok(8_192));
    let error = capacity(lanes, configured(|it| it.protocol(Protocol::Plain))).unwrap_err();
    assert!(error.to_string().contains("protocol"), "{error}");
    let limits = SendLimits::default();
    assert_eq!(limits.streams_max, 128);
}

/// Has the connections that a place accepts from here on speak QUIC by other settings.
fn set_transport(
    world: &mut World,
    place: Place,
    config: &NodeConfig,
    set: impl FnOnce(&mut TransportConfig),
) {
    let mut settings = TransportConfig::default();
    set(&mut settings);
    let mut server = Arc::unwrap_or_clone(transport::server_config(config, [9; 32]));
    server.transport = Arc::new(settings);
    let endpoint = &mut world.end(place).node.net.endpoint;
    endpoint.set_server_config(Some(Arc::new(server)));
}

/// The times from the handing over of a reply to its outcome, on a connection without other
/// traffic, in ascending order. `asks`: whether the listener asks for early acknowledgements.
fn lone_replies(asks: bool) -> Vec<Duration> {
    let (mut world, peer) = pair(21);
    if !asks {
        let config = plain_listener(|it| it);
        set_transport(&mut world, 2, &config, |_| {});
    }
    world.queue(1, peer, messages(0, 1));
    world.run(2 * SECOND);
    let to = Target::Session(world.end(2).session());
    let mut times = Vec::new();
    for id in 0..21 {
        world.send_on(2, to, Lane(0), messages(id, 1));
        let before = world.now;
        let settled = |world: &mut World| world.end(2).settled_to(to).len() as u64 == id + 1;
        assert!(world.wait(SECOND, settled));
        times.push(world.now.saturating_since(before));
        world.run(SECOND);
    }
    times.sort_unstable();
    times
}

#[test]
fn a_lone_message_does_not_wait_for_the_delayed_acknowledgement() {
    let (with, without) = (lone_replies(true), lone_replies(false));
    println!("median {:?} with, {:?} without", with[10], without[10]);
    // A round trip takes 10 ms.
    assert!(with[10] <= Duration::from_millis(12), "{with:?}");
    assert!(without[10] >= Duration::from_millis(34), "{without:?}");
}
