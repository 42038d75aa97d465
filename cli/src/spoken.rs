//! Which protocol a command speaks with the other end.

use clap::{Args, ValueEnum};
use peer_sender_tokio::{ConfigError, NodeConfigBuilder, Protocol};

/// The same at both ends.
#[derive(Clone, Debug, Args)]
pub(crate) struct SpokenArgs {
    /// What to speak; the same at both ends.
    #[arg(long, value_name = "P", value_enum, default_value_t = Spoken::Lanes)]
    pub(crate) protocol: Spoken,
    /// The name of the plain protocol in TLS (ALPN); the same at both ends.
    #[arg(long, value_name = "A", required_if_eq("protocol", "plain"))]
    pub(crate) alpn: Option<String>,
}

/// What a node can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spoken {
    /// Messages in order, each settled by the receiving application: between peer-senders.
    Lanes,
    /// A stream per message, settled by the peer's transport: with any QUIC program.
    Plain,
    /// Lengths and messages on one stream, settled once they are written: with nodes of the Acki
    /// Nacki network.
    AckiNacki,
}

impl SpokenArgs {
    /// Has the node speak it.
    pub(crate) fn speak(
        &self,
        builder: NodeConfigBuilder,
    ) -> Result<NodeConfigBuilder, ConfigError> {
        match (self.protocol, &self.alpn) {
            (Spoken::Lanes, None) => Ok(builder),
            (Spoken::AckiNacki, None) => Ok(builder.acki_nacki()),
            (Spoken::Lanes | Spoken::AckiNacki, Some(_)) => Err(ConfigError::new(
                "--alpn",
                "only the plain protocol has a name of the user's; add --protocol plain",
            )),
            (Spoken::Plain, alpn) => Ok(builder.plain(alpn.clone().unwrap_or_default())),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.protocol {
            Spoken::Lanes => Protocol::Lanes,
            Spoken::Plain => Protocol::Plain,
            Spoken::AckiNacki => Protocol::Framed,
        }
    }

    /// The flags that say it to another command, each behind a space.
    pub(crate) fn flags(&self) -> String {
        match (self.protocol, &self.alpn) {
            (Spoken::Plain, Some(alpn)) => format!(" --protocol plain --alpn {alpn}"),
            (Spoken::AckiNacki, _) => String::from(" --protocol acki-nacki"),
            (Spoken::Plain, None) | (Spoken::Lanes, _) => String::new(),
        }
    }
}
