//! What a peer's configuration asks for: whom a full queue puts out, which lane goes first, when a
//! peer counts as slow, and what a removal says.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::bench::{Bench, config, limited, receipt, resume};
use crate::wire::Frame;
use crate::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_full_queue_puts_out_its_oldest_if_told_to() {
    let mut bench = Bench::with(limited(|send| {
        send.queue_messages_max = 2;
        send.policy.when_full = WhenFull::DropOldest;
    }));
    bench.queue(2);
    assert_eq!(
        bench.queue(2),
        ["0: Failed(Displaced)", "1: Failed(Displaced)"]
    );
    assert_eq!(bench.machine.capacity(Lane(0)).messages, 2);
    assert_eq!(bench.confirm(), ["connected", "write OPEN fresh at 0 2 3"]);
    // What has begun is never put out.
    assert!(bench.queue(2).is_empty());
    assert_eq!(bench.queue(1), ["4: Failed(Displaced)"]);
    assert!(bench.handed_back.is_empty());
}

#[test]
fn as_many_are_put_out_as_a_large_message_needs() {
    let mut bench = Bench::with(limited(|send| {
        send.message_bytes_max = 10;
        send.queue_bytes_max = 10;
        send.policy.when_full = WhenFull::DropOldest;
    }));
    let messages = [&[1; 4][..], &[2; 4], &[3; 6]].map(|payload| bench.message(payload));
    let words = bench.step(messages);
    assert_eq!(words, ["0: Failed(Displaced)", "connecting", "dial 0"]);
    let large = bench.message(&[4; 11]);
    assert!(bench.step([large])[0].starts_with("3 rejected: it has 11 bytes"));
}

#[test]
fn a_removed_peer_says_so_of_each_message_and_hands_the_unsent_back() {
    let mut bench = Bench::with(limited(|send| send.flight_messages_max = 1));
    bench.queue(3);
    bench.confirm();
    let remove = Event::Stop {
        mode: StopMode::Remove,
    };
    assert_eq!(
        bench.step([remove]),
        [
            "0: Unknown(Removed)",
            "1: Failed(Removed)",
            "2: Failed(Removed)",
            "close 0: going away (3)",
            "stopped: Removed",
        ]
    );
    assert_eq!(bench.handed_back, [MessageId(1), MessageId(2)]);
}

#[test]
fn an_abort_during_a_drain_hands_the_unsent_back_at_once() {
    let mut bench = Bench::with(limited(|send| send.flight_messages_max = 1));
    bench.queue(2);
    bench.confirm();
    let stop = |mode| [Event::Stop { mode }];
    bench.step(stop(StopMode::Drain(60 * SECOND)));
    let words = bench.step(stop(StopMode::Abort));
    assert_eq!(words[..2], ["0: Unknown(Stopped)", "1: Failed(Stopped)"]);
    assert_eq!(words[3], "stopped: Aborted");
    assert_eq!(bench.handed_back, [MessageId(1)]);
}

#[test]
fn a_peer_is_slow_once_its_oldest_message_is_old_and_no_longer_once_it_is_young() {
    let builder = Config::builder(config().addresses()[0]);
    let config = builder.slow_after(Some(4 * SECOND)).build().unwrap();
    let mut bench = Bench::with(config);
    bench.step([]);
    bench.confirm();
    bench.queue(1);
    bench.hear(&[resume(0, 0)]);
    bench.taken_by_quic();
    bench.wait(3 * SECOND);
    bench.queue(1);
    bench.taken_by_quic();
    let words = bench.sleep();
    assert_eq!(words, ["after 1s", "slow since 100.000000 s"]);
    // The next one is 3 s old when the first is answered: older than half of 4 s.
    bench.wait(2 * SECOND);
    assert_eq!(bench.hear(&[receipt(1)]), ["0: Delivered(Application)"]);
    bench.queue(1);
    assert_eq!(
        bench.hear(&[receipt(2)]),
        ["1: Delivered(Application)", "no longer slow"]
    );
    bench.taken_by_quic();
    assert_eq!(bench.machine.next_deadline().unwrap().timer, Timer::Slow);
}

/// A step with one more message on the lane, after QUIC has taken what was written.
fn write_on(bench: &mut PeerSenderMachine, lane: Lane, id: &mut u64) -> Vec<Priority> {
    let mut actions = Vec::new();
    let event = Event::MessageQueued {
        id: MessageId(*id),
        lane,
        payload: Bytes::from_static(b"x"),
        options: MessageOptions::default(),
    };
    *id += 1;
    bench.handle(Time::ZERO, [event], &mut actions);
    let mut priorities = Vec::new();
    let mut taken = Vec::new();
    for action in actions {
        if let Action::Write {
            transfer, priority, ..
        } = action
        {
            priorities.push(priority);
            taken.push(Event::TransferFinished { transfer });
        }
    }
    bench.handle(Time::ZERO, taken, &mut Vec::new());
    priorities
}

