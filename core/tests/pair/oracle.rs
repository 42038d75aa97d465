//! The judge of one sending half's outcomes: the dialling end's, or that of the replies of one
//! accepted session. It knows what was accepted, what the receiving application did with each
//! message, and what the wire has shown to the sender; each outcome that the sender announces must
//! follow from that, and nothing may be missing. Written from the contract, not from the machines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use peer_sender_core::{
    Capacity, Epoch, Lane, MessageId, Outcome, RefuseCode, RejectReason, SendLimits, SessionId,
    StopMode, StopReason, Time, Unsent,
};

use crate::admission::Wish;
use crate::classes::Classes;
use crate::receiver_log::{Log, Receiver};
use crate::transport::Conn;
use crate::verdicts::Bites;
use crate::witness::Witness;

/// One accepted message, from all sides.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) lane: u8,
    pub(crate) payload: Bytes,
    pub(crate) accepted_at: Time,
    pub(crate) expires_at: Option<Time>,
    pub(crate) outcome: Option<Outcome>,
    /// A byte of it was in a write.
    pub(crate) begun: bool,
    /// A RESUME has shown that it was not received, and it was not written since.
    pub(crate) proven: bool,
    /// A receiver that has forgotten may have taken it.
    pub(crate) unproven: bool,
    /// What it ends as once it has surely not arrived, and since when nobody wants it to be sent.
    pub(crate) given_up: Option<(Outcome, Time)>,
    /// The connection on which it was first written ahead of RESUME, which does not judge it.
    pub(crate) pipelined_on: Option<Conn>,
    /// On how many connections it was written.
    pub(crate) written: u32,
    /// How often the application was handed it, and what it answered.
    pub(crate) handed: u32,
    pub(crate) accepted: u32,
    pub(crate) refusals: Vec<RefuseCode>,
}

/// The open messages of one lane, and its numbers.
#[derive(Debug, Default)]
pub(crate) struct LaneBooks {
    /// Accepted and without an outcome.
    pub(crate) live: BTreeSet<MessageId>,
    pub(crate) live_bytes: u64,
    pub(crate) begun: u64,
    pub(crate) begun_bytes: u64,
    /// Accepted and without a number yet, in order.
    pub(crate) waiting: VecDeque<MessageId>,
    /// Of the live ones, those that have not begun.
    pub(crate) queue: BTreeSet<MessageId>,
    pub(crate) queue_bytes: usize,
    /// Those that have begun and are given up, by when that was.
    pub(crate) given_up: BTreeSet<(Time, MessageId)>,
    /// The connection that stands on which the receiver has said what it has.
    pub(crate) heard_on: Option<Conn>,
    /// Since when there is none.
    pub(crate) silent_since: Time,
    /// Writes in the lane's own class since the last in another, while a lower one was busy.
    pub(crate) unyielding: u64,
    /// Lanes that have written nothing since this one last wrote.
    pub(crate) stand_still: BTreeSet<u8>,
    pub(crate) next_number: u64,
    /// Whether the session's first OPEN of the lane was written.
    pub(crate) opened: bool,
    pub(crate) record: Option<(Epoch, u64)>,
    /// Messages that waited after the step before, or came since.
    pub(crate) queued_before: u64,
    /// Messages in the order in which the application first saw each.
    pub(crate) seen: Vec<MessageId>,
}

/// What a step said of one message.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Rejected(MessageId, RejectReason, Bytes),
    Settled(MessageId, Outcome),
}

impl Verdict {
    /// Whether the message was left as it was when the sender was stopped.
    pub(crate) fn is_abandonment(&self) -> bool {
        use peer_sender_core::{FailReason, UnknownReason};
        matches!(
            self,
            Self::Settled(
                _,
                Outcome::Failed(FailReason::Stopped | FailReason::Removed)
                    | Outcome::Unknown(UnknownReason::Stopped | UnknownReason::Removed)
            )
        )
    }
}

