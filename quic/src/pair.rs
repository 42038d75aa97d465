//! Two endpoints in memory, on a clock of their own: for tests of what they are configured with.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Endpoint,
    EndpointConfig, Event, ServerConfig, VarInt,
};

use crate::transport::{endpoint_config, server_config};
use crate::{Identity, NodeConfig, Trust, tls};

pub(crate) const DIALLER: usize = 0;
pub(crate) const LISTENER: usize = 1;
pub(crate) const ONE_WAY: Duration = Duration::from_millis(5);

/// What a listener does with a connection as soon as its handshake is complete.
pub(crate) type OnConnected = fn(&mut Connection, Instant);

/// A datagram that was sent: when, by whom, its size, and the connection id that it names.
pub(crate) type Sent = (Duration, usize, usize, Vec<u8>);

pub(crate) struct End {
    endpoint: Endpoint,
    pub(crate) connections: BTreeMap<ConnectionHandle, Connection>,
    pub(crate) connected: usize,
    pub(crate) lost: Vec<ConnectionError>,
    pub(crate) on_connected: OnConnected,
}

impl End {
    pub(crate) fn new(config: EndpointConfig, server: Option<Arc<ServerConfig>>) -> Self {
        Self {
            endpoint: Endpoint::new(Arc::new(config), server, true, None),
            connections: BTreeMap::new(),
            connected: 0,
            lost: Vec::new(),
            on_connected: |_, _| (),
        }
    }

    /// The only connection.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        assert_eq!(self.connections.len(), 1);
        self.connections.values_mut().next().unwrap()
    }
}

pub(crate) struct Pair {
    base: Instant,
    pub(crate) now: Duration,
    pub(crate) ends: [End; 2],
    /// When, to whom, and what; in the order of arrival, since each takes equally long.
    wire: VecDeque<(Duration, usize, Vec<u8>)>,
    pub(crate) sent: Vec<Sent>,
    /// Nothing arrives any more.
    pub(crate) cut: bool,
}

impl Pair {
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin to count from; its value is unseen"
    )]
    pub(crate) fn new(dialler: End, listener: End) -> Self {
        Self {
            base: Instant::now(),
            now: Duration::ZERO,
            ends: [dialler, listener],
            wire: VecDeque::new(),
            sent: Vec::new(),
            cut: false,
        }
    }

    pub(crate) fn dial(&mut self, config: ClientConfig) {
        let (now, remote) = (self.instant(), address(LISTENER));
        let dialler = &mut self.ends[DIALLER];
        let dialled = dialler
            .endpoint
            .connect(now, config, remote, tls::SERVER_NAME);
        let (handle, connection) = dialled.unwrap();
        dialler.connections.insert(handle, connection);
    }

    /// Lets this much time go by.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            match self.next_moment() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            self.deliver();
            let now = self.instant();
            for connection in self
                .ends
                .iter_mut()
                .flat_map(|end| end.connections.values_mut())
            {
                if connection.poll_timeout().is_some_and(|at| at <= now) {
                    connection.handle_timeout(now);
                }
            }
        }
        self.now = end;
    }

    fn next_moment(&mut self) -> Option<Duration> {
        let timers = self
            .ends
            .iter_mut()
            .flat_map(|end| end.connections.values_mut());
        let due = timers
            .filter_map(Connection::poll_timeout)
            .map(|at| at - self.base);
        due.chain(self.wire.front().map(|(at, ..)| *at)).min()
    }

    fn deliver(&mut self) {
        while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, to, data) = self.wire.pop_front().unwrap();
            if !self.cut {
                self.arrive(to, &data);
            }
        }
    }

    fn arrive(&mut self, to: usize, data: &[u8]) {
        let (now, from) = (self.instant(), address(1 - to));
        let mut response = Vec::new();
        let end = &mut self.ends[to];
        let event = end
            .endpoint
            .handle(now, from, None, None, BytesMut::from(data), &mut response);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                end.connections
                    .get_mut(&handle)
                    .unwrap()
                    .handle_event(event);
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                match end.endpoint.accept(incoming, now, &mut response, None) {
                    Ok((handle, connection)) => {
                        end.connections.insert(handle, connection);
                    }
                    Err(error) => {
                        end.lost.push(error.cause);
                        if error.response.is_some() {
                            self.send(to, &response);
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(_)) => self.send(to, &response),
            None => {}
        }
    }

    /// Serves each connection until none has anything to say.
    fn settle(&mut self) {
        let now = self.instant();
        for at in [DIALLER, LISTENER] {
            let End {
                endpoint,
                connections,
                connected,
                lost,
                on_connected,
            } = &mut self.ends[at];
            let mut datagrams = Vec::new();
            connections.retain(|&handle, connection| {
                while let Some(event) = connection.poll() {
                    match event {
                        Event::Connected => {
                            *connected += 1;
                            on_connected(connection, now);
                        }
                        Event::ConnectionLost { reason } => lost.push(reason),
                        _ => {}
                    }
                }
                let mut buffer = Vec::new();
                while let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) {
                    assert_eq!(transmit.size, buffer.len());
                    datagrams.push(std::mem::take(&mut buffer));
                }
                while let Some(event) = connection.poll_endpoint_events() {
                    if let Some(event) = endpoint.handle_event(handle, event) {
                        connection.handle_event(event);
                    }
                }
                !connection.is_drained()
            });
            datagrams
                .iter()
                .for_each(|datagram| self.send(at, datagram));
        }
    }

    fn send(&mut self, from: usize, data: &[u8]) {
        self.sent
            .push((self.now, from, data.len(), destination_id(data)));
        self.wire
            .push_back((self.now + ONE_WAY, 1 - from, data.to_vec()));
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }
}

pub(crate) fn identity(n: u8) -> Identity {
    Identity::from_secret([n; 32])
}

pub(crate) fn dialling() -> NodeConfig {
    NodeConfig::new(identity(1))
}

pub(crate) fn accepting() -> NodeConfig {
    NodeConfig::builder(identity(2))
        .accept(Trust::Any)
        .build()
        .unwrap()
}

pub(crate) fn dialler(seed: u8) -> End {
    End::new(endpoint_config(&identity(1), [seed; 32]), None)
}

pub(crate) fn listener(seed: u8) -> End {
    listener_with(seed, server_config(&accepting(), [seed; 32]))
}

pub(crate) fn listener_with(seed: u8, server: Arc<ServerConfig>) -> End {
    End::new(endpoint_config(&identity(2), [seed; 32]), Some(server))
}

/// Closes with the code that refuses an identity.
pub(crate) fn refuse_identity(connection: &mut Connection, now: Instant) {
    connection.close(
        now,
        VarInt::from_u32(4),
        bytes::Bytes::from_static(b"unknown key"),
    );
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + end as u8], 4433))
}

/// Of a packet with a long header (RFC 9000 section 17.2) as it says, else 12 bytes: all ids here
/// have that length.
fn destination_id(data: &[u8]) -> Vec<u8> {
    let range = if data[0] & 0x80 == 0 {
        1..13
    } else {
        6..6 + usize::from(data[5])
    };
    data[range].to_vec()
}
