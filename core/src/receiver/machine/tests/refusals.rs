use super::*;

#[test]
fn a_refusal_comes_before_the_receipt_that_covers_it() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(4));
    assert_eq!(
        rig.refuse(1),
        Step::default(),
        "not due before what comes before it"
    );
    let step = rig.consume(2);
    assert_eq!(step.written, [(1, refuse(1, 2)), (1, receipt(2))]);
    let step = rig.step([
        refused(2),
        refused(3),
        Event::Consumed {
            lane: LANE,
            below: 4,
        },
    ]);
    assert_eq!(
        step.written,
        [(1, refuse(2, 2)), (1, refuse(3, 2)), (1, receipt(4))]
    );
    assert_eq!(
        (rig.machine.stats().refused, rig.machine.stats().held_bytes),
        (3, 0)
    );
}

#[test]
fn the_lowest_message_is_decided_by_its_refusal_alone() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    let code = RefuseCode::Dropped;
    let step = rig.step([Event::Refused {
        lane: LANE,
        number: 0,
        code,
    }]);
    assert_eq!(step.written, [(1, refuse(0, 3)), (1, receipt(1))]);
}

#[test]
fn a_resume_stays_below_a_remembered_refusal_and_tells_it_again() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(4));
    rig.step([
        refused(1),
        refused(2),
        Event::Consumed {
            lane: LANE,
            below: 4,
        },
    ]);
    rig.lose(1);
    let all = [refuse(1, 2), refuse(2, 2), receipt(4)].map(|frame| (2, frame));
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [&[(2, resume(1, 4))], &all[..]].concat());
    rig.lose(2);
    // A base above the first refusal shows that the opener knows of it.
    let step = rig.connect(3, Frames::open(2));
    assert_eq!(
        step.written,
        [(3, resume(2, 4)), (3, refuse(2, 2)), (3, receipt(4))]
    );
    rig.lose(3);
    assert_eq!(rig.connect(4, Frames::open(3)).written, [(4, resume(4, 4))]);
    rig.lose(4);
    // Forgotten for good, also for a lower base that no correct opener sends.
    assert_eq!(rig.connect(5, Frames::open(0)).written, [(5, resume(4, 4))]);
}

#[test]
fn refusals_while_no_connection_stands_are_told_on_the_next() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(3));
    rig.lose(1);
    rig.step([refused(1)]);
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, resume(0, 3))]);
    assert_eq!(rig.consume(3).written, [(2, refuse(1, 2)), (2, receipt(3))]);
}

#[test]
fn a_message_that_is_too_large_is_refused_and_remembered_before_the_close() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().message(b"fits"));
    let head_only = Frames(vec![0x03, 0x80, 0x00, 0xff, 0xff]);
    let step = rig.receive(1, head_only);
    assert_eq!(step.closed, [(1, CloseCode::MessageTooLarge)]);
    assert_eq!(step.reason, "a message of 65535 bytes, the limit is 1000");
    assert_eq!(rig.machine.connections(), 0);
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, resume(0, 2))]);
    let step = rig.receive(2, Frames::default().skip(2).message(b"goes on"));
    assert_eq!(step.delivered, [(2, b"goes on".to_vec())]);
    let step = rig.consume(1);
    assert_eq!(step.written, [(2, refuse(1, 1)), (2, receipt(2))]);
    let stats = rig.machine.stats();
    assert_eq!((stats.refused, stats.protocol_errors), (1, 0));
}

#[test]
fn a_message_of_exactly_the_limit_is_taken() {
    let mut rig = Rig::new();
    let step = rig.connect(1, Frames::fresh().message(&[1; MESSAGE_BYTES_MAX]));
    assert_eq!(numbers(&step), [0]);
    let step = rig.receive(1, Frames::default().message(&[1; MESSAGE_BYTES_MAX + 1]));
    assert_eq!(step.closed, [(1, CloseCode::MessageTooLarge)]);
}

#[test]
fn more_refusals_than_are_remembered_close_the_connection() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1_030));
    let all: Vec<_> = (0..1_024).map(refused).collect();
    let step = rig.step(all);
    assert!(step.closed.is_empty());
    assert_eq!(step.written.last(), Some(&(1, receipt(1_024))));
    let step = rig.refuse(1_024);
    assert_eq!(step.closed, [(1, CloseCode::ExcessiveLoad)]);
    assert!(step.written.is_empty());
    // Nothing of it is lost: the next connection tells all, and is not closed for it.
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written.len(), 1 + 1_025 + 1);
    assert_eq!(step.written[0], (2, resume(0, 1_030)));
    assert!(step.closed.is_empty());
    // While the opener does not show that it heard, nothing more is taken.
    let step = rig.receive(2, Frames::default().skip(1_030).message(b"x"));
    assert_eq!(step.closed, [(2, CloseCode::ExcessiveLoad)]);
    let step = rig.connect(3, Frames::open(1_030).message(b"x"));
    assert_eq!(numbers(&step), [1_030]);
    assert_eq!(rig.refuse(1_030).closed, []);
}

#[test]
fn too_large_messages_cannot_fill_the_memory_either() {
    let mut rig = Rig::new();
    let too_large = |after| {
        let frames = if after == 0 {
            Frames::open(0)
        } else {
            Frames::open(0).skip(after)
        };
        frames.message(&[0; MESSAGE_BYTES_MAX + 1])
    };
    for attempt in 0..1_025 {
        let step = rig.connect(attempt, too_large(attempt));
        assert_eq!(step.closed, [(attempt, CloseCode::MessageTooLarge)]);
    }
    let step = rig.connect(1_025, too_large(1_025));
    assert_eq!(step.closed, [(1_025, CloseCode::ExcessiveLoad)]);
    assert_eq!(rig.machine.stats().refused, 1_025);
}

#[test]
fn many_refusals_go_in_several_writes_each_with_its_receipt() {
    let config = ReceiverConfig::new(MESSAGE_BYTES_MAX, 32 << 20).unwrap();
    let mut rig = Rig::with(config);
    let count = 30_000;
    rig.connect(1, Frames::fresh().messages(count));
    rig.lose(1);
    rig.step((0..count as u64).map(refused).collect::<Vec<_>>());
    rig.slow = true;
    let first = rig.connect(2, Frames::open(0));
    let Some(&(_, Frame::Receipt { taken })) = first.written.last() else {
        panic!()
    };
    assert_eq!(first.written.len() as u64, 1 + taken + 1);
    assert!(taken > 1_000 && taken < count as u64);
    rig.slow = false;
    let rest = rig.step([Event::TransferFinished {
        transfer: rig.under_way[0],
    }]);
    let refusals = |step: &Step| {
        let is_refuse = |(_, frame): &&(u64, Frame)| matches!(frame, Frame::Refuse { .. });
        step.written.iter().filter(is_refuse).count()
    };
    assert_eq!(refusals(&first) + refusals(&rest), count);
    assert_eq!(rest.written.last(), Some(&(2, receipt(count as u64))));
}
