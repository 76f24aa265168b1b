//! Returns what was leased and not used.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cachekit_store::StopSignal;
use tokio::time::timeout;

use super::Leases;
use crate::Limiter;

/// How often it is looked for units whose time is over: not all the time, and not so seldom that they lie about.
const SELDOM: Duration = Duration::from_secs(10);

/// Returns units as their time is over, and all at the end: when it is told to stop, or nobody but the keeper has the leases.
/// `limiter` is one without leases.
pub(crate) async fn keep(limiter: Limiter, leases: Arc<Leases>, stop: StopSignal) {
    let pause = (leases.options.lasting / 2).min(SELDOM);
    while Arc::strong_count(&leases) > 1 {
        if timeout(pause, stop.stopped()).await.is_ok() {
            break;
        }
        return_rests(&limiter, &leases, false).await;
    }
    leases.closed.store(true, Ordering::SeqCst);
    return_rests(&limiter, &leases, true).await;
}

/// What cannot be returned is lost until its window ends.
async fn return_rests(limiter: &Limiter, leases: &Leases, all: bool) {
    for (subject, rest) in leases.take_rests(all) {
        limiter.return_units(&subject, &rest).await;
    }
}
