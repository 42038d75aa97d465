//! What happens to a connection, in words for whoever waits for it.

use std::mem::{self, Discriminant};
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_tokio::{LinkError, PeerEvent, Time};

use crate::figures;

/// Turns a peer's events into lines. Trouble of the same kind again and again is one line,
/// repeated now and then, so that an hour of retrying does not bury what came before.
#[derive(Debug)]
pub(crate) struct LinkWatch {
    address: SocketAddr,
    connected: u64,
    state: State,
    /// It was said that the peer is slow.
    slow: bool,
    /// Since the last connection, one of each kind.
    troubles: Vec<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Connecting,
    Connected,
    /// Disconnected for want of traffic.
    Idle,
    Waiting {
        error: LinkError,
        until: Time,
    },
    Ended,
}

#[derive(Debug)]
struct Trouble {
    /// The error's variant: what else it says may be the peer's own words, new each time.
    kind: Discriminant<LinkError>,
    attempts: u64,
    said_at: Time,
}

impl LinkWatch {
    const SAY_AGAIN_AFTER: Duration = Duration::from_secs(10);

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connected: 0,
            state: State::Starting,
            slow: false,
            troubles: Vec::new(),
        }
    }

    /// How often the connection stood again after the first time.
    pub(crate) fn reconnects(&self) -> u64 {
        self.connected.saturating_sub(1)
    }

    /// Takes note of an event; returns what is worth a line.
    pub(crate) fn note(&mut self, event: &PeerEvent, now: Time) -> Option<String> {
        match event {
            PeerEvent::Connecting { .. } => {
                self.state = State::Connecting;
                None
            }
            PeerEvent::Connected { .. } => {
                self.connected += 1;
                self.state = State::Connected;
                self.troubles.clear();
                let again = if self.connected > 1 { "again " } else { "" };
                Some(format!("connected {again}to {}", self.address))
            }
            PeerEvent::Disconnected { error, retry_at } => {
                let until = retry_at.unwrap_or(now);
                let lost = self.state == State::Connected;
                self.state = State::Waiting {
                    error: error.clone(),
                    until,
                };
                self.trouble(error, lost, *retry_at, now)
            }
            PeerEvent::BackoffStarted { .. } | PeerEvent::AddressChanged { .. } => None,
            // Without a connection there is trouble already, and it is told as such.
            PeerEvent::SlowPeer { since } if self.state == State::Connected => {
                self.slow = true;
                let waited = figures::duration(now.saturating_since(*since));
                let address = self.address;
                Some(format!(
                    "{address} is slow: it has not answered the oldest message for {waited}"
                ))
            }
            PeerEvent::SlowPeer { .. } => None,
            PeerEvent::SlowPeerCleared => {
                mem::take(&mut self.slow).then(|| format!("{} has caught up", self.address))
            }
            PeerEvent::Idle => {
                self.state = State::Idle;
                None
            }
            PeerEvent::SenderStopped { .. } => {
                self.state = State::Ended;
                None
            }
        }
    }

    /// The state in a few words, for a progress bar.
    pub(crate) fn words(&self, now: Time) -> String {
        match &self.state {
            State::Starting | State::Connecting => "connecting...".to_owned(),
            State::Connected => "connected".to_owned(),
            State::Idle => "idle".to_owned(),
            State::Waiting { error, until } => {
                let left = figures::duration(until.saturating_since(now));
                format!("backoff {left}: {error}")
            }
            State::Ended => "ended".to_owned(),
        }
    }

    fn trouble(
        &mut self,
        error: &LinkError,
        lost: bool,
        retry_at: Option<Time>,
        now: Time,
    ) -> Option<String> {
        let what = if lost {
            "connection lost"
        } else {
            "cannot connect"
        };
        let next = retry_at.map_or_else(String::new, |at| {
            format!(
                "; next try in {}",
                figures::duration(at.saturating_since(now))
            )
        });
        let kind = mem::discriminant(error);
        match self.troubles.iter_mut().find(|known| known.kind == kind) {
            Some(known) => {
                known.attempts += 1;
                if now.saturating_since(known.said_at) < Self::SAY_AGAIN_AFTER {
                    return None;
                }
                known.said_at = now;
                Some(format!(
                    "still {what} ({} attempts): {error}{next}",
                    known.attempts
                ))
            }
            None => {
                self.troubles.push(Trouble {
                    kind,
                    attempts: 1,
                    said_at: now,
                });
                let advice = advice(error, self.address)
                    .map_or_else(String::new, |advice| format!("\n  {advice}"));
                Some(format!("{what} to {}: {error}{next}{advice}", self.address))
            }
        }
    }
}

