//! The stores that the tests run on.

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;
use cachekit_keys::{Key, KeySchema, Namespace, Pattern, ProjectId, Root, SessionId, Tag};
use cachekit_patterns::{LevelCaches, ProjectCache, SessionCache};
use cachekit_store::{
    MemoryStore, Namespaced, RedisStore, Reply, Result, ScanRequest, Script, ScriptCall, Store,
    Transaction,
};
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};

/// A store and a schema, with a namespace that no other test has.
#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) levels: LevelCaches,
    /// Ends with the last bed on it.
    _server: Option<SharedServer>,
}

impl fmt::Debug for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Bed {
    pub(crate) fn new(name: &'static str, store: Arc<dyn Store>, schema: KeySchema) -> Self {
        let namespace = Namespace::new(format!("it{:016x}", fastrand::u64(..))).unwrap();
        let schema = schema.with_namespace(namespace);
        let levels = LevelCaches::builder(Arc::clone(&store), schema.clone());
        Self {
            name,
            store,
            schema,
            levels: levels.build().unwrap(),
            _server: None,
        }
    }

    pub(crate) fn memory() -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::new("memory", store, KeySchema::plain())
    }

    /// As on a cluster, where only a sharded owner's keys share the slot of their index.
    pub(crate) fn cluster(schema: KeySchema) -> Self {
        let store = Arc::new(MemoryStore::builder().clustered(true).build());
        Self::new("memory as on a cluster", store, schema)
    }

    /// Behind a layer that renames every key.
    pub(crate) fn renamed() -> Self {
        let tenant = Namespace::new("tenant").unwrap();
        let store = Arc::new(Namespaced::new(Arc::new(MemoryStore::new()), &tenant));
        Self::new("memory behind a namespace", store, KeySchema::sharded())
    }

    pub(crate) async fn redis() -> Option<Self> {
        let server = SharedServer::of(Kind::Redis7).await.unwrap()?;
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        let bed = Self::new("redis", store, KeySchema::plain());
        Some(Self {
            _server: Some(server),
            ..bed
        })
    }

    pub(crate) async fn redis_cluster() -> Option<Self> {
        let deployment = Deployment::new(Kind::Redis7, Form::Cluster);
        let server = SharedServer::of(deployment).await.unwrap()?;
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        let bed = Self::new("redis cluster", store, KeySchema::sharded());
        Some(Self {
            _server: Some(server),
            ..bed
        })
    }

    /// Another process on the same server, or another set of handles in memory.
    pub(crate) async fn another(&self) -> Self {
        match &self._server {
            Some(server) => {
                let store = RedisStore::connect(server.url()).await.unwrap();
                self.through(Arc::new(store))
            }
            None => self.through(Arc::clone(&self.store)),
        }
    }

    /// The address of the server, where there is one.
    pub(crate) fn url(&self) -> Option<&str> {
        self._server.as_ref().map(SharedServer::url)
    }

    /// The same store and schema, seen through another store.
    pub(crate) fn through(&self, store: Arc<dyn Store>) -> Self {
        let levels = LevelCaches::builder(Arc::clone(&store), self.schema.clone());
        Self {
            name: self.name,
            store,
            schema: self.schema.clone(),
            levels: levels.build().unwrap(),
            _server: self._server.clone(),
        }
    }

    pub(crate) fn session(&self, id: &str) -> SessionCache {
        self.levels.session(&session_id(id))
    }

    pub(crate) fn project(&self, id: &str) -> ProjectCache {
        self.levels.project(&project_id(id))
    }

    pub(crate) async fn invalidate(&self, tag: &str) -> u64 {
        let invalidation = self.levels.invalidation();
        invalidation.invalidate_tag(&tag_of(tag)).await.unwrap()
    }

    /// The members of a root's index as text, without the namespace, in byte order.
    pub(crate) async fn members(&self, root: &Root) -> Vec<String> {
        let call = ScriptCall::new(vec![root.index()], Vec::new());
        let replies = self.store.run_script(&MEMBERS, &[call]).await.unwrap();
        let Some(Reply::Array(members)) = replies.into_iter().next() else {
            panic!("a list");
        };
        let text = |reply| match reply {
            Reply::Bytes(bytes) => self.local(&bytes),
            other => panic!("{other:?}"),
        };
        let mut members: Vec<String> = members.into_iter().map(text).collect();
        members.sort();
        members
    }

    /// The keys in the namespace, without it, in byte order.
    pub(crate) async fn names(&self) -> Vec<String> {
        let mut request = ScanRequest::new(self.schema.all_keys());
        let mut names = std::collections::BTreeSet::new();
        loop {
            let page = self.store.scan(&request).await.unwrap();
            names.extend(page.keys.iter().map(|key| self.local(key.as_bytes())));
            match page.next {
                Some(cursor) => request = request.continue_from(cursor),
                None => return names.into_iter().collect(),
            }
        }
    }

    fn local(&self, bytes: &[u8]) -> String {
        let namespace = self.schema.namespace().unwrap().as_encoded();
        let text = std::str::from_utf8(bytes).unwrap();
        let rest = text.strip_prefix(namespace);
        rest.and_then(|rest| rest.strip_prefix(':'))
            .unwrap_or(text)
            .to_owned()
    }
}

/// Runs a test on every store.
pub(crate) async fn everywhere<F: Future<Output = ()>>(test: impl Fn(Bed) -> F) {
    let mut beds = vec![
        Bed::memory(),
        Bed::renamed(),
        Bed::cluster(KeySchema::sharded()),
        Bed::cluster(KeySchema::plain()),
    ];
    beds.extend(Bed::redis().await);
    for bed in beds {
        test(bed).await;
    }
}

/// Runs a test on the memory store, a server and a cluster.
pub(crate) async fn on_each_form<F: Future<Output = ()>>(test: impl Fn(Bed) -> F) {
    let mut beds = vec![Bed::memory()];
    beds.extend(Bed::redis().await);
    beds.extend(Bed::redis_cluster().await);
    for bed in beds {
        test(bed).await;
    }
}

const MEMBERS: Script =
    Script::new("members", "return redis.call('ZRANGE', KEYS[1], 0, -1)").with_body(members);

fn members(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let members = tx.zrange_by_score(&keys[0], all, usize::MAX)?;
    let members = members.into_iter().map(|(member, _)| Reply::Bytes(member));
    Ok(Reply::Array(members.collect()))
}

pub(crate) fn session_id(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

pub(crate) fn project_id(id: &str) -> ProjectId {
    ProjectId::new(id).unwrap()
}

pub(crate) fn tag_of(tag: &str) -> Tag {
    Tag::new(tag).unwrap()
}

/// Whatever the store holds, other tests' keys included.
pub(crate) async fn count_all(store: &MemoryStore) -> usize {
    let request = ScanRequest::new(Pattern::everything()).with_count(ScanRequest::MAX_COUNT);
    store.scan(&request).await.unwrap().keys.len()
}
