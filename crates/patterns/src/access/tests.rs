//! What is asked of the store, and what is made of its answers: on a mock, which fails for any other call.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use cachekit_codec::{Meta, ValueFormat};
use cachekit_keys::{Jitter, Key, KeySchema, Roots, Ttl};
use cachekit_store::{Capabilities, Error, ErrorKind, MockStore, SetOptions};
use serde::{Deserialize, Serialize, Serializer, ser};

use super::{Access, Base};
use crate::{CacheCounts, WriteOptions, index::Place, options::Lifetime};

/// A value that cannot be written if it is odd.
#[derive(Debug)]
struct Picky(u32);

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 2 == 1 {
            return Err(ser::Error::custom("the secret value 4711 is odd"));
        }
        serializer.serialize_u32(self.0)
    }
}

/// What bincode cannot tell apart, and JSON can.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Snippet {
    code: String,
    lines: u32,
}

fn access_with(mut store: MockStore, format: ValueFormat) -> Access {
    let capabilities = Capabilities::basic(1 << 20);
    store.expect_capabilities().return_const(capabilities);
    let base = Base {
        format,
        ..Base::new(Arc::new(store), KeySchema::plain())
    };
    let lifetime = Lifetime::new(Ttl::seconds(60), Jitter::NONE);
    Access::new(base.checked().unwrap(), lifetime, "project")
}

fn access(store: MockStore) -> Access {
    access_with(store, ValueFormat::json())
}

fn keys(names: &[&str]) -> Vec<Key> {
    names
        .iter()
        .map(|name| Key::from_raw((*name).to_owned()).unwrap())
        .collect()
}

fn key(name: &str) -> Key {
    keys(&[name]).remove(0)
}

fn place(name: &str) -> Place {
    (key(name), Roots::default())
}

/// Answers reads of one key with these bytes.
fn holding(bytes: impl Into<Bytes>) -> MockStore {
    let bytes = bytes.into();
    let mut store = MockStore::new();
    store
        .expect_get()
        .returning(move |_| Ok(Some(bytes.clone())));
    store
}

fn newer_entry() -> Vec<u8> {
    let written = ValueFormat::json()
        .encode("value", &Meta::default().with_created_at(1))
        .unwrap();
    let mut newer = written.to_vec();
    newer[2] = 99; // the version
    newer
}

#[tokio::test]
async fn a_batch_is_read_in_one_call_and_keeps_its_order() {
    let mut store = MockStore::new();
    let held = HashMap::from([("a", "1"), ("c", "3")]);
    store.expect_get_many().times(1).returning(move |keys| {
        Ok(keys
            .iter()
            .map(|key| held.get(key.as_str().unwrap()).map(|text| (*text).into()))
            .collect())
    });
    let access = access(store);

    let values: Vec<Option<u32>> = access.get_many(&keys(&["c", "b", "a", "c"])).await.unwrap();
    assert_eq!(values, [Some(3), None, Some(1), Some(3)]);
    let counts = access.base().counters.snapshot();
    assert_eq!((counts.hits, counts.misses), (3, 1));
}

#[tokio::test]
async fn a_batch_is_written_in_one_call_and_answers_in_its_order() {
    let mut store = MockStore::new();
    store.expect_set_many().times(1).returning(|items| {
        assert!(
            items
                .iter()
                .all(|item| item.options == SetOptions::ttl(Ttl::seconds(60)))
        );
        Ok(items.iter().map(|item| item.value == "2").collect())
    });
    let access = access(store);

    let pairs = [(place("a"), &1), (place("b"), &2)];
    let written = access
        .set_many(pairs.into_iter(), &WriteOptions::new())
        .await;
    assert_eq!(written.unwrap(), [false, true]);
}

