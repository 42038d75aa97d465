//! Whose turn it is: lanes of a higher class let the others go from time to time.

use peer_sender_core::{LANES_MAX, Lane, Priority};

use super::{Oracle, Violation, violated};
use crate::settings::Settings;

/// Of so many writes of a lane in a row, one lets lanes of a lower class go.
const YIELDS_EVERY: u8 = 16;

/// Writes in a row that a lane made in its own class while a lower one had something to send.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns([u8; LANES_MAX as usize]);

impl Oracle {
    /// L4: a lane writes, in this class.
    pub(crate) fn goes(
        &mut self,
        lane: u8,
        class: Priority,
        settings: &Settings,
    ) -> Result<(), Violation> {
        let class_of = |lane: u8| {
            let class = settings.priorities.get(usize::from(lane));
            class.copied().unwrap_or_default()
        };
        let own = class_of(lane);
        let busy = (0..LANES_MAX).filter(|it| self.ledger.is_busy(*it));
        let lowest = busy.map(class_of).min().unwrap_or(own);
        let Some(turns) = self.turns.0.0.get_mut(usize::from(lane)) else {
            return Ok(());
        };
        *turns = match class == own && lowest < own {
            true => *turns + 1,
            false => 0,
        };
        if class != own && class != lowest {
            return violated("L4", format!("{} goes as {class:?}", Lane(lane)));
        }
        match *turns < YIELDS_EVERY {
            true => Ok(()),
            false => violated("L4", format!("{} lets no lower one go", Lane(lane))),
        }
    }
}
