//! What is written on each connection, read as it is written and judged by `docs/wire.md`; and
//! what the sender has read of it, from which its verdicts must follow.

use peer_sender_core::{
    Epoch, Level, MessageId, Outcome, Redelivery, RefuseCode, SessionId, UnknownReason,
};

use crate::frames::{Piece, Reader};
use crate::oracle::Oracle;
use crate::receiver_log::Receiver;
use crate::transport::Conn;

/// At most that much of any one message goes out before RESUME.
const PIPELINED_BYTES_MAX: usize = 64 << 10;

/// One stream, from both ends.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    out: Reader,
    back: Reader,
    read: Reader,
    pub(crate) session: Option<SessionId>,
    pub(crate) lane: u8,
    fresh: bool,
    base: u64,
    /// The number of the next MESSAGE.
    position: u64,
    /// The message that is being written, and how much of it was.
    writing: Option<(MessageId, usize)>,
    fin: bool,
    /// The way back has ended, or was cut.
    pub(crate) over: bool,
    /// What the sender has read: RESUME.next, the last `taken`, refusals.
    resumed: Option<u64>,
    taken_read: u64,
    refusals_read: Vec<(u64, u64)>,
    /// What the receiver has written: the last `taken`, none before RESUME.
    taken_written: Option<u64>,
}

impl Witness {
    /// A fresh OPEN that no RESUME has answered: a close with code 1 refuses the session.
    pub(crate) fn awaits_first_resume(&self) -> bool {
        self.session.is_some() && self.fresh && self.resumed.is_none()
    }

    /// Whether the sender's FIN is written.
    pub(crate) fn is_finished(&self) -> bool {
        self.fin
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed.is_some()
    }
}

impl Oracle {
    /// Judges what the sender writes.
    pub(crate) fn sender_wrote(&mut self, name: (Conn, u64), bytes: &[u8], fin: bool) {
        let mut witness = self.witnesses.remove(&name).unwrap_or_default();
        assert!(!witness.fin, "W bytes behind FIN");
        for piece in witness.out.read(bytes) {
            self.piece_out(name.0, &mut witness, piece);
        }
        if fin {
            assert!(witness.out.is_between_frames(), "W FIN inside a frame");
            let books = self.lane(witness.lane);
            assert!(books.waiting.is_empty(), "W FIN before {:?}", books.waiting);
            assert_eq!(
                witness.position, books.next_number,
                "W FIN before the last number"
            );
            witness.fin = true;
        }
        self.witnesses.insert(name, witness);
    }

    fn piece_out(&mut self, conn: Conn, witness: &mut Witness, piece: Piece) {
        if let Piece::Open {
            fresh,
            session,
            lane,
            base,
        } = piece
        {
            assert!(witness.session.is_none(), "W a second OPEN");
            return self.opens(conn, witness, (fresh, session, lane, base));
        }
        let session = witness.session.expect("W OPEN comes first");
        let at_once = self.limits.policy.redelivery == Redelivery::AtLeastOnce;
        assert!(
            witness.fresh && at_once || witness.is_resumed(),
            "W {piece:?} before RESUME"
        );
        match piece {
            Piece::MessageBegins { length } => {
                let number = witness.position;
                if let Some(next) = witness.resumed {
                    assert!(number >= next, "W number {number} is held, SKIP is missing");
                }
                let id = self.number(session, witness.lane, number);
                assert!(self.is_live(id), "W {id} is settled and written again");
                let payload = &self.messages[&id].payload;
                assert_eq!(
                    payload.len() as u64,
                    length,
                    "W the length of {id} is another"
                );
                self.begins(id, conn, witness.fresh);
                witness.writing = Some((id, 0));
            }
            Piece::Payload(part) => {
                let (id, written) = witness
                    .writing
                    .as_mut()
                    .expect("a message is being written");
                let payload = &self.messages[id].payload;
                let end = *written + part.len();
                assert!(
                    payload[*written..end] == part[..],
                    "I5 {id} is written otherwise"
                );
                *written = end;
                let ahead = witness.resumed.is_none() && end > PIPELINED_BYTES_MAX;
                assert!(!ahead, "W too much of {id} before RESUME");
            }
            Piece::MessageEnds => {
                witness.writing = None;
                witness.position += 1;
            }
            Piece::Skip { count } => {
                assert!(count > 0, "W SKIP 0");
                for number in witness.position..witness.position + count {
                    let held = witness.resumed.is_some_and(|next| number < next);
                    let id = self.numbers.get(&(session, witness.lane, number));
                    let id = id.unwrap_or_else(|| panic!("W SKIP of {number}, never given out"));
                    assert!(
                        held || !self.is_live(*id),
                        "W SKIP of {id}, which is missing"
                    );
                }
                witness.position += count;
            }
            other => panic!("W {other:?} from the sender"),
        }
    }

