//! The sender's end: the messages for one receiver.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use indicatif::ProgressBar;
use peer_sender_tokio::{PeerEvent, PeerSender, StopMode};
use ring::digest::{self, Digest};
use tokio::sync::watch;
use tokio::time::{self, MissedTickBehavior};

use super::{Id, first_number};
use crate::runtime::Node;
use crate::transfer::source::MadeUp;
use crate::transfer::{Fate, NotAMessage, Pump, Source, Tally};

/// One receiver's messages under way.
pub(super) struct Flow {
    id: Id,
    peer: PeerSender,
    node: Node<Id>,
    count: u64,
    size: usize,
    bar: ProgressBar,
}

/// What the sender knows at the end.
#[derive(Debug)]
pub(super) struct FlowEnd {
    pub(super) id: Id,
    pub(super) tally: Tally,
    /// Of all messages that were accepted, in the order of hand-over.
    pub(super) digest: Digest,
    pub(super) reconnects: u64,
}

impl Flow {
    /// Something is wrong that waiting does not mend.
    const STALLED_MAX: Duration = Duration::from_secs(30);

    pub(super) fn new(
        id: Id,
        peer: PeerSender,
        node: Node<Id>,
        count: u64,
        size: usize,
        bar: ProgressBar,
    ) -> Self {
        Self {
            id,
            peer,
            node,
            count,
            size,
            bar,
        }
    }

    /// Ends when each message has its outcome. `ends` says when to stop before, and how.
    pub(super) async fn run(self, mut ends: watch::Receiver<Option<StopMode>>) -> FlowEnd {
        let Self {
            id,
            peer,
            node,
            count,
            size,
            bar,
        } = self;
        let mut events = peer.events();
        let (mut connected, mut stopped) = (0u64, false);
        let source = Digested::new(MadeUp::new(first_number(id), count, size));
        let mut pump = Pump::new(vec![peer.clone()], source, move || node.now());
        let mut tick = time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = |mode| {
            let peer = peer.clone();
            tokio::spawn(async move { peer.stop(mode).await });
        };
        loop {
            tokio::select! {
                biased;
                Ok(()) = ends.changed() => if let Some(mode) = *ends.borrow_and_update() {
                    pump.withdraw();
                    stop(mode);
                },
                event = events.next(), if !stopped => match event {
                    Some(PeerEvent::Connected { .. }) => {
                        connected += 1;
                        bar.set_message(if connected > 1 { "connected again" } else { "connected" });
                    }
                    Some(PeerEvent::Disconnected { error, .. }) => {
                        bar.set_message(error.to_string());
                    }
                    Some(_) => {}
                    None => stopped = true,
                },
                () = poll_fn(|cx| pump.poll(cx)) => break,
                _ = tick.tick() => {
                    bar.set_position(pump.tally().count(Fate::Delivered));
                    if pump.stalled_for() >= Self::STALLED_MAX {
                        pump.withdraw();
                        stop(StopMode::Abort);
                    }
                }
            }
        }
        bar.set_position(pump.tally().count(Fate::Delivered));
        let accepted = pump.tally().accepted_count();
        FlowEnd {
            id,
            tally: pump.tally().clone(),
            digest: pump.source().digest_of(accepted),
            reconnects: connected.saturating_sub(1),
        }
    }
}

/// A rolling SHA-256 over the messages that were handed over.
struct Digested {
    inner: MadeUp,
    given: u64,
    /// Without the last one given, which may yet come back unaccepted.
    digest: digest::Context,
    last: Option<Bytes>,
}

impl Digested {
    fn new(inner: MadeUp) -> Self {
        Self {
            inner,
            given: 0,
            digest: digest::Context::new(&digest::SHA256),
            last: None,
        }
    }

    /// Of the first `accepted` messages: all that were given, or all but the last.
    fn digest_of(&self, accepted: u64) -> Digest {
        let mut digest = self.digest.clone();
        if let Some(last) = self.last.as_ref().filter(|_| accepted == self.given) {
            digest.update(last);
        }
        digest.finish()
    }
}

impl Source for Digested {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        let message = self.inner.next();
        if let Some(message) = &message {
            if let Some(accepted) = self.last.replace(message.clone()) {
                self.digest.update(&accepted);
            }
            self.given += 1;
        }
        Poll::Ready(message.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn sha256(parts: &[Bytes]) -> Vec<u8> {
        digest::digest(&digest::SHA256, &parts.concat())
            .as_ref()
            .to_vec()
    }

    #[test]
    fn the_digest_is_of_what_was_accepted() {
        let mut plain = MadeUp::new(0, 3, 16);
        let all: Vec<Bytes> = std::iter::from_fn(|| plain.next()).collect();
        let mut source = Digested::new(MadeUp::new(0, 3, 16));
        assert_eq!(source.digest_of(0).as_ref(), sha256(&[]));
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(_)) = source.poll_next(&mut cx) {}
        assert_eq!(source.digest_of(3).as_ref(), sha256(&all));
        assert_eq!(source.digest_of(2).as_ref(), sha256(&all[..2]));
    }
}
