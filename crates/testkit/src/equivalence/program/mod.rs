//! Scripts that carry out whatever commands their arguments name, so that every method of a transaction is reached
//! with every flag, alone and after others.

mod body;
mod generate;
mod step;

use cachekit_store::{Reply, Script, ScriptEffect};

use self::{generate::Manner, step::Step};
use super::{Answer, Blob, Call, Draw, ScriptFamily};

/// A program of commands. Its arguments hold steps, see `steps.lua`.
const PROGRAM: Script = Script::new(
    "program",
    concat!(include_str!("plain.lua"), include_str!("steps.lua")),
)
.with_body(body::plain);

/// The same, where `@now+N` and `@now-N` in an argument stand for the time of the run and so many microseconds.
const TIMED: Script = Script::new(
    "timed-program",
    concat!(include_str!("timed.lua"), include_str!("steps.lua")),
)
.with_body(body::timed)
.with_time();

/// The same for programs that only read, and say so.
const READING: Script = Script::new(
    "reading-program",
    concat!(include_str!("plain.lua"), include_str!("steps.lua")),
)
.with_body(body::plain)
.with_effect(ScriptEffect::ReadOnly);

/// The scripts that reach every method of [`Transaction`](cachekit_store::Transaction), named `program`,
/// `timed-program` and `reading-program`. Every [`Comparison`](super::Comparison) has them.
///
/// A call's arguments are steps: the command (with `?` before it where the program goes on after an error), the number of
/// its key from 1, the number of its arguments, and these.
///
/// # Examples
/// ```
/// use cachekit_store::MemoryStore;
/// use cachekit_testkit::equivalence::{Program, ScriptFamily};
///
/// let names: Vec<&str> = Program.scripts().iter().map(|script| script.name).collect();
/// assert_eq!(names, ["program", "timed-program", "reading-program"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program;

impl ScriptFamily for Program {
    fn scripts(&self) -> &[Script] {
        &[PROGRAM, TIMED, READING]
    }

    fn generate(&self, script: &Script, draw: &mut Draw) -> Call {
        let manner = match (script.effect, script.needs_time) {
            (ScriptEffect::ReadOnly, _) => Manner::Reading,
            (_, true) => Manner::Timed,
            (_, false) => Manner::Plain,
        };
        generate::call(manner, draw)
    }

    fn canonical(&self, _script: &Script, call: &Call, reply: Reply) -> Answer {
        let args: Vec<bytes::Bytes> = call.args.iter().map(Blob::to_bytes).collect();
        match (reply, step::parse(&args)) {
            (Reply::Array(replies), Ok(steps)) if replies.len() == steps.len() => {
                let answers = steps.iter().zip(replies);
                Answer::list(answers.map(|(step, reply)| canonical(step, reply)))
            }
            (reply, _) => reply.into(),
        }
    }

    /// One step less, a step on fewer members, or without the keys that no step names.
    fn simplify(&self, _script: &Script, call: &Call) -> Vec<Call> {
        let args: Vec<bytes::Bytes> = call.args.iter().map(Blob::to_bytes).collect();
        let Ok(steps) = step::parse(&args) else {
            return Vec::new();
        };
        let mut simpler = Vec::new();
        if steps.len() > 1 {
            simpler.extend((0..steps.len()).map(|left_out| without(call, &steps, left_out)));
        }
        for (index, step) in steps.iter().enumerate() {
            simpler.extend(step.shorter().into_iter().map(|shorter| {
                let mut steps = steps.clone();
                steps[index] = shorter;
                of_steps(call.keys.clone(), &steps)
            }));
        }
        simpler.extend(with_named_keys(call, steps));
        simpler
    }
}

fn of_steps(keys: Vec<usize>, steps: &[Step]) -> Call {
    Call {
        keys,
        args: steps.iter().flat_map(Step::args).collect(),
    }
}

fn without(call: &Call, steps: &[Step], left_out: usize) -> Call {
    let kept = [&steps[..left_out], &steps[left_out + 1..]].concat();
    of_steps(call.keys.clone(), &kept)
}

/// The call without keys that no step names; nothing where there are none such.
fn with_named_keys(call: &Call, mut steps: Vec<Step>) -> Option<Call> {
    let numbers = 1..=call.keys.len();
    let named: Vec<usize> = numbers
        .filter(|number| steps.iter().any(|step| step.key == *number))
        .collect();
    if named.len() == call.keys.len() {
        return None;
    }
    for step in &mut steps {
        let place = named.iter().position(|number| *number == step.key);
        step.key = place? + 1;
    }
    let keys = named.iter().map(|number| call.keys[number - 1]).collect();
    Some(of_steps(keys, &steps))
}

fn canonical(step: &Step, reply: Reply) -> Answer {
    match step.command() {
        b"PTTL" => Answer::pttl(reply),
        b"HGETALL" => Answer::pairs(reply),
        b"ZSCORE" => Answer::score(reply),
        b"ZRANGE" => Answer::scored(reply),
        _ => reply.into(),
    }
}
