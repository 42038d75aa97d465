//! `wire`: what stands on the wire, in words and back.

mod args;
mod input;
mod message;
mod problem;

use peer_sender_acki_nacki::{Limits, NetMessage};

pub(crate) use self::args::WireArgs;
use self::args::{CodecArgs, Protocol, WireCommand};
use self::input::Input;
use self::message::Told;
pub(crate) use self::problem::WireProblem;
use crate::Verdict;
use crate::console;
use crate::failure::Failure;
use crate::hex::to_hex;

/// Bytes of the length that frames a message.
const LENGTH_BYTES: usize = 4;

pub(crate) fn run(args: &WireArgs) -> Result<Verdict, Failure> {
    let (text, verdict) = match &args.command {
        WireCommand::Decode(args) => match args.protocol {
            Protocol::AckiNacki => decoded(args)?,
        },
        WireCommand::Encode(args) => match args.protocol {
            Protocol::AckiNacki => (encoded(args)?, Verdict::AllIsWell),
        },
    };
    console::print(&text, "nothing else was to be done")?;
    Ok(verdict)
}

/// What a message says, and whether it has a payload.
fn decoded(args: &CodecArgs) -> Result<(String, Verdict), WireProblem> {
    let input = Input::read(args)?;
    let bytes = input.bytes()?;
    let message = match args.framed {
        true => unframed(&bytes)?,
        false => &bytes,
    };
    let limits = Limits::default();
    let message = NetMessage::decode(&bytes.slice_ref(message), &limits)
        .map_err(|error| WireProblem::Malformed { error })?;
    let payload = message.payload(&limits);
    let text = match args.json {
        true => Told::of(&message, &payload).to_json(),
        false => message::in_words(&message, &payload),
    };
    let verdict = match payload {
        Ok(_) => Verdict::AllIsWell,
        Err(error) => {
            console::say(&format!(
                "the message has no payload that can be read: {error}\nwhat a payload is: docs/acki-nacki.md"
            ));
            Verdict::NotAll
        }
    };
    Ok((text, verdict))
}

/// The one message in its frame.
fn unframed(bytes: &[u8]) -> Result<&[u8], WireProblem> {
    let frame = bytes.split_first_chunk::<LENGTH_BYTES>();
    let (length, message) = frame.ok_or(WireProblem::FrameCut { bytes: bytes.len() })?;
    let (length, there) = (u32::from_be_bytes(*length), message.len());
    match usize::try_from(length) {
        Ok(0) => Err(WireProblem::FrameEmpty),
        Ok(length) if length == there => Ok(message),
        _ => Err(WireProblem::FrameLength { length, there }),
    }
}

fn encoded(args: &CodecArgs) -> Result<String, WireProblem> {
    let input = Input::read(args)?;
    let message = Told::from_json(&input.text()?)?.message()?;
    let message = message
        .encode(&Limits::default())
        .map_err(|error| WireProblem::Unencodable { error })?;
    let mut bytes = Vec::new();
    if args.framed {
        // Limits are far below what the length can tell.
        bytes.extend(
            u32::try_from(message.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
    }
    bytes.extend(message);
    Ok(match args.json {
        true => format!(
            "{}\n",
            serde_json::json!({ "bytes": bytes.len(), "hex": to_hex(&bytes) })
        ),
        false => format!("{}\n", to_hex(&bytes)),
    })
}
