//! Scripts by their hash, and by their text once where the server does not know the hash.
//!
//! A server's script cache is empty after a restart or a failover, so `NOSCRIPT` is ordinary. It
//! is the one refusal after which a call is sent again: nothing of the script has run. It must be in the server's own words,
//! as a script may return an error of the same code.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;
use redis::{Cmd, Pipeline, ServerError, Value};
use tokio::time::Instant;

use super::{
    backend::{Backend, Route},
    commands::by_text,
    error::is_refusal,
    link::Link,
    plan::Planning,
    reply::{integer_text, script_reply},
    request::Operation,
};
use crate::{Error, ErrorKind, Increment, Reply, Result, Script, ScriptCall};

/// Adds to a counter and gives it a TTL where it has none.
///
/// A transaction would set the TTL on a key that `INCRBY` refused; a script stops there. The sum is
/// returned as text, because numbers above 2^53 do not survive Lua. It is read before the TTL is set: a server that is
/// held up while it sets a very short one finds it over, and deletes the key at once.
const INCREMENT: Script = Script::new(
    "increment",
    r"redis.call('INCRBY', KEYS[1], ARGV[1])
local sum = redis.call('GET', KEYS[1])
if ARGV[2] ~= '' and redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return sum",
);

/// What takes the place of [`Script::PRELUDE`] where tests set the time: `now` comes as a further argument, which the
/// script itself does not get to see.
const SET_PRELUDE: &str = "\
local now = tonumber(table.remove(ARGV))
local function int(n) return string.format('%.0f', n) end
";

/// A clock in microseconds since the Unix epoch, which tests put in the place of the server's.
pub(super) type ScriptClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The scripts used so far, by the place of their text, which is static: as many as a program has scripts.
pub(super) struct ScriptTexts {
    known: RwLock<HashMap<(usize, usize, bool), Arc<ScriptText>>>,
    clock: Option<ScriptClock>,
    pub(super) planning: Planning,
}

/// A script as the server is given it.
struct ScriptText {
    hash: String,
    /// The prelude and the text, where the script needs the time; else its text alone is what the server is given.
    with_time: Option<String>,
}

impl ScriptText {
    fn whole<'a>(&'a self, script: &'a Script) -> &'a str {
        self.with_time.as_deref().unwrap_or(script.lua)
    }

    fn by_hash<'a>(
        &'a self,
        calls: &'a [ScriptCall],
        now: Option<&'a Bytes>,
    ) -> impl Iterator<Item = Cmd> + 'a {
        let evaluate = move |call| evaluate("EVALSHA", &self.hash, call, now);
        calls.iter().map(evaluate)
    }
}

impl ScriptTexts {
    /// `clock` takes the place of the server's, and `guess`, in milliseconds, that of the estimate of it which plans are given.
    pub(super) fn new(clock: Option<ScriptClock>, guess: Option<ScriptClock>) -> Self {
        Self {
            known: RwLock::default(),
            clock,
            planning: Planning::new(guess),
        }
    }

    fn of(&self, script: &Script) -> Arc<ScriptText> {
        let place = (
            script.lua.as_ptr().addr(),
            script.lua.len(),
            script.needs_time,
        );
        if let Some(text) = self.known.read().get(&place) {
            return Arc::clone(text);
        }
        let prelude = match self.clock {
            Some(_) => SET_PRELUDE,
            None => Script::PRELUDE,
        };
        let with_time = script.needs_time.then(|| [prelude, script.lua].concat());
        let whole = with_time.as_deref().unwrap_or(script.lua);
        let text = Arc::new(ScriptText {
            hash: redis::Script::new(whole).get_hash().to_owned(),
            with_time,
        });
        self.known.write().insert(place, Arc::clone(&text));
        text
    }

    /// The argument that carries the time, where tests set it.
    fn now(&self, script: &Script) -> Option<Bytes> {
        let clock = self.clock.as_ref().filter(|_| script.needs_time)?;
        Some(clock().to_string().into())
    }
}

impl fmt::Debug for ScriptTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptTexts").finish_non_exhaustive()
    }
}

impl Backend {
    /// Runs `script` for each call, in one round trip a node, or two where it does not know the script; answers for each.
    pub(super) async fn run_script(
        &self,
        operation: Operation,
        script: &Script,
        calls: &[ScriptCall],
    ) -> Result<Vec<Result<Reply>>> {
        match &self.route {
            Route::Single(link) => {
                let call = link.begin(operation)?;
                match script.plan {
                    // A plan cannot be given a time that tests have set: the server's is verified.
                    Some(plan) if self.scripts.clock.is_none() => {
                        self.run_planned(link, operation, script, plan, calls, call.deadline)
                            .await
                    }
                    _ => {
                        self.run_at(link, operation, script, calls, call.deadline)
                            .await
                    }
                }
            }
            Route::Cluster(cluster) => {
                let text = self.scripts.of(script);
                let now = self.scripts.now(script);
                let by_hash = text.by_hash(calls, now.as_ref());
                let slots = calls.iter().map(|call| slot_of(operation, call));
                let commands: Result<Vec<_>> = slots
                    .zip(by_hash)
                    .map(|(slot, command)| Ok((slot?, command)))
                    .collect();
                let replies = cluster.commands(operation, commands?, Some(text.whole(script)));
                let replies = Box::pin(replies).await?.into_iter();
                let read = |reply| script_reply(operation, reply);
                Ok(replies.map(|reply| reply.and_then(read)).collect())
            }
        }
    }

