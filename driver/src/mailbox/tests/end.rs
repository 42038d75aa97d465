use super::*;

#[test]
fn stopping_wakes_the_line_and_accepts_nothing() {
    let mut mailbox = mailbox(1, 100);
    push(&mut mailbox, 1).unwrap();
    let (mut promised, mut waiting) = (Caller::new(1), Caller::new(1));
    assert!(promised.poll(&mut mailbox).is_pending() && waiting.poll(&mut mailbox).is_pending());
    room(&mut mailbox, 2, 100);
    let mut wakers = Vec::new();
    mailbox.stop(StopMode::Abort, &mut wakers);
    assert_eq!(wakers.len(), 1, "only who still waits for room");
    for caller in [&mut promised, &mut waiting] {
        assert_eq!(
            caller.poll(&mut mailbox),
            Poll::Ready(Err(RejectReason::Stopped))
        );
    }
    assert_eq!(push(&mut mailbox, 1), Err(RejectReason::Stopped));
    assert_eq!(post(&mut mailbox), Err(RejectReason::Stopped));
}

#[test]
fn a_permit_is_worth_nothing_after_the_stop() {
    let mut mailbox = mailbox(1, 100);
    mailbox.take_room(ZERO, 10).unwrap();
    mailbox.hold(ZERO, 10);
    mailbox.stop(StopMode::Abort, &mut Vec::new());
    let used = mailbox.use_held(ZERO, 10, 10, &mut Vec::new());
    assert_eq!(used, Err(RejectReason::Stopped));
    mailbox.release(ZERO, 10, &mut Vec::new());
    assert_eq!(mailbox.places(), 0);
}

#[test]
fn a_second_stop_only_shortens_the_first() {
    let seconds = |seconds| StopMode::Drain(Duration::from_secs(seconds));
    for (first, second, both) in [
        (seconds(5), seconds(9), seconds(5)),
        (seconds(5), seconds(2), seconds(2)),
        (seconds(5), StopMode::Abort, StopMode::Abort),
        (StopMode::Abort, seconds(5), StopMode::Abort),
        (StopMode::Abort, StopMode::Remove, StopMode::Remove),
        (StopMode::Remove, seconds(5), StopMode::Remove),
    ] {
        let mut mailbox = mailbox(1, 1);
        mailbox.stop(first, &mut Vec::new());
        mailbox.stop(second, &mut Vec::new());
        assert_eq!(mailbox.take(&mut Accepted::default()).stop, Some(both));
    }
}

#[test]
fn the_end_tells_what_left_the_mailbox_from_what_did_not() {
    use {FailReason as Failed, StopReason as Reason, UnknownReason as Unknown};
    for (reason, failed, unknown) in [
        (Reason::Aborted, Failed::Stopped, Unknown::Stopped),
        (Reason::DeadlineReached, Failed::Stopped, Unknown::Stopped),
        (Reason::GaveUp, Failed::GaveUp, Unknown::GaveUp),
        (Reason::Removed, Failed::Removed, Unknown::Removed),
        (
            Reason::SessionForgotten,
            Failed::SessionForgotten,
            Unknown::SessionForgotten,
        ),
    ] {
        let mut mailbox = mailbox(3, 100);
        let taken = push(&mut mailbox, 1).unwrap();
        let settled = push(&mut mailbox, 1).unwrap();
        handed_over(&mut mailbox);
        let kept = push(&mut mailbox, 1).unwrap();
        settle(&mut mailbox, settled.id, DELIVERED);
        mailbox.settle_all(reason, &mut Vec::new());
        assert_eq!(mailbox.stopped(), None, "whoever listens hears of it first");
        mailbox.finish(reason, PeerStats::default(), &mut Vec::new());

        let mut outcome = |ticket: Ticket| mailbox.slots.poll(ticket.slot, Waker::noop()).ok();
        assert_eq!(outcome(taken), Some(Outcome::Unknown(unknown)));
        assert_eq!(outcome(settled), Some(DELIVERED));
        assert_eq!(outcome(kept), Some(Outcome::Failed(failed)));
        assert_eq!(mailbox.stopped(), Some(reason));
        assert_eq!(push(&mut mailbox, 1), Err(RejectReason::Stopped));
    }
}

#[test]
fn where_only_the_end_is_told_the_stop_says_why() {
    let drain = StopMode::Drain(Duration::from_secs(1));
    let told = StopReason::SessionForgotten;
    let stopped = |mode: Option<StopMode>, outcome: Option<Outcome>| {
        let mut mailbox = mailbox(3, 100);
        let ticket = push(&mut mailbox, 1).unwrap();
        handed_over(&mut mailbox);
        if let Some(mode) = mode {
            mailbox.stop(mode, &mut Vec::new());
        }
        if let Some(outcome) = outcome {
            settle(&mut mailbox, ticket.id, outcome);
        }
        mailbox.reason_or(told)
    };
    let failed = Outcome::Failed(FailReason::Stopped);
    assert_eq!(stopped(None, Some(DELIVERED)), told);
    assert_eq!(stopped(Some(StopMode::Abort), None), StopReason::Aborted);
    assert_eq!(stopped(Some(drain), Some(DELIVERED)), StopReason::Drained);
    for unanswered in [None, Some(failed)] {
        let reason = StopReason::DeadlineReached;
        assert_eq!(stopped(Some(drain), unanswered), reason);
    }
}

#[test]
fn what_was_lost_before_the_stop_does_not_count_as_its_fault() {
    let drain = StopMode::Drain(Duration::from_secs(1));
    let lost = Outcome::Unknown(UnknownReason::Stopped);
    let mut mailbox = mailbox(3, 100);
    let [before, after] = [1, 1].map(|bytes| push(&mut mailbox, bytes).unwrap().id);
    handed_over(&mut mailbox);
    settle(&mut mailbox, before, lost.clone());
    mailbox.stop(drain, &mut Vec::new());
    settle(&mut mailbox, after, DELIVERED);
    let told = StopReason::SessionForgotten;
    assert_eq!(mailbox.reason_or(told), StopReason::Drained);

    // A further stop changes nothing of what the first one cost.
    settle(&mut mailbox, MessageId(3), lost);
    mailbox.stop(drain, &mut Vec::new());
    assert_eq!(mailbox.reason_or(told), StopReason::DeadlineReached);
}

#[test]
fn what_was_cancelled_here_is_counted_at_the_end() {
    let mut mailbox = mailbox(3, 100);
    let ticket = push(&mut mailbox, 1).unwrap();
    let _message = mailbox.cancel(ticket.id, &mut Vec::new());
    mailbox.finish(StopReason::Drained, PeerStats::default(), &mut Vec::new());
    let counted = mailbox.last_stats.machine;
    assert_eq!((counted.accepted, counted.cancelled), (1, 1));
}
