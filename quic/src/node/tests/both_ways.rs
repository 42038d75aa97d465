//! Both ends send on all lanes at once, while datagrams and connections are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Lane, MessageId};

use super::delivery::DELIVERED;
use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::{Source, Target};

const COUNT: u64 = 800;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Messages of one end, by lane.
type Sent = BTreeMap<Lane, Vec<Bytes>>;

/// Sends a few on a lane drawn by chance.
fn send_some(
    world: &mut World,
    chance: &mut Chance,
    way: (Place, Target),
    next: &mut u64,
    sent: &mut Sent,
) {
    let (from, to) = way;
    let lane = Lane(chance.below(8) as u8);
    let count = (1 + chance.below(40)).min(COUNT - *next);
    // A few are larger than a stream's window.
    let messages: Vec<(u64, Bytes)> = (*next..*next + count)
        .map(|id| match chance.below(100) {
            0 => (id, Bytes::from(vec![id as u8; 700 << 10])),
            _ => (id, payload(id)),
        })
        .collect();
    *next += count;
    let payloads = messages.iter().map(|(_, payload)| payload.clone());
    sent.entry(lane).or_default().extend(payloads);
    world.send_on(from, to, lane, messages);
}

/// Something happens to the network or to the connection.
fn disturb(world: &mut World, chance: &mut Chance) {
    match chance.below(6) {
        0 => {
            let now = world.now;
            world.end(2).node.cut_accepted(now);
        }
        1 => {
            // Longer than the idle timeout.
            world.silent.insert(2);
            world.run(Duration::from_secs(8 + chance.below(6)));
            world.silent.clear();
        }
        2 => world.loss = chance.below(25),
        3 => world.jitter = Duration::from_millis(chance.below(20)),
        _ => world.run(Duration::from_millis(chance.below(300))),
    }
}

fn run(seed: u64) {
    let mut chance = Chance(seed);
    let mut world = World::new(seed);
    world.place(1, dialler(1), 1);
    world.place(2, listener(2, Trust::Any), 2);
    let peer = world.dial(1, 2, identity(2).key());
    world.queue(1, peer, [(0, payload(0))]);
    world.run(Duration::from_secs(1));
    let there = Target::Peer(peer);
    let session = world.end(2).session();
    let back = Target::Session(session);
    let mut out = Sent::from([(Lane(0), vec![payload(0)])]);
    let (mut home, mut next_out, mut next_home) = (Sent::new(), 1, 0);
    while next_out < COUNT || next_home < COUNT {
        send_some(&mut world, &mut chance, (1, there), &mut next_out, &mut out);
        send_some(
            &mut world,
            &mut chance,
            (2, back),
            &mut next_home,
            &mut home,
        );
        disturb(&mut world, &mut chance);
    }
    world.loss = 0;
    let all = |world: &mut World| {
        world.end(1).settled_to(there).len() as u64 == COUNT
            && world.end(2).settled_to(back).len() as u64 == COUNT
    };
    assert!(world.wait(Duration::from_secs(600), all), "seed {seed}");
    let from_peer = Source::Peer {
        peer,
        generation: 0,
    };
    for (end, target, source, sent) in [
        (1, there, from_peer, home),
        (2, back, Source::Session(session), out),
    ] {
        let end = world.end(end);
        let mut settled = end.settled_to(target).to_vec();
        settled.sort_by_key(|&(id, _)| id);
        let expected = (0..COUNT).map(|id| (MessageId(id), DELIVERED));
        assert!(settled.into_iter().eq(expected), "seed {seed}");
        for (lane, payloads) in sent {
            assert!(
                end.got(source, lane) == payloads,
                "seed {seed}, {source:?}, lane {lane}"
            );
        }
        assert_eq!(
            (end.rejected.len(), end.forgotten.len()),
            (0, 0),
            "seed {seed}"
        );
    }
}

#[test]
fn both_ends_send_on_all_lanes_and_nothing_is_lost_doubled_or_out_of_order() {
    for seed in 0..8 {
        run(seed);
    }
}
