//! Scripts by their hash, and by their text once where the server does not know the hash.
//!
//! A server's script cache is empty after a restart or a failover, so `NOSCRIPT` is ordinary. It
//! is the one refusal after which a call is sent again: nothing of the script has run.

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

impl Link {
    /// Runs `script` for each call, in one round trip, or two where the server does not know it.
    pub(super) async fn run_script(
        &self,
        operation: Operation,
        script: &Script,
        calls: &[ScriptCall],
    ) -> Result<Vec<Reply>> {
        let hash = redis::Script::new(script.lua).get_hash().to_owned();
        let mut replies = self
            .run_with("EVALSHA", &hash, operation, calls.iter())
            .await?;
        let unknown: Vec<usize> = (0..replies.len())
            .filter(|&index| is_noscript(&replies[index]))
            .collect();
        if !unknown.is_empty() {
            let again = unknown.iter().map(|&index| &calls[index]);
            let answers = self.run_with("EVAL", script.lua, operation, again).await?;
            for (index, answer) in unknown.into_iter().zip(answers) {
                replies[index] = answer;
            }
        }
        replies
            .into_iter()
            .map(|value| script_reply(operation, value))
            .collect()
    }

    /// Adds to counters with [`INCREMENT`].
    pub(super) async fn increment(
        &self,
        operation: Operation,
        increments: &[Increment],
    ) -> Result<Vec<i64>> {
        let calls: Vec<ScriptCall> = increments.iter().map(increment_call).collect();
        let replies = self.run_script(operation, &INCREMENT, &calls).await?;
        replies
            .iter()
            .map(|reply| integer_text(operation, reply))
            .collect()
    }

    async fn run_with<'a>(
        &self,
        command: &'static str,
        body: &str,
        operation: Operation,
        calls: impl Iterator<Item = &'a ScriptCall>,
    ) -> Result<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.add_command(evaluate(command, body, call));
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
