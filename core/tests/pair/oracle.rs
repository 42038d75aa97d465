//! The judge of one sending half's outcomes: the dialling end's, or that of the replies of one
//! accepted session. It knows what was accepted, what the receiving application did with each
//! message, and what the wire has shown to the sender; each outcome that the sender announces must
//! follow from that, and nothing may be missing. Written from the contract, not from the machines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use peer_sender_core::{
    Capacity, Epoch, Lane, MessageId, Outcome, RefuseCode, RejectReason, SendLimits, SessionId,
    StopMode, Time, Unsent,
};

use crate::receiver_log::{Log, Receiver};
use crate::transport::Conn;
use crate::witness::Witness;

/// One accepted message, from all sides.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) lane: u8,
    pub(crate) payload: Bytes,
    pub(crate) outcome: Option<Outcome>,
    /// A byte of it was in a write.
    pub(crate) begun: bool,
    /// A RESUME has shown that it was not received, and it was not written since.
    pub(crate) proven: bool,
    /// A receiver that has forgotten may have taken it.
    pub(crate) unproven: bool,
    /// The user has taken it back.
    pub(crate) cancelled: bool,
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
    pub(crate) next_number: u64,
    /// Whether the session's first OPEN of the lane was written.
    pub(crate) opened: bool,
    pub(crate) record: Option<(Epoch, u64)>,
    /// Messages that waited after the step before, or came since.
    pub(crate) queued: u64,
    /// Messages in the order in which the application first saw each.
    pub(crate) seen: Vec<MessageId>,
}

