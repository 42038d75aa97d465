//! What a user reads off the crate's own values: configurations, texts and answers.

#![expect(clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod config;
mod texts;
