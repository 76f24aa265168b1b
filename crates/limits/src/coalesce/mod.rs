//! Checks of one process that share calls of the store.

mod landed;
mod options;

use cachekit_store::{CoalescedCall, Coalescer};

pub(crate) use self::landed::{Landed, Request};
pub use self::options::Coalescing;

/// Where checks find the call that they can join.
pub(crate) type Checks = Coalescer<Request, Landed>;
/// Makes the call.
pub(crate) type Call = CoalescedCall<Request, Landed>;