/// What a step said of one message.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Rejected(MessageId, RejectReason, Bytes),
    Settled(MessageId, Outcome),
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
    /// This step's messages, and whether a stop came before each.
    offered: Vec<(MessageId, (u8, Bytes, bool))>,
    /// Those of them that are taken back in the same step.
    unwanted: BTreeSet<MessageId>,
    /// What this step must, and what it may, settle.
    pub(crate) due: BTreeMap<MessageId, Outcome>,
    pub(crate) allowed: BTreeMap<MessageId, Outcome>,
    /// Cancelled in this step, in time.
    pub(crate) taken_back: BTreeSet<MessageId>,
    pub(crate) stop_at: Option<Time>,
    /// A stop may end before its time, as where nobody can connect any more.
    pub(crate) ends_early: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) closed: bool,
    /// Whether the one message of this step must be accepted.
    pub(crate) alone_fits: Option<bool>,
    /// Messages that failed, and were not handed back yet.
    pub(crate) unsent: BTreeSet<MessageId>,
    /// What this step says of its lanes' room.
    pub(crate) rooms: Vec<(Lane, Capacity)>,
    pub(crate) counts: [u64; 6],
    pub(crate) rejected: u64,
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
            offered: Vec::new(),
            unwanted: BTreeSet::new(),
            due: BTreeMap::new(),
            allowed: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            stop_at: None,
            ends_early: false,
            alone_fits: None,
            rooms: Vec::new(),
            ending: None,
            closed: false,
            counts: [0; 6],
            unsent: BTreeSet::new(),
            rejected: 0,
        }
    }

    /// The user is about to hand a message over.
    pub(crate) fn offered(&mut self, id: MessageId, lane: u8, payload: &Bytes) {
        let stopped = self.stop_at.is_some();
        self.offered.push((id, (lane, payload.clone(), stopped)));
    }

    /// The user is about to take a message back: at once if it has not begun.
    pub(crate) fn cancelled(&mut self, id: MessageId) {
        if self.offered.iter().any(|(offered, _)| *offered == id) {
            self.unwanted.insert(id);
        }
        if !self.is_live(id) {
            return;
        }
        let message = self.messages.get_mut(&id).expect("it is open");
        message.cancelled = true;
        if !message.begun {
            self.taken_back.insert(id);
        }
    }

    /// The user is about to end the sender.
    pub(crate) fn stops(&mut self, now: Time, mode: StopMode) {
        let at = match mode {
            StopMode::Drain(within) => now + within,
            StopMode::Abort | StopMode::Remove => now,
        };
        self.stop_at = Some(self.stop_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// What failed at the end is handed back, in the same step.
    pub(crate) fn handed_back(&mut self, unsent: Unsent) {
        let Unsent { id, lane, payload } = unsent;
        let failed = self.unsent.remove(&id);
        assert!(failed, "I4 {id} is handed back, and has not failed");
        let message = &self.messages[&id];
        assert_eq!(
            (message.lane, &message.payload),
            (lane.0, &payload),
            "I5 {id}"
        );
    }

    /// Judges one step's answer; what it wrote is judged by the witnesses afterwards.
    pub(crate) fn answered(&mut self, now: Time, verdicts: Vec<Verdict>) {
        let unsent = &self.unsent;
        assert!(
            unsent.is_empty(),
            "I28 {unsent:?} failed, and are not handed back"
        );
        let alone = self.alone_fits.take();
        let mut settled = Vec::new();
        let mut rejected = Vec::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Rejected(id, reason, payload) => rejected.push((id, reason, payload)),
                Verdict::Settled(id, outcome) => settled.push((id, outcome)),
            }
        }
        assert!(!self.closed || settled.is_empty(), "I27 {settled:?}");
        self.judge_admission(rejected, alone);
        for (id, outcome) in settled {
            self.settled(now, id, &outcome);
        }
        assert!(
            self.due.is_empty(),
            "I1 the wire has shown {:?}, and it is not told",
            self.due
        );
        let taken_back = std::mem::take(&mut self.taken_back);
        assert!(
            !taken_back.iter().any(|id| self.is_live(*id)),
            "I1 of {taken_back:?} one was not begun, and is not cancelled"
        );
    }

    fn judge_admission(
        &mut self,
        rejected: Vec<(MessageId, RejectReason, Bytes)>,
        alone_fits: Option<bool>,
    ) {
        let mut offered: BTreeMap<_, _> = std::mem::take(&mut self.offered).into_iter().collect();
        let unwanted = std::mem::take(&mut self.unwanted);
        let offers = offered.len();
        for (id, reason, payload) in rejected {
            let (_, handed_back, stopped) = offered.remove(&id).expect("I8 nobody offered it");
            assert_eq!(handed_back, payload, "I8 another message came back");
            self.rejected += 1;
            let bytes = payload.len();
            let max = self.limits.message_bytes_max;
            let fits = bytes <= max;
            match reason {
                RejectReason::Stopped => {
                    assert!(stopped || self.ending.is_some(), "I8 nobody stopped it");
                }
                RejectReason::TooLarge { .. } => assert!(!fits, "I8 {bytes} is within {max}"),
                RejectReason::QueueFull => {
                    assert!(fits && alone_fits != Some(true), "I8 there was room");
                }
                other => panic!("I8 rejected because of {other}"),
            }
        }
        if offers == 1 && offered.len() == 1 {
            assert_ne!(alone_fits, Some(false), "I8 accepted beyond its limits");
        }
        for (id, (lane, payload, stopped)) in offered {
            assert!(!stopped, "I28 {id} was accepted after a stop");
            let books = self.lanes.get_mut(&lane).expect("I8 a lane that is none");
            books.live_bytes += payload.len() as u64;
            books.live.insert(id);
            books.waiting.push_back(id);
            books.queued += 1;
            let message = Message {
                lane,
                payload,
                outcome: None,
                begun: false,
                proven: false,
                unproven: false,
                cancelled: unwanted.contains(&id),
                pipelined_on: None,
                written: 0,
                handed: 0,
                accepted: 0,
                refusals: Vec::new(),
            };
            assert!(
                self.messages.insert(id, message).is_none(),
                "I1 {id} accepted twice"
            );
            if unwanted.contains(&id) {
                self.taken_back.insert(id);
            }
        }
    }

    /// The first byte of the message is in a write.
    pub(crate) fn begins(&mut self, id: MessageId, conn: Conn, pipelined: bool) {
        let message = self.messages.get_mut(&id).expect("it is numbered");
        assert!(
            !(message.cancelled && message.proven),
            "I4 {id} is taken back and surely lost, and is written again"
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
