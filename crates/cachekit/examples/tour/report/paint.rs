//! Colours, where they help: on a terminal whose user has not declined them.

use std::env;
use std::io::{self, IsTerminal};

/// Colours a text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set or the terminal has none.
    pub(super) fn for_stdout() -> Self {
        let declined = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            on: io::stdout().is_terminal() && !declined && !dumb,
        }
    }

    /// Whether there are colours.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// For headings.
    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what is less important.
    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For hits and what was saved.
    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For misses and what was not saved.
    pub(super) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// For names of keys.
    pub(super) fn key(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
impl Paint {
    /// Colours as told, for tests.
    pub(super) fn fixed(on: bool) -> Self {
        Self { on }
    }
}