    /// Runs `script` by its Lua text on one server.
    pub(super) async fn run_at(
        &self,
        link: &Link,
        operation: Operation,
        script: &Script,
        calls: &[ScriptCall],
        deadline: Instant,
    ) -> Result<Vec<Result<Reply>>> {
        let text = self.scripts.of(script);
        let now = self.scripts.now(script);
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for command in text.by_hash(calls, now.as_ref()) {
            pipeline.add_command(command);
        }
        let replies = link.run_script(operation, &pipeline, text.whole(script), deadline);
        let replies = replies.await?.into_iter();
        Ok(replies
            .map(|reply| script_reply(operation, reply))
            .collect())
    }

    /// Adds to counters with [`INCREMENT`]; answers for each.
    pub(super) async fn increment(
        &self,
        operation: Operation,
        increments: &[Increment],
    ) -> Result<Vec<Result<i64>>> {
        let calls: Vec<ScriptCall> = increments.iter().map(increment_call).collect();
        let replies = self.run_script(operation, &INCREMENT, &calls).await?;
        let sum = |reply: Result<Reply>| reply.and_then(|reply| integer_text(operation, &reply));
        Ok(replies.into_iter().map(sum).collect())
    }
}

impl Link {
    /// Sends runs of a script by its hash, and again by its `text` what the server did not know.
    async fn run_script(
        &self,
        operation: Operation,
        pipeline: &Pipeline,
        text: &str,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        let mut replies = self.send_all(operation, pipeline, deadline).await?;
        let unknown: Vec<usize> = (0..replies.len())
            .filter(|&index| is_noscript(&replies[index]))
            .collect();
        if !unknown.is_empty() {
            let some_ran = operation.writes && unknown.len() < replies.len();
            let again = again(pipeline, &unknown, text);
            let answers = self.send_all(operation, &again, deadline).await;
            let answers = answers.map_err(|failure| match some_ran {
                true => failure.error.with_may_have_applied(true),
                false => failure.error,
            })?;
            for (index, answer) in unknown.into_iter().zip(answers) {
                replies[index] = answer;
            }
        }
        Ok(replies)
    }
}

/// The commands of `pipeline` at the places in `unknown`: the first brings the text, and the server knows it for the rest.
fn again(pipeline: &Pipeline, unknown: &[usize], text: &str) -> Pipeline {
    let mut again = Pipeline::with_capacity(unknown.len());
    for (place, command) in pipeline.cmd_iter().enumerate() {
        if unknown.first() == Some(&place) {
            again.add_command(by_text(command, text));
        } else if unknown.binary_search(&place).is_ok() {
            again.add_command(command.clone());
        }
    }
    again
}

/// The slot that the keys of a call share; `None` for a call without keys.
fn slot_of(operation: Operation, call: &ScriptCall) -> Result<Option<u16>> {
    let Some((first, rest)) = call.keys.split_first() else {
        return Ok(None);
    };
    let slot = first.slot();
    match rest.iter().find(|key| key.slot() != slot) {
        None => Ok(Some(slot)),
        Some(other) => Err(Error::new(ErrorKind::CrossSlot, operation.name).with_key(other)),
    }
}

fn evaluate(command: &'static str, body: &str, call: &ScriptCall, now: Option<&Bytes>) -> Cmd {
    let mut evaluate = redis::cmd(command);
    evaluate.arg(body).arg(call.keys.len());
    for key in &call.keys {
        evaluate.arg(key.as_bytes());
    }
    for arg in call.args.iter().chain(now) {
        evaluate.arg(&arg[..]);
    }
    evaluate
}

fn is_noscript(value: &Value) -> bool {
    let refuses = |error: &ServerError| {
        error.code() == "NOSCRIPT" && is_refusal("NOSCRIPT", error.details().unwrap_or_default())
    };
    matches!(value, Value::ServerError(error) if refuses(error))
}

fn increment_call(increment: &Increment) -> ScriptCall {
    let ttl = increment
        .ttl
        .map(|ttl| ttl.as_millis().to_string())
        .unwrap_or_default();
    ScriptCall::new(
        vec![increment.key.clone()],
        vec![increment.by.to_string().into(), ttl.into()],
    )
}