/// Why a sending half ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    GaveUp,
    SessionForgotten,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) receiver_message_bytes_max: usize,
    pub(crate) limits: SendLimits,
    pub(crate) messages: BTreeMap<MessageId, Message>,
    pub(crate) lanes: BTreeMap<u8, LaneBooks>,
    pub(crate) numbers: BTreeMap<(SessionId, u8, u64), MessageId>,
    pub(crate) session: Option<SessionId>,
    /// The receiver said, in answer to a fresh OPEN, that it knows the session.
    pub(crate) session_refused: bool,
    /// Sessions that the sender has had.
    pub(crate) sessions_seen: u32,
    /// A RESUME of this step has judged a message that it says was not received.
    pub(crate) judged: bool,
    /// What was said on each stream that this half has opened.
    pub(crate) witnesses: BTreeMap<(Conn, u64), Witness>,
    pub(crate) logs: BTreeMap<(Receiver, u8), Log>,
    pub(crate) forgotten: BTreeSet<Receiver>,
    /// The half of each life of the receiving process that was handed the last message.
    pub(crate) current_log: BTreeMap<u32, Receiver>,
    /// What the user asks for in this step.
    pub(crate) wishes: Vec<Wish>,
    /// Open messages by when they expire, but for those that are given up.
    pub(crate) expiries: BTreeSet<(Time, MessageId)>,
    pub(crate) classes: Classes,
    /// What this step must, and what it may, settle.
    pub(crate) due: BTreeMap<MessageId, Outcome>,
    pub(crate) allowed: BTreeMap<MessageId, Outcome>,
    pub(crate) stop_at: Option<Time>,
    /// The strongest way of stopping that was asked for.
    pub(crate) stop_mode: Option<Strength>,
    /// A stop may end before its time, as where nobody can connect any more.
    pub(crate) ends_early: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) closed: bool,
    /// Messages that failed, and were not handed back yet.
    pub(crate) unsent: BTreeSet<MessageId>,
    /// What this step says of its lanes' room.
    pub(crate) rooms: Vec<(Lane, Capacity)>,
    pub(crate) counts: [u64; 6],
    pub(crate) bites: Bites,
    pub(crate) rejected: u64,
}

/// How a stop was asked for; of several the strongest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    Drain,
    Abort,
    Remove,
}

/// What an outcome follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// From what the step was told.
    ByTheStep,
    /// From what was written in it, or from the end behind that.
    ByTheEnd,
}

impl Strength {
    fn of(mode: StopMode) -> Self {
        match mode {
            StopMode::Drain(_) => Self::Drain,
            StopMode::Abort => Self::Abort,
            StopMode::Remove => Self::Remove,
        }
    }
}

impl Message {
    pub(crate) fn new(
        lane: u8,
        payload: Bytes,
        accepted_at: Time,
        expires_at: Option<Time>,
    ) -> Self {
        Self {
            lane,
            payload,
            accepted_at,
            expires_at,
            outcome: None,
            begun: false,
            proven: false,
            unproven: false,
            given_up: None,
            pipelined_on: None,
            written: 0,
            handed: 0,
            accepted: 0,
            refusals: Vec::new(),
        }
    }
}

impl Oracle {
    pub(crate) fn new(limits: SendLimits, receiver_message_bytes_max: usize) -> Self {
        Self {
            receiver_message_bytes_max,
            lanes: (0..limits.lanes)
                .map(|lane| (lane, LaneBooks::default()))
                .collect(),
            limits,
            messages: BTreeMap::new(),
            numbers: BTreeMap::new(),
            session: None,
            session_refused: false,
            sessions_seen: 0,
            judged: false,
            witnesses: BTreeMap::new(),
            logs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            current_log: BTreeMap::new(),
            wishes: Vec::new(),
            expiries: BTreeSet::new(),
            classes: Classes::default(),
            due: BTreeMap::new(),
            allowed: BTreeMap::new(),
            stop_at: None,
            stop_mode: None,
            ends_early: false,
            rooms: Vec::new(),
            ending: None,
            closed: false,
            counts: [0; 6],
            bites: Bites::default(),
            unsent: BTreeSet::new(),
            rejected: 0,
        }
    }

    /// The user is about to end the sender.
    pub(crate) fn stops(&mut self, now: Time, mode: StopMode) {
        let at = match mode {
            StopMode::Drain(within) => now + within,
            StopMode::Abort | StopMode::Remove => now,
        };
        self.stop_at = Some(self.stop_at.map_or(at, |earlier| earlier.min(at)));
        self.stop_mode = self.stop_mode.max(Some(Strength::of(mode)));
    }

    /// Why the sender says that it ends, if messages were `abandoned` at it, or none.
    pub(crate) fn stops_as(&self, abandoned: bool) -> StopReason {
        match self.stop_mode {
            _ if self.ending == Some(Ending::GaveUp) => StopReason::GaveUp,
            Some(Strength::Remove) => StopReason::Removed,
            Some(_) if !abandoned => StopReason::Drained,
            Some(Strength::Abort) => StopReason::Aborted,
            Some(Strength::Drain) => StopReason::DeadlineReached,
            None => panic!("I28 stopped without being asked to"),
        }
    }

    /// What failed at the end is handed back, in the same step.
    pub(crate) fn handed_back(&mut self, unsent: Unsent) {
        let Unsent { id, lane, payload } = unsent;
        let failed = self.unsent.remove(&id);
        assert!(failed, "I4 {id} is handed back, and has not failed");
        self.bites.handed_back += 1;
        let message = &self.messages[&id];
        assert_eq!(
            (message.lane, &message.payload),
            (lane.0, &payload),
            "I5 {id}"
        );
    }

