//! Single values: writing, reading, deleting.

use bytes::Bytes;
use cachekit_keys::Ttl;
use cachekit_store::SetOptions;

use super::fixture::Fixture;

pub(super) async fn a_missing_key_is_none(fixture: &Fixture) {
    fixture.assert_missing(&fixture.key("a")).await;
}

pub(super) async fn what_was_set_is_read(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "value").await;
    fixture.assert_value(&key, "value").await;
}

pub(super) async fn overwriting_replaces_value_and_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "old").await;
    let ttl = Ttl::seconds(90);
    assert!(
        fixture
            .store
            .set(&key, "new".into(), SetOptions::ttl(ttl))
            .await
            .unwrap()
    );
    fixture.assert_value(&key, "new").await;
    fixture.assert_ttl(&key, ttl).await;
}

pub(super) async fn values_are_any_bytes(fixture: &Fixture) {
    let value: Vec<u8> = (0..=255).chain([b'\r', b'\n', 0]).collect();
    let key = fixture.key("a");
    fixture.put(&key, value.clone()).await;
    fixture.assert_value(&key, value).await;
}

pub(super) async fn an_empty_value_is_a_value(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, Bytes::new()).await;
    fixture.assert_value(&key, "").await;
    assert_eq!(
        fixture.store.get_many(&[key]).await.unwrap(),
        [Some(Bytes::new())]
    );
}

pub(super) async fn a_megabyte_survives(fixture: &Fixture) {
    let value: Bytes = (0..1_u32 << 20).map(|place| (place % 251) as u8).collect();
    let key = fixture.key("a");
    fixture.put(&key, value.clone()).await;
    let read = fixture.store.get(&key).await.unwrap();
    assert!(read == Some(value), "the bytes differ");
}

pub(super) async fn keys_are_any_bytes(fixture: &Fixture) {
    let names: [&[u8]; 6] = [
        b"",
        b" ",
        b"\0\xff\xfe",
        b"a\r\nb",
        "k\u{e9}y".as_bytes(),
        b"{tag}*?[x]\\",
    ];
    for name in names {
        let key = fixture.key(name);
        fixture.put(&key, name.to_vec()).await;
        fixture.assert_value(&key, name).await;
        assert_eq!(fixture.store.delete(&[key]).await.unwrap(), 1, "{name:?}");
    }
}

pub(super) async fn keys_differ_by_case_and_by_every_byte(fixture: &Fixture) {
    let names = ["key", "Key", "key ", "key\0"];
    for name in names {
        fixture.put(&fixture.key(name), name).await;
    }
    for name in names {
        fixture.assert_value(&fixture.key(name), name).await;
    }
}

pub(super) async fn deleting_counts_what_existed(fixture: &Fixture) {
    let [a, b, missing] = ["a", "b", "missing"].map(|name| fixture.key(name));
    fixture.put(&a, "1").await;
    fixture.put(&b, "2").await;
    assert_eq!(
        fixture
            .store
            .delete(&[a.clone(), missing, b])
            .await
            .unwrap(),
        2
    );
    fixture.assert_missing(&a).await;
    assert_eq!(fixture.store.delete(&[a]).await.unwrap(), 0);
}

pub(super) async fn deleting_the_same_key_twice_in_one_call_counts_once(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "1").await;
    assert_eq!(fixture.store.delete(&[key.clone(), key]).await.unwrap(), 1);
}
