//! Calls of scripts as transactions of plain commands, where a script has a plan for them.
//!
//! Each call is a transaction of its own. It ends with `TIME`: so the server's time, which the plan had to guess, is verified
//! by the same round trip, and a clock that is set back meanwhile never goes unnoticed. A transaction that was refused is
//! followed by the script, one that deviated from its plan by what mends it. One whose answer was lost is followed by
//! nothing: it may have been applied, and is reported so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Instant as Moment, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    link::{Link, Live},
    request::Operation,
    scripts::ScriptClock,
};
use crate::{Commands, Deviation, MAX_DRIFT_MS, Reply, Result, ScriptCall, ScriptPlan};

/// After a server refused a transaction and then took the script, so many batches go as scripts at once: it may refuse a
/// command to this user, or be something before a server that does not know transactions.
const PAUSE: u32 = 1_000;

/// What plans need to know of the server.
pub(super) struct Planning {
    /// The server's time in milliseconds when `since` was now. This machine's own clock has a say in it only until the
    /// first answer: a clock that is set must not move what is known of the server's.
    origin: AtomicI64,
    since: Moment,
    /// What tests put in the place of the estimate, in milliseconds.
    guess: Option<ScriptClock>,
    /// How many batches are not to be planned.
    pause: AtomicU32,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// It went as planned.
    Done(Reply),
    /// Its script is to be run, and nothing has been done yet.
    Unplanned,
    /// The same, as the server refused the transaction.
    Refused,
    /// What was planned has been done, with deviations that are to be mended.
    Deviated(Reply, Deviation),
    /// Its script is to be run after commands some of which were carried out.
    Failed,
}

/// Takes down the commands of a plan.
struct Draft {
    pipeline: Pipeline,
    /// What commands have to answer, by their places in the transaction.
    expected: Vec<(usize, i64)>,
    /// The places of commands that may fail.
    attempted: Vec<usize>,
}

impl Commands for Draft {
    fn add(&mut self, words: &[&[u8]]) {
        let bytes = words.iter().map(|word| word.len()).sum();
        let mut command = Cmd::with_capacity(words.len(), bytes);
        for word in words {
            command.arg(*word);
        }
        self.pipeline.add_command(command);
    }

    fn attempt(&mut self, words: &[&[u8]]) {
        self.attempted.push(self.place());
        self.add(words);
    }

    fn expect(&mut self, words: &[&[u8]], answer: i64) {
        self.expected.push((self.place(), answer));
        self.add(words);
    }
}

impl Draft {
    /// The commands of a call, and what the script would answer.
    ///
    /// The transaction is written out, as the library's own hides which of its parts was refused.
    fn of(plan: ScriptPlan, call: &ScriptCall, now: u64) -> Option<(Self, Reply)> {
        let mut draft = Self {
            pipeline: Pipeline::with_capacity(8),
            expected: Vec::new(),
            attempted: Vec::new(),
        };
        draft.add(&[b"MULTI"]);
        let reply = plan(&mut draft, &call.keys, &call.args, now)?;
        draft.add(&[b"TIME"]);
        draft.add(&[b"EXEC"]);
        Some((draft, reply))
    }

    /// The place in the transaction of the command that is added next.
    fn place(&self) -> usize {
        self.pipeline.len() - 1
    }

    /// In what the answers deviate from the plan, but for the time; `None` where a command failed that must not.
    fn deviation(&self, replies: &[Value]) -> Option<Deviation> {
        let mut deviation = Deviation::default();
        for (place, reply) in replies.iter().enumerate() {
            if matches!(reply, Value::ServerError(_)) {
                if !self.attempted.contains(&place) {
                    return None;
                }
                deviation.failed = true;
            }
        }
        let is_met =
            |(place, answer): &(usize, i64)| replies.get(*place) == Some(&Value::Int(*answer));
        deviation.unexpected = !self.expected.iter().all(is_met);
        Some(deviation)
    }
}

impl Planning {
    /// The estimate of the server's time is `guess` where that is given.
    pub(super) fn new(guess: Option<ScriptClock>) -> Self {
        Self {
            origin: AtomicI64::new(own_time()),
            since: Moment::now(),
            guess,
            pause: AtomicU32::new(0),
        }
    }

    /// The server's time in milliseconds since the Unix epoch, as far as is known.
    fn now(&self) -> u64 {
        match &self.guess {
            Some(clock) => clock(),
            None => {
                let now = self.origin.load(Ordering::Relaxed) + self.elapsed();
                u64::try_from(now).unwrap_or_default()
            }
        }
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Learns the server's time, which it had somewhen from `sent` to `received`. What is known stays where that is
    /// possible, so that slow answers do not move it.
    fn learn(&self, server: u64, sent: i64, received: i64) {
        let server = i64::try_from(server).unwrap_or(i64::MAX);
        let known = self.origin.load(Ordering::Relaxed);
        let possible = known.clamp(server - received.max(sent), server - sent);
        if possible != known {
            self.origin.store(possible, Ordering::Relaxed);
        }
    }

    /// Whether the next batch may be planned.
    fn is_on(&self) -> bool {
        let less = |pause: u32| pause.checked_sub(1);
        let paused = self
            .pause
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        paused.is_err()
    }

    /// The server does not take transactions that it takes as scripts.
    pub(super) fn pause(&self) {
        self.pause.store(PAUSE, Ordering::Relaxed);
    }
}

impl Link {
    /// Sends calls by their plan, each in a transaction, all in one round trip; answers what became of each.
    pub(super) async fn send_planned(
        &self,
        operation: Operation,
        planning: &Planning,
        plan: ScriptPlan,
        calls: &[ScriptCall],
        deadline: Instant,
    ) -> Result<Vec<Result<Planned>>> {
        if !planning.is_on() {
            return Ok(calls.iter().map(|_| Ok(Planned::Unplanned)).collect());
        }
        let live = self.ready(operation, deadline).await?;
        // The first poll of each writes it down and hands it to the connection: they are sent in order, and the server
        // works on the first while the next is written.
        let runs = calls
            .iter()
            .map(|call| self.follow(operation, planning, plan, call, &live, deadline));
        Ok(join_all(runs).await)
    }

