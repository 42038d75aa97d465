//! One QUIC connection: whose it is, and what it has to say.

mod ending;
mod owner;

use std::net::SocketAddr;
use std::sync::Arc;

use peer_sender_core::{Action, Attempt, Event, LinkError, Protocol, Side, Time};
use quinn_proto::{Connection, ConnectionEvent, ConnectionHandle, Endpoint};

use super::alive::Probe;
use super::clock::Clock;
use super::rate::{CUTS_MAX, MOVES_MAX, Rate};
use super::renew::Drain;
use super::streams::Streams;
use super::{ConnectionInfo, ConnectionRole};
use crate::NodeConfig;
use crate::congestion::exempt_close;
use crate::tls::peer_chain;
pub(super) use owner::Owner;

/// Names a link. Never given out twice by one node, while QUIC's own handles are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub(super) u64);

/// The most bytes that a connection reads in one turn, so that the others get theirs.
const READ_BYTES_PER_TURN: usize = 256 << 10;

/// What a node's connections speak.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) protocol: Protocol,
    /// Its name in TLS.
    pub(super) alpn_bytes: Arc<[u8]>,
    /// The same, for errors.
    pub(super) alpn: Arc<str>,
}

impl Speech {
    pub(super) fn of(config: &NodeConfig) -> Self {
        Self {
            protocol: config.protocol(),
            alpn_bytes: config.alpn().into(),
            alpn: String::from_utf8_lossy(config.alpn()).into(),
        }
    }
}

/// One QUIC connection.
pub(super) struct Link {
    /// The endpoint's name for it, until the endpoint has forgotten it.
    pub(super) handle: Option<ConnectionHandle>,
    pub(super) connection: Connection,
    pub(super) owner: Owner,
    /// The other end when the connection was made.
    pub(super) remote: SocketAddr,
    /// What is told of it, once the other end is let in or has let us in.
    pub(super) info: Option<Arc<ConnectionInfo>>,
    protocol: Protocol,
    alpn_bytes: Arc<[u8]>,
    alpn: Arc<str>,
    pub(super) streams: Streams,
    cuts: Rate,
    moves: Rate,
    /// How often it has moved since that was last looked at.
    moved: u32,
    /// Facts that its machine has not been told.
    pub(super) events: Vec<Event>,
    /// Why it has ended. Its machine is told once everything was read.
    pub(super) lost: Option<LinkError>,
    /// Whether anything came from the other end.
    pub(super) heard: bool,
    /// The question whether the other end is still there, while that has not answered.
    probe: Option<Probe>,
    /// When it is given up unless something comes from the other end before.
    pub(super) probation: Option<Time>,
    /// It is parted from, for another connection to the same peer.
    pub(super) drain: Option<Drain>,
    pub(super) armed: Option<Time>,
    /// Stands in the list of links to be served.
    pub(super) dirty: bool,
    /// Stands in the list of links that may have something to send.
    pub(super) sending: bool,
    /// Timers that were due again as soon as they had fired, in a row.
    pub(super) spins: u8,
}

/// How far [`Link::collect`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collected {
    /// All was heard.
    All,
    /// The other end has shown who it is; the rest waits for the decision whether to let it in.
    AwaitsAdmission,
}

impl Link {
    pub(super) fn new(
        handle: ConnectionHandle,
        connection: Connection,
        owner: Owner,
        remote: SocketAddr,
        speech: &Speech,
    ) -> Self {
        Self {
            handle: Some(handle),
            connection,
            owner,
            remote,
            info: None,
            protocol: speech.protocol,
            alpn_bytes: Arc::clone(&speech.alpn_bytes),
            alpn: Arc::clone(&speech.alpn),
            streams: Streams::new(speech.protocol),
            cuts: Rate::default(),
            moves: Rate::default(),
            moved: 0,
            events: Vec::new(),
            lost: None,
            heard: false,
            probe: None,
            probation: None,
            drain: None,
            armed: None,
            dirty: false,
            sending: false,
            spins: 0,
        }
    }

