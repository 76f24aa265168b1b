//! What a batch asks for, cut into parts that a node takes or refuses as a whole.

use std::{collections::BTreeMap, sync::Arc};

use cachekit_keys::Key;
use redis::{Cmd, Pipeline, Value};

use super::{
    course::{Course, Target},
    view::{Node, View},
};
use crate::{
    Result,
    redis::{commands::with_keys, error::unexpected_reply, request::Operation},
};

/// What a batch asks for.
#[derive(Clone, Copy)]
pub(in crate::redis) enum Work<'a> {
    /// One command each, and the text of the script that they run by its hash.
    Commands(Option<&'a str>),
    /// `MGET`: for each key its value.
    Values(&'a [Key]),
    /// `GET` and `PTTL` in a transaction: for each key an array of both.
    Entries(&'a [Key]),
    /// `UNLINK`: integers whose sum is the number of keys that existed.
    Unlink(&'a [Key]),
}

/// A command, or keys of one slot. Most have one place, which costs no allocation.
pub(super) struct Part {
    /// Places in the batch.
    first: usize,
    rest: Vec<usize>,
    pub(super) slot: Option<u16>,
    /// The command, where the work is one of commands; under way it is in the pipeline.
    pub(super) command: Option<Cmd>,
    pub(super) target: Target,
    pub(super) course: Course,
    /// A node did not know the script by its hash.
    pub(super) unknown: bool,
}

impl Part {
    pub(super) fn new(place: usize, slot: Option<u16>, command: Option<Cmd>) -> Self {
        Self {
            first: place,
            rest: Vec::new(),
            slot,
            command,
            target: Target::Owner,
            course: Course::default(),
            unknown: false,
        }
    }

    /// The keys of each slot together.
    pub(super) fn by_slot(keys: &[Key]) -> Vec<Self> {
        let mut parts: BTreeMap<u16, Self> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            let slot = key.slot();
            parts
                .entry(slot)
                .and_modify(|part| part.rest.push(place))
                .or_insert_with(|| Self::new(place, Some(slot), None));
        }
        parts.into_values().collect()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    pub(super) fn len(&self) -> usize {
        1 + self.rest.len()
    }

    /// One part a key: where a slot is on its way, keys that are on different sides cannot be asked for together.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let (slot, course) = (self.slot, self.course);
        let places = std::iter::once(self.first).chain(self.rest);
        places.map(move |place| Self {
            course,
            ..Self::new(place, slot, None)
        })
    }

    /// The node that the part goes to now, and whether it needs `ASKING`.
    pub(super) fn destination(&self, view: Option<&View>) -> Option<(Arc<Node>, bool)> {
        match &self.target {
            Target::Named { node, asking } => Some((Arc::clone(node), *asking)),
            Target::Owner => view?
                .destination(self.slot, self.course)
                .map(|node| (node, false)),
        }
    }
}

impl Work<'_> {
    pub(super) fn keys(&self) -> &[Key] {
        match self {
            Self::Commands(_) => &[],
            Self::Values(keys) | Self::Entries(keys) | Self::Unlink(keys) => keys,
        }
    }

    /// How many commands a part consists of, and so how many replies it gets.
    pub(super) fn width(&self, part: &Part) -> usize {
        match self {
            Self::Commands(_) | Self::Values(_) | Self::Unlink(_) => 1,
            Self::Entries(_) => 2 + 2 * part.len(),
        }
    }

    /// The parts as one pipeline. A command moves there, so that its value is not copied.
    pub(super) fn pipeline(&self, parts: &mut [Part], asking: bool) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(parts.len());
        for part in parts {
            if asking {
                // Counts for the one command that follows, or for the transaction that it begins.
                pipeline.add_command(redis::cmd("ASKING"));
            }
            self.add(part, &mut pipeline);
        }
        pipeline
    }

    fn add(&self, part: &mut Part, pipeline: &mut Pipeline) {
        let of = |keys: &[Key], name| with_keys(name, part.places().map(|place| &keys[place]));
        match self {
            Self::Commands(_) => {
                let command = part.command.take();
                pipeline.add_command(command.expect("a part of commands has one until it is sent"));
            }
            Self::Values(keys) => {
                pipeline.add_command(of(keys, "MGET"));
            }
            Self::Unlink(keys) => {
                pipeline.add_command(of(keys, "UNLINK"));
            }
            Self::Entries(keys) => {
                pipeline.add_command(redis::cmd("MULTI"));
                for place in part.places() {
                    pipeline.add_command(with_keys("GET", [&keys[place]]));
                    pipeline.add_command(with_keys("PTTL", [&keys[place]]));
                }
                pipeline.add_command(redis::cmd("EXEC"));
            }
        }
    }

    /// Puts the replies to a part that a node took where they belong.
    pub(super) fn place(
        &self,
        operation: Operation,
        part: &Part,
        mut replies: Vec<Value>,
        answers: &mut [Option<Result<Value>>],
    ) {
        // The reason why a transaction was not carried out stands before the refusal of `EXEC`.
        let refused = |reply: &Value| matches!(reply, Value::ServerError(_));
        if let Some(at) = replies.iter().position(refused) {
            let refusal = replies.swap_remove(at);
            for place in part.places() {
                answers[place] = Some(Ok(refusal.clone()));
            }
            return;
        }
        let reply = replies.pop().unwrap_or_default();
        let values = match (self, reply) {
            (Self::Commands(_), reply) => vec![reply],
            (Self::Unlink(_), count) => {
                let mut counts = vec![Value::Int(0); part.len()];
                counts[0] = count;
                counts
            }
            (Self::Values(_), Value::Array(values)) => values,
            (Self::Entries(_), Value::Array(values)) => pairs(values),
            _ => Vec::new(),
        };
        let known = values.len() == part.len();
        let values = values.into_iter().filter(|_| known).map(Ok);
        let unexpected = std::iter::repeat_with(|| Err(unexpected_reply(operation)));
        for (place, answer) in part.places().zip(values.chain(unexpected)) {
            answers[place] = Some(answer);
        }
    }
}

fn pairs(values: Vec<Value>) -> Vec<Value> {
    let mut values = values.into_iter();
    std::iter::from_fn(|| Some(Value::Array(vec![values.next()?, values.next()?]))).collect()
}
