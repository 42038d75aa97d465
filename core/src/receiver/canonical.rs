//! Receivers' states compared across histories.

use core::time::Duration;

use super::PeerReceiverMachine;
use super::phase::Phase;
use crate::Time;
use crate::inbound::Allowance;

/// A receiver's state without its history: times are relative to now, connections and writes are
/// named by their order. Machines of one configuration, session and record with equal canonical
/// states answer the same further events alike, up to those names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverCanonical(PeerReceiverMachine);

impl ReceiverCanonical {
    pub(super) fn alone(machine: &PeerReceiverMachine) -> Self {
        let Self(mut machine) = Self::at(machine, machine.now);
        machine.outbound.renumber();
        Self(machine)
    }

    /// The machine in a table of sessions whose last step was at `now`: what other ends know of
    /// its replies is left as it is, and what the table sets anew for each step counts for nothing.
    pub(super) fn in_table(machine: &PeerReceiverMachine, now: Time) -> Self {
        let Self(mut machine) = Self::at(machine, now);
        machine.allow(Allowance { bytes: 0, first: 0 });
        Self(machine)
    }

    fn at(machine: &PeerReceiverMachine, now: Time) -> Self {
        let mut machine = machine.clone();
        if let Phase::Draining { deadline } = machine.phase {
            let left = deadline.saturating_since(now);
            machine.phase = Phase::Draining {
                deadline: Time::ZERO + left,
            };
        }
        machine.transfers = 0;
        let carrier = machine.inbound.rename(machine.outbound.carrier());
        // Nobody is told how old replies are.
        machine.outbound.rename(now, Duration::ZERO, carrier);
        machine.now = Time::ZERO;
        Self(machine)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::wire::{Frame, Open, encode_message_head};
    use crate::{Attempt, Epoch, Event, ReceiverConfig, SessionId, Side, StopMode, StreamId};

    /// A machine that holds one message, was stopped, and came to that by this connection.
    fn by_way_of(attempt: u64, at: Time) -> PeerReceiverMachine {
        let (session, attempt) = (SessionId([1; 16]), Attempt(attempt));
        let config = ReceiverConfig::default();
        let mut machine =
            PeerReceiverMachine::new(config, session, Epoch([2; 16]), 0, SessionId([3; 16]));
        let mut bytes = Vec::new();
        Frame::Open(Open {
            fresh: true,
            session,
            lane: 0,
            base: 0,
        })
        .encode(&mut bytes);
        encode_message_head(2, &mut bytes);
        bytes.extend(b"hi");
        let stream = StreamId {
            opener: Side::Remote,
            index: 0,
        };
        let events = [
            Event::Connected { attempt },
            Event::StreamOpened { attempt, stream },
            Event::BytesReceived {
                attempt,
                stream,
                bytes: Bytes::from(bytes),
                fin: false,
            },
        ];
        let stop = Event::Stop {
            mode: StopMode::Drain(Duration::from_secs(7)),
        };
        machine.handle(at, events, &mut Vec::new());
        machine.handle(at, [stop], &mut Vec::new());
        machine
    }

    #[test]
    fn names_and_times_make_no_difference_and_the_rest_does() {
        let early = by_way_of(3, Time::from_secs(1));
        let late = by_way_of(90, Time::from_secs(500));
        assert_ne!(early, late);
        assert_eq!(early.canonical(), late.canonical());
        let mut less_time = late.clone();
        less_time.handle(Time::from_secs(501), [Event::TimerFired], &mut Vec::new());
        assert_ne!(late.canonical(), less_time.canonical());
    }
}
