//! A lane's books, its turns, and its messages' streams, each by itself.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::message::{GivenUp, Message, Why};
use super::plain::PlainStreams;
use super::*;
use crate::{MessageId, Outcome, Priority, SendLimits, Time};

/// A lane of messages of ten bytes, of which as many have begun.
fn lane(messages: u64, begun: usize) -> OutboundLane {
    let mut lane = OutboundLane::new(Time::ZERO);
    for id in (10..).take(messages as usize).map(MessageId) {
        let message = Message {
            id,
            payload: Bytes::from(vec![id.0 as u8; 10]),
            accepted_at: Time::ZERO,
            expires_at: None,
        };
        lane.push(message, &SendLimits::default());
    }
    for _ in 0..begun {
        lane.begin().unwrap();
    }
    lane
}

#[test]
fn check_sees_what_is_wrong() {
    type Break = fn(&mut OutboundLane, &mut SendLimits);
    let broken: [(&str, Break); 11] = [
        ("I2", |lane, _| lane.queued_bytes += 1),
        ("I2", |lane, _| lane.in_flight += 1),
        ("I2", |lane, _| lane.in_flight_bytes += 1),
        ("I15", |lane, _| {
            lane.due.expiries.insert((Time::ZERO, MessageId(10)));
        }),
        ("I15", |lane, _| {
            lane.due.given_up.insert((Time::ZERO, MessageId(10)));
        }),
        ("I21", |_, limits| limits.queue_messages_max = 1),
        ("I21", |_, limits| limits.queue_bytes_max = 19),
        ("I21", |_, limits| limits.flight_messages_max = 1),
        ("I21", |_, limits| limits.flight_bytes_max = 19),
        ("I7", |lane, _| lane.queue[1].id = lane.queue[0].id),
        ("I7", |lane, _| lane.queue.swap(0, 1)),
    ];
    for (id, break_it) in broken {
        let (mut lane, mut limits) = (lane(4, 2), SendLimits::default());
        assert_eq!(lane.check(&limits), Ok(()));
        break_it(&mut lane, &mut limits);
        assert_eq!(lane.check(&limits).unwrap_err().id, id);
    }
    let limits = SendLimits {
        flight_bytes_max: 1,
        ..SendLimits::default()
    };
    assert_eq!(lane(2, 1).check(&limits), Ok(()), "a large one goes alone");
}

#[test]
fn a_lane_with_nothing_below_it_counts_its_writes_anew() {
    let (low, own, high) = (Priority::Low, Priority::Normal, Priority::High);
    let mut lane = lane(0, 0);
    for _ in 0..10 {
        assert_eq!(lane.turn(own, low, low), own);
    }
    assert_eq!(lane.turn(own, own, high), own, "nothing is below it");
    for _ in 0..15 {
        assert_eq!(lane.turn(own, low, low), own);
    }
    assert_eq!(lane.turn(own, low, low), low);
}

#[test]
fn messages_on_streams_go_on_under_their_new_names() {
    let (mut lane, mut streams, mut transfers) = (lane(8, 0), PlainStreams::default(), 0);
    let mut write = |streams: &mut PlainStreams, lane: &mut OutboundLane, streams_max| {
        let limits = SendLimits {
            streams_max,
            ..SendLimits::default()
        };
        let (begun, written) = streams.write(lane, &limits, Flow::Running, &mut transfers);
        assert_eq!(written.messages, begun.len() as u64);
        let payloads = begun.iter().map(|it| it.payload[0]);
        payloads.collect::<Vec<_>>()
    };
    // As after a loss: all have begun, and one is on a stream again.
    (0..8).for_each(|_| drop(lane.begin().cloned()));
    assert_eq!(write(&mut streams, &mut lane, 1), [10]);
    let rename = |streams: &mut PlainStreams, lane: &mut OutboundLane| {
        let ids: Vec<_> = lane.ids().map(|id| *id).collect();
        (0..)
            .zip(lane.ids())
            .for_each(|(rank, id)| *id = MessageId(rank));
        streams.rename(&ids);
    };
    rename(&mut streams, &mut lane);
    assert!(streams.carries(MessageId(0)) && !streams.carries(MessageId(1)));
    let others = [11, 12, 13, 14, 15, 16, 17];
    assert_eq!(write(&mut streams, &mut lane, 8), others);
    rename(&mut streams, &mut lane);
    assert!((0..8).all(|rank| streams.carries(MessageId(rank))));
    assert!(!streams.carries(MessageId(8)));
    assert_eq!(write(&mut streams, &mut lane, 9), []);
}

#[test]
fn messages_are_told_by_their_sizes_and_what_is_known_of_them() {
    let mut lane = lane(4, 3);
    lane.queue[0].expires_at = Some(Time::from_secs(2));
    assert_eq!(
        format!("{:?}", lane.queue[0]),
        "13(10 B, expires at 2.000000 s)"
    );
    let (why, since) = (Why::Cancelled, Time::from_secs(1));
    lane.give_up(1, GivenUp { why, since });
    lane.decide(2, Outcome::Expired);
    let told = [
        "10(10 B) None",
        "11(10 B) None Cancelled at 1.000000 s",
        "settled",
    ];
    for (slot, told) in lane.flight.iter().zip(told) {
        assert_eq!(format!("{slot:?}"), told);
    }
}
