//! The life of a sender: how it stood, what was wrong, and what it carried, over time.

use std::fmt::Write;

use super::super::columns::{Columns, Counts, Level, carried};
use super::super::html::Html;
use super::super::peer::Peer;
use super::plot::{self, COLUMNS, Plot, Window};
use crate::figures::thousands;
use crate::trace::moment::spell;

/// The most bands of one life.
const BANDS_MAX: usize = 300;
/// The most errors that are marked in it.
const MARKS_MAX: usize = 60;

pub(super) fn render(peer: &Peer, window: Window) -> String {
    let mut out = bands(peer, window);
    out.push_str(&flow(peer, window));
    out.push_str(&depth("Queue", "queue", &peer.queue, window));
    out.push_str(&depth("In flight", "flight", &peer.flight, window));
    out
}

fn bands(peer: &Peer, window: Window) -> String {
    let (bands, grain) = peer.bands.drawn(window.end, BANDS_MAX);
    let mut caption = "State".to_owned();
    if grain > 0 {
        let _ = write!(
            caption,
            " <span class=\"cap\">(states shorter than {} are not drawn)</span>",
            spell(grain)
        );
    }
    let marked = peer.faults.kept.len().min(MARKS_MAX);
    if peer.faults.all > marked as u64 {
        let _ = write!(
            caption,
            " <span class=\"cap\">(the first {marked} of {} errors are marked)</span>",
            thousands(peer.faults.all)
        );
    }
    let label = format!(
        "States over time, {} of them, {} errors",
        bands.len(),
        peer.faults.all
    );
    let mut plot = Plot::new(&caption, &label, 52);
    plot.times(window);
    for band in &bands {
        let (from, to) = (window.percent(band.from), window.percent(band.to));
        let wide = (to - from).max(0.12);
        let (standing, lasted) = (band.standing, spell(band.to.saturating_sub(band.from)));
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.2}%\" y=\"16\" width=\"{wide:.2}%\" height=\"34\" fill=\"url(#s-{standing:?})\">\
             <title>{standing:?} for {lasted}, from {}</title></rect>",
            spell(band.from.saturating_sub(window.start)),
        );
        if to - from > 7.0 {
            let class = if to - from > 24.0 {
                "band"
            } else {
                "band wide"
            };
            let _ = writeln!(
                svg,
                "<text class=\"{class}\" x=\"{:.2}%\" y=\"38\" text-anchor=\"middle\">{standing:?}</text>",
                (from + to) / 2.0
            );
        }
        plot.draw(&svg);
    }
    for (time, error) in peer.faults.kept.iter().take(marked) {
        plot.draw(&format!(
            "<svg class=\"fault\" x=\"{:.2}%\" y=\"2\" width=\"12\" height=\"12\" overflow=\"visible\"><path d=\"M-5 0H5L0 10z\"/>\
             <title>{}: {}</title></svg>\n",
            window.percent(*time),
            spell(time.saturating_sub(window.start)),
            Html(error)
        ));
    }
    plot.finish_over_time()
}

fn flow(peer: &Peer, window: Window) -> String {
    let counts = spread(&peer.flow, window);
    let of = |place: usize| -> Vec<u64> {
        let each = counts
            .iter()
            .map(|counts| counts.get(place).copied().unwrap_or_default());
        each.collect()
    };
    let (accepted, delivered, otherwise) = (of(0), of(1), of(2));
    let max = counts.iter().flatten().copied().max().unwrap_or_default();
    let caption = format!(
        "Messages <span class=\"key accepted\">accepted</span> \
         <span class=\"key delivered\">delivered</span> \
         <span class=\"key otherwise\">settled otherwise</span>{}",
        at_most(max, window, counts.len())
    );
    let mut plot = Plot::new(
        &caption,
        "Messages accepted, delivered and settled otherwise over time",
        64,
    );
    plot.times(window);
    plot.path("delivered", &plot::bars(&delivered, max));
    plot.path("accepted", &outline(&accepted, max));
    plot.path("otherwise", &plot::bars(&otherwise, max));
    plot.finish_over_time()
}

/// Levels of one thing over time.
pub(super) fn depth(name: &str, class: &str, columns: &Columns<Level>, window: Window) -> String {
    depth_as(name, class, columns, window, thousands)
}

/// The same, with the highest level said so.
pub(super) fn depth_as(
    name: &str,
    class: &str,
    columns: &Columns<Level>,
    window: Window,
    say: impl Fn(u64) -> String,
) -> String {
    let levels = carried(columns.spread(window.end, COLUMNS));
    let max = levels
        .iter()
        .flatten()
        .map(|level| level.max)
        .max()
        .unwrap_or_default();
    let caption = format!(
        "<span class=\"key {class}\">{name}</span> <span class=\"cap\">at most {}</span>",
        say(max)
    );
    let mut plot = Plot::new(
        &caption,
        &format!("{name} over time, at most {}", say(max)),
        48,
    );
    plot.times(window);
    plot.path(class, &plot::levels(&levels, max));
    plot.finish_over_time()
}

/// Counts in the columns of a drawing.
pub(super) fn spread<const N: usize>(
    columns: &Columns<Counts<N>>,
    window: Window,
) -> Vec<[u64; N]> {
    let spread = columns.spread(window.end, COLUMNS / 2).into_iter();
    spread
        .map(|counts| counts.map_or([0; N], |counts| counts.0))
        .collect()
}

/// The highest count of a column, and what a column is.
pub(super) fn at_most(max: u64, window: Window, columns: usize) -> String {
    let width = window.end.saturating_sub(window.start) / columns.max(1) as u64;
    let (max, width) = (thousands(max), spell(width));
    format!(" <span class=\"cap\">at most {max} in {width}</span>")
}

fn outline(counts: &[u64], max: u64) -> String {
    let wide = 1_000.0 / counts.len().max(1) as f64;
    let mut path = String::new();
    let mut last = None;
    for (place, &count) in counts.iter().enumerate() {
        let y = match count {
            0 => 100.0,
            _ => 100.0 - (96.0 * count as f64 / max.max(1) as f64).max(3.0),
        };
        if last == Some(count) {
            continue;
        }
        let x = place as f64 * wide;
        let _ = match last {
            None => write!(path, "M0 {y:.1}"),
            Some(_) => write!(path, "H{x:.1}V{y:.1}"),
        };
        last = Some(count);
    }
    if last.is_some() {
        path.push_str("H1000");
    }
    path
}
