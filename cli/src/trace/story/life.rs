//! The life of one message.

use peer_sender_core::{Attempt, Lane, MessageId, Outcome};

use super::{Wait, Waits};

/// A message from its acceptance on. Times are in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(in crate::trace) struct Life {
    pub(in crate::trace) id: MessageId,
    pub(in crate::trace) lane: Lane,
    pub(in crate::trace) bytes: u64,
    pub(in crate::trace) accepted_at: u64,
    /// When its time to live ends, that of the peer's messages or its own.
    pub(in crate::trace) expires_at: Option<u64>,
    /// Messages of its lane that were there before it and had no outcome.
    pub(in crate::trace) ahead: u64,
    /// Of these, those that had been written.
    pub(in crate::trace) ahead_in_flight: u64,
    pub(in crate::trace) cancelled_at: Option<u64>,
    /// Each time that it was written; only the first and the latest times of many.
    pub(in crate::trace) writings: Vec<Writing>,
    pub(in crate::trace) written: u32,
    /// What it waited for until it was first written, or until its outcome if it never was.
    pub(in crate::trace) waited: Waits,
    /// What it waited for from then on.
    pub(in crate::trace) open: Waits,
    /// Its outcome; none if it has none at the end of the trace.
    pub(in crate::trace) outcome: Option<Outcome>,
    /// When that fell, or when the trace ended.
    pub(in crate::trace) ended_at: u64,
    /// Failures of connections that its sender had had when it was accepted, and at its end.
    pub(in crate::trace) failures: (u64, u64),
    /// Where it is now.
    place: Place,
    /// The clock of its lane up to which its own waits are known.
    clock: Waits,
}

/// Where a message is: what holds its lane up holds it up only as long as it is still to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// With us.
    Queued,
    /// Written on a connection that was lost: it is to be written again, unless the peer says that it has
    /// it. In flight it is in either case.
    Lost,
    /// Written, and QUIC does not hold all of it.
    Writing,
    /// On its way, or at the peer.
    Sent,
}

/// A message as it is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOver {
    pub(super) id: MessageId,
    pub(super) lane: Lane,
    pub(super) bytes: u64,
    pub(super) at: u64,
    pub(super) expires_at: Option<u64>,
    pub(super) ahead: u64,
    pub(super) ahead_in_flight: u64,
    /// Failures of connections before.
    pub(super) failures: u64,
}

/// A message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Writing {
    pub(in crate::trace) at: u64,
    pub(in crate::trace) attempt: Attempt,
    /// When QUIC held all of it.
    pub(in crate::trace) taken_at: Option<u64>,
}

/// As many writings of a message are kept.
const WRITINGS_MAX: usize = 16;

impl Life {
    /// Begins, while the clock of its lane stands there.
    pub(super) fn new(new: &HandOver, clock: &Waits) -> Self {
        Self {
            id: new.id,
            lane: new.lane,
            bytes: new.bytes,
            accepted_at: new.at,
            expires_at: new.expires_at,
            ahead: new.ahead,
            ahead_in_flight: new.ahead_in_flight,
            cancelled_at: None,
            writings: Vec::new(),
            written: 0,
            waited: Waits::default(),
            open: Waits::default(),
            outcome: None,
            ended_at: new.at,
            failures: (new.failures, new.failures),
            place: Place::Queued,
            clock: *clock,
        }
    }

    pub(super) fn write(&mut self, at: u64, attempt: Attempt, clock: &Waits) {
        self.pass(clock);
        self.place = Place::Writing;
        self.written += 1;
        if self.writings.len() == WRITINGS_MAX {
            self.writings.pop();
        }
        self.writings.push(Writing {
            at,
            attempt,
            taken_at: None,
        });
    }

    /// QUIC holds all of its latest writing.
    pub(super) fn taken(&mut self, at: u64, clock: &Waits) {
        self.pass(clock);
        self.place = Place::Sent;
        if let Some(writing) = self.writings.last_mut() {
            writing.taken_at.get_or_insert(at);
        }
    }

