//! Taking units ahead, once for all who wait for them.

use std::{future::Future, pin::Pin, sync::Arc};

use cachekit_keys::UserId;
use cachekit_store::Result;
use futures_util::future::{Shared, WeakShared};

use super::slot::Returned;
use crate::LimitStatus;

type Boxed = Pin<Box<dyn Future<Output = Result<Refilled>> + Send>>;

/// A call that brings units. Who waits for it drives it.
pub(crate) type Refill = Shared<Boxed>;
pub(super) type WeakRefill = WeakShared<Boxed>;

/// What a refill ended with.
#[derive(Clone)]
pub(crate) enum Refilled {
    /// The units lie with the others.
    Granted,
    /// So much could not be had for a check of this cost.
    Denied {
        cost: u64,
        statuses: Arc<Vec<LimitStatus>>,
    },
}

/// What a check may do next.
pub(crate) enum Turn {
    /// It passes; this is how the limits stand.
    Spent(Vec<LimitStatus>),
    /// Wait for units, then try again.
    Wait(Refill),
    /// Nothing is kept for this one: ask the store.
    Ask,
}

/// A refill that is to be made.
pub(crate) struct Order {
    pub(crate) subject: UserId,
    pub(crate) cost: u64,
    /// So much, and at least `need`.
    pub(crate) units: u64,
    pub(crate) need: u64,
    /// What goes back before, as it was not used in time.
    pub(crate) stale: Option<Returned>,
    pub(super) slot: u64,
}