    /// Lets the endpoint and the connection talk until they have no more to say. True if the
    /// endpoint has forgotten the connection.
    pub(super) fn exchange(&mut self, endpoint: &mut Endpoint) -> bool {
        let Some(handle) = self.handle else {
            return false;
        };
        while let Some(event) = self.connection.poll_endpoint_events() {
            let drained = event.is_drained();
            if let Some(answer) = endpoint.handle_event(handle, event) {
                self.connection.handle_event(answer);
            }
            if drained {
                self.handle = None;
                return true;
            }
        }
        false
    }

    /// Hears what the connection has to say and turns it into facts for the owner.
    pub(super) fn collect(&mut self, now: Time) -> Collected {
        // Before anything that the other end did with the connection.
        self.confirm();
        if let (Owner::Spare { .. }, false) = (&self.owner, self.connection.is_closed()) {
            // What it has to say is for whoever gets it.
            return Collected::All;
        }
        if self.hear() == Collected::AwaitsAdmission {
            return Collected::AwaitsAdmission;
        }
        if let Some(attempt) = self.attempt() {
            let (streams, events) = (&mut self.streams, &mut self.events);
            streams.tell_acknowledged(events);
            if self
                .probe
                .as_mut()
                .is_some_and(|it| it.is_answered(&self.connection, now))
            {
                self.probe = None;
                self.events.push(Event::ProbeAnswered { attempt });
            }
            let (streams, events) = (&mut self.streams, &mut self.events);
            streams.read(&mut self.connection, attempt, READ_BYTES_PER_TURN, events);
        }
        Collected::All
    }

    /// Takes note of what QUIC reports.
    fn hear(&mut self) -> Collected {
        while let Some(event) = self.connection.poll() {
            match event {
                quinn_proto::Event::Stream(event) => {
                    if let Some(attempt) = self.attempt() {
                        let (streams, events) = (&mut self.streams, &mut self.events);
                        streams.note(&mut self.connection, attempt, event, events);
                    }
                }
                quinn_proto::Event::ConnectionLost { reason } => {
                    let error = self.why(&reason);
                    self.lost.get_or_insert(error);
                    self.lose_streams();
                    // If it was QUIC that found a fault, the close is all that it sends now.
                    exempt_close(&self.connection);
                }
                quinn_proto::Event::Connected => {
                    if let Owner::Handshaking { .. } = self.owner {
                        return Collected::AwaitsAdmission;
                    }
                }
                quinn_proto::Event::HandshakeDataReady
                | quinn_proto::Event::DatagramReceived
                | quinn_proto::Event::DatagramsUnblocked => {}
            }
        }
        Collected::All
    }

    /// Takes in what came for it.
    pub(super) fn receive(&mut self, event: ConnectionEvent) {
        self.heard = true;
        self.probation = None;
        let before = self.connection.remote_address();
        self.connection.handle_event(event);
        self.moved += u32::from(self.connection.remote_address() != before);
    }

