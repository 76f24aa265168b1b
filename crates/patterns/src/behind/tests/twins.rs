//! Random calls of the scripts answer the same in memory and on servers, and leave the same behind.
//!
//! The keys have fixed roles, so that calls fit together as they do in a queue, and both sides are given the same time, which
//! jumps in both directions.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use cachekit_keys::{CompanionKind, Key, KeySchema, Namespace, WriteKey, WriteQueue};
use cachekit_store::{
    MemoryStore, RedisStore, Reply, Result, Script, ScriptCall, Store, Transaction,
};
use cachekit_testkit::server::{Kind, Server};
use tokio::runtime::{Builder, Runtime};

use crate::behind::scripts::{
    ACK, BEGIN, CLAIM, DISCARD, GIVE_UP, LETTERS, PUT, REPLAY, RETRY, SLOTS_LIST, SLOTS_NOTE,
    SLOTS_SETTLE, SLOTS_TAKE, STATE, STATUS,
};

const CALLS: usize = 2_400;

/// Everything that the scripts change.
struct Names {
    keys: [Key; 3],
    shard: [Key; 5],
    slots: Key,
    index: Key,
}

impl Names {
    fn new() -> Self {
        let namespace = Namespace::new(format!("tw{:016x}", fastrand::u64(..))).unwrap();
        let schema = KeySchema::plain().with_namespace(namespace.clone());
        let queue = WriteQueue::new("twins").unwrap();
        let key = |id| Key::from_raw(format!("{}:{id}", namespace.as_encoded())).unwrap();
        let slot = None;
        Self {
            keys: [key("a"), key("b"), key("c")],
            shard: [
                WriteKey::Due { slot },
                WriteKey::Held { slot },
                WriteKey::Waiting { slot },
                WriteKey::Persisted { slot },
                WriteKey::Dead { slot },
            ]
            .map(|key| schema.write_key(&queue, key)),
            slots: schema.write_key(&queue, WriteKey::Slots(0)),
            index: key("a").companion(CompanionKind::Index).unwrap(),
        }
    }

    fn beside(&self, key: usize, kind: CompanionKind) -> Key {
        self.keys[key].companion(kind).unwrap()
    }

    /// The strings, and then the sorted sets.
    fn all(&self) -> (Vec<Key>, Vec<Key>) {
        let beside = |kind| (0..3).map(move |key| self.beside(key, kind));
        let strings = self.keys.iter().cloned();
        let strings = strings
            .chain(beside(CompanionKind::Unpersisted))
            .chain(beside(CompanionKind::DeadLetter))
            .chain([self.shard[3].clone()]);
        let sets = [0, 1, 2, 4].map(|place| self.shard[place].clone());
        let sets = sets
            .into_iter()
            .chain([self.slots.clone(), self.index.clone()]);
        (strings.collect(), sets.collect())
    }
}

const DUMP: Script = Script::new(
    "dump",
    "return redis.call('ZRANGE', KEYS[1], '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')",
)
.with_body(dump);

fn dump(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let members = tx.zrange_by_score(&keys[0], all, 100)?;
    let members = members
        .into_iter()
        .flat_map(|(member, score)| [Reply::Bytes(member), Reply::Bytes(score.to_string().into())]);
    Ok(Reply::Array(members.collect()))
}

/// What an array or a text says.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "nil".to_owned(),
        Reply::Integer(number) => number.to_string(),
        Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Status(status) => status.clone(),
        Reply::Array(parts) => format!("{:?}", parts.iter().map(shown).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

/// A memory store in a runtime whose time stands still, so that a script's time is the one that was set.
struct Memory {
    runtime: Option<Runtime>,
    store: MemoryStore,
}

impl Memory {
    fn new() -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let store = {
            let _inside = runtime.enter();
            MemoryStore::new()
        };
        Self {
            runtime: Some(runtime),
            store,
        }
    }

    async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        poll_fn(|context| {
            let _inside = self.runtime.as_ref().unwrap().enter();
            work.as_mut().poll(context)
        })
        .await
    }

    async fn call(&self, script: &Script, call: &ScriptCall, micros: u64) -> String {
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        let answer = self.run(async {
            self.store.set_wall_clock(time);
            self.store
                .run_script(script, std::slice::from_ref(call))
                .await
        });
        shown(&answer.await.unwrap()[0])
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn call(redis: &RedisStore, script: &Script, call: &ScriptCall, micros: u64) -> String {
    let clock = "local function int(n) return string.format('%.0f', n) end\n";
    let text = format!("local now = {micros}\n{clock}{}", script.lua);
    let given = Script::new(script.name, Box::leak(text.into_boxed_str()));
    let answer = redis.run_script(&given, std::slice::from_ref(call)).await;
    shown(&answer.unwrap()[0])
}

/// Everything that is kept, lives left out: they are the business of other tests.
async fn state(store: &dyn Store, names: &Names) -> Vec<String> {
    let (strings, sets) = names.all();
    let mut all = Vec::new();
    for (key, value) in strings.iter().zip(store.get_many(&strings).await.unwrap()) {
        let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
        all.push(format!("{key}: {value:?}"));
    }
    for set in sets {
        let call = ScriptCall::new(vec![set.clone()], Vec::new());
        let members = store.run_script(&DUMP, &[call]).await.unwrap();
        all.push(format!("{set}: {}", shown(&members[0])));
    }
    all
}

/// What a worker remembers of its claims.
#[derive(Default)]
struct Claimed {
    score: i64,
    at: i64,
    sequences: [String; 3],
}

struct Play<'n> {
    names: &'n Names,
    random: fastrand::Rng,
    claimed: Claimed,
    slots: String,
}

