//! What can happen in the world, and to whom it is told.

use peer_sender_core::{Event, LinkError, MessageId, StopMode, TransferId};

use crate::application::Delivery;
use crate::faults::Fault;
use crate::log;
use crate::receiver_log::Receiver;
use crate::transport::{Conn, End, StreamKey};
use crate::world::World;

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Offer,
    Accepted {
        conn: Conn,
    },
    Confirmed {
        conn: Conn,
    },
    Lost {
        conn: Conn,
        end: End,
        error: LinkError,
    },
    Arrival {
        conn: Conn,
        stream: StreamKey,
        from: End,
    },
    Credit {
        conn: Conn,
        stream: StreamKey,
        from: End,
        bytes: u64,
    },
    Taken {
        conn: Conn,
        from: End,
        transfer: TransferId,
    },
    Acknowledged {
        conn: Conn,
        stream: StreamKey,
        from: End,
    },
    Reset {
        conn: Conn,
        stream: StreamKey,
        from: End,
        code: u64,
    },
    Stopped {
        conn: Conn,
        stream: StreamKey,
        from: End,
        code: u64,
    },
    Readable {
        conn: Conn,
        stream: StreamKey,
        from: End,
    },
    Answer(Delivery),
    /// The answers of this half's application reach its machine.
    Tell(Receiver),
    /// The accepting application sends a reply, or takes it back.
    Reply(Receiver),
    CancelReply(Receiver, MessageId),
    /// The user takes a message back.
    Cancel(MessageId),
    Fault(Fault),
    Stop(StopMode),
    Restart,
    /// A timer that fires early, or once too often.
    Spurious {
        end: End,
    },
}

/// What an end will be told in its next step.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    Event(Event),
    Read {
        stream: StreamKey,
    },
    Opened {
        stream: StreamKey,
    },
    Lost {
        error: LinkError,
    },
    /// The application's answers, whatever they are by then.
    Answers(Receiver),
}

impl World {
    pub(crate) fn happen(&mut self, happening: Happening) {
        log::line(self.now, || format!("    {happening:?}"));
        match happening {
            Happening::Offer => self.offer(),
            Happening::Accepted { conn } => self.accept(conn),
            Happening::Confirmed { conn } => self.confirm(conn),
            Happening::Lost { conn, end, error } => self.notice(conn, end, Notice::Lost { error }),
            Happening::Arrival { conn, stream, from } => self.arrive(conn, stream, from),
            Happening::Credit {
                conn,
                stream,
                from,
                bytes,
            } => {
                if let Some(stream) = self.connection(conn).streams.get_mut(&stream) {
                    stream.way_mut(from).grant(bytes);
                }
                self.pump(conn, stream, from);
            }
            Happening::Taken {
                conn,
                from,
                transfer,
            } => {
                self.notice(
                    conn,
                    from,
                    Notice::Event(Event::TransferFinished { transfer }),
                );
            }
            Happening::Acknowledged { conn, stream, from } => {
                self.stream_event(conn, from, stream, |attempt, stream| {
                    Event::StreamAcknowledged { attempt, stream }
                });
            }
            Happening::Reset {
                conn,
                stream,
                from,
                code,
            } => {
                self.stream_event(conn, from.other(), stream, |attempt, stream| {
                    Event::StreamReset {
                        attempt,
                        stream,
                        code,
                    }
                });
            }
            Happening::Stopped {
                conn,
                stream,
                from,
                code,
            } => {
                self.stream_event(conn, from, stream, |attempt, stream| Event::StreamStopped {
                    attempt,
                    stream,
                    code,
                });
            }
            Happening::Readable { conn, stream, from } => {
                self.notice(conn, from.other(), Notice::Read { stream });
            }
            Happening::Answer(delivery) => self.answer(delivery),
            Happening::Tell(receiver) => self.tell(receiver),
            Happening::Reply(receiver) => self.reply(receiver),
            Happening::CancelReply(receiver, id) => self.cancel_reply(receiver, id),
            Happening::Cancel(id) => self.tell_sender(Event::Cancel { id }),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Stop(mode) => self.tell_sender(Event::Stop { mode }),
            Happening::Restart => self.restart(),
            Happening::Spurious { end: End::Dialler } => {
                self.sender_inbox
                    .push((None, Notice::Event(Event::TimerFired)));
            }
            Happening::Spurious { end: End::Acceptor } => self.fire_receiver(),
        }
    }
}
