//! What the plans send leaves behind what the scripts would, by the server's clock.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cachekit_keys::{Key, KeyPath, KeySchema, Namespace, ProjectId, ProjectKey, Ttl};
use cachekit_store::{
    ErrorKind, KeyExpiry, MemoryStore, PubSubItem, RedisStore, Reply, Script, ScriptCall, Store,
    StoreExt, SubscribeRequest,
};
use cachekit_testkit::{
    chaos::Proxy,
    server::{Kind, SharedServer},
};

use crate::index::scripts::{PAGE, SET, SET_MANY};
use crate::lease::lease_of;

/// How far two clocks, and the rounding of an index's own TTL, may bring lives apart.
const TOLERANCE: Duration = Duration::from_secs(150);

struct Side<'s> {
    store: &'s dyn Store,
    keys: Vec<Key>,
    index: Key,
}

/// Operations of one comparison, and how many there are of these.
const OPERATIONS: usize = 40;
const COMPARISONS: u64 = 25;

/// What is left behind: each key's bytes and life, the members with their scores, and the index's life.
#[derive(Debug)]
struct State {
    values: Vec<(Option<Bytes>, KeyExpiry)>,
    leases: Vec<bool>,
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

    /// Somebody takes a lease.
    async fn take(&self, random: &mut fastrand::Rng) -> Reply {
        let key = random.choice(&self.keys).unwrap();
        let lease = lease_of(key).unwrap();
        let minute = Ttl::seconds(60);
        self.store
            .set_ttl(&lease, "0".into(), minute)
            .await
            .unwrap();
        Reply::Nil
    }

    /// A value goes, and its member stays.
    async fn lose(&self, random: &mut fastrand::Rng) -> Reply {
        let key = random.choice(&self.keys).unwrap();
        self.store.delete(std::slice::from_ref(key)).await.unwrap();
        Reply::Nil
    }

    async fn operate(&self, random: &mut fastrand::Rng) -> Reply {
        match random.u8(..10) {
            0..4 => self.set(random).await,
            4..7 => self.set_many(random).await,
            7..9 => self.take(random).await,
            _ => self.lose(random).await,
        }
    }

