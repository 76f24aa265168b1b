//! Saying what happened: to people as it happens, or to programs at the end.

mod json;
mod paint;
mod text;

use crate::args::Format;
use crate::facts::Facts;
use crate::failure::Failure;
use crate::server::Place;
use crate::tree::FileTree;
use crate::written::KeyKind;
use paint::Paint;
use std::io::{self, Write};
use std::path::Path;

/// The one place that writes to standard output.
#[derive(Debug)]
pub(crate) struct Report {
    format: Format,
    paint: Paint,
}

impl Report {
    /// A report on standard output.
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            paint: Paint::for_stdout(),
        }
    }

    /// The form that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether the result is coloured.
    pub(crate) fn colour(&self) -> bool {
        self.format == Format::Text && self.paint.is_on()
    }

    /// The tree is known, nothing is cached yet.
    pub(crate) fn begin(&self, root: &Path, place: &Place, tree: &FileTree) -> Result<(), Failure> {
        self.tell(&text::opening(self.paint, root, place, tree))
    }

    /// The first key of a kind was written.
    pub(crate) fn key(&self, kind: &KeyKind) -> Result<(), Failure> {
        self.tell(&text::key(self.paint, kind))
    }

    /// Everything is known.
    pub(crate) fn end(&self, facts: &Facts) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.tell(&text::closing(self.paint, facts)),
            Format::Json => write(&json::object(facts)?),
        }
    }

    fn tell(&self, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Text => write(text),
            Format::Json => Ok(()),
        }
    }
}

/// Writes to standard output, at once. A reader that has gone away is told apart from a full disk.
///
/// # Errors
///
/// [`Failure::ReaderGone`] or [`Failure::Stopped`].
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}
