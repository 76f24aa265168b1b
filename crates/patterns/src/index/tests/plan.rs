//! What the plans send leaves behind what the scripts would, by the server's clock.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, KeyPath, KeySchema, Namespace, ProjectId, ProjectKey};
use cachekit_store::{
    KeyExpiry, MemoryStore, RedisStore, Reply, Script, ScriptCall, Store, StoreExt,
};
use cachekit_testkit::server::{Kind, SharedServer};

use crate::index::scripts::{PAGE, SET, SET_MANY};
use crate::lease::lease_of;

/// How far two clocks, and the rounding of an index's own TTL, may bring lives apart.
const TOLERANCE: Duration = Duration::from_secs(150);

struct Side<'s> {
    store: &'s dyn Store,
    keys: Vec<Key>,
    index: Key,
}

/// What is left behind: each key's bytes and life, the members with their scores, and the index's life.
#[derive(Debug)]
struct State {
    values: Vec<(Option<Bytes>, KeyExpiry)>,
    members: Vec<(Bytes, f64)>,
    index: KeyExpiry,
}

impl Side<'_> {
    async fn run(&self, script: &Script, call: ScriptCall) -> Reply {
        let replies = self.store.run_script(script, &[call]).await;
        replies.unwrap().into_iter().next().unwrap()
    }

    async fn set(&self, random: &mut fastrand::Rng) -> Reply {
        let key = random.choice(&self.keys).unwrap();
        let keys = vec![key.clone(), lease_of(key).unwrap(), self.index.clone()];
        let args = vec![
            value(random),
            ttl(random),
            trim(random),
            condition(random),
            key.to_bytes(),
        ];
        self.run(&SET, ScriptCall::new(keys, args)).await
    }

    async fn set_many(&self, random: &mut fastrand::Rng) -> Reply {
        let count = random.usize(1..=3);
        let chosen: Vec<&Key> = (0..count)
            .map(|_| random.choice(&self.keys).unwrap())
            .collect();
        let leases = chosen.iter().map(|key| lease_of(key).unwrap());
        let keys = [self.index.clone()].into_iter();
        let keys = keys.chain(chosen.iter().copied().cloned()).chain(leases);
        let mut args: Vec<Bytes> = vec!["1".into(), trim(random), condition(random)];
        args.extend(chosen.iter().map(|_| value(random)));
        args.extend(chosen.iter().map(|key| key.to_bytes()));
        let ttls = if random.bool() { count } else { 1 };
        args.extend((0..ttls).map(|_| ttl(random)));
        self.run(&SET_MANY, ScriptCall::new(keys.collect(), args))
            .await
    }

    async fn state(&self) -> State {
        let mut values = Vec::new();
        for key in &self.keys {
            let value = self.store.get(key).await.unwrap();
            values.push((value, self.store.expiry(key).await.unwrap()));
        }
        let page = ScriptCall::new(vec![self.index.clone()], vec!["inf".into(), "100".into()]);
        let Reply::Array(parts) = self.run(&PAGE, page).await else {
            panic!("a page is a list");
        };
        let mut parts = parts.into_iter();
        let mut members = Vec::new();
        while let (Some(Reply::Bytes(member)), Some(Reply::Bytes(score))) =
            (parts.next(), parts.next())
        {
            members.push((
                member,
                std::str::from_utf8(&score).unwrap().parse().unwrap(),
            ));
        }
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        let index = self.store.expiry(&self.index).await.unwrap();
        State {
            values,
            members,
            index,
        }
    }
}

fn value(random: &mut fastrand::Rng) -> Bytes {
    random.u8(..3).to_string().into()
}

fn ttl(random: &mut fastrand::Rng) -> Bytes {
    random
        .choice([400_000, 3_600_000, 86_400_000])
        .unwrap()
        .to_string()
        .into()
}

fn trim(random: &mut fastrand::Rng) -> Bytes {
    Bytes::from_static(random.choice([&b"0"[..], b"0", b"0", b"4"]).unwrap())
}

fn condition(random: &mut fastrand::Rng) -> Bytes {
    Bytes::from_static(random.choice([&b""[..], b"", b"", b"NX", b"XX"]).unwrap())
}

fn is_near(left: KeyExpiry, right: KeyExpiry) -> bool {
    match (left, right) {
        (KeyExpiry::In(left), KeyExpiry::In(right)) => left.abs_diff(right) <= TOLERANCE,
        (left, right) => left == right,
    }
}

fn assert_same(memory: &State, redis: &State, seed: u64) {
    let scores = memory.members.iter().zip(&redis.members);
    let tolerance = TOLERANCE.as_secs_f64() * 1_000.0;
    let is_same = memory.members.len() == redis.members.len()
        && scores.clone().all(|(left, right)| left.0 == right.0)
        && scores
            .clone()
            .all(|(left, right)| (left.1 - right.1).abs() <= tolerance)
        && memory
            .values
            .iter()
            .zip(&redis.values)
            .all(|(left, right)| left.0 == right.0)
        && memory
            .values
            .iter()
            .zip(&redis.values)
            .all(|(left, right)| is_near(left.1, right.1))
        && is_near(memory.index, redis.index);
    assert!(is_same, "seed {seed}: {memory:?} {redis:?}");
}

#[tokio::test]
async fn plans_leave_behind_what_the_scripts_would() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (memory, redis) = (
        MemoryStore::new(),
        RedisStore::connect(server.url()).await.unwrap(),
    );
    for seed in 0..20 {
        let namespace = Namespace::new(format!("it{:016x}", fastrand::u64(..))).unwrap();
        let schema = KeySchema::plain().with_namespace(namespace);
        let project = ProjectId::new("proj456").unwrap();
        let key = |name: &str| {
            schema.key_with_roots(&ProjectKey::new(
                project.clone(),
                KeyPath::new(name).unwrap(),
            ))
        };
        let keys: Vec<Key> = ["a", "b", "c"]
            .into_iter()
            .map(|name| key(name).0)
            .collect();
        let index = key("a").1.owner().unwrap().index();
        let side = |store| Side {
            store,
            keys: keys.clone(),
            index: index.clone(),
        };
        let (left, right) = (side(&memory as &dyn Store), side(&redis as &dyn Store));
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..12 {
            let mut same = random.clone();
            let (expected, found) = match random.bool() && same.bool() {
                true => (left.set(&mut random).await, right.set(&mut same).await),
                false => {
                    same = random.clone();
                    (
                        left.set_many(&mut random).await,
                        right.set_many(&mut same).await,
                    )
                }
            };
            assert_eq!(found, expected, "seed {seed}");
            assert_same(&left.state().await, &right.state().await, seed);
        }
        redis.delete_matching(&schema.all_keys()).await.unwrap();
    }
}
