use super::*;
use core::time::Duration;

fn drain(seconds: u64) -> Event {
    Event::Stop {
        mode: StopMode::Drain(Duration::from_secs(seconds)),
    }
}

fn acknowledged(attempt: u64) -> Event {
    Event::StreamAcknowledged {
        attempt: Attempt(attempt),
        stream: remote(0),
    }
}

#[test]
fn after_the_openers_fin_the_last_receipt_comes_with_ours() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(2));
    assert_eq!(rig.fin(1), Step::default(), "two messages are unanswered");
    assert_eq!(rig.consume(1).fins, []);
    let step = rig.consume(2);
    assert_eq!((step.written, step.fins), (vec![(1, receipt(2))], vec![1]));
    // The dialling end closes; this one says no more.
    assert_eq!(rig.step([acknowledged(1)]), Step::default());
    assert_eq!(rig.lose(1), Step::default());
    assert_eq!(rig.machine.stats().stale_events, 0);
}

#[test]
fn a_lane_without_messages_ends_with_resume_and_fin() {
    let mut rig = Rig::new();
    let attempt = Attempt(1);
    let step = rig.step([
        Event::Connected { attempt },
        Event::StreamOpened {
            attempt,
            stream: remote(0),
        },
        bytes(1, &Frames::fresh().0, true),
    ]);
    assert_eq!(
        (step.written, step.fins),
        (vec![(1, resume(0, 0))], vec![1])
    );
}

#[test]
fn a_fin_alone_is_written_without_bytes() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh());
    let step = rig.fin(1);
    assert_eq!((step.written, step.fins), (vec![], vec![1]));
}

#[test]
fn a_drain_answers_what_is_held_and_takes_nothing_more() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(2));
    let step = rig.step([drain(10)]);
    assert_eq!(
        (step.paused, step.fins, step.closed),
        (vec![true], vec![], vec![])
    );
    let due = Deadline {
        at: Time::from_secs(10),
        timer: Timer::Drain,
    };
    assert_eq!(rig.machine.next_deadline(), Some(due));
    assert_eq!(
        rig.receive(1, Frames::default().messages(1)),
        Step::default()
    );
    let step = rig.consume(2);
    assert_eq!(
        (step.written, step.fins, step.closed),
        (vec![(1, receipt(2))], vec![1], vec![])
    );
    let step = rig.step([acknowledged(1)]);
    assert_eq!(step.closed, [(1, CloseCode::GoingAway)]);
    assert!(rig.machine.is_closed());
    assert_eq!(rig.machine.next_deadline(), None);
}

#[test]
fn a_drain_with_all_answered_ends_the_stream_at_once() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.consume(1);
    let step = rig.step([drain(10)]);
    assert_eq!((step.fins, step.closed), (vec![1], vec![]));
    assert_eq!(
        rig.step([acknowledged(1)]).closed,
        [(1, CloseCode::GoingAway)]
    );
}

#[test]
fn a_drain_closes_at_once_what_waits_for_nothing() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.connect(2, Frames::open(0));
    rig.step([Event::Connected {
        attempt: Attempt(3),
    }]);
    let step = rig.step([drain(10)]);
    let away = CloseCode::GoingAway;
    assert_eq!(step.closed, [(1, away), (3, away)]);
    let step = rig.step([Event::Connected {
        attempt: Attempt(4),
    }]);
    assert_eq!(step.closed, [(4, away)]);
    assert_eq!(rig.machine.connections(), 1);
}

#[test]
fn half_a_message_is_given_up_by_a_drain() {
    let mut rig = Rig::new();
    rig.connect(1, Frames([Frames::fresh().0, vec![0x03, 4, b'h']].concat()));
    let step = rig.step([drain(10)]);
    assert_eq!((rig.machine.stats().held_bytes, step.fins), (0, vec![1]));
    assert_eq!(rig.receive(1, Frames(b"alf".to_vec())), Step::default());
}

#[test]
fn the_deadline_closes_what_is_left() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.step([drain(10)]);
    rig.now = Time::from_millis(9_999);
    assert_eq!(rig.step([Event::TimerFired]), Step::default());
    rig.now = Time::from_secs(10);
    assert_eq!(
        rig.step([Event::TimerFired]).closed,
        [(1, CloseCode::GoingAway)]
    );
    assert!(rig.machine.is_closed());
    assert_eq!(rig.consume(1), Step::default());
}

#[test]
fn a_second_stop_may_shorten_the_first() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.step([drain(10)]);
    rig.step([drain(20)]);
    assert_eq!(rig.machine.next_deadline().unwrap().at, Time::from_secs(10));
    rig.step([drain(5)]);
    assert_eq!(rig.machine.next_deadline().unwrap().at, Time::from_secs(5));
    let step = rig.step([Event::Stop {
        mode: StopMode::Abort,
    }]);
    assert_eq!(step.closed, [(1, CloseCode::GoingAway)]);
}

#[test]
fn of_two_stops_in_one_step_the_shorter_counts() {
    for stops in [[drain(10), drain(5)], [drain(5), drain(10)]] {
        let mut rig = Rig::new();
        rig.connect(1, Frames::fresh().messages(1));
        rig.step(stops);
        let at = Time::from_secs(5);
        assert_eq!(rig.machine.next_deadline().unwrap().at, at);
    }
}

#[test]
fn an_abort_closes_all_at_once() {
    let mut rig = Rig::new();
    rig.connect(1, Frames::fresh().messages(1));
    rig.connect(2, Frames::open(0));
    let step = rig.step([Event::Stop {
        mode: StopMode::Abort,
    }]);
    assert_eq!(
        step.closed,
        [(1, CloseCode::GoingAway), (2, CloseCode::GoingAway)]
    );
    assert!(step.written.is_empty() && step.fins.is_empty() && step.paused.is_empty());
    assert_eq!(
        (rig.machine.connections(), rig.machine.stats().held_bytes),
        (0, 0)
    );
}

#[test]
fn a_drain_ends_with_the_loss_of_its_last_connection() {
    for cut in [
        lost(1),
        Event::StreamReset {
            attempt: Attempt(1),
            stream: remote(0),
            code: 0,
        },
        Event::StreamStopped {
            attempt: Attempt(1),
            stream: remote(0),
            code: 0,
        },
    ] {
        let mut rig = Rig::new();
        rig.connect(1, Frames::fresh().messages(1));
        rig.step([drain(10)]);
        rig.step([cut]);
        assert!(rig.machine.is_closed());
    }
}

#[test]
fn time_that_goes_back_is_taken_as_the_latest() {
    let mut rig = Rig::new();
    rig.now = Time::from_secs(100);
    rig.connect(1, Frames::fresh().messages(1));
    let mut actions = Vec::new();
    rig.machine.handle(Time::ZERO, [drain(10)], &mut actions);
    assert_eq!(
        rig.machine.next_deadline().unwrap().at,
        Time::from_secs(110)
    );
}
