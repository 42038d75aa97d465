//! Captures of what went over a network, for Wireshark and its kin: pcapng files
//! (draft-ietf-opsawg-pcapng).
//!
//! ```text
//! capture = section header, interface description, decryption secrets*, enhanced packet*
//! block   = kind, length, body padded to four bytes, the same length again
//! ```
//!
//! All numbers of the format are little-endian here, so that a capture has the same bytes on every
//! machine. A datagram that came from a simulation, or from a socket, has no headers; it gets those
//! of UDP (RFC 768) and of IPv4 (RFC 791) or IPv6 (RFC 8200), and stands in the file as a packet of
//! the link type "raw IP". The TLS secrets stand before all packets, as a reader decrypts a packet
//! with what it has read by then.
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_core::Time;
//! use peer_sender_sim::pcapng::{Capture, Datagram};
//!
//! let mut capture = Capture::new(Duration::ZERO);
//! capture.datagram(&Datagram {
//!     at: Time::from_millis(5),
//!     from: ([192, 0, 2, 1], 40_000).into(),
//!     to: ([192, 0, 2, 2], 4_433).into(),
//!     ecn: 0,
//!     bytes: b"hello",
//!     note: "lost",
//! });
//! assert_eq!(capture.to_bytes().len() % 4, 0);
//! ```

mod packet;

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::Time;

/// Kinds of blocks.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

/// In a section header, tells the order of the bytes of numbers.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Of a section whose length is not said.
const UNKNOWN_LENGTH: u64 = u64::MAX;
/// Packets begin with the header of IPv4 or IPv6.
const LINK_RAW_IP: u16 = 101;
/// Packets are never cut.
const NO_LIMIT: u32 = 0;
/// Lines as in a file that SSLKEYLOGFILE names.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Options.
const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const TIME_RESOLUTION: u16 = 9;
/// Times are in units of 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// A datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When.
    pub at: Time,
    /// By whom.
    pub from: SocketAddr,
    /// To whom. Addresses of different families are both written as of IPv6.
    pub to: SocketAddr,
    /// Its mark of explicit congestion notification, the two bits of RFC 3168 section 5; what is
    /// above them is ignored.
    pub ecn: u8,
    /// What it holds. What IP cannot carry, beyond some 65,500 bytes, is left out.
    pub bytes: &'a [u8],
    /// What is to be known of it, such as that it was lost; empty for nothing.
    pub note: &'a str,
}

/// A capture that is being made. It is kept in memory, as large as its file will be.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The Unix time of time zero.
    began: Duration,
    secrets: String,
    packets: Vec<u8>,
}

impl Capture {
    /// An empty capture whose times count from this Unix time.
    pub fn new(began: Duration) -> Self {
        Self {
            began,
            ..Self::default()
        }
    }

    /// Adds secrets of TLS connections: lines of a label, a client random and a secret, the latter
    /// two in hexadecimal digits (RFC 9850). It does not matter whether their packets were added
    /// before. Whoever has the file can read what these connections carried.
    pub fn key_log(&mut self, lines: &str) {
        self.secrets.push_str(lines);
        if !lines.is_empty() && !lines.ends_with('\n') {
            self.secrets.push('\n');
        }
    }

    /// Adds a datagram.
    pub fn datagram(&mut self, datagram: &Datagram<'_>) {
        let packet = packet::of(datagram);
        let mut body = Vec::with_capacity(packet.len() + 64);
        let at = self
            .began
            .saturating_add(Duration::from_nanos(datagram.at.as_nanos()));
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        // The interface, the upper and the lower half of the time, the length in the file and the
        // length of the packet.
        for number in [0, (at >> 32) as u32, at as u32, length, length] {
            body.extend(number.to_le_bytes());
        }
        body.extend(packet);
        pad(&mut body);
        if !datagram.note.is_empty() {
            option(&mut body, COMMENT, datagram.note.as_bytes());
            end_of_options(&mut body);
        }
        block(&mut self.packets, ENHANCED_PACKET, &body);
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(self.packets.len() + self.secrets.len() + 128);
        block(&mut file, SECTION_HEADER, &section_header());
        block(&mut file, INTERFACE_DESCRIPTION, &interface_description());
        if !self.secrets.is_empty() {
            block(
                &mut file,
                DECRYPTION_SECRETS,
                &decryption_secrets(&self.secrets),
            );
        }
        file.extend(&self.packets);
        file
    }
}

fn section_header() -> Vec<u8> {
    let (major, minor) = (1_u16, 0_u16);
    let mut body = Vec::new();
    body.extend(BYTE_ORDER.to_le_bytes());
    body.extend(major.to_le_bytes());
    body.extend(minor.to_le_bytes());
    body.extend(UNKNOWN_LENGTH.to_le_bytes());
    option(&mut body, APPLICATION, b"peer-sender");
    end_of_options(&mut body);
    body
}

fn interface_description() -> Vec<u8> {
    let reserved = 0_u16;
    let mut body = Vec::new();
    body.extend(LINK_RAW_IP.to_le_bytes());
    body.extend(reserved.to_le_bytes());
    body.extend(NO_LIMIT.to_le_bytes());
    option(&mut body, TIME_RESOLUTION, &[NANOSECONDS]);
    end_of_options(&mut body);
    body
}

fn decryption_secrets(secrets: &str) -> Vec<u8> {
    let length = u32::try_from(secrets.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(secrets.len() + 16);
    body.extend(TLS_KEY_LOG.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(secrets.as_bytes());
    pad(&mut body);
    body
}

/// A block that is too large for the format, 4 GiB, is left out.
fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    const FRAME: usize = 12;
    let Ok(length) = u32::try_from(body.len().saturating_add(FRAME)) else {
        return;
    };
    file.extend(kind.to_le_bytes());
    file.extend(length.to_le_bytes());
    file.extend(body);
    file.extend(length.to_le_bytes());
}

/// What is beyond the length that an option can have is left out.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(value.iter().take(usize::from(length)));
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;
