//! The byte budget's books with collections: what was entered change by change is what a recount finds.

use std::{ops::Bound, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use proptest::prelude::*;
use tokio::time::advance;

use super::{
    super::{
        keyspace::Keyspace,
        transaction::Run,
        value::{Hash, SortedSet, Typed, Value, span},
    },
    key,
};
use crate::{
    Expiration, ExpireChange, Increment, MemoryStore, SetOptions, Store, Transaction, ZAddCondition,
};

const KEYS: usize = 5;

/// Cost of all entries and of those that could be evicted, counted from the members up.
pub(super) fn recount(keyspace: &Keyspace) -> (u64, u64) {
    let mut sums = (0, 0);
    keyspace.visit(|entry| {
        let cost = entry.cost() - entry.value.cost() + recounted(&entry.value);
        sums.0 += cost;
        sums.1 += if entry.deadline.is_never() { 0 } else { cost };
    });
    sums
}

/// What a value of the same members costs that was made just now.
fn recounted(value: &Value) -> u64 {
    if let Some(hash) = Hash::of(value) {
        let mut copy = Hash::default();
        for (field, value) in hash.iter() {
            copy.set(field, value.clone());
        }
        return copy.into_value().cost();
    }
    if let Some(set) = SortedSet::of(value) {
        let mut copy = SortedSet::default();
        for (member, score) in set.range(span((Bound::Unbounded, Bound::Unbounded)).unwrap()) {
            copy.add(member, score, ZAddCondition::Always);
        }
        return copy.into_value().cost();
    }
    value.cost()
}

pub(super) fn assert_level(store: &MemoryStore) {
    let budget = &store.keyspace().budget;
    let entered = (budget.used(), budget.evictable());
    assert_eq!(entered, recount(store.keyspace()));
}

#[derive(Clone, Debug)]
enum Step {
    /// What a script does to one key.
    Script(Vec<(usize, Change)>),
    /// A single command.
    Set(usize, usize, bool),
    Increment(usize),
    Delete(usize),
    Expire(usize, bool),
    Get(usize),
    Pass(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Set(usize),
    IncrBy,
    Del,
    Expire,
    Persist,
    HSet(u8, usize),
    HDel(u8),
    HIncrBy(u8),
    ZAdd(u8, i8),
    ZRem(u8),
    ZRemRange(i8, i8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => (0..3_000_usize).prop_map(Change::Set),
        1 => Just(Change::IncrBy),
        1 => Just(Change::Del),
        2 => Just(Change::Expire),
        1 => Just(Change::Persist),
        5 => (0..8_u8, 0..3_000_usize).prop_map(|(field, len)| Change::HSet(field, len)),
        3 => (0..8_u8).prop_map(Change::HDel),
        2 => (0..8_u8).prop_map(Change::HIncrBy),
        5 => (0..8_u8, any::<i8>()).prop_map(|(member, score)| Change::ZAdd(member, score)),
        3 => (0..8_u8).prop_map(Change::ZRem),
        1 => (any::<i8>(), any::<i8>()).prop_map(|(from, to)| Change::ZRemRange(from, to)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec((0..KEYS, change()), 1..8).prop_map(Step::Script),
        1 => (0..KEYS, 0..3_000_usize, any::<bool>()).prop_map(|(k, len, ttl)| Step::Set(k, len, ttl)),
        1 => (0..KEYS).prop_map(Step::Increment),
        1 => (0..KEYS).prop_map(Step::Delete),
        1 => (0..KEYS, any::<bool>()).prop_map(|(k, ttl)| Step::Expire(k, ttl)),
        1 => (0..KEYS).prop_map(Step::Get),
        1 => (1..15_u64).prop_map(Step::Pass),
    ]
}

fn ttl() -> Ttl {
    Ttl::seconds(10)
}

fn name(index: usize) -> Bytes {
    // Long and short names, so that their length counts.
    Bytes::from("n".repeat(1 + 20 * index))
}

/// Refusals such as a wrong type are part of the game.
fn apply(run: &mut Run<'_>, key: &Key, change: Change) {
    let number = |n: u8| name(n.into());
    let _ = match change {
        Change::Set(len) => run
            .set(key, vec![0; len].into(), SetOptions::new(Expiration::Keep))
            .map(drop),
        Change::IncrBy => run.incrby(key, 999).map(drop),
        Change::Del => run.del(key).map(drop),
        Change::Expire => run.pexpire(key, ExpireChange::After(ttl())).map(drop),
        Change::Persist => run.pexpire(key, ExpireChange::Never).map(drop),
        Change::HSet(field, len) => run
            .hset(key, &[(number(field), vec![0; len].into())])
            .map(drop),
        Change::HDel(field) => run.hdel(key, &[number(field)]).map(drop),
        Change::HIncrBy(field) => run.hincrby(key, &number(field), 99).map(drop),
        Change::ZAdd(member, score) => run
            .zadd(
                key,
                ZAddCondition::Always,
                &[(score.into(), number(member))],
            )
            .map(drop),
        Change::ZRem(member) => run.zrem(key, &[number(member)]).map(drop),
        Change::ZRemRange(from, to) => run
            .zremrange_by_score(
                key,
                (Bound::Included(from.into()), Bound::Excluded(to.into())),
            )
            .map(drop),
    };
}

async fn take(store: &MemoryStore, keys: &[Key], step: Step) {
    let one = |index: usize| std::slice::from_ref(&keys[index]);
    match step {
        Step::Script(changes) => {
            let mut run = Run::begin(store.keyspace(), "test", keys, 2_500);
            for (index, change) in changes {
                apply(&mut run, &keys[index], change);
            }
            run.end();
            store.keyspace().keep_budget();
        }
        Step::Set(index, len, with_ttl) => {
            let options = match with_ttl {
                true => SetOptions::ttl(ttl()),
                false => SetOptions::new(Expiration::Never),
            };
            let _ = store.set(&keys[index], vec![0; len].into(), options).await;
        }
        Step::Increment(index) => {
            let once = Increment::new(keys[index].clone(), 1, ttl());
            let _ = store.increment(&[once]).await;
        }
        Step::Delete(index) => {
            store.delete(one(index)).await.unwrap();
        }
        Step::Expire(index, with_ttl) => {
            let change = match with_ttl {
                true => ExpireChange::AtLeast(ttl()),
                false => ExpireChange::Never,
            };
            store.expire(one(index), change).await.unwrap();
        }
        Step::Get(index) => {
            let _ = store.get(&keys[index]).await;
        }
        Step::Pass(seconds) => advance(Duration::from_secs(seconds)).await,
    }
}

fn under_paused_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test);
}

proptest! {
    #[test]
    fn the_books_are_level_after_any_changes(
        steps in prop::collection::vec(step(), 1..40),
        bounded in any::<bool>(),
    ) {
        under_paused_time(async {
            let builder = MemoryStore::builder();
            let store = match bounded {
                true => builder.byte_budget(9_000).build(),
                false => builder.unbounded().build(),
            };
            let keys: Vec<Key> = (0..KEYS).map(|index| key(name(index))).collect();
            for step in steps {
                take(&store, &keys, step).await;
                assert_level(&store);
            }
            store.delete(&keys).await.unwrap();
            assert_eq!(recount(store.keyspace()), (0, 0));
            assert_level(&store);
        });
    }
}
