//! Refusal at once while a server does not answer.

mod gate;
mod machine;
mod options;
mod store;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;

pub use self::options::CircuitOptions;
use self::{gate::Gate, verdict::Verdict};
use super::call::Call;
use crate::{CircuitState, Result, Store};

/// Refuses calls at once while the server does not answer, instead of letting each wait for its deadline.
///
/// - **Closed**, calls pass. [Five failures in a row](CircuitOptions::with_failures) open it.
/// - **Open**, calls are refused with [`ErrorKind::Overloaded`](crate::ErrorKind::Overloaded), and nothing reaches the
///   store, for [five seconds](CircuitOptions::with_open_times).
/// - **Half-open**, exactly one call is let through as a probe, and the others are refused. If it is answered the circuit
///   closes; if it fails it opens again, for twice as long as before, up to a limit. A probe that says nothing, or whose
///   future is dropped, leaves its place to the next call.
///
/// # What counts as a failure
/// [`Unavailable`](crate::ErrorKind::Unavailable), [`Timeout`](crate::ErrorKind::Timeout) and
/// [`NotReady`](crate::ErrorKind::NotReady). Other errors of a server, such as a wrong type or a missing permission, prove
/// that it answers, and count as an answer. Errors that arise in this process (a value that is too large, a closed store),
/// an empty batch, and a dropped call say nothing.
///
/// Failures count *in a row*: any answer in between starts the count anew. So the breaker opens where nothing works any
/// more, whatever the traffic, and not because five of a million calls have failed within a minute; nor because one node of a cluster
/// is down, when opening would cut the others off. Calls that began before the state last changed are not counted.
///
/// The layer takes no time itself: put a [`Timeout`](crate::Timeout) inside, or use a store with a deadline, or a server
/// that swallows calls is never noticed. A dropped call does not count.
///
/// `subscribe` passes in every state and counts nothing: a subscription waits for the connection by itself.
/// While all is well, a call costs one look at an atomic word before and one after it; a lock is taken once calls fail.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_store::{
///     CircuitBreaker, CircuitOptions, CircuitState, ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, Store,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = FaultPlan::new();
/// plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
/// let failing = Faults::new(Arc::new(MemoryStore::new()), &plan);
/// let options = CircuitOptions::new().with_failures(2, Duration::from_secs(60));
/// let store = CircuitBreaker::new(Arc::new(failing), options)?;
///
/// for kind in [ErrorKind::Unavailable, ErrorKind::Unavailable, ErrorKind::Overloaded] {
///     assert_eq!(store.time().await.unwrap_err().kind(), kind);
/// }
/// assert_eq!((store.state(), plan.calls()), (CircuitState::Open, 2));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    inner: Arc<dyn Store>,
    gate: Arc<Gate>,
}

impl CircuitBreaker {
    /// Puts a closed breaker around a store. Its clones share its state.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for an option outside of its range.
    ///
    /// # Examples
    /// See [`CircuitBreaker`].
    pub fn new(inner: Arc<dyn Store>, options: CircuitOptions) -> Result<Self> {
        options.check()?;
        Ok(Self {
            inner,
            gate: Arc::new(Gate::new(options)),
        })
    }

    /// What it does with calls at the moment. One whose time is up stays [`CircuitState::Open`] until the next call comes,
    /// which is the probe.
    ///
    /// # Examples
    /// See [`CircuitBreaker`].
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.gate.state()
    }

    async fn around<T, F>(&self, call: Call<'_>, attempt: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        if call.batch() == 0 {
            // It asks nothing of the server, so that its answer is none of the server's.
            return attempt().await;
        }
        let permit = self.gate.enter(&call)?;
        let answer = attempt().await;
        permit.end(Verdict::of(&answer));
        answer
    }
}
