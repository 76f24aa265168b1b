//! A buffer that refuses to grow past a limit, so that encoding a value that is too large stops
//! early.

use std::io;

/// Collects what a codec writes, up to `limit` bytes.
#[derive(Debug)]
pub(crate) struct BoundedWriter {
    pub(crate) buffer: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl BoundedWriter {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            // What serde_json starts with: most small values fit.
            buffer: Vec::with_capacity(limit.min(128)),
            limit,
            overflowed: false,
        }
    }

    /// The most bytes that are taken.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a write was refused. Codecs hide the reason of a failed write, so it is kept here.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl io::Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.limit.saturating_sub(self.buffer.len()) {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
