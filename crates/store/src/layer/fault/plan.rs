//! What is to go wrong, changeable while calls are running, and what has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::rule::{Fault, FaultRule};
use crate::layer::call::Call;

/// The faults of one or several [`Faults`](crate::Faults) layers: a handle that tests keep, to change the plan while calls are running
/// and to read what has happened. Its clones are the same plan.
///
/// The rules are asked in the order in which they were added, and the first that strikes decides; a
/// [`Fault::Delay`] is added to what the later ones do. The same calls in the same order meet the same faults, because
/// each rule draws from a sequence of its own that starts with the plan's seed and the rule's place.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = FaultPlan::new();
/// let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
/// let hits = Key::from_raw("hits")?;
///
/// let cut = plan.add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Unavailable)).on("increment"));
/// let error = store.increment_one(&hits, 1, Ttl::seconds(60)).await.unwrap_err();
/// assert!(error.may_have_applied());
/// assert_eq!((plan.struck(cut), plan.executed()), (1, 1));
///
/// plan.remove(cut);
/// assert_eq!(store.increment_one(&hits, 1, Ttl::seconds(60)).await?, 2); // the first one did count
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seed: u64,
    rules: Mutex<Rules>,
    calls: AtomicU64,
    executed: AtomicU64,
    injected: AtomicU64,
}

#[derive(Debug, Default)]
struct Rules {
    added: u64,
    active: Vec<Active>,
    /// How often the rules struck that are no longer there.
    removed: Vec<(FaultId, u64)>,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    rule: FaultRule,
    met: u64,
    struck: u64,
    random: fastrand::Rng,
}

/// Names a rule of a [`FaultPlan`].
///
/// # Examples
/// See [`FaultPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultId(u64);

/// What is to happen to one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
}

impl FaultPlan {
    /// A plan without faults, with the seed 0.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A plan without faults, whose [probabilities](FaultRule::with_probability) are drawn from this seed.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule};
    ///
    /// let plan = FaultPlan::seeded(7);
    /// plan.add(FaultRule::new(Fault::Refuse(ErrorKind::NotReady)).with_probability(0.1));
    /// assert_eq!(plan.injected(), 0);
    /// ```
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let shared = Shared {
            seed,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Adds a rule behind those that are there. It holds from the next call on.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    pub fn add(&self, rule: FaultRule) -> FaultId {
        let mut rules = self.shared.rules.lock();
        let id = FaultId(rules.added);
        rules.added += 1;
        // Neighbouring seeds start related sequences; the odd constant (2^64 over the golden ratio) keeps them apart.
        let seed = self.shared.seed ^ rules.added.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        rules.active.push(Active {
            id,
            rule,
            met: 0,
            struck: 0,
            random: fastrand::Rng::with_seed(seed),
        });
        id
    }

    /// Takes a rule out; answers whether it was there. Calls that it has struck already go on under it.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    pub fn remove(&self, id: FaultId) -> bool {
        let mut rules = self.shared.rules.lock();
        let Some(place) = rules.active.iter().position(|active| active.id == id) else {
            return false;
        };
        let gone = rules.active.remove(place);
        rules.removed.push((id, gone.struck));
        true
    }

    /// Takes all rules out: from the next call on all is well.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Fault, FaultPlan, FaultRule};
    ///
    /// let plan = FaultPlan::new();
    /// let hang = plan.add(FaultRule::new(Fault::Hang));
    /// plan.clear();
    /// assert!(!plan.remove(hang));
    /// ```
    pub fn clear(&self) {
        let mut rules = self.shared.rules.lock();
        let gone = std::mem::take(&mut rules.active);
        rules
            .removed
            .extend(gone.into_iter().map(|active| (active.id, active.struck)));
    }

    /// How often a rule has struck, be it still there or not.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    #[must_use]
    pub fn struck(&self, id: FaultId) -> u64 {
        let rules = self.shared.rules.lock();
        let active = rules.active.iter().map(|active| (active.id, active.struck));
        let mut all = active.chain(rules.removed.iter().copied());
        all.find(|(known, _)| *known == id)
            .map_or(0, |(_, struck)| struck)
    }

    /// How often any rule has struck.
    ///
    /// # Examples
    /// See [`FaultPlan::seeded`].
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.shared.injected.load(Ordering::Relaxed)
    }

    /// How many calls came to the layer.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// How many of them were handed on to the store below.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.shared.executed.load(Ordering::Relaxed)
    }

    pub(super) fn note_execution(&self) {
        self.shared.executed.fetch_add(1, Ordering::Relaxed);
    }

    /// Decides about a call, and counts it.
    pub(super) fn decide(&self, call: &Call<'_>) -> Fate {
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut fate = Fate::default();
        let mut rules = self.shared.rules.lock();
        for active in &mut rules.active {
            let Some(fault) = active.strike(call) else {
                continue;
            };
            self.shared.injected.fetch_add(1, Ordering::Relaxed);
            match fault {
                Fault::Delay(delay) => fate.delay = fate.delay.saturating_add(delay),
                decisive => {
                    fate.fault = Some(decisive);
                    break;
                }
            }
        }
        fate
    }
}

impl Active {
    fn strike(&mut self, call: &Call<'_>) -> Option<Fault> {
        if self.struck >= self.rule.times || !self.rule.meets(call) {
            return None;
        }
        self.met += 1;
        if self.met <= self.rule.skip || self.random.f64() >= self.rule.probability {
            return None;
        }
        self.struck += 1;
        Some(self.rule.fault)
    }
}
