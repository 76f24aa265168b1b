//! Calls that come while others of their kind are under way go together.
//!
//! Nothing waits for a timer: the first calls go at once, and what comes before they are answered goes in one run as soon as one
//! of them is. Whoever is first in line leads, so that no task is needed.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    mem::take,
    sync::Arc,
};

use cachekit_store::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How many runs of one kind are under way at most.
const RUNS: usize = 2;
/// How many calls go together at most.
const MOST: usize = 64;

/// What gathers calls with an argument `T` and an answer `R`; those of different kinds `K` do not know of each other.
pub(super) struct Gather<K: Hash + Eq, T, R> {
    kinds: Mutex<HashMap<K, Kind<K, T, R>>>,
}

struct Kind<K: Hash + Eq, T, R> {
    /// How many runs are under way.
    runs: usize,
    waiting: VecDeque<Call<K, T, R>>,
}

struct Call<K: Hash + Eq, T, R> {
    argument: T,
    turn: oneshot::Sender<Turn<K, T, R>>,
}

/// Where a caller waits for its turn.
type Waiting<K, T, R> = oneshot::Receiver<Turn<K, T, R>>;
/// Who leads, and who goes with it.
type Party<K, T, R> = (Call<K, T, R>, Vec<Call<K, T, R>>);

/// What a caller who waits hears.
enum Turn<K: Hash + Eq, T, R> {
    Answer(Result<R>),
    /// It is to run its own argument, and those of others with it.
    Lead(T, Lead<K, T, R>),
}

/// One of the runs under way, until it is over or whoever leads it goes away.
struct Lead<K: Hash + Eq, T, R> {
    gather: Arc<Gather<K, T, R>>,
    kind: Option<K>,
    /// Who goes with it.
    others: Vec<Call<K, T, R>>,
}

impl<K: Hash + Eq, T, R> Gather<K, T, R> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            kinds: Mutex::default(),
        })
    }

    /// Makes one call, by `run`, which answers for each of the arguments that it is given.
    ///
    /// # Errors
    /// Those of the run, which all who went together share. `Unavailable`, and perhaps applied, where whoever led went away.
    ///
    /// # Cancel safety
    /// A caller who goes away while it waits has called nothing, or is part of a run that goes on without it. One that leads
    /// takes its run along, and hands the lead on.
    pub(super) async fn call<F>(
        self: &Arc<Self>,
        kind: K,
        argument: T,
        run: impl FnOnce(Vec<T>) -> F,
    ) -> Result<R>
    where
        K: Clone,
        F: Future<Output = Result<Vec<R>>>,
    {
        let turn = match self.join(kind, argument) {
            Ok(turn) => turn,
            Err(waiting) => waiting.await.map_err(|_| forsaken())?,
        };
        match turn {
            Turn::Answer(answer) => answer,
            Turn::Lead(argument, lead) => lead.run(argument, run).await,
        }
    }

    /// A turn at once, or the place to wait for one.
    fn join(self: &Arc<Self>, kind: K, argument: T) -> Result<Turn<K, T, R>, Waiting<K, T, R>>
    where
        K: Clone,
    {
        let mut kinds = self.kinds.lock();
        let known = match kinds.entry(kind.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(Kind {
                runs: 0,
                waiting: VecDeque::new(),
            }),
        };
        if known.runs == RUNS {
            let (turn, waiting) = oneshot::channel();
            known.waiting.push_back(Call { argument, turn });
            return Err(waiting);
        }
        known.runs += 1;
        Ok(Turn::Lead(argument, self.lead(kind, Vec::new())))
    }

    fn lead(self: &Arc<Self>, kind: K, others: Vec<Call<K, T, R>>) -> Lead<K, T, R> {
        Lead {
            gather: Arc::clone(self),
            kind: Some(kind),
            others,
        }
    }

    /// A run is over: those who wait go next, and `back` first, who were to go with it.
    fn leave(self: &Arc<Self>, kind: K, back: Vec<Call<K, T, R>>) {
        let Some((next, others)) = self.next(&kind, back) else {
            return;
        };
        // Where it has gone away by now, the lead is dropped, which leads back here.
        let Call { argument, turn } = next;
        let _ = turn.send(Turn::Lead(argument, self.lead(kind, others)));
    }

    /// Who is to lead, and who goes with it.
    fn next(&self, kind: &K, back: Vec<Call<K, T, R>>) -> Option<Party<K, T, R>> {
        let mut kinds = self.kinds.lock();
        let known = kinds.get_mut(kind)?;
        for call in back.into_iter().rev() {
            known.waiting.push_front(call);
        }
        known.waiting.retain(|call| !call.turn.is_closed());
        let Some(next) = known.waiting.pop_front() else {
            known.runs -= 1;
            if known.runs == 0 {
                kinds.remove(kind);
            }
            return None;
        };
        let count = known.waiting.len().min(MOST - 1);
        let others = known.waiting.drain(..count).collect();
        Some((next, others))
    }
}

impl<K: Hash + Eq, T, R> Lead<K, T, R> {
    async fn run<F>(mut self, argument: T, run: impl FnOnce(Vec<T>) -> F) -> Result<R>
    where
        F: Future<Output = Result<Vec<R>>>,
    {
        let others = take(&mut self.others);
        let mut arguments = Vec::with_capacity(1 + others.len());
        let mut turns = Vec::with_capacity(others.len());
        arguments.push(argument);
        for Call { argument, turn } in others {
            arguments.push(argument);
            turns.push(turn);
        }
        let answers = run(arguments).await;
        drop(self);
        let mut answers = match answers {
            Ok(answers) => answers.into_iter(),
            Err(error) => {
                for turn in turns {
                    let _ = turn.send(Turn::Answer(Err(error.clone())));
                }
                return Err(error);
            }
        };
        let own = answers.next().ok_or_else(forsaken);
        for (turn, answer) in turns.into_iter().zip(answers) {
            let _ = turn.send(Turn::Answer(Ok(answer)));
        }
        own
    }
}

