//! The steps that are listed, with how each machine stands after them; a script steps through them.

use std::fmt::Write;

use super::super::facts::Facts;
use super::super::html::Html;
use super::super::steps::{Listed, NOTABLE_MAX, ROW_MAX};
use super::plot::Window;
use crate::figures::thousands;
use crate::trace::moment::spell;

const HEADS: [&str; 9] = [
    "step", "time", "machine", "told", "did", "stands", "queue", "flight", "deadline",
];

pub(super) fn render(facts: &Facts) -> String {
    let Some((start, end)) = facts.span else {
        return String::new();
    };
    let window = Window { start, end };
    let steps = facts.steps.listed();
    let mut out = cap(facts);
    let _ = writeln!(
        out,
        "<div id=\"stepper\" class=\"stepper\" hidden>\n<label for=\"step\">Step through them: arrow keys, page up and down, home, end</label>\n\
         <input type=\"range\" id=\"step\" min=\"0\" max=\"{}\" value=\"0\">\n\
         <dl id=\"state\" class=\"facts\" aria-live=\"polite\"></dl>\n</div>",
        steps.len().saturating_sub(1)
    );
    out.push_str("<div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"Steps\"><table id=\"list\"><thead><tr>");
    for head in HEADS {
        let class = if matches!(head, "step" | "time" | "queue" | "flight") {
            " class=\"n\""
        } else {
            ""
        };
        let _ = write!(out, "<th scope=\"col\"{class}>{head}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    let mut before = None;
    for step in steps {
        if let Some(before) = before
            && step.number > before + 1
        {
            let _ = writeln!(
                out,
                "<tr class=\"gap\"><td colspan=\"9\">{} more</td></tr>",
                thousands(step.number - before - 1)
            );
        }
        before = Some(step.number);
        row(&mut out, step, facts, window);
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn cap(facts: &Facts) -> String {
    let steps = &facts.steps;
    let first = steps.row.first().map_or(0, |step| step.number);
    let beyond = steps.notable.len();
    let mut out = format!(
        "<p class=\"cap\">{} of {} steps: {} in a row from step {} on (at most {ROW_MAX}; <code>--first</code> chooses others)",
        thousands((steps.row.len() + beyond) as u64),
        thousands(facts.summary.steps),
        thousands(steps.row.len() as u64),
        thousands(first),
    );
    if beyond > 0 {
        let _ = write!(
            out,
            ", and of the {} that changed how a machine stands, or in which something went wrong, the latest {} elsewhere (at most {NOTABLE_MAX})",
            thousands(steps.notable_all),
            thousands(beyond as u64),
        );
    }
    out.push_str(". Such steps are marked ◆.</p>\n");
    out
}

fn row(out: &mut String, step: &Listed, facts: &Facts, window: Window) {
    // No link: hundreds of them would be in the way of whoever goes by keyboard.
    let name = match facts.machines.get(&step.machine) {
        Some(machine) => machine.about.name.clone(),
        None => format!("machine {}", step.machine.0),
    };
    let mark = if step.notable { " ◆" } else { "" };
    let _ = writeln!(
        out,
        "<tr data-x=\"{:.2}\"><th scope=\"row\" class=\"n\">{}{mark}</th><td class=\"n\">{}</td><td>{}</td><td class=\"words\">{}</td>\
         <td class=\"words\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
        window.percent(step.time),
        thousands(step.number),
        exact(step.time.saturating_sub(window.start)),
        Html(name),
        Html(&step.told),
        Html(&step.done),
        Html(&step.stands),
        step.queue,
        step.flight,
        Html(&step.deadline),
    );
}

/// Seconds since the start, to the microsecond; of very long traces the days before.
fn exact(nanos: u64) -> String {
    let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
    match seconds {
        0..86_400 => format!("{seconds}.{micros:06} s"),
        _ => format!(
            "{} + {}.{micros:06} s",
            spell(seconds / 86_400 * 86_400_000_000_000),
            seconds % 86_400
        ),
    }
}
