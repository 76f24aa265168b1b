//! News of what was given back, reset or changed, so that no process keeps a denial, or units, that are none any more.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::{Channel, UserId};
use cachekit_store::{PubSubItem, Result, StopSignal, SubscribeRequest, Subscription, Tasks};
use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{
    Limiter,
    denials::{Denials, Heard},
};
use crate::lease::Leases;

/// How often it is looked whether anybody still wants the news, and tried again to listen.
const SELDOM: Duration = Duration::from_secs(10);

/// What a message begins with; the subject as it stands in keys follows.
const RETURNED: &str = "returned ";
const CHANGED: &str = "changed ";

impl Limiter {
    /// Has [remembered denials](Self::remembering_denials) dropped when any process gives units of the subject back, resets or
    /// unblocks it, or changes its limits, and [leased units](Self::leased) when it is reset, blocked or unblocked or its limits
    /// change; in this process that happens in any case. `tasks` run the one that listens, on the store's channel
    /// `system:limit_changes`. Say it after the options that it serves: without them it does nothing.
    ///
    /// The news is a hint that may get lost. Where it may have been, all denials are dropped; leased units are used until their
    /// time is over. The same goes for a store that cannot be listened to (a user without the right, a store that is away), where
    /// a denial lasts for as long as it was to be remembered at most. On a server with access control lists, the users need
    /// `&system:limit_changes`, with the namespace in front.
    ///
    /// # Errors
    /// [`Closed`](cachekit_store::ErrorKind::Closed) after the shutdown of `tasks` has begun.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cachekit_keys::KeySchema;
    /// use cachekit_limits::{Limit, Limiter};
    /// use cachekit_store::{MemoryStore, Tasks};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let tasks = Tasks::new(); // kit.tasks() of a kit, which shuts them down
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(100)?)
    ///     .remembering_denials(Duration::from_secs(60))
    ///     .hearing_of_changes(&tasks)?;
    /// # let _ = limiter;
    /// # Ok(()) }
    /// ```
    pub fn hearing_of_changes(self, tasks: &Tasks) -> Result<Self> {
        let listener = Listener {
            denials: self.inner.denials.as_ref().map(Denials::heard),
            leases: self.inner.leases.as_ref().map(Arc::downgrade),
        };
        if listener.is_wanted() {
            let store = Arc::clone(&self.inner.store);
            let request = SubscribeRequest::channel(self.changes());
            tasks.spawn_until_stopped("hear of changed limits", |stop| async move {
                while listener.is_wanted() && !stop.is_stopped() {
                    if let Ok(news) = store.subscribe(request.clone()).await {
                        listener.listen(news, &stop).await;
                    }
                    // Nothing is heard from here on.
                    listener.forget_denials();
                    let _ = timeout(SELDOM, stop.stopped()).await;
                }
            })?;
        }
        Ok(self)
    }

    fn changes(&self) -> Bytes {
        self.inner.schema.channel_name(&Channel::LIMIT_CHANGES)
    }

    /// Drops the denial that this process remembers of the subject, and tells the others, after units were given back.
    pub(super) async fn tell_returned(&self, subject: &UserId) {
        self.forget_denial(subject);
        self.tell(RETURNED, subject).await;
    }

    /// Drops what this process has of the subject, and tells the others, after it was reset, blocked, unblocked or its limits
    /// were changed.
    pub(super) async fn tell_changed(&self, subject: &UserId) {
        if let Some(leases) = &self.inner.leases {
            leases.forget(subject);
        }
        self.forget_denial(subject);
        self.tell(CHANGED, subject).await;
    }

    /// A hint: if it fails, what other processes have ends by itself.
    async fn tell(&self, news: &str, subject: &UserId) {
        let text = Bytes::from([news, subject.as_encoded()].concat());
        let _ = self.inner.store.publish(&self.changes(), text).await;
    }

    pub(super) fn forget_denial(&self, subject: &UserId) {
        if let Some(denials) = &self.inner.denials {
            denials.forget(subject);
        }
    }
}

/// Who hears the news: it keeps neither denials nor leases alive.
struct Listener {
    denials: Option<Heard>,
    leases: Option<Weak<Leases>>,
}

impl Listener {
    fn is_wanted(&self) -> bool {
        let has_denials = self.denials.as_ref().is_some_and(Heard::is_wanted);
        has_denials
            || self
                .leases
                .as_ref()
                .is_some_and(|leases| leases.strong_count() > 0)
    }

    /// Takes what is heard, until the stream ends, or nobody wants it any more.
    async fn listen(&self, mut news: Subscription, stop: &StopSignal) {
        loop {
            let (stopped, item) = (pin!(stop.stopped()), pin!(news.next()));
            match timeout(SELDOM, select(stopped, item)).await {
                Ok(Either::Right((Some(PubSubItem::Message { payload, .. }), _))) => {
                    self.take(&payload);
                }
                Ok(Either::Left(_) | Either::Right((None, _))) => return,
                // A gap: news may be missing, also what came before there was anybody to listen.
                Ok(Either::Right((Some(_), _))) => self.forget_denials(),
                Err(_) if self.is_wanted() => {}
                Err(_) => return,
            }
        }
    }

    fn take(&self, payload: &[u8]) {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let subject_behind = |word| {
            let subject = text.strip_prefix(word)?;
            UserId::from_encoded(subject).ok()
        };
        if let Some(subject) = subject_behind(RETURNED) {
            self.forget_denial(&subject);
        } else if let Some(subject) = subject_behind(CHANGED) {
            self.forget_denial(&subject);
            if let Some(leases) = self.leases.as_ref().and_then(Weak::upgrade) {
                leases.forget(&subject);
            }
        } else {
            // Whatever it says, it is news.
            self.forget_denials();
        }
    }

    fn forget_denial(&self, subject: &UserId) {
        if let Some(denials) = &self.denials {
            denials.forget(subject);
        }
    }

    fn forget_denials(&self) {
        if let Some(denials) = &self.denials {
            denials.forget_all();
        }
    }
}