impl<K: Hash + Eq, T, R> Drop for Lead<K, T, R> {
    fn drop(&mut self) {
        if let Some(kind) = self.kind.take() {
            self.gather.leave(kind, take(&mut self.others));
        }
    }
}

fn forsaken() -> Error {
    Error::new(ErrorKind::Unavailable, "lease")
        .with_may_have_applied(true)
        .with_detail("whoever led this run of a script went away")
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin, task::Poll};

    use cachekit_store::{Error, ErrorKind, Result};
    use futures_util::{future::join_all, poll};
    use tokio::sync::Notify;

    use super::{Gather, MOST, RUNS};

    type Doubling = Gather<&'static str, u32, u32>;

    async fn double(numbers: Vec<u32>) -> Result<Vec<u32>> {
        Ok(numbers.into_iter().map(|number| 2 * number).collect())
    }

    fn is_ready<T>(poll: Poll<T>) -> bool {
        poll.is_ready()
    }

    #[tokio::test]
    async fn each_caller_gets_the_answer_to_its_own_argument() {
        let gather = Doubling::new();
        let calls = (0..500).map(|number| gather.call("kind", number, double));
        let answers: Vec<u32> = join_all(calls)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            answers,
            (0..500).map(|number| 2 * number).collect::<Vec<_>>()
        );
        assert!(gather.kinds.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn what_comes_while_runs_are_under_way_goes_in_one() {
        let (gather, gate, sizes) = (
            Doubling::new(),
            Notify::new(),
            parking_lot::Mutex::default(),
        );
        let (gate, sizes): (&Notify, &parking_lot::Mutex<Vec<usize>>) = (&gate, &sizes);
        let call = |number| {
            gather.call("kind", number, move |numbers| async move {
                sizes.lock().push(numbers.len());
                gate.notified().await;
                double(numbers).await
            })
        };
        let mut calls = pin!(join_all((0..).take(RUNS + MOST + 3).map(call)));
        assert!(!is_ready(poll!(&mut calls)));
        assert_eq!(*sizes.lock(), [1; RUNS], "the first go at once");
        gate.notify_one();
        assert!(!is_ready(poll!(&mut calls)));
        assert_eq!(
            sizes.lock()[RUNS..],
            [MOST],
            "the others together, up to the bound"
        );
        for _ in 0..4 {
            gate.notify_one();
            if is_ready(poll!(&mut calls)) {
                break;
            }
        }
        assert_eq!(sizes.lock()[RUNS + 1..], [3]);
    }

    #[tokio::test]
    async fn kinds_do_not_wait_for_each_other() {
        let gather = Doubling::new();
        let never = |_| pending();
        let mut stuck = pin!(join_all(
            (0..).take(RUNS).map(|n| gather.call("stuck", n, never))
        ));
        assert!(!is_ready(poll!(&mut stuck)));
        assert_eq!(gather.call("other", 4, double).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn an_error_is_everybodys_and_the_next_run_is_tried() {
        let gather = Doubling::new();
        let fail = |_| async { Err(Error::new(ErrorKind::Timeout, "run")) };
        let failed = join_all((0..5).map(|number| gather.call("kind", number, fail))).await;
        assert!(failed.iter().all(|failed| {
            failed
                .as_ref()
                .is_err_and(|e| e.kind() == ErrorKind::Timeout)
        }));
        assert_eq!(gather.call("kind", 4, double).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_leader_that_goes_away_hands_the_lead_on() {
        let gather = Doubling::new();
        let mut leaders: Vec<_> = (0..)
            .take(RUNS)
            .map(|number| Box::pin(gather.call("kind", number, |_| pending())))
            .collect();
        for leader in &mut leaders {
            assert!(!is_ready(poll!(leader)));
        }
        let mut waiting = pin!(join_all(
            [7, 8].map(|number| gather.call("kind", number, double))
        ));
        assert!(!is_ready(poll!(&mut waiting)));
        drop(leaders);
        let answers = waiting.await;
        assert_eq!(
            answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [14, 16]
        );
        assert!(gather.kinds.lock().is_empty());
    }

    #[tokio::test]
    async fn the_lead_of_one_who_went_away_unawares_goes_to_the_next() {
        let gather = Doubling::new();
        let gate = Notify::new();
        let gated = |numbers| async {
            gate.notified().await;
            double(numbers).await
        };
        let mut runs = pin!(join_all(
            (0..).take(RUNS).map(|n| gather.call("kind", n, gated))
        ));
        assert!(!is_ready(poll!(&mut runs)));
        let mut first = Box::pin(gather.call("kind", 5, double));
        let mut second = pin!(gather.call("kind", 6, double));
        assert!(!is_ready(poll!(&mut first)));
        assert!(!is_ready(poll!(&mut second)));
        gate.notify_waiters();
        assert!(
            is_ready(poll!(&mut runs)),
            "the first has the lead now, and does not know"
        );
        drop(first);
        assert_eq!(second.await.unwrap(), 12);
        assert!(gather.kinds.lock().is_empty());
    }
}
