//! Hands messages over as fast as there is room and collects their outcomes, with no task, channel
//! or allocation of its own for each: both happen in one poll.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use peer_sender_tokio::{PeerSender, Receipt, RejectReason, Rejected, Time};

use super::{Fate, NotAMessage, Source, Tally};

/// A transfer under way. Holds no more receipts than the lanes' queues and flights have places, and
/// at most one message that waits for room.
pub(crate) struct Pump<S, C> {
    /// Messages go to them in turn.
    lanes: Vec<Lane>,
    /// The one whose turn it is.
    next: usize,
    source: S,
    clock: C,
    hand: Hand,
    /// Since when something waits and nothing was delivered.
    stalled_since: Option<Time>,
    tally: Tally,
    complaints: Vec<NotAMessage>,
}

struct Lane {
    peer: PeerSender,
    in_flight: VecDeque<InFlight>,
}

enum Hand {
    Free,
    /// The queue of the lane is full; this ends when there is room.
    Waiting(Pin<Box<dyn Future<Output = Result<Receipt, Rejected>> + Send>>),
    /// The source has ended.
    Done,
    /// Stopped before the source had ended.
    Withdrawn,
}

struct InFlight {
    /// Its place in the order of hand-over.
    number: u64,
    since: Time,
    receipt: Receipt,
}

impl<S: Source, C: Fn() -> Time> Pump<S, C> {
    /// Messages handed over before the runtime's other tasks get a turn.
    const TURN: usize = 512;

    /// A transfer by these senders, each with a lane of its own; at least one.
    pub(crate) fn new(senders: Vec<PeerSender>, source: S, clock: C) -> Self {
        let lanes = senders.into_iter().map(|peer| Lane {
            peer,
            in_flight: VecDeque::new(),
        });
        Self {
            lanes: lanes.collect(),
            next: 0,
            source,
            clock,
            hand: Hand::Free,
            stalled_since: None,
            tally: Tally::new(),
            complaints: Vec::new(),
        }
    }

    /// Ready when the source has ended, or was withdrawn, and each accepted message has its
    /// outcome.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.hand_over(cx);
        self.collect(cx);
        let ended = matches!(self.hand, Hand::Done | Hand::Withdrawn);
        if ended && self.nothing_in_flight() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Takes nothing more from the source; what is accepted still gets its outcome.
    pub(crate) fn withdraw(&mut self) {
        if !matches!(self.hand, Hand::Done) {
            self.hand = Hand::Withdrawn;
        }
    }

    /// Whether the source gave all that it had.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.hand, Hand::Done)
    }

    /// For how long something has waited with nothing delivered.
    pub(crate) fn stalled_for(&self) -> Duration {
        self.stalled_since.map_or(Duration::ZERO, |since| {
            (self.clock)().saturating_since(since)
        })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// What was not accepted since the last call, and why.
    pub(crate) fn take_complaints(&mut self) -> Vec<NotAMessage> {
        mem::take(&mut self.complaints)
    }

    /// The clock is read once a turn: a turn is short, and reading it for each message is not
    /// free. Messages late in a turn count as handed over with the first, never later than they
    /// were.
    fn hand_over(&mut self, cx: &mut Context<'_>) {
        let mut now = None;
        for _ in 0..Self::TURN {
            let Some(lane) = self.lanes.get(self.next) else {
                return;
            };
            let answer = match &mut self.hand {
                Hand::Done | Hand::Withdrawn => return,
                Hand::Waiting(room) => {
                    let Poll::Ready(answer) = room.as_mut().poll(cx) else {
                        return;
                    };
                    self.hand = Hand::Free;
                    answer
                }
                Hand::Free => match self.source.poll_next(cx) {
                    Poll::Pending => return,
                    Poll::Ready(None) => {
                        self.hand = Hand::Done;
                        return;
                    }
                    Poll::Ready(Some(Err(complaint))) => {
                        self.not_accepted(complaint);
                        continue;
                    }
                    Poll::Ready(Some(Ok(payload))) => lane.peer.try_send(payload),
                },
            };
            match answer {
                Ok(receipt) => {
                    let now = *now.get_or_insert_with(&self.clock);
                    self.accepted(receipt, now);
                }
                Err(Rejected {
                    reason: RejectReason::QueueFull,
                    payload,
                }) => {
                    let peer = lane.peer.clone();
                    self.hand = Hand::Waiting(Box::pin(async move { peer.send(payload).await }));
                }
                Err(Rejected {
                    reason: RejectReason::Stopped,
                    ..
                }) => self.hand = Hand::Withdrawn,
                Err(rejected) => self.not_accepted(NotAMessage(rejected.to_string())),
            }
        }
        cx.waker().wake_by_ref();
    }

    fn accepted(&mut self, receipt: Receipt, since: Time) {
        let number = self.tally.accepted(since);
        self.stalled_since.get_or_insert(since);
        if let Some(lane) = self.lanes.get_mut(self.next) {
            lane.in_flight.push_back(InFlight {
                number,
                since,
                receipt,
            });
        }
        self.next = (self.next + 1) % self.lanes.len();
    }

    fn not_accepted(&mut self, complaint: NotAMessage) {
        self.tally.not_accepted();
        self.complaints.push(complaint);
    }

    /// A lane is first in, first out, so its first receipt is mostly settled no later than the
    /// others: waiting for it alone costs one wake-up a batch.
    fn collect(&mut self, cx: &mut Context<'_>) {
        let mut now = None;
        for lane in &mut self.lanes {
            while let Some(first) = lane.in_flight.front_mut() {
                let Poll::Ready(outcome) = Pin::new(&mut first.receipt).poll(cx) else {
                    break;
                };
                let now = *now.get_or_insert_with(&self.clock);
                self.tally.settled(first.number, &outcome, first.since, now);
                if Fate::of(&outcome).is_good() {
                    self.stalled_since = Some(now);
                }
                lane.in_flight.pop_front();
            }
        }
        if self.nothing_in_flight() {
            self.stalled_since = None;
        }
    }

    fn nothing_in_flight(&self) -> bool {
        self.lanes.iter().all(|lane| lane.in_flight.is_empty())
    }
}
