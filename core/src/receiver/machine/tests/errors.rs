use super::*;
use crate::wire::VARINT_MAX;

/// The connection is closed with this error, and what the machine held before it stays.
#[track_caller]
fn breaks(rig: &mut Rig, step: &Step, attempt: u64, error: ProtocolError) {
    assert_eq!(step.closed, [(attempt, CloseCode::Protocol)]);
    assert_eq!(step.reason, error.to_string());
    assert_eq!(rig.machine.stats().protocol_errors, 1);
    assert!(!rig.machine.has(Attempt(attempt)));
    assert_eq!(
        rig.receive(attempt, Frames::default().messages(1)),
        Step::default()
    );
}

fn open(open: Open) -> Frames {
    Frames::default().frame(Frame::Open(open))
}

const OPEN: Open = Open {
    fresh: true,
    session: SESSION,
    lane: 0,
    base: 0,
};

#[test]
fn anything_but_open_first_is_refused() {
    let unexpected = |frame| ProtocolError::Unexpected { frame };
    for (frames, error) in [
        (Frames::default().message(b"m"), unexpected("MESSAGE")),
        (Frames::default().skip(1), unexpected("SKIP")),
        (Frames::default().frame(receipt(1)), unexpected("RECEIPT")),
        (Frames(vec![0x40, 0]), unexpected("extension")),
        (Frames(vec![0x07]), ProtocolError::UnknownFrame { kind: 7 }),
    ] {
        let mut rig = Rig::new();
        let step = rig.connect(1, frames);
        breaks(&mut rig, &step, 1, error);
        assert!(!rig.machine.remembers());
    }
}

#[test]
fn frames_of_the_other_direction_are_refused() {
    for frame in [Frame::Open(OPEN), resume(0, 0), receipt(0), refuse(0, 2)] {
        let mut rig = Rig::new();
        let step = rig.connect(1, Frames::fresh().frame(frame));
        breaks(
            &mut rig,
            &step,
            1,
            ProtocolError::Unexpected {
                frame: frame.name(),
            },
        );
    }
}

#[test]
fn a_fresh_open_of_a_known_lane_is_refused() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(2));
    let step = rig.connect(2, Frames::fresh().message(b"lost"));
    assert!(step.cut.is_empty() && step.delivered.is_empty());
    breaks(&mut rig, &step, 2, ProtocolError::SessionReused);
    assert_eq!(
        rig.consume(2).written,
        [(1, receipt(2))],
        "the lane was not taken over"
    );
}

#[test]
fn another_session_and_other_lanes_are_refused() {
    let mut rig = Rig::new();
    let step = rig.connect(
        1,
        open(Open {
            session: SessionId([9; 16]),
            ..OPEN
        }),
    );
    breaks(&mut rig, &step, 1, ProtocolError::SessionChanged);
    for lane in [8, 256, VARINT_MAX] {
        let mut rig = Rig::new();
        let step = rig.connect(1, open(Open { lane, ..OPEN }));
        breaks(&mut rig, &step, 1, ProtocolError::LaneRange { lane });
    }
}

#[test]
fn a_lane_opened_twice_in_a_connection_is_refused() {
    for lane in [0, 3, 7] {
        let open = Open {
            fresh: false,
            session: SESSION,
            lane,
            base: 0,
        };
        let frames = Frames::default().frame(Frame::Open(open));
        let mut rig = Rig::new();
        rig.connect(1, frames.clone());
        let attempt = Attempt(1);
        let stream = remote(1);
        let step = rig.step([
            Event::StreamOpened { attempt, stream },
            Event::BytesReceived {
                attempt,
                stream,
                bytes: frames.bytes(),
                fin: false,
            },
        ]);
        breaks(&mut rig, &step, 1, ProtocolError::LaneTwice { lane });
    }
}

#[test]
fn a_fin_inside_a_frame_or_before_open_is_refused() {
    let frames = Frames::fresh().message(b"whole").message(b"cut");
    let open = Frames::fresh().0.len();
    let ends = [open, open + 7, frames.0.len()];
    for cut in 0..=frames.0.len() {
        let mut rig = Rig::new();
        rig.connect(1, Frames(frames.0[..cut].to_vec()));
        let step = rig.fin(1);
        if ends.contains(&cut) {
            assert!(step.closed.is_empty(), "ended at {cut}");
        } else {
            breaks(&mut rig, &step, 1, ProtocolError::Truncated);
        }
    }
}

#[test]
fn malformed_frames_are_refused_and_what_came_before_counts() {
    for (bytes, error) in [
        (
            &[0x04, 1, 0][..],
            ProtocolError::Field {
                frame: "SKIP",
                field: "count",
            },
        ),
        (
            &[0x04, 2, 1, 1],
            ProtocolError::BodyLength {
                frame: "SKIP",
                length: 2,
            },
        ),
        (&[0x04, 2, 0x40, 1], ProtocolError::IntegerForm),
        (&[0x3f], ProtocolError::UnknownFrame { kind: 0x3f }),
    ] {
        let mut rig = Rig::new();
        let step = rig.connect(
            1,
            Frames([&Frames::fresh().message(b"m").0, bytes].concat()),
        );
        assert_eq!(numbers(&step), [0]);
        breaks(&mut rig, &step, 1, error);
        assert_eq!(rig.connect(2, Frames::open(0)).written, [(2, resume(0, 1))]);
    }
}

#[test]
fn numbers_that_cannot_be_written_are_refused() {
    let last = |frames: Frames| {
        let mut rig = Rig::new();
        let step = rig.connect(1, frames);
        breaks(&mut rig, &step, 1, ProtocolError::NumberRange);
        step
    };
    last(Frames::open(VARINT_MAX).message(b"m"));
    last(Frames::open(VARINT_MAX).skip(1));
    last(Frames::open(1).skip(VARINT_MAX));
    let step = last(Frames::open(VARINT_MAX - 1).messages(2));
    assert_eq!(numbers(&step), [VARINT_MAX - 1]);
}

#[test]
fn extensions_are_passed_over_after_open() {
    let mut rig = Rig::new();
    let extension = [&[0xc7, 0x41, 0x00][..], &[9; 256]].concat();
    let frames = Frames([Frames::fresh().0, extension].concat()).message(b"m");
    assert_eq!(numbers(&rig.connect(1, frames)), [0]);
}
