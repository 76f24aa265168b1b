//! One call of the store, driven by all who wait for it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use cachekit_store::{Error, ErrorKind, Result};
use futures_util::{
    FutureExt,
    future::{Shared, WeakShared},
};

use super::seats::{Request, Seats};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes the call, once it is known who is in it.
pub(crate) type Call = Box<dyn FnOnce(Vec<Option<Request>>) -> Boxed<Landed> + Send>;

/// A flight as its callers hold it. It ends with the last of them.
pub(super) type Flight = Shared<Boxed<Arc<Landed>>>;

/// What came back, in the numbers of the scripts.
pub(crate) struct Landed {
    /// What each run of the script answered.
    runs: Vec<Result<Vec<i64>>>,
    /// For each place, the run and where in it the answer begins.
    places: Vec<(usize, usize)>,
}

/// The flight as newcomers find it, which does not keep it.
pub(super) struct WeakFlight {
    flight: WeakShared<Boxed<Arc<Landed>>>,
    seats: Weak<Seats>,
}

impl WeakFlight {
    pub(super) fn upgrade(&self) -> Option<(Flight, Arc<Seats>)> {
        Some((self.flight.upgrade()?, self.seats.upgrade()?))
    }
}

pub(super) fn weak(flight: &Flight, seats: &Arc<Seats>) -> Option<WeakFlight> {
    Some(WeakFlight {
        flight: flight.downgrade()?,
        seats: Arc::downgrade(seats),
    })
}

/// A flight that leaves when the one `before` has landed. Who waits for the one drives the other.
pub(super) fn prepare(before: Option<Flight>, seats: Arc<Seats>, call: Call) -> Flight {
    let flight: Boxed<Arc<Landed>> = Box::pin(async move {
        if let Some(before) = before {
            before.await;
        }
        Arc::new(call(seats.leave()).await)
    });
    flight.shared()
}

impl Landed {
    pub(crate) fn new(runs: Vec<Result<Vec<i64>>>, places: Vec<(usize, usize)>) -> Self {
        Self { runs, places }
    }

    /// Nobody was there.
    pub(crate) fn empty() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    /// A caller's answer and what follows it.
    pub(crate) fn answer(&self, place: usize) -> Result<&[i64]> {
        let missing = || Error::new(ErrorKind::Unexpected, "check");
        let (run, begin) = self.places.get(place).copied().ok_or_else(missing)?;
        match self.runs.get(run).ok_or_else(missing)? {
            Ok(numbers) => numbers.get(begin..).ok_or_else(missing),
            Err(error) => Err(error.clone()),
        }
    }
}
