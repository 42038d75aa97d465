//! What was accepted, and the driver has not taken.

use std::collections::VecDeque;

use peer_sender_core::{Lane, MessageId};

use super::Queued;

/// Messages by lane, each lane's in the order of the ids: whoever looks for one of a lane never
/// passes those of another. As an iterator it gives them up in the order of the ids.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    lanes: Vec<VecDeque<Queued>>,
}

impl Accepted {
    /// Appends a message; its id is the highest.
    pub(super) fn push(&mut self, message: Queued) {
        let lane = usize::from(message.lane.0);
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, VecDeque::new);
        }
        if let Some(messages) = self.lanes.get_mut(lane) {
            messages.push_back(message);
        }
    }

    /// Takes the oldest message of a lane.
    pub(super) fn pop(&mut self, lane: Lane) -> Option<Queued> {
        self.lanes.get_mut(usize::from(lane.0))?.pop_front()
    }

    /// Takes the message out if it is here. Moves what is before or behind it in its lane, which is
    /// no more than the limits of a queue allow, and is little where the driver has had its turn.
    pub(super) fn remove(&mut self, id: MessageId) -> Option<Queued> {
        self.lanes.iter_mut().find_map(|messages| {
            let place = messages.binary_search_by_key(&id, |message| message.id);
            messages.remove(place.ok()?)
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// Keeps room for at most twice this many in each lane.
    pub(crate) fn shrink(&mut self, enough: usize) {
        for messages in &mut self.lanes {
            if messages.capacity() > 2 * enough {
                messages.shrink_to(enough);
            }
        }
    }
}

impl Iterator for Accepted {
    type Item = Queued;

    fn next(&mut self) -> Option<Queued> {
        let lanes = self.lanes.iter_mut().filter(|it| !it.is_empty());
        let first = lanes.min_by_key(|it| it.front().map(|message| message.id))?;
        first.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}
