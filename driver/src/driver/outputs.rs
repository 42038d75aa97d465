//! What the machine wants: datagrams sent, and events told.

use std::io;
use std::time::Duration;

use peer_sender_core::{PeerEvent, Rejected, StopReason, Time, Unsent};
use peer_sender_quic::{NodeEvent, Output, PeerHandle, PeerId, Source, Target, Transmit};

use super::Driver;
use crate::control::TurnedAway;
use crate::incoming::wake_takers;
use crate::mailbox::failed;
use crate::runtime::Runtime;

/// Send calls in a round.
const SENDS_PER_ROUND: usize = 32;
/// Events told in a round.
const EVENTS_PER_ROUND: usize = 512;
/// For how long a socket that takes nothing is waited for. After that it counts as a path that
/// loses everything: QUIC knows how to deal with one, and only what is sent can be lost and
/// forgotten, so that the node can end.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How far the machine's outputs were followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// To the end.
    All,
    /// To the last event, and as many datagrams as the budget allows.
    Events,
    /// To as many events as the budget allows.
    Some,
    /// To the last event, and a datagram that the socket does not take now.
    Blocked,
}

/// What a round has told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    events: usize,
    /// Messages came in.
    delivered: bool,
}

impl<P: PeerId, R: Runtime> Driver<P, R> {
    /// Sends and tells what the machine has decided.
    pub(super) fn follow_outputs(&mut self, now: Time) -> Outputs {
        let mut told = Told::default();
        let waits = self
            .unsent
            .take()
            .is_some_and(|transmit| !self.send_at_last(now, transmit));
        let reached = match waits {
            true => self.tell_all(now, &mut told),
            false => self.send_and_tell(now, &mut told),
        };
        if told.delivered {
            wake_takers(&self.shared.inbox);
        }
        reached
    }

    /// Does what the machine wants, in its order.
    fn send_and_tell(&mut self, now: Time, told: &mut Told) -> Outputs {
        let mut sends = 0;
        while sends < SENDS_PER_ROUND {
            if told.events == EVENTS_PER_ROUND {
                return self.interrupted(Outputs::Some);
            }
            self.machine.set_segments_max(self.udp.segments_max(sends));
            match self.machine.poll_output(now, &mut self.buffer) {
                Output::Transmit(transmit) => {
                    sends += 1;
                    if !self.send(now, transmit) {
                        return self.interrupted(Outputs::Blocked);
                    }
                }
                Output::Event(event) => self.tell(event, told),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return Outputs::All;
                }
            }
        }
        // Datagrams come after all events.
        self.interrupted(Outputs::Events)
    }

    /// Tells what has happened, while nothing can be sent.
    fn tell_all(&mut self, now: Time, told: &mut Told) -> Outputs {
        while told.events < EVENTS_PER_ROUND {
            let Some(event) = self.machine.poll_event(now) else {
                return self.interrupted(Outputs::Blocked);
            };
            self.tell(event, told);
        }
        self.interrupted(Outputs::Some)
    }

    /// The machine has not come to its timeout, but its timers go on.
    fn interrupted(&mut self, reached: Outputs) -> Outputs {
        self.deadline = self.machine.next_timeout();
        reached
    }

    /// As [`send`](Self::send), for a transmit that has waited.
    fn send_at_last(&mut self, now: Time, transmit: Transmit) -> bool {
        let over = self.send(now, transmit);
        if over {
            self.pause = None;
        }
        over
    }

    /// False if the socket takes nothing now: then the transmit is kept, for a while.
    fn send(&mut self, now: Time, transmit: Transmit) -> bool {
        let mut sent = self.try_send(&transmit);
        if let Err(error) = &sent
            && error.kind() != io::ErrorKind::WouldBlock
        {
            // The system answers a send with what the network reported of an earlier datagram, to
            // whomever that went, and sends nothing.
            self.read_reports();
            sent = self.try_send(&transmit);
        }
        match sent {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let since = *self.blocked.get_or_insert(now);
                let waits = !self.aborting && now < since + PATIENCE;
                self.unsent = waits.then_some(transmit);
                return !waits;
            }
            // A probe for a larger path MTU, which the host itself knows to be too large.
            Err(error) if quinn_udp::is_msg_size_err(&error) => {
                tracing::trace!(to = %transmit.destination, size = transmit.size, %error, "too large");
            }
            Err(error) => self.complaints.sending(now, transmit.destination, &error),
        }
        self.blocked = None;
        true
    }

    fn try_send(&mut self, transmit: &Transmit) -> io::Result<()> {
        let contents = self.buffer.get(..transmit.size).unwrap_or(&self.buffer);
        self.udp.send(transmit, contents)
    }

    fn tell(&mut self, event: NodeEvent<P>, told: &mut Told) {
        told.events += 1;
        match event {
            NodeEvent::Settled { to, settled } => self.peers.settle(to, settled),
            NodeEvent::Transferred { to, transfers } => self.peers.transferred(to, &transfers),
            NodeEvent::Rejected {
                to,
                id,
                lane,
                rejected: Rejected { reason, payload },
            } => {
                tracing::debug!(%id, %reason, "accepted, but too late");
                self.peers.settle(to, vec![(id, failed(self.end_of(to)))]);
                self.peers.hand_back(to, vec![Unsent { id, lane, payload }]);
            }
            NodeEvent::HandedBack { to, unsent } => self.peers.hand_back(to, unsent),
            NodeEvent::Room { to, lane, .. } => self.peers.make_room(&self.machine, to, lane),
            NodeEvent::Peer { peer, event } => self.tell_of_peer(peer, event),
            NodeEvent::Incoming {
                source,
                from,
                messages,
            } => {
                told.delivered = true;
                let back = match source {
                    Source::Session(_) => None,
                    Source::Peer { peer, .. } => self.peers.get(peer),
                };
                self.shared.inbox.deliver(source, from, back, messages);
            }
            NodeEvent::Forgotten { source } => {
                self.shared.inbox.forget(source);
                if let Source::Session(_) = source {
                    let reason = StopReason::SessionForgotten;
                    self.stopped.push((source.target(), reason));
                }
            }
            NodeEvent::InboundRejected { remote, key, error } => {
                tracing::debug!(%remote, %error, "turned a connection away");
                self.shared.turn_away(TurnedAway { remote, key, error });
            }
        }
    }

    fn tell_of_peer(&mut self, peer: PeerHandle, event: PeerEvent) {
        tracing::debug!(?peer, ?event, "news of a peer");
        if let PeerEvent::SenderStopped { reason } = event {
            self.stopped.push((Target::Peer(peer), reason));
        } else if let Some(shared) = self.peers.get(peer) {
            shared.emit(event);
        }
    }

    /// Why whoever takes no more messages has ended, or will.
    fn end_of(&self, target: Target) -> StopReason {
        let mut stopped = self.stopped.iter();
        let known = stopped.find(|(stopped, _)| *stopped == target);
        known.map_or(StopReason::Aborted, |(_, reason)| *reason)
    }
}
