//! Lanes of several classes on a line that is too slow for all of them.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::Priority::{High, Low, Normal};
use peer_sender_core::{Config, Lane, Priority};

use super::nodes::*;
use super::world::World;
use crate::Trust;
use crate::node::{PeerHandle, Target};

const SECOND: Duration = Duration::from_secs(1);
/// 10 Mbit/s.
const BANDWIDTH: u64 = 1_250_000;

/// A dialler that has always something to send on each of its lanes.
struct Busy {
    world: World,
    peer: PeerHandle,
    lanes: u8,
    payload: Bytes,
    /// The lane of each message.
    sent: Vec<u8>,
}

impl Busy {
    /// With lanes of these classes.
    fn new(classes: &[Priority], bytes: usize) -> Self {
        let mut world = World::new(1);
        world.bandwidth = Some(BANDWIDTH);
        world.place(1, dialler(1), 1);
        world.place(2, listener(2, Trust::Any), 2);
        let mut builder = Config::builder(address(2));
        for (lane, class) in (0..).map(Lane).zip(classes) {
            builder = builder.priority(lane, *class);
        }
        let peer = world.dial_with(1, identity(2).key(), builder.build().unwrap());
        Self {
            world,
            peer,
            lanes: classes.len() as u8,
            payload: Bytes::from(vec![7; bytes]),
            sent: Vec::new(),
        }
    }

    /// Lets time go by while every queue is kept from running dry.
    fn run(&mut self, time: Duration) {
        const STEP: Duration = Duration::from_millis(20);
        let to = Target::Peer(self.peer);
        let enough = (1 << 20) / self.payload.len() as u64 + 2;
        for _ in 0..time.as_millis() / STEP.as_millis() {
            for lane in 0..self.lanes {
                let node = &self.world.end(1).node;
                let limit = Config::new(address(2)).unwrap().queue_messages_max() as u64;
                let queued = limit - node.capacity(to, Lane(lane)).messages as u64;
                let more = enough.saturating_sub(queued);
                let ids = self.sent.len() as u64..self.sent.len() as u64 + more;
                let payload = &self.payload;
                let messages: Vec<_> = ids.map(|id| (id, payload.clone())).collect();
                self.world.send_on(1, to, Lane(lane), messages);
                self.sent.extend((0..more).map(|_| lane));
            }
            self.world.run(STEP);
        }
    }

    /// What share of the bytes each lane got in this time, in thousandths.
    fn shares(&mut self, time: Duration) -> Vec<u64> {
        let before = self.world.end(1).settled(self.peer).len();
        self.run(time);
        let mut counts = vec![0_u64; usize::from(self.lanes)];
        let settled = &self.world.ends[&1].settled(self.peer)[before..];
        for (id, _) in settled {
            counts[usize::from(self.sent[id.0 as usize])] += 1;
        }
        let all: u64 = counts.iter().sum();
        let sent = all * self.payload.len() as u64;
        let line = BANDWIDTH * time.as_secs();
        assert!(sent * 10 > line * 9, "{sent} B of {line} B went through");
        counts.iter().map(|count| count * 1_000 / all).collect()
    }
}

/// The bound that [`Priority`] states, and a little for the grain of it.
fn assert_none_starves(shares: &[u64]) {
    let most = shares.iter().max().copied().unwrap_or_default();
    assert!(shares.iter().all(|share| share * 25 >= most), "{shares:?}");
}

#[test]
fn a_higher_lane_gets_most_and_no_lower_one_starves() {
    for bytes in [1_000, 400_000] {
        for classes in [&[High, Low][..], &[High, Normal, Low], &[Normal, Low, Low]] {
            let mut busy = Busy::new(classes, bytes);
            busy.run(5 * SECOND);
            let shares = busy.shares(40 * SECOND);
            assert!(shares[0] >= 880, "{classes:?} of {bytes} B: {shares:?}");
            assert_none_starves(&shares);
        }
    }
}

#[test]
fn lanes_of_one_class_share_alike_beside_a_lower_one() {
    let mut busy = Busy::new(&[High, High, Low], 1_000);
    busy.run(5 * SECOND);
    let shares = busy.shares(40 * SECOND);
    assert!(shares[0] >= 400 && shares[1] >= 400, "{shares:?}");
    assert_none_starves(&shares);
}

#[test]
fn an_unread_lane_of_any_class_holds_up_nobody() {
    for deaf in 0..3 {
        let mut busy = Busy::new(&[High, Normal, Low], 1_000);
        busy.world.end(2).deaf.insert(Lane(deaf));
        // The unread lane's flight fills up meanwhile.
        busy.run(15 * SECOND);
        let shares = busy.shares(20 * SECOND);
        // Nor does it take its rank from the others: the higher of these goes first.
        let first = shares[usize::from(deaf == 0)];
        assert!(first >= 880, "lane {deaf} is not read: {shares:?}");
        for lane in 0..3 {
            let share = shares[usize::from(lane)];
            match lane == deaf {
                true => assert_eq!(share, 0, "lane {deaf} is not read: {shares:?}"),
                false => assert!(share >= 40, "lane {deaf} is not read: {shares:?}"),
            }
        }
    }
}
