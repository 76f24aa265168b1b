//! How far the sliding window counter is from the exact log: the numbers that the documentation gives.
#![expect(
    clippy::print_stdout,
    reason = "the numbers are for who writes the documentation"
)]

use std::{collections::VecDeque, time::Duration};

use cachekit_limits::Limit;
use fastrand::Rng;
use tokio::time::{Instant, advance};

use crate::support::{limiter, paused, user};

const LIMIT: u64 = 100;
const WIDTH: Duration = Duration::from_secs(60);
const CALLS: usize = 8_000;

/// How calls come.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    /// At random, so many times as often as the limit allows.
    Even(f64),
    /// For 20 of every 50 seconds, at four times what the limit allows.
    Bursts,
}

/// What the counter did with traffic that an exact log saw as well.
#[derive(Debug)]
struct Seen {
    /// Decisions that differ from the log's, of a thousand.
    differing: f64,
    /// What the counter let pass, in per cent of what the log did.
    passed: f64,
    /// The most that the counter let pass within a window's length anywhere, in per cent of the limit.
    most: f64,
}

/// Calls of the last window's length.
#[derive(Default)]
struct Log(VecDeque<Instant>);

impl Log {
    fn recent(&mut self) -> u64 {
        let now = Instant::now();
        while self.0.front().is_some_and(|then| now - *then >= WIDTH) {
            self.0.pop_front();
        }
        self.0.len() as u64
    }

    fn add(&mut self) {
        self.0.push_back(Instant::now());
    }
}

impl Traffic {
    fn pause(self, rng: &mut Rng, started: Instant) -> Duration {
        let times = match self {
            Self::Even(times) => times,
            Self::Bursts => 4.0,
        };
        let mean = WIDTH.as_secs_f64() / LIMIT as f64 / times;
        let pause = Duration::from_secs_f64(-(1.0 - rng.f64()).ln() * mean);
        let phase = (started.elapsed() + pause).as_secs_f64() % 50.0;
        match self {
            Self::Bursts if phase > 20.0 => pause + Duration::from_secs(30),
            _ => pause,
        }
    }
}

fn seen(traffic: Traffic) -> Seen {
    paused(async {
        let (counter, _) = limiter(vec![Limit::sliding_window(LIMIT, WIDTH).unwrap()]);
        let (mut exact, mut passed) = (Log::default(), Log::default());
        let (mut rng, started, user) = (Rng::with_seed(7), Instant::now(), user());
        let (mut differing, mut by_log, mut by_counter, mut most) = (0.0, 0.0, 0.0, 0);
        for _ in 0..CALLS {
            advance(traffic.pause(&mut rng, started)).await;
            let allowed = counter.check(&user, 1).await.unwrap().is_allowed();
            let expected = exact.recent() < LIMIT;
            if expected {
                exact.add();
                by_log += 1.0;
            }
            if allowed {
                passed.add();
                by_counter += 1.0;
            }
            if allowed != expected {
                differing += 1.0;
            }
            most = most.max(passed.recent());
        }
        Seen {
            differing: 1_000.0 * differing / CALLS as f64,
            passed: 100.0 * by_counter / by_log,
            most: 100.0 * most as f64 / LIMIT as f64,
        }
    })
}

#[test]
fn the_counter_is_close_to_the_log_for_traffic_that_comes_evenly() {
    for (times, differing, least, most) in [
        (0.5, 1.0, 99.9, 100.0),
        (1.0, 150.0, 99.0, 120.0),
        (2.0, 500.0, 99.0, 140.0),
        (10.0, 500.0, 99.0, 180.0),
    ] {
        let seen = seen(Traffic::Even(times));
        println!("{times} times the limit: {seen:.1?}");
        assert!(seen.differing <= differing, "{seen:?}");
        assert!(seen.passed >= least && seen.passed <= 104.0, "{seen:?}");
        assert!(seen.most <= most, "{seen:?}");
    }
}

#[test]
fn the_counter_lets_more_pass_in_bursts() {
    let seen = seen(Traffic::Bursts);
    println!("bursts: {seen:.1?}");
    assert!(seen.most > 120.0 && seen.most < 200.0, "{seen:?}");
}

/// All of one window at its end, and then as much as the counter lets pass: the worst that can be done to it.
#[test]
fn the_counter_never_lets_twice_the_limit_pass() {
    paused(async {
        let (counter, _) = limiter(vec![Limit::sliding_window(LIMIT, WIDTH).unwrap()]);
        let user = user();
        // The buckets of a minute begin at whole minutes: 39.876543 s from the start of the test's time.
        advance(Duration::from_micros(39_876_542)).await;
        let began = Instant::now();
        let first = counter.check_at_most(&user, LIMIT).await.unwrap().taken();
        assert_eq!(first, LIMIT);
        let mut second = 0;
        while began.elapsed() < WIDTH - Duration::from_millis(100) {
            advance(Duration::from_millis(100)).await;
            second += counter.check_at_most(&user, LIMIT).await.unwrap().taken();
        }
        println!("worst: {} of {LIMIT}", first + second);
        assert!((LIMIT * 9 / 10..LIMIT).contains(&second), "{second}");
    });
}
