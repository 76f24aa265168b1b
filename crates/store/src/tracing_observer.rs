//! An observer that writes to the log.

#[cfg(test)]
mod tests;

use crate::{ConnectionState, Event, Gap, Observer};

/// Tells `tracing` what becomes of connections and subscriptions: a few lines in the life of a process.
///
/// | event | level |
/// |---|---|
/// | connection made, or closed in good order | `DEBUG` |
/// | connection lost, or not made | `WARN` |
/// | messages may have been missed (reconnected, overflow) | `DEBUG` |
/// | subscription refused after a reconnect | `WARN` |
/// | a task of the kit panicked | `ERROR` |
/// | the announcement of an invalidation was given up | `WARN` |
/// | a server may lose unpersisted writes, one of them became a dead letter, or they could not be drained | `WARN` |
///
/// Calls are not logged: they are too many, and the caller knows better what they are for. Neither keys nor values nor
/// credentials are.
///
/// With the feature `tracing` every Redis store has one from the beginning.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_store::{Observers, TracingObserver};
///
/// let observers = Observers::none().with(Arc::new(TracingObserver));
/// assert!(!observers.is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Connection { address, state } => connection(address, state),
            Event::Gap {
                gap: Gap::Overflow { dropped },
            } => tracing::debug!(dropped, "a subscription was too slow"),
            Event::Gap {
                gap: Gap::Reconnected,
            } => tracing::debug!("a subscription has missed messages"),
            Event::SubscriptionRefused { error } => {
                tracing::warn!(error.r#type = ?error.kind(), %error, "subscription ended");
            }
            Event::TaskPanicked { name } => tracing::error!(task.name = name, "task panicked"),
            Event::AnnouncementFailed { error } => {
                tracing::warn!(error.r#type = ?error.kind(), %error, "invalidation not announced");
            }
            Event::QuotaWarningFailed { error } => {
                tracing::warn!(error.r#type = ?error.kind(), %error, "quota warning not published");
            }
            Event::WritesAtRisk { queue, reason } => {
                tracing::warn!(queue, reason, "unpersisted writes are at risk");
            }
            Event::WritesDrained { queue, drained, .. } if drained.dead_letters > 0 => {
                let letters = drained.dead_letters;
                tracing::warn!(queue, letters, "writes became dead letters");
            }
            Event::DrainFailed { queue, error } => {
                tracing::warn!(queue, error.r#type = ?error.kind(), %error, "writes not drained");
            }
            _ => {}
        }
    }
}

fn connection(address: &str, state: &ConnectionState<'_>) {
    match state {
        ConnectionState::Connected => tracing::debug!(server.address = address, "connected"),
        ConnectionState::Closed => tracing::debug!(server.address = address, "connection closed"),
        ConnectionState::Lost => tracing::warn!(server.address = address, "connection lost"),
        ConnectionState::Failed(error) => tracing::warn!(
            server.address = address,
            error.r#type = ?error.kind(),
            %error,
            "cannot connect"
        ),
    }
}
