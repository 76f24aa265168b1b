//! The limiter: limits over a store, and what can be asked of them.

mod assertions;
mod batch;
mod brief;
mod call;
mod changes;
mod clock;
mod denials;
mod leased;
mod manage;
mod options;
mod outage;
mod refund;

use std::{fmt, mem::discriminant, sync::Arc};

use cachekit_keys::{KeySchema, UserId};
use cachekit_store::{Result, Store};

pub use self::outage::Outage;
#[cfg(feature = "tower")]
pub(crate) use self::outage::is_away;
use self::{
    brief::Brief,
    call::{Ask, Charged, Op},
    denials::Denials,
    outage::Standby,
};
pub(crate) use self::{
    call::{ATTEMPTS, numbers},
    clock::ServerClock,
};
use crate::{
    Limit, LimitStatus,
    coalesce::Checks,
    decision::{Decision, Origin},
    error::invalid,
    lease::Leases,
    limit::Algorithm,
    warning::{QuotaWarnings, Usage},
};

/// Checks one limit, or several at once, for any number of subjects.
///
/// Clones are cheap and share everything. A subject is whatever has an id: a user, an API key, an address.
///
/// # Errors
/// Every method that asks the store can fail as the store does. A check that fails by
/// [`Timeout`](cachekit_store::ErrorKind::Timeout) may have taken its units all the same
/// ([`may_have_applied`](cachekit_store::Error::may_have_applied)); it is never repeated by itself.
///
/// # Cancel safety
/// A dropped check has taken its units or not. Nothing else is left behind.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::{KeySchema, UserId};
/// use cachekit_limits::{Limit, Limiter};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let limit = Limit::token_bucket(10, Duration::from_secs(60))?;
/// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
/// let user = UserId::new("user123")?;
/// assert!(limiter.check(&user, 10).await?.is_allowed());
/// assert!(!limiter.check(&user, 3).await?.is_allowed());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    schema: KeySchema,
    limits: Vec<Limit>,
    clock: ServerClock,
    standby: Standby,
    denials: Option<Denials>,
    shadow: bool,
    brief: Option<Brief>,
    checks: Option<Checks>,
    leases: Option<Arc<Leases>>,
    warnings: Option<QuotaWarnings>,
}

impl Inner {
    /// The algorithm that all limits have.
    fn algorithm(&self) -> Option<&Algorithm> {
        let (first, rest) = self.limits.split_first()?;
        let first = first.algorithm();
        let same = |limit: &Limit| discriminant(limit.algorithm()) == discriminant(first);
        rest.iter().all(same).then_some(first)
    }
}

/// The most limits of one limiter.
const MAX_LIMITS: usize = 16;

