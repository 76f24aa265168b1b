//! News of what was given back, reset or changed, so that no process keeps a denial that is none any more.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Channel, UserId};
use cachekit_store::{PubSubItem, Result, StopSignal, SubscribeRequest, Subscription, Tasks};
use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{Limiter, denials::Heard};

/// How often it is looked whether anybody still has the denials, and tried again to listen.
const SELDOM: Duration = Duration::from_secs(10);

impl Limiter {
    /// Has [remembered denials](Self::remembering_denials) dropped when any process gives units of the subject back, resets or
    /// unblocks it, or changes its limits; in this process that happens in any case. `tasks` run the one that listens, on the
    /// store's channel `system:limit_changes`.
    ///
    /// The news is a hint that may get lost; where it may have been, all denials are dropped. Where the store cannot
    /// listen (a user without the right, a store that is away), a denial lasts for as long as it was to be remembered at most.
    /// On a server with access control lists, the users need `&system:limit_changes`, with the namespace in front. Without
    /// remembered denials this does nothing.
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
        if let Some(denials) = &self.inner.denials {
            let store = Arc::clone(&self.inner.store);
            let request = SubscribeRequest::channel(self.changes());
            let heard = denials.heard();
            tasks.spawn_until_stopped("hear of changed limits", |stop| async move {
                while heard.is_wanted() && !stop.is_stopped() {
                    if let Ok(news) = store.subscribe(request.clone()).await {
                        listen(news, &heard, &stop).await;
                    }
                    // Nothing is heard from here on.
                    heard.forget_all();
                    let _ = timeout(SELDOM, stop.stopped()).await;
                }
            })?;
        }
        Ok(self)
    }

    fn changes(&self) -> Bytes {
        self.inner.schema.channel_name(&Channel::LIMIT_CHANGES)
    }

    /// Drops what this process remembers of the subject, and tells the others, after a change was made.
    pub(super) async fn forget_denial(&self, subject: &UserId) {
        self.forget_denial_here(subject);
        // A hint: if it fails, remembered denials end by themselves.
        let text = Bytes::copy_from_slice(subject.as_encoded().as_bytes());
        let _ = self.inner.store.publish(&self.changes(), text).await;
    }

    pub(super) fn forget_denial_here(&self, subject: &UserId) {
        if let Some(denials) = &self.inner.denials {
            denials.forget(subject);
        }
    }
}

/// Takes what is heard, until the stream ends, or nobody has the denials any more.
async fn listen(mut news: Subscription, heard: &Heard, stop: &StopSignal) {
    loop {
        let (stopped, item) = (pin!(stop.stopped()), pin!(news.next()));
        match timeout(SELDOM, select(stopped, item)).await {
            Ok(Either::Right((Some(PubSubItem::Message { payload, .. }), _))) => {
                match subject(&payload) {
                    Some(subject) => heard.forget(&subject),
                    // Whatever it says, it is news.
                    None => heard.forget_all(),
                }
            }
            Ok(Either::Left(_) | Either::Right((None, _))) => return,
            // A gap: news may be missing, also what came before there was anybody to listen.
            Ok(Either::Right((Some(_), _))) => heard.forget_all(),
            Err(_) if heard.is_wanted() => {}
            Err(_) => return,
        }
    }
}

fn subject(payload: &[u8]) -> Option<UserId> {
    let text = std::str::from_utf8(payload).ok()?;
    UserId::from_encoded(text).ok()
}
