//! How a world is set up, drawn.

use super::{MINUTE, MS, SECOND};
use crate::net::settings::Settings;
use crate::tape::Choices;

/// The settings, out of a tape's first record.
pub(super) fn draw_settings(choices: &mut Choices<'_>) -> Settings {
    let seed = (0..8).fold(0, |seed, _| (seed << 8) | u64::from(choices.byte()));
    let mut settings = Settings {
        seed,
        ..Settings::default()
    };
    // Listeners stand first.
    let listeners = 1 + choices.below(2) as u8;
    let diallers = 1 + choices.below(3) as u8;
    settings.nodes = listeners + diallers;
    settings.listeners = (0..listeners).collect();
    settings.dials = (listeners..settings.nodes)
        .flat_map(|from| (0..listeners).map(move |to| (from, to)))
        .collect();
    if listeners > 1 && choices.chance(128) {
        settings.dials.push((1, 0));
    }
    settings.lanes = 1 + choices.below(8) as u8;
    settings.plain = choices.chance(48);
    if settings.plain {
        settings.lanes = 1;
    }
    if choices.chance(64) {
        settings.queue_messages_max = choices.log_uniform(1, 256) as u32;
    }
    if choices.chance(96) {
        settings.flight_messages_max = choices.log_uniform(1, 256) as u32;
    }
    settings.message_bytes_max = 64 << 10;
    if choices.chance(64) {
        settings.taken_bytes_max = choices.log_uniform(1 << 10, 64 << 10) as u32;
    }
    if choices.chance(96) {
        let least = u64::from(settings.taken_bytes_max.max(64 << 10));
        settings.inbound_bytes_max = choices.log_uniform(least, 4 << 20) as u32;
    }
    settings.inbound_bytes_max = settings.inbound_bytes_max.max(settings.taken_bytes_max);
    settings.backoff_max = choices.time(100 * MS, 30 * SECOND);
    settings.refusal_backoff_max = choices.time(5 * SECOND, MINUTE);
    if choices.chance(64) {
        settings.idle_timeout = choices.time(SECOND, MINUTE);
    }
    settings.disconnect_after = match choices.below(4) {
        0 => None,
        1 => Some(choices.time(SECOND, MINUTE)),
        _ => Some(5 * MINUTE),
    };
    settings.jitter = choices.chance(128);
    settings.at_most_once = choices.chance(64);
    settings.drop_oldest = choices.chance(64);
    settings.reports = choices.chance(128);
    settings.segments = 1 + choices.below(16) as u8;
    settings.socket = choices.log_uniform(4, 1_024) as u32;
    // Last, so that what was drawn before it was known is drawn as it was.
    settings.framed = settings.plain && choices.chance(128);
    if settings.framed {
        // One that is too large would be sent again for ever: nobody can be told which it is.
        let taken = settings.taken_bytes_max.max(settings.message_bytes_max);
        settings.taken_bytes_max = taken;
        settings.inbound_bytes_max = settings.inbound_bytes_max.max(taken);
    }
    settings
}

/// Whether the record of the surroundings says that places run short.
pub(in crate::net) const TIGHT: u8 = 1;

/// The same, that some nodes have addresses of both families.
pub(in crate::net) const BOTH_FAMILIES: u8 = 2;

/// The same, that two listeners are of one process.
pub(in crate::net) const SHARED: u8 = 4;

/// What surrounds the nodes, out of the second record: none of it where that is missing.
pub(super) fn draw_surroundings(settings: &mut Settings, choices: &mut Choices<'_>) {
    let which = choices.byte();
    if which & SHARED != 0 {
        share(settings);
    }
    if which & TIGHT != 0 {
        draw_limits(settings, choices);
    }
    if which & BOTH_FAMILIES != 0 {
        let has = |_: &u8| choices.chance(192);
        settings.v6 = (0..settings.nodes).filter(has).collect();
    }
}

/// The second node is of the first one's process, and no longer dials or is dialled by itself.
fn share(settings: &mut Settings) {
    const ENOUGH: u8 = 3;
    if settings.nodes >= ENOUGH {
        settings.listeners = vec![0, 1];
        settings.dials.retain(|it| it.0 != 1 && it.1 != 1);
        settings.shares = vec![(1, 0)];
    }
}

/// Room for everybody who dials once all is well, and for hardly anybody else.
fn draw_limits(settings: &mut Settings, choices: &mut Choices<'_>) {
    let dials = |to| settings.dials.iter().filter(|it| it.1 == to).count();
    let listeners = settings.listeners.iter();
    let least = listeners.map(|&to| dials(to)).max().unwrap_or(1).max(1) as u32;
    settings.connections_max = least + choices.log_uniform(0, 6) as u32;
    settings.handshakes_max = 1 + choices.below(8) as u32;
    settings.sessions_max = least + choices.below(4) as u32;
    settings.sessions_per_key_max = 1 + choices.below(3) as u32;
    let inbound = u64::from(settings.inbound_bytes_max);
    settings.inbound_bytes_total_max = choices.log_uniform(inbound, 2 * inbound) as u32;
}
