//! What must hold whatever comes, and however it is cut into steps.

use super::*;

/// A stream of pseudorandom numbers that is the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn every_cut_of_a_lane_gives_the_same_messages_and_answers() {
    let frames = Frames::fresh()
        .message(b"one")
        .skip(2)
        .message(b"")
        .message(b"four")
        .skip(1);
    let whole = Rig::new().connect(1, frames.clone());
    for cut in 0..=frames.0.len() {
        let mut rig = Rig::new();
        let first = rig.connect(1, Frames(frames.0[..cut].to_vec()));
        let second = rig.receive(1, Frames(frames.0[cut..].to_vec()));
        assert_eq!(
            [first.delivered, second.delivered].concat(),
            whole.delivered
        );
        assert_eq!(rig.consume(99).written, [(1, receipt(6))]);
    }
}

/// Events in orders in which no node gives them, against every invariant, after each step.
#[test]
fn no_input_breaks_an_invariant() {
    let common = [
        Frames::default().message(b"some payload"),
        Frames::default().message(&[0; 700]),
        Frames::default().message(b"").skip(2),
        Frames(vec![0x50, 3, 1, 1, 1]),
    ];
    let rare = [
        Frames::default().message(&[0; 1_200]),
        Frames::default().frame(receipt(1)),
    ];
    let mut delivered_in_all = 0;
    for seed in 1..=400 {
        let mut random = Random::new(seed);
        let mut rig = Rig::with(ReceiverConfig::new(1_000, of_one_lane(2_000)).unwrap());
        rig.slow = true;
        let (mut next, mut newest) = (0_u64, 0);
        for _ in 0..300 {
            let attempt = Attempt(newest - random.below(3).min(newest));
            let stream = remote(random.below(20) / 19);
            let piece = |frames: &Frames, cut: u64| {
                let bytes = frames.bytes().slice(cut as usize..);
                Event::BytesReceived {
                    attempt,
                    stream,
                    bytes,
                    fin: false,
                }
            };
            let events = match random.below(100) {
                0..5 => {
                    newest += 1;
                    let attempt = Attempt(newest);
                    let open = Frames::open(next.saturating_sub(random.below(4))).bytes();
                    let bytes = Event::BytesReceived {
                        attempt,
                        stream,
                        bytes: open,
                        fin: false,
                    };
                    vec![
                        Event::Connected { attempt },
                        Event::StreamOpened { attempt, stream },
                        bytes,
                    ]
                }
                5 => vec![lost(attempt.0)],
                6 => vec![Event::StreamReset {
                    attempt,
                    stream,
                    code: 1,
                }],
                7 => vec![Event::StreamStopped {
                    attempt,
                    stream,
                    code: 1,
                }],
                8 => vec![Event::StreamAcknowledged { attempt, stream }],
                9 => vec![bytes(attempt.0, &[], true)],
                10 => vec![piece(&rare[random.below(2) as usize], 0)],
                11 => {
                    let frames = &common[random.below(4) as usize];
                    let cut = random.below(frames.0.len() as u64);
                    vec![piece(frames, cut)]
                }
                12..15 => vec![Event::StreamOpened { attempt, stream }],
                15..30 => vec![Event::TransferFinished {
                    transfer: TransferId(random.below(99)),
                }],
                30..50 => vec![Event::Consumed {
                    lane: LANE,
                    below: random.below(next + 2),
                }],
                50..60 => vec![refused(random.below(next + 2))],
                60 if random.below(50) == 0 => vec![Event::Stop {
                    mode: StopMode::Abort,
                }],
                _ => vec![piece(&common[random.below(4) as usize], 0)],
            };
            // The rig checks the invariants after each step.
            let step = rig.step(events);
            for number in numbers(&step) {
                assert!(number >= next, "delivered twice, or out of order");
                next = number + 1;
                delivered_in_all += 1;
            }
            assert!(rig.machine.stats().held_bytes <= 2_000);
            rig.under_way.clear();
        }
    }
    assert!(
        delivered_in_all > 3_000,
        "the test reaches what it is about: {delivered_in_all}"
    );
}

