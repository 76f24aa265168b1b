//! From a question to the script's call, and from its reply to usage.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, UserId};
use cachekit_store::{Error, ErrorKind, Result, ScriptCall};

use super::{
    Overrun, Quota, Usage, WindowUsage,
    script::{COUNT, ENDLESS, REPEATABLE, status},
};
use crate::{
    calendar::{Span, Unit},
    error::{invalid, unexpected},
    limiter::{ATTEMPTS, numbers},
    warning,
};

/// How long a settled reservation is remembered, in microseconds: a day.
const KEEP: i64 = 86_400_000_000;
/// How long a counter outlives its window, in milliseconds: as long as something may still be charged to it.
const GRACE: i64 = 3 * 86_400_000;
/// By how much the ends of keys are spread, so that not all expire at once: up to five minutes, by slot.
const SPREAD_PER_SLOT: i64 = 300_000 / 16_384;

/// How often a call is made again because very many reservations are over: more often than all can be.
const ROUNDS: usize = 64;

/// What is asked of a quota.
pub(super) struct Ask<'a> {
    op: &'static str,
    amount: i64,
    id: &'a str,
    hold: i64,
}

impl<'a> Ask<'a> {
    pub(super) fn new(op: &'static str, amount: i64) -> Self {
        Self {
            op,
            amount,
            id: "",
            hold: 0,
        }
    }

    pub(super) fn of(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    pub(super) fn lasting(mut self, hold: i64) -> Self {
        self.hold = hold;
        self
    }
}

pub(super) struct Answer {
    pub(super) status: i64,
    /// An amount, by the status.
    pub(super) number: i64,
    pub(super) usage: Usage,
}

impl Quota {
    pub(super) async fn ask(&self, subject: &UserId, ask: &Ask<'_>) -> Result<Answer> {
        let script = match ask.op {
            "add" | "charge" => COUNT,
            _ => REPEATABLE,
        };
        let (mut moments, mut attempts, mut rounds) = (Vec::new(), 0, 0);
        while attempts < ATTEMPTS && rounds < ROUNDS {
            let call = self.call(subject, ask, &moments)?;
            let replies = self.inner.store.run_script(&script, &[call]).await?;
            let numbers = numbers(script.name, &replies)?;
            match numbers[..] {
                // Nothing was done but to free what is over, and there is more of that.
                [status::MORE, _] => rounds += 1,
                [status::OUTSIDE, now] => {
                    self.inner.clock.learn(now);
                    attempts += 1;
                }
                // A reservation of other windows than those around the present moment.
                [status::UNNAMED, _, ref ends @ ..] => {
                    moments = ends.iter().map(|end| end - 1).collect();
                    attempts += 1;
                }
                [status::OVERFLOW, ..] => {
                    return Err(invalid("quota", "the sum would be above 2^52"));
                }
                [status, now, number, ref rows @ ..] => {
                    let usage = self.usage_of(subject, now, rows)?;
                    return Ok(Answer {
                        status,
                        number,
                        usage,
                    });
                }
                _ => return Err(unexpected(script.name)),
            }
        }
        Err(Error::new(ErrorKind::NotReady, script.name)
            .with_detail("the server's clock is being set"))
    }

    fn call(&self, subject: &UserId, ask: &Ask<'_>, moments: &[i64]) -> Result<ScriptCall> {
        let inner = &self.inner;
        let holds = inner.meter.holds(&inner.schema, subject);
        let extra = GRACE + i64::from(holds[0].slot()) * SPREAD_PER_SLOT;
        let overrun = match inner.plan.overrun() {
            Overrun::Charge => "charge",
            Overrun::Cap => "cap",
            Overrun::Reject => "reject",
        };
        let args = vec![
            Bytes::from_static(ask.op.as_bytes()),
            Bytes::copy_from_slice(ask.id.as_bytes()),
            number(ask.amount),
            number(ask.hold),
            Bytes::from_static(overrun.as_bytes()),
            number(KEEP),
            number(extra),
        ];
        let mut call = ScriptCall::new(holds.to_vec(), args);
        for (unit, limit) in inner.plan.rows() {
            let word = unit.map_or("gauge", Unit::word);
            let windows = self.windows(subject, unit, moments)?;
            call.args.push(Bytes::from_static(word.as_bytes()));
            call.args.push(number(inner.plan.most(limit)));
            let period = unit.and_then(|unit| inner.plan.stored(unit));
            match period {
                Some(period) => {
                    let stored = period.limit_key(subject.clone());
                    call.args.push(number(inner.plan.most(Some(0))));
                    call.keys.push(inner.schema.key(&stored));
                }
                None => call.args.push(number(-1)),
            }
            call.args
                .push(number(i64::try_from(windows.len()).unwrap_or(0)));
            for (key, start, end) in windows {
                call.keys.push(key);
                call.args.extend([number(start), number(end)]);
            }
        }
        Ok(call)
    }

    /// The counters that the present moment may lie in, or a reservation, or one of `moments`.
    fn windows(
        &self,
        subject: &UserId,
        unit: Option<Unit>,
        moments: &[i64],
    ) -> Result<Vec<(Key, i64, i64)>> {
        let (schema, meter) = (&self.inner.schema, &self.inner.meter);
        let Some(unit) = unit else {
            let gauge = meter.gauge(schema, subject);
            return Ok(gauge.into_iter().map(|key| (key, 0, ENDLESS)).collect());
        };
        let zone = self.inner.plan.zone();
        let mut spans = unit.around(zone, self.inner.clock.guess())?;
        for moment in moments {
            let more = unit.around(zone, *moment)?;
            let here = |span: &Span| span.start <= *moment && *moment < span.end;
            let new = more
                .into_iter()
                .find(here)
                .filter(|span| !spans.contains(span));
            spans.extend(new);
        }
        let window = |span: Span| {
            let key = meter.counter(schema, subject, unit, span.first);
            (key, span.start, span.end)
        };
        Ok(spans.into_iter().map(window).collect())
    }

    fn usage_of(&self, subject: &UserId, now: i64, rows: &[i64]) -> Result<Usage> {
        let (rows, rest) = rows.as_chunks::<6>();
        let plan: Vec<_> = self.inner.plan.rows().collect();
        if rows.len() != plan.len() || !rest.is_empty() {
            return Err(unexpected(COUNT.name));
        }
        let window = |((unit, limit), row): (&(Option<Unit>, Option<i64>), &[i64; 6])| {
            let [used, held, ends, used_before, held_before, own] = *row;
            let own = u64::try_from(own).ok();
            let left = Duration::from_micros(ends.saturating_sub(now).unsigned_abs());
            let window = WindowUsage {
                unit: *unit,
                limit: own.or(limit.map(i64::unsigned_abs)),
                used: used.unsigned_abs(),
                held: held.unsigned_abs(),
                resets_in: unit.map(|_| left),
            };
            self.warn(subject, &window, used_before.saturating_add(held_before));
            window
        };
        let windows = plan.iter().zip(rows).map(window).collect();
        Ok(Usage { windows })
    }

    /// Tells of every threshold of the window that this call has gone over.
    fn warn(&self, subject: &UserId, window: &WindowUsage, before: i64) {
        if let (Some(warnings), Some(limit)) = (&self.inner.warnings, window.limit) {
            let usage = warning::Usage {
                counted: self.inner.meter.name(),
                window: Some(window.unit.map_or("gauge", Unit::word)),
                before: before.unsigned_abs(),
                after: window.used + window.held,
                limit,
                resets_in: window.resets_in,
            };
            warnings.tell(subject, &usage);
        }
    }
}

fn number(number: i64) -> Bytes {
    number.to_string().into()
}
