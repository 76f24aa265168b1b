//! What takes, fills and ends leases, by the same calls on the memory store and on a server.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, KeySchema, Namespace, ProjectId, ProjectKey, Roots, Ttl};
use cachekit_store::{KeyExpiry, MemoryStore, RedisStore, Result, Store, StoreExt, sha1hex};
use cachekit_testkit::server::{Kind, SharedServer};

use tokio::time::Instant;

use crate::index::Write;
use crate::lease::{Fill, Late, Take, Taken, Token, fill, lease_of, release, remove, renew, take};

struct Lessee<'s> {
    store: &'s dyn Store,
    key: Key,
    roots: Roots,
    tokens: [Token; 2],
    word: Key,
}

impl<'s> Lessee<'s> {
    fn new(store: &'s dyn Store, schema: &KeySchema, tokens: [Token; 2]) -> Self {
        let project = ProjectId::new("proj456").unwrap();
        let (key, roots) = schema.key_with_roots(&ProjectKey::file_tree(project));
        Self {
            store,
            key,
            roots,
            tokens,
            word: schema.cleared(),
        }
    }

    /// Does one thing, and tells what came of it.
    async fn step(&self, random: &mut fastrand::Rng) -> Result<String> {
        let ttl = Ttl::seconds(60);
        let token = self.tokens[usize::from(random.bool())].clone();
        let value = Bytes::from(format!("value {}", random.u8(..3)));
        let lease = lease_of(&self.key)?;
        let word = random.bool().then_some(&self.word);
        Ok(match random.u8(..10) {
            0..=2 => {
                let seen = random.bool().then(|| sha1hex(&value));
                let take_one = Take {
                    key: self.key.clone(),
                    roots: self.roots.clone(),
                    tags: Vec::new(),
                    token,
                    seen,
                    seen_left: random.bool().then_some(Duration::from_secs(1_000)),
                    ttl,
                    life: ttl,
                };
                match take(self.store, word, &[take_one]).await?.remove(0).1 {
                    Taken::Found { value, expires_in } => {
                        format!("found {value:?} {}", expires_in.is_some())
                    }
                    Taken::Held { left } => format!("held {}", left.as_secs_f64() > 50.0),
                    Taken::Granted { has_seen } => format!("granted {has_seen}"),
                    Taken::Unpersisted(write) => format!("unpersisted {write:?}"),
                    Taken::OtherType => "other type".to_owned(),
                }
            }
            3 | 4 => {
                let write = Write {
                    key: self.key.clone(),
                    roots: self.roots.clone(),
                    value,
                    ttl,
                };
                let late = Late {
                    tags: Vec::new(),
                    since: Instant::now(),
                };
                let fill_one = Fill::new(write, &[], late, token);
                format!("filled {:?}", fill(self.store, word, &[fill_one]).await?)
            }
            5 => format!("renewed {}", renew(self.store, &lease, &token, ttl).await?),
            6 => format!(
                "released {:?}",
                release(self.store, word, &[(lease, token)]).await?
            ),
            8 => {
                self.store.set_ttl(&self.word, value, ttl).await?;
                "cleared by a pattern".to_owned()
            }
            7 => format!(
                "removed {}",
                remove(self.store, std::slice::from_ref(&self.key)).await?
            ),
            _ => match random.bool() {
                true => {
                    self.store.set_ttl(&self.key, value, ttl).await?;
                    "written by another".to_owned()
                }
                false => format!("deleted {}", self.store.delete_one(&self.key).await?),
            },
        })
    }

    /// What is left behind.
    async fn state(&self) -> Result<String> {
        let keys = [
            self.key.clone(),
            lease_of(&self.key)?,
            self.roots.owner().unwrap().index(),
        ];
        let lives = self.store.expiries(&keys).await?;
        let lives: Vec<bool> = lives
            .iter()
            .map(|life| *life != KeyExpiry::Missing)
            .collect();
        Ok(format!("{:?} {lives:?}", self.store.get(&self.key).await?))
    }
}

#[tokio::test]
async fn both_bodies_answer_and_leave_the_same() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let redis = RedisStore::connect(server.url()).await.unwrap();
    for seed in 0..8 {
        let memory = MemoryStore::new();
        let namespace = Namespace::new(format!("it{:016x}", fastrand::u64(..))).unwrap();
        let schema = KeySchema::plain().with_namespace(namespace);
        let tokens = [Token::random(), Token::random()];
        let left = Lessee::new(&memory, &schema, tokens.clone());
        let right = Lessee::new(&redis, &schema, tokens);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut done = Vec::new();
        for _ in 0..100 {
            let mut same = random.clone();
            let expected = left.step(&mut random).await.unwrap();
            let found = right.step(&mut same).await.unwrap();
            done.push(expected.clone());
            assert_eq!(found, expected, "seed {seed}: {done:?}");
            let states = (right.state().await.unwrap(), left.state().await.unwrap());
            assert_eq!(states.0, states.1, "seed {seed}: {done:?}");
        }
        right
            .store
            .delete_matching(&schema.all_keys())
            .await
            .unwrap();
    }
}
