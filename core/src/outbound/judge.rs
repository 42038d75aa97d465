//! What a RESUME proves of the messages that earlier connections left open.

use super::OutboundLane;
use super::message::{Evidence, Slot};
use crate::wire::Resume;
use crate::{Level, Outcome, Redelivery, UnknownReason};

impl OutboundLane {
    /// Judges each open number below `end`, all written on earlier connections (`docs/wire.md`,
    /// judgement).
    ///
    /// The receiver's word about what it has not received is proof only while its memory is the
    /// one that we were last told of: a record that was lost and made anew knows nothing of what
    /// its forerunner took. Of the first RESUME that is ever heard nothing is known but that, before
    /// it, one connection alone has carried messages, that of the fresh OPEN: a record that stands
    /// above the stream's `base` has heard that one.
    pub(super) fn judge(&mut self, end: u64, base: u64, resume: &Resume, redelivery: Redelivery) {
        self.decide_below(
            resume.taken.min(end),
            &Outcome::Delivered(Level::Application),
        );
        let record = (resume.epoch, resume.record);
        let known = self.record.replace(record);
        let same_memory = match known {
            Some(known) => known == record || broken!(RecordIgnored),
            None => resume.next > base,
        };
        for number in resume.next.max(self.first)..end {
            let Some(index) = self.index(number) else {
                continue;
            };
            let Some(begun) = self.flight.get_mut(index).and_then(Slot::begun_mut) else {
                continue;
            };
            begun.evidence = match begun.evidence {
                // It was not written since, so that no other record can know of it either.
                Evidence::NotReceived => Evidence::NotReceived,
                Evidence::None if same_memory => Evidence::NotReceived,
                Evidence::None | Evidence::Unproven => Evidence::Unproven,
            };
            match (begun.evidence, begun.given_up) {
                (Evidence::NotReceived, Some(given_up)) => {
                    self.decide(number, given_up.why.outcome());
                }
                (Evidence::Unproven, _)
                    if redelivery == Redelivery::AtMostOnce && !broken!(AtMostOnceRepeats) =>
                {
                    self.decide(number, Outcome::Unknown(UnknownReason::Forgotten));
                }
                _ => {}
            }
        }
    }
}
