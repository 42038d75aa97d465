//! How long messages took, stage by stage: histograms, and the curve of percentiles.

use std::fmt::Write;

use super::super::histogram::Histogram;
use super::super::messages::Latency;
use super::plot::{self, Plot};
use crate::figures::thousands;
use crate::trace::moment::spell;

/// Bars for each factor of ten.
const BARS_PER_DECADE: usize = 10;
/// The curve goes up to this: 99.99 %.
const NINES: f64 = 4.0;

struct Stage<'a> {
    name: &'static str,
    class: &'static str,
    durations: &'a Histogram,
}

pub(super) fn render(latency: &Latency) -> String {
    let stages = [
        Stage {
            name: "queued to written",
            class: "waiting",
            durations: &latency.waiting,
        },
        Stage {
            name: "written to answered",
            class: "answer",
            durations: &latency.answer,
        },
        Stage {
            name: "in all",
            class: "whole",
            durations: &latency.whole,
        },
    ];
    if latency.whole.count() == 0 {
        return "<p class=\"cap\">No message that was seen accepted was answered.</p>\n".to_owned();
    }
    let decades = decades(&stages);
    let mut out = table(&stages);
    out.push_str("<div class=\"pair\">\n<div>");
    for stage in &stages {
        out.push_str(&bars(stage, decades));
    }
    out.push_str("</div>\n<div>");
    out.push_str(&curve(&stages, decades));
    out.push_str("</div>\n</div>\n");
    out
}

/// The powers of ten, of nanoseconds, between which all durations are.
fn decades(stages: &[Stage<'_>]) -> (i32, i32) {
    let lowest = stages
        .iter()
        .filter_map(|stage| stage.durations.percentile(0.0))
        .min();
    let highest = stages.iter().map(|stage| stage.durations.max()).max();
    let power = |nanos: Option<u64>| nanos.filter(|&nanos| nanos > 0).map_or(3, u64::ilog10) as i32;
    let from = power(lowest).max(3);
    (from, (power(highest) + 1).max(from + 1))
}

/// Where a duration is, from 0 to 1.
fn place(nanos: u64, (from, to): (i32, i32)) -> f64 {
    let power = (nanos.max(1) as f64).log10();
    ((power - f64::from(from)) / f64::from(to - from)).clamp(0.0, 1.0)
}

fn table(stages: &[Stage<'_>]) -> String {
    let mut out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Percentiles of latency\"><table><thead><tr><th scope=\"col\">Latency</th>".to_owned();
    for head in ["messages", "p50", "p90", "p99", "p99.9", "max"] {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for stage in stages {
        let durations = stage.durations;
        let _ = write!(
            out,
            "<tr><th scope=\"row\"><span class=\"key {}\">{}</span></th><td class=\"n\">{}</td>",
            stage.class,
            stage.name,
            thousands(durations.count())
        );
        for share in [0.5, 0.9, 0.99, 0.999] {
            let text = durations.percentile(share).map_or("-".to_owned(), spell);
            let _ = write!(out, "<td class=\"n\">{text}</td>");
        }
        let _ = write!(out, "<td class=\"n\">{}</td></tr>", spell(durations.max()));
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn bars(stage: &Stage<'_>, decades: (i32, i32)) -> String {
    let count = (decades.1 - decades.0) as usize * BARS_PER_DECADE;
    let mut counts = vec![0; count];
    for (from, to, seen) in stage.durations.buckets() {
        let at = place(from + (to - from) / 2, decades) * count as f64;
        if let Some(bar) = counts.get_mut((at as usize).min(count - 1)) {
            *bar += seen;
        }
    }
    let max = counts.iter().copied().max().unwrap_or_default();
    let caption = format!("<span class=\"key {}\">{}</span>", stage.class, stage.name);
    let mut plot = Plot::new(&caption, &format!("Histogram of {}", stage.name), 44);
    for power in decades.0..=decades.1 {
        plot.tick(place(power_of_ten(power), decades) * 100.0, &short(power));
    }
    plot.path(stage.class, &plot::bars(&counts, max));
    plot.finish()
}

fn curve(stages: &[Stage<'_>], decades: (i32, i32)) -> String {
    let mut plot = Plot::new(
        "Percentiles of each stage",
        "Latency of each stage at each percentile",
        190,
    );
    for power in decades.0..=decades.1 {
        plot.level(
            100.0 - place(power_of_ten(power), decades) * 94.0,
            &short(power),
        );
    }
    for (share, name) in [
        (0.5, "p50"),
        (0.9, "p90"),
        (0.99, "p99"),
        (0.999, "p99.9"),
        (0.9999, "p99.99"),
    ] {
        plot.tick(-f64::log10(1.0 - share) / NINES * 100.0, name);
    }
    for stage in stages.iter().filter(|stage| stage.durations.count() > 0) {
        let mut path = String::new();
        for at in 0..=80 {
            let nines = f64::from(at) / 80.0 * NINES;
            let nanos = stage
                .durations
                .percentile(1.0 - 10_f64.powf(-nines))
                .unwrap_or_default();
            let command = if at == 0 { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{command}{:.1} {:.1}",
                nines / NINES * 1_000.0,
                100.0 - place(nanos, decades) * 94.0
            );
        }
        plot.path(&format!("line {}", stage.class), &path);
    }
    plot.finish()
}

fn power_of_ten(power: i32) -> u64 {
    10_u64.saturating_pow(power.unsigned_abs())
}

fn short(power: i32) -> String {
    let units = ["ns", "us", "ms", "s", "s", "s", "s"];
    let (unit, left) = match power {
        ..9 => (power / 3, power % 3),
        _ => (3, power - 9),
    };
    let unit = units.get(unit as usize).copied().unwrap_or_default();
    format!("{} {unit}", power_of_ten(left))
}
