use super::*;

/// Room for two messages of 300 bytes, not for three.
fn small() -> Rig {
    Rig::with(ReceiverConfig::new(1_000, of_one_lane(1_000)).unwrap())
}

#[test]
fn a_full_budget_pauses_the_stream_and_room_resumes_it() {
    let mut rig = small();
    let step = rig.connect(
        1,
        (0..4).fold(Frames::fresh(), |it, n| it.message(&[n; 300])),
    );
    assert_eq!(numbers(&step), [0, 1]);
    assert_eq!(step.paused, [true]);
    let step = rig.consume(1);
    assert_eq!(numbers(&step), [2], "from the bytes that were kept");
    assert_eq!(
        (&step.paused[..], &step.written[..]),
        (&[][..], &[(1, receipt(1))][..])
    );
    let step = rig.consume(3);
    assert_eq!((numbers(&step), step.paused), (vec![3], vec![false]));
    let step = rig.receive(1, Frames::default().message(b"more"));
    assert_eq!(numbers(&step), [4]);
}

#[test]
fn room_is_reserved_by_the_head_before_the_body_comes() {
    let mut rig = small();
    rig.connect(1, Frames::fresh().message(&[0; 300]));
    let used = rig.machine.stats().held_bytes;
    let step = rig.receive(1, Frames(vec![0x03, 0x41, 0x2c]));
    assert_eq!(
        (rig.machine.stats().held_bytes, step.paused),
        (2 * used, vec![])
    );
    let step = rig.receive(1, Frames([vec![0; 300], vec![0x03, 0x41, 0x2c]].concat()));
    assert_eq!(
        (numbers(&step), step.paused),
        (vec![1], vec![true]),
        "its head must wait"
    );
    assert_eq!(rig.consume(2).paused, [false]);
}

#[test]
fn with_nothing_held_a_message_of_any_legal_size_fits() {
    let mut rig = small();
    let step = rig.connect(1, Frames::fresh().message(&[0; 1_000]).message(b"x"));
    assert_eq!((numbers(&step), step.paused), (vec![0], vec![true]));
    let step = rig.consume(1);
    assert_eq!((numbers(&step), step.paused), (vec![1], vec![false]));
}

#[test]
fn a_flood_of_empty_messages_is_bounded() {
    let mut rig = small();
    let step = rig.connect(1, (0..1_000).fold(Frames::fresh(), |it, _| it.message(b"")));
    assert_eq!((step.delivered.len(), step.paused), (7, vec![true]));
    assert!(rig.machine.stats().held_bytes <= 1_000);
}

#[test]
fn a_paused_stream_of_a_lost_connection_gives_way() {
    let mut rig = small();
    rig.connect(
        1,
        (0..4).fold(Frames::fresh(), |it, n| it.message(&[n; 300])),
    );
    rig.lose(1);
    let step = rig.connect(2, Frames::open(0));
    assert_eq!(step.written, [(2, resume(0, 2))]);
    let step = rig.receive(2, Frames::default().skip(2).message(&[2; 300]));
    assert_eq!((step.paused, step.delivered.len()), (vec![true], 0));
    assert_eq!(numbers(&rig.consume(1)), [2]);
}

#[test]
fn a_refusal_makes_room_as_an_acceptance_does() {
    let mut rig = small();
    rig.connect(
        1,
        (0..3).fold(Frames::fresh(), |it, n| it.message(&[n; 300])),
    );
    let step = rig.refuse(1);
    assert_eq!((numbers(&step), step.paused), (vec![2], vec![false]));
}

#[test]
fn a_stream_that_has_ended_is_not_paused_and_its_rest_is_taken_later() {
    let mut rig = small();
    rig.connect(1, Frames::fresh());
    let rest = (0..3).fold(Frames::default(), |it, n| it.message(&[n; 300]));
    let step = rig.step([bytes(1, &rest.0, true)]);
    assert_eq!((numbers(&step), step.paused), (vec![0, 1], vec![]));
    let step = rig.consume(2);
    assert_eq!((numbers(&step), step.fins), (vec![2], vec![]));
    let step = rig.consume(3);
    assert_eq!((step.written, step.fins), (vec![(1, receipt(3))], vec![1]));
}

#[test]
fn neither_messages_nor_what_waits_pin_the_buffer_that_it_came_in() {
    let mut rig = small();
    rig.connect(1, Frames::fresh());
    let frames = (0..4).fold(Frames::default(), |it, n| it.message(&[n; 300]));
    let buffer = frames.bytes();
    let (attempt, stream) = (Attempt(1), remote(0));
    let bytes = buffer.clone();
    let mut actions = Vec::new();
    let received = Event::BytesReceived {
        attempt,
        stream,
        bytes,
        fin: false,
    };
    rig.machine.handle(Time::ZERO, [received], &mut actions);
    assert_eq!(
        actions.len(),
        3,
        "two are delivered, the stream is paused: {actions:?}"
    );
    assert!(buffer.is_unique());
}