    /// What the other end does faster than is to be borne.
    pub(super) fn excess(&mut self, now: Time) -> Option<&'static str> {
        let cut = self.streams.take_cut();
        if cut > 0 && self.attempt().is_some() && self.cuts.exceeds(CUTS_MAX, now, cut) {
            return Some("too many streams were cut");
        }
        let moved = std::mem::take(&mut self.moved);
        if moved > 0 && self.moves.exceeds(MOVES_MAX, now, moved) {
            return Some("it moved to another address too often");
        }
        None
    }

    /// Asks the other end whether it is still there.
    fn probe(&mut self, clock: &Clock) {
        self.connection.ping();
        self.probe = Some(Probe::sent(&self.connection, clock.latest()));
    }

    /// Does what a machine asks of its connection.
    pub(super) fn execute(&mut self, clock: &Clock, action: Action) {
        match action {
            Action::Write {
                transfer,
                stream,
                chunks,
                fin,
                priority,
                ..
            } => {
                let write = (transfer, chunks, fin, priority);
                self.streams
                    .write(&mut self.connection, stream, write, &mut self.events);
            }
            Action::PauseReading { stream, .. } => self.streams.pause(stream),
            Action::ResumeReading { stream, .. } => self.streams.resume(stream),
            Action::Probe { .. } => self.probe(clock),
            Action::ResetStream { stream, code, .. } => {
                self.streams.reset(&mut self.connection, stream, code);
            }
            Action::StopSending { stream, code, .. } => {
                self.streams.stop(&mut self.connection, stream, code);
            }
            Action::Close { code, reason, .. } if self.leaves_something() => {
                let error = LinkError::ClosedHere {
                    code,
                    reason: reason.clone(),
                };
                self.leave(clock, code, reason, error);
                // With its own half the machine is done.
                self.events.retain(is_of_the_others_half);
            }
            Action::Close { code, reason, .. } => self.close(clock, code, reason),
            Action::Connect { .. }
            | Action::ScheduleBackoff { .. }
            | Action::Emit(_)
            | Action::Deliver(_)
            | Action::Settle { .. }
            | Action::HandBack(_)
            | Action::Room { .. }
            | Action::ForgetDelivered
            | Action::Reject { .. } => {}
        }
    }

    /// The next moment at which it needs attention.
    pub(super) fn next_deadline(&mut self, clock: &Clock) -> Option<Time> {
        let patience = match self.owner {
            Owner::Handshaking { until, .. } => Some(until),
            Owner::Spare { until, .. } if !self.is_confirmed() => Some(until),
            Owner::Spare { .. }
            | Owner::Dialled { .. }
            | Owner::Accepted { .. }
            | Owner::Nobody => None,
        };
        let quic = match self.handle {
            Some(_) => self.connection.poll_timeout().map(|at| clock.time(at)),
            None => None,
        };
        let drain = self.drain.as_ref();
        let drain = drain.map(|drain| drain.next_deadline(clock.latest()));
        let deadlines = [patience, self.probation, drain, quic];
        deadlines.into_iter().flatten().min()
    }

    /// The name under which its machine knows it.
    fn attempt(&self) -> Option<Attempt> {
        match self.owner {
            Owner::Dialled { attempt, .. } | Owner::Accepted { attempt, .. } => Some(attempt),
            Owner::Spare { .. } | Owner::Handshaking { .. } | Owner::Nobody => None,
        }
    }

    /// Whether the other end has accepted our certificate: it has sent HANDSHAKE_DONE. QUIC has no
    /// event for it, only a counter; its statistics are copied as a whole, so they are asked for as
    /// rarely as can be.
    pub(super) fn is_confirmed(&self) -> bool {
        !self.connection.is_handshaking() && self.connection.stats().frame_rx.handshake_done > 0
    }

    /// Notes what there is to be told of it.
    pub(super) fn inform(&mut self) {
        let (role, ours, theirs) = match &self.owner {
            Owner::Dialled { context, .. } => {
                let theirs = context.offered.key();
                (ConnectionRole::DirectReceiver, context.ours, theirs)
            }
            &Owner::Accepted { key, ours, .. } => (ConnectionRole::DirectSender, ours, Some(key)),
            Owner::Spare { .. } | Owner::Handshaking { .. } | Owner::Nobody => return,
        };
        let chain = peer_chain(&self.connection).unwrap_or_default();
        self.info = theirs.zip(chain.first()).map(|(theirs, certificate)| {
            Arc::new(ConnectionInfo {
                role,
                local_ip: self.connection.local_ip(),
                remote: self.remote,
                ours,
                theirs,
                alpn: self.alpn_bytes.to_vec(),
                certificate: certificate.to_vec(),
            })
        });
    }

    /// A dialled connection counts as connected once it is confirmed.
    fn confirm(&mut self) {
        let awaited = matches!(
            self.owner,
            Owner::Dialled {
                confirmed: false,
                ..
            }
        );
        if awaited
            && self.is_confirmed()
            && let Owner::Dialled {
                attempt, confirmed, ..
            } = &mut self.owner
        {
            *confirmed = true;
            let attempt = *attempt;
            self.events.push(Event::Connected { attempt });
            self.inform();
        }
    }
}

/// Whether a fact is of a stream on which the other end sends.
fn is_of_the_others_half(event: &Event) -> bool {
    matches!(
        event,
        Event::StreamOpened { stream, .. }
            | Event::BytesReceived { stream, .. }
            | Event::StreamReset { stream, .. }
            if stream.opener == Side::Remote
    )
}
