//! How a sending half stands: what it waits for, and whether it is done.

use super::carrier::{Carrier, is_heard};
use super::plain::PlainStreams;
use super::{LaneStream, Outbound, OutboundLane};
use crate::{Attempt, Deadline, Holdup, Lane, Protocol, Time, Timer};

impl Outbound {
    /// The earliest moment at which time does something to a message, or the first answer to an
    /// OPEN is overdue.
    pub(crate) fn next_deadline(&self) -> Option<Deadline> {
        let lanes = (0..).map(Lane).zip(&self.lanes);
        let of_lanes = lanes.filter_map(|(number, lane)| {
            lane.next_deadline(&self.limits.policy, is_heard(&self.carrier, number))
        });
        let timer = Timer::Resume;
        let of_streams = self.resume_due().map(|at| Deadline { at, timer });
        let trust = self.carrier.as_ref().and_then(Carrier::framed);
        let trusted = trust.and_then(|it| it.trust_due()).map(|at| Deadline {
            at,
            timer: Timer::Trust,
        });
        let earliest = of_lanes.chain(of_streams).chain(trusted).min();
        earliest.filter(|deadline| deadline.at < Time::MAX)
    }

    /// When the oldest message without an outcome was accepted.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.lanes.iter().filter_map(OutboundLane::oldest).min()
    }

    /// The connection that carries the lanes.
    pub(crate) fn carrier(&self) -> Option<Attempt> {
        self.carrier.as_ref().map(|carrier| carrier.attempt)
    }

    /// When the first answer to an OPEN is overdue.
    pub(crate) fn resume_due(&self) -> Option<Time> {
        self.streams().filter_map(LaneStream::resume_due).min()
    }

    /// Whether each stream of the connection has ended: our FIN was written, and the way back is
    /// over. So it is where there is none.
    pub(crate) fn is_complete(&self) -> bool {
        self.carrier.as_ref().is_none_or(Carrier::is_complete)
    }

    /// Whether there are streams, and our FIN was written on all of them.
    pub(crate) fn is_finished(&self) -> bool {
        match self.protocol {
            Protocol::Lanes => {
                self.streams().next().is_some() && self.streams().all(LaneStream::is_finished)
            }
            // Each message is written with its FIN.
            Protocol::Plain => {
                let carried = self.messages().map_or(0, PlainStreams::len);
                carried > 0 && self.queued().0 == 0 && self.in_flight().0 == carried
            }
            // There is no FIN: all is written that there is.
            Protocol::Framed => {
                let stream = self.carrier.as_ref().and_then(Carrier::framed);
                let last = self.lanes.iter().filter_map(OutboundLane::newest).max();
                last.is_some()
                    && self.queued().0 == 0
                    && stream.is_some_and(|stream| last <= stream.last)
            }
        }
    }

    /// Whether QUIC has not taken the last write of a stream.
    pub(crate) fn is_writing(&self) -> bool {
        self.carrier.as_ref().is_some_and(Carrier::is_writing)
    }

    /// Whether a fresh OPEN has no answer: a close with code 1 then says that the session is known
    /// to the receiver.
    pub(crate) fn awaits_first_resume(&self) -> bool {
        self.streams().any(LaneStream::awaits_first_resume)
    }

    /// Whether every accepted message has its outcome.
    pub(crate) fn is_settled(&self) -> bool {
        self.lanes.iter().all(OutboundLane::is_settled)
    }

    /// What messages wait for on a connection that stands.
    pub(crate) fn holdup(&self) -> Holdup {
        if self.is_settled() {
            Holdup::NothingToDo
        } else if self.is_writing() {
            Holdup::QuicBlocked
        } else if self.resume_due().is_some() {
            Holdup::AwaitsResume
        } else if self.queued().0 > 0 {
            Holdup::FlightFull
        } else {
            match self.protocol {
                Protocol::Lanes => Holdup::AwaitsReceipts,
                Protocol::Plain | Protocol::Framed => Holdup::AwaitsAcknowledgement,
            }
        }
    }

    /// Messages and bytes that wait to be written.
    pub(crate) fn queued(&self) -> (usize, usize) {
        self.lanes
            .iter()
            .map(OutboundLane::queued)
            .fold((0, 0), sum)
    }

    /// Messages and bytes that are written and not settled.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        let each = self.lanes.iter().map(OutboundLane::in_flight);
        each.fold((0, 0), sum)
    }

    fn messages(&self) -> Option<&PlainStreams> {
        self.carrier.as_ref().and_then(Carrier::plain)
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &LaneStream> {
        self.carrier.iter().flat_map(Carrier::lanes)
    }
}

fn sum(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0 + other.0, one.1 + other.1)
}
