//! A deadline for every call of a store.

mod options;
mod store;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub use self::options::TimeoutOptions;
use super::call::{Call, Class};
use crate::{Error, ErrorKind, Result, Store};

/// Ends calls that take longer than they may, with [`ErrorKind::Timeout`].
///
/// The error of a call that writes says that the change may have been applied, because a store cannot take a request back;
/// that of a read, or of a script with [`ScriptEffect::ReadOnly`](crate::ScriptEffect::ReadOnly), says that nothing was
/// changed. [`Store::close`] has no deadline: it waits for calls that have one.
///
/// `RedisStore` keeps a deadline of its own, for every call alike. This layer is for shorter ones by the kind of call, and
/// for stores that have none.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, Store, Timeout, TimeoutOptions};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = FaultPlan::new();
/// plan.add(FaultRule::new(Fault::Hang));
/// let hanging = Faults::new(Arc::new(MemoryStore::new()), &plan);
/// let store = Timeout::new(Arc::new(hanging), TimeoutOptions::all(Duration::from_millis(5)))?;
/// assert_eq!(store.time().await.unwrap_err().kind(), ErrorKind::Timeout);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Timeout {
    inner: Arc<dyn Store>,
    options: TimeoutOptions,
}

impl Timeout {
    /// Puts deadlines around a store.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a deadline outside of its range.
    ///
    /// # Examples
    /// See [`Timeout`].
    pub fn new(inner: Arc<dyn Store>, options: TimeoutOptions) -> Result<Self> {
        options.check()?;
        Ok(Self { inner, options })
    }

    fn limit(&self, call: &Call<'_>) -> Option<Duration> {
        match call.class {
            Class::Read => self.options.read,
            Class::Write => self.options.write,
            Class::Script => self.options.script,
        }
    }

    async fn around<T, F>(&self, call: Call<'_>, attempt: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let Some(limit) = self.limit(&call) else {
            return attempt().await;
        };
        match tokio::time::timeout(limit, attempt()).await {
            Ok(answer) => answer,
            Err(_) => Err(late(&call, limit)),
        }
    }
}

/// The error of a call that had no answer within `limit`.
pub(super) fn late(call: &Call<'_>, limit: Duration) -> Error {
    let error = Error::new(ErrorKind::Timeout, call.operation)
        .with_detail(format!("no answer within {limit:?}"))
        .with_may_have_applied(call.writes());
    match call.only_key() {
        Some(key) => error.with_key(key),
        None => error,
    }
}
