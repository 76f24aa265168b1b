//! A progress bar for large trees.
//!
//! It is drawn on standard error, and only on a terminal, so that neither a pipe nor a log ever holds a part of it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Trees below this are done before an eye has found the bar.
const LARGE_TREE: usize = 200;

const WIDTH: usize = 30;
const REDRAW_EVERY: Duration = Duration::from_millis(80);

/// The bar of one pass. Its line is wiped when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    label: &'static str,
    total: usize,
    done: usize,
    shown: bool,
    drawn_at: Option<Instant>,
}

impl Progress {
    /// A bar over `total` files; a silent one where nobody could see it.
    pub(crate) fn new(label: &'static str, total: usize) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            label,
            total,
            done: 0,
            shown: total >= LARGE_TREE && !dumb && io::stderr().is_terminal(),
            drawn_at: None,
        }
    }

    /// One more file is done.
    pub(crate) fn advance(&mut self) {
        self.reach(self.done + 1);
    }

    /// So many files are done.
    pub(crate) fn reach(&mut self, done: usize) {
        self.done = done;
        let due = self.drawn_at.is_none_or(|at| at.elapsed() >= REDRAW_EVERY);
        if self.shown && due {
            self.drawn_at = Some(Instant::now());
            to_stderr(&format!("\r{}", self.line()));
        }
    }

    /// Wipes the bar's line, for others to write on; the next advance draws it again.
    pub(crate) fn hide(&mut self) {
        if self.drawn_at.take().is_some() {
            to_stderr("\r\x1b[K");
        }
    }

    fn line(&self) -> String {
        let filled = (WIDTH * self.done).checked_div(self.total).unwrap_or(WIDTH);
        let filled = filled.min(WIDTH);
        let (label, done, total) = (self.label, self.done, self.total);
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
        format!("{label} [{bar}] {done}/{total}")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

fn to_stderr(text: &str) {
    // A bar that cannot be drawn is no reason to stop.
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::Progress;

    fn bar(done: usize, total: usize) -> Progress {
        let mut progress = Progress::new("first pass", total);
        progress.done = done;
        progress
    }

    #[test]
    fn the_line_fills_with_the_work() {
        let line = bar(50, 100).line();
        assert!(line.contains(&format!("[{}{}]", "#".repeat(15), "-".repeat(15))));
        assert!(line.ends_with("50/100"));
    }

    #[test]
    fn an_empty_or_overrun_total_draws_a_full_bar() {
        assert!(bar(0, 0).line().contains(&"#".repeat(30)));
        assert!(bar(7, 5).line().contains(&"#".repeat(30)));
    }
}
