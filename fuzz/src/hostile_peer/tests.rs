//! The rows of hostile input, each with the answer that it must get.

use quinn_proto::Side;

use super::Attack;
use crate::quic::frames::integer;
use crate::quic::intruder::Close;

// RFC 9000 section 20.1.
const FLOW_CONTROL_ERROR: u64 = 3;
const STREAM_LIMIT_ERROR: u64 = 4;
const STREAM_STATE_ERROR: u64 = 5;
const FINAL_SIZE_ERROR: u64 = 6;
const FRAME_ENCODING_ERROR: u64 = 7;
const CONNECTION_ID_LIMIT_ERROR: u64 = 9;
const PROTOCOL_VIOLATION: u64 = 10;
const CRYPTO_BUFFER_EXCEEDED: u64 = 13;

fn frame(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers.iter().for_each(|it| integer(*it, &mut bytes));
    bytes
}

fn with(mut head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    head.extend(body);
    head
}

/// How the node answers a dialler, or whom it dialled, that says this.
fn answer(side: Side, packets: &[Vec<u8>]) -> Option<Close> {
    let mut attack = Attack::new(side);
    packets.iter().for_each(|it| attack.say_exactly(it));
    let closed = attack.closed;
    attack.end();
    closed
}

fn answered(side: Side, packets: &[Vec<u8>], expected: u64) {
    assert_eq!(answer(side, packets), Some(Close::Transport(expected)));
}

#[test]
fn a_ping_is_no_offence() {
    for side in [Side::Client, Side::Server] {
        assert_eq!(answer(side, &[vec![1]]), None);
    }
}

#[test]
fn an_unknown_frame_is_an_encoding_error() {
    for side in [Side::Client, Side::Server] {
        answered(side, &[frame(&[0x21])], FRAME_ENCODING_ERROR);
    }
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_a_violation() {
    for side in [Side::Client, Side::Server] {
        answered(side, &[frame(&[2, 5_000, 0, 0, 0])], PROTOCOL_VIOLATION);
    }
}

#[test]
fn endless_cryptography_behind_the_handshake_exceeds_its_buffer() {
    for side in [Side::Client, Side::Server] {
        let far = with(frame(&[6, 200_000, 4]), &[0; 4]);
        answered(side, &[far], CRYPTO_BUFFER_EXCEEDED);
    }
}

#[test]
fn data_beyond_the_window_breaks_flow_control() {
    let far = with(frame(&[0x0e, 0, 1 << 30, 1]), &[0]);
    answered(Side::Client, &[far], FLOW_CONTROL_ERROR);
}

#[test]
fn a_stream_beyond_the_limit_is_one_too_many() {
    let ninth = with(frame(&[0x0e, 4 * 8, 0, 1]), &[0]);
    answered(Side::Client, &[ninth], STREAM_LIMIT_ERROR);
}

#[test]
fn data_on_a_stream_that_the_node_has_not_opened_is_a_wrong_state() {
    let other = with(frame(&[0x0e, 1, 0, 1]), &[0]);
    answered(Side::Client, &[other], STREAM_STATE_ERROR);
}

#[test]
fn data_behind_the_end_is_a_wrong_size() {
    let end = with(frame(&[0x0f, 0, 9, 1]), &[0]);
    let beyond = with(frame(&[0x0e, 0, 20, 1]), &[0]);
    answered(Side::Client, &[end, beyond], FINAL_SIZE_ERROR);
}

#[test]
fn more_streams_than_there_are_numbers_are_an_encoding_error() {
    for side in [Side::Client, Side::Server] {
        answered(side, &[frame(&[0x12, (1 << 60) + 1])], FRAME_ENCODING_ERROR);
    }
}

#[test]
fn ids_above_the_limit_are_refused() {
    for side in [Side::Client, Side::Server] {
        let ids = (1..20).map(|number| with(frame(&[0x18, number, 0, 8]), &[number as u8; 24]));
        let ids: Vec<_> = ids.collect();
        answered(side, &ids, CONNECTION_ID_LIMIT_ERROR);
    }
}

#[test]
fn a_dialler_confirms_no_handshake() {
    answered(Side::Client, &[frame(&[0x1e])], PROTOCOL_VIOLATION);
}

#[test]
fn a_broken_lane_is_closed_with_the_code_for_it() {
    let lane = with(frame(&[0x0e, 0, 0, 2]), &[0x3f, 0]);
    let closed = answer(Side::Client, &[lane]);
    assert_eq!(closed, Some(Close::Application(1)));
}
