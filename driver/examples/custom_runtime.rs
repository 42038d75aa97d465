//! A node that is driven by hand: the machine, a socket of the standard library and a thread, with no
//! async and no runtime. A loop like this goes into anything that has a clock and datagrams.
#![expect(clippy::disallowed_methods, reason = "whoever drives has the clock")]

use std::error::Error;
use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use peer_sender_driver::*;
use peer_sender_quic::{DatagramMeta, NodeEvent, NodeMachine, OutgoingMessage, Output, Target};

struct ByHand {
    machine: NodeMachine<String>,
    socket: UdpSocket,
    begin: Instant,
}

impl ByHand {
    fn bind(config: NodeConfig) -> Result<Self, Box<dyn Error>> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let begin = Instant::now();
        Ok(Self {
            machine: NodeMachine::new(config, seed, begin, SystemTime::now()),
            socket: UdpSocket::bind("127.0.0.1:0")?,
            begin,
        })
    }

    fn now(&self) -> Time {
        Time::ZERO + self.begin.elapsed()
    }

    /// Does what the machine wants, until it has stopped.
    fn run(mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            match self.machine.poll_output(self.now(), &mut buffer) {
                Output::Transmit(to) => {
                    // What the system does not take is lost, as on any network.
                    let _ = self.socket.send_to(&buffer[..to.size], to.destination);
                }
                Output::Event(event) => self.tell(event),
                Output::Timeout(_) if self.machine.is_stopped() => return Ok(()),
                Output::Timeout(deadline) => self.wait(deadline)?,
            }
        }
    }

    /// Waits for a datagram, until a moment after the deadline at the latest.
    fn wait(&mut self, deadline: Option<Time>) -> io::Result<()> {
        let left = deadline.map(|at| at.saturating_since(self.now()) + Duration::from_millis(1));
        self.socket.set_read_timeout(left)?;
        let mut datagram = [0; 1 << 16];
        // Else nothing came in time, or the network tells that an earlier datagram found nobody.
        if let Ok((size, remote)) = self.socket.recv_from(&mut datagram) {
            let datagram = BytesMut::from(&datagram[..size]);
            let meta = DatagramMeta {
                remote,
                local_ip: None,
                ecn: None,
            };
            self.machine.handle_datagram(self.now(), meta, datagram);
        }
        self.machine.handle_timeout(self.now());
        Ok(())
    }

    /// Accepts one message, or learns what became of one, and ends.
    fn tell(&mut self, event: NodeEvent<String>) {
        let now = self.now();
        println!("{event:?}");
        match event {
            NodeEvent::Incoming { source, .. } => self.machine.consumed(now, source, Lane(0), 1),
            NodeEvent::Settled { .. } => {}
            _ => return,
        }
        self.machine
            .stop(now, StopMode::Drain(Duration::from_secs(10)));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
    let trust = Trust::Keys([alice.key()].into());
    let listener = ByHand::bind(NodeConfig::builder(bob.clone()).accept(trust).build()?)?;
    let bob = PeerConfig::new(bob.key(), listener.socket.local_addr()?)?;
    let listening = std::thread::spawn(|| listener.run());

    let mut node = ByHand::bind(NodeConfig::new(alice))?;
    let now = node.now();
    let peer = node.machine.add_peer(now, "bob".to_string(), bob)?;
    let hello = OutgoingMessage::new(MessageId(1), Lane(0), "hello".into());
    node.machine.queue(now, Target::Peer(peer), [hello]);
    node.run()?;
    Ok(listening.join().map_err(|_| "the listener panicked")??)
}