    fn opens(
        &mut self,
        conn: Conn,
        witness: &mut Witness,
        (fresh, session, lane, base): (bool, SessionId, u64, u64),
    ) {
        match self.session {
            Some(known) if known == session => {}
            Some(_) => self.start_over(session),
            None => {
                self.session = Some(session);
                self.sessions_seen = 1;
            }
        }
        let others = self.witnesses.range((conn, 0)..=(conn, u64::MAX));
        for (_, other) in others {
            assert_eq!(other.session, Some(session), "W two sessions");
            assert_ne!(u64::from(other.lane), lane, "W a lane is opened twice");
        }
        let lane = u8::try_from(lane).expect("W a lane that is none");
        let books = self.lane(lane);
        assert_eq!(fresh, !books.opened, "W only the first OPEN ever is fresh");
        books.opened = true;
        let next_number = books.next_number;
        let first = (session, lane, 0);
        let mut numbered = self.numbers.range(first..=(session, lane, u64::MAX));
        let lowest = numbered.find(|(_, id)| self.lanes[&lane].live.contains(id));
        let lowest = lowest.map_or(next_number, |((_, _, number), _)| *number);
        assert_eq!(base, lowest, "W base is the lowest open number");
        witness.session = Some(session);
        witness.lane = lane;
        witness.fresh = fresh;
        witness.base = base;
        witness.position = base;
    }

    /// The session that this half has named on a connection.
    pub(crate) fn session_on(&self, conn: Conn) -> Option<SessionId> {
        let mut streams = self.witnesses.range((conn, 0)..=(conn, u64::MAX));
        streams.find_map(|(_, witness)| witness.session)
    }

    /// A close with code 1 in answer to a fresh OPEN lets the sender change its session.
    pub(crate) fn note_refused_session(&mut self, conn: Conn) {
        let mut streams = self.witnesses_of(conn);
        let refused = streams.any(Witness::awaits_first_resume);
        drop(streams);
        if refused {
            self.session_refused = true;
            self.lose_session();
        }
    }

    /// What was said on each stream of a connection.
    pub(crate) fn witnesses_of(&self, conn: Conn) -> impl Iterator<Item = &Witness> {
        let streams = self.witnesses.range((conn, 0)..=(conn, u64::MAX));
        streams.map(|(_, witness)| witness)
    }

    /// The message with this number: the next in order if the number is new.
    fn number(&mut self, session: SessionId, lane: u8, number: u64) -> MessageId {
        if let Some(id) = self.numbers.get(&(session, lane, number)) {
            return *id;
        }
        let books = self.lane(lane);
        assert_eq!(number, books.next_number, "W a number was left out");
        let id = books
            .waiting
            .pop_front()
            .expect("I5 a message that nobody sent");
        books.next_number += 1;
        self.numbers.insert((session, lane, number), id);
        id
    }

    /// Notes what the sender is about to read, and what it must conclude.
    pub(crate) fn sender_reads(&mut self, name: (Conn, u64), bytes: &[u8]) {
        let mut witness = self.witnesses.remove(&name).unwrap_or_default();
        for piece in witness.read.read(bytes) {
            match piece {
                Piece::Resume {
                    epoch,
                    record,
                    taken,
                    next,
                    ..
                } => {
                    witness.resumed = Some(next);
                    witness.taken_read = taken;
                    if !witness.over {
                        self.hears(name.0, witness.lane);
                    }
                    self.judge(name.0, &witness, (epoch, record), taken, next);
                }
                Piece::Receipt { taken } => self.receipt(&mut witness, taken),
                Piece::Refuse { number, code } => {
                    witness.refusals_read.push((number, code));
                    let refused = Outcome::Refused(RefuseCode::from_wire(code));
                    if let Some(id) = self.open_number(&witness, number) {
                        self.allowed.insert(id, refused);
                    }
                }
                other => panic!("W {other:?} from the receiver"),
            }
        }
        self.witnesses.insert(name, witness);
    }

    fn receipt(&mut self, witness: &mut Witness, taken: u64) {
        for number in witness.taken_read..taken {
            let refusal = witness
                .refusals_read
                .iter()
                .find(|(refused, _)| *refused == number);
            if let Some(id) = self.open_number(witness, number) {
                let outcome = match refusal {
                    Some((_, code)) => Outcome::Refused(RefuseCode::from_wire(*code)),
                    None => Outcome::Delivered(Level::Application),
                };
                self.allowed.remove(&id);
                self.due.insert(id, outcome);
            }
        }
        witness.taken_read = taken;
    }

