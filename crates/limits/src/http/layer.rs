//! The layer: a limiter, whose request it is, and what it costs.

use std::{fmt, sync::Arc};

use cachekit_keys::UserId;
use http::request::Parts;
use tower_layer::Layer;

use super::{RateLimitService, SubjectOf};
use crate::Limiter;

/// What becomes of a request in which no subject is found.
///
/// # Examples
/// See [`RateLimitLayer::keyless`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keyless {
    /// It is answered with 400. The default: neither can a client leave its limit by leaving out a header, nor does a server
    /// that forgets to hand over its peers' addresses make all of them share one limit.
    #[default]
    Refuse,
    /// It passes unchecked.
    Pass,
    /// All such requests share the limits of one subject.
    Share(UserId),
}

pub(super) type Cost = dyn Fn(&Parts) -> u64 + Send + Sync;

/// Checks a limiter before each request; see the [module](super).
///
/// A request that passes carries the [`Decision`](crate::Decision) as an extension, so that a handler can give units back. So
/// do all responses that were decided on, and those of a store that failed its [`Error`](cachekit_store::Error), for logs.
///
/// A limiter [in shadow](Limiter::in_shadow) denies nothing, and no field of a response tells of it: clients would slow down
/// for a limit that does not hold yet. The decision is an extension of request and response all the same.
///
/// Of several layers around a service, each adds its limits to the fields.
///
/// # Cancel safety
/// A request that is dropped while it is checked has taken its units or not, and does not reach the service.
///
/// # Examples
/// See the [module](super).
#[derive(Clone)]
pub struct RateLimitLayer {
    pub(super) limiter: Limiter,
    pub(super) subject: SubjectOf,
    pub(super) keyless: Keyless,
    pub(super) cost: Option<Arc<Cost>>,
}

impl RateLimitLayer {
    /// A layer in which each request costs one unit, and one without a subject is [refused](Keyless::Refuse).
    ///
    /// # Examples
    /// See the [module](super).
    #[must_use]
    pub fn new(limiter: Limiter, subject: SubjectOf) -> Self {
        Self {
            limiter,
            subject,
            keyless: Keyless::default(),
            cost: None,
        }
    }

    /// What becomes of requests without a subject. Default: [`Keyless::Refuse`].
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::UserId;
    /// use cachekit_limits::http::{Keyless, RateLimitLayer, SubjectOf};
    /// use http::header::AUTHORIZATION;
    ///
    /// # let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(100)?);
    /// let subject = SubjectOf::secret_header(AUTHORIZATION);
    /// let layer = RateLimitLayer::new(limiter, subject)
    ///     .keyless(Keyless::Share(UserId::new("anonymous")?));
    /// # let _ = layer;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn keyless(mut self, keyless: Keyless) -> Self {
        self.keyless = keyless;
        self
    }

    /// What a request costs, in units of the limits. Default: 1. A request that costs 0 takes nothing, and is denied only
    /// where everything is, as in a penalty.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_limits::{Limit, Limiter, http::{RateLimitLayer, SubjectOf}};
    /// # use cachekit_store::MemoryStore;
    /// # use http::{HeaderName, Method};
    /// # let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(100)?);
    /// # let subject = SubjectOf::header(HeaderName::from_static("x-user-id"));
    /// let layer = RateLimitLayer::new(limiter, subject)
    ///     .cost(|head| if head.method == Method::POST { 5 } else { 1 });
    /// # let _ = layer;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&Parts) -> u64 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService::new(inner, self.clone())
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("subject", &self.subject)
            .field("keyless", &self.keyless)
            .finish_non_exhaustive()
    }
}
