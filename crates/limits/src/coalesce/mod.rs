//! Checks of one process that share calls of the store.
//!
//! While a call is on its way, those who come wait together for the next: nobody waits for a timer. A call is a *flight*: whoever
//! waits for it drives it, and those before it, so that no task is spawned, and a caller that goes away, or is not polled for a
//! while, holds up nobody.

mod flight;
mod options;
mod seats;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cachekit_keys::UserId;
use cachekit_store::{Error, ErrorKind, Result};
use parking_lot::Mutex;

pub use self::options::Coalescing;
pub(crate) use self::{
    flight::{Call, Landed},
    seats::Request,
};
use self::{
    flight::{Flight, WeakFlight},
    seats::{Pass, Seats},
};

/// Where callers find the flight that they can join.
#[derive(Clone)]
pub(crate) struct Coalescer {
    shared: Arc<Shared>,
}

struct Shared {
    options: Coalescing,
    schedule: Mutex<Schedule>,
    /// How many seats of flights that have not left yet are taken.
    waiting: Arc<AtomicUsize>,
}

/// The latest flights, as many as may be on their way at a time. It keeps none of them.
#[derive(Default)]
struct Schedule {
    flights: VecDeque<WeakFlight>,
}

impl Coalescer {
    pub(crate) fn new(options: Coalescing) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                schedule: Mutex::default(),
                waiting: Arc::default(),
            }),
        }
    }

    /// Joins the flight that waits, or one that `call` makes; answers when it has landed, with the place in it.
    ///
    /// # Cancel safety
    /// A caller that leaves before the flight does is not in it.
    pub(crate) async fn fly(
        &self,
        subject: &UserId,
        cost: u64,
        call: impl FnOnce() -> Call,
    ) -> Result<(Arc<Landed>, usize)> {
        let (flight, pass) = self.board(subject, cost, call)?;
        let landed = flight.await;
        Ok((landed, pass.place()))
    }

    fn board(
        &self,
        subject: &UserId,
        cost: u64,
        call: impl FnOnce() -> Call,
    ) -> Result<(Flight, Pass)> {
        let shared = &*self.shared;
        let subject = subject.clone();
        let request = Request { subject, cost };
        let mut schedule = shared.schedule.lock();
        if shared.waiting.load(Ordering::Relaxed) >= shared.options.queue {
            return Err(Error::new(ErrorKind::Overloaded, "check")
                .with_detail("too many checks wait for a call")
                .with_may_have_applied(false));
        }
        let latest = schedule.flights.back().and_then(WeakFlight::upgrade);
        let request = match latest {
            Some((flight, seats)) => match seats.take(request, shared.options.batch) {
                Ok(pass) => return Ok((flight, pass)),
                Err(request) => request,
            },
            None => request,
        };
        let (seats, pass) = Seats::first(request, Arc::clone(&shared.waiting));
        let flight = flight::prepare(
            schedule.before(shared.options.in_flight),
            Arc::clone(&seats),
            call(),
        );
        schedule.flights.extend(flight::weak(&flight, &seats));
        Ok((flight, pass))
    }
}

impl Schedule {
    /// The flight that has to land before a new one may leave.
    fn before(&mut self, in_flight: usize) -> Option<Flight> {
        match self.flights.len() < in_flight {
            true => None,
            false => Some(self.flights.pop_front()?.upgrade()?.0),
        }
    }
}
