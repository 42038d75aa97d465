use super::*;
use crate::{SessionId, Side};

const NAMES: Names = Names {
    lane: Lane(0),
    epoch: Epoch([2; 16]),
    record: 0,
    message_bytes_max: 100,
};

fn place(attempt: u64) -> Place {
    let stream = StreamId {
        opener: Side::Remote,
        index: 0,
    };
    Place {
        attempt: Attempt(attempt),
        stream,
    }
}

/// A lane that was opened at `base` on connection 5.
fn opened(base: u64) -> (InboundLane, Budget) {
    let mut lane = InboundLane::default();
    let mut budget = Budget::new(1_000, 8);
    let open = Open {
        fresh: false,
        session: SessionId([1; 16]),
        lane: 0,
        base,
    };
    let held = Opened::Holds { cut: None };
    assert_eq!(lane.open(place(5), &open, &NAMES, &mut budget), Ok(held));
    (lane, budget)
}

fn take(lane: &mut InboundLane, budget: &mut Budget, length: u64) -> Option<u64> {
    assert_eq!(lane.begin(length, 100, budget), Ok(Begun::Taken));
    lane.hold()
}

#[test]
fn a_lane_that_was_never_opened_takes_nothing() {
    let mut lane = InboundLane::default();
    let mut budget = Budget::new(1_000, 8);
    assert_eq!(
        lane.begin(1, 100, &mut budget),
        Err(ProtocolError::Unexpected { frame: "MESSAGE" })
    );
    assert_eq!(
        lane.skip(1),
        Err(ProtocolError::Unexpected { frame: "SKIP" })
    );
    assert_eq!(
        (lane.hold(), lane.answer(TransferId(0), true)),
        (None, None)
    );
    assert!(!lane.refuse(0, RefuseCode::Dropped, &mut budget));
    assert_eq!(lane.check(NAMES.lane), Ok(()));
}

#[test]
fn next_moves_only_when_a_message_is_whole() {
    let (mut lane, mut budget) = opened(4);
    assert_eq!(lane.begin(50, 100, &mut budget), Ok(Begun::Taken));
    lane.lose(Attempt(5), None, &mut budget);
    assert_eq!((budget.used(), lane.hold()), (0, None));
    let open = Open {
        fresh: false,
        session: SessionId([1; 16]),
        lane: 0,
        base: 4,
    };
    lane.open(place(6), &open, &NAMES, &mut budget).unwrap();
    assert_eq!(take(&mut lane, &mut budget, 50), Some(4));
}

#[test]
fn what_the_lane_costs_is_what_the_budget_has_given() {
    let (mut lane, mut budget) = opened(0);
    take(&mut lane, &mut budget, 10);
    assert_eq!(lane.begin(20, 100, &mut budget), Ok(Begun::Taken));
    assert_eq!(lane.cost(), budget.used());
    lane.consume(1, &mut budget);
    assert_eq!(lane.cost(), budget.used());
    lane.lose(Attempt(5), None, &mut budget);
    assert_eq!((lane.cost(), budget.used()), (0, 0));
}

#[test]
fn the_loss_of_another_stream_changes_nothing() {
    let (lane, mut budget) = opened(0);
    let mut same = lane.clone();
    same.lose(Attempt(4), None, &mut budget);
    let other = StreamId {
        opener: Side::Remote,
        index: 1,
    };
    same.lose(Attempt(5), Some(other), &mut budget);
    assert_eq!(same, lane);
}

#[test]
fn check_sees_what_is_wrong() {
    let (mut lane, mut budget) = opened(0);
    take(&mut lane, &mut budget, 10);
    assert_eq!(lane.check(NAMES.lane), Ok(()));
    type Break = fn(&mut Known, &mut LaneStream);
    let broken: [(&str, Break); 4] = [
        ("I10", |known, _| known.newest = Attempt(6)),
        ("I7", |_, stream| stream.position = 2),
        ("I3", |_, stream| stream.told = 1),
        ("I3", |_, stream| stream.end = End::Finished),
    ];
    assert_eq!(lane.check(Lane(1)).unwrap_err().id, "I10");
    for (id, break_it) in broken {
        let mut lane = lane.clone();
        let mut known = lane.known.take().unwrap();
        let mut stream = known.stream.take().unwrap();
        break_it(&mut known, &mut stream);
        known.stream = Some(stream);
        lane.known = Some(known);
        assert_eq!(lane.check(NAMES.lane).unwrap_err().id, id);
    }
}

#[test]
fn a_lane_awaits_the_message_whose_head_was_read() {
    let (mut lane, mut budget) = opened(0);
    assert!(InboundLane::default().awaits(None));
    assert!(lane.awaits(None) && !lane.awaits(Some((10, 0))));
    assert_eq!(lane.begin(10, 100, &mut budget), Ok(Begun::Taken));
    assert!(lane.awaits(Some((10, 0))) && lane.awaits(Some((10, 9))));
    assert!(!lane.awaits(Some((11, 0))) && !lane.awaits(None));
    assert!(!lane.awaits(Some((u64::MAX, 0))));
    lane.hold();
    budget.allow(crate::inbound::Allowance { bytes: 0, first: 0 });
    assert_eq!(lane.begin(20, 100, &mut budget), Ok(Begun::Waits));
    assert!(lane.awaits(Some((20, 0))));
    assert!(!lane.awaits(Some((20, 1))) && !lane.awaits(Some((21, 0))));
    assert!(!lane.awaits(None));
}

#[test]
fn a_lane_is_known_from_its_first_opening_on_and_by_its_newest_connection() {
    let never = InboundLane::default();
    assert_eq!((never.is_known(), never.newest()), (false, None));
    let (mut lane, mut budget) = opened(0);
    lane.lose(Attempt(5), None, &mut budget);
    assert_eq!((lane.is_known(), lane.newest()), (true, Some(Attempt(5))));
}
