//! The one task of a node: a poll loop that joins the machine to a socket, a timer and the
//! handles.
//!
//! A round receives a batch, hands it to the machine, takes what the handles ask for, and sends
//! and tells what the machine has decided. Each part has a budget, so that none starves another,
//! and a poll has few rounds, so that the node does not starve the runtime's other tasks. What the
//! application did during a round is taken in the next one, before the task sleeps.

mod alarm;
mod complaints;
mod end;
mod outputs;
mod peers;
mod socket;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use peer_sender_core::{StopMode, StopReason, Time};
use peer_sender_quic::{NodeMachine, PeerId, PeerStats, Target, Transmit};

use self::alarm::Alarm;
use self::complaints::Complaints;
use self::end::Ending;
use self::outputs::{Outputs, PATIENCE};
use self::peers::Peers;
use self::socket::Udp;
use crate::bell::lock;
use crate::control::NodeShared;
use crate::runtime::{Datagrams, Runtime};

/// Rounds before other tasks get their turn.
const ROUNDS_PER_POLL: usize = 4;
/// How long to leave a socket alone that fails, or that is not writable although it says so.
const PAUSE: Duration = Duration::from_millis(1);
/// The timer is never armed for later than this; it then rings for nothing.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// See the module.
pub(crate) struct Driver<P: PeerId, R: Runtime> {
    machine: NodeMachine<P>,
    udp: Udp<R::Socket>,
    alarm: Alarm<R::Timer>,
    shared: Arc<NodeShared<P>>,
    peers: Peers<P>,
    /// Mailboxes with news, while they are looked through.
    mailboxes: Vec<usize>,
    /// What the machine wants sent, and the bytes of it.
    buffer: Vec<u8>,
    /// A transmit that waits for the socket: its bytes are in `buffer`.
    unsent: Option<Transmit>,
    /// Since when the socket takes nothing.
    blocked: Option<Time>,
    /// When the machine wants to be called again.
    deadline: Option<Time>,
    /// Until when the socket is left alone.
    pause: Option<Time>,
    /// The network may have reported errors.
    reports: bool,
    /// Who has said its last, and why.
    stopped: Vec<(Target, StopReason)>,
    stopping: bool,
    /// The node is stopped at once: it waits for nothing, the socket included.
    aborting: bool,
    complaints: Complaints,
    /// The last field, so that the socket is closed by the time it is dropped.
    ending: Ending<P>,
}

/// What a round has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Something, or it cannot tell.
    More,
    /// Nothing until something happens.
    Idle,
    /// Nothing for ever.
    Over,
}

impl<P: PeerId, R: Runtime> Driver<P, R> {
    pub(crate) fn new(
        machine: NodeMachine<P>,
        socket: R::Socket,
        shared: Arc<NodeShared<P>>,
    ) -> Self {
        Self {
            machine,
            udp: Udp::new(socket),
            alarm: Alarm::new(R::timer()),
            ending: Ending::of(&shared),
            shared,
            peers: Peers::new(),
            mailboxes: Vec::new(),
            buffer: Vec::new(),
            unsent: None,
            blocked: None,
            deadline: None,
            pause: None,
            reports: false,
            stopped: Vec::new(),
            stopping: false,
            aborting: false,
            complaints: Complaints::default(),
        }
    }