#[tokio::test]
async fn an_empty_batch_asks_nothing_of_the_store() {
    let access = access(MockStore::new());
    assert!(access.get_many::<u32>(&[]).await.unwrap().is_empty());
    let nothing = std::iter::empty::<(Place, &u32)>();
    let written = access.set_many(nothing, &WriteOptions::new()).await;
    assert!(written.unwrap().is_empty());
    assert_eq!(access.remove_many(&[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_value_that_cannot_be_encoded_sends_nothing_and_is_not_quoted() {
    let access = access(MockStore::new());
    let error = access
        .set(place("a"), &Picky(1), &WriteOptions::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert_eq!(error.key(), Some("a"));
    assert!(!error.may_have_applied());
    assert!(!format!("{error} {error:?}").contains("4711"));

    let pairs = [(place("a"), &Picky(2)), (place("b"), &Picky(3))];
    let error = access
        .set_many(pairs.into_iter(), &WriteOptions::new())
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Encode, Some("b")));
}

#[tokio::test]
async fn a_value_over_the_size_limit_sends_nothing() {
    let access = access_with(MockStore::new(), ValueFormat::json().with_max_size(10));
    let error = access
        .set(place("a"), "much too long", &WriteOptions::new())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.key()),
        (ErrorKind::TooLarge, Some("a"))
    );
}

#[tokio::test]
async fn json_text_of_other_programs_is_read() {
    let access = access(holding(
        " {\n \"lines\": 3, \"code\": \"\\u0061\", \"extra\": null }\n",
    ));
    let found: Option<Snippet> = access.get(&key("a")).await.unwrap();
    assert_eq!(
        found,
        Some(Snippet {
            code: "a".to_owned(),
            lines: 3
        })
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_a_counted_miss() {
    let one = CacheCounts {
        misses: 1,
        ..CacheCounts::default()
    };
    let corrupt = CacheCounts { corrupt: 1, ..one };
    let newer = CacheCounts { newer: 1, ..one };
    let cases: [(&str, Vec<u8>, CacheCounts, ErrorKind); 5] = [
        ("nothing", Vec::new(), corrupt, ErrorKind::Corrupt),
        (
            "truncated",
            b"{\"code\":\"a".to_vec(),
            corrupt,
            ErrorKind::Corrupt,
        ),
        (
            "another type",
            b"[1, 2]".to_vec(),
            corrupt,
            ErrorKind::Corrupt,
        ),
        (
            "over the limit",
            vec![b' '; 2_000],
            corrupt,
            ErrorKind::TooLarge,
        ),
        ("a newer version", newer_entry(), newer, ErrorKind::Newer),
    ];
    for (what, bytes, counts, kind) in cases {
        let access = access_with(holding(bytes), ValueFormat::json().with_max_size(1_000));
        let found: Option<Snippet> = access.get(&key("a")).await.unwrap();
        assert_eq!(found, None, "{what}");
        assert_eq!(access.base().counters.snapshot(), counts, "{what}");

        let crate::Lookup::Unreadable(error) = access.lookup::<Snippet>(&key("a")).await.unwrap()
        else {
            panic!("{what} was read");
        };
        assert_eq!((error.kind(), error.key()), (kind, Some("a")), "{what}");
        let told = format!("decode: {kind}: the ");
        assert!(error.to_string().starts_with(&told), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_damaged_entry_in_a_batch_hides_no_other() {
    let mut store = MockStore::new();
    store.expect_get_many().returning(|_| {
        Ok(vec![
            Some("1".into()),
            Some("{".into()),
            Some(newer_entry().into()),
            Some("4".into()),
        ])
    });
    let access = access(store);
    let values: Vec<Option<u32>> = access.get_many(&keys(&["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(values, [Some(1), None, None, Some(4)]);
    let expected = CacheCounts {
        hits: 2,
        misses: 2,
        negative: 0,
        corrupt: 1,
        newer: 1,
        ..CacheCounts::default()
    };
    assert_eq!(access.base().counters.snapshot(), expected);
}

#[tokio::test]
async fn a_negative_entry_is_a_hit_without_a_value() {
    let access = access(holding(
        ValueFormat::json()
            .encode_negative(&Meta::default())
            .unwrap(),
    ));
    assert_eq!(access.get::<u32>(&key("a")).await.unwrap(), None);
    let expected = CacheCounts {
        hits: 1,
        negative: 1,
        ..CacheCounts::default()
    };
    assert_eq!(access.base().counters.snapshot(), expected);
}

#[tokio::test]
async fn a_failing_store_is_an_error_and_counts_as_nothing() {
    let mut store = MockStore::new();
    store
        .expect_get()
        .returning(|_| Err(Error::new(ErrorKind::Unavailable, "get")));
    store
        .expect_get_many()
        .returning(|_| Err(Error::new(ErrorKind::Timeout, "get_many")));
    let access = access(store);
    assert_eq!(
        access.get::<u32>(&key("a")).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        access
            .get_many::<u32>(&keys(&["a"]))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Timeout
    );
    assert_eq!(access.base().counters.snapshot(), CacheCounts::default());
}
