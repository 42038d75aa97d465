//! Words that the program itself has put into an error, kept as text.

use core::fmt;

use serde::de::Visitor;
use serde::{Deserializer, Serializer};

/// All that there are. One that a later version has added is read as the last of them.
const WORDS: [&str; 14] = [
    "OPEN",
    "RESUME",
    "MESSAGE",
    "SKIP",
    "RECEIPT",
    "REFUSE",
    "version",
    "flags",
    "count",
    "taken",
    "next",
    "extension",
    "message_bytes_max",
    "something",
];

pub(crate) fn serialize<S: Serializer>(
    word: &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static str, D::Error> {
    deserializer.deserialize_str(Word)
}

struct Word;

impl Visitor<'_> for Word {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word of an error")
    }

    fn visit_str<E>(self, text: &str) -> Result<&'static str, E> {
        let known = WORDS.into_iter().find(|word| *word == text);
        Ok(known.unwrap_or("something"))
    }
}
