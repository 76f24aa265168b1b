//! Writes that reach the database later, and are not lost on the way.
//!
//! [`WriteBehind`] says what is promised.

mod accept;
mod backoff;
mod barrier;
mod batch;
mod builder;
mod claim;
mod companion;
mod dead;
mod deliver;
mod drain;
mod handle;
mod item;
mod letters;
mod options;
mod outcome;
mod queue;
mod room;
mod scripts;
mod shared;
mod sink;
mod slots;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use self::companion::unpersisted;
pub use self::{
    builder::WriteBehindBuilder,
    dead::{DeadLetter, DeadLetterCursor, DeadLetterPage, Replayed},
    handle::WriteBehind,
    item::{WriteItem, WriteOperation, WriteToken},
    options::WhenFull,
    outcome::{Backlog, DrainReport, Drained, Flushed},
    sink::{Sink, SinkError, SinkErrorKind},
    worker::WriteBehindWorker,
};
