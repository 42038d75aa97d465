//! What happens to connections, and what both machines ask of them.

use bytes::Bytes;
use peer_sender_core::trace::Call;
use peer_sender_core::wire::{Decoder, Frame, Item, Resume};
use peer_sender_core::{Action, Attempt, CloseCode, Event, LinkError, StreamId, TransferId};

use super::{KEY, Trouble, World, impossible};
use crate::op::{Amount, Conn, End, Why};
use crate::oracle::{Violation, violated};
use crate::print;
use crate::transport::{Connection, Stand};

impl World {
    pub(super) fn accept(&mut self, conn: Conn) -> Result<(), Trouble> {
        let attempt = Attempt(self.accepted);
        let connection = self.known(conn)?;
        if connection.acceptor != Stand::Waiting {
            return impossible("it was accepted, or is gone");
        }
        if connection.dialler == Stand::Gone {
            return impossible("the dialling end has given it up");
        }
        connection.acceptor = Stand::Up;
        connection.accepted_as = Some(attempt);
        self.accepted += 1;
        let call = Call::Accepted { attempt, key: KEY };
        Ok(self.step_receiver(call, [])?)
    }

    pub(super) fn confirm(&mut self, conn: Conn) -> Result<(), Trouble> {
        let connection = self.known(conn)?;
        if connection.dialler != Stand::Waiting {
            return impossible("nobody waits for it");
        }
        if connection.acceptor == Stand::Waiting {
            self.accept(conn)?;
        }
        self.known(conn)?.dialler = Stand::Up;
        let attempt = Attempt(u64::from(conn.0));
        Ok(self.step_sender([Event::Connected { attempt }])?)
    }

    pub(super) fn fail(&mut self, conn: Conn, why: Why) -> Result<(), Trouble> {
        let connection = self.known(conn)?;
        if connection.dialler != Stand::Waiting {
            return impossible("it is no attempt any more");
        }
        let error = error(why, End::Dialler, connection)?;
        connection.leave(End::Dialler);
        let attempt = Attempt(u64::from(conn.0));
        Ok(self.step_sender([Event::ConnectFailed { attempt, error }])?)
    }

    pub(super) fn lose(&mut self, conn: Conn, end: End, why: Why) -> Result<(), Trouble> {
        let connection = self.known(conn)?;
        if connection.stand(end) != Stand::Up {
            return impossible("that end does not have it");
        }
        let error = error(why, end, connection)?;
        let accepted_as = connection.accepted_as;
        connection.leave(end);
        match (end, accepted_as) {
            (End::Dialler, _) => {
                self.sender_lost_it();
                let attempt = Attempt(u64::from(conn.0));
                self.step_sender([Event::ConnectionLost { attempt, error }])?;
            }
            (End::Acceptor, Some(attempt)) => {
                self.tell_receiver(attempt, vec![Event::ConnectionLost { attempt, error }])?;
            }
            (End::Acceptor, None) => {}
        }
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        conn: Conn,
        from: End,
        stream: Option<u8>,
        amount: Amount,
    ) -> Result<(), Trouble> {
        let reader = from.other();
        let connection = self.known(conn)?;
        if connection.stand(reader) != Stand::Up {
            return impossible("the end that would read it does not have the connection");
        }
        let attempt = match (reader, connection.accepted_as) {
            (End::Dialler, _) => Attempt(u64::from(conn.0)),
            (End::Acceptor, Some(attempt)) => attempt,
            (End::Acceptor, None) => return impossible("nobody has accepted it"),
        };
        let mut events = Vec::new();
        let mut heard = Vec::new();
        let mut lost = Vec::new();
        // A sender whose stream is cut gives the connection up, and hears no more of it.
        let mut cut = false;
        for each in &mut connection.streams {
            let chosen =
                stream.is_none_or(|it| each.opener == End::Dialler && each.index == u64::from(it));
            if !chosen || amount != Amount::All && !events.is_empty() {
                continue;
            }
            let id = each.at(reader);
            let opens = each.opener == from && !each.told;
            let read = each.way_mut(from);
            if let Some(code) = read.reset.take_if(|_| amount == Amount::All) {
                lost.push(each.lane);
                cut = true;
                events.push(Event::StreamReset {
                    attempt,
                    stream: id,
                    code,
                });
            } else if read.is_carrying() && !read.paused {
                let (bytes, fin) = read.arrive(amount);
                if from == End::Acceptor && read.is_between_frames() && !cut {
                    // The first whole frame of a way back is its RESUME.
                    heard.push((each.lane, *each.proves));
                }
                if fin {
                    lost.push(each.lane);
                }
                if opens {
                    each.told = true;
                    events.push(Event::StreamOpened {
                        attempt,
                        stream: id,
                    });
                }
                events.push(Event::BytesReceived {
                    attempt,
                    stream: id,
                    bytes,
                    fin,
                });
            }
            if amount == Amount::All {
                let written = each.way_mut(reader);
                if std::mem::take(&mut written.acknowledged) {
                    events.push(Event::StreamAcknowledged {
                        attempt,
                        stream: id,
                    });
                }
                if let Some(code) = written.halt.take() {
                    lost.push(each.lane);
                    cut = true;
                    events.push(Event::StreamStopped {
                        attempt,
                        stream: id,
                        code,
                    });
                }
            }
        }
        heard
            .into_iter()
            .for_each(|(lane, proves)| self.oracle.heard(lane, proves));
        if reader == End::Dialler {
            let now = self.sender_clock.now;
            lost.into_iter()
                .for_each(|lane| self.oracle.lane_lost(lane, now));
        }
        match reader {
            _ if events.is_empty() => impossible("nothing is under way"),
            End::Dialler => Ok(self.step_sender(events)?),
            End::Acceptor => Ok(self.tell_receiver(attempt, events)?),
        }
    }

