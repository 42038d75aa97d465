//! What is done of what the machines ask for, at either end.

use bytes::Bytes;
use peer_sender_core::{Action, Attempt, CloseCode, Priority, StopMode, StreamId, TransferId};

use crate::faults::{Fault, IDLE};
use crate::happening::Happening;
use crate::oracle::Oracle;
use crate::transport::{Conn, End, Path, StreamKey};
use crate::world::World;

impl World {
    /// Does one thing that concerns a connection.
    pub(crate) fn execute(&mut self, end: End, action: Action) {
        match action {
            Action::Connect { attempt, address } => {
                assert_eq!(end, End::Dialler, "A the accepting end dials");
                self.dial(attempt, address);
            }
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                priority,
            } => {
                let conn = self.conn(end, attempt);
                self.wrote((conn, end), stream, &chunks, fin, (transfer, priority));
                if end == End::Dialler {
                    self.old_transfers.push(transfer);
                }
                self.write((conn, end), stream, (transfer, chunks, fin));
            }
            Action::HandBack(unsent) => self.oracle.handed_back(unsent),
            Action::PauseReading { attempt, stream } => {
                let conn = self.conn(end, attempt);
                self.pause(conn, end, stream, true);
            }
            Action::Probe { .. } => panic!("lanes ask for none"),
            Action::ResumeReading { attempt, stream } => {
                let conn = self.conn(end, attempt);
                self.pause(conn, end, stream, false);
            }
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => {
                let conn = self.conn(end, attempt);
                self.check_superseded(conn, end, code);
                self.sever(conn, end, stream, code);
            }
            Action::StopSending {
                attempt,
                stream,
                code,
            } => {
                let conn = self.conn(end, attempt);
                self.refuse_rest(conn, end, stream, code);
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                let conn = self.conn(end, attempt);
                self.check_close(conn, end, code);
                self.close(conn, end, code, reason);
            }
            Action::ForgetDelivered
            | Action::Deliver(_)
            | Action::ScheduleBackoff { .. }
            | Action::Room { .. }
            | Action::Emit(_)
            | Action::Settle { .. }
            | Action::Reject { .. } => {
                assert_eq!(end, End::Dialler, "A {action:?} of a connection");
            }
        }
    }

    /// The connection that an end knows by this name.
    pub(crate) fn conn(&self, end: End, attempt: Attempt) -> Conn {
        let named = |connection: &crate::transport::Connection| match end {
            End::Dialler => connection.dialler == Some(attempt),
            End::Acceptor => connection.acceptor == Some(attempt),
        };
        let place = self.connections.iter().rposition(named);
        Conn(place.expect("A an action for no connection"))
    }

    /// Shows the judges what a machine writes.
    fn wrote(
        &mut self,
        (conn, end): (Conn, End),
        stream: StreamId,
        chunks: &[Bytes],
        fin: bool,
        (transfer, class): (TransferId, Priority),
    ) {
        let bytes = chunks.concat();
        let key = StreamKey::of(end, stream);
        let name = (conn, key.index);
        let connection = &self.connections[conn.0];
        let session = connection.session;
        if connection.dialler.is_none() {
            let session = session.expect("W an answer before OPEN");
            let log = (self.incarnation, session);
            if let Some((lane, epoch, record)) = self.strangers.answered(conn, log, &bytes) {
                let receiver = self.receiver_of(session);
                self.memory.named(receiver, lane, epoch, record);
            }
            return;
        }
        let receiver = match end {
            End::Dialler => self.reply_receiver(),
            End::Acceptor => self.receiver_of(session.expect("W an answer before OPEN")),
        };
        let stopped = match end {
            End::Dialler => self.oracle.stop_at.is_some() || self.recovery.is_resting(),
            End::Acceptor => true,
        };
        if end == End::Dialler && fin {
            self.strike_at_fin(conn);
        }
        let oracle = match key.opener {
            End::Dialler => &mut self.oracle,
            End::Acceptor => self.reply_oracle(conn).expect("A a stream of no session"),
        };
        if key.opener == end {
            assert!(!fin || stopped, "W FIN, and nobody stopped or rests");
            oracle.sender_wrote(name, &bytes, fin);
            let lane = oracle.witnesses[&name].lane;
            oracle.judge_class(lane, class);
            oracle.classes.write_began(transfer, conn, lane);
            return;
        }
        assert_eq!(class, Priority::High, "S the class of an answer");
        if let Some((lane, epoch, record)) = oracle.receiver_wrote(name, receiver, &bytes, fin) {
            self.memory.named(receiver, lane, epoch, record);
        }
    }

    /// Something happens while a connection is being ended in good order.
    fn strike_at_fin(&mut self, conn: Conn) {
        if self.healed || !self.rng.chance(self.plan.strikes_at_fin) {
            return;
        }
        let within = self.plan.delay_max;
        let soon = self.rng.wait(within);
        match self.rng.below(10) {
            0..2 if self.oracle.stop_at.is_none() => {
                self.schedule(soon, Happening::Stop(StopMode::Abort));
            }
            2..5 => {
                self.connection(conn).path = Path::Dead;
                self.schedule_loss(conn, End::Dialler, within);
                self.schedule_loss(conn, End::Acceptor, IDLE);
            }
            _ => self.schedule(soon, Happening::Fault(Fault::Move)),
        }
    }

    /// The judge of the replies that a connection carries.
    pub(crate) fn reply_oracle(&mut self, conn: Conn) -> Option<&mut Oracle> {
        let connection = &self.connections[conn.0];
        let name = (connection.incarnation, connection.session?);
        self.replies.get_mut(&name)
    }

    fn check_close(&mut self, conn: Conn, end: End, code: CloseCode) {
        if end == End::Dialler {
            return;
        }
        self.check_superseded(conn, end, code);
        self.check_drained(conn, code);
        self.check_overload(conn, code);
        if let Some(session) = self.connection(conn).session {
            let log = (self.incarnation, session);
            self.strangers.closed(conn, log, code);
        }
    }
}
