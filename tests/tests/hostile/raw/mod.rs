//! A QUIC endpoint that does what it is told: it dials or accepts with any identity, and says any
//! bytes on any stream. It only lives while a test waits on it.

mod link;
pub(crate) mod say;
mod tls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peer_sender_tokio::{CloseCode, Identity};
use quinn_proto::{
    Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    ServerConfig, StreamId, TransportConfig, VarInt,
};
use tokio::net::UdpSocket;

use self::link::{Came, Link};
use self::say::Heard;

pub(crate) use self::link::End;

/// Datagrams that are read before it is looked what became of them.
const BATCH: usize = 64;

/// See the module.
pub(crate) struct Raw {
    socket: UdpSocket,
    endpoint: Endpoint,
    client: quinn_proto::ClientConfig,
    links: Vec<Link>,
    /// Those that QUIC has not forgotten, by its own name for them.
    alive: BTreeMap<usize, usize>,
    /// Connections that others dialled, in the order in which they stood.
    came: VecDeque<Id>,
    /// Nothing that comes is read from the socket.
    pub(crate) deaf: bool,
}

/// A connection of a [`Raw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(usize);

/// How a connection was closed by the other end's application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
}

impl Raw {
    /// One that dials.
    pub(crate) async fn dialler(identity: &Identity) -> Self {
        Self::new(identity, None, TransportConfig::default()).await
    }

    /// One that can be dialled, with these settings of what it lets others do.
    pub(crate) async fn acceptor(
        identity: &Identity,
        set: impl FnOnce(&mut TransportConfig),
    ) -> Self {
        let mut transport = TransportConfig::default();
        set(&mut transport);
        let server = tls::server_config(identity, tls::ALPN);
        Self::new(identity, Some(server), transport).await
    }

