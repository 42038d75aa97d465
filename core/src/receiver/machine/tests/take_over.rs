use super::*;

#[test]
fn a_later_connection_takes_the_lane_and_cuts_the_older_stream() {
    let mut rig = Rig::new();
    rig.connect(
        1,
        Frames(Frames::fresh().message(b"0").message(b"half").0[..28].into()),
    );
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.cut, [(1, CloseCode::Superseded)]);
    assert_eq!(step.written, [(2, resume(0, 1))]);
    assert_eq!(rig.machine.stats().taken_over, 1);
    // The older stream's rest is not taken, nor are receipts written on it.
    let step = rig.receive(1, Frames(b"lf".to_vec()).message(b"late"));
    assert_eq!(step, Step::default());
    let step = rig.receive(2, Frames::default().skip(1).message(b"half"));
    assert_eq!(step.delivered, [(1, b"half".to_vec())]);
    assert_eq!(rig.consume(2).written, [(2, receipt(2))]);
}

#[test]
fn half_a_message_of_the_older_stream_frees_its_reservation() {
    let mut rig = Rig::new();
    rig.connect(1, Frames([Frames::fresh().0, vec![0x03, 4, b'h']].concat()));
    assert!(rig.machine.stats().held_bytes > 0);
    rig.connect(2, Frames::open(0));
    assert_eq!(rig.machine.stats().held_bytes, 0);
}

#[test]
fn an_older_connection_is_refused_and_changes_nothing() {
    let mut rig = Rig::new();
    rig.step([Event::Connected {
        attempt: Attempt(1),
    }]);
    rig.connect(2, Frames::open(0).messages(2));
    let held = rig.machine.stats().held_bytes;
    // Whether it says fresh or not: it was sent before what the newer one said.
    let step = rig.connect(1, Frames::fresh().message(b"late"));
    assert_eq!(step.cut, [(1, CloseCode::Superseded)]);
    assert!(step.closed.is_empty() && step.delivered.is_empty() && step.written.is_empty());
    assert_eq!(rig.machine.stats().held_bytes, held);
    assert_eq!(rig.consume(2).written, [(2, receipt(2))]);
}

#[test]
fn an_older_connection_is_refused_even_when_the_newer_is_gone() {
    let mut rig = Rig::new();
    rig.step([Event::Connected {
        attempt: Attempt(1),
    }]);
    rig.connect(2, Frames::open(0).messages(2));
    rig.lose(2);
    let step = rig.connect(1, Frames::open(0).messages(5));
    assert_eq!(step.cut, [(1, CloseCode::Superseded)]);
    assert!(step.delivered.is_empty());
    assert_eq!(rig.connect(3, Frames::open(0)).written, [(3, resume(0, 2))]);
}

#[test]
fn a_write_under_way_on_the_older_stream_does_not_hold_the_new_one_up() {
    let mut rig = Rig::new();
    rig.slow = true;
    rig.connect(1, Frames::fresh().messages(1));
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, resume(0, 1))]);
    let older = rig.under_way.remove(0);
    rig.step([Event::TransferFinished { transfer: older }]);
    assert_eq!(
        rig.consume(1),
        Step::default(),
        "the newer stream's write is under way"
    );
}

#[test]
fn the_loss_of_an_older_connection_leaves_the_lane_alone() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.connect(2, Frames::open(0));
    rig.lose(1);
    assert_eq!(rig.consume(1).written, [(2, receipt(1))]);
}

#[test]
fn in_one_step_the_older_bytes_are_taken_before_the_newer_open() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh());
    rig.step([
        Event::Connected {
            attempt: Attempt(2),
        },
        Event::StreamOpened {
            attempt: Attempt(2),
            stream: remote(0),
        },
    ]);
    let step = rig.step([
        bytes(2, &Frames::open(0).0, false),
        bytes(1, &Frames::default().message(b"older").0, false),
    ]);
    assert_eq!(step.delivered, [(0, b"older".to_vec())]);
    assert_eq!(step.written, [(2, resume(0, 1))]);
}

#[test]
fn patience_with_a_reply_begins_anew_when_a_newer_connection_takes_it() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh());
    let mut actions = Vec::new();
    let reply = Event::MessageQueued {
        id: MessageId(0),
        lane: LANE,
        payload: Bytes::from_static(b"reply"),
        options: MessageOptions::default(),
    };
    rig.machine.handle(rig.now, [reply], &mut actions);
    let mut bytes = Vec::new();
    resume(0, 0).encode(&mut bytes);
    let heard = Event::BytesReceived {
        attempt: Attempt(1),
        stream: StreamId {
            opener: Side::Local,
            index: 0,
        },
        bytes: bytes.into(),
        fin: false,
    };
    let cancel = Event::Cancel { id: MessageId(0) };
    rig.machine.handle(rig.now, [heard, cancel], &mut actions);
    rig.now = Time::from_secs(100);
    let newer = Event::Connected {
        attempt: Attempt(2),
    };
    rig.machine.handle(rig.now, [newer], &mut actions);
    rig.machine.check().unwrap();
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Settle { .. })),
        "{actions:?}"
    );
    let deadline = rig.machine.next_deadline().unwrap();
    assert!(deadline.at >= Time::from_secs(105), "{deadline:?}");
}