    /// The judgement of `docs/wire.md`: what a RESUME says of earlier connections' messages.
    fn judge(
        &mut self,
        conn: Conn,
        witness: &Witness,
        record: (Epoch, u64),
        taken: u64,
        next: u64,
    ) {
        let session = witness.session.expect("RESUME answers OPEN");
        let lane = witness.lane;
        let books = self.lanes.get_mut(&lane).expect("its lane");
        // Of a lane that no RESUME was heard of, one connection alone has carried messages.
        let same_memory = match books.record {
            Some(known) => known == record,
            None => next > witness.base,
        };
        let at_most_once = self.limits.policy.redelivery == Redelivery::AtMostOnce;
        let unknown = Outcome::Unknown(UnknownReason::Forgotten);
        books.record = Some(record);
        let first = (session, lane, 0);
        for ((_, _, number), id) in self.numbers.range(first..=(session, lane, u64::MAX)) {
            let message = self.messages.get_mut(id).expect("it is numbered");
            if !books.live.contains(id) || message.pipelined_on == Some(conn) {
                continue;
            }
            if *number < taken {
                self.due.insert(*id, Outcome::Delivered(Level::Application));
            } else if *number >= next {
                // What is surely lost, and was not written since, no other record can know of.
                if !message.proven {
                    message.unproven |= !same_memory;
                    message.proven = !message.unproven;
                }
                let ends_as = match &message.given_up {
                    Some((outcome, _)) if message.proven => Some(outcome.clone()),
                    // Sent once, and never again.
                    _ if message.unproven && at_most_once => Some(unknown.clone()),
                    Some(_) | None => None,
                };
                self.due.extend(ends_as.map(|outcome| (*id, outcome)));
                self.judged = true;
            }
        }
    }

    fn open_number(&self, witness: &Witness, number: u64) -> Option<MessageId> {
        let id = self
            .numbers
            .get(&(witness.session?, witness.lane, number))?;
        self.is_live(*id).then_some(*id)
    }

    /// Judges what the receiver writes in answer to the sender. Says which memory it claims to
    /// have, if it does.
    pub(crate) fn receiver_wrote(
        &mut self,
        name: (Conn, u64),
        receiver: Receiver,
        bytes: &[u8],
        fin: bool,
    ) -> Option<(u64, Epoch, u64)> {
        let mut witness = self.witnesses.remove(&name).unwrap_or_default();
        let pieces = witness.back.read(bytes);
        let receipts = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Receipt { .. }));
        assert!(receipts.count() <= 1, "W two RECEIPTs in one step");
        let mut named = None;
        for piece in pieces {
            if let Piece::Resume { epoch, record, .. } = &piece {
                named = Some((u64::from(witness.lane), *epoch, *record));
            }
            self.piece_back(&mut witness, receiver, piece);
        }
        assert!(
            !fin || witness.back.is_between_frames(),
            "W FIN inside a frame"
        );
        self.witnesses.insert(name, witness);
        named
    }

    fn piece_back(&mut self, witness: &mut Witness, receiver: Receiver, piece: Piece) {
        let base = witness.base;
        match piece {
            Piece::Resume {
                taken,
                next,
                message_bytes_max,
                ..
            } => {
                assert!(witness.taken_written.is_none(), "W a second RESUME");
                let limit = self.receiver_message_bytes_max as u64;
                assert_eq!(message_bytes_max, limit, "W limit");
                assert!(taken <= next && next >= base, "W RESUME out of order");
                for number in base..next {
                    self.expect_in_log(witness, receiver, number, taken);
                }
                witness.taken_written = Some(taken);
            }
            Piece::Receipt { taken } => {
                let before = witness.taken_written.expect("W RESUME comes first");
                assert!(taken >= before, "W RECEIPT going back");
                for number in before.max(base)..taken {
                    self.expect_in_log(witness, receiver, number, taken);
                }
                witness.taken_written = Some(taken);
            }
            Piece::Refuse { number, code } => {
                let told = witness.taken_written.expect("W RESUME comes first");
                assert!(number >= told, "W REFUSE of {number} behind its RECEIPT");
                let session = witness.session.expect("OPEN came");
                let id = self.numbers[&(session, witness.lane, number)];
                let message = &self.messages[&id];
                let code = RefuseCode::from_wire(code);
                let too_large = message.payload.len() > self.receiver_message_bytes_max;
                let known =
                    message.refusals.contains(&code) || too_large && code == RefuseCode::TooLarge;
                assert!(known, "W {id} was not refused with {code:?}");
            }
            other => panic!("W {other:?} from the receiver"),
        }
    }

    /// A number below RESUME.next is known to the receiving process, one below `taken` decided.
    fn expect_in_log(&self, witness: &Witness, receiver: Receiver, number: u64, taken: u64) {
        let session = witness.session.expect("OPEN came");
        let id = self.numbers.get(&(session, witness.lane, number));
        let id = *id.unwrap_or_else(|| panic!("W {number} was never given out"));
        let too_large = self.messages[&id].payload.len() > self.receiver_message_bytes_max;
        if !self.is_live(id) || too_large {
            return;
        }
        let log = self.logs.get(&(receiver, witness.lane));
        let handed = log.is_some_and(|log| log.handed.contains(&id));
        assert!(handed, "W the receiver claims {id}, which it never had");
        let decided = log.is_some_and(|log| log.decided.contains(&id));
        assert!(
            decided || number >= taken,
            "W the receiver claims {id}, which is undecided"
        );
    }
}
