//! What a replay may hold of messages that were received.
//!
//! A trace names payloads by their lengths, so that few bytes of it may ask for very many. What machines
//! hold is bounded by their configuration, which is the trace's as well, and by a node that does not read
//! on where it was asked to pause. So a replay counts both, and ends where no node would have gone on.

use alloc::collections::BTreeMap;

use super::event::TraceEvent;
use super::record::MachineId;
use super::replay::MachineState;
use crate::{Action, Attempt, StreamId};

/// The most bytes of received messages that the machines of a replay may hold together.
const HELD_MAX: u64 = 1 << 30;

/// The most bytes that may have come of streams that were to be paused, all together.
const PAUSED_MAX: u64 = 256 << 20;

/// What a machine may receive before it is looked at again.
const NOTED_MIN: u64 = 64 << 10;

/// What the machines of a replay hold.
#[derive(Debug, Default)]
pub(super) struct Hold {
    held: BTreeMap<MachineId, u64>,
    held_total: u64,
    /// What each has received since it was looked at.
    brought: BTreeMap<MachineId, u64>,
    /// Streams that are to be paused, and what has come of them since.
    paused: BTreeMap<(MachineId, Attempt, StreamId), u64>,
    paused_total: u64,
}

impl Hold {
    /// Counts what a step has brought, before it is done. False if it is too much.
    pub(super) fn receive(&mut self, machine: MachineId, events: &[TraceEvent]) -> bool {
        for event in events {
            if let TraceEvent::BytesReceived {
                attempt, stream, ..
            } = *event
                && let Some(came) = self.paused.get_mut(&(machine, attempt, stream))
            {
                let bytes = event.received();
                *came = came.saturating_add(bytes);
                self.paused_total = self.paused_total.saturating_add(bytes);
            }
            if let TraceEvent::ConnectionLost { attempt, .. } = *event {
                self.forget(machine, attempt);
            }
        }
        self.paused_total <= PAUSED_MAX
    }

    /// Looks at what the machine holds after a step. False if all hold too much.
    pub(super) fn settle(
        &mut self,
        machine: MachineId,
        state: &MachineState,
        events: &[TraceEvent],
        actions: &[Action],
    ) -> bool {
        for action in actions {
            if let Action::PauseReading { attempt, stream } = *action {
                self.paused.entry((machine, attempt, stream)).or_default();
            } else if let Action::ResumeReading { attempt, stream } = *action {
                self.resume((machine, attempt, stream));
            } else if let Action::Close { attempt, .. } = *action {
                self.forget(machine, attempt);
            }
        }
        let brought = self.brought.entry(machine).or_default();
        let received = events.iter().map(TraceEvent::received);
        *brought = received.fold(*brought, u64::saturating_add);
        if *brought >= NOTED_MIN {
            *brought = 0;
            let now = state.held_bytes();
            let before = self.held.insert(machine, now).unwrap_or_default();
            self.held_total = (self.held_total - before).saturating_add(now);
        }
        self.held_total <= HELD_MAX
    }

    /// The machine takes part no more.
    pub(super) fn leave(&mut self, machine: MachineId) {
        self.held_total -= self.held.remove(&machine).unwrap_or_default();
        self.brought.remove(&machine);
        while let Some((&place, _)) = self
            .paused
            .range((machine, Attempt(0), StreamId::FIRST)..)
            .next()
            && place.0 == machine
        {
            self.resume(place);
        }
    }

    fn forget(&mut self, machine: MachineId, attempt: Attempt) {
        while let Some((&place, _)) = self
            .paused
            .range((machine, attempt, StreamId::FIRST)..)
            .next()
            && (place.0, place.1) == (machine, attempt)
        {
            self.resume(place);
        }
    }

