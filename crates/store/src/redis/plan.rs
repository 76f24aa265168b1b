//! Calls of scripts as transactions of plain commands, where a script has a plan for them.
//!
//! Each call is a transaction of its own. The first on a connection, and one a second, ends with `TIME`: so the server's time,
//! which the plan had to guess, is verified by the same round trip. A transaction that was refused, or answered other than
//! planned, is followed by the script. One whose answer was lost is not: it may have been applied, and is reported so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    link::{Link, Live},
    request::Operation,
};
use crate::{Commands, MAX_DRIFT_MS, Reply, Result, ScriptCall, ScriptPlan};

/// After a server refused a transaction and then took the script, so many batches go as scripts at once: it may refuse a
/// command to this user, or be something before a server that does not know transactions.
const PAUSE: u32 = 1_000;

/// How long a server's clock is trusted to go on as it did.
const VERIFIED_FOR: Duration = Duration::from_secs(1);

/// What plans need to know of the server.
#[derive(Debug, Default)]
pub(super) struct Planning {
    /// The server's clock less this machine's, in milliseconds.
    offset: AtomicI64,
    /// On which connection that was last verified, by the time at which it was made, and when.
    verified: Mutex<Option<(Instant, Instant)>>,
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
    /// Its script is to be run after commands that were carried out, but not as planned.
    Strayed,
}

/// Takes down the commands of a plan.
struct Draft {
    pipeline: Pipeline,
    /// What commands have to answer, by their places in the transaction.
    expected: Vec<(usize, i64)>,
    /// Whether the last command is `TIME`.
    asks_time: bool,
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

    fn expect(&mut self, words: &[&[u8]], answer: i64) {
        self.expected.push((self.pipeline.len() - 1, answer));
        self.add(words);
    }
}

impl Draft {
    /// The commands of a call, and what the script would answer.
    ///
    /// The transaction is written out, as the library's own hides which of its parts was refused.
    fn of(plan: ScriptPlan, call: &ScriptCall, now: u64, asks_time: bool) -> Option<(Self, Reply)> {
        let mut draft = Self {
            pipeline: Pipeline::with_capacity(8),
            expected: Vec::new(),
            asks_time,
        };
        draft.add(&[b"MULTI"]);
        let reply = plan(&mut draft, &call.keys, &call.args, now)?;
        if asks_time {
            draft.add(&[b"TIME"]);
        }
        draft.add(&[b"EXEC"]);
        Some((draft, reply))
    }

    /// Whether the commands of the transaction answered as planned.
    fn is_met(&self, replies: &[Value]) -> bool {
        let failed = |reply: &Value| matches!(reply, Value::ServerError(_));
        let is_met =
            |(place, answer): &(usize, i64)| replies.get(*place) == Some(&Value::Int(*answer));
        !replies.iter().any(failed) && self.expected.iter().all(is_met)
    }
}

