//! What the compiler is to confirm: handles can be shared between threads, and their futures sent.

use cachekit_keys::{ProjectId, ProjectKey, SessionId};
use cachekit_store::Error;

use crate::{
    Announcer, Cache, CacheBuilder, CacheCounters, GlobalCache, Invalidation, KeepWarm,
    LevelCaches, Lookup, ProjectCache, SessionCache, WriteOptions, each,
};

const fn assert_shared<T: Send + Sync + 'static>() {}

fn assert_send<T: Send>(_: T) {}

const _: () = {
    assert_shared::<Cache<ProjectKey, String>>();
    assert_shared::<CacheBuilder<ProjectKey, String>>();
    assert_shared::<CacheCounters>();
    assert_shared::<GlobalCache>();
    assert_shared::<Announcer>();
    assert_shared::<Invalidation>();
    assert_shared::<KeepWarm<ProjectKey, String>>();
    assert_shared::<LevelCaches>();
    assert_shared::<Lookup<String>>();
    assert_shared::<ProjectCache>();
    assert_shared::<SessionCache>();
    // The keys' type is its methods' and not its contents: it does not decide whether a cache can be shared.
    assert_shared::<Cache<*const u8, u8>>();
};

#[expect(dead_code, reason = "only type-checked")]
fn futures_are_send(
    cache: &Cache<ProjectKey, String>,
    levels: &LevelCaches,
    key: &ProjectKey,
    session: &SessionId,
    project: &ProjectId,
) {
    let options = WriteOptions::new();
    assert_send(cache.get(key));
    assert_send(cache.get_many(std::slice::from_ref(key)));
    assert_send(cache.set_with(key, &String::new(), &options));
    assert_send(cache.set_many(&[]));
    assert_send(cache.remove(key));
    assert_send(levels.session(session).get::<String>("name"));
    assert_send(levels.session(session).set_many(&[("name", "value")]));
    assert_send(levels.session(session).clear());
    assert_send(levels.project(project).set_analysis("code", &1));
    assert_send(levels.global().get_many::<String>(&["name"]));
    assert_send(levels.invalidation().delete_by_pattern("session:*"));
    let load = |_| async { Ok::<_, Error>(String::new()) };
    assert_send(cache.warm(each([key.clone()]), load));
    assert_send(cache.warm_values(each([(key.clone(), String::new())])));
    let name = || async { Ok::<_, Error>(7) };
    assert_send(levels.project(project).get_or_load("name", name));
}
