//! From a question to a script's call, and from its reply to statuses.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, RateLimitKey, RateLimitState, UserId};
use cachekit_store::{Error, ErrorKind, Reply, Result, Script, ScriptCall};

use super::Limiter;
use crate::{
    Limit, LimitStatus,
    error::unexpected,
    limit::Algorithm,
    script::{self, peeking},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Take,
    Peek,
    Refund,
}

/// What is asked of all limits at once.
pub(super) struct Ask<'a> {
    op: Op,
    cost: u64,
    need: u64,
    /// For a refund: the windows that were charged.
    windows: &'a [i64],
}

impl<'a> Ask<'a> {
    pub(super) fn new(op: Op, cost: u64, need: u64) -> Self {
        Self {
            op,
            cost,
            need,
            windows: &[],
        }
    }

    pub(super) fn refund(units: u64, windows: &'a [i64]) -> Self {
        Self {
            op: Op::Refund,
            cost: units,
            need: 0,
            windows,
        }
    }
}

/// What a script answered.
pub(super) struct Charged {
    pub(super) taken: u64,
    pub(super) statuses: Vec<LimitStatus>,
}

/// How much a key outlives its day or month at least, in milliseconds: an hour.
const GRACE: i64 = 3_600_000;
/// By how much the ends of keys are spread, so that not all expire at once: up to five minutes, by slot.
const SPREAD_PER_SLOT: i64 = 300_000 / 16_384;

/// How often a call is made again because the windows that it named lie elsewhere. Once is enough, unless the server's clock
/// is set meanwhile.
pub(crate) const ATTEMPTS: usize = 3;

impl Limiter {
    pub(super) async fn ask(&self, subject: &UserId, ask: &Ask<'_>) -> Result<Charged> {
        let script = self.script(ask.op);
        for _ in 0..ATTEMPTS {
            let call = self.call(subject, ask)?;
            let replies = self.inner.store.run_script(&script, &[call]).await?;
            let numbers = numbers(script.name, &replies)?;
            match numbers[..] {
                [-1, now] => self.inner.clock.learn(now),
                [taken, ref rows @ ..] => return self.charged(script.name, taken, rows),
                [] => return Err(unexpected(script.name)),
            }
        }
        Err(Error::new(ErrorKind::NotReady, script.name)
            .with_detail("the server's clock is being set"))
    }

    fn script(&self, op: Op) -> Script {
        let script = match &self.inner.limits[..] {
            [one] => one.algorithm().script(),
            _ => script::MIXED,
        };
        match op {
            Op::Peek => peeking(script),
            Op::Take | Op::Refund => script,
        }
    }

    fn call(&self, subject: &UserId, ask: &Ask<'_>) -> Result<ScriptCall> {
        let op = match ask.op {
            Op::Take => "take",
            Op::Peek => "peek",
            Op::Refund => "refund",
        };
        let mut call = ScriptCall::new(Vec::new(), vec![Bytes::from_static(op.as_bytes())]);
        // Above every limit, and still a number that a script can compare.
        for units in [ask.cost, ask.need] {
            call.args.push(units.min((1 << 52) + 1).to_string().into());
        }
        for (index, limit) in self.inner.limits.iter().enumerate() {
            let window = ask.windows.get(index).copied().unwrap_or(0);
            self.add(&mut call, subject, limit, window)?;
        }
        Ok(call)
    }

    fn add(
        &self,
        call: &mut ScriptCall,
        subject: &UserId,
        limit: &Limit,
        window: i64,
    ) -> Result<()> {
        let algorithm = limit.algorithm();
        call.args
            .push(Bytes::from_static(algorithm.word().as_bytes()));
        push(call, &[limit.penalty_micros(), window]);
        if limit.penalty_micros() > 0 {
            call.keys
                .push(self.state_key(subject, limit, RateLimitState::Block));
        }
        if let Some(state) = algorithm.state() {
            call.keys.push(self.state_key(subject, limit, state));
        }
        push(call, &algorithm.args());
        if let Algorithm::Calendar { period, .. } = algorithm {
            let spans = period.windows(self.inner.clock.guess())?;
            let stored = self.inner.schema.key(&period.limit_key(subject.clone()));
            let extra = GRACE + i64::from(stored.slot()) * SPREAD_PER_SLOT;
            call.keys.push(stored);
            push(call, &[extra, i64::try_from(spans.len()).unwrap_or(0)]);
            for span in spans {
                let counter = period.counter_key(subject.clone(), span.first);
                call.keys.push(self.inner.schema.key(&counter));
                push(call, &[span.start, span.end]);
            }
        }
        Ok(())
    }

    pub(super) fn state_key(&self, subject: &UserId, limit: &Limit, state: RateLimitState) -> Key {
        let (user, name) = (subject.clone(), limit.segment().clone());
        self.inner
            .schema
            .key(&RateLimitKey::State { user, state, name })
    }

    fn charged(&self, script: &'static str, taken: i64, rows: &[i64]) -> Result<Charged> {
        let (rows, rest) = rows.as_chunks::<6>();
        if rows.len() != self.inner.limits.len() || !rest.is_empty() {
            return Err(unexpected(script));
        }
        let statuses = self.inner.limits.iter().zip(rows);
        Ok(Charged {
            taken: taken.unsigned_abs(),
            statuses: statuses.map(|(limit, row)| status(limit, *row)).collect(),
        })
    }
}

fn status(limit: &Limit, row: [i64; 6]) -> LimitStatus {
    let [units, remaining, retry, reset, window, blocked] = row;
    LimitStatus {
        name: limit.shared_name(),
        limit: units.unsigned_abs(),
        remaining: remaining.unsigned_abs(),
        retry_after: u64::try_from(retry).ok().map(Duration::from_micros),
        reset_after: Duration::from_micros(reset.unsigned_abs()),
        blocked: Duration::from_micros(blocked.unsigned_abs()),
        window,
    }
}

fn push(call: &mut ScriptCall, numbers: &[i64]) {
    let text = |number: &i64| Bytes::from(number.to_string());
    call.args.extend(numbers.iter().map(text));
}

pub(crate) fn numbers(script: &'static str, replies: &[Reply]) -> Result<Vec<i64>> {
    let [Reply::Array(parts)] = replies else {
        return Err(unexpected(script));
    };
    let number = |reply: &Reply| match reply {
        Reply::Integer(number) => Ok(*number),
        _ => Err(unexpected(script)),
    };
    parts.iter().map(number).collect()
}
