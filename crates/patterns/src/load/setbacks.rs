//! Keys whose loads failed, which are given time.

use std::{collections::HashMap, time::Duration};

use cachekit_keys::Key;
use cachekit_store::Error;
use parking_lot::Mutex;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(30);
/// How many keys are remembered. Of more, the loads are not held back.
const MOST: usize = 10_000;

/// Until when no new load of a key is started.
#[derive(Default)]
pub(super) struct Setbacks {
    keys: Mutex<HashMap<Key, Setback>>,
}

#[derive(Clone)]
struct Setback {
    /// While something else can be served.
    until: Instant,
    failures: u32,
    /// While nothing else can, and what callers are told then.
    held: Option<(Instant, Error)>,
}

impl Setback {
    fn is_over(&self, now: Instant) -> bool {
        let held = self.held.as_ref().map(|(until, _)| *until);
        held.is_none_or(|until| until <= now) && self.until <= now
    }
}

impl Setbacks {
    /// Whether no load is to be started while something else can be served.
    pub(super) fn is_held_back(&self, key: &Key) -> bool {
        let keys = self.keys.lock();
        keys.get(key)
            .is_some_and(|setback| Instant::now() < setback.until)
    }

    /// The error of a load that failed a moment ago, where none is to be started even if nothing else can be served.
    pub(super) fn error(&self, key: &Key) -> Option<Error> {
        let keys = self.keys.lock();
        let (until, error) = keys.get(key)?.held.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let detail = format!("as the last load did; no other is begun for another {left:?}");
        Some(error.clone().with_detail(detail))
    }

    /// A load failed: the next one waits, from one second, twice as long with each further failure, up to half a minute. Where
    /// nothing else can be served it waits for as long as `hold`.
    pub(super) fn failed(&self, key: &Key, error: &Error, hold: Duration) {
        self.note(key, |failures| {
            let failures = failures.saturating_add(1);
            let pause = FIRST.saturating_mul(1 << (failures - 1).min(5)).min(LAST);
            (pause, failures)
        });
        if !hold.is_zero()
            && let Some(setback) = self.keys.lock().get_mut(key)
        {
            setback.held = Instant::now()
                .checked_add(hold)
                .map(|until| (until, error.clone()));
        }
    }

    /// Someone else loads, for so long.
    pub(super) fn pause(&self, key: &Key, pause: Duration) {
        self.note(key, |failures| (pause, failures));
    }

    pub(super) fn succeeded(&self, key: &Key) {
        self.keys.lock().remove(key);
    }

    fn note(&self, key: &Key, change: impl FnOnce(u32) -> (Duration, u32)) {
        let mut keys = self.keys.lock();
        let now = Instant::now();
        if keys.len() >= MOST && !keys.contains_key(key) {
            keys.retain(|_, setback| !setback.is_over(now));
            if keys.len() >= MOST {
                return;
            }
        }
        let known = keys.get(key);
        let (pause, failures) = change(known.map_or(0, |known| known.failures));
        let setback = Setback {
            until: now + pause,
            failures,
            held: known.and_then(|known| known.held.clone()),
        };
        keys.insert(key.clone(), setback);
    }
}
