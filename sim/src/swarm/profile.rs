//! Which classes are on in which seed.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::class::{Class, Classes};
use crate::tape::Rng;

/// What may be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Each class in about half of the seeds.
    #[default]
    Swarm,
    /// These classes in every seed.
    Always(Classes),
}

/// There is no such profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no profile {0:?}: swarm, all, none, or classes joined by +, such as loss+restart"
)]
pub struct BadProfile(String);

impl Profile {
    /// The classes that are on in a seed.
    pub fn classes(&self, rng: &mut Rng) -> Classes {
        let bits = rng.next_u64() as u32;
        match self {
            Self::Swarm => Classes::from_bits(bits),
            Self::Always(classes) => *classes,
        }
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Swarm => f.write_str("swarm"),
            Self::Always(Classes::ALL) => f.write_str("all"),
            Self::Always(Classes::NONE) => f.write_str("none"),
            Self::Always(classes) => {
                let names = Class::ALL.iter().filter(|it| classes.has(**it));
                let names: Vec<_> = names.map(|it| it.name()).collect();
                f.write_str(&names.join("+"))
            }
        }
    }
}

impl FromStr for Profile {
    type Err = BadProfile;

    fn from_str(name: &str) -> Result<Self, BadProfile> {
        let class = |name: &str| {
            let known = Class::ALL.into_iter().find(|it| it.name() == name);
            known.ok_or_else(|| BadProfile(name.to_owned()))
        };
        Ok(match name {
            "swarm" => Self::Swarm,
            "all" => Self::Always(Classes::ALL),
            "none" => Self::Always(Classes::NONE),
            names => {
                let mut classes = Classes::NONE;
                for name in names.split('+') {
                    classes = classes.with(class(name)?);
                }
                Self::Always(classes)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_they_are_written() {
        for name in ["swarm", "all", "none", "loss", "loss+restart+stop"] {
            assert_eq!(name.parse::<Profile>().unwrap().to_string(), name);
        }
        assert!("rain".parse::<Profile>().is_err());
    }

    #[test]
    fn each_class_is_off_in_about_half_of_the_seeds() {
        let mut on = [0; Class::COUNT];
        for seed in 0..1_000 {
            let classes = Profile::Swarm.classes(&mut Rng::new(seed));
            for class in Class::ALL {
                on[class as usize] += u32::from(classes.has(class));
            }
        }
        assert!(on.iter().all(|it| (400..600).contains(it)), "{on:?}");
    }
}
