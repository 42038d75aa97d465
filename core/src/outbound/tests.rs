//! A lane's books, its turns, and its messages' streams, each by itself.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::carrier::Carrier;
use super::framed::FramedStream;
use super::message::{GivenUp, Message, Why};
use super::plain::PlainStreams;
use super::*;
use crate::wire::{Resume, VARINT_MAX};
use crate::{
    Attempt, Epoch, Lane, MessageId, MessageOptions, Outcome, Priority, Protocol, SendLimits,
    SessionId, Time, TransferId,
};

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
    let broken: [(&str, Break); 14] = [
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
        ("I7", |lane, _| lane.first = VARINT_MAX - 1),
        ("I7", |lane, _| lane.first = u64::MAX),
        ("I21", |lane, _| lane.unyielding = 16),
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
    let mut last = lane(4, 2);
    (last.first, last.unyielding) = (VARINT_MAX - 2, 15);
    assert_eq!(last.check(&SendLimits::default()), Ok(()));
}

/// Two lanes on a connection, with one message each that has begun, and the writes of both.
fn carried() -> Outbound {
    let limits = SendLimits {
        lanes: 2,
        ..SendLimits::default()
    };
    let mut outbound = Outbound::new(limits, SessionId([1; 16]));
    outbound.attach(Attempt(0), Time::ZERO);
    for lane in 0..2 {
        let (id, options) = (MessageId(u64::from(lane)), MessageOptions::default());
        let payload = Bytes::from_static(b"payload");
        let queued = outbound.queue(Time::ZERO, id, Lane(lane), payload, options);
        assert_eq!(queued, Ok(()));
    }
    outbound.open_lanes(false, Time::MAX);
    outbound.write(Flow::Running, &mut 0, &mut Vec::new());
    outbound
}

#[test]
fn check_sees_what_is_wrong_with_a_connection() {
    let stream_of = |outbound: &mut Outbound, change: fn(&mut LaneStream)| {
        let carrier = outbound.carrier.as_mut().unwrap();
        change(&mut carrier.lanes_mut()[1]);
    };
    let resume = |next: u64| Resume {
        epoch: Epoch([2; 16]),
        record: 0,
        taken: 0,
        next,
        message_bytes_max: 10,
    };
    let sound = |outbound: &Outbound| assert_eq!(outbound.check(), Ok(()));
    let wrong = |outbound: &Outbound, id: &str| assert_eq!(outbound.check().unwrap_err().id, id);
    sound(&carried());
    let numbers: [fn(&mut LaneStream); 6] = [
        |stream| stream.position = 2,
        |stream| stream.judged_below = 2,
        |stream| stream.taken = 2,
        |stream| stream.open.base = 2,
        |stream| (stream.open.base, stream.position) = (1, 1),
        |stream| stream.lane = Lane(0),
    ];
    for (change, id) in numbers
        .into_iter()
        .zip(["I7", "I7", "I7", "I7", "I7", "I9"])
    {
        let mut outbound = carried();
        stream_of(&mut outbound, change);
        wrong(&outbound, id);
    }
    for (judged_below, next, holds) in [(1, 1, true), (1, 0, true), (0, 1, false), (1, 2, false)] {
        let mut outbound = carried();
        let stream = &mut outbound.carrier.as_mut().unwrap().lanes_mut()[0];
        stream.judged_below = judged_below;
        stream.resume = Some(resume(next));
        assert_eq!(outbound.check().is_ok(), holds);
    }
    let mut beyond = carried();
    stream_of(&mut beyond, |stream| stream.lane = Lane(2));
    wrong(&beyond, "I9");
    let mut many = carried();
    many.limits.lanes = 1;
    wrong(&many, "I21");
    let mut never = carried();
    never.last_id = Some(MessageId(0));
    wrong(&never, "I7");
    let mut other = carried();
    other.protocol = Protocol::Plain;
    wrong(&other, "I9");
    other.carrier = Some(Carrier::new(Attempt(0), Protocol::Plain, Time::ZERO));
    sound(&other);
}

#[test]
fn check_sees_what_is_wrong_with_messages_on_streams() {
    let mut streams = PlainStreams::default();
    streams.write(
        &mut lane(3, 0),
        &SendLimits::default(),
        Flow::Running,
        &mut 7,
    );
    assert_eq!(streams.check(), Ok(()));
    let broken: [fn(&mut PlainStreams); 6] = [
        |it| it.opened = 2,
        |it| it.last = Some(MessageId(11)),
        |it| it.last = None,
        |it| it.open[1].index = 2,
        |it| it.open[1].id = MessageId(12),
        |it| it.open[1].transfer = TransferId(7),
    ];
    for break_it in broken {
        let mut wrong = streams.clone();
        break_it(&mut wrong);
        assert_eq!(wrong.check().unwrap_err().id, "I9");
    }
}

#[test]
fn check_sees_what_is_wrong_with_the_one_stream() {
    let mut outbound = Outbound::without_lanes(SendLimits::default(), Protocol::Framed);
    outbound.attach(Attempt(0), Time::ZERO);
    let mut transfers = 0;
    for id in (0..3).map(MessageId) {
        let (payload, options) = (Bytes::from_static(b"payload"), MessageOptions::default());
        let queued = outbound.queue(Time::ZERO, id, Lane(0), payload, options);
        assert_eq!(queued, Ok(()));
        outbound.write(Flow::Running, &mut transfers, &mut Vec::new());
        outbound.written(TransferId(id.0));
    }
    assert_eq!(outbound.check(), Ok(()));
    let broken: [fn(&mut FramedStream); 6] = [
        |it| it.batches[1].transfer = TransferId(0),
        |it| it.batches[2].first = MessageId(0),
        |it| it.batches[1].last = MessageId(3),
        |it| it.acknowledged = Some(MessageId(1)),
        |it| it.last = Some(MessageId(1)),
        |it| it.writing = Some(TransferId(1)),
    ];
    for break_it in broken {
        let mut wrong = outbound.clone();
        let carrier = wrong.carrier.as_mut().unwrap();
        break_it(carrier.framed_mut().unwrap());
        assert_eq!(wrong.check().map_err(|it| it.id), Err("I9"));
    }
}

#[test]
fn check_sees_that_streams_and_the_flight_have_other_messages() {
    let mut outbound = Outbound::without_lanes(SendLimits::default(), Protocol::Plain);
    outbound.attach(Attempt(0), Time::ZERO);
    let mut transfers = 7;
    for id in (0..3).map(MessageId) {
        let options = MessageOptions::default();
        let queued = outbound.queue(Time::ZERO, id, Lane(0), Bytes::new(), options);
        assert_eq!(queued, Ok(()));
    }
    outbound.write(Flow::Running, &mut transfers, &mut Vec::new());
    assert_eq!(outbound.check(), Ok(()));
    assert_eq!(outbound.newest_transfer(), Some(TransferId(9)));
    for place in 0..3 {
        let mut wrong = outbound.clone();
        let carrier = wrong.carrier.as_mut().unwrap();
        carrier.plain_mut().unwrap().open.remove(place);
        assert_eq!(wrong.check().map_err(|it| it.id), Err("I9"));
    }
    // What is to be written yet is on no stream.
    let streams = outbound.carrier.as_mut().and_then(Carrier::plain_mut);
    let streams = streams.unwrap();
    streams.open.pop_back();
    streams.last = Some(MessageId(1));
    assert_eq!(outbound.check(), Ok(()));
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
