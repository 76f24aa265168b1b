//! Who is in a flight. Before it leaves, a caller may still leave it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;

pub(super) struct Seats<T> {
    /// `None` once the flight has left. A caller that went away leaves its seat empty.
    taken: Mutex<Option<Vec<Option<T>>>>,
    /// How many seats of flights that have not left yet are taken. One that was given up counts until its flight leaves, so that
    /// there are never too many flights either.
    waiting: Arc<AtomicUsize>,
}

/// A caller's place. Dropped before the flight has left, the caller is not in it.
pub(super) struct Pass<T> {
    seats: Arc<Seats<T>>,
    place: usize,
}

impl<T> Seats<T> {
    pub(super) fn first(request: T, waiting: Arc<AtomicUsize>) -> (Arc<Self>, Pass<T>) {
        waiting.fetch_add(1, Ordering::Relaxed);
        let seats = Arc::new(Self {
            taken: Mutex::new(Some(vec![Some(request)])),
            waiting,
        });
        let pass = Pass {
            seats: Arc::clone(&seats),
            place: 0,
        };
        (seats, pass)
    }

    /// Gives the request back where the flight is full, or has left.
    pub(super) fn take(self: Arc<Self>, request: T, most: usize) -> Result<Pass<T>, T> {
        let mut taken = self.taken.lock();
        let place = match taken.as_mut() {
            Some(seats) if seats.len() < most => {
                seats.push(Some(request));
                seats.len() - 1
            }
            _ => return Err(request),
        };
        drop(taken);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { seats: self, place })
    }

    /// Closes the flight; answers who is in it.
    pub(super) fn leave(&self) -> Vec<Option<T>> {
        let requests = self.taken.lock().take().unwrap_or_default();
        self.waiting.fetch_sub(requests.len(), Ordering::Relaxed);
        requests
    }
}

impl<T> Drop for Seats<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> Pass<T> {
    pub(super) fn place(&self) -> usize {
        self.place
    }
}

impl<T> Drop for Pass<T> {
    fn drop(&mut self) {
        if let Some(seats) = self.seats.taken.lock().as_mut() {
            seats[self.place] = None;
        }
    }
}
