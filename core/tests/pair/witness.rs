//! What is written on each connection, read as it is written and judged by `docs/wire.md`; and
//! what the sender has read of it, from which its verdicts must follow.

use peer_sender_core::{Epoch, Level, MessageId, Outcome, RefuseCode, SessionHandle, SessionId};

use crate::frames::{Piece, Reader};
use crate::oracle::Oracle;
use crate::transport::Conn;

/// At most that much of any one message goes out before RESUME.
const PIPELINED_BYTES_MAX: usize = 64 << 10;

/// One connection's lane, from both ends.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    out: Reader,
    back: Reader,
    read: Reader,
    pub(crate) session: Option<SessionId>,
    fresh: bool,
    base: u64,
    /// The number of the next MESSAGE.
    position: u64,
    /// The message that is being written, and how much of it was.
    writing: Option<(MessageId, usize)>,
    fin: bool,
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
    pub(crate) fn sender_wrote(&mut self, conn: Conn, bytes: &[u8], fin: bool) {
        let mut witness = self.witnesses.remove(&conn).unwrap_or_default();
        assert!(!witness.fin, "W bytes behind FIN");
        for piece in witness.out.read(bytes) {
            self.piece_out(conn, &mut witness, piece);
        }
        if fin {
            assert!(witness.out.is_between_frames(), "W FIN inside a frame");
            assert!(self.stop_at.is_some(), "W FIN, and nobody stopped");
            assert!(self.waiting.is_empty(), "W FIN before {:?}", self.waiting);
            assert_eq!(
                witness.position, self.next_number,
                "W FIN before the last number"
            );
            witness.fin = true;
        }
        self.witnesses.insert(conn, witness);
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
            return self.opens(witness, fresh, session, lane, base);
        }
        let session = witness.session.expect("W OPEN comes first");
        assert!(
            witness.fresh || witness.is_resumed(),
            "W {piece:?} before RESUME"
        );
        match piece {
            Piece::MessageBegins { length } => {
                let number = witness.position;
                if let Some(next) = witness.resumed {
                    assert!(number >= next, "W number {number} is held, SKIP is missing");
                }
                let id = self.number(session, number);
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
                    let id = self.numbers.get(&(session, number));
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
        witness: &mut Witness,
        fresh: bool,
        session: SessionId,
        lane: u64,
        base: u64,
    ) {
        match self.session {
            Some(known) if known == session => {}
            Some(_) => self.start_over(session),
            None => {
                self.session = Some(session);
                self.sessions_seen = 1;
            }
        }
        assert_eq!(fresh, !self.opened, "W only the first OPEN ever is fresh");
        self.opened = true;
        assert_eq!(lane, 0, "W another lane");
        let numbered = self.numbers.range((session, 0)..=(session, u64::MAX));
        let open = numbered.filter(|(_, id)| self.is_live(**id));
        let lowest = open
            .map(|((_, number), _)| *number)
            .next()
            .unwrap_or(self.next_number);
        assert_eq!(base, lowest, "W base is the lowest open number");
        witness.session = Some(session);
        witness.fresh = fresh;
        witness.base = base;
        witness.position = base;
    }

    /// The message with this number: the next in order if the number is new.
    fn number(&mut self, session: SessionId, number: u64) -> MessageId {
        if let Some(id) = self.numbers.get(&(session, number)) {
            return *id;
        }
        assert_eq!(number, self.next_number, "W a number was left out");
        let id = self
            .waiting
            .pop_front()
            .expect("I5 a message that nobody sent");
        self.numbers.insert((session, number), id);
        self.next_number += 1;
        id
    }

    /// Notes what the sender is about to read, and what it must conclude.
    pub(crate) fn sender_reads(&mut self, conn: Conn, bytes: &[u8]) {
        let mut witness = self.witnesses.remove(&conn).unwrap_or_default();
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
                    self.judge(conn, &witness, (epoch, record), taken, next);
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
        self.witnesses.insert(conn, witness);
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
        let same_memory = self.record == Some(record);
        let known = self.record.replace(record);
        let session = witness.session.expect("RESUME answers OPEN");
        for ((_, number), id) in self.numbers.range((session, 0)..=(session, u64::MAX)) {
            let message = self.messages.get_mut(id).expect("it is numbered");
            if !self.live.contains(id) || message.pipelined_on == Some(conn) {
                continue;
            }
            if *number < taken {
                self.due.insert(*id, Outcome::Delivered(Level::Application));
            } else if *number >= next {
                message.unproven |= !same_memory;
                message.forgotten |= !same_memory && known.is_some();
                message.proven = !message.unproven;
                self.judged = true;
            }
        }
    }

    fn open_number(&self, witness: &Witness, number: u64) -> Option<MessageId> {
        let id = self.numbers.get(&(witness.session?, number))?;
        self.live.contains(id).then_some(*id)
    }

    /// Judges what the receiver writes in answer to the sender.
    pub(crate) fn receiver_wrote(
        &mut self,
        conn: Conn,
        log: (u32, SessionHandle),
        bytes: &[u8],
        fin: bool,
    ) {
        let mut witness = self.witnesses.remove(&conn).unwrap_or_default();
        let pieces = witness.back.read(bytes);
        let receipts = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Receipt { .. }));
        assert!(receipts.count() <= 1, "W two RECEIPTs in one step");
        for piece in pieces {
            self.piece_back(&mut witness, log, piece);
        }
        assert!(
            !fin || witness.back.is_between_frames(),
            "W FIN inside a frame"
        );
        self.witnesses.insert(conn, witness);
    }

    fn piece_back(&mut self, witness: &mut Witness, log: (u32, SessionHandle), piece: Piece) {
        let base = witness.base;
        match piece {
            Piece::Resume {
                epoch,
                record,
                taken,
                next,
                message_bytes_max,
            } => {
                assert!(witness.taken_written.is_none(), "W a second RESUME");
                self.note_record(log, record);
                assert_eq!(
                    message_bytes_max, self.receiver_message_bytes_max as u64,
                    "W limit"
                );
                let known = *self.epochs.entry(log.0).or_insert(epoch);
                assert_eq!(known, epoch, "W a process has one epoch");
                let earlier = self
                    .epochs
                    .range(..log.0)
                    .any(|(_, earlier)| *earlier == epoch);
                assert!(!earlier, "W a process took over an epoch");
                assert!(taken <= next && next >= base, "W RESUME out of order");
                for number in base..next {
                    self.expect_in_log(witness, log, number, taken);
                }
                witness.taken_written = Some(taken);
            }
            Piece::Receipt { taken } => {
                let before = witness.taken_written.expect("W RESUME comes first");
                assert!(taken >= before, "W RECEIPT going back");
                for number in before.max(base)..taken {
                    self.expect_in_log(witness, log, number, taken);
                }
                witness.taken_written = Some(taken);
            }
            Piece::Refuse { number, code } => {
                let told = witness.taken_written.expect("W RESUME comes first");
                assert!(number >= told, "W REFUSE of {number} behind its RECEIPT");
                let id = self.numbers[&(witness.session.expect("OPEN came"), number)];
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
    fn expect_in_log(&self, witness: &Witness, log: (u32, SessionHandle), number: u64, taken: u64) {
        let session = witness.session.expect("OPEN came");
        let id = self.numbers.get(&(session, number));
        let id = *id.unwrap_or_else(|| panic!("W {number} was never given out"));
        let too_large = self.messages[&id].payload.len() > self.receiver_message_bytes_max;
        if !self.is_live(id) || too_large {
            return;
        }
        let log = self.logs.get(&log);
        let handed = log.is_some_and(|log| log.handed.contains(&id));
        assert!(handed, "W the receiver claims {id}, which it never had");
        let decided = log.is_some_and(|log| log.decided.contains(&id));
        assert!(
            decided || number >= taken,
            "W the receiver claims {id}, which is undecided"
        );
    }
}
