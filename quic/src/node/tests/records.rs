//! Nodes that listen as one identity and share what they remember of sessions.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::table::Standing;
use peer_sender_core::{
    Action, CloseCode, Config, Event, Lane, LinkError, MessageId, Side, StopMode, StreamId, Time,
};

use super::delivery::DELIVERED;
use super::nodes::*;
use super::world::World;
use crate::node::records::{Desk, Mail};
use crate::node::{PeerHandle, Source, Target};
use crate::{NodeConfig, NodeConfigBuilder, Trust};

const DIALLER: Place = 1;
const FIRST: Place = 2;
const SECOND: Place = 3;
const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(10));
const SEC: Duration = Duration::from_secs(1);

/// Two listeners of one identity and records.
fn listeners(world: &mut World, set: impl Fn(NodeConfigBuilder) -> NodeConfigBuilder) {
    let builder = || set(NodeConfig::builder(identity(2)).accept(Trust::Any));
    let records = world.records(&builder().build().unwrap(), 200);
    for place in [FIRST, SECOND] {
        let config = builder().records(records.clone()).build().unwrap();
        world.place(place, config, place as u8);
    }
}

/// Dials the one that is named first, and the other after it.
fn dial_both(world: &mut World, from: Place, addresses: [Place; 2]) -> PeerHandle {
    let config = Config::builder(address(addresses[0]))
        .addresses(addresses.map(address).to_vec())
        .backoff_max(SEC);
    world.dial_with(from, identity(2).key(), config.build().unwrap())
}

/// A dialler that is connected to the first of two listeners, which has got a message of it.
fn at_first(seed: u64) -> (World, PeerHandle, Target) {
    let mut world = World::new(seed);
    world.place(DIALLER, dialler(1), 1);
    listeners(&mut world, |config| config);
    let peer = dial_both(&mut world, DIALLER, [FIRST, SECOND]);
    world.queue(DIALLER, peer, messages(0, 1));
    world.run(SEC);
    assert_eq!(carries(&mut world), [1, 0]);
    let session = Target::Session(world.end(FIRST).session());
    (world, peer, session)
}

/// Has the dialler find out at once that the path to the node it is connected to is broken, and
/// waits until it is connected again. The node itself knows nothing of it yet.
fn break_path_to(world: &mut World, place: Place, peer: PeerHandle) {
    let connected = world.end(DIALLER).connected(peer);
    world.silent.insert(place);
    let now = world.now;
    let node = &mut world.end(DIALLER).node;
    node.handle_unreachable(now, address(place).ip());
    let again = |world: &mut World| world.end(DIALLER).connected(peer) > connected;
    assert!(world.wait(20 * SEC, again));
}

/// How many connections each of the two carries.
fn carries(world: &mut World) -> [u64; 2] {
    [FIRST, SECOND].map(|place| world.end(place).node.stats().connections)
}

fn was_told_to_go(world: &mut World, peer: PeerHandle) -> bool {
    let mut errors = world.end(DIALLER).errors(peer).into_iter();
    errors.any(
        |error| matches!(error, LinkError::Closed { code, .. } if code == CloseCode::GoingAway),
    )
}

fn settled(world: &mut World, peer: PeerHandle, count: u64) {
    let all = |world: &mut World| world.end(DIALLER).settled(peer).len() as u64 == count;
    assert!(world.wait(60 * SEC, all));
    let ids = (0..count).map(|id| (MessageId(id), DELIVERED));
    assert!(world.end(DIALLER).settled(peer).iter().cloned().eq(ids));
}

/// What both have got, the first one first.
fn received(world: &mut World) -> Vec<Bytes> {
    let places = [FIRST, SECOND].into_iter();
    let received = places.flat_map(|place| world.end(place).received.clone());
    received.map(|(_, _, payload)| payload).collect()
}

fn payloads(count: u64) -> Vec<Bytes> {
    messages(0, count).map(|(_, payload)| payload).collect()
}

#[test]
fn a_session_goes_on_at_another_node_once_and_in_order() {
    let (mut world, peer, _) = at_first(1);
    world.loss = 5;
    world.jitter = Duration::from_millis(5);
    let (rounds, of_a_round) = (6, 200);
    for round in 0..rounds {
        let some = messages(1 + round * of_a_round, of_a_round);
        world.queue(DIALLER, peer, some);
        world.run(Duration::from_millis(20 + 7 * round));
        let (gone, there) = match round % 2 {
            0 => (FIRST, SECOND),
            _ => (SECOND, FIRST),
        };
        world.silent.remove(&there);
        break_path_to(&mut world, gone, peer);
    }
    settled(&mut world, peer, 1 + rounds * of_a_round);
    assert_received(world.end(FIRST), 1 + rounds * of_a_round);
    assert_eq!(world.end(FIRST).sources.len(), 1, "one session all along");
    assert_eq!(world.end(SECOND).received, [], "its home is the first");
    let stats = [FIRST, SECOND].map(|place| world.end(place).node.stats());
    assert!(stats.iter().all(|stats| stats.accepted >= 2), "{stats:?}");
    assert_eq!(stats.map(|stats| stats.sessions), [1, 0]);
}

