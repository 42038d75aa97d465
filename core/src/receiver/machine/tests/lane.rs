use super::*;

#[test]
fn messages_are_delivered_in_order_and_receipts_are_cumulative() {
    let mut rig = Rig::new();
    let step = rig.connect(1, Frames::fresh().message(b"a").message(b"").message(b"c"));
    let payloads = vec![(0, b"a".to_vec()), (1, b"".to_vec()), (2, b"c".to_vec())];
    assert_eq!(step.delivered, payloads);
    assert_eq!(step.written, [(1, resume(0, 0))]);
    assert_eq!(rig.consume(2).written, [(1, receipt(2))]);
    assert_eq!(rig.consume(2), Step::default());
    assert_eq!(rig.consume(3).written, [(1, receipt(3))]);
    let stats = rig.machine.stats();
    assert_eq!(
        (stats.delivered, stats.delivered_bytes, stats.held_bytes),
        (3, 2, 0)
    );
}

#[test]
fn one_write_is_under_way_and_receipts_are_coalesced_behind_it() {
    let mut rig = Rig::new();
    rig.slow = true;
    let step = rig.connect(1, Frames::fresh().messages(3));
    assert_eq!(step.written, [(1, resume(0, 0))]);
    assert_eq!(rig.consume(1), Step::default());
    assert_eq!(rig.consume(3), Step::default());
    let transfer = rig.under_way.remove(0);
    let step = rig.step([Event::TransferFinished { transfer }]);
    assert_eq!(step.written, [(1, receipt(3))]);
    let step = rig.step([Event::TransferFinished { transfer }]);
    assert_eq!(
        (step, rig.machine.stats().stale_events),
        (Step::default(), 1)
    );
}

#[test]
fn a_step_that_takes_and_answers_gives_one_receipt() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(5));
    let each = (1..=5).map(|below| Event::Consumed { lane: LANE, below });
    assert_eq!(
        rig.step(each.collect::<Vec<_>>()).written,
        [(1, receipt(5))]
    );
}

#[test]
fn an_unknown_lane_begins_at_its_base_fresh_or_not() {
    let mut rig = Rig::new();
    let step = rig.connect(1, Frames::open(7).message(b"x"));
    assert_eq!(step.written, [(1, resume(7, 7))]);
    assert_eq!(numbers(&step), [7]);
    assert_eq!(rig.consume(8).written, [(1, receipt(8))]);
}

#[test]
fn what_is_held_survives_the_connection_and_is_receipted_on_the_next() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(3));
    rig.lose(1);
    assert_eq!(rig.machine.connections(), 0);
    rig.consume(1);
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, resume(1, 3))]);
    let step = rig.receive(2, Frames::default().skip(3).message(b"new"));
    assert_eq!(step.delivered, [(3, b"new".to_vec())]);
    assert_eq!(rig.consume(4).written, [(2, receipt(4))]);
}

#[test]
fn messages_below_next_are_dropped_unseen_and_cost_nothing() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(2));
    rig.lose(1);
    let held = rig.machine.stats().held_bytes;
    let again = Frames::open(0)
        .message(&[7; 500])
        .message(&[8; 2_000])
        .message(b"new");
    let step = rig.connect(2, again);
    assert_eq!(step.delivered, [(2, b"new".to_vec())]);
    assert!(
        step.closed.is_empty(),
        "a message that is dropped may have any size"
    );
    let stats = rig.machine.stats();
    assert_eq!((stats.duplicates, stats.delivered), (2, 3));
    let overhead = held / 2 - 1;
    assert_eq!(stats.held_bytes, held + overhead + 3);
}

#[test]
fn nothing_of_a_dropped_message_is_kept_while_it_comes() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.lose(1);
    rig.connect(
        2,
        Frames([Frames::open(0).0, vec![0x03, 0x40, 0x64], vec![0; 60]].concat()),
    );
    assert_eq!(rig.machine.inbound.buffered(Attempt(2), remote(0)), 0);
}