    async fn state(&self) -> State {
        let (mut values, mut leases) = (Vec::new(), Vec::new());
        for key in &self.keys {
            leases.push(
                self.store
                    .get(&lease_of(key).unwrap())
                    .await
                    .unwrap()
                    .is_some(),
            );
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
            leases,
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
        && memory.leases == redis.leases
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

/// A keyspace of its own: its keys, and their index.
fn fresh() -> (KeySchema, Vec<Key>, Key) {
    let namespace = Namespace::new(format!("it{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::plain().with_namespace(namespace);
    let project = ProjectId::new("proj456").unwrap();
    let key = |name: &str| {
        let path = KeyPath::new(name).unwrap();
        schema.key_with_roots(&ProjectKey::new(project.clone(), path))
    };
    let keys = ["a", "b", "c"].map(|name| key(name).0);
    let index = key("a").1.owner().unwrap().index();
    (schema, keys.into(), index)
}

async fn assert_comparable(kind: Kind) {
    let Some(server) = SharedServer::of(kind).await.unwrap() else {
        return;
    };
    let memory = MemoryStore::new();
    let redis = RedisStore::connect(server.url()).await.unwrap();
    for seed in 0..COMPARISONS {
        let (schema, keys, index) = fresh();
        let side = |store| Side {
            store,
            keys: keys.clone(),
            index: index.clone(),
        };
        let (left, right) = (side(&memory as &dyn Store), side(&redis as &dyn Store));
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..OPERATIONS {
            let mut same = random.clone();
            let expected = left.operate(&mut random).await;
            let found = right.operate(&mut same).await;
            assert_eq!(found, expected, "seed {seed}");
            assert_same(&left.state().await, &right.state().await, seed);
        }
        redis.delete_matching(&schema.all_keys()).await.unwrap();
    }
}

#[tokio::test]
async fn plans_leave_behind_what_the_scripts_would_on_redis_7() {
    assert_comparable(Kind::Redis7).await;
}

#[tokio::test]
async fn plans_leave_behind_what_the_scripts_would_on_redis_8() {
    assert_comparable(Kind::Redis8).await;
}

#[tokio::test]
async fn plans_leave_behind_what_the_scripts_would_on_valkey_8() {
    assert_comparable(Kind::Valkey8).await;
}

const HOUR: Duration = Duration::from_secs(3_600);

fn write(key: &Key, index: &Key, value: &'static str) -> ScriptCall {
    let keys = vec![key.clone(), lease_of(key).unwrap(), index.clone()];
    let ttl = HOUR.as_millis().to_string();
    let args = vec![
        value.into(),
        ttl.into(),
        "0".into(),
        "".into(),
        key.to_bytes(),
    ];
    ScriptCall::new(keys, args)
}

fn write_all(keys: &[Key], index: &Key, value: &'static str) -> ScriptCall {
    let leases = keys.iter().map(|key| lease_of(key).unwrap());
    let all = [index.clone()].into_iter().chain(keys.iter().cloned());
    let all = all.chain(leases).collect();
    let mut args: Vec<Bytes> = vec!["1".into(), "0".into(), "".into()];
    args.extend(keys.iter().map(|_| value.into()));
    args.extend(keys.iter().map(Key::to_bytes));
    args.push(HOUR.as_millis().to_string().into());
    ScriptCall::new(all, args)
}

/// By a plan whose idea of the time is off, into a new index each time.
#[tokio::test]
async fn a_wrong_idea_of_the_time_leaves_no_value_that_its_index_does_not_list_for_its_life() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    for hours in [-20_000, -2, 0, 2] {
        let guess = move || {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
            u64::try_from(i64::try_from(now).unwrap() + hours * 3_600_000).unwrap()
        };
        let store = RedisStore::builder(server.url()).guessed_time(guess);
        let store = store.connect().await.unwrap();
        for many in [false, true] {
            let (_, keys, index) = fresh();
            let (written, script) = match many {
                false => (&keys[..1], &SET),
                true => (&keys[..], &SET_MANY),
            };
            let call = match many {
                false => write(&keys[0], &index, "1"),
                true => write_all(&keys, &index, "1"),
            };
            store.run_script(script, &[call]).await.unwrap();
            let side = Side {
                store: &store,
                keys: written.to_vec(),
                index: index.clone(),
            };
            let state = side.state().await;
            assert!(
                matches!(state.index, KeyExpiry::In(left) if left > HOUR),
                "{hours} h: {state:?}"
            );
            let expiry = (SystemTime::UNIX_EPOCH.elapsed().unwrap() + HOUR).as_secs_f64();
            assert_eq!(state.members.len(), written.len(), "{hours} h: {state:?}");
            for (_, score) in &state.members {
                assert!(score / 1_000.0 > expiry - 60.0, "{hours} h: {state:?}");
            }
            store.delete(&[keys, vec![index]].concat()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_ends_a_lease_undoes_no_write_that_came_after_it() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = Proxy::start(server.url()).await.unwrap();
    let slow = RedisStore::builder(&proxy.url()).request_timeout(Duration::from_secs(20));
    let slow = slow.connect().await.unwrap();
    let direct = RedisStore::connect(server.url()).await.unwrap();
    for many in [false, true] {
        let (schema, keys, index) = fresh();
        let minute = Ttl::seconds(60);
        let lease = lease_of(&keys[0]).unwrap();
        direct.set_ttl(&lease, "0".into(), minute).await.unwrap();
        let wakes = [&b"ck:wake:"[..], &lease.as_bytes()[9..]].concat();
        let wakes = SubscribeRequest::channel(wakes);
        let mut wakes = direct.subscribe(wakes).await.unwrap();
        assert!(matches!(wakes.next().await, Some(PubSubItem::Gap(_))));
        proxy.delay(Duration::ZERO, Duration::from_millis(200));
        let (caller, calls) = (
            slow.clone(),
            match many {
                false => [write(&keys[0], &index, "1")],
                true => [write_all(&keys, &index, "1")],
            },
        );
        let script = if many { SET_MANY } else { SET };
        let first = tokio::spawn(async move { caller.run_script(&script, &calls).await });
        while direct.get(&keys[0]).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            direct.get(&lease).await.unwrap(),
            None,
            "it ends with the write"
        );
        direct
            .run_script(&SET, &[write(&keys[0], &index, "2")])
            .await
            .unwrap();
        assert_eq!(first.await.unwrap().unwrap(), [Reply::Integer(1)]);
        assert_eq!(direct.get(&keys[0]).await.unwrap().unwrap(), "2");
        let woken = tokio::time::timeout(Duration::from_secs(5), wakes.next()).await;
        assert!(
            matches!(woken, Ok(Some(PubSubItem::Message { .. }))),
            "{woken:?}"
        );
        proxy.pass();
        direct.delete_matching(&schema.all_keys()).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_whose_index_holds_another_type_fails_as_its_clearing_does() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (_, keys, index) = fresh();
    let minute = Ttl::seconds(60);
    store.set_ttl(&index, "x".into(), minute).await.unwrap();
    let write = store
        .run_script(&SET, &[write(&keys[0], &index, "1")])
        .await;
    let error = write.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true)
    );
    let page = ScriptCall::new(vec![index.clone()], vec!["inf".into(), "100".into()]);
    let clearing = store.run_script(&PAGE, &[page]).await.unwrap_err();
    assert_eq!(clearing.kind(), ErrorKind::WrongType);
    store.delete(&[keys, vec![index]].concat()).await.unwrap();
}
