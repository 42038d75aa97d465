//! Datagrams that are no QUIC, or belong to nobody.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::memory;
use super::scene::{Scene, run, run_in_turn};

/// Datagrams that are sent before it is waited for the node, few enough for its socket's buffer.
const BATCH: usize = 16;

/// A random number generator (xorshift64), the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(len).collect()
    }

    /// A packet with a long header (RFC 8999 section 5.1).
    fn long(&mut self, first: u8, version: u32, id_len: u8, len: usize) -> Vec<u8> {
        let mut packet = vec![first];
        packet.extend(version.to_be_bytes());
        packet.push(id_len);
        packet.extend(self.bytes(id_len.into()));
        packet.push(8);
        let rest = self.bytes(len.saturating_sub(packet.len()));
        packet.extend(rest);
        packet
    }

    /// The junk of this number: each kind in turn.
    fn junk(&mut self, number: usize) -> Vec<u8> {
        let len = 1 + (self.next() % 1_472) as usize;
        match number % 12 {
            // Nothing but chance.
            0 => self.bytes(len),
            // A version that nobody speaks: asked for in earnest, and too small to be answered.
            1 => self.long(0xc3, 0x1a2b_3c4d, 8, 1_200),
            2 => self.long(0xc3, 0x1a2b_3c4d, 8, 100),
            // Short and long headers without their fixed bit. (An Initial without it is one all the
            // same: the bit may be greased, RFC 9287.)
            3 => [vec![0x3f & len as u8], self.bytes(len)].concat(),
            4 => self.long(0xa3, 1, 8, 1_200),
            5 => Vec::new(),
            // The largest that UDP over IPv4 takes; few, since they are costly to send.
            6 if number % 96 == 6 => self.bytes(65_507),
            // A short header with the id of no connection.
            6 | 7 => [vec![0x40 | 0x3f & len as u8], self.bytes(len)].concat(),
            // An Initial that is too small, and one whose id is too short.
            8 => self.long(0xc3, 1, 8, 1_199),
            9 => self.long(0xc3, 1, 4, 1_200),
            // Handshake, Retry and Version Negotiation, out of the blue.
            10 => self.long(0xe3, 1, 8, len),
            _ => self.long(if len.is_multiple_of(2) { 0xf3 } else { 0xc3 }, 0, 8, len),
        }
    }
}

/// A socket of somebody who does not speak QUIC.
struct Stranger {
    socket: UdpSocket,
    to: SocketAddr,
    sent_bytes: u64,
    answers: u64,
    answer_bytes: u64,
}

impl Stranger {
    async fn at(scene: &Scene) -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.2:0").await.unwrap(),
            to: scene.address(),
            sent_bytes: 0,
            answers: 0,
            answer_bytes: 0,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.sent_bytes += bytes.len() as u64;
        self.socket.send_to(bytes, self.to).await.unwrap();
    }

    /// Reads what was answered so far.
    fn listen(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            match self.socket.try_recv(&mut buffer) {
                Ok(len) => {
                    self.answers += 1;
                    self.answer_bytes += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn junk_is_dropped_or_answered_and_leaves_nothing_behind() {
    run_in_turn(async {
        const COUNT: usize = 100_000;
        let mut scene = Scene::listening(|config| config).await;
        let mut stranger = Stranger::at(&scene).await;
        let mut chance = Chance(1);
        let before = memory::data_bytes();
        for number in 0..COUNT {
            let junk = chance.junk(number);
            stranger.send(&junk).await;
            if number % BATCH == 0 {
                scene.live.stats().await;
                stranger.listen();
            }
        }
        // The system may lose some, as any network.
        let stats = scene
            .counts(|stats| stats.strays >= COUNT as u64 * 9 / 10)
            .await;
        assert_eq!(
            (stats.connections, stats.sessions),
            (1, 1),
            "the honest one's"
        );
        assert_eq!((stats.accepted, stats.handshakes_failed), (1, 0));
        assert_eq!(scene.live.turned_away(), [], "no log is filled by it");
        memory::assert_flat(before, 64 << 20);

        // Versions are negotiated, and an id that is too short is refused; nothing else is worth
        // an answer, and none is larger than what it answers.
        stranger.listen();
        let answered = COUNT as u64 / 6;
        assert!(
            stranger.answers > answered / 2,
            "{} answers",
            stranger.answers
        );
        assert!(
            stranger.answers <= answered + 1,
            "{} answers",
            stranger.answers
        );
        assert!(stranger.answer_bytes < stranger.sent_bytes / 3);
        scene.ends().await;
    });
}

/// Whoever can read RFC 9001 can make an Initial whose header makes sense, and nothing else.
#[test]
fn an_initial_that_does_not_decrypt_begins_no_connection() {
    run(async {
        const COUNT: u64 = 2_000;
        let mut scene = Scene::listening(|config| config).await;
        let mut stranger = Stranger::at(&scene).await;
        let mut chance = Chance(2);
        for number in 0..COUNT {
            let mut packet = chance.long(0xc0, 1, 8, 14);
            packet.extend(chance.bytes(8));
            // No token, and all of the rest of the datagram.
            let len = (1_200 - packet.len() - 3) as u16 | 1 << 14;
            packet.push(0);
            packet.extend(len.to_be_bytes());
            let rest = chance.bytes(1_200 - packet.len());
            packet.extend(rest);
            stranger.send(&packet).await;
            if number % BATCH as u64 == 0 {
                scene.live.stats().await;
            }
        }
        let stats = scene
            .counts(|stats| stats.strays + stats.handshakes_failed >= COUNT * 9 / 10)
            .await;
        // Half of the headers are nonsense once their protection is taken off.
        assert!(stats.handshakes_failed > COUNT / 10, "{stats:?}");
        assert_eq!((stats.connections, stats.accepted), (1, 1));
        stranger.listen();
        assert!(stranger.answer_bytes < stranger.sent_bytes / 3);
        assert!(
            scene.live.turned_away().len() <= 64,
            "what is kept for logs has a limit"
        );
        scene.ends().await;
    });
}
