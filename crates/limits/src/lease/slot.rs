//! The units of one subject that are with this process.

use std::time::Duration;

use cachekit_keys::UserId;
use tokio::time::Instant;

use super::{
    Leasing,
    refill::{Order, Refill, WeakRefill},
};
use crate::LimitStatus;

/// What the clocks of the server and of this machine may differ by, for each second that is measured: a thousandth, twice what
/// a clock is slewed by.
const DRIFT: u32 = 1_000;
/// What a timer may be late by.
const MARGIN: Duration = Duration::from_millis(2);
/// A lease is at most this part of what the limit has left, so that nobody takes the rest from all others.
const PART: u64 = 8;

pub(super) struct Slot {
    /// Which slot this is: one that was dropped gets nothing of what is on its way.
    pub(super) id: u64,
    left: u64,
    until: Instant,
    /// How many units are taken at once.
    chunk: u64,
    /// What the store said last, and when it was asked.
    granted: Option<(Vec<LimitStatus>, Instant)>,
    refill: Option<WeakRefill>,
}

/// Units that go back, with the windows that they were taken from.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) units: u64,
    pub(crate) windows: Vec<i64>,
}

impl Returned {
    pub(super) fn of(units: u64, statuses: &[LimitStatus]) -> Option<Self> {
        let windows = || windows(statuses).collect();
        (units > 0).then(|| Self {
            units,
            windows: windows(),
        })
    }
}

impl Slot {
    pub(super) fn new(id: u64, options: &Leasing, now: Instant) -> Self {
        Self {
            id,
            left: 0,
            until: now,
            chunk: options.first_chunk(),
            granted: None,
            refill: None,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }

    /// Whether nothing is to be had here, and nothing comes.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.is_over(now) && self.running().is_none()
    }

    fn running(&self) -> Option<Refill> {
        let refill = self.refill.as_ref()?.upgrade()?;
        refill.peek().is_none().then_some(refill)
    }

    /// Takes `cost` of what is there; answers how the limits stand after that, as far as is known here.
    pub(super) fn spend(&mut self, cost: u64, now: Instant) -> Option<Vec<LimitStatus>> {
        if self.left < cost || self.is_over(now) {
            return None;
        }
        let (statuses, since) = self.granted.as_ref()?;
        self.left -= cost;
        let passed = now - *since;
        let mut statuses = statuses.clone();
        for status in &mut statuses {
            status.remaining = status.remaining.saturating_add(self.left).min(status.limit);
            status.reset_after = status.reset_after.saturating_sub(passed);
        }
        Some(statuses)
    }

    /// The call that brings units for `cost`: the one that is on its way, else the one that `call` makes.
    pub(super) fn refill(
        &mut self,
        subject: &UserId,
        cost: u64,
        options: &Leasing,
        now: Instant,
        call: impl FnOnce(Order) -> Refill,
    ) -> Refill {
        if let Some(running) = self.running() {
            return running;
        }
        let stale = match self.is_over(now) {
            true => self.take_rest(),
            false => {
                // It was used up before its time was over.
                self.chunk = (self.chunk * 2).min(options.most);
                None
            }
        };
        let need = cost.saturating_sub(self.left);
        let free = self.granted.iter().flat_map(|(statuses, _)| statuses);
        let free = free.map(|status| status.remaining).min();
        let part = free.map_or(u64::MAX, |free| free / PART);
        let most = self.chunk.min(options.most - self.left).min(part);
        let refill = call(Order {
            subject: subject.clone(),
            cost,
            units: most.max(need),
            need,
            stale,
            slot: self.id,
        });
        self.refill = refill.downgrade();
        refill
    }

    /// Puts in what the store gave when it was asked at `sent`, for so long from then. What is left of another window is lost.
    pub(super) fn fill(
        &mut self,
        taken: u64,
        statuses: Vec<LimitStatus>,
        sent: Instant,
        life: Duration,
    ) {
        let same = |(old, _): &(Vec<LimitStatus>, Instant)| windows(old).eq(windows(&statuses));
        if !self.granted.as_ref().is_some_and(same) {
            self.left = 0;
        }
        self.left += taken;
        self.until = sent + life;
        self.granted = Some((statuses, sent));
    }

    /// What was not used in time.
    pub(super) fn take_rest(&mut self) -> Option<Returned> {
        let units = std::mem::take(&mut self.left);
        let (statuses, _) = self.granted.as_ref()?;
        let rest = Returned::of(units, statuses)?;
        self.chunk = (self.chunk / 2).max(1);
        Some(rest)
    }

    /// Takes back what a caller did not use, if it is of the present windows and not more than may be here.
    pub(super) fn give_back(
        &mut self,
        units: u64,
        given: &[LimitStatus],
        options: &Leasing,
    ) -> bool {
        let present = self.granted.as_ref();
        let same = present.is_some_and(|(statuses, _)| windows(statuses).eq(windows(given)));
        let fits = same && units <= options.most - self.left;
        if fits {
            self.left += units;
        }
        fits
    }
}

fn windows(statuses: &[LimitStatus]) -> impl Iterator<Item = i64> {
    statuses.iter().map(|status| status.window)
}

/// For how long units may be used that were taken when a window had `left` to go: until it ends by the slowest clock.
pub(super) fn life_in(left: Duration) -> Duration {
    let left = left.saturating_sub(MARGIN);
    left - left / DRIFT
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::life_in;

    #[test]
    fn a_lease_ends_before_its_window_by_more_than_clocks_differ() {
        assert_eq!(life_in(Duration::from_millis(2)), Duration::ZERO);
        assert_eq!(life_in(Duration::ZERO), Duration::ZERO);
        let life = life_in(Duration::from_millis(1_002));
        assert_eq!(life, Duration::from_millis(999));
        // Even on a clock that is slow by as much.
        assert!(life + life / 1_000 <= Duration::from_secs(1));
    }
}