impl Planning {
    /// The server's time in milliseconds since the Unix epoch, as far as is known.
    fn now(&self) -> u64 {
        own_time().saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    /// Whether the next transaction on a connection made at `made` has to ask for the time.
    fn is_due(&self, made: Instant) -> bool {
        let verified = *self.verified.lock();
        verified.is_none_or(|(on, at)| on != made || at.elapsed() >= VERIFIED_FOR)
    }

    /// Learns the server's time from a connection made at `made`; answers whether `guess` was near enough.
    fn verify(&self, guess: u64, server: u64, made: Instant) -> bool {
        *self.verified.lock() = Some((made, Instant::now()));
        let offset = i128::from(server) - i128::from(own_time());
        let offset = i64::try_from(offset).unwrap_or_default();
        self.offset.store(offset, Ordering::Relaxed);
        guess.abs_diff(server) <= MAX_DRIFT_MS
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
    /// Runs calls by their plan, each in a transaction, all in one round trip; answers what became of each.
    pub(super) async fn run_planned(
        &self,
        operation: Operation,
        planning: &Planning,
        plan: ScriptPlan,
        calls: &[ScriptCall],
    ) -> Result<Vec<Result<Planned>>> {
        if !planning.is_on() {
            return Ok(calls.iter().map(|_| Ok(Planned::Unplanned)).collect());
        }
        let _call = self.in_flight.begin();
        let deadline = self.deadline();
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
        let (guess, is_due) = (planning.now(), planning.is_due(live.made()));
        let Some((draft, reply)) = Draft::of(plan, call, guess, is_due) else {
            return Ok(Planned::Unplanned);
        };
        let mut connection = live.connection();
        let sent = connection.send_packed_commands(&draft.pipeline, 0, draft.pipeline.len());
        let sent = timeout_at(deadline, sent).await;
        let mut answers = self.judge(operation, live, sent)?;
        let replies = match (answers.pop(), answers.first()) {
            (Some(Value::Array(replies)), Some(Value::Okay)) => replies,
            (Some(Value::ServerError(error)), Some(Value::Okay)) => {
                // After any other error than this the connection would go on to queue what others send on it.
                if error.code() != "EXECABORT" {
                    self.discard(live);
                }
                return Ok(Planned::Refused);
            }
            _ => {
                // Without `MULTI` each command stood for itself.
                planning.pause();
                return Ok(Planned::Strayed);
            }
        };
        let is_timely = !draft.asks_time
            || replies
                .last()
                .and_then(milliseconds)
                .is_some_and(|server| planning.verify(guess, server, live.made()));
        Ok(match is_timely && draft.is_met(&replies) {
            true => Planned::Done(reply),
            false => Planned::Strayed,
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

fn own_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::Value;
    use tokio::time::Instant;

    use super::{Draft, Planning, VERIFIED_FOR, own_time};
    use crate::{Commands, Reply, ScriptCall};

    #[test]
    fn a_servers_time_that_is_far_off_strays_once_and_is_known_then() {
        let (planning, made) = (Planning::default(), Instant::now());
        let server = own_time() + 3_600_000;
        assert!(!planning.verify(planning.now(), server, made));
        assert!(planning.verify(planning.now(), server, made));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_verified_on_each_connection_and_each_second() {
        let (planning, made) = (Planning::default(), Instant::now());
        assert!(planning.is_due(made));
        planning.verify(planning.now(), own_time(), made);
        assert!(!planning.is_due(made));
        assert!(planning.is_due(made + Duration::from_millis(1)));
        tokio::time::advance(VERIFIED_FOR).await;
        assert!(planning.is_due(made));
    }

    #[test]
    fn an_unexpected_answer_and_an_error_stray() {
        fn plan(
            commands: &mut dyn Commands,
            _: &[cachekit_keys::Key],
            _: &[bytes::Bytes],
            _: u64,
        ) -> Option<Reply> {
            commands.add(&[b"SET", b"k", b"v"]);
            commands.expect(&[b"EXISTS", b"l"], 0);
            Some(Reply::Integer(1))
        }
        let call = ScriptCall::new(Vec::new(), Vec::new());
        let (draft, _) = Draft::of(plan, &call, 0, false).expect("it is planned");
        let replies = |last: Value| [Value::Okay, last];
        assert!(draft.is_met(&replies(Value::Int(0))));
        assert!(!draft.is_met(&replies(Value::Int(1))));
        let mut failed = replies(Value::Int(0));
        failed[0] = redis::parse_redis_value(b"-OOM no memory\r\n").expect("a reply");
        assert!(!draft.is_met(&failed));
    }

    #[test]
    fn a_pause_lasts_for_so_many_batches() {
        let planning = Planning::default();
        assert!(planning.is_on());
        planning.pause();
        let skipped = std::iter::repeat_with(|| planning.is_on()).take_while(|is_on| !is_on);
        assert_eq!(skipped.count(), super::PAUSE as usize);
    }
}
