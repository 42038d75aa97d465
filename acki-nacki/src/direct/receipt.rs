//! The claim to the outcome of a message that may have to wait for its peer first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use peer_sender_driver::{Outcome, Receipt};

use super::lock;

/// The claim to a message's one outcome, as a future.
///
/// It always resolves: with the outcome that the peer's sender tells, or, of a message that never left
/// its room, once its time is over, its peer is given up, or there is nobody left who could send it.
/// Polled again after that it gives the same outcome again.
///
/// # Cancel safety
///
/// Dropping it does not retract the message.
#[must_use = "the receipt is the only way to learn what became of this message"]
pub struct DirectReceipt {
    claim: Claim,
}

enum Claim {
    /// It waits for its peer.
    Waiting(Arc<Slot>),
    /// The peer's sender has it.
    Sent(Receipt),
    Settled(Outcome),
}

/// Where the receipt of a message that waits looks for what became of it.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Fate>);

#[derive(Debug)]
enum Fate {
    Waits(Option<Waker>),
    Sent(Receipt),
    Settled(Outcome),
    /// The receipt has seen it.
    Seen,
}

impl Default for Fate {
    fn default() -> Self {
        Self::Waits(None)
    }
}

impl DirectReceipt {
    pub(super) fn of_sent(receipt: Receipt) -> Self {
        Self {
            claim: Claim::Sent(receipt),
        }
    }

    pub(super) fn of_waiting(slot: &Arc<Slot>) -> Self {
        Self {
            claim: Claim::Waiting(Arc::clone(slot)),
        }
    }
}

impl Slot {
    /// The peer's sender has the message. Hands back who waits.
    pub(super) fn sent(&self, receipt: Receipt) -> Option<Waker> {
        self.decide(Fate::Sent(receipt))
    }

    /// The message has its outcome, unless it had one. Hands back who waits.
    pub(super) fn settle(&self, outcome: Outcome) -> Option<Waker> {
        self.decide(Fate::Settled(outcome))
    }

    fn decide(&self, decided: Fate) -> Option<Waker> {
        let mut fate = lock(&self.0);
        let Fate::Waits(waker) = &mut *fate else {
            return None;
        };
        let waker = waker.take();
        *fate = decided;
        waker
    }
}

impl Future for DirectReceipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Claim::Waiting(slot) = &self.claim {
            let seen = {
                let mut fate = lock(&slot.0);
                if let Fate::Waits(waker) = &mut *fate {
                    let replaced = waker.replace(cx.waker().clone());
                    drop(fate);
                    drop(replaced);
                    return Poll::Pending;
                }
                std::mem::replace(&mut *fate, Fate::Seen)
            };
            match seen {
                Fate::Sent(receipt) => self.claim = Claim::Sent(receipt),
                Fate::Settled(outcome) => self.claim = Claim::Settled(outcome),
                // Never: there is one receipt for each slot, and it looks there no more.
                Fate::Waits(_) | Fate::Seen => return Poll::Pending,
            }
        }
        if let Claim::Sent(receipt) = &mut self.claim {
            match Pin::new(receipt).poll(cx) {
                Poll::Ready(outcome) => self.claim = Claim::Settled(outcome),
                Poll::Pending => return Poll::Pending,
            }
        }
        match &self.claim {
            Claim::Settled(outcome) => Poll::Ready(outcome.clone()),
            Claim::Waiting(_) | Claim::Sent(_) => Poll::Pending,
        }
    }
}

impl fmt::Debug for DirectReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.claim {
            Claim::Waiting(_) => "DirectReceipt(waits for its peer)",
            Claim::Sent(_) => "DirectReceipt(with its peer)",
            Claim::Settled(_) => "DirectReceipt(settled)",
        })
    }
}