#[test]
fn a_dropped_message_is_passed_over_wherever_the_stream_is_cut() {
    let frames = Frames::open(0)
        .message(b"old")
        .message(b"older")
        .message(b"new");
    for cut in 1..frames.0.len() {
        let mut rig = Rig::new();
        rig.connect(1, Frames::fresh().messages(2));
        rig.lose(1);
        let first = rig.connect(2, Frames(frames.0[..cut].to_vec()));
        let second = rig.receive(2, Frames(frames.0[cut..].to_vec()));
        let delivered = [first.delivered, second.delivered].concat();
        assert_eq!(delivered, [(2, b"new".to_vec())], "cut at {cut}");
    }
}

#[test]
fn skipped_numbers_count_as_taken() {
    let mut rig = Rig::new();
    let step = rig.connect(1, Frames::fresh().message(b"0").skip(4).message(b"5"));
    assert_eq!(numbers(&step), [0, 5]);
    assert_eq!(rig.consume(1).written, [(1, receipt(5))]);
    assert_eq!(rig.consume(6).written, [(1, receipt(6))]);
    assert_eq!(
        rig.receive(1, Frames::default().skip(3)).written,
        [(1, receipt(9))]
    );
}

#[test]
fn a_higher_base_raises_next_and_taken_may_lie_below_it() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(2));
    rig.lose(1);
    let step = rig.connect(2, Frames::open(6).message(b"six"));
    assert_eq!(step.written, [(2, resume(0, 6))]);
    assert_eq!(numbers(&step), [6]);
    assert_eq!(rig.consume(2).written, [(2, receipt(6))]);
    assert_eq!(rig.consume(7).written, [(2, receipt(7))]);
}

#[test]
fn half_a_message_of_a_lost_connection_is_dropped_and_sent_again() {
    let mut rig = Rig::new();
    let half = [Frames::fresh().0, vec![0x03, 4, b'h', b'a']].concat();
    rig.connect(1, Frames(half));
    assert!(rig.machine.stats().held_bytes > 0, "reserved");
    rig.lose(1);
    assert_eq!(rig.machine.stats().held_bytes, 0);
    let step = rig.connect(2, Frames::open(0).message(b"half"));
    assert_eq!(step.written, [(2, resume(0, 0))]);
    assert_eq!(step.delivered, [(0, b"half".to_vec())]);
}

#[test]
fn what_came_before_the_loss_in_the_same_step_counts() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh());
    let step = rig.step([
        bytes(1, &Frames::default().message(b"last").0, false),
        lost(1),
    ]);
    assert_eq!(step.delivered, [(0, b"last".to_vec())]);
    assert!(step.closed.is_empty() && step.written.is_empty());
}

#[test]
fn a_stream_that_the_peer_cuts_loses_the_lane_but_not_what_is_held() {
    for event in [
        Event::StreamReset {
            attempt: Attempt(1),
            stream: remote(0),
            code: 9,
        },
        Event::StreamStopped {
            attempt: Attempt(1),
            stream: remote(0),
            code: 9,
        },
    ] {
        let mut rig = Rig::new();
        rig.connect(
            1,
            Frames(Frames::fresh().message(b"x").message(b"cut short").0[..28].into()),
        );
        let step = rig.step([event]);
        assert_eq!(step.cut, [(1, CloseCode::Done)]);
        assert_eq!(rig.consume(1).written, [], "nobody is there to be told");
        assert_eq!(rig.machine.stats().held_bytes, 0);
        assert_eq!(rig.connect(2, Frames::open(0)).written, [(2, resume(1, 1))]);
    }
}

