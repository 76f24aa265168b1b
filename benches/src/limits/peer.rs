//! What one writes by hand: a GCRA script as small as can be, by its hash.

use std::sync::Arc;

use redis::{Cmd, aio::MultiplexedConnection};

use super::{MICROS, Subjects};
use crate::{Outcome, harness::spawned, raw};

/// Takes the capacity, the microseconds of a token and the cost. Answers whether it is allowed, the limit, what is left, when
/// the cost passes, and when the bucket is full.
const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local capacity, micros, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local room = capacity * micros - (tat - now)
local time = cost * micros
if time > room then return {0, capacity, math.floor(room / micros), time - room, tat - now} end
tat = tat + time
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return {1, capacity, math.floor((room - time) / micros), 0, tat - now}
";

pub(super) struct Peer {
    connection: MultiplexedConnection,
    hash: Arc<str>,
}

type Fields = (u64, u64, u64, u64, u64);

impl Peer {
    pub(super) async fn connect(url: &str) -> Outcome<Self> {
        let mut connection = raw::connection(url).await?;
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        let hash: String = load.query_async(&mut connection).await?;
        Ok(Self {
            connection,
            hash: hash.into(),
        })
    }

    pub(super) fn connection(&self) -> &MultiplexedConnection {
        &self.connection
    }

    /// One check a call.
    pub(super) async fn checks(
        &self,
        subjects: &Subjects,
        tasks: usize,
        each: usize,
        capacity: u64,
    ) -> usize {
        spawned(tasks, each, |task| {
            let (mut connection, hash) = (self.connection.clone(), Arc::clone(&self.hash));
            let keys = Arc::clone(&subjects.theirs);
            async move {
                for call in 0..each {
                    let key = &keys[(call + task * 17) % keys.len()];
                    let command = evaluate(&hash, key, capacity);
                    let answer = command.query_async(&mut connection);
                    let answer: Result<Fields, _> = answer.await;
                    assert!(answer.is_ok_and(|fields| fields.1 == capacity));
                }
            }
        })
        .await
    }

    /// Three checks in a pipeline.
    pub(super) async fn triples(&self, subjects: &Subjects, tasks: usize, each: usize) -> usize {
        spawned(tasks, each, |task| {
            let (mut connection, hash) = (self.connection.clone(), Arc::clone(&self.hash));
            let keys = Arc::clone(&subjects.theirs);
            async move {
                for call in 0..each {
                    let key = &keys[(call + task * 17) % keys.len()];
                    let mut pipeline = redis::Pipeline::with_capacity(3);
                    for kind in ["second", "minute", "hour"] {
                        let key = format!("{key}:{kind}");
                        pipeline.add_command(evaluate(&hash, &key, super::PLENTY));
                    }
                    let answer = pipeline.query_async(&mut connection);
                    let answer: Result<(Fields, Fields, Fields), _> = answer.await;
                    assert!(answer.is_ok());
                }
            }
        })
        .await
    }
}

fn evaluate(hash: &str, key: &str, capacity: u64) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(hash).arg(1).arg(key).arg(capacity);
    // A bucket of one token is that of a subject that is denied: a week a token.
    command.arg(if capacity == 1 {
        604_800_000_000
    } else {
        MICROS
    });
    command.arg(1);
    command
}
