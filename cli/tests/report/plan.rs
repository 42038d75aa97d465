//! A night of several senders and accepting nodes, recorded in virtual time: the same bytes each
//! time it is made.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use peer_sender_core::trace::{Recorder, RecorderConfig};
use peer_sender_core::{Config, Event, LinkError, StopMode, Time};

use crate::night::{App, Dialled, Night, Setting};

/// 29 November 2026, 22:00:00 UTC.
pub(crate) const EVENING: u64 = 1_795_989_600_000_000_000;

/// Everything that somebody does happens at a multiple of it.
const TURN: Duration = Duration::from_millis(50);
/// As long goes on after the stop.
const FAREWELL: Duration = Duration::from_secs(5);

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

    fn night(&self, recorder: &Rc<RefCell<Recorder>>) -> Night {
        let setting = Setting {
            name: self.name.clone(),
            node: format!("node of {}", self.name),
            config: self.config.clone(),
            evening: EVENING,
            one_way: Duration::from_millis(2),
            refused: Some(97),
        };
        let mut night = Night::set(setting, Rc::clone(recorder));
        night.app = App::Each(self.consume);
        night
    }

    /// What somebody does at this moment, and all that comes of it until the next.
    fn turn(&self, now: Time, night: &mut Night) {
        if now > self.until + FAREWELL {
            return;
        }
        if self.restarts.contains(&now) {
            night.lose(LinkError::Reset);
            night.restart_peer();
        }
        let mut faults = self.faults.iter();
        let fault = faults.find(|(from, to, _)| (*from..*to).contains(&now));
        if let Some((_, _, error)) = fault.filter(|(from, ..)| *from == now) {
            night.lose(error.clone());
        }
        night.dialled = match fault {
            None => Dialled::Answered,
            Some((_, _, LinkError::ConnectTimeout)) => Dialled::Silent,
            Some((_, _, error)) => Dialled::Fails(error.clone()),
        };
        let nanos = now.as_nanos();
        if nanos.is_multiple_of(self.every.as_nanos() as u64) && now < self.until {
            self.send(night);
        }
        if now == self.until {
            let mode = StopMode::Drain(Duration::from_secs(2));
            night.tell(Event::Stop { mode });
        }
        night.run(TURN);
    }

    /// A message, and from time to time many at once.
    fn send(&self, night: &mut Night) {
        let sent = night.sent();
        let burst = if sent % 100 == 50 { 40 } else { 1 };
        let ids = sent..(sent + burst).min(self.messages);
        if ids.is_empty() {
            return;
        }
        let messages = ids.map(|id| ((id % 2) as u8, 40 + (id as usize * 37) % 900));
        night.hand_over(messages, self.ttl);
    }
}

/// The trace of all of these from the same evening on.
pub(crate) fn trace(config: RecorderConfig, plans: &[Plan]) -> Vec<u8> {
    let recorder = Rc::new(RefCell::new(Recorder::new(config)));
    let mark = "<i>lights out</i>\u{202e}".to_owned();
    recorder.borrow_mut().mark(EVENING, mark);
    let mut nights: Vec<_> = plans.iter().map(|plan| plan.night(&recorder)).collect();
    let end = plans.iter().map(|plan| plan.until).max().unwrap() + FAREWELL;
    let mut now = Time::ZERO;
    while now <= end {
        for (plan, night) in plans.iter().zip(&mut nights) {
            plan.turn(now, night);
        }
        now = now + TURN;
    }
    drop(nights);
    taken(&mut recorder.borrow_mut())
}

/// All that was recorded, or what a flight recorder has of it.
pub(crate) fn taken(recorder: &mut Recorder) -> Vec<u8> {
    let mut bytes = Vec::new();
    recorder.take(&mut bytes);
    recorder.dump().unwrap_or(bytes)
}
