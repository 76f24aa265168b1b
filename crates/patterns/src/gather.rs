//! Calls that come while others of their kind are under way go together.
//!
//! Nothing waits for a timer: the first calls go at once, and what comes before they are answered goes in one run as soon as one
//! of them is, or has taken unusually long. All who are in a run drive it, so that no task is needed, and one that goes away holds
//! up nobody.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use cachekit_store::{CoalescedCall, Coalescer, CoalescerOptions, Error, ErrorKind, Result};
use futures_util::FutureExt;
use parking_lot::Mutex;

/// How many runs of one kind are under way at most.
const RUNS: usize = 2;
/// How many calls go together at most.
const MOST: usize = 64;

/// What gathers calls with an argument `T` and an answer `R`; those of different kinds `K` do not know of each other.
pub(crate) struct Gather<K: Hash + Eq, T, R> {
    operation: &'static str,
    kinds: Mutex<HashMap<K, Coalescer<T, Landed<R>>>>,
}

/// What a run came back with.
struct Landed<R> {
    callers: usize,
    /// Each at its caller's place until it is taken.
    answers: Result<Mutex<Vec<Option<R>>>>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Others were in the run, and it may have failed for one of them.
    pub(crate) is_shared: bool,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

impl<K, T, R> Gather<K, T, R>
where
    K: Hash + Eq + Clone,
    T: Send + 'static,
    R: Send + 'static,
{
    /// Errors name calls so.
    pub(crate) fn new(operation: &'static str) -> Self {
        Self {
            operation,
            kinds: Mutex::default(),
        }
    }

    /// Makes one call, by the run that `lead` answers where the call is the first of one. The run answers for each of the
    /// arguments that it is given.
    ///
    /// # Errors
    /// Those of the run, which all who went together share.
    ///
    /// # Cancel safety
    /// A caller who goes away while it waits has called nothing. One that goes away later is part of a run that goes on for the
    /// others, and ends with the last of them.
    pub(crate) async fn call<F, Run>(
        &self,
        kind: K,
        argument: T,
        lead: impl FnOnce() -> Run,
    ) -> std::result::Result<R, Failed>
    where
        Run: FnOnce(Vec<T>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<R>>> + Send + 'static,
    {
        let turn = self.turn(kind);
        let joined = turn.calls.join(argument, || together(lead())).await;
        let alone = |error| Failed {
            error,
            is_shared: false,
        };
        let (landed, place) = joined.map_err(alone)?;
        match &landed.answers {
            Ok(answers) => {
                let answer = answers.lock().get_mut(place).and_then(Option::take);
                let missing = Error::new(ErrorKind::Unexpected, self.operation);
                answer.ok_or_else(|| alone(missing.with_may_have_applied(true)))
            }
            Err(error) => Err(Failed {
                error: error.clone(),
                is_shared: landed.callers > 1,
            }),
        }
    }

    fn turn(&self, kind: K) -> Turn<'_, K, T, R> {
        let options = CoalescerOptions::new(self.operation);
        let options = options.in_flight(RUNS).batch(MOST).queue(usize::MAX);
        let calls = match self.kinds.lock().entry(kind.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(vacant) => vacant.insert(Coalescer::new(options)).clone(),
        };
        Turn {
            gather: self,
            kind,
            calls,
        }
    }
}

/// A caller's part in the calls of a kind, which are forgotten when nobody has one.
struct Turn<'g, K: Hash + Eq, T: Send + 'static, R: Send + 'static> {
    gather: &'g Gather<K, T, R>,
    kind: K,
    calls: Coalescer<T, Landed<R>>,
}

impl<K: Hash + Eq, T: Send + 'static, R: Send + 'static> Drop for Turn<'_, K, T, R> {
    fn drop(&mut self) {
        // Not of its own calls: they may have been forgotten before it joined them, and others be under way.
        let mut kinds = self.gather.kinds.lock();
        if kinds.get(&self.kind).is_some_and(Coalescer::is_idle) {
            kinds.remove(&self.kind);
        }
    }
}

