//! Names go in and come out again, and nothing from outside does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use cachekit_keys::{CompanionKind, Key, KeySchema, Namespace, Pattern, SessionId, SessionKey};
use futures_util::StreamExt;

use super::{Namespaced, names::Names, wake};
use crate::{
    Error, ErrorKind, Fault, FaultPlan, FaultRule, Gap, Increment, LayerExt, MemoryStore,
    PubSubItem, ScanRequest, Script, ScriptCall, SetItem, SetOptions, Store, StoreExt,
    SubscribeRequest,
    layer::testing::{Stub, TTL, key},
};

const SCRIPT: Script = Script::new("script", "");

fn namespace(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn names() -> Names {
    Names::new(&namespace("staging"))
}

/// A key of few letters, so that prefixes, tags and the kit's own names come up often.
fn random_key(random: &mut fastrand::Rng) -> Key {
    const PARTS: [&str; 14] = [
        "ck:", "lease:", "index:", "wake:", "staging:", "prod:", "{", "}", ":", "a", "b", "*",
        "\\", "é",
    ];
    let plain = loop {
        let parts = (0..random.usize(1..7)).map(|_| PARTS[random.usize(..PARTS.len())]);
        if let Ok(key) = Key::from_raw(parts.collect::<String>()) {
            break key;
        }
    };
    let kind = CompanionKind::ALL[random.usize(..CompanionKind::ALL.len())];
    match random.bool() {
        true => plain.companion(kind).unwrap_or(plain),
        false => plain,
    }
}

fn for_random_keys(check: impl Fn(Key)) {
    let mut random = fastrand::Rng::with_seed(17);
    for _ in 0..20_000 {
        check(random_key(&mut random));
    }
}

#[test]
fn a_key_that_goes_in_comes_out_again() {
    let names = names();
    for_random_keys(|own| {
        let below = names.key(&own).unwrap();
        assert_eq!(names.own_key(&below), Some(own));
    });
}

#[test]
fn a_key_that_comes_out_goes_in_again_and_all_others_stay_outside() {
    let names = names();
    for_random_keys(|below| {
        if let Some(own) = names.own_key(&below) {
            assert_eq!(names.key(&own).unwrap(), below);
        }
    });
    for outside in [
        "session:x",
        "staging",
        "staging:",
        "stagingx:a",
        "prod:a",
        "ck:x",
        "ck:lease:{prod:a}",
        "ck:lease:{a}:prod:{a}",
        "staging:ck:lease:{a}",
    ] {
        assert_eq!(names.own_key(&key(outside)), None, "{outside}");
    }
}

#[test]
fn a_companion_becomes_the_companion_of_the_prefixed_key_and_lies_in_its_slot() {
    let names = names();
    for_random_keys(|own| {
        for &kind in CompanionKind::ALL {
            let Ok(companion) = own.companion(kind) else {
                continue;
            };
            let below = names.key(&companion).unwrap();
            let accompanied = names.key(&own).unwrap();
            assert_eq!(below.accompanied(), Some((kind, accompanied.clone())));
            assert_eq!(below.slot(), accompanied.slot());
        }
    });
    let lease = key("ck:lease:{session:abc:x}");
    let below = names.key(&lease).unwrap();
    assert_eq!(below.as_str(), Some("ck:lease:{staging:session:abc:x}"));
}

#[test]
fn other_keys_of_the_kit_are_prefixed_and_are_the_kits_again_without_the_prefix() {
    let names = names();
    let below = names.key(&key("ck:due:{3}")).unwrap();
    assert_eq!(below.as_str(), Some("staging:ck:due:{3}"));
    assert!(names.own_key(&below).unwrap().is_reserved());
}

#[test]
fn keys_with_one_hash_tag_keep_sharing_a_slot() {
    let names = names();
    let slot = |name| names.key(&key(name)).unwrap().slot();
    assert_eq!(slot("a:{t}:1"), slot("{t}b"));
    assert_eq!(slot("a:{t}:1"), key("{t}").slot());
}

#[test]
fn the_layer_and_a_schema_with_the_namespace_write_the_same_names() {
    let own = SessionKey::current_file(SessionId::new("abc").unwrap());
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        let plain = schema.key(&own);
        let named = schema.with_namespace(namespace("staging")).key(&own);
        assert_eq!(names().key(&plain).unwrap(), named);
        let lease = |key: &Key| key.companion(CompanionKind::Lease).unwrap();
        assert_eq!(names().key(&lease(&plain)).unwrap(), lease(&named));
    }
}

