//! What may go wrong in the scenario of a seed.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::draw::{BOTH_FAMILIES, Kind, SHARED, TIGHT};
use super::op::Op;
use super::report::Report;
use super::run::Failure;
use super::scenario::Scenario;
use super::settings::Crypto;
use crate::tape::{Layer, Rng, Tape, Writer};

/// The least number of messages that a seed's scenario hands over.
const MESSAGES_MIN: u64 = 100;

/// Random bytes of a record: as many as any kind takes.
const RECORD: usize = 60;

/// What may go wrong. Of all this, each seed has about half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Everything.
    #[default]
    All,
    /// Nothing: users and applications do as they like.
    Calm,
    /// What befalls datagrams.
    Datagrams,
    /// What befalls paths and addresses.
    Paths,
    /// What befalls nodes.
    Nodes,
    /// What befalls clocks.
    Clocks,
    /// What strangers send.
    Strangers,
}

impl Profile {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::All,
        Self::Calm,
        Self::Datagrams,
        Self::Paths,
        Self::Nodes,
        Self::Clocks,
        Self::Strangers,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::All => "swarm",
            Self::Calm => "none",
            Self::Datagrams => "datagrams",
            Self::Paths => "paths",
            Self::Nodes => "nodes",
            Self::Clocks => "clocks",
            Self::Strangers => "strangers",
        }
    }

    /// The tape of a seed: the same for ever, as long as neither the profile's faults nor this
    /// function change.
    pub fn tape(self, seed: u64) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        // Consecutive seeds are to have nothing in common.
        let mut rng = Rng::new(rng.next_u64());
        let faults: Vec<Kind> = self.faults().filter(|_| rng.below(2) == 0).collect();
        let mut writer = Writer::new(Layer::Quic);
        writer.record(&random(&mut rng));
        let mut surroundings = random(&mut rng);
        if let Some(first) = surroundings.first_mut() {
            *first &= self.surroundings();
        }
        writer.record(&surroundings);
        let records = 15 + rng.below(35);
        for _ in 0..records {
            let kinds = match faults.is_empty() || rng.below(100) < 55 {
                true => &TRAFFIC[..],
                false => &faults[..],
            };
            let kind = kinds.get(rng.below(kinds.len() as u64) as usize);
            add(&mut writer, kind.copied().unwrap_or(Kind::Send), &mut rng);
        }
        loop {
            let tape = writer.clone().finish();
            let handed_over = Tape::read(&tape).map_or(MESSAGES_MIN, |tape| messages(tape));
            if handed_over >= MESSAGES_MIN {
                return tape;
            }
            add(&mut writer, Kind::Send, &mut rng);
        }
    }

    /// The scenario of a seed.
    pub fn scenario(self, seed: u64, crypto: Crypto) -> Scenario {
        let bytes = self.tape(seed);
        let mut scenario =
            Tape::read(&bytes).map_or_else(|_| Scenario::default(), Scenario::from_tape);
        scenario.settings.crypto = crypto;
        scenario
    }

    /// Runs the scenario of a seed.
    ///
    /// # Errors
    ///
    /// A promise was broken; with the scenario that did it, which runs to the same end by itself.
    pub fn run(self, seed: u64, crypto: Crypto) -> Result<Report, Box<(Failure, Scenario)>> {
        let scenario = self.scenario(seed, crypto);
        scenario
            .run()
            .map_err(|failure| Box::new((failure, scenario)))
    }

    /// What may surround the nodes: of this, too, each seed has about half.
    fn surroundings(self) -> u8 {
        match self {
            Self::All => TIGHT | BOTH_FAMILIES | SHARED,
            Self::Nodes => TIGHT | SHARED,
            Self::Strangers => TIGHT,
            Self::Paths => BOTH_FAMILIES | SHARED,
            Self::Calm | Self::Datagrams | Self::Clocks => 0,
        }
    }

    fn faults(self) -> impl Iterator<Item = Kind> {
        let (first, last) = match self {
            Self::All => (Kind::Loss, Kind::CutFamily),
            Self::Calm => (Kind::Reader, Kind::Refuse),
            Self::Datagrams => (Kind::Loss, Kind::Ecn),
            Self::Paths => (Kind::Bandwidth, Kind::NoAddress),
            Self::Nodes => (Kind::Crash, Kind::Stop),
            Self::Clocks => (Kind::Tick, Kind::Jump),
            Self::Strangers => (Kind::FirstPackets, Kind::Resets),
        };
        let own = move |kind: &Kind| {
            (first..=last).contains(kind) || self == Self::Paths && *kind == Kind::CutFamily
        };
        Kind::ALL.into_iter().filter(own)
    }
}

/// What users do. Most of it is sending.
const TRAFFIC: [Kind; 8] = [
    Kind::Send,
    Kind::Send,
    Kind::Send,
    Kind::Send,
    Kind::SendInTime,
    Kind::Reply,
    Kind::Reply,
    Kind::Cancel,
];

fn add(writer: &mut Writer, kind: Kind, rng: &mut Rng) {
    let mut record = random(rng);
    if let Some(first) = record.first_mut() {
        *first = kind as u8;
    }
    writer.record(&record);
}

fn random(rng: &mut Rng) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    rng.fill(&mut bytes);
    bytes
}

fn messages(tape: Tape<'_>) -> u64 {
    let scenario = Scenario::from_tape(tape);
    let ops = scenario.ops.iter();
    ops.map(|(_, op)| match op {
        Op::Send(burst) => u64::from(burst.count),
        _ => 0,
    })
    .sum()
}

/// A name that is no profile's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of swarm, none, datagrams, paths, nodes, clocks and strangers")]
pub struct BadProfile(String);

impl FromStr for Profile {
    type Err = BadProfile;

    fn from_str(name: &str) -> Result<Self, BadProfile> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| BadProfile(name.to_owned()))
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
