//! Repetition of calls that failed for a passing reason.

mod backoff;
mod budget;
mod options;
mod store;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

pub use self::options::RetryOptions;
use self::{backoff::Backoff, budget::Budget};
use super::{call::Call, timeout::late};
use crate::{Error, ErrorKind, Event, Observer, Result, ScriptEffect, Store};

/// Repeats calls that failed for a passing reason, where a repetition does no harm.
///
/// # What is repeated
/// A failure of the kind [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout),
/// [`NotReady`](ErrorKind::NotReady) or [`ReadOnly`](ErrorKind::ReadOnly). [`Overloaded`](ErrorKind::Overloaded) and
/// [`OutOfMemory`](ErrorKind::OutOfMemory) ask for less load, and repeating is more.
///
/// Any call is repeated where the error [certainly](Error::may_have_applied) means that nothing was done. After an answer
/// that was lost:
///
/// | call | repeated | because |
/// |---|---|---|
/// | `get`, `get_many`, `get_entries`, `expiries`, `time`, `server_facts` | yes | they change nothing |
/// | `scan` | yes | a cursor can be used again |
/// | `subscribe` | yes | a subscription whose answer was lost has ended |
/// | `set`, `set_many` with [`Condition::Always`](crate::Condition::Always) and a TTL (or none) of their own | yes | the second write leaves what the first did |
/// | `set`, `set_many` with a condition | no | the second meets the first's value, and answers that nothing was written |
/// | `set`, `set_many` with [`Expiration::Keep`](crate::Expiration::Keep) | no | a key that expires in between would come back without a TTL |
/// | `delete` | [if wanted](RetryOptions::with_repeated_deletes) | the count would not be that of the keys that existed |
/// | `expire` with [`ExpireChange::After`](crate::ExpireChange::After) | yes | the second leaves what the first did |
/// | `expire` with another change | no | the second answers that nothing was changed |
/// | `increment` | no | it would count twice |
/// | `publish` | no | it would be heard twice |
/// | `run_script` | by its [`ScriptEffect`] | only its author knows |
///
/// A batch is repeated as a whole or not at all. A repeated write takes place at the time of its last attempt: what
/// another caller has written since the first is overwritten, as by any write that was slow.
///
/// The error of the last attempt is the call's, and says that the change may have been applied where that holds for *any*
/// of the attempts.
///
/// # How often
/// At most [a few attempts](RetryOptions::with_attempts), with [pauses](RetryOptions::with_pauses) in between, within an
/// [overall deadline](RetryOptions::with_deadline), and out of a [budget](RetryOptions::with_budget) that all calls of the
/// layer and its clones share, so that an outage is not answered with a multiple of the load.
///
/// # Cancel safety
/// A dropped call makes no further attempt.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::Key;
/// use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, Retry, RetryOptions, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = FaultPlan::new();
/// plan.add(FaultRule::new(Fault::Refuse(ErrorKind::NotReady)).times(2));
/// let shaky = Faults::new(Arc::new(MemoryStore::new()), &plan);
/// let store = Retry::new(Arc::new(shaky), RetryOptions::new())?;
/// assert_eq!(store.get(&Key::from_raw("k")?).await?, None); // with the third attempt
/// assert_eq!(plan.calls(), 3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: RetryOptions,
    backoff: Backoff,
    budget: Budget,
}

impl Retry {
    /// Repeats the calls of a store.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for an option outside of its range.
    ///
    /// # Examples
    /// See [`Retry`].
    pub fn new(inner: Arc<dyn Store>, options: RetryOptions) -> Result<Self> {
        options.check()?;
        let shared = Shared {
            backoff: Backoff::new(options.first_pause, options.max_pause, options.seed),
            budget: Budget::new(options.budget_percent, options.reserve),
            options,
        };
        Ok(Self {
            inner,
            shared: Arc::new(shared),
        })
    }

    fn repeats_deletes(&self) -> bool {
        self.shared.options.repeats_deletes
    }

    async fn around<T, F>(&self, call: Call<'_>, attempt: impl Fn() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let options = &self.shared.options;
        let deadline = options.deadline.map(|limit| Instant::now() + limit);
        self.shared.budget.deposit();
        let mut may_have_applied = false;
        let mut repetition = 1;
        loop {
            let error = match self.attempt(&call, deadline, attempt()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            may_have_applied |= error.may_have_applied();
            let Some(pause) = self.pause(&call, &error, repetition, deadline) else {
                return Err(error.with_may_have_applied(may_have_applied));
            };
            sleep(pause).await;
            repetition += 1;
        }
    }

    /// One attempt, given up at the deadline.
    async fn attempt<T>(
        &self,
        call: &Call<'_>,
        deadline: Option<Instant>,
        attempt: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (Some(deadline), Some(limit)) = (deadline, self.shared.options.deadline) else {
            return attempt.await;
        };
        match timeout_at(deadline, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(late(call, limit)),
        }
    }

    /// The pause before the next attempt, if there is to be one. It is paid for and reported then.
    fn pause(
        &self,
        call: &Call<'_>,
        error: &Error,
        repetition: u32,
        deadline: Option<Instant>,
    ) -> Option<Duration> {
        let shared = &*self.shared;
        if repetition >= shared.options.attempts || !may_repeat(call.effect, error) {
            return None;
        }
        let pause = shared.backoff.pause(repetition);
        let in_time = deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        if !in_time || !shared.budget.withdraw() {
            return None;
        }
        shared.options.observers.observe(&Event::Retry {
            operation: call.operation,
            attempt: repetition,
            pause,
            error,
        });
        Some(pause)
    }
}

/// Whether another attempt may help, and does no harm.
fn may_repeat(effect: ScriptEffect, error: &Error) -> bool {
    let may_pass = matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::NotReady | ErrorKind::ReadOnly
    );
    may_pass && (effect != ScriptEffect::Mutates || !error.may_have_applied())
}