#[test]
fn a_higher_lane_yields_in_each_sixteenth_write_while_a_lower_one_has_work() {
    let builder = Config::builder(config().addresses()[0]);
    let builder = builder.priority(Lane(0), Priority::High);
    let config = builder.priority(Lane(2), Priority::Low).build().unwrap();
    let mut machine = PeerSenderMachine::new(config, [7; 32]);
    let attempt = Attempt(0);
    machine.handle(Time::ZERO, [], &mut Vec::new());
    machine.handle(Time::ZERO, [Event::Connected { attempt }], &mut Vec::new());
    let mut id = 0;
    // Alone, or among its like, a lane never yields.
    for _ in 0..40 {
        assert_eq!(write_on(&mut machine, Lane(0), &mut id), [Priority::High]);
    }
    assert_eq!(write_on(&mut machine, Lane(2), &mut id), [Priority::Low]);
    let classes: Vec<_> = (0..48)
        .flat_map(|_| write_on(&mut machine, Lane(0), &mut id))
        .collect();
    let mut sixteen = vec![Priority::High; 15];
    sixteen.push(Priority::Low);
    assert_eq!(classes, sixteen.repeat(3));
}

#[test]
fn a_lane_between_goes_below_while_a_higher_one_keeps_quic_busy() {
    let builder = Config::builder(config().addresses()[0]);
    let builder = builder.priority(Lane(0), Priority::High);
    let config = builder.priority(Lane(2), Priority::Low).build().unwrap();
    let mut machine = PeerSenderMachine::new(config, [7; 32]);
    let attempt = Attempt(0);
    machine.handle(Time::ZERO, [], &mut Vec::new());
    machine.handle(Time::ZERO, [Event::Connected { attempt }], &mut Vec::new());
    let mut id = 0;
    assert_eq!(write_on(&mut machine, Lane(2), &mut id), [Priority::Low]);
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Normal]);
    // QUIC does not take all of this.
    let mut actions = Vec::new();
    let large = Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: Bytes::from_static(&[0; 1_000]),
        options: MessageOptions::default(),
    };
    id += 1;
    machine.handle(Time::ZERO, [large], &mut actions);
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Low]);
    let taken = actions.iter().find_map(|action| match action {
        Action::Write { transfer, .. } => Some(*transfer),
        _ => None,
    });
    let transfer = taken.unwrap();
    machine.handle(
        Time::ZERO,
        [Event::TransferFinished { transfer }],
        &mut Vec::new(),
    );
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Normal]);
}

#[test]
fn a_higher_lane_whose_receiver_does_not_answer_holds_nobody_down() {
    let mut machine = PeerSenderMachine::new(
        limited(|send| {
            send.flight_messages_max = 4;
            send.policy.priorities[0] = Priority::High;
            send.policy.priorities[2] = Priority::Low;
        }),
        [7; 32],
    );
    let attempt = Attempt(0);
    machine.handle(Time::ZERO, [], &mut Vec::new());
    machine.handle(Time::ZERO, [Event::Connected { attempt }], &mut Vec::new());
    let mut id = 0;
    assert_eq!(write_on(&mut machine, Lane(2), &mut id), [Priority::Low]);
    for _ in 0..4 {
        assert_eq!(write_on(&mut machine, Lane(0), &mut id), [Priority::High]);
    }
    // Its flight is full: what waits now is no work for QUIC.
    for _ in 0..8 {
        assert!(write_on(&mut machine, Lane(0), &mut id).is_empty());
    }
    // The higher lane had written before this one.
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Low]);
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Normal]);
    // Once its receiver answers it goes on, and comes first again.
    hear(&mut machine, 1, &[resume(0, 0), receipt(4)]);
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Low]);
    assert_eq!(write_on(&mut machine, Lane(1), &mut id), [Priority::Normal]);
}

/// A step with what comes back on a stream; QUIC takes at once what it leads to.
fn hear(machine: &mut PeerSenderMachine, index: u64, frames: &[Frame]) {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    let event = Event::BytesReceived {
        attempt: Attempt(0),
        stream: StreamId {
            opener: Side::Local,
            index,
        },
        bytes: bytes.into(),
        fin: false,
    };
    let mut actions = Vec::new();
    machine.handle(Time::ZERO, [event], &mut actions);
    let taken: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Write { transfer, .. } => Some(*transfer),
            _ => None,
        })
        .map(|transfer| Event::TransferFinished { transfer })
        .collect();
    assert!(!taken.is_empty());
    machine.handle(Time::ZERO, taken, &mut Vec::new());
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let builder = || Config::builder(config().addresses()[0]);
    let refusals = [
        builder().ttl(Some(Duration::ZERO)),
        builder().slow_after(Some(Duration::ZERO)),
        builder().priority(Lane(8), Priority::High),
        builder().lanes(2).priority(Lane(2), Priority::Low),
    ];
    let fields = refusals.map(|builder| builder.build().unwrap_err().field);
    assert_eq!(fields, ["ttl", "slow_after", "priority", "priority"]);
}
