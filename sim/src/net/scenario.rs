//! What happens in a world of nodes, and when, as a text.
//!
//! ```text
//! # A listener that is killed and comes back.
//! set layer quic
//! set nodes 2
//! set listen 0
//! set dial 1>0
//!
//! at 1s send 1>0 lane 0 count 10 bytes 100
//! at 1020ms crash 0
//! at 3s restart 0
//! ```

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use super::op::Op;
use super::settings::Settings;
use crate::BadScenario;
use crate::text::{BadLine, Words, bad, duration, read_duration};

/// How a world is set up, and what happens in it. Behind the last of it everything is healed, and
/// everything must come right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// How the world is set up.
    pub settings: Settings,
    /// What happens, and when. What stands first happens first, where times are equal; what is
    /// later than [`Settings::end`] does not happen.
    pub ops: Vec<(Duration, Op)>,
}

impl Scenario {
    /// Whether a text is of this layer: its first setting says so.
    pub fn is_of(text: &str) -> bool {
        let mut settings = text.lines().filter(|line| line.starts_with("set "));
        settings
            .next()
            .is_some_and(|line| line.split_whitespace().eq(["set", "layer", "quic"]))
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.settings)?;
        for (at, op) in &self.ops {
            writeln!(f, "at {} {op}", duration(*at))?;
        }
        Ok(())
    }
}

impl FromStr for Scenario {
    type Err = BadScenario;

    fn from_str(text: &str) -> Result<Self, BadScenario> {
        let mut scenario = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let read = scenario.read_line(line);
            read.map_err(|problem| BadScenario {
                line: number,
                problem,
            })?;
        }
        Ok(scenario)
    }
}

impl Scenario {
    fn read_line(&mut self, line: &str) -> Result<(), BadLine> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(setting) = line.strip_prefix("set ") {
            if !self.ops.is_empty() {
                return Err(BadLine("settings come before what happens".into()));
            }
            return self.settings.read(&mut Words::of(setting));
        }
        let rest = line
            .strip_prefix("at ")
            .ok_or_else(|| bad(line, "a setting, nor at a time"))?;
        let (time, op) = rest
            .split_once(' ')
            .ok_or_else(|| BadLine("what happens is missing".into()))?;
        let at = read_duration(time).ok_or_else(|| bad(time, "a time such as 100ms"))?;
        self.ops.push((at, op.parse()?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
# Words.
set layer quic
set seed 7
set nodes 4
set listen 0
set dial 1>0
set dial 3>0
set crypto null
set disconnect_after 0s
set connections_max 3
set v6 1
set listen 2
set share 2>0

at 1s send 1>0 lane 2 count 3 bytes 0 ttl 5ms
at 1500ms reply 0>1 lane 0 count 1 bytes 9
at 1500ms path *>1 burst 1.00% 20.00%
at 2s path 0>* bandwidth 8000 10
at 2s path 0>1 family-cut v6
at 2s restart 0 other-key
at 2s reader 0 every 3ms
at 2s rebind 1 address
at 3s stop 1>0 drain 2s
at 3s stop 1>0 abort
at 3s cancel 1>0 skip 2 count 3
at 4s batch 1 3.00%
at 4s stranger 0 first-packets count 100 every 1ms
";

    #[test]
    fn a_text_is_read_as_it_is_written() {
        assert!(Scenario::is_of(TEXT));
        let scenario: Scenario = TEXT.parse().unwrap();
        assert_eq!(scenario.ops.len(), 13);
        assert_eq!(scenario.settings.dials, [(1, 0), (3, 0)]);
        assert_eq!(scenario.settings.disconnect_after, None);
        assert_eq!(scenario.to_string().parse(), Ok(scenario));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (wrong, words) in [
            ("set layer machine", "machine"),
            ("set colour red", "colour"),
            ("at 1s", "missing"),
            ("at noon crash 0", "noon"),
            ("at 1s fall 0", "fall"),
            ("at 1s crash", "missing"),
            ("at 1s crash 0 0", "nothing may follow"),
            ("at 1s path 0-1 cut", "0-1"),
            ("at 1s send *>0 lane 0 count 1 bytes 1", "two nodes"),
            ("at 1s stranger 0 gifts count 1 every 1s", "gifts"),
            ("crash 0", "at a time"),
        ] {
            let error = format!("\n{wrong}").parse::<Scenario>().unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