    /// Runs until the node has stopped. Dropped before, it ends the node at once: see `Drop`.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.bell.wake_up();
        for _ in 0..ROUNDS_PER_POLL {
            match self.round() {
                Round::More => {}
                Round::Over => return Poll::Ready(()),
                Round::Idle => match self.fall_asleep(cx) {
                    Ok(true) => return Poll::Pending,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(%error, "the runtime no longer watches the socket");
                        return Poll::Ready(());
                    }
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn round(&mut self) -> Round {
        let received = self.receive();
        let now = self.now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.machine.handle_timeout(now);
        }
        self.take_news(now);
        let outputs = self.follow_outputs(now);
        let ended = outputs != Outputs::Some && self.end_stopped_peers();
        self.peers.wake();
        match outputs {
            // To forget a peer may close its connection.
            Outputs::All | Outputs::Blocked if ended => Round::More,
            Outputs::All if self.stopping && self.machine.is_stopped() => Round::Over,
            Outputs::All | Outputs::Blocked if !received => Round::Idle,
            Outputs::All | Outputs::Blocked | Outputs::Events | Outputs::Some => Round::More,
        }
    }

    /// Receives a batch; false if there was none. While a datagram waits to be sent nothing is
    /// received, so that the machine is not fed more than it can answer.
    fn receive(&mut self) -> bool {
        if std::mem::take(&mut self.reports) {
            self.read_reports();
        }
        if self.unsent.is_some() || self.is_paused() {
            return false;
        }
        match self.udp.receive() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                let now = self.now();
                if !self.read_reports() {
                    self.complaints.receiving(now, &error);
                    self.pause = Some(now + PAUSE);
                }
                return true;
            }
        }
        // Read after the call returned: otherwise a datagram may seem to come before it was sent.
        let now = self.now();
        for (about, datagram) in self.udp.datagrams() {
            self.machine.handle_datagram(now, about, datagram);
        }
        true
    }

    /// Hands the network's reports on; false if there were none.
    fn read_reports(&mut self) -> bool {
        let reports = self.udp.reports();
        self.reports |= reports.more;
        let now = self.now();
        for host in &reports.unreachable {
            self.machine.handle_unreachable(now, *host);
        }
        !reports.unreachable.is_empty()
    }

    /// Does what the handles ask for. Who has a new mailbox is made known first: it was put there
    /// before any news of the mailbox was.
    fn take_news(&mut self, now: Time) {
        if !self.shared.bell.attend(&mut self.mailboxes) {
            return;
        }
        let commands = lock(&self.shared.control).take_commands();
        for added in commands.added {
            if let Err((name, shared)) = self.peers.add(&mut self.machine, now, added) {
                self.end_peer(
                    Some(&name),
                    &shared,
                    StopReason::Aborted,
                    PeerStats::default(),
                );
            }
        }
        for (session, shared) in self.shared.inbox.take_made() {
            self.peers.add_replies(session, shared);
        }
        if let Some(trust) = commands.trust {
            self.machine.set_trust(now, trust);
        }
        if let Some(identity) = commands.identity {
            self.machine.replace_identity(now, identity);
        }
        if commands.network_changed {
            self.machine.network_changed(now);
        }
        for place in self.mailboxes.drain(..) {
            self.peers.collect(&mut self.machine, now, place);
        }
        for answers in self.shared.inbox.take_answers() {
            for (lane, answers_of_lane) in answers.lanes {
                for (number, code) in answers_of_lane.refused {
                    self.machine.refuse(now, answers.source, lane, number, code);
                }
                self.machine
                    .consumed(now, answers.source, lane, answers_of_lane.below);
            }
        }
        if commands.cut_accepted {
            self.machine.cut_accepted(now);
        }
        if let Some(mode) = commands.stop {
            self.peers.collect_all(&mut self.machine, now);
            self.machine.stop(now, mode);
            self.stopping = true;
            self.aborting |= match mode {
                StopMode::Abort | StopMode::Remove => true,
                StopMode::Drain(_) => false,
            };
        }
        for to in commands.stats {
            to.send(self.machine.stats());
        }
    }

    /// Arms everything that wakes this task. False if there is something to do already.
    fn fall_asleep(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let now = self.now();
        let latest = self.deadline.unwrap_or(Time::MAX);
        if latest <= now {
            return Ok(false);
        }
        let given_up = match self.unsent {
            Some(_) => self.blocked.map(|since| since + PATIENCE),
            None => None,
        };
        let latest = [self.pause, given_up]
            .into_iter()
            .flatten()
            .fold(latest.min(now + SLEEP_MAX), Time::min);
        if let Some(at) = self.shared.clock.instant(latest) {
            self.alarm.at_latest(at);
        }
        if self.alarm.poll(cx).is_ready() {
            return Ok(false);
        }
        if self.udp.socket.poll_report(cx).is_ready() {
            self.reports = true;
            return Ok(false);
        }
        if !self.is_paused() && self.poll_socket(cx)?.is_ready() {
            return Ok(false);
        }
        Ok(self.shared.bell.fall_asleep(cx.waker()))
    }

    /// Ready if the socket may be read, or written while a datagram waits for that.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let ready = match self.unsent {
            None => self.udp.socket.poll_readable(cx)?,
            Some(_) => self.udp.socket.poll_writable(cx)?,
        };
        if self.unsent.is_some() && ready.is_ready() {
            // Some runtimes call a socket writable for ever once it had an error.
            self.pause = Some(self.now() + PAUSE);
        }
        Ok(ready)
    }

    fn is_paused(&mut self) -> bool {
        let Some(pause) = self.pause else {
            return false;
        };
        if self.now() < pause {
            return true;
        }
        self.pause = None;
        false
    }

    fn now(&self) -> Time {
        self.shared.clock.now()
    }
}
