//! Drawings over time. Positions are in percent, so that a drawing is as wide as the page and its
//! text stays readable; curves are stretched below it.

use std::fmt::Write;

use super::super::columns::Level;
use super::super::html::Html;
use crate::trace::moment::spell;

/// The columns of a drawing.
pub(super) const COLUMNS: usize = 600;
/// The height of the axis with the times.
const AXIS: u32 = 18;

/// The time that all drawings of a page cover, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Window {
    /// Where a moment is, from 0 to 100.
    pub(super) fn percent(self, time: u64) -> f64 {
        let span = self.end.saturating_sub(self.start).max(1);
        let since = time.saturating_sub(self.start).min(span);
        100.0 * since as f64 / span as f64
    }
}

/// A drawing, under way.
#[derive(Debug)]
pub(super) struct Plot {
    out: String,
    height: u32,
}

impl Plot {
    /// A drawing of this height with a caption (HTML), and what it shows in words.
    pub(super) fn new(caption: &str, label: &str, height: u32) -> Self {
        let whole = height + AXIS;
        let mut out = String::new();
        let _ = writeln!(
            out,
            "<figure class=\"plot\"><figcaption>{caption}</figcaption><div class=\"canvas\">\
             <svg width=\"100%\" height=\"{whole}\" role=\"img\" aria-label=\"{}\">",
            Html(label)
        );
        Self { out, height }
    }

    /// Anything that stands in the drawing itself.
    pub(super) fn draw(&mut self, svg: &str) {
        self.out.push_str(svg);
    }

    /// A curve or an area, with coordinates from 0 to 1000 and from 0 (top) to 100.
    pub(super) fn path(&mut self, class: &str, path: &str) {
        if path.is_empty() {
            return;
        }
        let height = self.height;
        let _ = writeln!(
            self.out,
            "<svg width=\"100%\" height=\"{height}\" viewBox=\"0 0 1000 100\" \
             preserveAspectRatio=\"none\"><path class=\"{class}\" d=\"{path}\"/></svg>"
        );
    }

    /// A line across at this height (percent), and its label.
    pub(super) fn level(&mut self, percent: f64, text: &str) {
        let y = percent / 100.0 * f64::from(self.height);
        let _ = writeln!(
            self.out,
            "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"top\" x=\"4\" y=\"{:.1}\">{}</text>",
            y - 2.0,
            Html(text)
        );
    }

    /// A line down at this place (percent), and its label under it.
    pub(super) fn tick(&mut self, percent: f64, text: &str) {
        let anchor = match percent {
            ..4.0 => "start",
            96.0.. => "end",
            _ => "middle",
        };
        let (height, below) = (self.height, self.height + 13);
        let _ = writeln!(
            self.out,
            "<line class=\"grid\" x1=\"{percent:.2}%\" x2=\"{percent:.2}%\" y1=\"0\" y2=\"{height}\"/>\
             <text class=\"tick\" x=\"{percent:.2}%\" y=\"{below}\" text-anchor=\"{anchor}\">{}</text>",
            Html(text)
        );
    }

    /// Times below the drawing, counted from the start of the trace.
    pub(super) fn times(&mut self, window: Window) {
        let whole = window.end.saturating_sub(window.start);
        for quarter in 0..=4_u64 {
            let time = (u128::from(whole) * u128::from(quarter) / 4) as u64;
            self.tick(quarter as f64 * 25.0, &spell(time));
        }
    }

    /// Ends a drawing over time: a step that is looked at shows in it.
    pub(super) fn finish_over_time(mut self) -> String {
        let height = self.height;
        let _ = write!(
            self.out,
            "<line class=\"cursor\" x1=\"0\" x2=\"0\" y1=\"0\" y2=\"{height}\" visibility=\"hidden\"/>"
        );
        self.finish()
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg></div></figure>\n");
        self.out
    }
}

/// The area between the lowest and the highest level of each column.
pub(super) fn levels(levels: &[Option<Level>], max: u64) -> String {
    let places = levels.len().max(2) - 1;
    let x = |place: usize| place * 1_000 / places;
    let y = |level: u64| 98.0 - 90.0 * level as f64 / max.max(1) as f64;
    let mut path = String::new();
    let mut back = Vec::new();
    let flush = |path: &mut String, back: &mut Vec<(usize, u64)>| {
        for (x, level) in back.drain(..).rev() {
            let _ = write!(path, "L{x} {:.1}", y(level));
        }
        if !path.is_empty() && !path.ends_with('z') {
            path.push('z');
        }
    };
    for (place, level) in levels.iter().enumerate() {
        let Some(level) = level else {
            flush(&mut path, &mut back);
            continue;
        };
        let command = if back.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {:.1}", x(place), y(level.max));
        back.push((x(place), level.min));
    }
    flush(&mut path, &mut back);
    path
}

/// A bar for each count that is not zero; the least is still seen.
pub(super) fn bars(counts: &[u64], max: u64) -> String {
    let wide = 1_000.0 / counts.len().max(1) as f64;
    let mut path = String::new();
    for (place, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (96.0 * count as f64 / max.max(1) as f64).max(3.0);
        let _ = write!(
            path,
            "M{:.1} 100v-{height:.1}h{wide:.1}v{height:.1}z",
            place as f64 * wide
        );
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_goes_there_above_and_back_below() {
        let level = |min, max| {
            Some(Level {
                min,
                max,
                last: max,
            })
        };
        let path = levels(&[level(0, 10), level(5, 5), None, level(10, 10)], 10);
        let expected = "M0 8.0L333 53.0L333 53.0L0 98.0zM1000 8.0L1000 8.0z";
        assert_eq!(path, expected);
        assert_eq!(levels(&[None, None], 10), "");
    }

    #[test]
    fn the_least_bar_is_seen() {
        assert_eq!(
            bars(&[0, 1, 0, 1_000], 1_000),
            "M250.0 100v-3.0h250.0v3.0zM750.0 100v-96.0h250.0v96.0z"
        );
    }

    #[test]
    fn moments_outside_the_window_are_at_its_edges() {
        let window = Window { start: 10, end: 20 };
        let places = [0, 10, 15, 20, u64::MAX].map(|time| window.percent(time));
        assert_eq!(places, [0.0, 0.0, 50.0, 100.0, 100.0]);
        let nothing = Window { start: 5, end: 5 };
        assert_eq!(nothing.percent(5), 0.0);
    }
}