    async fn follow(
        &self,
        operation: Operation,
        planning: &Planning,
        plan: ScriptPlan,
        call: &ScriptCall,
        live: &Arc<Live>,
        deadline: Instant,
    ) -> Result<Planned> {
        let (guess, sent_at) = (planning.now(), planning.elapsed());
        let Some((draft, reply)) = Draft::of(plan, call, guess) else {
            return Ok(Planned::Unplanned);
        };
        let mut connection = live.connection();
        let sent = connection.send_packed_commands(&draft.pipeline, 0, draft.pipeline.len());
        let sent = timeout_at(deadline, sent).await;
        let mut answers = self.judge(operation, live, sent)?;
        let is_atomic = answers.first() == Some(&Value::Okay);
        let replies = match (answers.pop(), is_atomic) {
            (Some(Value::Array(replies)), true) => replies,
            (_, false) => {
                // Without `MULTI` each command stood for itself.
                planning.pause();
                answers.into_iter().skip(1).collect()
            }
            (answer, true) => {
                // After any other refusal than this the connection would go on to queue what others send on it.
                let is_over = matches!(&answer, Some(Value::ServerError(error)) if error.code() == "EXECABORT");
                if !is_over {
                    self.discard(live);
                }
                return Ok(Planned::Refused);
            }
        };
        let server = replies.last().and_then(milliseconds);
        if let Some(server) = server {
            planning.learn(server, sent_at, planning.elapsed());
        }
        let Some(mut deviation) = draft.deviation(&replies) else {
            return Ok(Planned::Failed);
        };
        deviation.failed |= !is_atomic;
        deviation.untimely = server.is_none_or(|server| guess.abs_diff(server) > MAX_DRIFT_MS);
        Ok(match deviation == Deviation::default() {
            true => Planned::Done(reply),
            false => Planned::Deviated(reply, deviation),
        })
    }
}

/// The answer of `TIME`: seconds and microseconds.
fn milliseconds(time: &Value) -> Option<u64> {
    let Value::Array(parts) = time else {
        return None;
    };
    let mut parts = parts.iter().map(|part| match part {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    });
    let (seconds, micros) = (parts.next()??, parts.next()??);
    Some(seconds * 1_000 + micros / 1_000)
}

fn own_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::{Draft, Planning};
    use crate::{Commands, Deviation, Reply, ScriptCall};

    #[test]
    fn the_servers_time_is_known_after_one_answer_whatever_the_own_clock_says() {
        let planning = Planning::new(None);
        let server = planning.now() + 3_600_000;
        planning.learn(server, planning.elapsed(), planning.elapsed());
        assert!(planning.now().abs_diff(server) < 5_000);
    }

    #[test]
    fn a_slow_answer_does_not_move_what_is_known() {
        let planning = Planning::new(None);
        planning.learn(1_000_000, 0, 0);
        let known = || planning.origin.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(known(), 1_000_000);
        // Read at 2 000 at the server, and heard of at 30 000.
        planning.learn(1_002_000, 1_000, 30_000);
        assert_eq!(known(), 1_000_000);
        planning.learn(1_005_000, 1_000, 3_000);
        assert_eq!(known(), 1_002_000, "the server's clock was set");
    }

    fn plan(
        commands: &mut dyn Commands,
        _: &[cachekit_keys::Key],
        _: &[bytes::Bytes],
        _: u64,
    ) -> Option<Reply> {
        commands.attempt(&[b"ZADD", b"i", b"1", b"k"]);
        commands.add(&[b"SET", b"k", b"v"]);
        commands.expect(&[b"DEL", b"l"], 0);
        Some(Reply::Integer(1))
    }

    #[test]
    fn answers_other_than_planned_deviate_and_failures_of_what_must_not_fail() {
        let call = ScriptCall::new(Vec::new(), Vec::new());
        let (draft, _) = Draft::of(plan, &call, 0).expect("it is planned");
        let error = || redis::parse_redis_value(b"-WRONGTYPE it is\r\n").expect("a reply");
        let deviation = |replies: [Value; 3]| draft.deviation(&replies);
        let (one, none) = (|| Value::Int(1), || Value::Int(0));
        let as_planned = Deviation::default();
        assert_eq!(deviation([one(), Value::Okay, none()]), Some(as_planned));
        let unexpected = Deviation {
            unexpected: true,
            ..as_planned
        };
        assert_eq!(deviation([one(), Value::Okay, one()]), Some(unexpected));
        let failed = Deviation {
            failed: true,
            ..as_planned
        };
        assert_eq!(deviation([error(), Value::Okay, none()]), Some(failed));
        assert_eq!(deviation([one(), error(), none()]), None);
        assert_eq!(deviation([one(), Value::Okay, error()]), None);
    }

    #[test]
    fn a_pause_lasts_for_so_many_batches() {
        let planning = Planning::new(None);
        assert!(planning.is_on());
        planning.pause();
        let skipped = std::iter::repeat_with(|| planning.is_on()).take_while(|is_on| !is_on);
        assert_eq!(skipped.count(), super::PAUSE as usize);
    }
}
