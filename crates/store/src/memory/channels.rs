//! Publish and subscribe inside the process.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Observers, Result, SubscribeRequest, Subscription, subscription::listeners::Listeners,
};

/// The channels of a memory store. Dropping them ends all subscriptions.
pub(super) struct Channels {
    listeners: Arc<Listeners>,
}

impl Channels {
    pub(super) fn new(observers: Observers) -> Self {
        Self {
            listeners: Listeners::new(observers, None),
        }
    }

    /// Hands a message to everyone who listens; answers how many subscriptions that were. It never waits for a listener,
    /// but it wakes their tasks: call it with no lock held.
    pub(super) fn publish(&self, channel: &[u8], payload: Bytes) -> u64 {
        self.listeners.publish(channel, &payload)
    }

    pub(super) fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let listening = self.listeners.register(request)?;
        listening.listener().begin();
        Ok(Subscription::new(listening))
    }

    /// Ends all subscriptions, and takes no more.
    pub(super) fn close(&self) {
        self.listeners.close();
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.close();
    }
}