/// One run for all who have not gone away.
fn together<T, R, F>(run: impl FnOnce(Vec<T>) -> F + Send + 'static) -> CoalescedCall<T, Landed<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Future<Output = Result<Vec<R>>> + Send + 'static,
{
    Box::new(move |arguments| {
        let mut answers: Vec<Option<R>> = arguments.iter().map(|_| None).collect();
        let present = arguments.into_iter().enumerate();
        let present = present.filter_map(|(place, argument)| Some((place, argument?)));
        let (places, arguments): (Vec<usize>, Vec<T>) = present.unzip();
        let callers = places.len();
        if callers == 0 {
            let answers = Ok(Mutex::default());
            return std::future::ready(Landed { callers, answers }).boxed();
        }
        let running = run(arguments);
        let landing = async move {
            let ran = running.await.map(|ran| {
                for (place, answer) in places.into_iter().zip(ran) {
                    answers[place] = Some(answer);
                }
                Mutex::new(answers)
            });
            Landed {
                callers,
                answers: ran,
            }
        };
        landing.boxed()
    })
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        pin::pin,
        sync::Arc,
        task::Poll,
        time::Duration,
    };

    use cachekit_store::{Error, ErrorKind, Result};
    use futures_util::{future::join_all, poll};
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::{Gather, MOST, RUNS};

    type Doubling = Gather<&'static str, u32, u32>;

    fn double(numbers: Vec<u32>) -> std::future::Ready<Result<Vec<u32>>> {
        ready(Ok(numbers.into_iter().map(|number| 2 * number).collect()))
    }

    fn is_ready<T>(poll: Poll<T>) -> bool {
        poll.is_ready()
    }

    #[tokio::test]
    async fn each_caller_gets_the_answer_to_its_own_argument() {
        let gather = Doubling::new("double");
        let calls = (0..500).map(|number| gather.call("kind", number, || double));
        let answers: Vec<u32> = join_all(calls)
            .await
            .into_iter()
            .map(std::result::Result::unwrap)
            .collect();
        let expected: Vec<u32> = (0..500).map(|number| 2 * number).collect();
        assert_eq!(answers, expected);
        assert!(gather.kinds.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_runs_are_under_way_goes_in_one() {
        let gather = Doubling::new("double");
        let (gate, sizes) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let call = |number| {
            let (gate, sizes) = (Arc::clone(&gate), Arc::clone(&sizes));
            gather.call("kind", number, move || {
                move |numbers: Vec<u32>| async move {
                    sizes.lock().push(numbers.len());
                    gate.notified().await;
                    double(numbers).await
                }
            })
        };
        let mut calls = pin!(join_all((0..).take(RUNS + MOST + 3).map(call)));
        assert!(!is_ready(poll!(&mut calls)));
        assert_eq!(*sizes.lock(), [1; RUNS], "the first go at once");
        gate.notify_waiters();
        assert!(!is_ready(poll!(&mut calls)));
        assert_eq!(
            sizes.lock()[RUNS..],
            [MOST, 3],
            "the others together, up to the bound"
        );
        gate.notify_waiters();
        assert!(is_ready(poll!(&mut calls)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_hangs_is_not_waited_for() {
        let gather = Doubling::new("double");
        let never = || |_| pending();
        let mut stuck = pin!(join_all(
            (0..).take(RUNS).map(|n| gather.call("kind", n, never))
        ));
        assert!(!is_ready(poll!(&mut stuck)));
        let start = tokio::time::Instant::now();
        assert_eq!(gather.call("kind", 4, || double).await.unwrap(), 8);
        assert_eq!(start.elapsed(), Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_do_not_wait_for_each_other() {
        let gather = Doubling::new("double");
        let never = || |_| pending();
        let mut stuck = pin!(join_all(
            (0..).take(RUNS).map(|n| gather.call("stuck", n, never))
        ));
        assert!(!is_ready(poll!(&mut stuck)));
        let start = tokio::time::Instant::now();
        assert_eq!(gather.call("other", 4, || double).await.unwrap(), 8);
        assert!(start.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_everybodys_and_the_next_run_is_tried() {
        let gather = Doubling::new("double");
        let gate = Arc::new(Notify::new());
        let fail = || {
            let gate = Arc::clone(&gate);
            move |_: Vec<u32>| async move {
                gate.notified().await;
                Err(Error::new(ErrorKind::Timeout, "run"))
            }
        };
        let calls = (0..5).map(|number| gather.call("kind", number, fail));
        let mut calls = pin!(join_all(calls));
        assert!(!is_ready(poll!(&mut calls)));
        gate.notify_waiters();
        assert!(!is_ready(poll!(&mut calls)));
        gate.notify_waiters();
        let shared = calls.await.into_iter().map(|failed| {
            let failed = failed.unwrap_err();
            assert_eq!(failed.error.kind(), ErrorKind::Timeout);
            failed.is_shared
        });
        let shared: Vec<bool> = shared.collect();
        assert_eq!(shared, [false, false, true, true, true]);
        assert_eq!(gather.call("kind", 4, || double).await.unwrap(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_goes_on_without_the_caller_that_led_it() {
        let gather = Doubling::new("double");
        let gate = Arc::new(Notify::new());
        let gated = || {
            let gate = Arc::clone(&gate);
            move |numbers| async move {
                gate.notified().await;
                double(numbers).await
            }
        };
        let mut first = Box::pin(join_all(
            (0..).take(RUNS).map(|n| gather.call("kind", n, gated)),
        ));
        assert!(!is_ready(poll!(&mut first)));
        let mut leader = Box::pin(gather.call("kind", 7, gated));
        let mut other = pin!(gather.call("kind", 8, gated));
        assert!(!is_ready(poll!(&mut leader)));
        assert!(!is_ready(poll!(&mut other)));
        gate.notify_waiters();
        assert!(is_ready(poll!(&mut first)));
        assert!(!is_ready(poll!(&mut leader)), "their run is under way");
        drop(leader);
        gate.notify_waiters();
        assert_eq!(other.await.unwrap(), 16);
        assert!(gather.kinds.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_before_its_run_leaves_is_not_in_it() {
        let gather = Doubling::new("double");
        let never = || |_| pending();
        let stuck = (0..).take(RUNS).map(|n| gather.call("kind", n, never));
        let mut stuck = Box::pin(join_all(stuck));
        assert!(!is_ready(poll!(&mut stuck)));
        let mut gone = Box::pin(gather.call("kind", 5, || double));
        assert!(!is_ready(poll!(&mut gone)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = || {
            let seen = Arc::clone(&seen);
            move |numbers: Vec<u32>| {
                seen.lock().extend(numbers.iter().copied());
                double(numbers)
            }
        };
        drop((gone, stuck));
        assert_eq!(gather.call("kind", 6, note).await.unwrap(), 12);
        assert_eq!(*seen.lock(), [6]);
        assert!(gather.kinds.lock().is_empty());
    }
}