    /// The connection is lost that it may have been written on.
    pub(super) fn lose(&mut self, clock: &Waits) {
        self.pass(clock);
        self.place = Place::Lost;
    }

    pub(super) fn end(&mut self, at: u64, outcome: Option<Outcome>, clock: &Waits) {
        self.pass(clock);
        self.ended_at = at;
        self.outcome = outcome;
    }

    /// Takes in what its lane has waited for since, as far as that held this message up.
    fn pass(&mut self, clock: &Waits) {
        let passed = clock.since(&self.clock);
        self.clock = *clock;
        let waits = match self.written {
            0 => &mut self.waited,
            _ => &mut self.open,
        };
        for (wait, nanos) in passed.longest() {
            waits.add(self.place.waits_for(wait), nanos);
        }
    }

    /// When it was first written.
    pub(in crate::trace) fn begun_at(&self) -> Option<u64> {
        self.writings.first().map(|writing| writing.at)
    }

    /// How long it took from its acceptance to its outcome.
    pub(in crate::trace) fn took(&self) -> u64 {
        self.ended_at.saturating_sub(self.accepted_at)
    }
}

impl Place {
    /// What a message waits for there, while its lane waits for something.
    fn waits_for(self, lane: Wait) -> Wait {
        match self {
            Self::Queued => lane,
            _ if lane.is_unconnected() || lane == Wait::Resume => lane,
            Self::Writing => Wait::Quic,
            Self::Lost if lane != Wait::FlightFull => lane,
            Self::Lost | Self::Sent => Wait::Answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a lane waits for, for how long, and what happens to a message then.
    type Step = (Wait, u64, fn(&mut Life, &Waits));

    /// What a message waits for before it is written, and from then on.
    fn open(steps: &[Step]) -> [Vec<(Wait, u64)>; 2] {
        let new = HandOver {
            id: MessageId(0),
            lane: Lane(0),
            bytes: 1,
            at: 0,
            expires_at: None,
            ahead: 0,
            ahead_in_flight: 0,
            failures: 0,
        };
        let mut clock = Waits::default();
        let mut life = Life::new(&new, &clock);
        for (wait, nanos, happens) in steps {
            clock.add(*wait, *nanos);
            happens(&mut life, &clock);
        }
        [life.waited.longest(), life.open.longest()]
    }

    fn write(life: &mut Life, clock: &Waits) {
        life.write(0, Attempt(0), clock);
    }

    fn taken(life: &mut Life, clock: &Waits) {
        life.taken(0, clock);
    }

    fn end(life: &mut Life, clock: &Waits) {
        life.end(0, None, clock);
    }

    #[test]
    fn what_holds_those_behind_it_up_does_not_hold_up_what_is_written() {
        let [waited, open] = open(&[
            (Wait::FlightFull, 7, write),
            (Wait::HigherLanes, 1, taken),
            (Wait::FlightFull, 2, |_, _| ()),
            (Wait::Quic, 3, |_, _| ()),
            (Wait::Streams, 4, end),
        ]);
        assert_eq!(waited, [(Wait::FlightFull, 7)]);
        assert_eq!(open, [(Wait::Answers, 9), (Wait::Quic, 1)]);
    }

    #[test]
    fn what_was_lost_waits_with_its_lane_again_but_not_for_room() {
        let [_, open] = open(&[
            (Wait::Connecting, 1, write),
            (Wait::Quic, 1, taken),
            (Wait::Answers, 2, Life::lose),
            (Wait::Backoff, 30, |_, _| ()),
            (Wait::Resume, 4, |_, _| ()),
            (Wait::FlightFull, 5, |_, _| ()),
            (Wait::HigherLanes, 9, write),
            (Wait::Resume, 7, end),
        ]);
        let expected = [
            (Wait::Backoff, 30),
            (Wait::Resume, 11),
            (Wait::HigherLanes, 9),
            (Wait::Answers, 7),
            (Wait::Quic, 1),
        ];
        assert_eq!(open, expected);
    }
}
