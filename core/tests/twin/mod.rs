//! Machines that may be followed by twins: at random steps a twin is made again from its image, and
//! in each it does what the machine does (I18), but for the bytes of payloads.

use std::ops::Deref;

use bytes::Bytes;
#[cfg(feature = "trace")]
use peer_sender_core::trace::Image;
use peer_sender_core::wire::{Decoder, Item};
use peer_sender_core::{
    Action, Attempt, Event, IncomingMessage, PeerKey, PeerSenderMachine, Protocol, SessionHandle,
    SessionNews, Sessions, StopMode, Time,
};

/// A sender that may have a twin.
pub(crate) struct Sender(Pair<PeerSenderMachine>);

/// A table of sessions that may have a twin.
pub(crate) struct Table(Pair<Sessions>);

struct Pair<M> {
    machine: M,
    twin: Option<Twin<M>>,
}

struct Twin<M> {
    machine: M,
    /// One of a damaged image, which is told the same and must stand it (I25).
    stray: Option<M>,
    protocol: Protocol,
    /// What the next steps are drawn from.
    random: u64,
}

impl Sender {
    pub(crate) fn new(machine: PeerSenderMachine, protocol: Protocol, followed: bool) -> Self {
        Self(Pair::new(machine, protocol, followed))
    }

    pub(crate) fn handle(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let events: Vec<Event> = events.into_iter().collect();
        self.0.step(actions, |it, actions| {
            it.handle(now, events.clone(), actions);
        });
    }
}

impl Table {
    pub(crate) fn new(machine: Sessions, protocol: Protocol, followed: bool) -> Self {
        Self(Pair::new(machine, protocol, followed))
    }

    pub(crate) fn accepted(
        &mut self,
        now: Time,
        attempt: Attempt,
        key: PeerKey,
        actions: &mut Vec<Action>,
    ) {
        self.0.step(actions, |it, actions| {
            it.accepted(now, attempt, key, actions);
        });
    }

    pub(crate) fn handle_connection(
        &mut self,
        now: Time,
        attempt: Attempt,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let events: Vec<Event> = events.into_iter().collect();
        self.0.step(actions, |it, actions| {
            it.handle_connection(now, attempt, events.clone(), actions);
        });
    }

    pub(crate) fn handle_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let events: Vec<Event> = events.into_iter().collect();
        self.0.step(actions, |it, actions| {
            it.handle_session(now, session, events.clone(), actions);
        });
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.0
            .step(actions, |it, actions| it.handle_timeout(now, actions));
    }

    #[allow(dead_code, reason = "not every table is stopped")]
    pub(crate) fn stop(&mut self, now: Time, mode: StopMode, actions: &mut Vec<Action>) {
        self.0
            .step(actions, |it, actions| it.stop(now, mode, actions));
    }

    pub(crate) fn poll_news(&mut self) -> Option<SessionNews> {
        let news = self.0.machine.poll_news();
        if let Some(stray) = self.0.twin.as_mut().and_then(|it| it.stray.as_mut()) {
            while stray.poll_news().is_some() {}
        }
        if let Some(twin) = &mut self.0.twin {
            let of_twin = twin.machine.poll_news();
            assert_eq!(
                of_twin.map(without_payload),
                news.clone().map(without_payload)
            );
        }
        news
    }
}

impl<M: Clone + Followed> Pair<M> {
    fn new(machine: M, protocol: Protocol, followed: bool) -> Self {
        let twin = Twin {
            machine: machine.clone(),
            stray: None,
            protocol,
            random: 1,
        };
        Self {
            twin: followed.then_some(twin),
            machine,
        }
    }

    fn step(&mut self, actions: &mut Vec<Action>, step: impl Fn(&mut M, &mut Vec<Action>)) {
        let before = actions.len();
        if let Some(twin) = &mut self.twin
            && twin.below(3) == 0
        {
            twin.machine = twin.machine.restored(&self.machine);
            let stray = self.machine.damaged(&mut |bound| twin.below(bound));
            twin.stray = stray.or(twin.stray.take());
        }
        step(&mut self.machine, actions);
        if let Some(twin) = &mut self.twin {
            let mut of_twin = Vec::new();
            step(&mut twin.machine, &mut of_twin);
            let done = |actions: &[Action]| -> Vec<_> {
                let each = actions.iter();
                each.map(|action| outline(action, twin.protocol)).collect()
            };
            assert_eq!(done(&of_twin), done(&actions[before..]), "I18");
            if let Some(stray) = &mut twin.stray {
                step(stray, &mut Vec::new());
                stray.look();
            }
        }
    }
}

impl<M> Twin<M> {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = self.random.wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }
}

/// A machine that can be made again from its image.
pub(crate) trait Followed: Sized {
    /// The machine of its image, which is that of the `straight` one too.
    fn restored(&self, straight: &Self) -> Self;

    /// A machine of its image in which something was changed, if that is one.
    fn damaged(&self, draw: &mut dyn FnMut(u64) -> u64) -> Option<Self>;

