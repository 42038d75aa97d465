//! A `NetMessage` in JSON and in words.

use std::fmt::Write;

use bytes::Bytes;
use peer_sender_acki_nacki::{BadPayload, NetMessage, Version};
use serde::{Deserialize, Serialize};

use super::problem::WireProblem;
use crate::figures::plural;
use crate::foreign::{clean, is_inert};
use crate::hex::{from_hex, to_hex};

/// What is told of a message, and what one is made of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    version: u8,
    delivery_start_timestamp_ms: u64,
    id: String,
    label: String,
    compressed: bool,
    /// In hex, as it is on the wire.
    data: String,
    last_sender_is_proxy: bool,
    direct_receiver: Option<String>,
    /// How long the payload is, decompressed. It follows from the rest, and nothing is made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_bytes: Option<usize>,
    /// Why there is no payload, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_error: Option<String>,
}

impl Told {
    pub(super) fn of(message: &NetMessage, payload: &Result<Bytes, BadPayload>) -> Self {
        Self {
            version: match message.version {
                Version::V0 => 0,
                Version::V1 => 1,
            },
            delivery_start_timestamp_ms: message.delivery_start_timestamp_ms,
            id: message.id.clone(),
            label: message.label.clone(),
            compressed: message.compressed,
            data: to_hex(&message.data),
            last_sender_is_proxy: message.last_sender_is_proxy,
            direct_receiver: message.direct_receiver.clone(),
            payload_bytes: payload.as_ref().ok().map(Bytes::len),
            payload_error: payload.as_ref().err().map(ToString::to_string),
        }
    }

    /// One object on a line. What a terminal would obey is escaped also where JSON would let it stand.
    pub(super) fn to_json(&self) -> String {
        let mut text = String::new();
        for character in serde_json::json!(self).to_string().chars() {
            match is_inert(character) {
                true => text.push(character),
                false => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to a text never fails.
                        let _ = write!(text, "\\u{unit:04x}");
                    }
                }
            }
        }
        text.push('\n');
        text
    }

    pub(super) fn from_json(text: &str) -> Result<Self, WireProblem> {
        serde_json::from_str(text).map_err(|error| WireProblem::NotTold {
            // It quotes what stands there.
            problem: clean(&error.to_string()),
        })
    }

    pub(super) fn message(self) -> Result<NetMessage, WireProblem> {
        let no_message = |problem: String| WireProblem::NotTold { problem };
        Ok(NetMessage {
            version: match self.version {
                0 => Version::V0,
                1 => Version::V1,
                other => return Err(no_message(format!("version is 0 or 1, and not {other}"))),
            },
            delivery_start_timestamp_ms: self.delivery_start_timestamp_ms,
            id: self.id,
            label: self.label,
            compressed: self.compressed,
            data: from_hex(&self.data)
                .map_err(|problem| no_message(format!("data is no hex: {problem}")))?
                .into(),
            last_sender_is_proxy: self.last_sender_is_proxy,
            direct_receiver: self.direct_receiver,
        })
    }
}

/// A line for each field, and what its payload comes to.
pub(super) fn in_words(message: &NetMessage, payload: &Result<Bytes, BadPayload>) -> String {
    const BYTES_SHOWN: usize = 64;
    let shown = message.data.get(..BYTES_SHOWN).unwrap_or(&message.data);
    let more = match message.data.len() - shown.len() {
        0 => String::new(),
        more => format!("... and {} more", plural(more as u64, "byte")),
    };
    let payload = match payload {
        Ok(payload) => plural(payload.len() as u64, "byte"),
        Err(error) => error.to_string(),
    };
    let receiver = match &message.direct_receiver {
        None => "none".to_owned(),
        Some(receiver) => format!("\"{}\"", clean(receiver)),
    };
    format!(
        "version                      {}\n\
         delivery_start_timestamp_ms  {}\n\
         id                           \"{}\"\n\
         label                        \"{}\"\n\
         compressed                   {}\n\
         data                         {}{more}\n\
         last_sender_is_proxy         {}\n\
         direct_receiver              {receiver}\n\
         payload                      {payload}\n",
        message.version,
        message.delivery_start_timestamp_ms,
        clean(&message.id),
        clean(&message.label),
        message.compressed,
        to_hex(shown),
        message.last_sender_is_proxy,
    )
}