#[test]
fn a_channel_that_goes_in_comes_out_again_and_wake_ups_follow_their_key() {
    let names = names();
    for_random_keys(|own| {
        let below = names.channel(own.as_bytes()).unwrap();
        assert_eq!(names.own_channel(&below), Some(own.to_bytes()));
        let woken = names.channel(&own.wake_channel()).unwrap();
        assert_eq!(woken, names.key(&own).unwrap().wake_channel());
        assert_eq!(names.own_channel(&woken), Some(own.wake_channel()));
        assert_eq!(wake::key_of(&own.wake_channel()), Some(own));
    });
    for outside in [
        "events:x",
        "prod:events:x",
        "ck:wake:{prod:a}",
        "ck:wake:x",
        "staging:ck:wake:{a}",
    ] {
        assert_eq!(names.own_channel(&Bytes::from(outside)), None, "{outside}");
    }
}

fn glob_of(text: &str) -> Pattern {
    match text {
        "*" => Pattern::everything(),
        text => Pattern::raw(text.to_owned()).unwrap(),
    }
}

/// Every key of the store, or of its namespace.
async fn find(store: &dyn Store, pattern: &Pattern) -> BTreeSet<Key> {
    let mut request = ScanRequest::new(pattern.clone()).with_count(7);
    let mut found = BTreeSet::new();
    loop {
        let page = store.scan(&request).await.unwrap();
        found.extend(page.keys);
        match page.next {
            Some(next) => request = request.continue_from(next),
            None => return found,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_finds_what_matches_in_the_namespace_and_nothing_else() {
    let mut random = fastrand::Rng::with_seed(23);
    let shared = MemoryStore::new();
    let staging = Namespaced::new(Arc::new(shared.clone()), &namespace("staging"));
    let mut own = BTreeSet::new();
    for _ in 0..500 {
        let (inside, outside) = (random_key(&mut random), random_key(&mut random));
        staging.set_ttl(&inside, "v".into(), TTL).await.unwrap();
        shared.set_ttl(&outside, "v".into(), TTL).await.unwrap();
        own.insert(inside);
        own.extend(names().own_key(&outside));
    }
    let globs = [
        "*",
        "a*",
        "?*:",
        "c*",
        "ck*",
        "ck:*",
        "ck:lease:*",
        "ck:lease:{*",
        "ck:l*",
        "[a-c]*:*",
        "\\ck:*",
        "staging:*",
        "*lease*",
        "*{a}*",
        "ck:x",
        "a",
        "\\**",
        "*\\\\*",
        "ck:lease:{a}",
        "[^c]*a*",
    ];
    for glob in globs {
        let pattern = glob_of(glob);
        let matching = own.iter().filter(|key| pattern.matches(key.as_bytes()));
        assert_eq!(
            find(&staging, &pattern).await,
            matching.cloned().collect(),
            "{glob}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_starts_with_a_literal_is_left_to_the_server() {
    use super::globs::Search;

    let below = |glob: &str| match Search::keys(&names(), glob.as_bytes()).unwrap() {
        Search::Exact(pattern) => (true, pattern.to_string()),
        Search::Among(pattern) => (false, pattern.to_string()),
    };
    assert_eq!(below("session:*"), (true, "staging:session:*".to_owned()));
    assert_eq!(below("ck:lease:{a*"), (false, "*ck:lease:*".to_owned()));
    assert_eq!(below("*"), (false, "*staging:*".to_owned()));
    let odd = Names::new(&namespace("a[b]*"));
    let search = Search::keys(&odd, b"x*").unwrap();
    assert_eq!(search.pattern().to_string(), r"a\[b\]\*:x*");
}

#[tokio::test(start_paused = true)]
async fn deleting_everything_spares_other_namespaces_and_the_kits_own_keys() {
    let shared = MemoryStore::new();
    let [staging, prod] =
        ["staging", "prod"].map(|name| Namespaced::new(Arc::new(shared.clone()), &namespace(name)));
    let own = [
        key("a"),
        key("session:x:y"),
        key("ck:due:{3}"),
        key("ck:lease:{a}"),
    ];
    for store in [&staging as &dyn Store, &prod, &shared] {
        for key in &own {
            store.set_ttl(key, "v".into(), TTL).await.unwrap();
        }
    }
    let everything = Pattern::everything();
    assert_eq!(staging.delete_matching(&everything).await.unwrap(), 2);
    let left = find(&staging, &everything).await;
    assert_eq!(left, BTreeSet::from([own[2].clone(), own[3].clone()]));
    assert_eq!(find(&prod, &everything).await, BTreeSet::from(own.clone()));
    for key in &own {
        assert!(shared.exists(key).await.unwrap(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_namespaces_do_not_see_each_others_values() {
    let shared = Arc::new(MemoryStore::new());
    let stores = ["one", "two"].map(|name| Arc::clone(&shared).in_namespace(&namespace(name)));
    for (store, value) in stores.iter().zip(["1", "2"]) {
        let items = [SetItem::new(key("a"), value, SetOptions::ttl(TTL))];
        store.set_many(&items).await.unwrap();
    }
    for (store, value) in stores.iter().zip(["1", "2"]) {
        assert_eq!(store.get(&key("a")).await.unwrap(), Some(value.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn errors_show_the_callers_key() {
    let shared = MemoryStore::new();
    let staging = Namespaced::new(Arc::new(shared.clone()), &namespace("staging"));
    let (good, bad) = (key("good"), key(&"bad".repeat(100)));
    for key in [&good, &bad] {
        staging.set_ttl(key, "text".into(), TTL).await.unwrap();
    }
    let counts = [
        Increment::new(key("hits"), 1, TTL),
        Increment::new(bad.clone(), 1, TTL),
    ];
    let error = staging.increment(&counts).await.unwrap_err();
    let shown = Error::new(ErrorKind::WrongType, "x").with_key(&bad);
    assert_eq!(
        (error.kind(), error.key()),
        (ErrorKind::WrongType, shown.key())
    );
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::NotReady)));
    let failing = shared
        .with_faults(&plan)
        .in_namespace(&namespace("staging"));
    assert_eq!(failing.get(&good).await.unwrap_err().key(), Some("good"));
    let error = failing.delete(&[key("a"), key("b")]).await.unwrap_err();
    assert_eq!(error.key(), None, "the store below named none");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_too_long_behind_the_namespace_is_refused() {
    let staging = MemoryStore::new().in_namespace(&namespace("staging"));
    let longest = key(&"k".repeat(Key::MAX_BYTES - "staging:".len()));
    assert_eq!(staging.get(&longest).await.unwrap(), None);
    let lease = longest.companion(CompanionKind::Lease).unwrap();
    assert_eq!(staging.get(&lease).await.unwrap(), None);
    let too_long = key(&"k".repeat(Key::MAX_BYTES - "staging:".len() + 1));
    for key in [too_long.companion(CompanionKind::Lease).unwrap(), too_long] {
        let error = staging.get(&key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.operation(), "get");
        assert!(error.to_string().contains("in its namespace"), "{error}");
        let channel = key.wake_channel();
        let error = staging.publish(&channel, Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let pattern = Pattern::raw("k".repeat(4_096)).unwrap();
    let error = staging.scan(&ScanRequest::new(pattern)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::InvalidInput, "scan")
    );
}

#[tokio::test(start_paused = true)]
async fn scripts_get_their_keys_and_wake_ups_behind_the_namespace_and_values_as_they_are() {
    let stub = Arc::new(Stub::default());
    let staging = Arc::clone(&stub).in_namespace(&namespace("staging"));
    let own = [key("a"), key("ck:lease:{a}")];
    let wake_up = own[0].wake_channel();
    let foreign_wake_up = key("b").wake_channel();
    let args = vec![
        wake_up,
        foreign_wake_up.clone(),
        "a".into(),
        "ck:wake:".into(),
    ];
    let run = ScriptCall::new(own.to_vec(), args);
    staging.run_script(&SCRIPT, &[run]).await.unwrap();
    let runs = stub.runs.lock();
    assert_eq!(
        runs[0].keys,
        [key("staging:a"), key("ck:lease:{staging:a}")]
    );
    let expected: [Bytes; 4] = [
        key("staging:a").wake_channel(),
        foreign_wake_up,
        "a".into(),
        "ck:wake:".into(),
    ];
    assert_eq!(runs[0].args, expected);
}

fn message(channel: impl Into<Bytes>) -> PubSubItem {
    PubSubItem::Message {
        channel: channel.into(),
        payload: Bytes::from_static(b"m"),
    }
}

#[tokio::test(start_paused = true)]
async fn channels_are_published_and_heard_behind_the_namespace() {
    let stub = Arc::new(Stub::default());
    let wake_up = |name: &str| key(name).wake_channel();
    *stub.items.lock() = vec![
        PubSubItem::Gap(Gap::Subscribed),
        message("staging:events:x"),
        message(wake_up("staging:a")),
        message("prod:events:x"),
        message("staging:other"),
        message(wake_up("staging:b")),
        message("events:y"),
        PubSubItem::Gap(Gap::Reconnected),
        message("staging:events:y"),
    ];
    let staging = Arc::clone(&stub).in_namespace(&namespace("staging"));
    let request = SubscribeRequest::pattern("events:*")
        .with_channel(wake_up("a"))
        .with_buffer(5);
    let subscription = staging.subscribe(request).await.unwrap();
    let heard: Vec<PubSubItem> = subscription.collect().await;
    assert_eq!(
        heard,
        [
            PubSubItem::Gap(Gap::Subscribed),
            message("events:x"),
            message(wake_up("a")),
            PubSubItem::Gap(Gap::Reconnected),
            message("events:y"),
        ]
    );
    let below = stub.subscribed.lock().clone().unwrap();
    assert_eq!(below.channels, [wake_up("staging:a")]);
    assert_eq!(
        (below.patterns, below.buffer),
        (vec!["staging:events:*".into()], 5)
    );

    staging
        .publish(&"events:x".into(), "m".into())
        .await
        .unwrap();
    staging.publish(&wake_up("a"), "m".into()).await.unwrap();
    let published: [Bytes; 2] = ["staging:events:x".into(), wake_up("staging:a")];
    assert_eq!(*stub.published.lock(), published);
}

#[tokio::test(start_paused = true)]
async fn a_glob_that_a_server_would_refuse_is_refused() {
    let staging = Stub::default().in_namespace(&namespace("staging"));
    for glob in [String::new(), "x".repeat(4_096)] {
        let request = SubscribeRequest::pattern(glob);
        let error = staging.subscribe(request).await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::InvalidInput, "subscribe")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_glob_over_channels_hears_what_it_matches_in_the_namespace_and_nothing_else() {
    let mut random = fastrand::Rng::with_seed(29);
    let channels: Vec<Bytes> = (0..2_000)
        .map(|number| match number % 2 {
            0 => random_key(&mut random).into_bytes(),
            _ => random_key(&mut random).wake_channel(),
        })
        .collect();
    let names = names();
    let stub = Arc::new(Stub::default());
    let staging = Arc::clone(&stub).in_namespace(&namespace("staging"));
    for glob in [
        "*",
        "a*",
        "ck:*",
        "ck:wake:*",
        "ck:wake:{a*",
        "[ck]*:*",
        "staging:*",
        "?k:*",
    ] {
        let request = SubscribeRequest::pattern(glob);
        drop(staging.subscribe(request.clone()).await.unwrap());
        let below: Vec<Pattern> = {
            let subscribed = stub.subscribed.lock();
            let globs = subscribed
                .iter()
                .flat_map(|request| request.patterns.clone());
            globs.map(|glob| Pattern::raw(glob).unwrap()).collect()
        };
        // What a server would deliver for the globs below.
        let delivered = channels
            .iter()
            .filter(|channel| below.iter().any(|glob| glob.matches(channel)));
        *stub.items.lock() = delivered.map(|channel| message(channel.clone())).collect();
        let heard: Vec<PubSubItem> = staging.subscribe(request).await.unwrap().collect().await;
        let pattern = glob_of(glob);
        let own = channels
            .iter()
            .filter_map(|channel| names.own_channel(channel));
        let expected: Vec<PubSubItem> = own
            .filter(|channel| pattern.matches(channel))
            .map(message)
            .collect();
        assert!(!expected.is_empty(), "{glob} is a test of something");
        assert_eq!(heard, expected, "{glob}");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_keep_their_order() {
    let staging = MemoryStore::new().in_namespace(&namespace("staging"));
    let items: BTreeMap<Key, String> = (0..50)
        .map(|number| (key(&format!("k{number}")), number.to_string()))
        .collect();
    for (key, value) in &items {
        let value = Bytes::from(value.clone());
        staging.set_ttl(key, value, TTL).await.unwrap();
    }
    let keys: Vec<Key> = items.keys().rev().cloned().collect();
    let values = staging.get_many(&keys).await.unwrap();
    let expected: Vec<Option<Bytes>> = items
        .values()
        .rev()
        .map(|value| Some(value.clone().into()))
        .collect();
    assert_eq!(values, expected);
}
