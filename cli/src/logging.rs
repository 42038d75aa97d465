//! Logs of the layers below, on stderr, for whoever asks for them.

use std::str::FromStr;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use crate::diagnostics::Events;
use crate::failure::Failure;

/// RUST_LOG, if it is set, says what is logged; else `verbose`, the number of `-v`.
pub(crate) fn start(verbose: u8) -> Result<(), Failure> {
    let filter = match (std::env::var("RUST_LOG"), verbose) {
        (Ok(filter), _) if !filter.is_empty() => filter,
        (_, 0) => return Ok(()),
        (_, 1) => "info,peer_sender_driver=debug,peer_sender_quic=debug".to_owned(),
        (_, _) => "debug,peer_sender_driver=trace,peer_sender_quic=trace".to_owned(),
    };
    let filter = Targets::from_str(&filter).map_err(|error| Failure::LogFilter { error })?;
    let lines = fmt::layer().with_writer(|| Events).with_ansi(false);
    registry().with(lines).with(filter).init();
    Ok(())
}
