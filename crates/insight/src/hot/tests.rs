//! That the hottest keys are named, with about the right rates, and nothing else is kept.

use std::{collections::HashSet, time::Duration};

use cachekit_keys::{Key, KeySchema, ProjectId, ProjectKey};
use cachekit_store::{CacheReads, Event, Observer};
use tokio::time::advance;

use super::{FAMILIES, HotKeys};

fn key(rank: usize) -> Key {
    Key::from_raw(format!("project:p{rank}:file_tree")).unwrap()
}

fn read(hot: &HotKeys, keys: &[Key]) {
    let reads = CacheReads::hits(keys.len() as u64);
    hot.observe(&Event::cache_read("project", keys, reads));
}

/// Draws ranks, of which each is asked for in proportion to `1 / (rank + 1)`.
struct Zipf {
    sums: Vec<f64>,
    random: fastrand::Rng,
}

impl Zipf {
    fn new(keys: usize, seed: u64) -> Self {
        let mut sum = 0.0;
        let mut next = |rank: usize| {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let rank = (rank + 1) as f64;
            sum += 1.0 / rank;
            sum
        };
        Self {
            sums: (0..keys).map(&mut next).collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    fn draw(&mut self) -> usize {
        let all = self.sums.last().unwrap();
        let drawn = self.random.f64() * all;
        self.sums.partition_point(|sum| *sum < drawn)
    }

    /// The share of all reads that a rank has.
    fn share(&self, rank: usize) -> f64 {
        let below = if rank == 0 { 0.0 } else { self.sums[rank - 1] };
        (self.sums[rank] - below) / self.sums.last().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn the_hottest_of_a_zipf_stream_are_named_with_their_rates() {
    for (sample, seed) in [(1, 1), (8, 2), (8, 3)] {
        let hot = HotKeys::builder().sample(sample).seed(seed).build();
        let keys: Vec<Key> = (0..10_000).map(key).collect();
        let mut zipf = Zipf::new(keys.len(), seed);
        // 5 000 reads a second, for a minute.
        for _ in 0..600 {
            for _ in 0..500 {
                read(&hot, std::slice::from_ref(&keys[zipf.draw()]));
            }
            advance(Duration::from_millis(100)).await;
        }
        let hottest = hot.hottest("project", 10);
        for (rank, named) in hottest.iter().take(5).enumerate() {
            assert_eq!(named.key, keys[rank], "sample {sample}, seed {seed}");
            let expected = 5_000.0 * zipf.share(rank);
            let ratio = named.rate / expected;
            assert!((0.85..1.15).contains(&ratio), "{ratio} for rank {rank}");
            assert!(named.error < named.rate / 4.0);
        }
        let named: HashSet<_> = hottest.into_iter().map(|hot| hot.key).collect();
        let close = keys[..15].iter().filter(|key| named.contains(key)).count();
        assert_eq!(close, 10, "the top ten are of the first fifteen");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_hot_fades() {
    let hot = HotKeys::builder().sample(1).build();
    for _ in 0..1_000 {
        read(&hot, &[key(1)]);
    }
    let before = hot.hottest("project", 1)[0].rate;
    advance(Duration::from_secs(600)).await;
    for _ in 0..10 {
        read(&hot, &[key(2)]);
    }
    let hottest = hot.hottest("project", 2);
    assert_eq!(
        (&hottest[0].key, &hottest[1].key),
        (&key(2), &key(1)),
        "ten half-lives leave a thousandth"
    );
    assert!(hottest[1].rate < before / 1_000.0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_asks_for_any_more_is_let_go() {
    let hot = HotKeys::builder().sample(1).build();
    read(&hot, &[key(1)]);
    advance(Duration::from_secs(60)).await;
    assert_eq!(hot.hottest("project", 1).len(), 1);
    advance(Duration::from_secs(600)).await;
    assert!(hot.hottest("project", 1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn rates_outlive_the_scaling_back_of_weights() {
    let half_life = Duration::from_secs(1);
    let hot = HotKeys::builder().sample(1).half_life(half_life).build();
    for _ in 0..2_000 {
        for _ in 0..20 {
            read(&hot, &[key(1)]);
        }
        read(&hot, &[key(2)]);
        advance(Duration::from_millis(100)).await;
    }
    let hottest = hot.hottest("project", 2);
    let (first, second) = (hottest[0].rate, hottest[1].rate);
    assert!((190.0..210.0).contains(&first), "{first} of 200");
    assert!((9.5..10.5).contains(&second), "{second} of 10");
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_each_of_its_keys() {
    let hot = HotKeys::builder().sample(1).build();
    read(&hot, &[key(1), key(2), key(1)]);
    let hottest = hot.hottest("project", 9);
    assert_eq!(hottest.len(), 2);
    assert!((hottest[0].rate / hottest[1].rate - 2.0).abs() < 1e-6);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_in_keys_and_in_families() {
    let hot = HotKeys::builder().sample(1).capacity(10).build();
    for rank in 0..1_000 {
        read(&hot, &[key(rank)]);
    }
    let hottest = hot.hottest("project", usize::MAX);
    assert_eq!(hottest.len(), 10);
    let sum: f64 = hottest.iter().map(|hot| hot.rate).sum();
    assert!(
        hottest.iter().all(|hot| hot.rate - hot.error < sum / 900.0),
        "none is said to be hotter than it was"
    );
    for number in 0..2 * FAMILIES {
        let family: &'static str = format!("family{number}").leak();
        hot.observe(&Event::cache_read(family, &[key(1)], CacheReads::hits(1)));
    }
    assert_eq!(hot.inner.seen.lock().families.len(), FAMILIES);
}

#[test]
fn one_seed_draws_the_same_reads_again_and_about_as_many_as_it_should() {
    let drawn = |seed| {
        let hot = HotKeys::builder().sample(8).seed(seed).build();
        for rank in 0..500 {
            read(&hot, &[key(rank)]);
        }
        let keys = hot.hottest("project", 500).into_iter();
        keys.map(|hot| hot.key).collect::<HashSet<_>>()
    };
    let (one, same, other) = (drawn(7), drawn(7), drawn(8));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!((40..90).contains(&one.len()), "{} of 500", one.len());
}

#[test]
fn keys_come_as_their_family_and_others_are_left_out() {
    let hot = HotKeys::builder().sample(1).build();
    let schema = KeySchema::sharded();
    let tree = ProjectKey::file_tree(ProjectId::new("proj456").unwrap());
    read(&hot, &[schema.key(&tree), key(1)]);
    assert_eq!(hot.hottest_of::<ProjectKey>(&schema, 10), [tree]);
}