impl Play<'_> {
    fn args<const N: usize>(args: [String; N]) -> Vec<Bytes> {
        args.map(Bytes::from).to_vec()
    }

    fn member(&self, key: usize) -> String {
        self.names.keys[key].to_string()
    }

    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.random.usize(..choices.len())]
    }

    /// The arguments with which the ends of claims begin.
    fn claim(&mut self) -> Vec<Bytes> {
        let score = match self.random.u8(..6) {
            0 => self.claimed.score + 1,
            _ => self.claimed.score,
        };
        let are_short = self.of(&["0", "1"]).to_owned();
        let at = self.claimed.at.to_string();
        Self::args([score.to_string(), at, "200".into(), are_short])
    }

    fn next(&mut self) -> (Script, ScriptCall) {
        let names = self.names;
        let key = self.random.usize(..3);
        let [due, held, waiting, persisted, dead] = names.shard.clone();
        let beside = |key: usize, kind| names.beside(key, kind);
        let write = |key| beside(key, CompanionKind::Unpersisted);
        let letter = |key| beside(key, CompanionKind::DeadLetter);
        let head = [
            names.keys[key].clone(),
            beside(key, CompanionKind::Lease),
            write(key),
        ];
        let (script, keys, args) = match self.random.u8(..24) {
            0..=5 => {
                let count = self.random.usize(1..=4);
                let mut keys = vec![due, held, waiting, persisted, dead];
                let mut args = Self::args([
                    count.to_string(),
                    self.of(&["0", "0", "4"]).to_owned(),
                    "200".to_owned(),
                    self.of(&["0", "2", "100", "-1"]).to_owned(),
                    self.of(&["0", "0", "1000"]).to_owned(),
                    self.of(&["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
                        .to_owned(),
                    self.of(&["0", "0", "30000"]).to_owned(),
                ]);
                // A key may come more than once.
                for _ in 0..count {
                    let key = self.random.usize(..3);
                    let lease = beside(key, CompanionKind::Lease);
                    keys.extend([names.keys[key].clone(), lease, write(key)]);
                    args.extend(Self::args([
                        self.of(&["P", "P", "D"]).to_owned(),
                        self.of(&["one", "two", "{\"three\":3}"]).to_owned(),
                        self.of(&["60000", "60000", "90000"]).to_owned(),
                        self.member(key),
                    ]));
                }
                keys.extend(self.random.bool().then(|| names.index.clone()));
                (PUT, keys, args)
            }
            6..=8 => {
                let args = Self::args([
                    self.of(&["1", "2", "10"]).to_owned(),
                    "30000".to_owned(),
                    "200".to_owned(),
                    "60000".to_owned(),
                    self.of(&["0", "0", "1"]).to_owned(),
                ]);
                (CLAIM, vec![due, held, waiting, dead], args)
            }
            9 | 10 => {
                let keys = (0..3).map(write).collect();
                let mut args = Self::args([self.of(&["0", "60", "110", "1000"]).to_owned()]);
                let expired = (1..=3).filter(|_| self.random.u8(..4) == 0);
                args.extend(expired.map(|place: u8| Bytes::from(place.to_string())));
                (BEGIN, keys, args)
            }
            11..=13 => {
                let mut args = self.claim();
                let other = (key + 1) % 3;
                for key in [key, other] {
                    let sequence = self.claimed.sequences[key].clone();
                    args.extend(Self::args([self.member(key), sequence, "2".to_owned()]));
                }
                let keys = [due, held, waiting, persisted, dead].into_iter();
                let keys = keys
                    .chain([key, other].map(write))
                    .chain([key, other].map(letter));
                (ACK, keys.collect(), args)
            }
            14 | 15 => {
                let mut args = self.claim();
                args.truncate(1);
                args.push(self.of(&["0", "200", "30000"]).to_owned().into());
                let sequence = self.claimed.sequences[key].clone();
                let sequence = if self.random.bool() {
                    sequence
                } else {
                    String::new()
                };
                let pause = self.of(&["0", "100", "50000"]).to_owned();
                let attempts = self.of(&["", "000", "007"]).to_owned();
                args.extend(Self::args([self.member(key), sequence, pause, attempts]));
                (RETRY, vec![held, waiting, write(key)], args)
            }
            16 | 17 => {
                let mut args = self.claim();
                args.truncate(1);
                args.push(self.of(&["0", "200", "30000"]).to_owned().into());
                let sequence = self.claimed.sequences[key].clone();
                args.extend(Self::args([self.member(key), sequence]));
                if self.random.u8(..3) > 0 {
                    args.push(self.of(&["", "no room", "because"]).to_owned().into());
                    args.push(self.of(&["", "001", "016"]).to_owned().into());
                }
                let keys = head
                    .into_iter()
                    .chain([letter(key), held, waiting, persisted, dead]);
                (GIVE_UP, keys.collect(), args)
            }
            18 => {
                let keys = head.into_iter().chain([letter(key), due, dead]);
                (REPLAY, keys.collect(), Self::args([self.member(key)]))
            }
            19 if self.random.bool() => {
                let args = Self::args([self.member(key)]);
                (DISCARD, vec![letter(key), dead], args)
            }
            19 => (
                LETTERS,
                vec![dead],
                Self::args([
                    "0".to_owned(),
                    self.of(&["1700000000000", "9007199254740991"]).to_owned(),
                    "2".to_owned(),
                ]),
            ),
            20 => {
                let since = self.claimed.at.to_string();
                let args = Self::args(["200".to_owned(), since]);
                (STATUS, vec![due, held, waiting, dead], args)
            }
            21 => (STATE, vec![write(key), letter(key)], Vec::new()),
            _ => return self.next_of_slots(),
        };
        (script, ScriptCall::new(keys, args))
    }

    fn next_of_slots(&mut self) -> (Script, ScriptCall) {
        let slots = vec![self.names.slots.clone()];
        let slot = self.of(&["1", "2", "3"]).to_owned();
        let (script, args) = match self.random.u8(..4) {
            0 => {
                let delay = self.of(&["0", "200", "90000"]).to_owned();
                (SLOTS_NOTE, Self::args([slot, delay]))
            }
            1 => {
                let all = self.of(&["0", "0", "1"]).to_owned();
                let args = ["2".to_owned(), "2000".to_owned(), "60000".to_owned(), all];
                (SLOTS_TAKE, Self::args(args))
            }
            2 => {
                let later = self.of(&["", "inf", "500"]).to_owned();
                (SLOTS_SETTLE, Self::args([self.slots.clone(), slot, later]))
            }
            _ => (SLOTS_LIST, Vec::new()),
        };
        (script, ScriptCall::new(slots, args))
    }

    /// Remembers what a worker would.
    async fn learn(&mut self, script: &Script, store: &MemoryStore, micros: u64) {
        let now = i64::try_from(micros / 1_000).unwrap();
        if script.name == CLAIM.name {
            (self.claimed.at, self.claimed.score) = (now, now + 30_000);
        }
        if script.name == SLOTS_TAKE.name {
            self.slots = (now + 2_000).to_string();
        }
        if script.name == BEGIN.name || script.name == CLAIM.name {
            for key in 0..3 {
                let write = self.names.beside(key, CompanionKind::Unpersisted);
                let bytes = store.get(&write).await.unwrap();
                if let Some(sequence) = bytes.as_deref().and_then(|bytes| bytes.get(1..17)) {
                    self.claimed.sequences[key] = String::from_utf8_lossy(sequence).into_owned();
                }
            }
        }
    }
}

async fn compare(kind: Kind) {
    let Some(server) = Server::start(kind).await.unwrap() else {
        return;
    };
    let redis = RedisStore::connect(&server.url()).await.unwrap();
    for seed in 0..12 {
        let (memory, names) = (Memory::new(), Names::new());
        let mut play = Play {
            names: &names,
            random: fastrand::Rng::with_seed(seed),
            claimed: Claimed::default(),
            slots: "0".to_owned(),
        };
        play.claimed.sequences = ["0", "0", "0"].map(|zero| format!("{zero:0>16}"));
        let mut micros = 1_700_000_000_000_000_u64;
        for step in 0..CALLS / 12 {
            let (script, one) = play.next();
            let expected = memory.call(&script, &one, micros).await;
            let found = call(&redis, &script, &one, micros).await;
            let shown = || {
                let args = one.args.iter().map(|arg| String::from_utf8_lossy(arg));
                format!(
                    "seed {seed}, step {step}: {} {:?}",
                    script.name,
                    args.collect::<Vec<_>>()
                )
            };
            assert_eq!(found, expected, "{}", shown());
            let left = memory.run(state(&memory.store, &names)).await;
            assert_eq!(state(&redis, &names).await, left, "{}", shown());
            memory.run(play.learn(&script, &memory.store, micros)).await;
            micros = match play.random.u8(..12) {
                0 => micros + 40_000_000,
                1 => micros.saturating_sub(40_000_000),
                2 => micros + play.random.u64(..400_000_000),
                3 => micros - play.random.u64(..400_000_000),
                _ => micros + play.random.u64(..300_000),
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_7() {
    compare(Kind::Redis7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_redis_8() {
    compare(Kind::Redis8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_bodies_agree_with_valkey_8() {
    compare(Kind::Valkey8).await;
}