impl Limiter {
    /// A limiter of one limit.
    ///
    /// # Examples
    /// See [`Limiter`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, schema: KeySchema, limit: Limit) -> Self {
        Self::of(store, schema, vec![limit])
    }

    /// A limiter of several limits: a call passes all of them, or takes from none. They are checked in one script.
    ///
    /// On a cluster, the schema must be [sharded](cachekit_keys::KeyFormat::Sharded), so that a subject's keys share a slot.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for no limit, more than 16, or two of the same name.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cachekit_keys::{KeySchema, UserId};
    /// use cachekit_limits::{Limit, Limiter};
    /// use cachekit_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limits = vec![
    ///     Limit::token_bucket(2, Duration::from_secs(1))?.named("burst")?,
    ///     Limit::daily(1_000)?,
    /// ];
    /// let limiter = Limiter::all_of(Arc::new(MemoryStore::new()), KeySchema::plain(), limits)?;
    /// let user = UserId::new("user123")?;
    /// assert!(limiter.check(&user, 2).await?.is_allowed());
    ///
    /// let denied = limiter.check(&user, 1).await?;
    /// assert_eq!(denied.binding().name(), "burst");
    /// assert_eq!(denied.limits()[1].remaining(), 998); // the denied call took nothing of the day
    /// # Ok(()) }
    /// ```
    pub fn all_of(store: Arc<dyn Store>, schema: KeySchema, limits: Vec<Limit>) -> Result<Self> {
        if limits.is_empty() || limits.len() > MAX_LIMITS {
            return Err(invalid("limiter", "a limiter has 1 to 16 limits"));
        }
        for (index, limit) in limits.iter().enumerate() {
            if limits[..index]
                .iter()
                .any(|other| other.name() == limit.name())
            {
                let detail = format!(
                    "two limits are named {:?}: give one another name",
                    limit.name()
                );
                return Err(invalid("limiter", detail));
            }
        }
        Ok(Self::of(store, schema, limits))
    }

    fn of(store: Arc<dyn Store>, schema: KeySchema, limits: Vec<Limit>) -> Self {
        Self {
            inner: Arc::new(Inner {
                brief: Brief::of(&limits),
                store,
                schema,
                limits,
                clock: ServerClock::default(),
                standby: Standby::default(),
                denials: None,
                shadow: false,
                checks: None,
                leases: None,
                warnings: None,
            }),
        }
    }

    /// The limits, in their order.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// let limit = Limit::daily(100)?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit.clone());
    /// assert_eq!(limiter.limits(), [limit]);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.inner.limits
    }

    /// Takes `cost` units from every limit, or nothing from any. A cost of 0 only looks, as [`peek`](Self::peek) does.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a cost above a limit, which could never pass; and those
    /// of the store.
    ///
    /// # Examples
    /// See [`Limiter`].
    pub async fn check(&self, subject: &UserId, cost: u64) -> Result<Decision> {
        if cost == 0 {
            return self.peek(subject, 0).await;
        }
        self.refuse_impossible(cost)?;
        self.decide(subject, Op::Take, cost, cost).await
    }

    /// Takes as much of `cost` as passes all limits, at least 1.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a cost of 0; and those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limit = Limit::sliding_window(10, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
    /// let user = UserId::new("user123")?;
    /// let decision = limiter.check_at_most(&user, 25).await?;
    /// assert_eq!((decision.asked(), decision.taken()), (25, 10));
    /// assert!(!limiter.check_at_most(&user, 25).await?.is_allowed());
    /// # Ok(()) }
    /// ```
    pub async fn check_at_most(&self, subject: &UserId, cost: u64) -> Result<Decision> {
        if cost == 0 {
            return Err(invalid("check", "at most 0 units is no request"));
        }
        self.decide(subject, Op::Take, cost, 1).await
    }

    /// What [`check`](Self::check) would answer now; takes nothing and writes nothing.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limit = Limit::sliding_log(10, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
    /// let decision = limiter.peek(&UserId::new("user123")?, 10).await?;
    /// assert!(decision.is_allowed());
    /// assert_eq!((decision.taken(), decision.remaining()), (0, 10));
    /// # Ok(()) }
    /// ```
    pub async fn peek(&self, subject: &UserId, cost: u64) -> Result<Decision> {
        self.refuse_impossible(cost)?;
        let mut decision = self.decide(subject, Op::Peek, cost, cost).await?;
        decision.taken = 0;
        Ok(decision)
    }

    /// How the tightest limit stands: what is used, what is left, when it is whole again. Takes nothing.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(100)?);
    /// let user = UserId::new("user123")?;
    /// assert!(limiter.check(&user, 45).await?.is_allowed());
    /// let status = limiter.status(&user).await?;
    /// assert_eq!((status.used(), status.remaining()), (45, 55));
    /// assert!(status.reset_after() <= Duration::from_secs(86_400)); // the end of the day
    /// # Ok(()) }
    /// ```
    pub async fn status(&self, subject: &UserId) -> Result<LimitStatus> {
        let decision = self.peek(subject, 0).await?;
        Ok(decision.binding().clone())
    }

    /// Decides by the store, or what stands in for it.
    async fn decide(&self, subject: &UserId, op: Op, cost: u64, need: u64) -> Result<Decision> {
        let inner = &self.inner;
        // Only what is asked for as a whole is denied for as long as the denial says.
        let denials = inner
            .denials
            .as_ref()
            .filter(|_| op == Op::Take && cost == need);
        let remembered = denials.and_then(|denials| denials.find(subject, cost));
        if let Some(mut decision) = remembered {
            decision.shadow = inner.shadow;
            return Ok(decision);
        }
        let asking = denials.map(|denials| (denials, denials.asking(subject)));
        let decided = match self.decide_at_once(subject, op, cost, need) {
            Some(decided) => decided,
            None => self.decide_here(subject, op, cost, need).await,
        };
        let mut decision = match decided {
            Ok(decision) => {
                if let Some((denials, asking)) = asking.filter(|_| !decision.allowed) {
                    denials.remember(subject, &decision, asking);
                }
                decision
            }
            Err(error) => {
                let call = (op, cost, need);
                inner
                    .standby
                    .decide(&inner.limits, subject, call, error)
                    .await?
            }
        };
        decision.shadow = inner.shadow;
        Ok(decision)
    }

    /// What [`decide_here`](Self::decide_here) decides, where the store answers without being waited for.
    fn decide_at_once(
        &self,
        subject: &UserId,
        op: Op,
        cost: u64,
        need: u64,
    ) -> Option<Result<Decision>> {
        let inner = &self.inner;
        if op != Op::Take || cost != need || inner.leases.is_some() || inner.checks.is_some() {
            return None;
        }
        let charged = self.ask_numbers(subject, cost).transpose()?;
        Some(
            charged.and_then(|charged| {
                self.decided(subject, op, (cost, need), charged, Origin::Server)
            }),
        )
    }

    async fn decide_here(
        &self,
        subject: &UserId,
        op: Op,
        cost: u64,
        need: u64,
    ) -> Result<Decision> {
        let (charged, origin) = self.charge(subject, op, cost, need).await?;
        self.decided(subject, op, (cost, need), charged, origin)
    }

    fn decided(
        &self,
        subject: &UserId,
        op: Op,
        (cost, need): (u64, u64),
        charged: Charged,
        origin: Origin,
    ) -> Result<Decision> {
        if op == Op::Take && origin == Origin::Server {
            self.warn(subject, &charged);
        }
        let Charged { taken, statuses } = charged;
        let is_denial =
            |status: &LimitStatus| status.retry_after != Some(std::time::Duration::ZERO);
        let allowed = !statuses.iter().any(is_denial);
        let binding = binding(allowed, &statuses);
        if statuses[binding].retry_after.is_none() {
            self.refuse_impossible_of(&statuses[binding], need)?;
        }
        self.heed_penalty(subject, &statuses);
        Ok(Decision {
            asked: cost,
            taken,
            allowed,
            shadow: false,
            statuses,
            binding,
            origin,
        })
    }

    /// A penalty is for what was taken ahead as well.
    fn heed_penalty(&self, subject: &UserId, statuses: &[LimitStatus]) {
        if let Some(leases) = &self.inner.leases
            && statuses.iter().any(|status| !status.blocked.is_zero())
        {
            leases.forget(subject);
        }
    }

    /// Tells of every threshold that these units have gone over.
    fn warn(&self, subject: &UserId, charged: &Charged) {
        let Some(warnings) = &self.inner.warnings else {
            return;
        };
        for status in &charged.statuses {
            let usage = Usage {
                counted: status.name(),
                window: None,
                before: status.used().saturating_sub(charged.taken),
                after: status.used(),
                limit: status.limit(),
                resets_in: Some(status.reset_after()),
            };
            warnings.tell(subject, &usage);
        }
    }

    /// Asks in the way that is the shortest.
    async fn charge(
        &self,
        subject: &UserId,
        op: Op,
        cost: u64,
        need: u64,
    ) -> Result<(Charged, Origin)> {
        let inner = &self.inner;
        let whole = op == Op::Take && cost == need;
        let charged = match (&inner.leases, &inner.checks) {
            (Some(leases), _) if whole => return self.ask_leases(leases, subject, cost).await,
            (None, Some(checks)) if whole => self.ask_together(checks, subject, cost).await?,
            _ => self.ask(subject, &Ask::new(op, cost, need)).await?,
        };
        Ok((charged, Origin::Server))
    }

    /// A cost above a limit is the caller's mistake; it is told before anything is asked.
    fn refuse_impossible(&self, cost: u64) -> Result<()> {
        // What is stored for a subject may be more than a daily or monthly limit of the limiter.
        let fixed = |limit: &&Limit| limit.algorithm().state().is_some();
        let mut limits = self.inner.limits.iter().filter(fixed);
        match limits.find(|limit| cost > limit.limit()) {
            Some(limit) => Err(impossible(cost, limit.name(), limit.limit())),
            None => Ok(()),
        }
    }

    /// A cost above the limiter's own limit is a mistake, one above the subject's own limit is a denial for ever.
    fn refuse_impossible_of(&self, status: &LimitStatus, cost: u64) -> Result<()> {
        let limits = &self.inner.limits;
        let same = |limit: &&Limit| *limit.name() == *status.name && limit.limit() == status.limit;
        match limits.iter().find(same) {
            Some(limit) => Err(impossible(cost, limit.name(), limit.limit())),
            None => Ok(()),
        }
    }
}

fn impossible(cost: u64, name: &str, limit: u64) -> cachekit_store::Error {
    invalid(
        "check",
        format!("a cost of {cost} can never pass the limit {name:?} of {limit}"),
    )
}

/// The limit that a decision is about.
fn binding(allowed: bool, statuses: &[LimitStatus]) -> usize {
    match allowed {
        true => tightest(statuses),
        false => slowest(statuses),
    }
}

/// The limit with the least left.
fn tightest(statuses: &[LimitStatus]) -> usize {
    let least = statuses.iter().enumerate().min_by_key(|(_, status)| {
        // One that refuses everything has nothing left, whatever it counts.
        (status.blocked.is_zero(), status.remaining)
    });
    least.map_or(0, |(index, _)| index)
}

/// The limit that takes longest to let the call pass.
fn slowest(statuses: &[LimitStatus]) -> usize {
    let mut slowest = 0;
    for (index, status) in statuses.iter().enumerate().skip(1) {
        let longer = match (status.retry_after, statuses[slowest].retry_after) {
            (None, Some(_)) => true,
            (Some(this), Some(other)) => this > other,
            (_, None) => false,
        };
        if longer {
            slowest = index;
        }
    }
    slowest
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}