    async fn new(
        identity: &Identity,
        server: Option<ServerConfig>,
        mut transport: TransportConfig,
    ) -> Self {
        // Whoever is slow is not gone: a connection lasts as long as its test waits on it.
        transport.keep_alive_interval(Some(Duration::from_secs(1)));
        let transport = Arc::new(transport);
        let server = server.map(|mut server| {
            server.transport_config(Arc::clone(&transport));
            Arc::new(server)
        });
        let mut client = tls::client_config(identity, tls::ALPN);
        client.transport_config(transport);
        let config = Arc::new(EndpointConfig::default());
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            endpoint: Endpoint::new(config, server, true, None),
            client,
            links: Vec::new(),
            alive: BTreeMap::new(),
            came: VecDeque::new(),
            deaf: false,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Shows this key from the next connection on, dialled ones and accepted ones. What the accepted
    /// ones let others do is as usual from then on.
    pub(crate) fn become_another(&mut self, identity: &Identity) {
        self.speak(identity, tls::ALPN);
    }

    /// The same, and speaks the protocol of this name.
    pub(crate) fn speak(&mut self, identity: &Identity, alpn: &str) {
        self.client = tls::client_config(identity, alpn);
        let server = tls::server_config(identity, alpn);
        self.endpoint.set_server_config(Some(Arc::new(server)));
    }

    /// Begins to dial.
    pub(crate) fn dial(&mut self, to: SocketAddr) -> Id {
        let client = self.client.clone();
        let dialled = self.endpoint.connect(now(), client, to, "peer-sender");
        let (handle, connection) = dialled.unwrap();
        self.insert(handle, connection, true)
    }

    /// Dials, and waits until the handshake is complete on this end.
    pub(crate) async fn connect(&mut self, to: SocketAddr) -> Id {
        let id = self.dial(to);
        let connected = self.until(|raw| raw.handshake(id)).await;
        connected.expect("the handshake failed");
        id
    }

    /// The next connection that somebody dialled.
    pub(crate) async fn accept(&mut self) -> Id {
        self.until(|raw| raw.came.pop_front()).await
    }

    /// The next stream that the other end opened.
    pub(crate) async fn accept_stream(&mut self, id: Id) -> StreamId {
        self.until(|raw| raw.next_stream(id)).await
    }

    pub(crate) fn next_stream(&mut self, id: Id) -> Option<StreamId> {
        self.link(id).opened.pop_front()
    }

    /// Whether the handshake is complete, or why it failed; none while it is under way.
    pub(crate) fn handshake(&self, id: Id) -> Option<Result<(), ConnectionError>> {
        let link = &self.links[id.0];
        match &link.lost {
            Some(error) if !link.connected => Some(Err(error.clone())),
            _ => link.connected.then_some(Ok(())),
        }
    }

    /// Opens a bidirectional stream, if the other end allows one more.
    pub(crate) fn open(&mut self, id: Id) -> Option<StreamId> {
        self.connection(id).streams().open(Dir::Bi)
    }

    /// Opens a unidirectional stream, if the other end allows one more.
    pub(crate) fn open_uni(&mut self, id: Id) -> Option<StreamId> {
        self.connection(id).streams().open(Dir::Uni)
    }

    /// A unidirectional stream on which this was said, and that ended then.
    pub(crate) async fn send(&mut self, id: Id, bytes: &[u8]) -> StreamId {
        let stream = self.until(|raw| raw.open_uni(id)).await;
        self.say(id, stream, bytes).await;
        self.finish(id, stream);
        stream
    }

    /// Hands QUIC bytes for a stream; how many it took.
    pub(crate) fn offer(&mut self, id: Id, stream: StreamId, bytes: &[u8]) -> usize {
        let mut sending = self.connection(id).send_stream(stream);
        sending.write(bytes).unwrap_or(0)
    }

    /// Says all of it on a stream, unless the other end ends the stream or the connection.
    pub(crate) async fn say(&mut self, id: Id, stream: StreamId, bytes: &[u8]) {
        let mut said = 0;
        self.until(|raw| {
            if raw.link(id).lost.is_some() || raw.link(id).stopped.contains_key(&stream) {
                return Some(());
            }
            said += raw.offer(id, stream, &bytes[said..]);
            (said == bytes.len()).then_some(())
        })
        .await;
    }

    /// A stream on which this was said.
    pub(crate) async fn say_on_new(&mut self, id: Id, bytes: &[u8]) -> StreamId {
        let stream = self.until(|raw| raw.open(id)).await;
        self.say(id, stream, bytes).await;
        stream
    }

    pub(crate) fn finish(&mut self, id: Id, stream: StreamId) {
        self.connection(id).send_stream(stream).finish().unwrap();
    }

    /// RESET_STREAM. Nothing happens to a stream that is over.
    pub(crate) fn reset(&mut self, id: Id, stream: StreamId) {
        let code = VarInt::from_u32(9);
        let _ = self.connection(id).send_stream(stream).reset(code);
    }

    /// STOP_SENDING. Nothing happens to a stream that is over.
    pub(crate) fn stop(&mut self, id: Id, stream: StreamId) {
        let code = VarInt::from_u32(9);
        let _ = self.connection(id).recv_stream(stream).stop(code);
    }

    pub(crate) fn close(&mut self, id: Id, code: CloseCode) {
        let code = VarInt::from_u64(code.to_wire()).unwrap();
        self.connection(id).close(now(), code, Bytes::new());
    }

    /// Reads nothing of the connection's streams from now on, or everything again.
    pub(crate) fn set_reads(&mut self, id: Id, reads: bool) {
        self.link(id).reads = reads;
        let streams: Vec<StreamId> = self.link(id).streams.keys().copied().collect();
        for stream in streams {
            self.links[id.0].read(stream);
        }
    }

    /// The code with which the other end stopped what is written on the stream.
    pub(crate) fn stopped(&self, id: Id, stream: StreamId) -> Option<u64> {
        self.links[id.0].stopped.get(&stream).copied()
    }

    /// What came on the stream so far.
    pub(crate) fn came(&mut self, id: Id, stream: StreamId) -> Came {
        let came = self.link(id).streams.get(&stream);
        came.cloned().unwrap_or_default()
    }

    /// What came on the stream once it is so long.
    pub(crate) async fn heard(&mut self, id: Id, stream: StreamId, bytes_min: usize) -> Vec<u8> {
        let came = self
            .until(|raw| Some(raw.came(id, stream)).filter(|it| it.bytes.len() >= bytes_min))
            .await;
        came.bytes
    }

    /// Waits until this frame is the last that came on the stream.
    pub(crate) async fn hears(&mut self, id: Id, stream: StreamId, last: Heard) {
        self.until(|raw| {
            let heard = say::heard(&raw.came(id, stream).bytes);
            (heard.last() == Some(&last)).then_some(())
        })
        .await;
    }

    /// The end of what comes on the stream.
    pub(crate) async fn ended(&mut self, id: Id, stream: StreamId) -> End {
        self.until(|raw| raw.came(id, stream).end).await
    }

    /// Whether the connection has not been lost.
    pub(crate) fn stands(&self, id: Id) -> bool {
        self.links[id.0].lost.is_none()
    }

    /// Why the connection was lost.
    pub(crate) async fn lost(&mut self, id: Id) -> ConnectionError {
        self.until(|raw| raw.link(id).lost.clone()).await
    }

    /// How the other end's application closed the connection.
    pub(crate) async fn closed(&mut self, id: Id) -> Closed {
        match self.lost(id).await {
            ConnectionError::ApplicationClosed(close) => Closed {
                code: CloseCode::from_wire(close.error_code.into_inner()),
                reason: String::from_utf8(close.reason.to_vec()).unwrap(),
            },
            error => panic!("no close of the application: {error:?}"),
        }
    }

    /// Lives until something is so.
    pub(crate) async fn until<T>(&mut self, mut so: impl FnMut(&mut Self) -> Option<T>) -> T {
        loop {
            self.turn();
            let it = so(self);
            // What was said meanwhile goes out at once.
            let timeout = self.turn();
            match it {
                Some(it) => return it,
                None => self.wait(timeout).await,
            }
        }
    }

    /// Lives as long as something else takes.
    pub(crate) async fn alongside<T>(&mut self, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            let timeout = self.turn();
            tokio::select! {
                it = &mut what => return it,
                () = self.wait(timeout) => {}
            }
        }
    }

