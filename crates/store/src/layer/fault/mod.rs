//! Faults on purpose, for tests.

mod plan;
mod rule;
mod store;
#[cfg(test)]
mod tests;

use std::{future::pending, sync::Arc};

pub use self::{
    plan::{FaultId, FaultPlan},
    rule::{Fault, FaultRule},
};
use super::call::Call;
use crate::{Error, ErrorKind, Result, Store};

/// Makes calls of a store fail, wait or hang as a [`FaultPlan`] says. **For tests**: it has no place in production.
///
/// An outage, a slow server, a cut connection and a full one are hard to have at the right moment on a real server, and
/// easy here, on the memory store as on any other. With an empty plan it passes everything on. `close`,
/// `capabilities` and the messages of a subscription that stands are never touched.
///
/// Delays take tokio's time, so that they cost nothing under a paused clock.
///
/// # Cancel safety
/// A call that is dropped in a delay before it was carried out has not been.
///
/// # Examples
/// See [`FaultPlan`].
#[derive(Clone, Debug)]
pub struct Faults {
    inner: Arc<dyn Store>,
    plan: FaultPlan,
}

impl Faults {
    /// Puts the plan's faults around a store.
    ///
    /// # Examples
    /// See [`FaultPlan`].
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, plan: &FaultPlan) -> Self {
        Self {
            inner,
            plan: plan.clone(),
        }
    }

    async fn around<T, F>(&self, call: Call<'_>, attempt: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let fate = self.plan.decide(&call);
        if !fate.delay.is_zero() {
            tokio::time::sleep(fate.delay).await;
        }
        match fate.fault {
            None | Some(Fault::Delay(_)) => self.execute(attempt).await,
            Some(Fault::Refuse(kind)) => Err(injected(&call, kind)),
            Some(Fault::LoseRequest(kind)) => Err(lost(&call, kind)),
            Some(Fault::LoseAnswer(kind)) => {
                let _ = self.execute(attempt).await;
                Err(lost(&call, kind))
            }
            Some(Fault::Hang) => pending().await,
            Some(Fault::HangAfter) => {
                let _ = self.execute(attempt).await;
                pending().await
            }
        }
    }

    async fn execute<T, F>(&self, attempt: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        self.plan.note_execution();
        attempt().await
    }
}

fn injected(call: &Call<'_>, kind: ErrorKind) -> Error {
    let error = Error::new(kind, call.operation).with_detail("injected for a test");
    match call.only_key() {
        Some(key) => error.with_key(key),
        None => error,
    }
}

/// The caller cannot tell whether the request or the answer got lost.
fn lost(call: &Call<'_>, kind: ErrorKind) -> Error {
    injected(call, kind).with_may_have_applied(call.writes())
}