    /// Looks at all of it: nothing may make that panic.
    fn look(&self);
}

/// A machine that can be asked for all that it says of itself.
#[cfg(feature = "trace")]
pub(crate) trait Asked {
    fn ask(&self);
}

#[cfg(feature = "trace")]
impl Asked for PeerSenderMachine {
    fn ask(&self) {
        self.canonical();
        self.snapshot();
        self.next_deadline();
    }
}

#[cfg(feature = "trace")]
impl Asked for Sessions {
    fn ask(&self) {
        self.canonical();
        self.stats();
        self.next_deadline();
    }
}

#[cfg(feature = "trace")]
impl<M: Image + Asked> Followed for M {
    fn restored(&self, straight: &Self) -> Self {
        let (mut image, mut of_straight) = (Vec::new(), Vec::new());
        self.save(&mut image);
        straight.save(&mut of_straight);
        assert!(image == of_straight, "I18 the twin has another state");
        let restored = Self::restore(&image).unwrap();
        image.clear();
        restored.save(&mut image);
        assert!(
            image == of_straight,
            "I18 an image of the same state differs"
        );
        restored
    }

    fn damaged(&self, draw: &mut dyn FnMut(u64) -> u64) -> Option<Self> {
        const TRIES: u64 = 4;
        let mut image = Vec::new();
        self.save(&mut image);
        (0..TRIES).find_map(|_| {
            let mut image = image.clone();
            for _ in 0..=draw(2) {
                let at = 2 + draw(image.len() as u64 - 2) as usize;
                image[at] = match draw(4) {
                    0 => image[at].wrapping_add(1),
                    1 => image[at].wrapping_sub(1),
                    2 => image[at] ^ 1 << draw(8),
                    _ => draw(256) as u8,
                };
            }
            Self::restore(&image).ok()
        })
    }

    fn look(&self) {
        self.ask();
    }
}

#[cfg(not(feature = "trace"))]
impl<M: Clone> Followed for M {
    fn restored(&self, _: &Self) -> Self {
        self.clone()
    }

    fn damaged(&self, _: &mut dyn FnMut(u64) -> u64) -> Option<Self> {
        None
    }

    fn look(&self) {}
}

impl Deref for Sender {
    type Target = PeerSenderMachine;

    fn deref(&self) -> &PeerSenderMachine {
        &self.0.machine
    }
}

impl Deref for Table {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.0.machine
    }
}

/// An action without what is in payloads; with the chunks of a write and the frames in them.
pub(crate) fn outline(action: &Action, protocol: Protocol) -> (Action, Vec<usize>, Vec<Item>) {
    let mut action = action.clone();
    let (mut lengths, mut items) = (Vec::new(), Vec::new());
    match &mut action {
        Action::Write { chunks, .. } => {
            let chunks = std::mem::take(chunks);
            lengths = chunks.iter().map(Bytes::len).collect();
            if protocol == Protocol::Lanes {
                items = frames(&chunks);
            }
        }
        Action::Deliver(message) => blank(&mut message.payload),
        Action::HandBack(unsent) => blank(&mut unsent.payload),
        Action::Reject { payload, .. } => blank(payload),
        Action::Connect { .. }
        | Action::ScheduleBackoff { .. }
        | Action::Emit(_)
        | Action::Settle { .. }
        | Action::Room { .. }
        | Action::ForgetDelivered
        | Action::PauseReading { .. }
        | Action::ResumeReading { .. }
        | Action::Probe { .. }
        | Action::ResetStream { .. }
        | Action::StopSending { .. }
        | Action::Close { .. } => {}
    }
    (action, lengths, items)
}

/// The frames of a write, which holds whole ones.
fn frames(chunks: &[Bytes]) -> Vec<Item> {
    let mut bytes = Bytes::from(chunks.concat());
    let mut decoder = Decoder::default();
    let mut items = Vec::new();
    while let Some(item) = decoder.next(&mut bytes).unwrap() {
        items.push(match item {
            Item::Message(payload) => Item::Message(vec![0; payload.len()].into()),
            Item::Frame(_) | Item::MessageBegins { .. } => item,
        });
    }
    items
}

fn without_payload(mut news: SessionNews) -> SessionNews {
    match &mut news {
        SessionNews::Delivered { messages, .. } => {
            let payloads = messages.iter_mut();
            payloads.for_each(|IncomingMessage { payload, .. }| blank(payload));
        }
        SessionNews::HandedBack { unsent, .. } => {
            unsent.iter_mut().for_each(|it| blank(&mut it.payload));
        }
        SessionNews::Rejected { rejected, .. } => blank(&mut rejected.payload),
        SessionNews::Settled { .. } | SessionNews::Room { .. } | SessionNews::Forgotten { .. } => {}
    }
    news
}

fn blank(payload: &mut Bytes) {
    *payload = vec![0; payload.len()].into();
}
