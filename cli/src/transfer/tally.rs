//! What became of the messages.

use std::fmt::Write;
use std::ops::RangeInclusive;

use peer_sender_tokio::{Outcome, Time};

use crate::figures::thousands;
use crate::latency::Latency;

/// What a message can come to, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Written,
    Expired,
    Cancelled,
    Refused,
    Failed,
    Unknown,
}

impl Fate {
    /// In the order of their declaration, which is that of reports.
    pub(crate) const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Written,
        Self::Expired,
        Self::Cancelled,
        Self::Refused,
        Self::Failed,
        Self::Unknown,
    ];

    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered(_) => Self::Delivered,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Expired => Self::Expired,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unknown(_) => Self::Unknown,
            Outcome::Written => Self::Written,
        }
    }

    /// Whether it is the best that its protocol tells.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Delivered | Self::Written)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Written => "written",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// What it means for whoever must decide what to do now.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Delivered => "the receiving application accepted them",
            Self::Written => "the peer's transport has them; nobody says that they were read",
            Self::Expired => "their time was over before they were sent",
            Self::Cancelled => "withdrawn before they were sent",
            Self::Refused => "the receiver does not want them; see its log before sending again",
            Self::Failed => "they surely did not arrive; send them again",
            Self::Unknown => "they may have arrived; look there before sending them again",
        }
    }
}

/// The count of each fate, and which messages were not delivered.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    accepted: u64,
    not_accepted: u64,
    fates: [Numbers; Fate::ALL.len()],
    latency: Latency,
    /// The first hand-over and the last outcome.
    span: Option<(Time, Time)>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            accepted: 0,
            not_accepted: 0,
            fates: Default::default(),
            latency: Latency::new(),
            span: None,
        }
    }

    /// Counts a message that was accepted; returns its number, from 1, as traces number them.
    pub(crate) fn accepted(&mut self, now: Time) -> u64 {
        self.span.get_or_insert((now, now));
        self.accepted += 1;
        self.accepted
    }

    pub(crate) fn not_accepted(&mut self) {
        self.not_accepted += 1;
    }

    pub(crate) fn settled(&mut self, number: u64, outcome: &Outcome, since: Time, now: Time) {
        let fate = Fate::of(outcome);
        if let Some(numbers) = self.fates.get_mut(fate as usize) {
            numbers.insert(number);
        }
        if fate.is_good() {
            self.latency.record(now.saturating_since(since));
        }
        if let Some((_, last)) = &mut self.span {
            *last = now;
        }
    }

    pub(crate) fn accepted_count(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn not_accepted_count(&self) -> u64 {
        self.not_accepted
    }

    pub(crate) fn count(&self, fate: Fate) -> u64 {
        self.fates
            .get(fate as usize)
            .map_or(0, |numbers| numbers.count)
    }

    /// How many came to the best that their protocol tells.
    pub(crate) fn good(&self) -> u64 {
        self.count(Fate::Delivered) + self.count(Fate::Written)
    }

    /// The numbers of the messages of a fate, in words.
    pub(crate) fn which(&self, fate: Fate) -> String {
        self.fates
            .get(fate as usize)
            .map_or_else(String::new, Numbers::words)
    }

    pub(crate) fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The first hand-over and the last outcome.
    pub(crate) fn span(&self) -> Option<(Time, Time)> {
        self.span
    }

    /// From the first hand-over to the last outcome.
    pub(crate) fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(first, last)| {
            last.saturating_since(first).as_secs_f64()
        })
    }

    /// Whether all that was to be sent was delivered, or is written where nobody tells more.
    pub(crate) fn is_all_good(&self) -> bool {
        self.not_accepted == 0 && self.good() == self.accepted
    }
}

/// Message numbers as ranges; beyond some ranges only their count is kept.
#[derive(Clone, Debug, Default)]
struct Numbers {
    count: u64,
    ranges: Vec<RangeInclusive<u64>>,
    unlisted: u64,
}

impl Numbers {
    const RANGES_MAX: usize = 16;

    fn insert(&mut self, number: u64) {
        self.count += 1;
        if let Some(last) = self.ranges.last_mut().filter(|_| self.unlisted == 0)
            && *last.end() + 1 == number
        {
            *last = *last.start()..=number;
        } else if self.ranges.len() < Self::RANGES_MAX {
            self.ranges.push(number..=number);
        } else {
            self.unlisted += 1;
        }
    }

    fn words(&self) -> String {
        let mut words = String::new();
        for range in &self.ranges {
            let comma = if words.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = match range.start() == range.end() {
                true => write!(words, "{comma}{}", range.start()),
                false => write!(words, "{comma}{}-{}", range.start(), range.end()),
            };
        }
        if self.unlisted > 0 {
            let _ = write!(words, " and {} more", thousands(self.unlisted));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_sender_tokio::{FailReason, Level, RefuseCode, UnknownReason};

    use super::*;

    #[test]
    fn each_outcome_counts_once_under_its_name() {
        let mut tally = Tally::new();
        let outcomes = [
            Outcome::Delivered(Level::Application),
            Outcome::Delivered(Level::Application),
            Outcome::Refused(RefuseCode::Application),
            Outcome::Failed(FailReason::Stopped),
            Outcome::Unknown(UnknownReason::Stopped),
        ];
        for outcome in &outcomes {
            let number = tally.accepted(Time::from_secs(1));
            tally.settled(number, outcome, Time::from_secs(1), Time::from_secs(3));
        }
        let counts = Fate::ALL.map(|fate| (fate.name(), tally.count(fate)));
        assert_eq!(
            counts.iter().map(|(_, count)| count).sum::<u64>(),
            tally.accepted_count()
        );
        assert_eq!(counts.map(|(_, count)| count), [2, 0, 0, 0, 1, 1, 1]);
        assert_eq!(tally.which(Fate::Delivered), "1-2");
        assert_eq!(tally.which(Fate::Unknown), "5");
        assert_eq!(tally.seconds(), 2.0);
        assert!(!tally.is_all_good());
        // Only what was delivered has a latency.
        let two_seconds = Duration::from_secs(2).as_micros() as u64;
        assert!(tally.latency().percentiles().max.unwrap() >= two_seconds);
    }

    #[test]
    fn what_was_not_accepted_was_not_delivered() {
        let mut tally = Tally::new();
        assert!(tally.is_all_good());
        tally.not_accepted();
        assert!(!tally.is_all_good());
    }

    #[test]
    fn numbers_are_listed_in_bounded_space() {
        let mut numbers = Numbers::default();
        (0..5).for_each(|number| numbers.insert(number));
        assert_eq!(numbers.words(), "0-4");
        (0..1_000_000).for_each(|step| numbers.insert(10 + 2 * step));
        assert_eq!(numbers.ranges.len(), Numbers::RANGES_MAX);
        assert!(
            numbers.words().ends_with(", 36, 38 and 999,985 more"),
            "{}",
            numbers.words()
        );
    }
}