    pub(super) fn written(&mut self, conn: Conn, from: End, stream: u8) -> Result<(), Trouble> {
        let connection = self.known(conn)?;
        let accepted_as = connection.accepted_as;
        let Some(known) = connection.stream_mut(End::Dialler, u64::from(stream)) else {
            return impossible("there is no such stream");
        };
        let Some(transfer) = known.way_mut(from).take_write() else {
            return impossible("no write is under way there");
        };
        match (from, accepted_as) {
            (End::Dialler, _) => self.transfer_finished(transfer)?,
            (End::Acceptor, Some(attempt)) => {
                self.tell_receiver(attempt, vec![Event::TransferFinished { transfer }])?;
            }
            (End::Acceptor, None) => {}
        }
        Ok(())
    }

    /// An end is told that a stream's direction is cut, by nobody's machine.
    pub(super) fn cut(
        &mut self,
        conn: Conn,
        told: End,
        stream: u8,
        code: u64,
        from: End,
    ) -> Result<(), Trouble> {
        let connection = self.known(conn)?;
        if connection.stand(told) != Stand::Up {
            return impossible("that end does not have the connection");
        }
        let accepted_as = connection.accepted_as;
        let Some(known) = connection.stream_mut(End::Dialler, u64::from(stream)) else {
            return impossible("there is no such stream");
        };
        if known.opener != told && !known.told || known.way(from).severed {
            return impossible("that end does not know the stream");
        }
        match told == from {
            true => known.way_mut(from).sever(),
            false => known.way_mut(from).sever_unheard(),
        }
        let lane = known.lane;
        let stream = known.at(told);
        if told == End::Dialler {
            let now = self.sender_clock.now;
            self.oracle.lane_lost(lane, now);
        }
        let event = |attempt| match told == from {
            true => Event::StreamStopped {
                attempt,
                stream,
                code,
            },
            false => Event::StreamReset {
                attempt,
                stream,
                code,
            },
        };
        match (told, accepted_as) {
            (End::Dialler, _) => {
                self.step_sender([event(Attempt(u64::from(conn.0)))])?;
            }
            (End::Acceptor, Some(attempt)) => self.tell_receiver(attempt, vec![event(attempt)])?,
            (End::Acceptor, None) => {}
        }
        Ok(())
    }

    /// The place of the connection that an end's machine names.
    pub(super) fn place(&self, end: End, attempt: Attempt) -> Result<Conn, Violation> {
        let mut all = self.connections.iter();
        let named = all.find(|it| match end {
            End::Dialler => u64::from(it.conn.0) == attempt.0,
            End::Acceptor => it.accepted_as == Some(attempt),
        });
        match named.filter(|it| it.stand(end) != Stand::Gone) {
            Some(named) => Ok(named.conn),
            None => violated("A", "it names a connection that is gone"),
        }
    }

