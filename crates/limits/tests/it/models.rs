//! Each algorithm in the plainest way: no state to keep small, no number that could round, no clock that jumps.

use std::collections::BTreeMap;

use crate::support::{Algorithm, Spec};

pub(crate) trait Model {
    /// The most that passes at the moment `now`, if nothing happens until then.
    fn free(&self, now: u64) -> u64;
    fn take(&mut self, now: u64, cost: u64);
    /// Gives back what was taken at `then`.
    fn refund(&mut self, now: u64, then: u64, cost: u64);
}

pub(crate) fn model(spec: Spec) -> Box<dyn Model> {
    match spec.algorithm {
        Algorithm::Bucket => Box::new(Bucket {
            spec,
            level: u128::from(spec.limit) * u128::from(spec.width),
            then: 0,
        }),
        Algorithm::FirstHit => Box::new(FirstHit { spec, window: None }),
        Algorithm::Aligned => Box::new(Aligned {
            spec,
            counts: BTreeMap::new(),
        }),
        Algorithm::Sliding => Box::new(Sliding {
            spec,
            counts: BTreeMap::new(),
        }),
        Algorithm::Log => Box::new(Log {
            spec,
            admitted: Vec::new(),
        }),
    }
}

/// A bucket with a level. One token is `width` units, and `refill` units flow in every microsecond: all whole numbers.
struct Bucket {
    spec: Spec,
    level: u128,
    then: u64,
}

impl Bucket {
    fn token(&self) -> u128 {
        u128::from(self.spec.width)
    }

    fn level(&self, now: u64) -> u128 {
        let flown = u128::from(now - self.then) * u128::from(self.spec.refill);
        (self.level + flown).min(u128::from(self.spec.limit) * self.token())
    }
}

impl Model for Bucket {
    fn free(&self, now: u64) -> u64 {
        u64::try_from(self.level(now) / self.token()).unwrap()
    }

    fn take(&mut self, now: u64, cost: u64) {
        self.level = self.level(now) - u128::from(cost) * self.token();
        self.then = now;
    }

    fn refund(&mut self, now: u64, _: u64, cost: u64) {
        self.level = self.level(now) + u128::from(cost) * self.token();
        self.then = now;
        self.level = self.level(now);
    }
}

struct FirstHit {
    spec: Spec,
    /// Start and count.
    window: Option<(u64, u64)>,
}

impl FirstHit {
    fn live(&self, now: u64) -> Option<(u64, u64)> {
        self.window
            .filter(|(start, _)| now < start + self.spec.width)
    }
}

impl Model for FirstHit {
    fn free(&self, now: u64) -> u64 {
        self.spec.limit - self.live(now).map_or(0, |(_, count)| count)
    }

    fn take(&mut self, now: u64, cost: u64) {
        let (start, count) = self.live(now).unwrap_or((now, 0));
        self.window = Some((start, count + cost));
    }

    fn refund(&mut self, now: u64, then: u64, cost: u64) {
        if let Some((start, count)) = self.live(now).filter(|(start, _)| *start <= then) {
            self.window = Some((start, count.saturating_sub(cost)));
        }
    }
}

struct Aligned {
    spec: Spec,
    counts: BTreeMap<u64, u64>,
}

impl Model for Aligned {
    fn free(&self, now: u64) -> u64 {
        let index = now / self.spec.width;
        self.spec.limit - self.counts.get(&index).copied().unwrap_or(0)
    }

    fn take(&mut self, now: u64, cost: u64) {
        *self.counts.entry(now / self.spec.width).or_default() += cost;
    }

    fn refund(&mut self, now: u64, then: u64, cost: u64) {
        if then / self.spec.width == now / self.spec.width {
            let count = self.counts.entry(now / self.spec.width).or_default();
            *count = count.saturating_sub(cost);
        }
    }
}

struct Sliding {
    spec: Spec,
    counts: BTreeMap<u64, u64>,
}

impl Sliding {
    fn count(&self, index: u64) -> u128 {
        self.counts.get(&index).copied().unwrap_or(0).into()
    }
}

impl Model for Sliding {
    fn free(&self, now: u64) -> u64 {
        let width = u128::from(self.spec.width);
        let index = now / self.spec.width;
        let elapsed = u128::from(now % self.spec.width);
        let (current, previous) = (self.count(index), self.count(index - 1));
        let passes = |cost: u64| {
            previous * (width - elapsed) + (current + u128::from(cost)) * width
                <= u128::from(self.spec.limit) * width
        };
        (0..=self.spec.limit)
            .rev()
            .find(|cost| passes(*cost))
            .unwrap_or(0)
    }

    fn take(&mut self, now: u64, cost: u64) {
        *self.counts.entry(now / self.spec.width).or_default() += cost;
    }

    fn refund(&mut self, now: u64, then: u64, cost: u64) {
        let (index, charged) = (now / self.spec.width, then / self.spec.width);
        if charged == index || charged + 1 == index {
            let count = self.counts.entry(charged).or_default();
            *count = count.saturating_sub(cost);
        }
    }
}

struct Log {
    spec: Spec,
    /// Time and cost, oldest first.
    admitted: Vec<(u64, u64)>,
}

impl Model for Log {
    fn free(&self, now: u64) -> u64 {
        let live = self
            .admitted
            .iter()
            .filter(|(time, _)| time + self.spec.width > now);
        self.spec.limit - live.map(|(_, cost)| cost).sum::<u64>()
    }

    fn take(&mut self, now: u64, cost: u64) {
        self.admitted.push((now, cost));
    }

    fn refund(&mut self, now: u64, _: u64, mut cost: u64) {
        let width = self.spec.width;
        for (_, held) in self
            .admitted
            .iter_mut()
            .filter(|(time, _)| time + width > now)
        {
            let back = cost.min(*held);
            *held -= back;
            cost -= back;
        }
    }
}
