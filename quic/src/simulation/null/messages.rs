//! The messages of its handshake: a kind, a length, and parts that have lengths of their own.

use quinn_proto::{TransportError, TransportErrorCode};

use super::{DECODE_ERROR, MESSAGE_BYTES_MAX};

pub(super) fn alert(code: u8, reason: &str) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(code),
        frame: None,
        reason: reason.to_owned(),
    }
}

pub(super) fn malformed() -> TransportError {
    alert(DECODE_ERROR, "malformed message")
}

pub(super) fn put(buffer: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let mut body = Vec::new();
    parts.iter().for_each(|part| put_part(&mut body, part));
    buffer.extend_from_slice(&message(kind, &body));
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    put_part(&mut message, body);
    message
}

pub(super) fn put_part(buffer: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(part);
}

/// The first whole message, as its kind and body, and what follows it.
#[expect(clippy::type_complexity, reason = "told apart by their order, once")]
pub(super) fn take(bytes: &[u8]) -> Result<Option<(u8, Vec<u8>, Vec<u8>)>, TransportError> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if let Some((length, _)) = rest.split_first_chunk::<4>()
        && u32::from_be_bytes(*length) as usize > MESSAGE_BYTES_MAX
    {
        return Err(alert(DECODE_ERROR, "HandshakePayloadTooLarge"));
    }
    Ok(take_part(rest).map(|(body, rest)| (kind, body.to_vec(), rest.to_vec())))
}

pub(super) fn take_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

pub(super) fn all_parts(mut bytes: &[u8]) -> Result<Vec<&[u8]>, TransportError> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (part, rest) = take_part(bytes).ok_or_else(malformed)?;
        all.push(part);
        bytes = rest;
    }
    Ok(all)
}

pub(super) fn parts<const N: usize>(bytes: &[u8]) -> Result<[&[u8]; N], TransportError> {
    all_parts(bytes)?.try_into().map_err(|_| malformed())
}
