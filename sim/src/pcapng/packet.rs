//! The packet that a datagram would be on a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Datagram;

/// What IP calls UDP.
const UDP: u8 = 17;
const UDP_HEADER: u16 = 8;
const IPV4_HEADER: u16 = 20;
/// Routers that a packet may still pass.
const HOPS: u8 = 64;

/// IP header, UDP header and what the datagram holds.
pub(super) fn of(datagram: &Datagram<'_>) -> Vec<u8> {
    let (from, to) = (
        datagram.from.ip().to_canonical(),
        datagram.to.ip().to_canonical(),
    );
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => in_ipv4(datagram, from, to),
        (from, to) => in_ipv6(datagram, as_ipv6(from), as_ipv6(to)),
    }
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn in_ipv4(datagram: &Datagram<'_>, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    // The header counts in the length of an IPv4 packet, and not in that of one of IPv6.
    let (udp, length) = udp(
        datagram,
        u16::MAX - IPV4_HEADER,
        &from.octets(),
        &to.octets(),
    );
    let version_and_words = 0x45;
    let mut header = Vec::with_capacity(usize::from(IPV4_HEADER) + udp.len());
    header.extend([version_and_words, datagram.ecn & 3]);
    header.extend((length + IPV4_HEADER).to_be_bytes());
    let (name, dont_fragment) = (0_u16, 0x4000_u16);
    header.extend(name.to_be_bytes());
    header.extend(dont_fragment.to_be_bytes());
    header.extend([HOPS, UDP, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum([&header[..]]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(udp);
    header
}

fn in_ipv6(datagram: &Datagram<'_>, from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let (udp, length) = udp(datagram, u16::MAX, &from.octets(), &to.octets());
    let mut packet = Vec::with_capacity(40 + udp.len());
    let version_class_and_flow = 6 << 28 | u32::from(datagram.ecn & 3) << 20;
    packet.extend(version_class_and_flow.to_be_bytes());
    packet.extend(length.to_be_bytes());
    packet.extend([UDP, HOPS]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(udp);
    packet
}

/// UDP's header and what the datagram holds, at most so long, and its length.
fn udp(datagram: &Datagram<'_>, length_max: u16, from: &[u8], to: &[u8]) -> (Vec<u8>, u16) {
    let room = usize::from(length_max - UDP_HEADER);
    let bytes = &datagram.bytes[..datagram.bytes.len().min(room)];
    let length = UDP_HEADER.saturating_add(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    let mut udp = Vec::with_capacity(usize::from(length));
    udp.extend(datagram.from.port().to_be_bytes());
    udp.extend(datagram.to.port().to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(bytes);
    // The sum goes over the addresses as well (RFC 768, RFC 8200 section 8.1).
    let [high, low] = length.to_be_bytes();
    let sum = match checksum([from, to, &[0, UDP, high, low], &udp]) {
        // Zero would say that there is none.
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    (udp, length)
}

/// The Internet checksum (RFC 1071) over all of these. Only the last may be of odd length.
fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u16 {
    let words = parts.into_iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words
        .map(|word| match *word {
            [high, low] => u64::from(u16::from_be_bytes([high, low])),
            [last] => u64::from(u16::from_be_bytes([last, 0])),
            _ => 0,
        })
        .sum();
    let mut folded = sum;
    while folded > u64::from(u16::MAX) {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    !(folded as u16)
}
