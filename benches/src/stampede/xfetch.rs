//! XFetch at varied rates: values that are read all the time and never waited for.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::{
    Cache, CacheKit, ProjectId, ProjectKey, Ttl,
    patterns::{Origin, Refresh},
};

use super::limited;
use crate::{Outcome, aside::keys_of, harness::Row};

const KEYS: usize = 400;
/// Values that have come to the end of their lifetime and were loaded anew, at which the count ends.
const EXPIRIES: usize = 10_000;
const LIFE: Duration = Duration::from_millis(400);
const LOAD: Duration = Duration::from_millis(20);
/// The pause between two reads of the key that is read most, and of the one that is read least: from a hundred reads in a
/// lifetime to one.
const SHORTEST: Duration = Duration::from_millis(4);
const LONGEST: Duration = Duration::from_millis(400);

/// What is counted.
#[derive(Default)]
struct Counts {
    loads: AtomicUsize,
    /// The most loads of one key at once.
    at_once: AtomicU32,
    reads: AtomicUsize,
    /// Reads that were answered by what they or others had just loaded.
    waited: AtomicUsize,
    stale: AtomicUsize,
}

/// Two members of a fleet read each key, at a rate of its own, until so many values have been loaded anew.
pub(super) async fn run(name: &str, url: &str) -> Outcome<Vec<Row>> {
    let fleet = [cache(url).await?, cache(url).await?];
    let counts = Arc::new(Counts::default());
    let keys = keys_of(&ProjectId::new("hot")?, KEYS);
    for key in &keys {
        fleet[0].set(key, &"the first".to_owned()).await?;
    }
    let readers = keys.into_iter().enumerate().map(|(place, key)| {
        let (fleet, counts) = (fleet.clone(), Arc::clone(&counts));
        tokio::spawn(read(fleet, key, pause(place), counts))
    });
    let (readers, began): (Vec<_>, _) = (readers.collect(), Instant::now());
    for reader in readers {
        reader.await??;
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{name}: {} reads and {} loads of {KEYS} keys in {:.0?}; {} reads found the value past its fresh time",
        count(&counts.reads),
        count(&counts.loads),
        began.elapsed(),
        count(&counts.stale),
    );
    let at_once = f64::from(counts.at_once.load(Ordering::Relaxed));
    let waited = f64::from(u32::try_from(count(&counts.waited))?);
    Ok(vec![
        limited(name, "at-once", at_once, 1.0, "loads of a key"),
        limited(name, "waited", waited, 0.0, "callers"),
    ])
}

/// XFetch for the keys that are read often, and for the others a value that may be served until the new one is there.
async fn cache(url: &str) -> Outcome<Cache<ProjectKey, String>> {
    let kit = CacheKit::connect(url).await?;
    let cache = kit.cache::<ProjectKey, String>();
    Ok(cache
        .ttl(Ttl::new(LIFE)?)
        .stale_for(Ttl::seconds(60))
        .soft_timeout(Duration::ZERO)
        .refresh(Refresh::xfetch(1.0)?)
        .build()?)
}

/// Evenly spread on a logarithmic scale.
fn pause(place: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = place as f64 / KEYS as f64;
    let widest = LONGEST.as_secs_f64() / SHORTEST.as_secs_f64();
    SHORTEST.mul_f64(widest.powf(share))
}

async fn read(
    fleet: [Cache<ProjectKey, String>; 2],
    key: ProjectKey,
    pause: Duration,
    counts: Arc<Counts>,
) -> cachekit::Result<()> {
    let at_once = Arc::new(AtomicU32::new(0));
    let mut turn = 0;
    while counts.loads.load(Ordering::Relaxed) < EXPIRIES {
        turn += 1;
        let (counting, loading) = (Arc::clone(&counts), Arc::clone(&at_once));
        let loader = || load(counting, loading);
        let cached = fleet[turn % 2].fetch(&key, loader).await?;
        counts.reads.fetch_add(1, Ordering::Relaxed);
        let counter = match cached.origin {
            Origin::Fresh => None,
            Origin::Stale => Some(&counts.stale),
            _ => Some(&counts.waited),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn load(counts: Arc<Counts>, loading: Arc<AtomicU32>) -> io::Result<String> {
    let now = loading.fetch_add(1, Ordering::SeqCst) + 1;
    counts.at_once.fetch_max(now, Ordering::Relaxed);
    tokio::time::sleep(LOAD).await;
    loading.fetch_sub(1, Ordering::SeqCst);
    counts.loads.fetch_add(1, Ordering::Relaxed);
    Ok("the next".to_owned())
}
