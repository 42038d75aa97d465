//! Which message has which number: the numbers of a lane are given out anew in each session of the
//! sender, and by them the same message is known at both ends, whatever its bytes.

use peer_sender_core::SessionId;

/// A session of the sender, by its place among all that it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionPlace(u32);

/// A number that is passed over.
const NOBODY: u64 = u64::MAX;

/// The numbers of every session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    sessions: Vec<SessionId>,
    lanes: Vec<LaneNumbers>,
}

#[derive(Clone, Debug)]
struct LaneNumbers {
    session: SessionPlace,
    lane: u8,
    /// By number.
    ids: Vec<u64>,
    /// The message that has the highest number.
    last: Option<u64>,
}

impl Numbers {
    /// The session of this name.
    pub(crate) fn session(&mut self, name: SessionId) -> SessionPlace {
        let known = self.sessions.iter().rposition(|it| *it == name);
        let place = known.unwrap_or_else(|| {
            self.sessions.push(name);
            self.sessions.len() - 1
        });
        SessionPlace(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The message that has a number.
    pub(super) fn get(&self, session: SessionPlace, lane: u8, number: u64) -> Option<u64> {
        let ids = &self.lane(session, lane)?.ids;
        let id = ids.get(usize::try_from(number).ok()?)?;
        (*id != NOBODY).then_some(*id)
    }

    /// The message of a lane that was given its number last.
    pub(super) fn last(&self, session: SessionPlace, lane: u8) -> Option<u64> {
        self.lane(session, lane)?.last
    }

    /// Gives a message its number, above all that were given.
    pub(super) fn give(&mut self, session: SessionPlace, lane: u8, number: u64, id: u64) {
        let mut known = self.lanes.iter_mut().rev();
        let known = known.find(|it| (it.session, it.lane) == (session, lane));
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        match known {
            Some(known) => {
                known.ids.resize(known.ids.len().max(place), NOBODY);
                known.ids.truncate(place);
                known.ids.push(id);
                known.last = Some(id);
            }
            None => {
                let mut ids = vec![NOBODY; place];
                ids.push(id);
                let last = Some(id);
                self.lanes.push(LaneNumbers {
                    session,
                    lane,
                    ids,
                    last,
                });
            }
        }
    }

    fn lane(&self, session: SessionPlace, lane: u8) -> Option<&LaneNumbers> {
        let mut known = self.lanes.iter().rev();
        known.find(|it| (it.session, it.lane) == (session, lane))
    }
}
