//! What `wire` may be told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The arguments of `wire`.
#[derive(Debug, Args)]
pub(crate) struct WireArgs {
    #[command(subcommand)]
    pub(super) command: WireCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum WireCommand {
    /// Tell what the bytes of one message say: hex, or in a file or on stdin also the bytes themselves.
    Decode(CodecArgs),
    /// Make the bytes of a message, in hex, of what `decode --json` prints of it.
    Encode(CodecArgs),
}

#[derive(Debug, Args)]
pub(super) struct CodecArgs {
    /// Whose message it is.
    #[arg(long, value_name = "P", value_enum)]
    pub(super) protocol: Protocol,
    /// The message: hex for `decode`, JSON for `encode`. Without it and --file it is read from stdin.
    #[arg(value_name = "MESSAGE", conflicts_with = "file")]
    pub(super) message: Option<String>,
    /// Read it from this file.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// The message is behind its length, as it is on a stream (four bytes, big endian).
    #[arg(long)]
    pub(super) framed: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// What has messages that can be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// Acki Nacki's direct protocol: a NetMessage.
    AckiNacki,
}