#[test]
fn a_lane_is_taken_over_from_a_connection_that_stands_at_another_node() {
    let (mut world, peer, _) = at_first(2);
    break_path_to(&mut world, FIRST, peer);
    world.queue(DIALLER, peer, messages(1, 9));
    settled(&mut world, peer, 10);
    assert_eq!(
        carries(&mut world),
        [1, 1],
        "the first has not missed it yet"
    );
    let link = world.end(FIRST).node.net.links().next().unwrap();
    let cut = link.connection.stats().frame_tx;
    assert_eq!((cut.reset_stream, cut.stop_sending), (1, 1));
    assert_received(world.end(FIRST), 10);
}

#[test]
fn replies_and_their_outcomes_find_their_way_by_the_other_node() {
    let (mut world, peer, back) = at_first(3);
    world.send_on(FIRST, back, Lane(0), messages(0, 3));
    world.run(SEC);
    break_path_to(&mut world, FIRST, peer);
    world.send_on(FIRST, back, Lane(0), messages(3, 5));
    world.run(SEC);
    let source = Source::Peer {
        peer,
        generation: 0,
    };
    assert_eq!(world.end(DIALLER).got(source, Lane(0)), payloads(8));
    let outcomes = (0..8).map(|id| (MessageId(id), DELIVERED));
    assert!(
        world
            .end(FIRST)
            .settled_to(back)
            .iter()
            .cloned()
            .eq(outcomes)
    );
    let capacity = world.end(FIRST).node.capacity(back, Lane(0));
    assert_eq!(world.end(FIRST).room[&(back, Lane(0))], capacity);
    let stats = world.end(FIRST).node.peer_stats(back).unwrap();
    assert_eq!((stats.machine.delivered, stats.rtt), (8, None));
}

#[test]
fn a_session_ends_in_good_order_with_its_home_wherever_it_is_carried() {
    let (mut world, peer, session) = at_first(4);
    break_path_to(&mut world, FIRST, peer);
    world.end(FIRST).consumes = false;
    world.queue(DIALLER, peer, messages(1, 99));
    world.run(Duration::from_millis(100));
    let held = world.end(FIRST).received.len();
    assert!(held > 1, "the application has some of it");

    let now = world.now;
    world.end(FIRST).node.stop(now, DRAIN);
    world.run(SEC);
    assert!(!world.end(FIRST).node.is_stopped(), "these await answers");
    let now = world.now;
    world.end(FIRST).consume(now);
    settled(&mut world, peer, 100);
    assert!(world.wait(SEC, |world| world.end(FIRST).node.is_stopped()));
    world.run(SEC);
    assert!(was_told_to_go(&mut world, peer));
    assert_eq!(world.end(FIRST).forgotten.len(), 1);
    assert_eq!(world.end(FIRST).forgotten[0].target(), session);

    // What comes later is for the other, as of a new session.
    world.queue(DIALLER, peer, messages(100, 100));
    settled(&mut world, peer, 200);
    assert_eq!(received(&mut world), payloads(200));
    assert_eq!(world.end(FIRST).received.len(), 100);

    let now = world.now;
    world.end(SECOND).node.stop(now, DRAIN);
    assert!(world.wait(5 * SEC, |world| world.end(SECOND).node.is_stopped()));
    assert_eq!(world.end(SECOND).forgotten.len(), 1);
}

#[test]
fn a_node_that_stops_gives_up_what_is_at_home_elsewhere_and_it_goes_on() {
    let (mut world, peer, _) = at_first(5);
    break_path_to(&mut world, FIRST, peer);
    world.silent.clear();
    world.end(FIRST).consumes = false;
    world.queue(DIALLER, peer, messages(1, 99));
    world.run(Duration::from_millis(100));
    let connected = world.end(DIALLER).connected(peer);

    let now = world.now;
    world.end(SECOND).node.stop(now, DRAIN);
    assert!(world.wait(SEC, |world| world.end(SECOND).node.is_stopped()));
    let again = |world: &mut World| world.end(DIALLER).connected(peer) > connected;
    assert!(world.wait(20 * SEC, again));
    world.end(FIRST).consumes = true;
    let now = world.now;
    world.end(FIRST).consume(now);
    settled(&mut world, peer, 100);
    assert_received(world.end(FIRST), 100);
    assert_eq!(world.end(FIRST).forgotten, [], "it is the same session");
}

#[test]
fn a_node_that_is_gone_leaves_nothing_in_the_records() {
    let (mut world, peer, _) = at_first(6);
    break_path_to(&mut world, FIRST, peer);
    world.run(SEC);
    // The home is dropped while another carries the session: it ends there at once.
    world.ends.remove(&FIRST);
    world.queue(DIALLER, peer, messages(1, 9));
    settled(&mut world, peer, 10);
    assert_eq!(world.end(SECOND).received.len(), 9);
    assert_eq!(world.end(SECOND).node.stats().sessions, 1);
    assert!(was_told_to_go(&mut world, peer));
}

