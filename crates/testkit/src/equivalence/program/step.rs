//! The arguments of a program as steps, and back.

use bytes::Bytes;
use cachekit_store::{Error, ErrorKind, Result};

use crate::equivalence::Blob;

/// One command of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The command, with `?` before it where the program goes on after an error.
    pub(super) name: Bytes,
    /// Which of the call's keys, from 1.
    pub(super) key: usize,
    /// What follows the key.
    pub(super) rest: Vec<Bytes>,
}

impl Step {
    pub(super) fn new(name: &'static str, key: usize, rest: Vec<Blob>) -> Self {
        Self {
            name: Bytes::from_static(name.as_bytes()),
            key,
            rest: rest.iter().map(Blob::to_bytes).collect(),
        }
    }

    /// The same step in a program that goes on after an error.
    pub(super) fn guarded(mut self) -> Self {
        self.name = [b"?", &self.name[..]].concat().into();
        self
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.name.starts_with(b"?")
    }

    pub(super) fn command(&self) -> &[u8] {
        self.name.strip_prefix(b"?").unwrap_or(&self.name)
    }

    /// The same step on fewer fields or members, where it is on several: on either half, or on one less.
    pub(super) fn shorter(&self) -> Vec<Self> {
        let unit = match self.command() {
            b"HSET" | b"ZADD" => 2,
            b"HDEL" | b"ZREM" => 1,
            _ => return Vec::new(),
        };
        // A flag comes before the members.
        let (flag, items) = self.rest.split_at(self.rest.len() % unit);
        let count = items.len() / unit;
        let half = count / 2;
        let mut left_out = vec![0..half, half..count];
        left_out.extend((0..count).map(|item| item..item + 1));
        left_out.retain(|items| !items.is_empty() && items.len() < count);
        let without = |range: std::ops::Range<usize>| {
            let (before, after) = (&items[..range.start * unit], &items[range.end * unit..]);
            Self {
                rest: [flag, before, after].concat(),
                ..self.clone()
            }
        };
        left_out.into_iter().map(without).collect()
    }

    /// As arguments of the call.
    pub(super) fn args(&self) -> Vec<Blob> {
        let mut args = vec![
            self.name.clone().into(),
            self.key.to_string().into(),
            self.rest.len().to_string().into(),
        ];
        args.extend(self.rest.iter().cloned().map(Blob::from));
        args
    }
}

/// Reads a call's arguments.
pub(super) fn parse(mut args: &[Bytes]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    while let [name, key, count, rest @ ..] = args {
        let (key, count) = (number(key)?, number(count)?);
        let (own, others) = rest
            .split_at_checked(count)
            .ok_or_else(|| malformed("too few arguments"))?;
        steps.push(Step {
            name: name.clone(),
            key,
            rest: own.to_vec(),
        });
        args = others;
    }
    match args {
        [] => Ok(steps),
        _ => Err(malformed("half a step")),
    }
}

/// A number from its text.
pub(super) fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| malformed("a number that is none"))
}

pub(super) fn malformed(detail: &str) -> Error {
    Error::new(ErrorKind::Unexpected, "program").with_detail(detail)
}
