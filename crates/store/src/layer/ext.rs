//! Layers put on in the order in which they are read.

use std::sync::Arc;

use cachekit_keys::Namespace;

use super::{
    CircuitBreaker, CircuitOptions, FaultPlan, Faults, Namespaced, Observed, Retry, RetryOptions,
    Timeout, TimeoutOptions,
};
use crate::{Observers, Result, Store};

/// Puts layers around any store, innermost first. A layer is a store itself, and passes every method on.
///
/// Every method answers the store in its layer. Where a handle on the layer itself is needed, as for
/// [`CircuitBreaker::state`], use its constructor.
///
/// # Order
/// From the store outwards:
///
/// 1. [`Timeout`]: it gives each *attempt* a deadline. Outside of [`Retry`] it would bound all of them together, which is
///    what [`RetryOptions::with_deadline`] is for; outside of the breaker, a server that hangs would never count as failing.
/// 2. [`CircuitBreaker`]: it learns how every attempt ended, and stops the attempts of all calls alike.
/// 3. [`Retry`]: it repeats what is worth repeating, which a refusal by the breaker is not. Inside of the breaker it would
///    hide failures from it, and go on asking a server that is down.
/// 4. [`Observed`]: it reports what the caller got, and how long that took with all attempts. A second one right around the
///    store reports the attempts.
/// 5. [`Namespaced`]: one for each tenant, outermost, so that all of them share one breaker and one budget of repetitions.
///
/// [`Faults`], in tests, takes the place of the network: right around the store.
///
/// # Errors
/// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for an option outside of its range.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_store::{
///     CircuitOptions, LayerExt, MemoryStore, Observers, RetryOptions, Store, TimeoutOptions,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store: Arc<dyn Store> = MemoryStore::new()
///     .with_timeouts(TimeoutOptions::all(Duration::from_millis(250)))?
///     .with_circuit_breaker(CircuitOptions::new())?
///     .with_retries(RetryOptions::new())?
///     .with_observers(Observers::none());
/// store.time().await?;
/// # Ok(()) }
/// ```
pub trait LayerExt: Sized {
    /// The store as a trait object that can be shared.
    fn into_shared(self) -> Arc<dyn Store>;

    /// In a [`Timeout`].
    fn with_timeouts(self, options: TimeoutOptions) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Timeout::new(self.into_shared(), options)?))
    }

    /// In a [`CircuitBreaker`].
    fn with_circuit_breaker(self, options: CircuitOptions) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(CircuitBreaker::new(self.into_shared(), options)?))
    }

    /// In a [`Retry`].
    fn with_retries(self, options: RetryOptions) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Retry::new(self.into_shared(), options)?))
    }

    /// In an [`Observed`].
    fn with_observers(self, observers: Observers) -> Arc<dyn Store> {
        Arc::new(Observed::new(self.into_shared(), observers))
    }

    /// In a [`Namespaced`].
    fn in_namespace(self, namespace: &Namespace) -> Arc<dyn Store> {
        Arc::new(Namespaced::new(self.into_shared(), namespace))
    }

    /// In a [`Faults`], for tests.
    fn with_faults(self, plan: &FaultPlan) -> Arc<dyn Store> {
        Arc::new(Faults::new(self.into_shared(), plan))
    }
}

impl<S: Store> LayerExt for S {
    fn into_shared(self) -> Arc<dyn Store> {
        Arc::new(self)
    }
}

impl<S: Store> LayerExt for Arc<S> {
    fn into_shared(self) -> Arc<dyn Store> {
        self
    }
}

impl LayerExt for Arc<dyn Store> {
    fn into_shared(self) -> Arc<dyn Store> {
        self
    }
}
