//! What a person sees: stderr, its colours and its progress bars.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::failure::Failure;
use crate::{diagnostics, figures};

/// Prints a line on stderr, without waiting for it.
pub(crate) fn say(line: &str) {
    diagnostics::write(format!("{line}\n").into_bytes());
}

/// Prints text on stdout, whole and at once, and after what was said before it. Should nobody
/// read it, `rest` tells what became of the work.
pub(crate) fn print(text: &str, rest: &str) -> Result<(), Failure> {
    diagnostics::flush();
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(error, rest))
}

/// Colours, or none: only a terminal gets them, and only if NO_COLOR is unset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn for_stderr() -> Self {
        Self {
            on: io::stderr().is_terminal() && wanted(),
        }
    }

    pub(crate) fn for_stdout() -> Self {
        Self {
            on: io::stdout().is_terminal() && wanted(),
        }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.sequence("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.sequence("1;31", text)
    }

    fn sequence(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The convention of no-color.org: set and not empty means none.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Progress bars on a terminal; without one, nothing but the lines.
#[derive(Debug)]
pub(crate) struct Screen {
    bars: Option<MultiProgress>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let fit =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let target = ProgressDrawTarget::stderr;
        Self {
            bars: fit.then(|| MultiProgress::with_draw_target(target())),
        }
    }

    /// A new bar below the others; invisible without a terminal. Without a `length` it counts up.
    pub(crate) fn bar(&self, name: &str, length: Option<u64>) -> ProgressBar {
        let Some(bars) = &self.bars else {
            return ProgressBar::hidden();
        };
        let (bar, template) = match length {
            Some(length) => (
                ProgressBar::new(length),
                "{prefix} [{bar:28}] {human_pos}/{human_len} {rate:>12} {msg}",
            ),
            None => (
                ProgressBar::no_length(),
                "{prefix} {human_pos} delivered {rate} {msg}",
            ),
        };
        let bar = bars.add(bar).with_prefix(name.to_owned());
        // A template that does not parse would be a slip in the two above; the default serves too.
        if let Ok(style) = ProgressStyle::with_template(template) {
            let style =
                style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                    // A bar that cannot be drawn is no reason to stop.
                    let _ = write!(out, "{}/s", figures::thousands(state.per_sec() as u64));
                });
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    /// A line on stderr, above the bars.
    pub(crate) fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => {
                let _ = bars.println(line);
            }
            None => say(line),
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }
}

/// How this program was called, for commands to copy.
pub(crate) fn program() -> String {
    std::env::args()
        .next()
        .filter(|program| program.contains('/') && !program.contains(char::is_whitespace))
        .unwrap_or_else(|| "peer-sender".to_owned())
}
