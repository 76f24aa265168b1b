//! How a cluster is looked at.
//!
//! One look at a time serves all callers, on a task of its own, so that it outlives the call that began it. Looks
//! follow each other at a distance that grows while they find nothing new.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream::FuturesUnordered,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    layout::Layout,
    view::{Core, Node, View},
};
use crate::{
    Error, ErrorKind, Result,
    redis::{
        error::{server_error, unexpected_reply},
        request::Operation,
    },
};

/// Distance between two looks, after one that found something new.
const GAP_FIRST: Duration = Duration::from_millis(100);
/// The same at most. A new primary is found this long after it became one, at the latest.
const GAP_LAST: Duration = Duration::from_secs(1);
/// How long one node is waited for before another is asked as well.
const HEDGE: Duration = Duration::from_millis(100);
const LOOK: Operation = Operation::read("topology");

/// The look that all callers wait for.
pub(super) type Attempt = Shared<BoxFuture<'static, Result<Arc<View>>>>;

#[derive(Default)]
pub(super) struct Looking {
    attempt: Option<(Attempt, AbortHandle)>,
    /// No look begins earlier, unless it must be a fresh one.
    not_before: Option<Instant>,
    /// How many looks in a row found nothing new.
    idle: u32,
    pub(super) failure: Option<Error>,
}

impl Core {
    /// Begins a look at the cluster or joins the one under way; `None` so soon after the last one, unless it is `urgent`.
    /// The look goes on whether or not anyone waits for it.
    pub(super) fn look(self: &Arc<Self>, urgent: bool) -> Option<Attempt> {
        let mut looking = self.looking.lock();
        if let Some(attempt) = looking.under_way() {
            return Some(attempt);
        }
        let too_soon = looking.not_before.is_some_and(|then| Instant::now() < then);
        if self.is_closed() || (too_soon && !urgent) {
            return None;
        }
        let task = tokio::spawn(Arc::clone(self).attempt());
        let handle = task.abort_handle();
        let watched = Arc::downgrade(self);
        let attempt = task
            .map(move |joined| joined.unwrap_or_else(|_| Err(cut_off(&watched))))
            .boxed()
            .shared();
        looking.attempt = Some((attempt.clone(), handle));
        Some(attempt)
    }

    /// One look from beginning to end, with what follows from it.
    async fn attempt(self: Arc<Self>) -> Result<Arc<View>> {
        let outcome = self.ask_around().await;
        let mut looking = self.looking.lock();
        looking.attempt = None;
        let outcome = outcome.and_then(|layout| self.install(layout));
        looking.failure = outcome.as_ref().err().cloned();
        looking.idle = match &outcome {
            Ok((_, true)) => 0,
            _ => looking.idle.saturating_add(1),
        };
        let gap = GAP_FIRST
            .saturating_mul(1 << looking.idle.min(8))
            .min(GAP_LAST);
        looking.not_before = Some(Instant::now() + gap.mul_f64(0.75 + fastrand::f64() / 4.0));
        outcome.map(|(view, _)| view)
    }

    /// The layout as any node that answers tells it: one that knows the owners of all slots, if there is one.
    async fn ask_around(&self) -> Result<Layout> {
        let mut rest = self.candidates()?.into_iter();
        let mut asked = FuturesUnordered::new();
        let mut partial: Option<Layout> = None;
        let mut failure: Option<Error> = None;
        loop {
            asked.extend(rest.next().map(|node| self.ask(node)));
            let answer = match rest.len() {
                0 => Ok(asked.next().await),
                _ => timeout(HEDGE, asked.next()).await,
            };
            match answer {
                Err(_slow) => {}
                Ok(None) => break,
                Ok(Some(Ok(layout))) if layout.is_complete() => return Ok(layout),
                Ok(Some(Ok(layout))) => {
                    let best = partial.as_ref().map_or(0, Layout::served);
                    if layout.served() > best {
                        partial = Some(layout);
                    }
                }
                // What a retry cannot mend is worth more to the caller than a node that is down.
                Ok(Some(Err(error))) => {
                    if failure.as_ref().is_none_or(Error::is_retryable) {
                        failure = Some(error);
                    }
                }
            }
        }
        partial.ok_or_else(|| {
            failure.unwrap_or_else(|| {
                Error::new(ErrorKind::NotReady, LOOK.name)
                    .with_detail("no node of the cluster serves a slot")
            })
        })
    }

    /// Whom to ask, in this order: nodes with a connection, other nodes, seeds.
    fn candidates(&self) -> Result<Vec<Arc<Node>>> {
        let mut nodes = self.seen().map_or_else(Vec::new, |view| view.nodes.clone());
        fastrand::shuffle(&mut nodes);
        nodes.sort_by_key(|node| node.link.current().is_none());
        for seed in &self.seeds {
            if !nodes.iter().any(|node| node.address == *seed) {
                nodes.push(self.node(seed)?);
            }
        }
        Ok(nodes)
    }

    async fn ask(&self, node: Arc<Node>) -> Result<Layout> {
        let slots = self.slots_of(&node).await?;
        Layout::read(&slots, &node.address).ok_or_else(|| unexpected_reply(LOOK))
    }

    /// The reply of a node to `CLUSTER SLOTS`.
    pub(super) async fn slots_of(&self, node: &Node) -> Result<redis::Value> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        // Longer than a call's deadline, so that impatient callers do not keep a slow cluster from being seen.
        let deadline = Instant::now() + self.dial.timeout + self.request_timeout;
        let reply = node.link.send(LOOK, &command, deadline).await?;
        match &reply {
            redis::Value::ServerError(error) => Err(server_error(LOOK, error)),
            _ => Ok(reply),
        }
    }

    pub(super) fn stop_looking(&self) {
        if let Some((_, task)) = self.looking.lock().attempt.take() {
            task.abort();
        }
    }
}

impl Looking {
    /// One that ended without saying so was cut off by the end of its runtime.
    pub(super) fn under_way(&self) -> Option<Attempt> {
        let (attempt, task) = self.attempt.as_ref()?;
        (!task.is_finished()).then(|| attempt.clone())
    }
}

/// A look ends without a result when the store is closed, or when the runtime that it began on is shut down.
fn cut_off(core: &Weak<Core>) -> Error {
    match core.upgrade() {
        Some(core) if !core.is_closed() => Error::new(ErrorKind::Unavailable, LOOK.name)
            .with_detail("the look at the cluster ended with the runtime that it began on"),
        _ => closed(),
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, LOOK.name)
}
