//! The sender against a scripted peer. Each test reads as the story of one situation.

mod bench;
mod connecting;
mod redelivery;
mod sending;
mod stopping;
