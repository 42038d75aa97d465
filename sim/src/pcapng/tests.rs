use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const FROM: ([u8; 4], u16) = ([192, 0, 2, 1], 40_000);
const TO: ([u8; 4], u16) = ([192, 0, 2, 2], 4_433);

fn datagram(bytes: &[u8]) -> Datagram<'_> {
    Datagram {
        at: Time::from_millis(5),
        from: FROM.into(),
        to: TO.into(),
        ecn: 2,
        bytes,
        note: "",
    }
}

/// Kind and body of each block.
fn blocks(file: &[u8]) -> Vec<(u32, &[u8])> {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let length = number(at + 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(number(at + length - 4) as usize, length, "said again");
        blocks.push((number(at), &file[at + 8..at + length - 4]));
        at += length;
    }
    blocks
}

fn packet(datagram: &Datagram<'_>) -> Vec<u8> {
    let mut capture = Capture::new(Duration::ZERO);
    capture.datagram(datagram);
    let file = capture.to_bytes();
    let (kind, body) = *blocks(&file).last().unwrap();
    assert_eq!(kind, ENHANCED_PACKET);
    let length = u32::from_le_bytes(body[12..16].try_into().unwrap()) as usize;
    body[20..20 + length].to_vec()
}

/// Right sums make all ones (RFC 1071).
fn sums_up(parts: &[&[u8]]) -> bool {
    let mut bytes: Vec<u8> = parts.concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let sum: u32 = bytes
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

#[test]
fn an_empty_capture_is_a_section_with_an_interface() {
    #[rustfmt::skip]
    let expected = [
        // Section header: kind, length, byte order, version 1.0, length of the section unknown,
        // the application's name, end of options, length.
        0x0a, 0x0d, 0x0d, 0x0a, 48, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        4, 0, 11, 0, b'p', b'e', b'e', b'r', b'-', b's', b'e', b'n', b'd', b'e', b'r', 0,
        0, 0, 0, 0, 48, 0, 0, 0,
        // Interface description: kind, length, raw IP, no limit, nanoseconds, end of options,
        // length.
        1, 0, 0, 0, 32, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0,
        9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0,
    ];
    let mut capture = Capture::new(Duration::from_secs(7));
    assert_eq!(capture.to_bytes(), expected);
    capture.key_log("");
    assert_eq!(capture.to_bytes(), expected);
}

#[test]
fn a_datagram_is_a_packet_of_ipv4() {
    let mut capture = Capture::new(Duration::from_secs(1));
    capture.datagram(&Datagram {
        note: "lost",
        ..datagram(b"hello")
    });
    let file = capture.to_bytes();
    #[rustfmt::skip]
    let expected = [
        // The interface, the time, 33 bytes of 33.
        0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x15, 0xe7, 0x3b, 33, 0, 0, 0, 33, 0, 0, 0,
        // IPv4: five words, ECT(0), 33 bytes, no fragments, 64 hops, UDP, sum, addresses.
        0x45, 2, 0, 33, 0, 0, 0x40, 0, 64, 17, 0xb6, 0xc6, 192, 0, 2, 1, 192, 0, 2, 2,
        // UDP: ports, 13 bytes, sum.
        0x9c, 0x40, 0x11, 0x51, 0, 13, 0x8a, 0x6c,
        b'h', b'e', b'l', b'l', b'o', 0, 0, 0,
        // The note, and the end of options.
        1, 0, 4, 0, b'l', b'o', b's', b't', 0, 0, 0, 0,
    ];
    assert_eq!(blocks(&file)[2], (ENHANCED_PACKET, &expected[..]));
}

#[test]
fn a_time_is_more_than_its_lower_half() {
    // 2026-01-01.
    let mut capture = Capture::new(Duration::from_secs(1_767_225_600));
    capture.datagram(&datagram(&[]));
    let file = capture.to_bytes();
    let body = blocks(&file)[2].1;
    let half = |at: usize| u64::from(u32::from_le_bytes(body[at..at + 4].try_into().unwrap()));
    assert_eq!(half(4) << 32 | half(8), 1_767_225_600_005_000_000);
}

#[test]
fn the_sums_of_every_packet_are_right() {
    for length in 0..64 {
        let bytes: Vec<u8> = (0..length).map(|n: u8| n.wrapping_mul(37)).collect();
        let four = packet(&datagram(&bytes));
        assert!(sums_up(&[&four[..20]]), "{four:02x?}");
        let udp = &four[20..];
        assert!(sums_up(&[&four[12..20], &[0, 17], &udp[4..6], udp]));

        let six = packet(&Datagram {
            from: (Ipv6Addr::LOCALHOST, 1).into(),
            ..datagram(&bytes)
        });
        assert_eq!(six[..4], [0x60, 0x20, 0, 0]);
        assert_eq!(six[4..8], [0, 8 + length, 17, 64]);
        assert_eq!(six[8..24], Ipv6Addr::LOCALHOST.octets());
        let mapped = Ipv4Addr::from(TO.0).to_ipv6_mapped();
        assert_eq!(six[24..40], mapped.octets());
        let udp = &six[40..];
        assert!(sums_up(&[&six[8..40], &[0, 17], &udp[4..6], udp]));
    }
}

#[test]
fn a_sum_of_zero_is_told_from_none() {
    let sum =
        |bytes: &[u8]| u16::from_be_bytes(packet(&datagram(bytes))[26..28].try_into().unwrap());
    // Adding what is missing to all ones gives a sum of all ones, whose complement is zero.
    let missing = sum(&[0; 2]).to_be_bytes();
    assert_eq!(sum(&missing), 0xffff);
}

#[test]
fn addresses_of_ipv4_in_the_form_of_ipv6_are_of_ipv4() {
    let mapped =
        |(ip, port): ([u8; 4], u16)| SocketAddr::from((Ipv4Addr::from(ip).to_ipv6_mapped(), port));
    let as_six = packet(&Datagram {
        from: mapped(FROM),
        to: mapped(TO),
        ..datagram(b"hello")
    });
    assert_eq!(as_six, packet(&datagram(b"hello")));
}

#[test]
fn what_ip_cannot_carry_is_left_out() {
    let large = vec![7; 70_000];
    assert_eq!(packet(&datagram(&large)).len(), 65_535);
    let to = (Ipv6Addr::LOCALHOST, 1).into();
    let six = packet(&Datagram {
        to,
        ..datagram(&large)
    });
    assert_eq!(six.len(), 40 + 65_535);
}

#[test]
fn secrets_stand_before_the_packets_whenever_they_came() {
    let mut capture = Capture::new(Duration::ZERO);
    capture.datagram(&datagram(b"hello"));
    capture.key_log("ONE 01 02");
    capture.key_log("TWO 03 04\n");
    let file = capture.to_bytes();
    let kinds: Vec<u32> = blocks(&file).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            SECTION_HEADER,
            INTERFACE_DESCRIPTION,
            DECRYPTION_SECRETS,
            ENHANCED_PACKET
        ]
    );
    let expected = [b"KSLT\x14\0\0\0", &b"ONE 01 02\nTWO 03 04\n"[..]].concat();
    assert_eq!(blocks(&file)[2].1, expected);
}
