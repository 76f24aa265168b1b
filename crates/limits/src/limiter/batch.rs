//! Checks of many callers in one call: who asks for what, and which part of the reply is whose.

use std::collections::HashMap;

use bytes::Bytes;
use cachekit_keys::UserId;
use cachekit_store::{Result, Script, ScriptCall};
use futures_util::future::join_all;

use super::{
    ATTEMPTS, Limiter,
    brief::{charged, text_of},
    call::{Ask, Charged, Op, add_args, clock_is_being_set, numbers},
};
use crate::{
    coalesce::{Call, Checks, Landed, Request},
    error::unexpected,
    script::{self, FAILED},
};

/// One subject's calls, in their order.
struct Entry<'a> {
    subject: &'a UserId,
    costs: Vec<u64>,
    places: Vec<usize>,
}

/// One run of a script, for subjects whose keys lie in one slot, or anywhere where there are no slots.
type Run<'a> = Vec<Entry<'a>>;

impl Limiter {
    /// Decides a check in a call that it shares with those that come meanwhile.
    pub(super) async fn ask_together(
        &self,
        checks: &Checks,
        subject: &UserId,
        cost: u64,
    ) -> Result<Charged> {
        let request = Request {
            subject: subject.clone(),
            cost,
        };
        let (landed, place) = checks.join(request, || self.call_of_many()).await?;
        match (landed.answer(place)?, &self.inner.brief) {
            // Only the general script knows what to make of it, and which error it is.
            ([FAILED, ..], _) => self.ask(subject, &Ask::new(Op::Take, cost, cost)).await,
            (numbers, Some(_)) => {
                let limits = &self.inner.limits;
                let (rows, _) = numbers.as_chunks::<3>();
                charged(limits, cost, rows.iter().copied().take(limits.len()))
            }
            ([taken, rows @ ..], None) => {
                let rows = rows.get(..6 * self.inner.limits.len()).unwrap_or_default();
                self.charged("check", *taken, rows)
            }
            _ => Err(unexpected("check")),
        }
    }

    fn call_of_many(&self) -> Call {
        let limiter = self.clone();
        Box::new(move |requests| Box::pin(async move { limiter.call_for(requests).await }))
    }

    async fn call_for(&self, requests: Vec<Option<Request>>) -> Landed {
        if requests.iter().all(Option::is_none) {
            return Landed::empty();
        }
        let runs = self.runs_of(&requests);
        let answers = join_all(runs.iter().map(|run| self.run(run)));
        self.landed(&runs, answers.await, requests.len())
    }

    /// Who is asked about in which run.
    fn runs_of<'a>(&self, requests: &'a [Option<Request>]) -> Vec<Run<'a>> {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut known: HashMap<&UserId, usize> = HashMap::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            let Some(Request { subject, cost }) = request else {
                continue;
            };
            let entry = *known.entry(subject).or_insert_with(|| {
                entries.push(Entry {
                    subject,
                    costs: Vec::new(),
                    places: Vec::new(),
                });
                entries.len() - 1
            });
            entries[entry].costs.push(*cost);
            entries[entry].places.push(place);
        }
        if !self.inner.store.capabilities().clustered {
            return vec![entries];
        }
        let mut slots: HashMap<u16, Run<'_>> = HashMap::new();
        for entry in entries {
            slots
                .entry(self.slot_of(entry.subject))
                .or_default()
                .push(entry);
        }
        slots.into_values().collect()
    }

    /// Where the subject's keys lie; the script fails where that is several slots.
    fn slot_of(&self, subject: &UserId) -> u16 {
        let mut keys = Vec::new();
        self.add_keys(&mut keys, subject, &self.inner.limits[0], &[]);
        keys[0].slot()
    }

    async fn run(&self, run: &Run<'_>) -> Result<Vec<i64>> {
        let script = self.batch_script();
        for _ in 0..ATTEMPTS {
            let call = [self.batch(run)?];
            let replies = self.inner.store.run_script(&script, &call).await?;
            let numbers = numbers(script.name, &replies)?;
            match numbers[..] {
                // The windows that were named lie elsewhere, and nothing was written.
                [-1, now] => self.inner.clock.learn(now),
                _ => return Ok(numbers),
            }
        }
        Err(clock_is_being_set(script.name))
    }

    fn batch_script(&self) -> Script {
        match (&self.inner.brief, self.inner.algorithm()) {
            (Some(brief), _) => brief.batch,
            (None, Some(algorithm)) => algorithm.batch_script(),
            (None, None) => script::ALL_MIXED,
        }
    }

    fn batch(&self, run: &Run<'_>) -> Result<ScriptCall> {
        let limits = &self.inner.limits;
        let spans: Result<Vec<_>> = limits.iter().map(|limit| self.spans(limit)).collect();
        let spans = spans?;
        let mut keys = Vec::with_capacity(run.len() * limits.len());
        for entry in run {
            for (limit, spans) in limits.iter().zip(&spans) {
                self.add_keys(&mut keys, entry.subject, limit, spans);
            }
        }
        let calls: usize = run.iter().map(|entry| entry.costs.len() + 1).sum();
        let mut args = match &self.inner.brief {
            Some(brief) => brief.args(calls),
            None => {
                let keys_each = keys.len() / run.len();
                let mut args = vec![Bytes::new(), keys_each.to_string().into()];
                for (limit, spans) in limits.iter().zip(&spans) {
                    add_args(&mut args, limit, 0, spans, keys[0].slot());
                }
                args[0] = args.len().to_string().into();
                args
            }
        };
        for entry in run {
            args.push(text_of(entry.costs.len() as u64));
            args.extend(entry.costs.iter().map(|cost| text_of(above_all(*cost))));
        }
        Ok(ScriptCall::new(keys, args))
    }

    /// Which part of the answers is whose.
    fn landed(&self, runs: &[Run<'_>], answers: Vec<Result<Vec<i64>>>, callers: usize) -> Landed {
        let width = match self.inner.brief {
            Some(_) => 3 * self.inner.limits.len(),
            None => 1 + 6 * self.inner.limits.len(),
        };
        let mut places = vec![(usize::MAX, 0); callers];
        for (index, (run, answer)) in runs.iter().zip(&answers).enumerate() {
            let mut begin = 0;
            for place in run.iter().flat_map(|entry| &entry.places) {
                places[*place] = (index, begin);
                let numbers = answer.as_deref().unwrap_or_default();
                begin += match numbers.get(begin) {
                    Some(&FAILED) => 1,
                    _ => width,
                };
            }
        }
        Landed::new(answers, places)
    }
}

/// Above every limit, and still a number that a script can compare.
fn above_all(cost: u64) -> u64 {
    cost.min((1 << 52) + 1)
}
