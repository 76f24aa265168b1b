//! Writes that reach the database later, and are not lost on the way.
//!
//! [`WriteBehind`] says what is promised.

mod builder;
mod dead;
mod handle;
mod item;
mod options;
mod outcome;
mod shared;
mod sink;
mod worker;

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
