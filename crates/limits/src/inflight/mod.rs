//! How much may run at the same time: leases that end by themselves.

mod script;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, KeySchema, RateLimitKey, RateLimitState, Segment, UserId};
use cachekit_store::{Result, ScriptCall, Store};

use self::script::LEASE;
use crate::{
    error::{invalid, unexpected},
    limiter::numbers,
};

/// The most that may run at once; each permit is an entry on the server.
const MAX_PERMITS: u64 = 10_000;
/// The longest lease: a day.
const MAX_LEASE: Duration = Duration::from_secs(86_400);

/// Limits how many calls of a subject run at the same time, across all processes.
///
/// A call holds a lease while it runs, and releases it. A caller that dies keeps its lease until it ends by itself, so that
/// nothing leaks; one that runs longer than its lease renews it. Ends of leases follow the server's clock.
///
/// # Errors
/// Every method that asks the store can fail as the store does. All of them may be repeated: a lease has an id.
///
/// # Cancel safety
/// An [`acquire`](Self::acquire) that is dropped may leave a lease behind that ends by itself.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::{KeySchema, UserId};
/// use cachekit_limits::InFlightLimiter;
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = Arc::new(MemoryStore::new());
/// let limiter = InFlightLimiter::new(store, KeySchema::plain(), 2, Duration::from_secs(30))?;
/// let user = UserId::new("user123")?;
///
/// let first = limiter.acquire(&user, 2).await?.lease().expect("nothing runs yet");
/// let denied = limiter.acquire(&user, 1).await?;
/// assert!(!denied.is_allowed());
/// assert!(denied.retry_after() <= Duration::from_secs(30));
///
/// first.release().await?;
/// assert!(limiter.acquire(&user, 1).await?.is_allowed());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct InFlightLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    schema: KeySchema,
    name: Segment,
    max: u64,
    span: Duration,
}

/// What [`InFlightLimiter::acquire`] answers.
///
/// # Examples
/// See [`InFlightLimiter`].
#[derive(Debug)]
#[must_use = "a lease that is dropped blocks its permits until it ends by itself"]
pub struct Admission {
    lease: Option<InFlightLease>,
    limit: u64,
    free: u64,
    retry_after: Duration,
}

/// Permits that are held. Release them when the work is done; dropped, they end by themselves.
///
/// # Examples
/// See [`InFlightLimiter`].
#[must_use = "a lease that is dropped blocks its permits until it ends by itself"]
pub struct InFlightLease {
    limiter: InFlightLimiter,
    subject: UserId,
    id: Bytes,
    permits: u64,
}

