//! Where the choices of a scenario that nobody wrote come from: a tape of bytes.
//!
//! ```text
//! tape   = version layer record*
//! record = length choices           length is one byte; choices are that many
//! ```
//!
//! Every string of bytes behind a known version is a tape, and every tape a scenario: a record that
//! ends early is read as if zeros followed, one that is longer than what is asked of it has the rest
//! ignored, and a choice among `n` things is taken modulo `n`. So a fuzzer may do to a tape what it
//! likes, and a byte that is put in or taken out changes one record and leaves the others what they
//! were. A kind of record that is new in a later version of this crate leaves old tapes alone.

use std::time::Duration;

/// The version of the format, the first byte of every tape that is written. Tapes of the layer of
/// nodes have a record of their own for its surroundings, and more kinds of records, since version 2;
/// older ones mean what they did.
pub const VERSION: u8 = 2;

/// What a tape's scenario runs on, its second byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Both machines over a model transport.
    Machine,
    /// Whole nodes over real QUIC.
    Quic,
}

impl Layer {
    fn from_byte(byte: u8) -> Self {
        match byte % 2 {
            0 => Self::Machine,
            _ => Self::Quic,
        }
    }
}

/// Why bytes are no tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTape {
    /// There are fewer than two bytes.
    #[error("a tape has a version and a layer, and this has {0} bytes")]
    Short(usize),
    /// It is of a version that this crate does not know.
    #[error("the tape is of version {0}, and versions 1 to {VERSION} are known")]
    Version(u8),
}

/// A tape that is being read, record by record.
#[derive(Clone, Copy, Debug)]
pub struct Tape<'a> {
    version: u8,
    layer: Layer,
    rest: &'a [u8],
}

impl<'a> Tape<'a> {
    /// The tape that these bytes are.
    ///
    /// # Errors
    ///
    /// They are too few, or of another version.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BadTape> {
        match bytes {
            [version @ 1..=VERSION, layer, rest @ ..] => Ok(Self {
                version: *version,
                layer: Layer::from_byte(*layer),
                rest,
            }),
            [version, _, ..] => Err(BadTape::Version(*version)),
            few => Err(BadTape::Short(few.len())),
        }
    }

    /// The version of the format that it is written in.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// What its scenario runs on.
    pub fn layer(&self) -> Layer {
        self.layer
    }
}

impl<'a> Iterator for Tape<'a> {
    type Item = Choices<'a>;

    fn next(&mut self) -> Option<Choices<'a>> {
        let (length, rest) = self.rest.split_first()?;
        let (record, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.rest = rest;
        Some(Choices { rest: record })
    }
}

/// One record, as the choices that it stands for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl Choices<'_> {
    /// A byte; zero past the end.
    pub fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `n`, and zero where there is none below it. It takes as many bytes as `n`
    /// has, so that small choices stay small on the tape.
    pub fn below(&mut self, n: u64) -> u64 {
        let last = n.saturating_sub(1);
        let bytes = (u64::BITS - last.leading_zeros()).div_ceil(u8::BITS);
        let number = (0..bytes).fold(0, |number, _| (number << 8) | u64::from(self.byte()));
        number.checked_rem(n).unwrap_or(0)
    }

    /// One of these; none if there are none.
    pub fn one_of<'t, T>(&mut self, things: &'t [T]) -> Option<&'t T> {
        let place = self.below(things.len() as u64);
        things.get(usize::try_from(place).ok()?)
    }

    /// Whether something happens that does so `of_256` times in 256. All zeros: it does not.
    pub fn chance(&mut self, of_256: u16) -> bool {
        u16::from(u8::MAX - self.byte()) < of_256
    }

    /// A number between both, each power of two as likely as the next.
    pub fn log_uniform(&mut self, min: u64, max: u64) -> u64 {
        let span = u64::BITS - max.saturating_sub(min).leading_zeros();
        let size = u32::try_from(self.below(u64::from(span) + 1)).unwrap_or(0);
        let below = 1_u64.checked_shl(size).unwrap_or(u64::MAX);
        min.saturating_add(self.below(below)).min(max)
    }

    /// A time between both, to the microsecond, each power of two as likely as the next.
    pub fn time(&mut self, min: Duration, max: Duration) -> Duration {
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.log_uniform(micros(min), micros(max)))
    }
}

/// A tape that is being written.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A tape without records.
    pub fn new(layer: Layer) -> Self {
        Self {
            bytes: vec![VERSION, layer as u8],
        }
    }

    /// Adds a record; what it has beyond 255 bytes is left out.
    pub fn record(&mut self, choices: &[u8]) {
        let length = u8::try_from(choices.len()).unwrap_or(u8::MAX);
        self.bytes.push(length);
        self.bytes.extend(choices.iter().take(usize::from(length)));
    }

    /// The tape.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A generator of random numbers that gives the same ones for the same seed, in every version of
/// this crate (SplitMix64; Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`; zero where there is none. The bias is below `n` in 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> u64::BITS) as u64
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            chunk
                .iter_mut()
                .zip(random)
                .for_each(|(to, from)| *to = from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_read_as_it_was_written() {
        let mut writer = Writer::new(Layer::Quic);
        writer.record(&[1, 2, 3]);
        writer.record(&[]);
        writer.record(&[9; 300]);
        let bytes = writer.finish();
        let tape = Tape::read(&bytes).unwrap();
        assert_eq!(tape.layer(), Layer::Quic);
        let lengths: Vec<_> = tape.map(|it| it.rest.len()).collect();
        assert_eq!(lengths, [3, 0, 255]);
    }

    #[test]
    fn what_is_no_tape_is_said() {
        assert_eq!(Tape::read(&[]).unwrap_err(), BadTape::Short(0));
        assert_eq!(Tape::read(&[9, 0]).unwrap_err(), BadTape::Version(9));
        assert_eq!(Tape::read(&[0, 0]).unwrap_err(), BadTape::Version(0));
        assert!(Tape::read(&[1, 0]).is_ok(), "old tapes are kept");
    }

    #[test]
    fn a_record_that_ends_early_is_read_to_its_end_and_then_as_zeros() {
        let mut tape = Tape::read(&[VERSION, 0, 200, 7, 8]).unwrap();
        let mut choices = tape.next().unwrap();
        let bytes: Vec<_> = (0..4).map(|_| choices.byte()).collect();
        assert_eq!(bytes, [7, 8, 0, 0]);
        assert!(tape.next().is_none());
    }

    #[test]
    fn choices_are_within_their_bounds_and_reach_them() {
        let mut random = [0; 4_096];
        Rng::new(1).fill(&mut random);
        let mut choices = Choices { rest: &random };
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[choices.below(3) as usize] = true;
            let size = choices.log_uniform(5, 1_000);
            assert!((5..=1_000).contains(&size), "{size}");
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(choices.below(0), 0);
        assert_eq!(choices.one_of::<u8>(&[]), None);
        let mut none = Choices { rest: &[] };
        assert!(!none.chance(255));
        assert!(none.chance(256));
        assert_eq!(none.log_uniform(5, 1_000), 5);
        let mut most = Choices { rest: &[0xff; 64] };
        assert!(most.log_uniform(0, u64::MAX) > 1 << 32);
        assert_eq!(
            none.time(Duration::from_secs(1), Duration::from_secs(9)),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut rng = Rng::new(0);
        assert_eq!(rng.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert!((0..100).all(|_| rng.below(10) < 10));
        assert_eq!(rng.below(0), 0);
    }
}