    fn link(&mut self, id: Id) -> &mut Link {
        &mut self.links[id.0]
    }

    fn connection(&mut self, id: Id) -> &mut Connection {
        let connection = self.links[id.0].connection.as_mut();
        connection.expect("the connection is over")
    }

    fn insert(&mut self, handle: ConnectionHandle, connection: Connection, dialled: bool) -> Id {
        let id = Id(self.links.len());
        self.alive.insert(handle.0, id.0);
        self.links.push(Link::new(connection, dialled));
        id
    }

    /// Lets every connection act, and sends what they have to say. When the next one has
    /// something to do by itself.
    fn turn(&mut self) -> Option<Instant> {
        let mut timeout: Option<Instant> = None;
        let mut over = BTreeSet::new();
        let mut buffer = Vec::new();
        for (&handle, &at) in &self.alive {
            let link = &mut self.links[at];
            let Some(connection) = &mut link.connection else {
                continue;
            };
            let now = now();
            if connection.poll_timeout().is_some_and(|at| at <= now) {
                connection.handle_timeout(now);
            }
            while let Some(event) = connection.poll_endpoint_events() {
                if event.is_drained() {
                    over.insert(handle);
                }
                let handle = ConnectionHandle(handle);
                if let Some(event) = self.endpoint.handle_event(handle, event) {
                    connection.handle_event(event);
                }
            }
            let stood = link.connected;
            link.hear();
            if link.connected && !stood && !link.dialled {
                self.came.push_back(Id(at));
            }
            let Some(connection) = &mut link.connection else {
                continue;
            };
            while let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) {
                send(&self.socket, &transmit, &buffer);
                buffer.clear();
            }
            timeout = timeout.into_iter().chain(connection.poll_timeout()).min();
        }
        for handle in over {
            if let Some(at) = self.alive.remove(&handle) {
                self.links[at].forget();
            }
        }
        timeout
    }

    /// Waits for datagrams, and takes them in.
    async fn wait(&mut self, timeout: Option<Instant>) {
        // Others run on the same thread.
        tokio::task::yield_now().await;
        let due = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            readable = self.socket.readable(), if !self.deaf => readable.unwrap(),
            () = due => return,
        }
        let mut buffer = vec![0; 65_536];
        for _ in 0..BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((len, from)) => self.take(from, &buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // What an earlier datagram met, such as a port that is closed.
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut answer = Vec::new();
        let data = BytesMut::from(bytes);
        match self
            .endpoint
            .handle(now(), from, None, None, data, &mut answer)
        {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let link = self.alive.get(&handle.0).map(|&at| &mut self.links[at]);
                if let Some(connection) = link.and_then(|link| link.connection.as_mut()) {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if let Ok((handle, connection)) =
                    self.endpoint.accept(incoming, now(), &mut answer, None)
                {
                    self.insert(handle, connection, false);
                }
            }
            Some(DatagramEvent::Response(transmit)) => send(&self.socket, &transmit, &answer),
            None => {}
        }
    }
}

/// What the socket does not take is lost, as it might be on its way.
fn send(socket: &UdpSocket, transmit: &quinn_proto::Transmit, buffer: &[u8]) {
    let _ = socket.try_send_to(&buffer[..transmit.size], transmit.destination);
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
