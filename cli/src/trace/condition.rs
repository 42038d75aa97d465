//! Conditions at which a replay stops.

use std::str::FromStr;

use peer_sender_core::MessageId;
use peer_sender_core::table::Standing;
use peer_sender_core::trace::{MachineState, TraceAction};

use super::player::Step;
use super::words::{action_kind, action_message, event_kind, event_message, kind};

/// What may hold of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Its sender comes to stand there in it.
    State(Standing),
    /// An event or an action of this kind is in it.
    Kind(&'static str),
    /// It is about this message.
    Message(MessageId),
    /// It is of a machine of this name.
    Peer(String),
}

const STANDINGS: [Standing; 8] = [
    Standing::Down,
    Standing::Connecting,
    Standing::Up,
    Standing::Draining,
    Standing::Parting,
    Standing::Idle,
    Standing::Backoff,
    Standing::Closed,
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, value) = text.split_once('=').ok_or(EXPECTED)?;
        match what {
            "state" => {
                let mut all = STANDINGS.into_iter();
                let found = all.find(|it| format!("{it:?}").eq_ignore_ascii_case(value));
                found.map(Self::State).ok_or_else(|| {
                    let names = STANDINGS.map(|it| format!("{it:?}"));
                    format!("states are {}", names.join(", "))
                })
            }
            "event" | "action" => kind(value).map(Self::Kind),
            "message" => {
                let id = value.trim_start_matches('#').parse();
                let id = id.map_err(|_| "expected the number of a message, as message=17")?;
                Ok(Self::Message(MessageId(id)))
            }
            "peer" => Ok(Self::Peer(value.to_owned())),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

const EXPECTED: &str =
    "expected state=STATE, event=KIND, action=KIND, message=ID or peer=NAME, as state=Backoff";

impl Condition {
    /// Whether it holds; `before` is where the step's sender stood before it.
    pub(super) fn holds(&self, step: &Step<'_>, before: Option<Standing>) -> bool {
        let played = &step.played;
        match self {
            Self::State(standing) => {
                before != Some(*standing) && standing_of(played.state) == Some(*standing)
            }
            Self::Kind(kind) => {
                let mut events = played.events.iter().map(event_kind);
                events.any(|it| it == *kind) || actions(step).any(|it| action_kind(&it) == *kind)
            }
            Self::Message(id) => {
                let mut events = played.events.iter().filter_map(event_message);
                events.any(|it| it == *id)
                    || actions(step).any(|it| action_message(&it) == Some(*id))
                    || written(step).iter().any(|(_, ids)| ids.contains(id))
            }
            Self::Peer(name) => played.about.name == *name,
        }
    }
}

/// Where a sender stands.
pub(super) fn standing_of(state: &MachineState) -> Option<Standing> {
    match state {
        MachineState::Sender(machine) => Some(machine.state().standing()),
        MachineState::Sessions(_) => None,
    }
}

/// Everything that came of a step, as a trace keeps it.
pub(super) fn actions(step: &Step<'_>) -> impl Iterator<Item = TraceAction> {
    let played = &step.played;
    let actions = played.actions.iter().map(TraceAction::from);
    actions.chain(played.news.iter().map(TraceAction::from))
}

/// The messages of each write of a sender's step, by the write's place among the actions.
pub(super) fn written(step: &Step<'_>) -> Vec<(usize, Vec<MessageId>)> {
    let MachineState::Sender(machine) = step.played.state else {
        return Vec::new();
    };
    let mut written = Vec::new();
    for (place, action) in step.played.actions.iter().enumerate() {
        if let peer_sender_core::Action::Write {
            attempt,
            stream,
            chunks,
            ..
        } = action
        {
            written.push((place, machine.messages_of(*attempt, *stream, chunks)));
        }
    }
    written
}
