//! Scripts by their hash, and by their text once where the server does not know the hash.
//!
//! A server's script cache is empty after a restart or a failover, so `NOSCRIPT` is ordinary. It
//! is the one refusal after which a call is sent again: nothing of the script has run.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use redis::{Cmd, Pipeline, Value};

use super::{
    link::Link,
    reply::{integer_text, script_reply},
    request::Operation,
};
use crate::{Increment, Reply, Result, Script, ScriptCall};

/// Adds to a counter and gives it a TTL where it has none.
///
/// A transaction would set the TTL on a key that `INCRBY` refused; a script stops there. The sum is
/// returned as text, because numbers above 2^53 do not survive Lua.
const INCREMENT: Script = Script::new(
    "increment",
    r"redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('GET', KEYS[1])",
);

/// The hashes of the scripts used so far, by the place of their text, which is static: as many as a program has scripts.
#[derive(Debug, Default)]
pub(super) struct ScriptHashes(RwLock<HashMap<(usize, usize), Arc<str>>>);

impl ScriptHashes {
    fn of(&self, script: &Script) -> Arc<str> {
        let place = (script.lua.as_ptr().addr(), script.lua.len());
        if let Some(hash) = self.0.read().get(&place) {
            return Arc::clone(hash);
        }
        let hash: Arc<str> = redis::Script::new(script.lua).get_hash().into();
        self.0.write().insert(place, Arc::clone(&hash));
        hash
    }
}

impl Link {
    /// Runs `script` for each call, in one round trip, or two where the server does not know it; answers for each.
    pub(super) async fn run_script(
        &self,
        operation: Operation,
        script: &Script,
        calls: &[ScriptCall],
    ) -> Result<Vec<Result<Reply>>> {
        let hash = self.hashes.of(script);
        let by_hash = calls.iter().map(|call| evaluate("EVALSHA", &hash, call));
        let mut replies = self.run_all(operation, by_hash).await?;
        let unknown: Vec<usize> = (0..replies.len())
            .filter(|&index| is_noscript(&replies[index]))
            .collect();
        if !unknown.is_empty() {
            // The first brings the text, and the server knows it for the rest.
            let again = unknown.iter().enumerate().map(|(nth, &index)| match nth {
                0 => evaluate("EVAL", script.lua, &calls[index]),
                _ => evaluate("EVALSHA", &hash, &calls[index]),
            });
            let some_ran = unknown.len() < calls.len();
            let answers = self.run_all(operation, again).await;
            let answers = answers.map_err(|error| match some_ran {
                true => error.with_may_have_applied(true),
                false => error,
            })?;
            for (index, answer) in unknown.into_iter().zip(answers) {
                replies[index] = answer;
            }
        }
        let replies = replies.into_iter();
        Ok(replies
            .map(|value| script_reply(operation, value))
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

    async fn run_all(
        &self,
        operation: Operation,
        commands: impl Iterator<Item = Cmd>,
    ) -> Result<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        self.pipeline(operation, &pipeline).await
    }
}

fn evaluate(command: &'static str, body: &str, call: &ScriptCall) -> Cmd {
    let mut evaluate = redis::cmd(command);
    evaluate.arg(body).arg(call.keys.len());
    for key in &call.keys {
        evaluate.arg(key.as_bytes());
    }
    for arg in &call.args {
        evaluate.arg(&arg[..]);
    }
    evaluate
}

fn is_noscript(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
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
