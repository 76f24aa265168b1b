//! One call, driven by all who wait for it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::timeout;

use super::seats::Seats;

/// Makes the call, once it is known who is in it: `None` stands for one who went away.
///
/// # Examples
/// See [`Coalescer`](super::Coalescer).
pub type CoalescedCall<T, L> = Box<dyn FnOnce(Vec<Option<T>>) -> BoxFuture<'static, L> + Send>;

/// A flight as its callers hold it. It ends with the last of them.
pub(super) type Flight<L> = Shared<BoxFuture<'static, Arc<L>>>;

/// The flight as newcomers find it, which does not keep it.
pub(super) struct WeakFlight<T, L> {
    flight: WeakShared<BoxFuture<'static, Arc<L>>>,
    seats: Weak<Seats<T>>,
}

impl<T, L> WeakFlight<T, L> {
    pub(super) fn upgrade(&self) -> Option<(Flight<L>, Arc<Seats<T>>)> {
        Some((self.flight.upgrade()?, self.seats.upgrade()?))
    }
}

pub(super) fn weak<T, L>(flight: &Flight<L>, seats: &Arc<Seats<T>>) -> Option<WeakFlight<T, L>> {
    Some(WeakFlight {
        flight: flight.downgrade()?,
        seats: Arc::downgrade(seats),
    })
}

/// A flight that leaves when the one `before` has landed, or `patience` is over. Who waits for the one drives the other.
pub(super) fn prepare<T, L>(
    before: Option<Flight<L>>,
    patience: Duration,
    seats: Arc<Seats<T>>,
    call: CoalescedCall<T, L>,
) -> Flight<L>
where
    T: Send + 'static,
    L: Send + Sync + 'static,
{
    let flight = async move {
        if let Some(before) = before {
            let _ = timeout(patience, before).await;
        }
        Arc::new(call(seats.leave()).await)
    };
    flight.boxed().shared()
}
