//! Keys whose loads failed, which are given time.

use std::{collections::HashMap, time::Duration};

use cachekit_keys::Key;
use parking_lot::Mutex;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(30);
/// How many keys are remembered. Of more, the loads are not held back.
const MOST: usize = 10_000;

/// Until when no new load of a key is started while something else can be served.
#[derive(Default)]
pub(super) struct Setbacks {
    keys: Mutex<HashMap<Key, Setback>>,
}

#[derive(Clone, Copy)]
struct Setback {
    until: Instant,
    failures: u32,
}

impl Setbacks {
    pub(super) fn is_held_back(&self, key: &Key) -> bool {
        let keys = self.keys.lock();
        keys.get(key)
            .is_some_and(|setback| Instant::now() < setback.until)
    }

    /// A load failed: the next one waits, from one second, twice as long with each further failure, up to half a minute.
    pub(super) fn failed(&self, key: &Key) {
        self.note(key, |failures| {
            let failures = failures.saturating_add(1);
            let pause = FIRST.saturating_mul(1 << (failures - 1).min(5)).min(LAST);
            (pause, failures)
        });
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
            keys.retain(|_, setback| now < setback.until);
            if keys.len() >= MOST {
                return;
            }
        }
        let failures = keys.get(key).map_or(0, |setback| setback.failures);
        let (pause, failures) = change(failures);
        let until = now + pause;
        keys.insert(key.clone(), Setback { until, failures });
    }
}
