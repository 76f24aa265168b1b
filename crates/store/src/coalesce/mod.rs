//! Requests of one process that share calls.
//!
//! While a call is on its way, those who come wait together for the next: nobody waits for a timer, except where the call before
//! takes unusually long. A call is a *flight*: whoever
//! waits for it drives it, and those before it, so that no task is spawned, and a caller that goes away, or is not polled for a
//! while, holds up nobody.

mod flight;
mod options;
mod seats;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

pub use self::{flight::CoalescedCall, options::CoalescerOptions};
use self::{
    flight::{Flight, WeakFlight},
    seats::{Pass, Seats},
};
use crate::{Error, ErrorKind, Result};

/// Lets requests `T` of many callers share calls, each of which lands with an `L` for all who are in it.
///
/// For those who build on a store: a call of a script for many costs hardly more than one for one. Clones are cheap and share
/// everything.
///
/// # Examples
/// ```
/// use cachekit_store::{Coalescer, CoalescerOptions};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let coalescer: Coalescer<u32, Vec<u32>> = Coalescer::new(CoalescerOptions::new("double"));
/// let (landed, place) = coalescer
///     .join(4, || {
///         Box::new(|numbers| {
///             let double = |number: Option<u32>| 2 * number.unwrap_or_default();
///             Box::pin(async move { numbers.into_iter().map(double).collect() })
///         })
///     })
///     .await?;
/// assert_eq!(landed[place], 8);
/// # Ok(()) }
/// ```
pub struct Coalescer<T, L> {
    shared: Arc<Shared<T, L>>,
}

struct Shared<T, L> {
    options: CoalescerOptions,
    schedule: Mutex<Schedule<T, L>>,
    /// How many seats of flights that have not left yet are taken.
    waiting: Arc<AtomicUsize>,
}

/// The latest flights, as many as may be on their way at a time. It keeps none of them.
struct Schedule<T, L> {
    flights: VecDeque<WeakFlight<T, L>>,
}

impl<T, L> Coalescer<T, L>
where
    T: Send + 'static,
    L: Send + Sync + 'static,
{
    /// One that nobody has joined yet.
    ///
    /// # Examples
    /// See [`Coalescer`].
    #[must_use]
    pub fn new(options: CoalescerOptions) -> Self {
        let flights = VecDeque::with_capacity(options.in_flight);
        Self {
            shared: Arc::new(Shared {
                options,
                schedule: Mutex::new(Schedule { flights }),
                waiting: Arc::default(),
            }),
        }
    }

    /// Joins the call that waits, or one that `call` makes; answers when it has landed, with the place in it.
    ///
    /// # Errors
    /// [`Overloaded`](ErrorKind::Overloaded) where [too many](CoalescerOptions::queue) wait.
    ///
    /// # Cancel safety
    /// A caller that leaves before the call does is not in it. One that leaves later is: the call goes on for the others, and
    /// ends with the last of them.
    ///
    /// # Examples
    /// See [`Coalescer`].
    pub async fn join(
        &self,
        request: T,
        call: impl FnOnce() -> CoalescedCall<T, L>,
    ) -> Result<(Arc<L>, usize)> {
        let (flight, pass) = self.board(request, call)?;
        let landed = flight.await;
        Ok((landed, pass.place()))
    }

    /// Whether nobody waits for a call.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Coalescer, CoalescerOptions};
    ///
    /// let coalescer: Coalescer<u32, u32> = Coalescer::new(CoalescerOptions::new("double"));
    /// assert!(coalescer.is_idle());
    /// ```
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let schedule = self.shared.schedule.lock();
        schedule
            .flights
            .iter()
            .all(|flight| flight.upgrade().is_none())
    }

    fn board(
        &self,
        request: T,
        call: impl FnOnce() -> CoalescedCall<T, L>,
    ) -> Result<(Flight<L>, Pass<T>)> {
        let shared = &*self.shared;
        let options = &shared.options;
        let mut schedule = shared.schedule.lock();
        if shared.waiting.load(Ordering::Relaxed) >= options.queue {
            return Err(Error::new(ErrorKind::Overloaded, options.operation)
                .with_detail("too many wait for a call")
                .with_may_have_applied(false));
        }
        let latest = schedule.flights.back().and_then(WeakFlight::upgrade);
        let request = match latest {
            Some((flight, seats)) => match seats.take(request, options.batch) {
                Ok(pass) => return Ok((flight, pass)),
                Err(request) => request,
            },
            None => request,
        };
        let (seats, pass) = Seats::first(request, Arc::clone(&shared.waiting));
        let before = schedule.before(options.in_flight);
        let flight = flight::prepare(before, options.patience, Arc::clone(&seats), call());
        schedule.flights.extend(flight::weak(&flight, &seats));
        Ok((flight, pass))
    }
}

impl<T, L> Schedule<T, L> {
    /// The flight that has to land before a new one may leave.
    fn before(&mut self, in_flight: usize) -> Option<Flight<L>> {
        match self.flights.len() < in_flight {
            true => None,
            false => Some(self.flights.pop_front()?.upgrade()?.0),
        }
    }
}

impl<T, L> Clone for Coalescer<T, L> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T, L> fmt::Debug for Coalescer<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalescer")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}
