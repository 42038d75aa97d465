//! How values of arguments are read.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) fn bind_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected IP:PORT, as 127.0.0.1:4433 or [::]:4433".to_owned())
}

pub(super) fn peer_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse() {
        Ok(address) => address,
        Err(_)
            if text
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err()) =>
        {
            return Err("expected HOST:PORT, as 192.0.2.7:4433 or example.org:4433".to_owned());
        }
        Err(_) => text
            .to_socket_addrs()
            .map_err(|error| format!("the host has no address: {error}"))?
            .next()
            .ok_or("the host has no address")?,
    };
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err("must name a host and a port that can be sent to".to_owned());
    }
    Ok(address)
}

pub(super) fn window(text: &str) -> Result<usize, String> {
    within(text, 1..=16_384, "expected a number from 1 to 16384")
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected seconds above 0, as 30 or 0.5".to_owned())
}

pub(super) fn message_size(text: &str) -> Result<usize, String> {
    within(text, 1..=16 << 20, "expected bytes from 1 to 16777216")
}

pub(super) fn peers(text: &str) -> Result<usize, String> {
    within(text, 1..=10_000, "expected a number from 1 to 10000")
}

pub(super) fn repetitions(text: &str) -> Result<usize, String> {
    within(text, 1..=1_000, "expected a number from 1 to 1000")
}

fn within(text: &str, range: RangeInclusive<usize>, expected: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| expected.to_owned())
}
