//! The end of a mailbox.

use std::task::Waker;

use peer_sender_core::{FailReason, Outcome, StopMode, StopReason, UnknownReason, Unsent};
use peer_sender_quic::PeerStats;

use super::{Kept, Mailbox, News, Phase, Queued};

impl Mailbox {
    /// Asks for the end; of two modes the shorter one counts. Nothing is accepted from here on.
    pub(crate) fn stop(&mut self, mode: StopMode, wakers: &mut Vec<Waker>) {
        self.close_with_node(mode, wakers);
        if self.phase == Phase::Stopping {
            self.news.stop = Some(shorter_of(self.news.stop, mode));
            if let Kept::Unasked = self.unsent {
                self.unsent = Kept::Asked(Vec::new());
            }
        }
    }

    /// As [`stop`](Self::stop), where the driver hears of it from the node.
    pub(crate) fn close_with_node(&mut self, mode: StopMode, wakers: &mut Vec<Waker>) {
        self.close(wakers);
        // What was lost before is no fault of the stop.
        self.cut &= self.asked.is_some();
        self.asked = Some(shorter_of(self.asked, mode));
    }

    /// Nothing is accepted from here on; the end comes from elsewhere.
    pub(crate) fn close(&mut self, wakers: &mut Vec<Waker>) {
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
            for desk in &mut self.desks {
                desk.disperse(wakers);
            }
            self.posted.close(wakers);
        }
    }

    /// Why it ended, once it has.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        match self.phase {
            Phase::Running | Phase::Stopping => None,
            Phase::Stopped(reason) => Some(reason),
        }
    }

    /// Messages that failed with the end come back. They are kept if somebody asked for the end, and
    /// else returned, to be dropped when the lock is released.
    pub(crate) fn hand_back(&mut self, unsent: Vec<Unsent>) -> Vec<Unsent> {
        match &mut self.unsent {
            Kept::Asked(kept) => {
                kept.extend(unsent);
                Vec::new()
            }
            Kept::Unasked | Kept::Dropped => {
                self.unsent = Kept::Dropped;
                unsent
            }
        }
    }

    /// What was handed back. It stays here, since several may ask, and one that has asked may have
    /// gone before it could hear.
    pub(crate) fn unsent(&self) -> Vec<Unsent> {
        match &self.unsent {
            Kept::Asked(kept) => kept.clone(),
            Kept::Unasked | Kept::Dropped => Vec::new(),
        }
    }

    /// How it ended, where the machine says only that it is gone: as it was asked to if it was,
    /// and else for this reason. Asked before the rest is settled.
    pub(crate) fn reason_or(&self, other: StopReason) -> StopReason {
        match self.asked {
            None => other,
            Some(StopMode::Remove) => StopReason::Removed,
            Some(StopMode::Abort) => StopReason::Aborted,
            Some(StopMode::Drain(_)) if self.cut || !self.slots.is_empty() => {
                StopReason::DeadlineReached
            }
            Some(StopMode::Drain(_)) => StopReason::Drained,
        }
    }

    /// The outcomes of the end: what never left the mailbox has failed for sure; of the rest that
    /// is still unsettled nobody can tell. The messages are handed back, to be dropped when the
    /// lock is released.
    pub(crate) fn settle_all(
        &mut self,
        reason: StopReason,
        wakers: &mut Vec<Waker>,
    ) -> Vec<Queued> {
        self.close(wakers);
        let messages: Vec<_> = std::mem::take(&mut self.messages).collect();
        for message in &messages {
            self.settle(message.id, failed(reason), wakers);
        }
        if let Kept::Asked(kept) = &mut self.unsent {
            kept.extend(messages.iter().cloned().map(unsent));
            kept.sort_by_key(|message| message.id);
        }
        for id in self.slots.live_ids() {
            self.settle(id, Outcome::Unknown(unknown_reason(reason)), wakers);
        }
        messages
    }

    /// The end itself, after everything was settled. News that nobody will look at are handed
    /// back: to drop a question wakes whoever asked.
    pub(crate) fn finish(
        &mut self,
        reason: StopReason,
        mut stats: PeerStats,
        wakers: &mut Vec<Waker>,
    ) -> News {
        self.phase = Phase::Stopped(reason);
        self.unseen.add_to(&mut stats);
        self.last_stats = stats;
        self.posted.finish(wakers);
        self.timings.finish(wakers);
        wakers.extend(self.waiting.take().into_values());
        std::mem::take(&mut self.news)
    }
}

fn unsent(message: Queued) -> Unsent {
    Unsent {
        id: message.id,
        lane: message.lane,
        payload: message.payload,
    }
}

/// The outcome of a message that was not sent before the end.
pub(crate) fn failed(reason: StopReason) -> Outcome {
    Outcome::Failed(match reason {
        StopReason::Drained | StopReason::DeadlineReached | StopReason::Aborted => {
            FailReason::Stopped
        }
        StopReason::GaveUp => FailReason::GaveUp,
        StopReason::Removed => FailReason::Removed,
        StopReason::SessionForgotten => FailReason::SessionForgotten,
    })
}

fn unknown_reason(reason: StopReason) -> UnknownReason {
    match reason {
        StopReason::Drained | StopReason::DeadlineReached | StopReason::Aborted => {
            UnknownReason::Stopped
        }
        StopReason::GaveUp => UnknownReason::GaveUp,
        StopReason::Removed => UnknownReason::Removed,
        StopReason::SessionForgotten => UnknownReason::SessionForgotten,
    }
}

fn shorter_of(earlier: Option<StopMode>, mode: StopMode) -> StopMode {
    earlier.map_or(mode, |earlier| shorter(earlier, mode))
}

/// The stop that ends earlier.
pub(crate) fn shorter(one: StopMode, other: StopMode) -> StopMode {
    match (one, other) {
        (StopMode::Drain(one), StopMode::Drain(other)) => StopMode::Drain(one.min(other)),
        (StopMode::Remove, _) | (_, StopMode::Remove) => StopMode::Remove,
        (StopMode::Abort, _) | (_, StopMode::Abort) => StopMode::Abort,
    }
}
