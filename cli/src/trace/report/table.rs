//! What is kept of one accepting node's table of sessions while a trace is read.

use peer_sender_core::trace::{Call, Played, TraceEvent};
use peer_sender_core::{ReceiverStats, SessionNews, Sessions};

use super::columns::{Columns, Counts, Level};
use super::tally::Tally;
use crate::trace::words::error_words;
use crate::trace::words::plain;

/// After so many steps the counters of all sessions are added up again: there may be thousands.
const SUM_EVERY: u64 = 256;

/// What an accepting node did.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) sessions: Columns<Level>,
    pub(super) held: Columns<Level>,
    /// Messages delivered, and refused.
    pub(super) flow: Columns<Counts<2>>,
    pub(super) connections: u64,
    pub(super) sessions_max: u64,
    pub(super) forgotten: u64,
    pub(super) replies_settled: u64,
    pub(super) errors: Tally,
    /// As they were when they were last added up.
    pub(super) stats: ReceiverStats,
    pub(super) remembered: u64,
    steps: u64,
}

impl Table {
    pub(super) fn new(start: u64) -> Self {
        Self {
            sessions: Columns::new(start),
            held: Columns::new(start),
            flow: Columns::new(start),
            connections: 0,
            sessions_max: 0,
            forgotten: 0,
            replies_settled: 0,
            errors: Tally::default(),
            stats: ReceiverStats::default(),
            remembered: 0,
            steps: 0,
        }
    }

    /// Takes a step in, which was at this time. Whether something happened that is worth a look.
    pub(super) fn step(&mut self, time: u64, sessions: &Sessions, played: &Played<'_>) -> bool {
        let before = (self.errors.count(), self.forgotten, self.remembered);
        if matches!(
            played.call,
            Call::Accepted { .. } | Call::AcceptedSharing { .. }
        ) {
            self.connections += 1;
        }
        let (mut delivered, mut refused) = (0, 0);
        for event in &played.events {
            match event {
                TraceEvent::Refused { .. } => refused += 1,
                TraceEvent::ConnectionLost { error, .. } => {
                    self.errors.add(time, &plain(&error_words(error)));
                }
                _ => {}
            }
        }
        for news in played.news {
            match news {
                SessionNews::Delivered { messages, .. } => delivered += messages.len() as u64,
                SessionNews::Settled { settled, .. } => {
                    self.replies_settled += settled.len() as u64;
                }
                SessionNews::Forgotten { .. } => self.forgotten += 1,
                _ => {}
            }
        }
        if delivered + refused > 0 {
            self.flow.add(time, Counts([delivered, refused]));
        }
        self.remembered = sessions.len() as u64;
        self.sessions_max = self.sessions_max.max(self.remembered);
        self.sessions.add(time, Level::of(self.remembered));
        if self.held.is_beyond(time) || self.steps.is_multiple_of(SUM_EVERY) {
            self.add_up(time, sessions);
        }
        self.steps += 1;
        (self.errors.count(), self.forgotten, self.remembered) != before || refused > 0
    }

    /// Adds the counters of all sessions up.
    pub(super) fn add_up(&mut self, time: u64, sessions: &Sessions) {
        self.stats = sessions.stats();
        self.held.add(time, Level::of(self.stats.held_bytes));
    }
}