    fn resume(&mut self, place: (MachineId, Attempt, StreamId)) {
        let came = self.paused.remove(&place).unwrap_or_default();
        self.paused_total = self.paused_total.saturating_sub(came);
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;

    use bytes::Bytes;

    use super::*;
    use crate::trace::{Content, Piece};
    use crate::{CloseCode, Config, Event, LinkError, PeerSenderMachine, Protocol, Side, Time};

    const ATTEMPT: Attempt = Attempt(0);
    const STREAM: StreamId = StreamId {
        opener: Side::Remote,
        index: 0,
    };

    fn sender() -> PeerSenderMachine {
        let config = Config::builder("192.0.2.1:4433".parse().unwrap());
        let framed = config.build().unwrap().with_protocol(Protocol::Framed);
        PeerSenderMachine::new(framed.unwrap(), [7; 32])
    }

    /// A sender that has read a reply of so many bytes, which its application has not answered.
    fn holding(bytes: u32) -> MachineState {
        let (attempt, stream) = (ATTEMPT, STREAM);
        let mut framed = bytes.to_be_bytes().to_vec();
        framed.resize(framed.len() + bytes as usize, 0);
        let received = Event::BytesReceived {
            attempt,
            stream,
            bytes: Bytes::from(framed),
            fin: false,
        };
        let mut machine = sender();
        let mut actions = Vec::new();
        machine.handle(Time::ZERO, [], &mut actions);
        let opened = Event::StreamOpened { attempt, stream };
        let events = [Event::Connected { attempt }, opened, received];
        machine.handle(Time::ZERO, events, &mut actions);
        MachineState::Sender(Box::new(machine))
    }

    fn received(bytes: u64) -> [TraceEvent; 1] {
        [TraceEvent::BytesReceived {
            attempt: ATTEMPT,
            stream: STREAM,
            pieces: vec![Piece::Payload(Content::Length(bytes))],
            fin: false,
        }]
    }

    #[test]
    fn all_machines_together_may_hold_so_much() {
        let state = holding(4 << 20);
        let each = state.held_bytes();
        assert!(each >= 4 << 20);
        let most = HELD_MAX / each;
        let (mut hold, events) = (Hold::default(), received(NOTED_MIN));
        for machine in (0..most).map(MachineId) {
            assert!(hold.settle(machine, &state, &events, &[]), "{machine:?}");
        }
        let (first, next) = (MachineId(0), MachineId(most));
        assert!(hold.settle(first, &state, &events, &[]), "it counts once");
        assert!(!hold.settle(next, &state, &events, &[]));
        hold.leave(first);
        assert!(hold.settle(next, &state, &events, &[]));
    }

    #[test]
    fn a_stream_that_is_to_be_paused_may_bring_so_much() {
        let (attempt, stream, machine) = (ATTEMPT, STREAM, MachineId(0));
        let state = MachineState::Sender(Box::new(sender()));
        let mut hold = Hold::default();
        assert!(
            hold.receive(machine, &received(2 * PAUSED_MAX)),
            "it is read"
        );
        let over = [
            Action::ResumeReading { attempt, stream },
            Action::Close {
                attempt,
                code: CloseCode::Done,
                reason: Default::default(),
            },
        ];
        for over in over {
            let pause = Action::PauseReading { attempt, stream };
            hold.settle(machine, &state, &[], &[pause]);
            assert!(hold.receive(machine, &received(PAUSED_MAX)));
            assert!(!hold.receive(machine, &received(1)));
            hold.settle(machine, &state, &[], &[over]);
            assert!(hold.receive(machine, &received(PAUSED_MAX + 1)));
        }
        let pause = Action::PauseReading { attempt, stream };
        hold.settle(machine, &state, &[], &[pause]);
        let error = LinkError::IdleTimeout;
        let lost = TraceEvent::ConnectionLost { attempt, error };
        assert!(!hold.receive(machine, &received(PAUSED_MAX + 1)));
        assert!(hold.receive(machine, &[lost]));
    }

    #[test]
    fn a_machine_that_leaves_takes_its_own_with_it_and_nobody_elses() {
        let [before, leaving, behind] = [1, 2, 3].map(MachineId);
        let mut hold = Hold::default();
        for (machine, bytes) in [(before, 1), (leaving, 10), (leaving, 20), (behind, 100)] {
            let place = (machine, Attempt(bytes), StreamId::FIRST);
            hold.paused.insert(place, bytes);
            hold.paused_total += bytes;
            hold.held_total += bytes;
            *hold.held.entry(machine).or_default() += bytes;
        }
        hold.leave(leaving);
        assert_eq!((hold.paused_total, hold.held_total), (101, 101));
        let left: Vec<MachineId> = hold.paused.keys().map(|place| place.0).collect();
        assert_eq!(left, [before, behind]);
    }
}
