//! Waiting to be woken: the timed re-try, made quick.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{Gap, PubSubItem, Result, Store, SubscribeRequest, Subscription};

/// Waits for something to change that is kept under a key, such as the end of a lock.
///
/// A wake-up says "look again" and nothing else. It is a hint: it may come without a change, and it may be lost, because
/// pub/sub delivers at most once. So a waiter looks again after a time-out in any case, and the wake-up only makes it quick.
/// Many wake-ups that come while nobody waits count as one.
///
/// Get one with [`StoreExt::wakeup`](crate::StoreExt::wakeup) *before* looking at the state; else a change between the look
/// and the registration is noticed by the time-out only. Whoever changes the state calls
/// [`StoreExt::wake`](crate::StoreExt::wake), or, inside a script, publishes on the key's
/// [wake channel](cachekit_keys::Key::wake_channel), handed over as an argument:
/// `redis.pcall('PUBLISH', ARGV[n], '')`. With `pcall` a user without permission for the channel does not make the script fail.
///
/// # Examples
/// Register, then look, then wait:
/// ```
/// use std::time::Duration;
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{Condition, MemoryStore, SetOptions, Store, StoreExt, Wakeup};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// async fn acquire(store: &dyn Store, key: &Key) -> Result<(), cachekit_store::Error> {
///     // A store that cannot wake is asked again and again instead.
///     let mut wakeup = store.wakeup(key).await.unwrap_or_else(|_| Wakeup::never());
///     let once = SetOptions::ttl(Ttl::seconds(30)).with_condition(Condition::IfAbsent);
///     while !store.set(key, "mine".into(), once).await? {
///         wakeup.wait(Duration::from_secs(1)).await;
///     }
///     Ok(())
/// }
///
/// let (store, key) = (MemoryStore::new(), Key::from_raw("lock:report")?);
/// acquire(&store, &key).await?;
/// let (waiter, _) = tokio::join!(acquire(&store, &key), async {
///     store.delete_one(&key).await?;
///     store.wake(&key).await
/// });
/// waiter
/// # }
/// ```
#[must_use = "dropping it ends the registration"]
pub struct Wakeup {
    /// `None` when nothing can come any more.
    subscription: Option<Subscription>,
}

/// Why a [`Wakeup`] ended a wait. In each case: look again.
///
/// # Examples
/// See [`Wakeup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Woken {
    /// Somebody said that something changed.
    Message,
    /// A message may have been missed.
    Gap,
    /// Nothing was heard.
    TimedOut,
}

impl Wakeup {
    /// One that is never woken, so that each wait lasts as long as it may: for stores and users that cannot listen.
    ///
    /// # Examples
    /// See [`Wakeup`].
    pub const fn never() -> Self {
        Self { subscription: None }
    }

    /// Registers for the wake-ups of a channel.
    pub(crate) async fn on<S: Store + ?Sized>(store: &S, channel: bytes::Bytes) -> Result<Self> {
        let request = SubscribeRequest::channel(channel).with_buffer(1);
        Ok(Self {
            subscription: Some(store.subscribe(request).await?),
        })
    }

    /// Waits until something changed, or may have, or the time is up. What came since the last wait counts.
    ///
    /// Where the registration has ended (the store was closed, or a permission withdrawn) it answers [`Woken::Gap`] once, and
    /// from then on waits for as long as it may, so that a caller in a loop does not spin.
    ///
    /// # Cancel safety
    /// A dropped call loses no wake-up.
    ///
    /// # Examples
    /// See [`Wakeup`].
    pub async fn wait(&mut self, timeout: Duration) -> Woken {
        let deadline = deadline(timeout);
        let Some(subscription) = &mut self.subscription else {
            sleep_until(deadline).await;
            return Woken::TimedOut;
        };
        let heard = poll_fn(|cx| poll_all(subscription, cx));
        match timeout_at(deadline, heard).await {
            Err(_) => Woken::TimedOut,
            Ok(Heard { message: true, .. }) => Woken::Message,
            Ok(Heard { ended, .. }) => {
                if ended {
                    self.subscription = None;
                }
                Woken::Gap
            }
        }
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeup")
            .field("registered", &self.subscription.is_some())
            .finish()
    }
}

/// What a poll brought.
#[derive(Default)]
struct Heard {
    message: bool,
    gap: bool,
    ended: bool,
}

/// Takes all that is there as one. It takes nothing where it answers that nothing is there, so that it may be dropped.
fn poll_all(subscription: &mut Subscription, cx: &mut Context<'_>) -> Poll<Heard> {
    let mut heard = Heard::default();
    // Bounded: a publisher that never pauses must not keep it here.
    for _ in 0..16 {
        match Pin::new(&mut *subscription).poll_next(cx) {
            Poll::Ready(Some(PubSubItem::Message { .. })) => heard.message = true,
            // The caller looks after registering, so nothing is missing before this.
            Poll::Ready(Some(PubSubItem::Gap(Gap::Subscribed))) => {}
            Poll::Ready(Some(PubSubItem::Gap(_))) => heard.gap = true,
            Poll::Ready(None) => {
                heard.ended = true;
                break;
            }
            Poll::Pending => break,
        }
    }
    if heard.message || heard.gap || heard.ended {
        Poll::Ready(heard)
    } else {
        Poll::Pending
    }
}

/// Very long time-outs would overflow the clock.
fn deadline(timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    Instant::now() + timeout.min(FAR)
}
