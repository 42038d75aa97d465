//! A night of several senders and accepting nodes, recorded in virtual time: the same bytes each
//! time it is made.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::trace::{Recorder, RecorderConfig};
use peer_sender_core::{Config, LinkError, Time};

use crate::pair::Pair;

/// 29 November 2026, 22:00:00 UTC.
pub(crate) const EVENING: u64 = 1_795_989_600_000_000_000;

/// What somebody makes of a peer.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) config: Config,
    /// From when to when the peer cannot be reached, and why.
    pub(crate) faults: Vec<(Time, Time, LinkError)>,
    /// When the accepting node is started anew, and remembers nothing.
    pub(crate) restarts: Vec<Time>,
    /// How many messages, one every so often.
    pub(crate) messages: u64,
    pub(crate) every: Duration,
    pub(crate) ttl: Option<Duration>,
    /// How long its application takes over a message.
    pub(crate) consume: Duration,
    pub(crate) until: Time,
}

impl Plan {
    pub(crate) fn new(name: &str, port: u16) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 7], port));
        Self {
            name: name.to_owned(),
            config: Config::new(address).unwrap(),
            faults: Vec::new(),
            restarts: Vec::new(),
            messages: 400,
            every: Duration::from_millis(50),
            ttl: None,
            consume: Duration::from_millis(1),
            until: Time::from_secs(30),
        }
    }
}

/// The trace of all of these from the same evening on.
pub(crate) fn trace(config: RecorderConfig, plans: &[Plan]) -> Vec<u8> {
    let recorder = RefCell::new(Recorder::new(config));
    let mark = "<i>lights out</i>\u{202e}".to_owned();
    recorder.borrow_mut().mark(EVENING, mark);
    let each = plans.iter().enumerate();
    let mut pairs: Vec<_> = each
        .map(|(seed, plan)| Pair::new(&recorder, plan, seed as u8 + 1))
        .collect();
    while let Some(pair) = pairs
        .iter_mut()
        .filter(|pair| pair.next().is_some())
        .min_by_key(|pair| pair.next())
    {
        pair.turn();
    }
    taken(&mut recorder.into_inner())
}

/// All that was recorded, or what a flight recorder has of it.
pub(crate) fn taken(recorder: &mut Recorder) -> Vec<u8> {
    let mut bytes = Vec::new();
    recorder.take(&mut bytes);
    recorder.dump().unwrap_or(bytes)
}
