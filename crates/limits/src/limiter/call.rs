//! From a question to a script's call, and from its reply to statuses.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, RateLimitKey, RateLimitState, Segment, UserId};
use cachekit_store::{Error, ErrorKind, Reply, Result, Script, ScriptCall, ScriptEffect};

use super::Limiter;
use crate::{
    Limit, LimitStatus,
    calendar::Span,
    error::unexpected,
    limit::Algorithm,
    script::{self, peeking},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Take,
    Peek,
    Refund,
    /// A refund with an id.
    Once,
}

/// What is asked of all limits at once.
pub(super) struct Ask<'a> {
    pub(super) op: Op,
    pub(super) cost: u64,
    pub(super) need: u64,
    /// For a refund: the windows that were charged.
    windows: &'a [i64],
    /// Of a refund that is made once.
    id: Option<Segment>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(op: Op, cost: u64, need: u64) -> Self {
        Self {
            op,
            cost,
            need,
            windows: &[],
            id: None,
        }
    }

    pub(super) fn refund(units: u64, windows: &'a [i64]) -> Self {
        Self {
            op: Op::Refund,
            cost: units,
            need: 0,
            windows,
            id: None,
        }
    }

    pub(super) fn once(mut self, id: Segment) -> Self {
        (self.op, self.id) = (Op::Once, Some(id));
        self
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
        if let Some(charged) = self.ask_briefly(subject, ask).await? {
            return Ok(charged);
        }
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
        Err(clock_is_being_set(script.name))
    }

    fn script(&self, op: Op) -> Script {
        let algorithm = self.inner.algorithm();
        let script = algorithm.map_or(script::MIXED, Algorithm::script);
        match op {
            Op::Peek => peeking(script),
            Op::Take | Op::Refund => script,
            // The id makes it repeatable.
            Op::Once => script.with_effect(ScriptEffect::Idempotent),
        }
    }

    fn call(&self, subject: &UserId, ask: &Ask<'_>) -> Result<ScriptCall> {
        let op = match ask.op {
            Op::Take => "take",
            Op::Peek => "peek",
            Op::Refund => "refund",
            Op::Once => "once",
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
        if let Some(id) = &ask.id {
            let (user, state) = (subject.clone(), RateLimitState::Refund);
            let name = id.clone();
            let key = RateLimitKey::State { user, state, name };
            call.keys.push(self.inner.schema.key(&key));
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
        let spans = self.spans(limit)?;
        let first = call.keys.len();
        self.add_keys(&mut call.keys, subject, limit, &spans);
        let slot = call.keys[first].slot();
        add_args(&mut call.args, limit, window, &spans, slot);
        Ok(())
    }

    /// The windows of the calendar that a call may fall into; none for other limits.
    pub(super) fn spans(&self, limit: &Limit) -> Result<Vec<Span>> {
        match limit.algorithm() {
            Algorithm::Calendar { period, .. } => period.windows(self.inner.clock.guess()),
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn add_keys(
        &self,
        keys: &mut Vec<Key>,
        subject: &UserId,
        limit: &Limit,
        spans: &[Span],
    ) {
        if limit.penalty_micros() > 0 {
            keys.push(self.state_key(subject, limit, RateLimitState::Block));
        }
        if let Some(state) = limit.algorithm().state() {
            keys.push(self.state_key(subject, limit, state));
        }
        if let Algorithm::Calendar { period, .. } = limit.algorithm() {
            let schema = &self.inner.schema;
            keys.push(schema.key(&period.limit_key(subject.clone())));
            let counter = |span: &Span| period.counter_key(subject.clone(), span.first);
            keys.extend(spans.iter().map(|span| schema.key(&counter(span))));
        }
    }

    pub(super) fn state_key(&self, subject: &UserId, limit: &Limit, state: RateLimitState) -> Key {
        let schema = &self.inner.schema;
        schema.rate_limit_state(subject, state, limit.segment())
    }

    pub(super) fn charged(
        &self,
        script: &'static str,
        taken: i64,
        rows: &[i64],
    ) -> Result<Charged> {
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

pub(super) fn clock_is_being_set(script: &'static str) -> Error {
    Error::new(ErrorKind::NotReady, script).with_detail("the server's clock is being set")
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

/// What a script has to know of a limit. `slot` is where its keys lie.
pub(super) fn add_args(
    args: &mut Vec<Bytes>,
    limit: &Limit,
    window: i64,
    spans: &[Span],
    slot: u16,
) {
    let algorithm = limit.algorithm();
    args.push(Bytes::from_static(algorithm.word().as_bytes()));
    push(args, &[limit.penalty_micros(), window]);
    push(args, &algorithm.args());
    if let Algorithm::Calendar { .. } = algorithm {
        let extra = GRACE + i64::from(slot) * SPREAD_PER_SLOT;
        push(args, &[extra, i64::try_from(spans.len()).unwrap_or(0)]);
        for span in spans {
            push(args, &[span.start, span.end]);
        }
    }
}

fn push(args: &mut Vec<Bytes>, numbers: &[i64]) {
    args.extend(numbers.iter().map(|number| number.to_string().into()));
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