#[test]
fn stale_events_change_nothing_but_a_counter() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    let before = rig.machine.clone();
    let attempt = Attempt(9);
    let stream = remote(0);
    let stale = [
        lost(9),
        Event::StreamOpened { attempt, stream },
        bytes(9, b"x", true),
        Event::StreamReset {
            attempt,
            stream,
            code: 0,
        },
        Event::StreamStopped {
            attempt,
            stream,
            code: 0,
        },
        Event::StreamAcknowledged { attempt, stream },
        Event::StreamAcknowledged {
            attempt: Attempt(1),
            stream,
        },
        Event::TransferFinished {
            transfer: TransferId(99),
        },
        Event::ConnectFailed {
            attempt,
            error: crate::LinkError::Reset,
        },
        Event::Consumed {
            lane: Lane(3),
            below: 1,
        },
        refused(5),
        Event::StreamOpened {
            attempt: Attempt(1),
            stream: StreamId {
                opener: Side::Local,
                index: 0,
            },
        },
    ];
    let count = stale.len() as u64;
    assert_eq!(rig.step(stale), Step::default());
    assert_eq!(rig.machine, before);
    assert_eq!(rig.machine.stats().stale_events, count);
}

#[test]
fn a_reply_on_no_lane_is_handed_back() {
    let mut rig = Rig::new();
    let payload = Bytes::from_static(b"reply");
    let id = MessageId(3);
    let queued = Event::MessageQueued {
        id,
        lane: Lane(8),
        payload: payload.clone(),
        options: MessageOptions::default(),
    };
    let mut actions = Vec::new();
    rig.machine.handle(Time::ZERO, [queued], &mut actions);
    let reason = RejectReason::UnknownLane { lane: 8 };
    assert_eq!(
        actions,
        [Action::Reject {
            id,
            lane: Lane(8),
            reason,
            payload
        }]
    );
}

/// The exchanges that `docs/wire.md` writes out, byte for byte.
#[test]
fn the_documented_exchanges_are_these_bytes() {
    let session = SessionId(*b"0123456789abcdef");
    let config = ReceiverConfig::default();
    let mut machine = PeerReceiverMachine::new(config, session, Epoch([0xee; 16]), 0, REPLIES);
    let mut written = |events: Vec<Event>| {
        let mut actions = Vec::new();
        machine.handle(Time::ZERO, events, &mut actions);
        let write = actions.into_iter().find_map(|action| match action {
            Action::Write {
                transfer,
                chunks,
                fin,
                ..
            } => Some((transfer, chunks.concat(), fin)),
            _ => None,
        });
        let (transfer, bytes, fin) = write.unwrap();
        machine.handle(
            Time::ZERO,
            [Event::TransferFinished { transfer }],
            &mut Vec::new(),
        );
        (bytes, fin)
    };
    let connection = |attempt: u64, bytes: &[u8]| {
        let attempt = Attempt(attempt);
        let bytes = Bytes::copy_from_slice(bytes);
        let received = Event::BytesReceived {
            attempt,
            stream: remote(0),
            bytes,
            fin: false,
        };
        vec![
            Event::Connected { attempt },
            Event::StreamOpened {
                attempt,
                stream: remote(0),
            },
            received,
        ]
    };
    let resume = |marks: [u8; 2]| {
        [
            &[0x02, 0x17][..],
            &[0xee; 16],
            &[0x00],
            &marks,
            &[0x81, 0x00, 0x00, 0x00],
        ]
        .concat()
    };

    let open = [
        &[0x01, 0x14, 0x01, 0x01][..],
        b"0123456789abcdef",
        &[0x00, 0x00],
    ]
    .concat();
    let two = [&open[..], b"\x03\x01a", b"\x03\x01b"].concat();
    assert_eq!(written(connection(1, &two)), (resume([0, 0]), false));
    let answers = vec![
        refused(0),
        Event::Consumed {
            lane: LANE,
            below: 2,
        },
        bytes(1, &[], true),
    ];
    let told = vec![0x06, 0x02, 0x00, 0x02, 0x05, 0x01, 0x02];
    assert_eq!(written(answers), (told, true));

    let mut machine_of_second = Rig::new();
    machine_of_second.connect(1, Frames::fresh().messages(3));
    machine_of_second.consume(1);
    machine_of_second.lose(1);
    let step = machine_of_second.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, super::resume(1, 3))]);
    let step = machine_of_second.receive(2, Frames(vec![0x04, 0x01, 0x03]).messages(2));
    assert_eq!(numbers(&step), [3, 4]);
}