#[test]
fn a_node_that_is_gone_loses_the_connections_that_it_carried() {
    let (mut world, peer, back) = at_first(7);
    break_path_to(&mut world, FIRST, peer);
    world.run(SEC);
    let carried = |world: &mut World| {
        let snapshot = world.end(FIRST).node.snapshot(back).unwrap();
        snapshot.machine.standing
    };
    assert_eq!(carried(&mut world), Standing::Up);
    world.ends.remove(&SECOND);
    assert_eq!(carried(&mut world), Standing::Down);
    world.silent.clear();
    world.queue(DIALLER, peer, messages(1, 9));
    settled(&mut world, peer, 10);
    assert_received(world.end(FIRST), 10);
}

#[test]
fn a_session_is_forgotten_in_time_though_whoever_waited_for_it_is_gone() {
    let mut world = World::new(8);
    world.place(DIALLER, dialler(1), 1);
    listeners(&mut world, |config| config.session_ttl(60 * SEC));
    let peer = dial_both(&mut world, DIALLER, [FIRST, SECOND]);
    world.queue(DIALLER, peer, messages(0, 1));
    world.run(SEC);
    break_path_to(&mut world, FIRST, peer);
    world.run(20 * SEC);
    assert_eq!(carries(&mut world), [0, 1]);
    world.silent.insert(DIALLER);
    world.run(20 * SEC);
    assert_eq!(carries(&mut world), [0, 0]);
    world.ends.remove(&SECOND);
    let forgotten = |world: &mut World| !world.end(FIRST).forgotten.is_empty();
    assert!(world.wait(60 * SEC, forgotten));
    assert_eq!(world.end(FIRST).node.stats().sessions, 0);
}

#[test]
fn what_all_nodes_hold_counts_against_one_budget() {
    const SIZE: usize = 60 << 10;
    let mut world = World::new(9);
    listeners(&mut world, |config| {
        config
            .message_bytes_max(SIZE)
            .inbound_bytes_max(1 << 20)
            .inbound_bytes_total_max(1 << 20)
    });
    for place in [FIRST, SECOND] {
        world.end(place).consumes = false;
    }
    let diallers = [(4, FIRST), (5, SECOND), (6, FIRST), (7, SECOND)];
    let peers = diallers.map(|(from, to)| {
        world.place(from, dialler(from as u8), from as u8);
        let peer = world.dial(from, to, identity(2).key());
        world.queue(
            from,
            peer,
            (0..40).map(|id| (id, Bytes::from(vec![7; SIZE]))),
        );
        peer
    });
    world.run(10 * SEC);
    let held = received(&mut world).len();
    assert!(
        (12..=18).contains(&held),
        "{held} are held where there is room for 16 at most, and for one of each who has none"
    );

    // What one gives back lets the other go on.
    let before = world.end(SECOND).received.len();
    for (place, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let now = world.now;
        world.end(place).consumes = true;
        world.end(place).consume(now);
        let all = |world: &mut World| {
            let mut here = diallers
                .iter()
                .zip(peers)
                .filter(|((_, to), _)| *to == place);
            here.all(|((from, _), peer)| world.end(*from).settled(peer).len() == 40)
        };
        assert!(world.wait(20 * SEC, all));
        world.run(SEC);
        let others = world.end(other).received.len();
        assert!(others > before + 4, "{others} after {before}");
    }
}

#[test]
fn nodes_that_share_records_repeat_exactly() {
    let run = || {
        let (mut world, peer, _) = at_first(10);
        world.loss = 5;
        world.queue(DIALLER, peer, messages(1, 199));
        world.run(Duration::from_millis(15));
        break_path_to(&mut world, FIRST, peer);
        settled(&mut world, peer, 200);
        world.sent
    };
    let (once, again) = (run(), run());
    assert!(once.len() > 50, "{} datagrams", once.len());
    assert_eq!(once, again);
}

#[test]
fn all_that_is_asked_of_a_connection_is_passed_on_up_to_its_close() {
    let config = NodeConfig::builder(identity(2)).accept(Trust::Any);
    let config = config.build().unwrap();
    let records = World::new(1).records(&config, 1);
    let (desk, mut mail) = (Desk::at(records), Mail::default());
    let attempt = desk.let_in(Time::ZERO, identity(1).key().into(), &mut mail);
    let stream = |index| StreamId {
        opener: Side::Remote,
        index,
    };
    // A stream that is given up is given up here as well, and the next one breaks the protocol.
    let garbage = Event::BytesReceived {
        attempt,
        stream: stream(1),
        bytes: Bytes::from_static(&[0x7f; 64]),
        fin: true,
    };
    let facts = [
        Event::StreamOpened {
            attempt,
            stream: stream(0),
        },
        Event::StreamReset {
            attempt,
            stream: stream(0),
            code: 0,
        },
        Event::StreamOpened {
            attempt,
            stream: stream(1),
        },
        garbage,
    ];
    desk.step_connection(Time::ZERO, attempt, facts, &mut mail);
    assert!(mail.actions.len() > 1, "{:?}", mail.actions);
    assert!(
        matches!(mail.actions.last(), Some(Action::Close { .. })),
        "{:?}",
        mail.actions
    );
    assert_eq!(desk.stop(Time::ZERO, DRAIN, &mut mail), []);
}
