//! What the terminal is, and what goes to it: data to stdout, narration to stderr.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::engine::{Progress, Query};
use crate::error::{Error, Result};

/// How a command speaks to the person who typed it.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    quiet: bool,
    color: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Terminal {
    /// Asks the environment once.
    pub fn new(quiet: bool, color: Color) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stderr().is_terminal() && !refused
            }
        };
        Self { quiet, color }
    }

    /// One line of narration, on stderr.
    pub fn say(&self, line: impl fmt::Display) {
        if !self.quiet {
            // There is nobody left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// An error, on stderr, whether quiet or not.
    pub fn error(&self, error: &Error) {
        let (on, off) = if self.color {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        let _ = writeln!(std::io::stderr(), "{on}error:{off} {error}");
    }

    /// Columns of the terminal that stdout goes to, if it goes to one.
    pub fn width(&self) -> Option<u16> {
        let stdout = std::io::stdout();
        stdout
            .is_terminal()
            .then(|| terminal_size::terminal_size_of(&stdout))?
            .map(|(w, _)| w.0)
    }

    /// A line on stderr that shows progress and leaves nothing behind; none without a terminal.
    pub fn progress(&self) -> ProgressLine {
        let hidden = self.quiet || !std::io::stderr().is_terminal();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::default_spinner());
        ProgressLine(bar)
    }
}

/// See [`Terminal::progress`].
pub struct ProgressLine(ProgressBar);

impl ProgressLine {
    /// Shows how far a query has come.
    pub fn query(&self, label: &str, progress: Progress) {
        let seconds = progress.elapsed.as_secs_f64();
        if seconds < 0.5 {
            return;
        }
        let rows = thousands(progress.rows as u64);
        let share = progress
            .total
            .filter(|total| *total > 0)
            .map_or_else(String::new, |total| {
                format!(" ({:.0} %)", 100.0 * progress.rows as f64 / total as f64)
            });
        let working = progress.working.map_or_else(String::new, |(name, done)| {
            format!(", {name} {:.0} %", 100.0 * done)
        });
        self.text(format!(
            "{label}{rows} rows read{share}{working}, {seconds:.1} s"
        ));
    }

    /// Shows any text.
    pub fn text(&self, text: String) {
        self.0.set_message(text);
        self.0.tick();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Reads a query to its end, showing progress. Ctrl-C ends it with [`Error::interrupted`];
/// `on_batch` ends it early by breaking.
///
/// # Errors
/// When the query fails, `on_batch` does, or the user interrupts.
pub async fn drive(
    query: &mut Query,
    terminal: Terminal,
    mut on_batch: impl FnMut(RecordBatch) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let line = terminal.progress();
    let mut ticks = Events::ticks();
    let mut interrupts = Events::interrupts();
    loop {
        tokio::select! {
            batch = query.next() => match batch? {
                None => return Ok(()),
                Some(batch) => if on_batch(batch)?.is_break() {
                    return Ok(());
                },
            },
            () = ticks.next() => line.query("", query.progress()),
            () = interrupts.next() => return Err(Error::interrupted()),
        }
    }
}

/// Events that a thread of its own listens for: a query may keep every worker of the runtime busy,
/// and then nobody would hear Ctrl-C or the clock.
pub struct Events(watch::Receiver<u64>);

/// The senders live as long as the process.
static EVENTS: OnceLock<(watch::Sender<u64>, watch::Sender<u64>)> = OnceLock::new();

impl Events {
    /// Ctrl-C, from now on. Once anybody has asked, Ctrl-C no longer ends the process by itself.
    pub fn interrupts() -> Self {
        Self(listen().0.subscribe())
    }

    /// Ten a second.
    pub fn ticks() -> Self {
        Self(listen().1.subscribe())
    }

    /// Waits for the next event; one that came since the last wait is not lost.
    pub async fn next(&mut self) {
        // The senders are never dropped.
        let _ = self.0.changed().await;
    }
}

/// Ctrl-C, and the polite signals by which a scheduler or a closed terminal ends a job. They are
/// heard from the moment that this is made, before anything waits for them.
#[cfg(unix)]
struct StopSignals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl StopSignals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn heard(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct StopSignals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl StopSignals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn heard(&mut self) {
        self.0.recv().await;
    }
}

fn listen() -> &'static (watch::Sender<u64>, watch::Sender<u64>) {
    const TICK: Duration = Duration::from_millis(100);
    EVENTS.get_or_init(|| {
        let events = (watch::Sender::new(0), watch::Sender::new(0));
        let (interrupts, ticks) = events.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without this thread there is no progress, and Ctrl-C ends the process.
        let Ok(runtime) = runtime else {
            return events;
        };
        let stop = {
            let _inside = runtime.enter();
            StopSignals::new()
        };
        let Ok(mut stop) = stop else {
            return events;
        };
        let listen = async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    () = stop.heard() => interrupts.send_modify(|count| *count += 1),
                    _ = tick.tick() => ticks.send_modify(|count| *count += 1),
                }
            }
        };
        let _ = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || runtime.block_on(listen));
        events
    })
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
