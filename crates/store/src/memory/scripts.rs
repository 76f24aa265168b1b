//! Batches of script runs: what is refused before anything runs, room in the budget, and the truth about failures.

use cachekit_keys::Key;

use super::{
    MemoryStore,
    store::all,
    transaction::{Effects, Run},
};
use crate::{Error, ErrorKind, NumberBody, Reply, Result, Script, ScriptCall, ScriptEffect};

impl MemoryStore {
    /// Runs a script for each call. All take place, as in a server's pipeline; then the first refusal is answered.
    pub(super) fn run_calls(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let body = script.body.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, script.name)
                .with_detail("the script has no body in Rust")
        })?;
        if self.capabilities.clustered {
            calls
                .iter()
                .try_for_each(|call| check_slot(script, &call.keys))?;
        }
        let run = |call: &ScriptCall| {
            self.run(script, &call.keys, |run| body(run, &call.keys, &call.args))
        };
        if let [call] = calls {
            return Ok(vec![run(call)?]);
        }
        let answers = calls.iter().map(run);
        if script.effect == ScriptEffect::ReadOnly {
            let answers: Vec<Result<Reply>> = answers.collect();
            return answers.into_iter().collect();
        }
        all(answers)
    }

    /// Runs a script once by its body over numbers.
    pub(super) fn run_number_body(
        &self,
        script: &Script,
        body: NumberBody,
        keys: &[Key],
        args: &[i64],
        reply: &mut [i64],
    ) -> Result<usize> {
        if self.capabilities.clustered {
            check_slot(script, keys)?;
        }
        self.run(script, keys, |run| body(run, keys, args, reply))
    }

    fn run<R>(
        &self,
        script: &Script,
        keys: &[Key],
        body: impl FnOnce(&mut Run<'_>) -> Result<R>,
    ) -> Result<R> {
        // How much a run is going to write is not known. As on a server, it starts where the budget is kept.
        let needs_room = script.effect != ScriptEffect::ReadOnly && !script.starts_when_full;
        if needs_room && !self.keyspace.keep_budget() {
            self.keyspace.count_command(0);
            return Err(Error::new(ErrorKind::OutOfMemory, script.name));
        }
        let max_value_size = self.capabilities.max_value_size;
        let mut run = Run::begin(&self.keyspace, script.name, keys, max_value_size);
        let reply = body(&mut run);
        let Effects { wrote, messages } = run.end();
        self.keyspace.keep_budget();
        let applied = wrote || !messages.is_empty();
        self.deliver(messages);
        // Nothing is rolled back, as on a server: what the body did before it failed stays.
        reply.map_err(|error| error.with_may_have_applied(applied))
    }
}

/// Refuses a call whose keys lie in several slots.
fn check_slot(script: &Script, keys: &[Key]) -> Result<()> {
    let mut slots = keys.iter().map(Key::slot);
    let first = slots.next();
    if slots.all(|slot| Some(slot) == first) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::CrossSlot, script.name))
}