    /// Judges one step's answer; what it wrote is judged by the witnesses afterwards. Of a half that
    /// this step may not have looked at, `stepped` is false: time has done nothing to it then.
    pub(crate) fn answered(&mut self, now: Time, verdicts: Vec<Verdict>, stepped: bool) {
        let mut settled = Vec::new();
        let mut rejected = BTreeMap::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Rejected(id, reason, payload) => {
                    rejected.insert(id, (reason, payload));
                }
                Verdict::Settled(id, outcome) => settled.push((id, outcome)),
            }
        }
        assert!(!self.closed || settled.is_empty(), "I27 {settled:?}");
        self.judge_admission(now, rejected);
        if stepped {
            self.expire(now);
        }
        let mut late = BTreeMap::new();
        for (id, outcome) in settled {
            if self.settled(now, id, &outcome) == Shown::ByTheEnd {
                let message = &self.messages[&id];
                *late.entry(message.lane).or_default() |= !message.begun;
            }
        }
        assert!(
            self.due.is_empty(),
            "I1 {:?} must be told, and is not",
            self.due
        );
        self.note_busy(&late);
    }

    /// I15: after a step nothing is overdue.
    pub(crate) fn check_moments(&self, now: Time) {
        let next = self.next_moment().filter(|_| !self.closed);
        assert!(
            next.is_none_or(|deadline| deadline.at > now),
            "I15 {next:?} of a message is overdue"
        );
    }

    /// What failed at an end was handed back, all of it.
    pub(crate) fn check_handed_back(&self) {
        let unsent = &self.unsent;
        assert!(
            unsent.is_empty(),
            "I28 {unsent:?} failed, and are not handed back"
        );
    }

    /// The first byte of the message is in a write.
    pub(crate) fn begins(&mut self, id: MessageId, conn: Conn, pipelined: bool) {
        let message = self.messages.get_mut(&id).expect("it is numbered");
        assert!(
            !(message.given_up.is_some() && message.proven),
            "I4 {id} is given up and surely lost, and is written again"
        );
        message.proven = false;
        message.written += 1;
        if pipelined {
            message.pipelined_on = Some(conn);
        }
        if !message.begun {
            message.begun = true;
            let books = self.lanes.get_mut(&message.lane).expect("its lane");
            books.begun += 1;
            books.begun_bytes += message.payload.len() as u64;
            self.unqueue(id);
        }
    }

    /// Messages that a RESUME had proven lost when the stop came.
    pub(crate) fn failed_as_proven(&self) -> u64 {
        let proven = self
            .messages
            .values()
            .filter(|message| message.begun && matches!(message.outcome, Some(Outcome::Failed(_))));
        proven.count() as u64
    }

    pub(crate) fn is_live(&self, id: MessageId) -> bool {
        self.lanes.values().any(|books| books.live.contains(&id))
    }

    /// Every message without an outcome.
    pub(crate) fn live(&self) -> BTreeSet<MessageId> {
        let each = self.lanes.values().flat_map(|books| &books.live);
        each.copied().collect()
    }

    /// When the oldest message without an outcome was accepted.
    pub(crate) fn oldest(&self) -> Option<Time> {
        let each = self.lanes.values().filter_map(LaneBooks::oldest);
        each.map(|id| self.messages[&id].accepted_at).min()
    }

    /// Whether anything is open on another lane than this.
    pub(crate) fn is_open_except(&self, deaf: Option<u8>) -> bool {
        let mut others = self.lanes.iter().filter(|(lane, _)| Some(**lane) != deaf);
        others.any(|(_, books)| !books.live.is_empty())
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.lanes.values().all(|books| books.live.is_empty())
    }

    pub(crate) fn lane(&mut self, lane: u8) -> &mut LaneBooks {
        self.lanes.get_mut(&lane).expect("W a lane that is none")
    }

    /// Whether any lane of the session was opened.
    pub(crate) fn is_opened(&self) -> bool {
        self.lanes.values().any(|books| books.opened)
    }

    /// Everything open will be judged by the number alone, in a session of which no receiver
    /// knows: what had begun and was not proven lost is unproven there.
    pub(crate) fn start_over(&mut self, session: SessionId) {
        assert!(
            self.session_refused,
            "S the session changed, and nobody refused it"
        );
        self.session_refused = false;
        self.session = Some(session);
        self.sessions_seen += 1;
        for books in self.lanes.values_mut() {
            books.next_number = 0;
            books.opened = false;
            books.record = None;
            books.waiting = books.live.iter().copied().collect();
            for id in &books.live {
                let message = self.messages.get_mut(id).expect("it is open");
                message.unproven = message.begun && !message.proven;
                message.pipelined_on = None;
            }
        }
    }

    /// The order in which the application first saw each message, lane by lane.
    pub(crate) fn lane_order(&self) -> Vec<Vec<MessageId>> {
        let lanes = self.lanes.values();
        lanes.map(|books| books.seen.clone()).collect()
    }

    /// Outcomes in the order of acceptance.
    pub(crate) fn outcomes(&self) -> Vec<(MessageId, Option<Outcome>)> {
        self.messages
            .iter()
            .map(|(id, message)| (*id, message.outcome.clone()))
            .collect()
    }
}