/// What somebody must do about it, where it does not pass by itself.
fn advice(error: &LinkError, address: SocketAddr) -> Option<String> {
    match error {
        LinkError::WrongIdentity { offered, .. } => Some(format!(
            "if whoever runs {address} says that this is its key now: send ... --peer-key {offered}"
        )),
        LinkError::IdentityRefused { ours } => Some(format!(
            "there: peer-sender listen ... --allow {ours}, or --trust-owner and an owner of it"
        )),
        LinkError::Unreachable | LinkError::ConnectTimeout => Some(format!(
            "if nothing runs there: peer-sender listen --bind {address} --key FILE --allow KEY"
        )),
        LinkError::AlpnMismatch { .. } => Some(
            "what is spoken is said at both ends: --protocol P, and with plain --alpn NAME"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use peer_sender_tokio::PeerKey;

    use super::*;

    fn watch() -> LinkWatch {
        LinkWatch::new("192.0.2.7:4433".parse().unwrap())
    }

    fn lost(error: LinkError) -> PeerEvent {
        PeerEvent::Disconnected {
            error,
            retry_at: Some(Time::from_millis(2_100)),
        }
    }

    fn connected() -> PeerEvent {
        PeerEvent::Connected {
            attempt: Default::default(),
        }
    }

    #[test]
    fn a_refusal_names_both_keys_and_what_to_do() {
        let (expected, offered) = (PeerKey([1; 32]), PeerKey([2; 32]));
        let line = watch()
            .note(
                &lost(LinkError::WrongIdentity { expected, offered }),
                Time::ZERO,
            )
            .expect("a line");
        assert!(line.contains(&expected.to_string()), "{line}");
        assert!(line.contains(&format!("--peer-key {offered}")), "{line}");
        assert!(line.contains("next try in 2.1 s"), "{line}");

        let ours = PeerKey([3; 32]);
        let line = watch().note(&lost(LinkError::IdentityRefused { ours }), Time::ZERO);
        assert!(line.expect("a line").contains(&format!("--allow {ours}")));

        let offered = String::from("peer-sender/1");
        let line = watch().note(&lost(LinkError::AlpnMismatch { offered }), Time::ZERO);
        assert!(line.expect("a line").contains("--protocol P"));
    }

    #[test]
    fn the_same_trouble_is_said_once_and_then_now_and_then() {
        let mut watch = watch();
        let trouble = lost(LinkError::ConnectTimeout);
        assert!(watch.note(&trouble, Time::from_secs(1)).is_some());
        assert_eq!(watch.note(&trouble, Time::from_secs(2)), None);
        let again = watch.note(&trouble, Time::from_secs(11)).expect("a line");
        assert!(again.contains("(3 attempts)"), "{again}");
        assert!(
            watch
                .note(&lost(LinkError::Unreachable), Time::from_secs(12))
                .is_some()
        );
        // Two in turn are no news each time.
        assert_eq!(watch.note(&trouble, Time::from_secs(13)), None);
        let other = lost(LinkError::Unreachable);
        assert_eq!(watch.note(&other, Time::from_secs(14)), None);
        let again = watch.note(&other, Time::from_secs(22)).expect("a line");
        assert!(again.contains("(3 attempts)"), "{again}");
    }

    #[test]
    fn a_slow_peer_is_told_of_while_it_is_connected() {
        let mut watch = watch();
        let slow = PeerEvent::SlowPeer { since: Time::ZERO };
        let later = Time::from_secs(10);
        assert_eq!(watch.note(&slow, later), None);
        assert_eq!(watch.note(&PeerEvent::SlowPeerCleared, later), None);
        watch.note(&connected(), later);
        let line = watch.note(&slow, later).unwrap();
        assert!(line.ends_with("the oldest message for 10.0 s"), "{line}");
        let line = watch.note(&PeerEvent::SlowPeerCleared, later).unwrap();
        assert!(line.ends_with("has caught up"), "{line}");
    }

    #[test]
    fn what_came_after_a_connection_is_news() {
        let mut watch = watch();
        assert!(
            watch
                .note(&connected(), Time::ZERO)
                .unwrap()
                .starts_with("connected to")
        );
        let line = watch
            .note(&lost(LinkError::IdleTimeout), Time::ZERO)
            .unwrap();
        assert!(
            line.starts_with("connection lost to 192.0.2.7:4433: "),
            "{line}"
        );
        assert_eq!(
            watch.words(Time::ZERO).split(':').next(),
            Some("backoff 2.1 s")
        );
        assert!(
            watch
                .note(&connected(), Time::ZERO)
                .unwrap()
                .starts_with("connected again")
        );
        assert_eq!(watch.reconnects(), 1);
        assert!(
            watch
                .note(&lost(LinkError::IdleTimeout), Time::ZERO)
                .is_some()
        );
    }
}