    pub(super) fn write(
        &mut self,
        (place, end): (Conn, End),
        stream: StreamId,
        (transfer, chunks, fin): (TransferId, Vec<Bytes>, bool),
    ) -> Result<(), Violation> {
        if !self.is_up(place, end) {
            return violated("A", "a write on a connection that does not stand");
        }
        let whole = || match &chunks[..] {
            [one] => one.clone(),
            more => Bytes::from(more.concat()),
        };
        let said = match (end, &self.log) {
            (End::Dialler, _) => self.sender_says(place, stream, whole())?,
            (End::Acceptor, Some(_)) => print::said(whole()),
            (End::Acceptor, None) => Vec::new(),
        };
        let written = self.connection(place);
        let Some(written) = written.and_then(|it| it.stream_for(end, stream)) else {
            return violated("A", "a write on a stream that nobody opened");
        };
        let lane = written.lane;
        if end == End::Acceptor && !std::mem::replace(&mut *written.answered, true) {
            let next = first_of(&chunks).map_or(0, |resume| resume.next);
            *written.proves |= next > *written.base;
        }
        if let Err(why) = written.way_mut(end).write(transfer, &chunks, fin) {
            return violated("A", why);
        }
        self.note(|| print::write(end, (place, lane), transfer, &said, fin));
        Ok(())
    }

    /// The writes that QUIC takes now, with the connection of each.
    pub(super) fn take_writes(&mut self, end: End) -> Vec<(Attempt, TransferId)> {
        let mut taken = Vec::new();
        for connection in &mut self.connections {
            let attempt = match end {
                End::Dialler => Some(Attempt(u64::from(connection.conn.0))),
                End::Acceptor => connection.accepted_as,
            };
            for stream in &mut connection.streams {
                let written = attempt.zip(stream.way_mut(end).take_write());
                taken.extend(written);
            }
        }
        taken
    }

    pub(super) fn pause(
        &mut self,
        place: Conn,
        end: End,
        stream: StreamId,
        paused: bool,
    ) -> Result<(), Violation> {
        let connection = self.connection(place);
        let Some(read) = connection.and_then(|it| it.stream_for(end, stream)) else {
            return violated("A", "reading of a stream that nobody opened");
        };
        let pipe = read.way_mut(end.other());
        if pipe.paused == paused {
            return violated("A", "reading is paused, or goes on, already");
        }
        pipe.paused = paused;
        Ok(())
    }

    /// RESET_STREAM of the direction that this end writes, or STOP_SENDING of the other one.
    pub(super) fn sever(
        &mut self,
        (place, end): (Conn, End),
        stream: StreamId,
        code: CloseCode,
        from: End,
    ) -> Result<(), Violation> {
        let connection = self.connection(place);
        let Some(cut) = connection.and_then(|it| it.stream_for(end, stream)) else {
            return violated("A", "it cuts a stream that nobody opened");
        };
        let pipe = cut.way_mut(from);
        if !pipe.severed {
            pipe.sever();
            match from == end {
                true => pipe.reset = Some(code.to_wire()),
                false => pipe.halt = Some(code.to_wire()),
            }
        }
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        place: Conn,
        end: End,
        code: CloseCode,
    ) -> Result<(), Violation> {
        let Some(connection) = self.connection(place) else {
            return violated("A", "it closes what never was");
        };
        let stood = connection.stand(end) == Stand::Up;
        connection.closed = Some((end, code));
        connection.leave(end);
        if stood && end == End::Dialler {
            self.sender_lost_it();
        }
        Ok(())
    }

    fn sender_lost_it(&mut self) {
        let now = self.sender_clock.now;
        self.oracle.connection_lost(now, &self.settings);
    }

    pub(super) fn note_unless_write(&mut self, end: End, action: &Action) {
        if self.log.is_some() && !matches!(action, Action::Write { .. }) {
            let line = print::action(end, action, |attempt| self.place(end, attempt).ok());
            self.note(|| line);
        }
    }

    fn known(&mut self, conn: Conn) -> Result<&mut Connection, Trouble> {
        match self.connection(conn) {
            Some(connection) => Ok(connection),
            None => impossible("there is no such connection"),
        }
    }
}

/// The RESUME at the front of a write.
fn first_of(chunks: &[Bytes]) -> Option<Resume> {
    let mut front = chunks.first()?.clone();
    match Decoder::default().next(&mut front) {
        Ok(Some(Item::Frame(Frame::Resume(resume)))) => Some(resume),
        _ => None,
    }
}

/// What an end is told of the reason.
fn error(why: Why, end: End, connection: &Connection) -> Result<LinkError, Trouble> {
    let closed = |code| LinkError::Closed {
        code,
        reason: String::new(),
    };
    Ok(match why {
        Why::Timeout => LinkError::IdleTimeout,
        Why::Reset => LinkError::Reset,
        Why::Unreachable => LinkError::Unreachable,
        Why::Busy => LinkError::Busy,
        Why::Refused => LinkError::IdentityRefused { ours: KEY },
        Why::Version => LinkError::VersionMismatch,
        Why::Closed(code) => closed(CloseCode::from_wire(code)),
        Why::PeerClosed => match connection.closed {
            Some((by, code)) if by != end => closed(code),
            _ => return impossible("the other end has not closed it"),
        },
    })
}