impl InFlightLimiter {
    /// Lets permits of `max` run at once for each subject; a lease lasts for `lease` unless it is renewed. Its name is
    /// `requests`.
    ///
    /// Limiters of one name are to say the same length: a lease that is to last for longer than whoever takes the next one says
    /// is taken for one of a clock that was set back, and cut to that.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a `max` of 0 or above 10 000, or a `lease` outside of 1 ms
    /// to one day.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    pub fn new(
        store: Arc<dyn Store>,
        schema: KeySchema,
        max: u64,
        lease: Duration,
    ) -> Result<Self> {
        if !(1..=MAX_PERMITS).contains(&max) {
            return Err(invalid("limit", "1 to 10000 calls may run at once"));
        }
        if !(Duration::from_millis(1)..=MAX_LEASE).contains(&lease) {
            return Err(invalid("limit", "a lease lasts for 1 ms to one day"));
        }
        let name = Segment::new("requests")?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                schema,
                name,
                max,
                span: lease,
            }),
        })
    }

    /// Gives the limit another name, which stands in its key.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an empty or too long name.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_limits::InFlightLimiter;
    /// # use cachekit_store::MemoryStore;
    /// let store = Arc::new(MemoryStore::new());
    /// let limiter = InFlightLimiter::new(store, KeySchema::plain(), 2, Duration::from_secs(30))?;
    /// assert!(limiter.named("exports").is_ok());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn named(self, name: &str) -> Result<Self> {
        let inner = &self.inner;
        Ok(Self {
            inner: Arc::new(Inner {
                store: Arc::clone(&inner.store),
                schema: inner.schema.clone(),
                name: Segment::new(name)?,
                max: inner.max,
                span: inner.span,
            }),
        })
    }

    /// Takes `permits`, or nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for 0 permits, or more than may ever run at once; and those
    /// of the store.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    pub async fn acquire(&self, subject: &UserId, permits: u64) -> Result<Admission> {
        if permits == 0 || permits > self.inner.max {
            let max = self.inner.max;
            let detail = format!("{permits} permits can never be had: there are 1 to {max}");
            return Err(invalid("acquire", detail));
        }
        let id = Bytes::from(format!("{:032x}", fastrand::u128(..)));
        let [taken, free, wait] = self.run(subject, "acquire", &id, permits).await?;
        let lease = (taken > 0).then(|| InFlightLease {
            limiter: self.clone(),
            subject: subject.clone(),
            id,
            permits,
        });
        Ok(Admission {
            retry_after: match lease {
                Some(_) => Duration::ZERO,
                None => Duration::from_micros(wait),
            },
            lease,
            limit: self.inner.max,
            free,
        })
    }

    /// How many permits are free. Takes nothing.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::InFlightLimiter;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let limiter = InFlightLimiter::new(store, KeySchema::plain(), 2, Duration::from_secs(30))?;
    /// assert_eq!(limiter.free(&UserId::new("user123")?).await?, 2);
    /// # Ok(()) }
    /// ```
    pub async fn free(&self, subject: &UserId) -> Result<u64> {
        let [_, free, _] = self.run(subject, "peek", &Bytes::new(), 0).await?;
        Ok(free)
    }

    fn key(&self, subject: &UserId) -> Key {
        self.inner.schema.key(&RateLimitKey::State {
            user: subject.clone(),
            state: RateLimitState::InFlight,
            name: self.inner.name.clone(),
        })
    }

    async fn run(
        &self,
        subject: &UserId,
        op: &'static str,
        id: &Bytes,
        permits: u64,
    ) -> Result<[u64; 3]> {
        let number = |number: u64| Bytes::from(number.to_string());
        let span = u64::try_from(self.inner.span.as_micros()).unwrap_or(u64::MAX);
        let args = vec![
            Bytes::from_static(op.as_bytes()),
            number(self.inner.max),
            number(span),
            id.clone(),
            number(permits),
        ];
        let call = ScriptCall::new(vec![self.key(subject)], args);
        let replies = self.inner.store.run_script(&LEASE, &[call]).await?;
        match numbers(LEASE.name, &replies)?[..] {
            // Below nothing is free where the maximum was lowered.
            [answer, free, wait] => {
                Ok([answer, free, wait].map(|number| number.max(0).unsigned_abs()))
            }
            _ => Err(unexpected(LEASE.name)),
        }
    }
}

impl Admission {
    /// Whether the permits were taken.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.lease.is_some()
    }

    /// The lease; `None` where too much runs already.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    #[must_use]
    pub fn lease(self) -> Option<InFlightLease> {
        self.lease
    }

    /// How many permits there are.
    ///
    /// # Examples
    /// As for [`InFlightLimiter`].
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many permits are free after this.
    ///
    /// # Examples
    /// As for [`InFlightLimiter`].
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.free
    }

    /// When so many leases have ended by themselves that there is room for these permits, if nobody takes or renews any until
    /// then; a release may come earlier. Zero where the permits were taken.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl InFlightLease {
    /// Makes the lease last for its whole length from now; answers whether it was still held. What has ended may have been
    /// given to others: stop the work.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::InFlightLimiter;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// # let limiter = InFlightLimiter::new(store, KeySchema::plain(), 2, Duration::from_secs(30))?;
    /// # let user = UserId::new("user123")?;
    /// let lease = limiter.acquire(&user, 1).await?.lease().expect("nothing runs yet");
    /// assert!(lease.renew().await?);
    /// # Ok(()) }
    /// ```
    pub async fn renew(&self) -> Result<bool> {
        let run = self
            .limiter
            .run(&self.subject, "renew", &self.id, self.permits);
        let [renewed, ..] = run.await?;
        Ok(renewed > 0)
    }

    /// Gives the permits back; answers whether all were still held.
    ///
    /// # Errors
    /// Those of the store; the lease ends by itself then.
    ///
    /// # Examples
    /// See [`InFlightLimiter`].
    pub async fn release(self) -> Result<bool> {
        let run = self
            .limiter
            .run(&self.subject, "release", &self.id, self.permits);
        let [released, ..] = run.await?;
        Ok(released == self.permits)
    }

    /// How many permits it holds.
    ///
    /// # Examples
    /// As for [`renew`](Self::renew).
    #[must_use]
    pub fn permits(&self) -> u64 {
        self.permits
    }
}

impl fmt::Debug for InFlightLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightLimiter")
            .field("name", &self.inner.name)
            .field("max", &self.inner.max)
            .field("lease", &self.inner.span)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InFlightLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightLease")
            .field("subject", &self.subject)
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