/// A correct opener that loses its connection at random: each message once and in order, and no
/// receipt for what was not answered.
#[test]
fn an_opener_that_follows_the_rules_gets_each_message_through_once() {
    const MESSAGES: u64 = 60;
    for seed in 1..=300 {
        let mut random = Random::new(seed);
        let mut rig = Rig::with(ReceiverConfig::new(1_000, of_one_lane(1_500)).unwrap());
        let (mut base, mut answered, mut delivered) = (0, 0, Vec::new());
        let mut attempt = 0;
        while base < MESSAGES {
            attempt += 1;
            assert!(attempt < 5_000, "no progress");
            let step = rig.connect(attempt, Frames::open(base));
            let [(_, Frame::Resume(resume))] = step.written[..] else {
                panic!("{step:?}")
            };
            assert!(resume.taken <= answered);
            let mut frames = Frames::default();
            if resume.next > base {
                frames = frames.skip(resume.next - base);
            }
            frames = (resume.next..MESSAGES).fold(frames, |it, n| it.message(&[n as u8; 200]));
            base = base.max(resume.taken);
            let reach = random.below(frames.0.len() as u64 + 1) as usize;
            let mut at = 0;
            while at < reach {
                let end = (at + 1 + random.below(400) as usize).min(reach);
                let step = rig.receive(attempt, Frames(frames.0[at..end].to_vec()));
                at = end;
                delivered.extend(step.delivered);
                answered += random.below(delivered.len() as u64 - answered + 1);
                let step = rig.consume(answered);
                delivered.extend(step.delivered);
                for (_, frame) in step.written {
                    let Frame::Receipt { taken } = frame else {
                        panic!("{frame:?}")
                    };
                    assert!(taken <= answered);
                    base = base.max(taken);
                }
            }
            rig.lose(attempt);
            answered = delivered.len() as u64;
            rig.consume(answered);
        }
        let expected: Vec<_> = (0..MESSAGES).map(|n| (n, vec![n as u8; 200])).collect();
        assert_eq!(delivered, expected);
    }
}

#[test]
fn check_sees_what_is_wrong() {
    let mut rig = Rig::with(ReceiverConfig::new(1_000, of_one_lane(1_000)).unwrap());
    rig.connect(1, Frames::fresh().message(&[0; 800]).message(&[0; 800]));
    type Break = fn(&mut PeerReceiverMachine);
    let broken: [(&str, Break); 13] = [
        ("I21", |machine| machine.inbound.break_budget()),
        ("I18", |machine| machine.inbound.break_touched(Attempt(1))),
        ("I18", |machine| machine.stop_by = Some(Time::ZERO)),
        ("I18", |machine| {
            let (id, reason) = (MessageId(0), RejectReason::Stopped);
            machine.rejected.push((id, LANE, reason, Bytes::new()));
        }),
        ("I18", |machine| {
            let error = ProtocolError::Truncated;
            machine.broken.push((Attempt(1), error));
        }),
        ("I10", |machine| machine.inbound.break_connections()),
        ("I21", |machine| {
            machine.inbound.break_pause(Attempt(1), remote(0))
        }),
        ("I10", |machine| machine.inbound.break_places()),
        ("I21", |machine| machine.inbound.break_lanes(0)),
        ("I21", |machine| machine.inbound.break_lanes(9)),
        ("I21", |machine| {
            machine.inbound.break_payload(Attempt(1), remote(0))
        }),
        ("I15", |machine| {
            let (id, options) = (MessageId(7), MessageOptions::default());
            let payload = Bytes::new();
            let queued = machine
                .outbound
                .queue(machine.now, id, LANE, payload, options);
            machine.tally.0.stats.accepted += u64::from(queued.is_ok());
            machine.outbound.open_lanes(false, Time::ZERO);
        }),
        ("I27", |machine| machine.phase = Phase::Closed),
    ];
    for (id, break_it) in broken {
        let mut machine = rig.machine.clone();
        break_it(&mut machine);
        assert_eq!(machine.check().unwrap_err().id, id);
    }
}

#[test]
fn check_sees_what_a_closed_machine_keeps() {
    let mut connected = Rig::new();
    connected.step([Event::Connected {
        attempt: Attempt(1),
    }]);
    let mut remembers = Rig::new();
    remembers.connect(1, Frames::fresh());
    remembers.lose(1);
    let mut replies = Rig::new();
    replies.step([Event::MessageQueued {
        id: MessageId(0),
        lane: LANE,
        payload: Bytes::new(),
        options: MessageOptions::default(),
    }]);
    for Rig { mut machine, .. } in [connected, remembers, replies] {
        assert_eq!(machine.check(), Ok(()));
        machine.phase = Phase::Closed;
        assert_eq!(machine.check().unwrap_err().id, "I27");
    }
}
