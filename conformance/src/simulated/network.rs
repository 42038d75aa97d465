//! A network in memory: every datagram arrives, in order, after the same time.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Poll, Waker};
use std::time::Duration;

use peer_sender_driver::{Arrived, DatagramMeta, Report, Transmit};

/// From one socket to the other.
const LATENCY: Duration = Duration::from_micros(50);
/// What a socket keeps until it is received; more is dropped.
pub(super) const INBOX_BYTES_MAX: usize = 4 << 20;
/// Datagrams that are taken at once.
pub(super) const SEGMENTS_MAX: usize = 10;
/// The first port that is given out.
const PORT_MIN: u16 = 1_024;

/// See the module.
#[derive(Default)]
pub(super) struct Network {
    sockets: BTreeMap<SocketAddr, Inbox>,
    under_way: VecDeque<UnderWay>,
    /// The port that was given out last.
    port: u16,
}

#[derive(Default)]
struct Inbox {
    datagrams: VecDeque<(DatagramMeta, Vec<u8>)>,
    bytes: usize,
    reports: VecDeque<Report>,
    waker: Option<Waker>,
}

struct UnderWay {
    arrives_at: Duration,
    /// The socket that sent it.
    sender: SocketAddr,
    destination: SocketAddr,
    about: DatagramMeta,
    contents: Vec<u8>,
}

impl Network {
    /// The address of a new socket; none if that is in use.
    pub(super) fn bind(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        let mut address = address;
        if address.port() == 0 {
            address.set_port(self.free_port(address.ip())?);
        }
        if self.sockets.contains_key(&address) {
            return None;
        }
        self.sockets.insert(address, Inbox::default());
        Some(address)
    }

    /// The next port that nobody has at this address.
    fn free_port(&mut self, ip: IpAddr) -> Option<u16> {
        let ports = (self.port.max(PORT_MIN - 1)..u16::MAX).map(|port| port + 1);
        let mut ports = ports.chain(PORT_MIN..=self.port);
        let sockets = &self.sockets;
        let port = ports.find(|port| !sockets.contains_key(&SocketAddr::new(ip, *port)))?;
        self.port = port;
        Some(port)
    }

    pub(super) fn close(&mut self, address: SocketAddr) {
        self.sockets.remove(&address);
    }

    pub(super) fn send(
        &mut self,
        now: Duration,
        sender: SocketAddr,
        transmit: &Transmit,
        contents: &[u8],
    ) {
        let destination = transmit.destination;
        let about = DatagramMeta {
            remote: seen_from(destination.ip(), sender, transmit.src_ip),
            local_ip: Some(destination.ip()),
            ecn: transmit.ecn,
        };
        let size = transmit.segment_size.unwrap_or(contents.len()).max(1);
        self.under_way
            .extend(contents.chunks(size).map(|contents| UnderWay {
                arrives_at: now + LATENCY,
                sender,
                destination,
                about,
                contents: contents.to_vec(),
            }));
    }

    /// When the next datagram comes to where it is sent.
    pub(super) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.front().map(|datagram| datagram.arrives_at)
    }

    /// Whom it concerns that datagrams have come by now, or have found nobody.
    pub(super) fn arrive(&mut self, now: Duration) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.next_arrival().is_some_and(|at| at <= now) {
            let Some(datagram) = self.under_way.pop_front() else {
                break;
            };
            wakers.extend(self.come(datagram));
        }
        wakers
    }

    fn come(&mut self, datagram: UnderWay) -> Option<Waker> {
        let destination = datagram.destination;
        match self.listener(destination) {
            Some(inbox) => {
                if inbox.bytes + datagram.contents.len() > INBOX_BYTES_MAX {
                    return None;
                }
                inbox.bytes += datagram.contents.len();
                let received = (datagram.about, datagram.contents);
                inbox.datagrams.push_back(received);
                inbox.waker.take()
            }
            None => {
                let sender = self.sockets.get_mut(&datagram.sender)?;
                let report = Report::Unreachable(destination.ip());
                sender.reports.push_back(report);
                sender.waker.take()
            }
        }
    }

    /// Who is bound to this address, or to its port at all.
    fn listener(&mut self, address: SocketAddr) -> Option<&mut Inbox> {
        let of_all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let mut bound = vec![address];
        bound.extend(of_all.map(|ip| SocketAddr::new(ip, address.port())));
        let found = bound.into_iter().find(|it| self.sockets.contains_key(it))?;
        self.sockets.get_mut(&found)
    }

    pub(super) fn poll_inbox(&mut self, address: SocketAddr, waker: &Waker) -> Poll<()> {
        self.poll(address, waker, |inbox| !inbox.datagrams.is_empty())
    }

    pub(super) fn poll_reports(&mut self, address: SocketAddr, waker: &Waker) -> Poll<()> {
        self.poll(address, waker, |inbox| !inbox.reports.is_empty())
    }

    fn poll(
        &mut self,
        address: SocketAddr,
        waker: &Waker,
        is_ready: impl FnOnce(&Inbox) -> bool,
    ) -> Poll<()> {
        let Some(inbox) = self.sockets.get_mut(&address) else {
            return Poll::Pending;
        };
        if is_ready(inbox) {
            return Poll::Ready(());
        }
        inbox.waker = Some(waker.clone());
        Poll::Pending
    }

    /// One datagram for each buffer.
    pub(super) fn receive(
        &mut self,
        address: SocketAddr,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) {
        let Some(inbox) = self.sockets.get_mut(&address) else {
            return;
        };
        for buffer in buffers {
            let Some((about, contents)) = inbox.datagrams.pop_front() else {
                return;
            };
            inbox.bytes -= contents.len();
            let bytes = contents.len().min(buffer.len());
            let (filled, _) = buffer.split_at_mut(bytes);
            filled.copy_from_slice(contents.get(..bytes).unwrap_or_default());
            arrived.push(Arrived {
                about,
                bytes,
                stride: bytes,
            });
        }
    }

    pub(super) fn report(&mut self, address: SocketAddr) -> Option<Report> {
        self.sockets.get_mut(&address)?.reports.pop_front()
    }
}

/// The address of a socket as that host sees it: one that is bound to all addresses sends from the
/// loopback's.
fn seen_from(host: IpAddr, sender: SocketAddr, src_ip: Option<IpAddr>) -> SocketAddr {
    let loopback: IpAddr = match host {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let ip = match sender.ip().is_unspecified() {
        true => src_ip.unwrap_or(loopback),
        false => sender.ip(),
    };
    SocketAddr::new(ip, sender.port())
}
