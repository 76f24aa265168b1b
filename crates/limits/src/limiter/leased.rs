//! Checks that are decided by units which were taken ahead.

use std::{sync::Arc, time::Duration};

use cachekit_keys::UserId;
use cachekit_store::{Result, Tasks};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{
    Limiter,
    call::{Ask, Charged, Op},
};
use crate::{
    LimitStatus,
    decision::Origin,
    lease::{self, Leases, Leasing, Order, Refill, Refilled, Returned, Turn},
    limit::Algorithm,
};

/// How often a check waits for units that others then take, before it asks for itself.
const TURNS: usize = 8;

impl Limiter {
    /// Takes units ahead and decides most checks within the process, without a round trip. `tasks` run the one that returns
    /// what was not used: as its time is over, and all at [`shutdown`](Tasks::shutdown).
    ///
    /// It is for [`check`](Self::check). What may take a part, peeks and refunds of what the store decided ask the store, and
    /// count units that are leased as used. A decision from a lease has the origin [`Origin::Lease`]; what it says is left is
    /// what the store had left when units were taken, and those that are still here.
    ///
    /// # How far limits are kept
    /// Every unit is taken from the limit before it is given out, and one of a window is only given out while that lasts, less
    /// a thousandth and 2 ms, by which clocks may differ. So **fixed and aligned windows, and daily and monthly limits, never
    /// let more pass than they say**. A token bucket, a sliding window and a log let pass, in the time of a window, at most
    /// the units more that were leased when it began: with `n` processes, `n` times [`Leasing::up_to`]. A process that dies
    /// takes its units with it: less passes until the limit has them back. A server's clock that is set is no drift: see
    /// "Clocks" in the documentation.
    ///
    /// [`reset`](Self::reset), [`block`](Self::block), [`set_limit`](Self::set_limit) and [`clear_limit`](Self::clear_limit)
    /// drop the subject's units in this process, and in those that [hear of changes](Self::hearing_of_changes); in others they may
    /// be used until their time is over. A [penalty](crate::Limit::with_penalty) drops them in each process that asks the store
    /// meanwhile.
    ///
    /// Say it after [`remembering_denials`](Self::remembering_denials): units that go back end the denials that the limiter
    /// remembers by then.
    ///
    /// # Cancel safety
    /// Units that a dropped check would have got stay with the process. If nobody else waits for them, they may be lost.
    ///
    /// # Errors
    /// [`Closed`](cachekit_store::ErrorKind::Closed) after the shutdown of `tasks` has begun.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cachekit_keys::{KeySchema, UserId};
    /// use cachekit_limits::{Leasing, Limit, Limiter, Origin};
    /// use cachekit_store::{MemoryStore, Tasks};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let tasks = Tasks::new(); // kit.tasks() of a kit, which shuts them down
    /// let limit = Limit::fixed_window(1_000, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit)
    ///     .leased(Leasing::up_to(100), &tasks)?;
    /// let user = UserId::new("user123")?;
    ///
    /// assert!(limiter.check(&user, 1).await?.is_allowed());
    /// assert_eq!(limiter.check(&user, 1).await?.origin(), Origin::Lease);
    /// assert_eq!(limiter.status(&user).await?.used(), 8); // of which six are here
    /// let _ = tasks.shutdown(Duration::from_secs(5)).await;
    /// assert_eq!(limiter.status(&user).await?.used(), 2);
    /// # Ok(()) }
    /// ```
    pub fn leased(self, leasing: Leasing, tasks: &Tasks) -> Result<Self> {
        let leases = Arc::new(Leases::new(leasing));
        let returning = self.clone().with(|inner| inner.leases = None);
        let kept = Arc::clone(&leases);
        tasks.spawn_until_stopped("return leased units", |stop| {
            lease::keep(returning, kept, stop)
        })?;
        Ok(self.with(|inner| inner.leases = Some(leases)))
    }

    pub(super) async fn ask_leases(
        &self,
        leases: &Arc<Leases>,
        subject: &UserId,
        cost: u64,
    ) -> Result<(Charged, Origin)> {
        for _ in 0..TURNS {
            match leases.turn(subject, cost, |order| self.refill(leases, order)) {
                Turn::Spent(statuses) => {
                    let taken = cost;
                    return Ok((Charged { taken, statuses }, Origin::Lease));
                }
                Turn::Wait(refill) => match refill.await? {
                    Refilled::Denied { cost: of, statuses } if of == cost => {
                        let statuses = statuses.to_vec();
                        return Ok((Charged { taken: 0, statuses }, Origin::Server));
                    }
                    Refilled::Denied { .. } => break,
                    Refilled::Granted => {}
                },
                Turn::Ask => break,
            }
        }
        let charged = self.ask(subject, &Ask::new(Op::Take, cost, cost)).await?;
        Ok((charged, Origin::Server))
    }

    fn refill(&self, leases: &Arc<Leases>, order: Order) -> Refill {
        let (limiter, leases) = (self.clone(), Arc::clone(leases));
        let refill = async move { limiter.carry_out(&leases, order).await };
        refill.boxed().shared()
    }

    async fn carry_out(&self, leases: &Leases, mut order: Order) -> Result<Refilled> {
        if let Some(rest) = order.stale.take() {
            self.return_units(&order.subject, &rest).await;
        }
        let sent = Instant::now();
        let ask = Ask::new(Op::Take, order.units, order.need);
        let charged = self.ask(&order.subject, &ask).await?;
        self.warn(&order.subject, &charged);
        let Charged { taken, statuses } = charged;
        if taken == 0 {
            return Ok(Refilled::Denied {
                cost: order.cost,
                statuses: Arc::new(statuses),
            });
        }
        let window = self.window_left(&statuses);
        if let Some(rest) = leases.fill(&order, taken, statuses, sent, window) {
            self.return_units(&order.subject, &rest).await;
        }
        Ok(Refilled::Granted)
    }

    /// How long all windows still last that units of these limits are taken from.
    fn window_left(&self, statuses: &[LimitStatus]) -> Option<Duration> {
        let limits = self.inner.limits.iter().zip(statuses);
        let windows = limits.filter(|(limit, _)| {
            matches!(
                limit.algorithm(),
                Algorithm::Window { .. } | Algorithm::Calendar { .. }
            )
        });
        windows.map(|(_, status)| status.reset_after).min()
    }

    /// Gives units back. If that fails they stay taken, and nobody gets them.
    pub(crate) async fn return_units(&self, subject: &UserId, rest: &Returned) {
        let ask = Ask::refund(rest.units, &rest.windows);
        if self.ask(subject, &ask).await.is_ok() {
            self.tell_returned(subject).await;
        }
    }
}
